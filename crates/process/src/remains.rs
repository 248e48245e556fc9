//! What an incarnation leaves in its queue: dropped, returned, or kept for the next one.
//!
//! ```text
//!   queue at the end ─► message ─► Queue::Drop: buried     Queue::Keep: sorted out ─► back in front of the queue
//!                       anything else: buried                Queue::Return: its callers may ask again
//! ```
//!
//! # Invariants
//! * Each message ends once: dropped and counted, or in front of the queue again.
//! * Only ordinary messages are kept, in their order, and no more than the spec allows; the oldest are.
//! * A queue that was kept for too long is dropped like one that was not kept, by the node's timers.
//!
//! # Not here
//! What is sent in the meantime: `intake/vacancy.rs` of `freeboard-mailbox`.

use crate::current;
use crate::reply::CallError;
use crate::seat::{End, Seat};
use crate::task::quietly;
use crate::timer::Action;
use crate::wire::Signal;
use freeboard_mailbox::{Dropped, Entry, Event, Kept, KnownCall, Leftover, Queue, Refused};
use freeboard_signal::Pid;
use std::{any::type_name, sync::Arc, time::Duration};

/// What was left in a queue, to be dropped entry by entry without knowing the message type.
pub(crate) trait Remains: Send {
    /// Drops or keeps the oldest entry; a signal in it goes to `signal`, the name of anything else to `seen`. False when
    /// nothing is left.
    fn drop_next(&mut self, signal: &mut dyn FnMut(Signal), seen: &mut dyn FnMut(&'static str)) -> bool;
}

/// What an incarnation did not receive.
pub(crate) struct Left<M: Send + 'static> {
    pub(crate) seat: Arc<Seat<M>>,
    pub(crate) queue: Leftover<M, Signal>,
    pub(crate) fate: Fate<M>,
}

/// What becomes of its messages.
pub(crate) enum Fate<M> {
    /// Nobody will receive them, and their callers hear why.
    Lost,
    /// Their callers hear that they may ask again.
    Returned,
    /// The next incarnation gets so many.
    Kept { after: u64, max: usize, kept: Kept<M, Signal> },
    /// It would have, but it is too late.
    TooLate(Kept<M, Signal>),
}

impl<M> Fate<M> {
    /// Whether there is something to do even if nothing was left.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept { .. })
    }
}

impl<M: Send + 'static> Left<M> {
    fn end(&mut self, message: M, call: Option<KnownCall>) {
        match &mut self.fate {
            Fate::Kept { max, kept, .. } if kept.len() < *max => kept.push(message, call),
            Fate::Returned => current::run_dropping(CallError::Refused(Refused::Vacant), || {
                self.seat.intake.bury(message, Dropped::Returned);
            }),
            _ => self.seat.intake.bury(message, Dropped::Exited),
        }
    }

    /// Everything was looked at: what is kept goes back. Answers whether there is more to drop.
    fn restore(&mut self) -> bool {
        match std::mem::replace(&mut self.fate, Fate::Lost) {
            Fate::Lost | Fate::Returned => false,
            Fate::Kept { after, kept, .. } => {
                if let Err(kept) = self.seat.intake.restore(after, kept, self.seat.core.uptime()) {
                    self.fate = Fate::TooLate(kept);
                    return true;
                }
                false
            }
            Fate::TooLate(mut kept) => {
                let Some((message, call)) = kept.pop() else { return false };
                self.fate = Fate::TooLate(kept);
                self.end(message, call);
                true
            }
        }
    }
}

impl<M: Send + 'static> Remains for Left<M> {
    fn drop_next(&mut self, signal: &mut dyn FnMut(Signal), seen: &mut dyn FnMut(&'static str)) -> bool {
        let next = self.queue.take_next();
        if let Some(name) = next.as_ref().and_then(|entry| self.seat.name_of(entry)) {
            seen(name);
        }
        match next {
            Some(Entry::Signal(boxed)) => signal(*boxed),
            Some(Entry::Event(Event::Message(message))) => {
                let call = self.queue.take_call();
                self.end(message, call);
            }
            Some(entry) => self.seat.bury(entry),
            None => return self.restore(),
        }
        true
    }
}

impl<M: Send + 'static> Seat<M> {
    /// What a queued entry is, in a word; nothing for what nobody would receive.
    fn name_of(&self, entry: &Entry<M, Signal>) -> Option<&'static str> {
        let of_message = |message: &M| self.intake.tag_name(message).unwrap_or_else(type_name::<M>);
        match entry {
            Entry::Event(Event::Message(message)) => Some(of_message(message)),
            Entry::Event(Event::Down(_) | Event::Downs(_)) => Some("Down"),
            Entry::Event(Event::Exit(_)) => Some("Exit"),
            Entry::Own(message) => Some(of_message(message)),
            Entry::Aliased(aliased) => Some(of_message(&aliased.message)),
            Entry::Timed(_) => Some(type_name::<M>()),
            _ => None,
        }
    }

    /// Ends the incarnation that lives here; another one is to come.
    pub(crate) fn close_for_restart(self: &Arc<Self>, end: &End) -> (Fate<M>, Leftover<M, Signal>) {
        let (choice, ends) = (self.intake.queue(), self.intake.incarnation());
        let queue = self.intake.close(None);
        let fate = match (choice, ends) {
            (Queue::Keep { max, time }, Some(after)) => {
                self.keep_for(time, after, end.clone());
                Fate::Kept { after, max, kept: Kept::default() }
            }
            (Queue::Return, _) => Fate::Returned,
            _ => Fate::Lost,
        };
        (fate, queue)
    }

    /// Sees to it that the queue is given up when it was kept for so long.
    fn keep_for(self: &Arc<Self>, time: Duration, after: u64, end: End) {
        let Some(node) = self.core.node() else { return };
        // The timer must not keep the seat.
        let seat = Arc::downgrade(self);
        let expiry = node.timers().at(node.later(time), |_| {
            Action::Run(Box::new(move || {
                if let Some(seat) = seat.upgrade() {
                    seat.give_up_queue(after, &end);
                }
            }))
        });
        self.core.life.lock().of_seat().expiry = Some(expiry);
    }

    fn give_up_queue(&self, after: u64, end: &End) {
        let Some(mut queue) = self.intake.give_up_queue(after) else { return };
        let pid = self.core.pid_of(after).unwrap_or_else(|| Pid::new(0, 0, 0));
        current::run_ending(pid, end.answer(), || {
            while let Some(entry) = queue.take_next() {
                quietly(|| self.bury(entry));
            }
        });
    }
}
