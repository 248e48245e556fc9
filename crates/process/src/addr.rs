//! The address of a seat: where to send, whom to call.
//!
//! | seat | `send` | `cast` | `call` | `pid()` | links and monitors resolve to |
//! |---|---|---|---|---|---|
//! | not started yet | queued | queued | queued | none | noproc |
//! | starting, running, exiting | queued | queued | queued | some | that incarnation |
//! | draining | `Draining` | dropped | `Refused(Draining)` | some | that incarnation |
//! | vacant, a restart is due; queue kept | queued | queued | queued | none | noproc |
//! | vacant, a restart is due; queue dropped or returned | `Vacant` | dropped | `Refused(Vacant)` | none | noproc |
//! | stopped, its spec kept | `Closed(reason)` | dropped | `Exited(reason)` | none | noproc |
//! | closed for good | `Closed(reason)` | dropped | `Exited(reason)` | none | noproc |
//! | stopped, or closed for good; nobody was ever up | `NotStarted(reason)` | dropped | `NotStarted(reason)` | none | noproc |
//!
//! Nobody was ever up if the spec was dropped unstarted, or its first start failed: `init` stopped, refused, ignored, panicked
//! or took too long, the name was taken, the node was full, the supervisor went away meanwhile. Whoever asked before hears it
//! when the seat is closed, the moment the spec is dropped or the failed child ends. A later incarnation that does not come up
//! changes nothing: one that was up has ended, and callers hear of that.
//!
//! What becomes of the queue between two incarnations is chosen on the spec ([`Queue`](crate::Queue)). Who waits for the
//! last state awaits [`closed`](Addr::closed), or monitors the seat.
//!
//! A mailbox with a policy (`Node::spawn_with`, `ChildSpec::mailbox`) may refuse or drop what would be queued here.
//!
//! Invariant: an address never keeps a process alive, and dropping addresses never stops one.

use crate::call::{Call, Pending};
use crate::current;
use crate::reply::Reply;
use crate::seat::{AnySeat, Seat};
use crate::wire::Signal;
use freeboard_mailbox::{Dropped, MailboxStats, Message, Refused, SendError, Tag};
use freeboard_signal::{ExitReason, Pid};
use std::{fmt, sync::Arc, sync::Weak};

/// The address of a seat: one queue, and whoever lives there now. Valid before the first start and across restarts.
///
/// Cheap to clone. Dropping all addresses does not stop the process.
pub struct Addr<M: Send + 'static>(Arc<Seat<M>>);

/// An address that does not keep the seat's queue in memory.
pub struct WeakAddr<M: Send + 'static>(Weak<Seat<M>>);

