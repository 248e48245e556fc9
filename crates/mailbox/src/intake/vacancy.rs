//! The queue of a seat between two incarnations.
//!
//! ```text
//!   Live ──close(None)──► Keeping: sends are queued           ──open──► Live, with all of it
//!                            │   restore: the kept ones in front
//!                            └─give_up_queue──► Vacant: sends are refused
//! ```
//!
//! What was queued is taken out when the incarnation ends, as ever. Whoever drops it sorts out what survives, entry by entry
//! and without the lock, and puts it back in front of what was sent meanwhile.
//!
//! # Invariants
//! * V1: what survives keeps its order, and stands ahead of everything that was sent after the end.
//! * V2: no more than `max` messages wait, those that are being sorted included.
//! * V3: what is put back too late, because the next incarnation has begun or none will come, is returned: it ends as if it
//!   had not been kept, and once.
//!
//! # Not here
//! Time: the caller gives up the queue when it was kept for long enough.

use super::books::{self, UNSET};
use super::{Intake, Leftover, Shared, State, aside::Aside};
use crate::calls::KnownCall;
use crate::inbox::pop_with_call;
use crate::policed::Victim;
use crate::sync::Ordering;
use crate::{Chunks, Dropped, Entry, Event, Queue, Refused};
use freeboard_signal::ExitReason;
use std::{fmt, mem, time::Duration};

/// Messages that outlive the incarnation that did not take them, oldest first.
pub struct Kept<M, S> {
    entries: Chunks<Entry<M, S>>,
    len: usize,
}

impl<M, S> Default for Kept<M, S> {
    fn default() -> Self {
        Self { entries: Chunks::default(), len: 0 }
    }
}

impl<M, S> Kept<M, S> {
    /// Adds the newest one, with what is known of it if it is a call.
    pub fn push(&mut self, message: M, call: Option<KnownCall>) {
        if let Some(call) = call {
            self.entries.add_known_call(self.entries.number() + self.len as u64, call);
        }
        self.entries.push(Entry::Event(Event::Message(message)));
        self.len += 1;
    }

