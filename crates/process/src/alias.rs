//! Aliases: names of a process that it can take back, so that late answers vanish.
//!
//! ```text
//!   Context::alias ─► Aliases { Ref → terms }  ◄─ asked once per message, when the receiver walks it
//!                 ╲
//!                  └► Alias { seat, incarnation, Ref } ─ given away ─► send
//! ```
//!
//! A sender never looks whether an alias is in force: its message stands in the queue, in order with everything else it has
//! sent (OTP: D4), and the receiver's own task decides when it passes it (OTP: C15). So `unalias` is one removal from the
//! process's own table, and holds from the moment in which it returns (OTP: D7).
//!
//! # Invariants
//! * An alias belongs to one incarnation; the next one on the seat never gets what was sent through it.
//! * An alias that delivers one message delivers exactly one (OTP: C16): asking and ending is one step.
//! * A message goes ahead only if its receiver has made the alias a priority one *and* its sender asked for it (OTP: E14).
//!
//! # Not here
//! Where a message that goes ahead is put: the lane of `freeboard-mailbox`.

use crate::context::Context;
use crate::current;
use crate::life::Map;
use crate::seat::{AnySeat, Seat};
use crate::wire::{Signal, Through};
use freeboard_mailbox::{Aliased, Refused, SendError};
use freeboard_signal::{ExitReason, Pid, Ref};
use std::{fmt, sync::Arc};

/// A name of one process that the process can take back: what is sent through it afterwards vanishes.
///
/// It is what a client gives to a server that may answer late. Cheap to clone. It does not keep the process alive.
///
/// | the alias | `send`, `cast` | the message |
/// |---|---|---|
/// | in force when the message is received | queued | is received, in order with all others of its sender |
/// | ended by then | queued | is dropped by the receiver; a caller in it hears `NoReply` at once |
/// | of a process that has ended | refused | comes back |
///
/// ```
/// use freeboard_process::{Alias, Context, Node, Sim};
///
/// # Sim::seed(1).run(async |node: Node| {
/// # let (done, heard) = tokio::sync::oneshot::channel();
/// let slow = node.spawn(async |mut cx: Context<Alias<&'static str>>| {
///     let client = cx.recv_message().await;
///     cx.sleep(std::time::Duration::from_secs(9)).await;
///     client.cast("too late");
///     Ok(())
/// });
/// node.spawn(async move |mut cx: Context<&'static str>| {
///     let alias = cx.alias();
///     slow.cast(alias.clone());
///     let answer = cx.recv_alias(alias.reference()).after(std::time::Duration::from_secs(5)).await;
///     cx.unalias(alias.reference());
///     // The late answer can surface nowhere.
///     let late = cx.recv().after(std::time::Duration::from_secs(60)).await;
///     # let _ = done.send((answer.is_none(), late.is_none()));
///     Ok(())
/// });
/// # assert_eq!(heard.await.unwrap(), (true, true));
/// # });
/// ```
pub struct Alias<M: Send + 'static> {
    seat: Arc<Seat<M>>,
    incarnation: u64,
    alias: Ref,
}

impl<M: Send + 'static> Alias<M> {
    pub(crate) fn new(seat: Arc<Seat<M>>, of: Pid, alias: Ref) -> Self {
        Self { seat, incarnation: of.generation(), alias }
    }

    /// The token by which its process finds what came through it, and ends it.
    pub fn reference(&self) -> Ref {
        self.alias
    }

    /// Sends a message. Never waits; `Ok` promises nothing, as the alias may have ended (OTP: A12).
    ///
    /// # Errors
    /// The process has ended; the message comes back.
    ///
    /// # Deviation
    /// OTP's send to the dead succeeds silently; [`cast`](Self::cast) does (`docs/deviations.md`, DEV-02).
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        self.push(message, false)
    }

    /// Sends a message and does not ask what becomes of it.
    pub fn cast(&self, message: M) {
        drop(self.send(message));
    }

    /// Sends a message that goes ahead of all ordinary ones and behind earlier priority ones, if its process has made this
    /// [a priority alias](Context::priority_alias); otherwise it is an ordinary one (OTP: E14, E15).
    ///
    /// Its place is taken when its process accepts it: at that process's next poll, so a process that is busy receiving may
    /// handle up to [`MESSAGES_PER_ROUND`](crate::MESSAGES_PER_ROUND) others before.
    ///
    /// # Errors
    /// The process has ended; the message comes back.
    ///
    /// # Deviation
    /// After 16 priority entries in a row an ordinary one has its turn (`docs/deviations.md`, DEV-09).
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<&str>| {
    ///     let (urgent, plain) = (cx.priority_alias(), cx.alias());
    ///     cx.addr().cast("one");
    ///     plain.send_priority("two").unwrap();
    ///     urgent.cast("three");
    ///     urgent.send_priority("first").unwrap();
    ///     let mut heard = Vec::new();
    ///     cx.recv_many(&mut heard, 4).await;
    ///     # let _ = done.send(heard);
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), ["first", "one", "two", "three"]);
    /// # });
    /// ```
    pub fn send_priority(&self, message: M) -> Result<(), SendError<M>> {
        self.push(message, true)
    }

    fn push(&self, message: M, ahead: bool) -> Result<(), SendError<M>> {
        let entry = Box::new(Aliased { alias: self.alias, ahead, message });
        self.seat.intake.push_aliased(self.incarnation, entry).map_err(|back| {
            // The seat may have another tenant, or get one: for this alias that is no difference.
            let reason = self.seat.intake.closed().unwrap_or(ExitReason::NoProc);
            SendError { message: back.message, why: Refused::Closed(reason) }
        })
    }

    /// Sends an exit signal, as [`Addr::exit`](crate::Addr::exit); it does nothing if the alias has ended when it is
    /// received.
    pub fn exit(&self, reason: ExitReason) {
        self.push_exit(reason, false);
    }

    /// Sends an exit signal; if it is trapped, its message goes ahead of ordinary ones, if this is a priority alias
    /// (OTP: E14).
    pub fn exit_priority(&self, reason: ExitReason) {
        self.push_exit(reason, true);
    }

    fn push_exit(&self, reason: ExitReason, ahead: bool) {
        let Some(node) = self.seat.core.node() else { return };
        let from = current::pid().unwrap_or_else(|| node.pid());
        let through = Some(Through { alias: self.alias, ahead });
        drop(self.seat.push_signal(self.incarnation, Box::new(Signal::Exit { from, reason, through })));
    }
}

