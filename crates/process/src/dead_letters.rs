//! Messages that were sent and that nobody will receive, and the node's hook that is shown each of them.
//!
//! ```text
//!   policy drops it ─┐
//!   bound refuses it ├─► DeadLetter { to, what, why, &message } ─► hook ─► destructed, or back to its sender
//!   process ended ───┘
//! ```
//!
//! # Invariants
//! * The hook runs outside of every lock, and its panics concern nobody.
//! * It sees a message before its destructor runs.
//! * What it sends and nobody receives is counted and not shown: a hook never runs inside of itself.
//! * Without a hook nothing is computed for one.
//! * The hook is the node's: what was queued at a spec that no node ever had is dropped, and shown to nobody.
//!
//! # Not here
//! Which messages a policy drops, and the counters: `freeboard-mailbox`.

use crate::current;
use crate::node::Node;
use crate::reply::CallError;
use crate::seat::Seat;
use crate::sync::{AtomicU64, Ordering};
use crate::task::quietly;
use freeboard_mailbox::{Dropped, Policy, PolicyError, Refused};
use freeboard_signal::Pid;
use std::{any::Any, any::type_name, fmt, sync::Arc, sync::Weak};

/// A message that nobody will receive, as the hook of [`NodeBuilder::dead_letters`](crate::NodeBuilder::dead_letters) sees
/// it.
#[non_exhaustive]
pub struct DeadLetter<'a> {
    /// Who would have received it; `None` if nobody lived there: before the first start, or while a restart is due.
    pub to: Option<Pid>,
    /// The name of the message's type.
    pub message_type: &'static str,
    /// The name of the message's tag, if its mailbox counts by tags.
    pub tag: Option<&'static str>,
    /// Why nobody will receive it.
    pub cause: Dropped,
    /// The message itself, for a hook that knows its type.
    pub message: &'a (dyn Any + Send),
}

/// Who is shown the dead letters of a node.
pub(crate) type DeadLetterHook = Arc<dyn Fn(&DeadLetter<'_>) + Send + Sync>;

/// What a process's mailbox hands its dropped messages to.
struct Undertaker<M: Send + 'static> {
    seat: Weak<Seat<M>>,
    /// The names of the tags, if the mailbox counts by tags.
    tags: &'static [&'static str],
    /// When its policy dropped something last, in milliseconds of the node's time, and one more.
    last_drop: AtomicU64,
}

/// So long after the last drop, the next one is the first of a burst.
const BURST: u64 = 1_000;

impl<M: Send + 'static> Seat<M> {
    /// Puts a policy in force, before the first start.
    pub(crate) fn police(self: &Arc<Self>, node: &Node, policy: Policy<M>) -> Result<(), PolicyError> {
        let (tags, clock) = (policy.tag_names(), node.clone());
        self.show_dead_letters(tags);
        self.intake.limit(policy, move || clock.coarse())
    }

    /// Sees to it that what this mailbox drops is shown, and that callers in it are answered. Only the first call counts.
    pub(crate) fn show_dead_letters(self: &Arc<Self>, tags: &'static [&'static str]) {
        let seat = Arc::downgrade(self);
        self.intake.set_undertaker(Box::new(Undertaker { seat, tags, last_drop: AtomicU64::new(0) }));
    }
}

impl<M: Send + 'static> Undertaker<M> {
    /// Shows a message to the node's hook, if it has one.
    fn show(&self, message: &M, cause: Dropped, tag: Option<u32>) {
        let Some(seat) = self.seat.upgrade() else { return };
        let Some(node) = seat.core.node() else { return };
        self.note(&seat, node, cause);
        let Some(hook) = node.dead_letters() else { return };
        // The end of a process drops its queue in its own name; by then it does not live here any more.
        let ended = || current::pid().and_then(|pid| seat.core.own(pid));
        let to = if matches!(cause, Dropped::Exited | Dropped::Returned) { ended() } else { seat.core.pid() };
        let tag = tag.and_then(|tag| self.tags.get(tag as usize).copied());
        let letter = DeadLetter { to, message_type: type_name::<M>(), tag, cause, message };
        current::show_one(|| quietly(|| hook(&letter)));
    }

    /// One event for a burst of drops.
    fn note(&self, seat: &Seat<M>, node: &Node, cause: Dropped) {
        if matches!(cause, Dropped::Exited | Dropped::Returned) || !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let now = u64::try_from(node.uptime().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let before = self.last_drop.swap(now, Ordering::Relaxed);
        if before == 0 || now.saturating_sub(before) >= BURST {
            let (pid, depth) = (seat.core.pid(), seat.intake.depth());
            tracing::debug!(?pid, depth, message = type_name::<M>(), ?cause, "a mailbox begins to drop messages");
        }
    }
}

impl<M: Send + 'static> freeboard_mailbox::Undertaker<M> for Undertaker<M> {
    fn bury(&self, message: M, why: Dropped, tag: Option<u32>) {
        self.show(&message, why, tag);
        match why.refused() {
            Some(refused) => current::run_dropping(CallError::Refused(refused), || quietly(|| drop(message))),
            None => quietly(|| drop(message)),
        }
    }

    fn refused(&self, message: &M, why: &Refused, tag: Option<u32>) {
        // A send to a seat that is vacant or closed is its sender's affair: it was never under a rule.
        if matches!(why, Refused::Full | Refused::Draining) {
            self.show(message, Dropped::Rejected, tag);
        }
    }

    fn high_water(&self, waiting: usize) {
        flooded::<M>(self.seat.upgrade().and_then(|seat| seat.core.pid()), waiting);
    }
}

/// Says that so many messages wait at a process.
#[cold]
pub(crate) fn flooded<M>(pid: Option<Pid>, waiting: usize) {
    quietly(|| tracing::warn!(?pid, waiting, message = type_name::<M>(), "a mailbox has reached its high-water mark"));
}

impl fmt::Debug for DeadLetter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("to", &self.to)
            .field("message_type", &self.message_type)
            .field("tag", &self.tag)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}
