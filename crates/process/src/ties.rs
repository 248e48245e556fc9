//! What ties a process to others, counted: for inspection, and for tests that nothing is left behind.
//!
//! Invariant: counting changes nothing; what is queued and not received yet is not counted.
//!
//! # Not here
//! Who is at the other end: a count can be read from outside without handing out what only the process itself may change.

use crate::addr::Addr;
use crate::life::Rows;

/// How many rows a process holds, each kind on its own.
///
/// ```
/// use freeboard_process::{Context, Node, Sim, Ties};
///
/// Sim::seed(1).run(async |node: Node| {
///     let target = node.spawn(async |mut cx: Context<()>| Ok(cx.recv_message().await));
///     let other = target.clone();
///     let watcher = node.spawn(async move |mut cx: Context<()>| {
///         cx.monitor(&other);
///         cx.link(&other);
///         std::future::pending().await
///     });
///     # let idle = node.spawn(async |mut cx: Context<freeboard_process::Reply<()>>| {
///     #     let reply = cx.recv_message().await;
///     #     cx.sleep(std::time::Duration::from_secs(1)).await;
///     #     Ok(reply.send(()))
///     # });
///     # idle.call(|reply| reply).await.unwrap();
///     // Some time later:
///     assert_eq!(watcher.ties(), Ties { links: 1, monitors: 1, ..Ties::default() });
///     assert_eq!(target.ties(), Ties { links: 1, watchers: 1, ..Ties::default() });
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// Processes it is linked to.
    pub links: usize,
    /// Monitors it has made and not heard from.
    pub monitors: usize,
    /// Monitors that others have on it.
    pub watchers: usize,
    /// Aliases in force.
    pub aliases: usize,
    /// Messages that timers will send to it.
    pub timers: usize,
    /// Names that it holds.
    pub names: usize,
    /// Keys of registries and groups that it holds.
    pub keys: usize,
    /// Futures and streams outside whose results come to it.
    pub feeds: usize,
}

impl<M: Send + 'static> Addr<M> {
    /// What ties the process that lives here to others; nothing of it is left when it has ended.
    ///
    /// # Cost
    /// The process's own lock, for a few loads: not for every message.
    pub fn ties(&self) -> Ties {
        self.seat().core.life.lock().rows_if_any().map(|rows| Ties::of(rows)).unwrap_or_default()
    }
}

impl Ties {
    pub(crate) fn of(rows: &Rows) -> Self {
        Self {
            links: rows.links.len(),
            monitors: rows.watching.len(),
            watchers: rows.watchers.len(),
            aliases: rows.aliases.len(),
            timers: rows.timers.len(),
            names: rows.names.len(),
            keys: rows.keys.as_ref().map_or(0, |keys| keys.len()),
            feeds: rows.feeds.len(),
        }
    }
}