/// What may be asked of an alias, for [`Context::alias_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AliasOptions(Terms);

impl AliasOptions {
    /// Nothing special: what [`Context::alias`] makes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first message that is accepted ends the alias, so it delivers exactly one (OTP: C16). An exit signal does not.
    pub fn once(mut self) -> Self {
        self.0.once = true;
        self
    }

    /// What is [sent with priority](Alias::send_priority) goes ahead of ordinary messages (OTP: E14).
    pub fn priority(mut self) -> Self {
        self.0.priority = true;
        self
    }
}

/// How long the alias of a monitor lasts (OTP: C14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasMode {
    /// Until [`unalias`](Context::unalias): alias and monitor have nothing to do with one another but the name.
    Explicit,
    /// As long as the monitor: `demonitor`, or its `Down`, ends it.
    Demonitor,
    /// As long as the monitor, or until the first message, which ends the monitor too: no `Down` follows an answer.
    ReplyDemonitor,
}

impl AliasMode {
    pub(crate) fn terms(self) -> Terms {
        let (once, with_monitor) = match self {
            Self::Explicit => (false, false),
            Self::Demonitor => (false, true),
            Self::ReplyDemonitor => (true, true),
        };
        Terms { once, with_monitor, priority: false }
    }
}

/// What ends an alias, apart from `unalias`, and whether it is a priority one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The first message ends it.
    once: bool,
    /// The end of its monitor ends it.
    with_monitor: bool,
    priority: bool,
}

/// The aliases in force of one process, as pure state.
#[derive(Default, Debug)]
pub(crate) struct Aliases(Map<Ref, Terms>);

/// What becomes of a message that came through an alias in force.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// It goes ahead of ordinary messages.
    pub(crate) ahead: bool,
    /// It ends the monitor of the same name.
    pub(crate) ends_monitor: bool,
}

impl Aliases {
    pub(crate) fn insert(&mut self, alias: Ref, terms: Terms) {
        self.0.insert(alias, terms);
    }

    /// Ends an alias; answers whether it was in force.
    pub(crate) fn remove(&mut self, alias: Ref) -> bool {
        self.0.remove(&alias).is_some()
    }

    /// How many are in force.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A monitor has ended; so does its alias, unless it was made to last.
    pub(crate) fn monitor_ended(&mut self, monitor: Ref) {
        if self.0.get(&monitor).is_some_and(|terms| terms.with_monitor) {
            self.0.remove(&monitor);
        }
    }

    /// A message has come through that alias; `None` if it is not accepted.
    pub(crate) fn message(&mut self, alias: Ref, ahead: bool) -> Option<Way> {
        let Terms { once, with_monitor, priority } = *self.0.get(&alias)?;
        if once {
            self.0.remove(&alias);
        }
        Some(Way { ahead: ahead && priority, ends_monitor: once && with_monitor })
    }

    /// An exit signal has come through that alias: whether it goes ahead; `None` if it is not accepted.
    pub(crate) fn exit(&self, alias: Ref, ahead: bool) -> Option<bool> {
        self.0.get(&alias).map(|terms| terms.priority && ahead)
    }
}

impl<M: Send + 'static> Context<M> {
    /// Makes an alias of this process, which lasts until [`unalias`](Self::unalias).
    pub fn alias(&mut self) -> Alias<M> {
        self.alias_with(AliasOptions::new())
    }

    /// Makes an alias that delivers exactly one message and is over then (OTP: C16).
    pub fn alias_once(&mut self) -> Alias<M> {
        self.alias_with(AliasOptions::new().once())
    }

    /// Makes an alias through which [priority messages](Alias::send_priority) can be sent (OTP: E14).
    pub fn priority_alias(&mut self) -> Alias<M> {
        self.alias_with(AliasOptions::new().priority())
    }

    /// Makes an alias with options.
    pub fn alias_with(&mut self, options: AliasOptions) -> Alias<M> {
        let alias = self.node().new_ref();
        if let Some(mut life) = self.life() {
            life.rows().aliases.insert(alias, options.0);
        }
        Alias::new(Arc::clone(&self.seat), self.pid(), alias)
    }

    /// Ends an alias. When this returns, nothing that is sent through it will be received any more, nor what was sent and
    /// has not been accepted yet (OTP: C15, D7); what was accepted stays. Answers whether the alias was in force; unknown
    /// ones, and those of other processes, are accepted. A monitor of the same name goes on (OTP: C14).
    pub fn unalias(&mut self, alias: Ref) -> bool {
        self.life().is_some_and(|mut life| life.rows_if_any().is_some_and(|rows| rows.aliases.remove(alias)))
    }
}

impl<M: Send + 'static> Clone for Alias<M> {
    fn clone(&self) -> Self {
        Self { seat: Arc::clone(&self.seat), incarnation: self.incarnation, alias: self.alias }
    }
}

impl<M: Send + 'static> fmt::Debug for Alias<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alias({})", self.alias)
    }
}
