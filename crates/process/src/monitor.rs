//! Making a monitor: what may be asked of it, and the alias that may come with it.
//!
//! Invariant: the row, and the alias if there is one, are there before the target hears of the monitor.
//!
//! # Not here
//! Taking it back (`context.rs`), and what its notice does (`life.rs`).

use crate::alias::{Alias, AliasMode};
use crate::context::Context;
use crate::target::Target;
use crate::wire::Signal;
use freeboard_monitor::Row;
use freeboard_signal::{ExitReason, Ref};
use std::sync::Arc;

/// What may be asked of a monitor, for [`Context::monitor_with`].
#[derive(Clone, Debug, Default)]
pub struct MonitorOptions {
    tag: Option<u64>,
    priority: bool,
}

impl MonitorOptions {
    /// Nothing special: what [`Context::monitor`] makes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `Down` carries this number in its `tag`, for the watcher to know what it was about (OTP: C13).
    pub fn tag(mut self, tag: u64) -> Self {
        self.tag = Some(tag);
        self
    }

    /// The `Down` goes ahead of ordinary messages, behind earlier priority messages (OTP: C22). It may so overtake the last
    /// messages of the process it is about.
    pub fn priority(mut self) -> Self {
        self.priority = true;
        self
    }
}

impl<M: Send + 'static> Context<M> {
    /// As [`monitor`](Self::monitor), with options.
    ///
    /// ```
    /// use freeboard_process::{Context, Event, MonitorOptions, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// let worker = node.spawn(async |mut cx: Context<()>| Ok(cx.recv_message().await));
    /// node.spawn(async move |mut cx: Context<&str>| {
    ///     let monitor = cx.monitor_with(&worker, &MonitorOptions::new().tag(4711).priority());
    ///     cx.addr().cast("a word that waits");
    ///     worker.cast(());
    ///     cx.sleep(std::time::Duration::from_secs(1)).await;
    ///     // The notice stands ahead of the word.
    ///     if let Event::Down(down) = cx.recv().await {
    ///         # let _ = done.send((down.monitor == monitor, down.tag));
    ///         assert_eq!((down.monitor, down.tag), (monitor, Some(4711)));
    ///     }
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (true, Some(4711)));
    /// # });
    /// ```
    pub fn monitor_with(&mut self, target: &(impl Target + ?Sized), options: &MonitorOptions) -> Ref {
        self.watch(target, options, None)
    }

    /// As [`monitor`](Self::monitor), and the token is an [`Alias`] of this process too: one name under which either the
    /// answer arrives or the `Down`. `mode` says how long the alias lasts (OTP: C14).
    ///
    /// ```
    /// use freeboard_process::{Alias, AliasMode, Context, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// let server = node.spawn(async |mut cx: Context<Alias<u32>>| {
    ///     let client = cx.recv_message().await;
    ///     client.cast(42);
    ///     client.cast(43); // The first answer has ended the alias, and the monitor with it.
    ///     Ok(())
    /// });
    /// node.spawn(async move |mut cx: Context<u32>| {
    ///     let alias = cx.monitor_alias(&server, AliasMode::ReplyDemonitor);
    ///     let token = alias.reference();
    ///     server.cast(alias);
    ///     let answer = cx.recv_alias(token).await;
    ///     let more = cx.recv().after(std::time::Duration::from_secs(1)).await;
    ///     # let _ = done.send((answer, more.is_none()));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (42, true));
    /// # });
    /// ```
    pub fn monitor_alias(&mut self, target: &(impl Target + ?Sized), mode: AliasMode) -> Alias<M> {
        let monitor = self.watch(target, &MonitorOptions::new(), Some(mode));
        Alias::new(Arc::clone(&self.seat), self.pid(), monitor)
    }

    fn watch(&mut self, target: &(impl Target + ?Sized), options: &MonitorOptions, alias: Option<AliasMode>) -> Ref {
        let peer = self.peer_or_absent(target);
        let monitor = self.node().new_ref();
        let &MonitorOptions { tag, priority } = options;
        let row = Row { pid: peer.pid, peer: peer.clone(), name: target.name(), tag, priority };
        {
            let Some(mut life) = self.life() else { return monitor };
            let rows = life.rows();
            rows.watching.insert(monitor, row);
            if let Some(mode) = alias {
                rows.aliases.insert(monitor, mode.terms());
            }
        }
        let me = self.me();
        if peer.pid != self.pid()
            && (self.is_absent(&peer) || !peer.signal(Signal::Monitor { monitor, watcher: me.clone() }))
        {
            me.signal(Signal::Down { monitor, reason: ExitReason::NoProc });
        }
        monitor
    }
}