    /// Takes the oldest one.
    pub fn pop(&mut self) -> Option<(M, Option<KnownCall>)> {
        let (Entry::Event(Event::Message(message)), call) = pop_with_call(&mut self.entries)? else { return None };
        self.len -= 1;
        Some((message, call))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<M, S> fmt::Debug for Kept<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<M, S> Intake<M, S> {
    /// Chooses what becomes of the queue when an incarnation ends and another one is to come; from the next end on.
    pub fn set_queue(&self, queue: Queue) {
        *self.books().queue.lock() = queue;
    }

    /// What was chosen.
    pub fn queue(&self) -> Queue {
        self.books.get().map(|books| *books.queue.lock()).unwrap_or_default()
    }

    /// Ends the incarnation that lives here, or none: sends are refused as if the seat were closed, but it can be opened
    /// again. What was queued is returned, as [`close`](Self::close) does.
    pub fn stop(&self, reason: ExitReason) -> Leftover<M, S> {
        self.end(State::ended(false, true, reason))
    }

    /// [`stop`](Self::stop) for a seat where nobody was ever up: sends are refused with [`Refused::NotStarted`].
    pub fn stop_unstarted(&self, reason: ExitReason) -> Leftover<M, S> {
        self.end(State::ended(false, false, reason))
    }

    /// [`close`](Self::close) for good, of a seat where nobody was ever up: sends are refused with [`Refused::NotStarted`].
    pub fn close_unstarted(&self, reason: ExitReason) -> Leftover<M, S> {
        self.end(State::ended(true, false, reason))
    }

    /// Puts back what survives the end of that incarnation, in front of what was sent since. With a policy it is judged by
    /// it, as if it had been sent just now, except for its place. `now` is as for [`push_at`](Self::push_at).
    ///
    /// # Errors
    /// The seat does not keep its queue any more: all of it comes back.
    ///
    /// # Cost
    /// O(1), and one step for each call; with a policy, one step for each message.
    pub fn restore(&self, incarnation: u64, mut kept: Kept<M, S>, now: Option<Duration>) -> Result<(), Kept<M, S>> {
        let Some(policing) = self.policing() else {
            // Nobody receives from a seat that keeps its queue, so this number stands until the next incarnation begins.
            let first = self.shared.lock().fresh.number();
            if let Some(first) = first.checked_sub(kept.len as u64) {
                // Everything that ever was in this mailbox has been numbered below that.
                kept.entries.renumber(first);
            }
            let mut shared = self.shared.lock();
            if !shared.is_keeping(incarnation) {
                return Err(kept);
            }
            let newer = mem::take(&mut shared.fresh);
            let next = newer.number();
            kept.entries.append(newer);
            if kept.entries.is_empty() {
                kept.entries.renumber(next);
            }
            shared.fresh = kept.entries;
            shared.give_up_kept();
            self.wait_again(kept.len);
            if kept.len > 0 && self.since.load(Ordering::Relaxed) == UNSET {
                self.since.store(books::stamp(now), Ordering::Relaxed);
            }
            return Ok(());
        };
        let mut judged = Vec::with_capacity(kept.len);
        while let Some((message, call)) = kept.pop() {
            let meta = policing.meta(&message);
            judged.push((message, meta, call));
        }
        let mut guard = self.shared.lock();
        let shared = &mut *guard;
        if !shared.is_keeping(incarnation) {
            drop(guard);
            judged.into_iter().for_each(|(message, _, call)| kept.push(message, call));
            return Err(kept);
        }
        let (count, mut victims, mut granted) = (judged.len(), Vec::new(), Vec::new());
        if let Some(rules) = &mut shared.rules
            && let Some(policed) = &mut rules.policed
        {
            for (message, meta, call) in judged.into_iter().rev() {
                match policed.push_oldest(message, meta, shared.pushed) {
                    Ok(number) => call.into_iter().for_each(|call| shared.fresh.add_oldest_call(number, call)),
                    Err(message) => victims.push(Victim { message, why: Dropped::Coalesced, number: None }),
                }
            }
            rules.room.restore(count - victims.len());
            granted = rules.room.hand_over();
            self.books().note_oldest(policed.oldest_stamp());
        }
        shared.give_up_kept();
        self.wait_again(count);
        self.lose(victims.len());
        drop(guard);
        granted.into_iter().for_each(std::task::Waker::wake);
        victims.into_iter().for_each(|victim| self.bury_lost(victim));
        Ok(())
    }

    /// The queue that was kept after that incarnation is not wanted any more: it is returned, and sends are refused until the
    /// next one begins. `None` if it is not kept.
    pub fn give_up_queue(&self, incarnation: u64) -> Option<Leftover<M, S>> {
        let mut shared = self.shared.lock();
        if !shared.is_keeping(incarnation) {
            return None;
        }
        shared.state = State::Vacant;
        let (fresh, next) = (mem::take(&mut shared.fresh), shared.pushed);
        shared.fresh.number_from(next);
        self.note_close();
        self.books().sorting.store(0, Ordering::Relaxed);
        let (ruled, waiting) = shared.rules.as_mut().map(|rules| rules.close(false)).unwrap_or_default();
        drop(shared);
        waiting.into_iter().for_each(std::task::Waker::wake);
        Some(Leftover::new(None, fresh, ruled))
    }

    /// Whether what belongs to an incarnation must be told from what survives it.
    pub(super) fn tells_apart(&self) -> bool {
        self.queue() != Queue::Drop
    }

    /// Why no message is accepted now, if so.
    pub(super) fn refusal(&self, shared: &Shared<M, S>) -> Option<Refused> {
        match &shared.state {
            State::Waiting | State::Live(_) => None,
            State::Vacant => Some(Refused::Vacant),
            State::Keeping(_) => self.keeps_enough(shared).then_some(Refused::Full),
            State::Ended { was_up, bare, boxed, .. } => {
                let why = if *was_up { Refused::Closed } else { Refused::NotStarted };
                ExitReason::unpack(*bare, boxed.as_deref()).map(why)
            }
        }
    }

    #[cold]
    fn keeps_enough(&self, shared: &Shared<M, S>) -> bool {
        let Queue::Keep { max, .. } = self.queue() else { return true };
        let policed = shared.rules.as_ref().and_then(|rules| rules.policed.as_ref());
        let queued = match policed {
            Some(policed) => policed.len(),
            None => usize::try_from(shared.pushed - shared.fresh.number()).unwrap_or(usize::MAX),
        };
        queued.saturating_add(self.books().sorting.load(Ordering::Relaxed)) >= max
    }

    /// So many messages that were counted as handled wait again. Under the lock.
    fn wait_again(&self, messages: usize) {
        let handled = self.handled.load(Ordering::Relaxed);
        self.handled.store(handled.saturating_sub(messages as u64), Ordering::Relaxed);
        self.books().sorting.store(0, Ordering::Relaxed);
    }
}

impl<M, S> Shared<M, S> {
    /// Tells the calls that were put back whose callers have given up while they were sorted.
    fn give_up_kept(&mut self) {
        let given_up = self.aside.as_mut().map(|aside| mem::take(&mut aside.given_up));
        for name in given_up.into_iter().flatten() {
            self.fresh.give_up(name);
        }
        Aside::prune(&mut self.aside);
    }

    fn is_keeping(&self, after: u64) -> bool {
        matches!(self.state, State::Keeping(incarnation) if incarnation == after)
    }
}