impl<M: Send + 'static> Addr<M> {
    pub(crate) fn new(seat: Arc<Seat<M>>) -> Self {
        Self(seat)
    }

    pub(crate) fn seat(&self) -> &Arc<Seat<M>> {
        &self.0
    }

    /// The incarnation that lives here now; `None` before the start, while a restart is due, and after the end.
    pub fn pid(&self) -> Option<Pid> {
        self.0.core.pid_of(self.0.intake.incarnation()?)
    }

    /// Sends a message. Never waits (OTP: D11); `Ok` means queued and promises nothing more.
    ///
    /// A mailbox without a policy takes any number (OTP: E13); at 65,536 waiting messages, or what
    /// [`high_water`](crate::NodeBuilder::high_water) says, a `tracing` event warns, once until they were half of that.
    ///
    /// # Errors
    /// The seat is vacant, draining or closed, or its policy rejects what finds no room; the message comes back.
    ///
    /// # Deviation
    /// OTP's send to the dead succeeds silently; [`cast`](Self::cast) does (`docs/deviations.md`, DEV-02).
    ///
    /// # Cost
    /// One short lock; a wake if the receiver waits; a look at the coarse clock if nothing else waited,
    /// once per poll if a process sends.
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        self.0.send(message)
    }

    /// Sends a message and does not ask what becomes of it (OTP: A12, F14).
    pub fn cast(&self, message: M) {
        drop(self.send(message));
    }

    /// Sends a request and waits for its answer, five seconds unless [`within`](Call::within) or
    /// [`forever`](Call::forever) say otherwise (OTP: F8). A thread that cannot await uses `call_blocking`.
    ///
    /// ```
    /// use freeboard_process::{CallError, Context, Node, Reply, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     // This one takes the request and ends without answering.
    ///     let deaf = node.spawn(async |mut cx: Context<Reply<u8>>| {
    ///         let _unanswered = cx.recv_message().await;
    ///         Ok(())
    ///     });
    ///     assert!(matches!(deaf.call(|reply| reply).await, Err(CallError::Exited(_))));
    /// });
    /// ```
    pub fn call<T: Send + 'static, F: FnOnce(Reply<T>) -> M>(&self, request: F) -> Call<&Self, T, F> {
        Call::new(self, request)
    }

    /// Sends a request now; its answer can be awaited later (OTP: F17), alone or with [others](crate::fan_out()). Waits without
    /// limit unless it is [given one](Pending::within), also while a call is being served. Who wants no answer casts: a
    /// request that is dropped is abandoned.
    pub fn request<T: Send + 'static>(&self, request: impl FnOnce(Reply<T>) -> M) -> Pending<T> {
        Pending::send(&self, Arc::clone(&self.0) as Arc<dyn AnySeat>, request)
    }

    /// Sends an exit signal to the incarnation that lives here (OTP: B7). A process that does not trap exits ends with
    /// `reason`, unless that is `Normal`; one that traps receives it. Nobody here: nothing happens.
    pub fn exit(&self, reason: ExitReason) {
        if let Some(node) = self.0.core.node() {
            let from = current::pid().unwrap_or_else(|| node.pid());
            self.signal(Signal::Exit { from, reason, through: None });
        }
    }

    /// Kills the incarnation that lives here; it cannot be trapped (OTP: A5).
    ///
    /// The process ends at its next yield: code that never awaits cannot be stopped (OTP: A8).
    pub fn kill(&self) {
        self.signal(Signal::Kill);
    }

    /// Sends a signal to the incarnation that lives here. One whose end has begun takes none any more.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0.core.pid() {
            let _gone = self.0.push_signal(pid.generation(), Box::new(signal));
        }
    }

    /// Messages that wait here, read without a lock; may lag behind by what a running receiver has just taken.
    pub fn depth(&self) -> usize {
        self.0.intake.depth()
    }

    /// The numbers of this mailbox, read without a lock: what waits and for how long, what was received, what was dropped
    /// and why.
    ///
    /// ```
    /// use freeboard_process::{Context, Dropped, Node, Policy, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let policy = Policy::bounded(2).drop_oldest();
    ///     let slow = node.spawn_with(policy, async |_cx: Context<u32>| std::future::pending().await).unwrap();
    ///     (0..5).for_each(|n| slow.cast(n));
    ///     let stats = slow.stats();
    ///     assert_eq!((stats.depth, stats.dropped(Dropped::Oldest)), (2, 3));
    /// });
    /// ```
    ///
    /// # Cost
    /// A dozen loads and one look at the coarse clock.
    pub fn stats(&self) -> MailboxStats {
        self.0.intake.stats(|| self.0.core.uptime())
    }

    /// Messages with this tag that were dropped for this cause, if the policy counts by tags; zero otherwise.
    pub fn dropped_of(&self, tag: Tag<M>, why: Dropped) -> u64
    where
        M: Message,
    {
        self.0.intake.dropped_of(tag.number(), why)
    }

    /// Why no incarnation will ever live here again, if that is so: the last one's exit reason, or
    /// [`NoProc`](ExitReason::NoProc) if there was none. It is the reason in [`Refused::Closed`] and [`Refused::NotStarted`].
    pub fn ended(&self) -> Option<ExitReason> {
        self.0.intake.closed()
    }

    /// An address that does not keep the seat in memory.
    pub fn downgrade(&self) -> WeakAddr<M> {
        WeakAddr(Arc::downgrade(&self.0))
    }
}

impl<M: Send + 'static> WeakAddr<M> {
    /// The address, if the seat still exists.
    pub fn upgrade(&self) -> Option<Addr<M>> {
        self.0.upgrade().map(Addr)
    }

    /// Sends a message, as [`Addr::send`]. A sender of this kind keeps nothing in memory.
    ///
    /// # Errors
    /// As [`Addr::send`]; a seat that does not exist any more is closed with `NoProc`.
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        match self.upgrade() {
            Some(addr) => addr.send(message),
            None => Err(SendError { message, why: Refused::Closed(ExitReason::NoProc) }),
        }
    }

    /// Sends a message and does not ask what becomes of it, as [`Addr::cast`].
    pub fn cast(&self, message: M) {
        drop(self.send(message));
    }
}

impl<M: Send + 'static> Clone for Addr<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Send + 'static> Clone for WeakAddr<M> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}

/// Two addresses are equal if they name the same seat.
impl<M: Send + 'static> PartialEq for Addr<M> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<M: Send + 'static> Eq for Addr<M> {}

impl<M: Send + 'static> fmt::Debug for Addr<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid() {
            Some(pid) => write!(f, "Addr({pid})"),
            None => f.write_str("Addr(nobody)"),
        }
    }
}

impl<M: Send + 'static> fmt::Debug for WeakAddr<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakAddr")
    }
}
