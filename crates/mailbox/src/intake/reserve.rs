//! Room that is reserved, senders that wait for some, and draining.
//!
//! ```text
//!   try_reserve ─┐                        ┌─► push_reserved   the message's place is where this is called
//!                ├─► room, not a place ───┤
//!   poll_room ───┘   (waits in a line)    └─► give_up_room    the next in the line gets it
//! ```
//!
//! # Invariants
//! * A permit is used once: [`push_reserved`](Intake::push_reserved) or [`give_up_room`](Intake::give_up_room). Whoever holds it
//!   sees to that; the mailbox hands out numbers only.
//! * A permit is room on the seat, not at an incarnation: it stays good over a restart, and while the mailbox drains.
//! * A mailbox that drains is drained when nothing is left and no permit is out; its receiver is told, or woken to be.
//!
//! # Not here
//! Futures, deadlines and the permit as a value: the process's side has them.

use super::books::UNSET;
use super::{Intake, Rules, Shared, State};
use crate::policed::Policed;
use crate::sync::MutexGuard;
use crate::{Refused, SendError, Ticket};
use std::task::{Poll, Waker};

impl<M, S> Shared<M, S> {
    /// Whether nothing is left and nothing can come, as far as senders go. Priority entries that wait count as left.
    pub(super) fn is_drained(&self) -> bool {
        let Some(rules) = self.rules.as_ref().filter(|rules| rules.room.is_draining()) else { return false };
        let nothing_aside = self.aside.as_ref().is_none_or(|aside| aside.holds_nothing()) && !self.walking;
        !rules.room.has_permits() && nothing_aside && self.fresh.is_empty() && rules.is_empty()
    }
}

impl<M, S> Intake<M, S> {
    /// Reserves room for one message. Never waits.
    ///
    /// The permit holds room, not a place: the message stands where [`push_reserved`](Self::push_reserved) puts it, so what
    /// the same sender sends in between comes first. A mailbox without a capacity has room always.
    ///
    /// # Errors
    /// As [`push`](Self::push); also under a policy that drops something else to make room, which only a message does.
    pub fn try_reserve(&self) -> Result<(), Refused> {
        let mut shared = self.with_rules();
        if let Some(why) = self.refusal(&shared) {
            return Err(why);
        }
        let Some(rules) = &mut shared.rules else { return Err(Refused::Full) };
        match rules.room.refusal(false) {
            Some(why) => Err(why),
            None if rules.room.reserve() => Ok(()),
            None => Err(Refused::Full),
        }
    }

    /// Whether a message would be queued now, or dropped by the policy, but not refused; and whether room had to be reserved
    /// for it, which [`push_reserved`](Self::push_reserved) must then use. For a message that is not made yet.
    ///
    /// # Errors
    /// As [`push`](Self::push). A message that would take the place of a queued one with its key needs room here.
    pub fn admit(&self) -> Result<bool, Refused> {
        let mut shared = self.shared.lock();
        let refusal = self.refusal(&shared);
        let Some(rules) = &mut shared.rules else { return refusal.map_or(Ok(false), Err) };
        let rejects = rules.policed.as_ref().is_some_and(Policed::rejects);
        let why = match refusal.or_else(|| rules.room.refusal(false)) {
            None if !rejects => return Ok(false),
            None if rules.room.reserve() => return Ok(true),
            None => Refused::Full,
            Some(why) => why,
        };
        drop(shared);
        self.count_refusal(&why);
        Err(why)
    }

    /// Queues a message with a permit, which is used up either way. There is room, and the mailbox may be draining.
    ///
    /// # Errors
    /// The seat is closed or vacant; the message comes back.
    pub fn push_reserved(&self, message: M) -> Result<(), SendError<M>> {
        self.push_ruled(message, None, true, UNSET, &|| usize::MAX).map(drop)
    }

    /// Gives up a permit. Who waits for room first gets it.
    pub fn give_up_room(&self) {
        self.change_room(|shared| {
            let Some(rules) = &mut shared.rules else { return Vec::new() };
            rules.room.give_up();
            rules.room.hand_over()
        });
    }

    /// Waits in line for room; ready when a permit is reserved, which the caller then holds.
    ///
    /// A ticket begins as [`Ticket::new`] and is good for this mailbox only. Room that comes free goes to the ticket that
    /// has waited longest, so no send can barge in.
    ///
    /// # Errors
    /// The seat is closed or vacant, or drains; the ticket has no place any more.
    ///
    /// # Cancel safety
    /// A ticket that is not polled to its end must be given to [`leave`](Self::leave), which passes on its room or place.
    pub fn poll_room(&self, ticket: &mut Ticket, waker: &Waker) -> Poll<Result<(), Refused>> {
        let mut shared = self.with_rules();
        let refusal = self.refusal(&shared);
        let Some(rules) = &mut shared.rules else { return Poll::Ready(Err(Refused::Full)) };
        if let Some(why) = refusal.or_else(|| rules.room.refusal(false)) {
            if matches!(why, Refused::Draining) && rules.room.fetch(ticket) {
                // It was granted before the mailbox began to drain.
                return Poll::Ready(Ok(()));
            }
            drop(shared);
            self.leave(ticket); // Room that was granted by the last incarnation goes back.
            return Poll::Ready(Err(why));
        }
        let (polled, replaced) = rules.room.poll(ticket, waker);
        drop(shared);
        drop(replaced); // A waker is user code; it is dropped outside the lock.
        polled.map(Ok)
    }

    /// Leaves the line: room that was granted and not fetched goes to the next, and so does the place.
    pub fn leave(&self, ticket: &mut Ticket) {
        if ticket.is_waiting() {
            let mut waker = None;
            self.change_room(|shared| {
                let Some(rules) = &mut shared.rules else { return Vec::new() };
                waker = rules.room.forget(ticket);
                rules.room.hand_over()
            });
        }
    }

    /// Takes nothing new: sends are refused, permits stay good, and the receiver goes on with what is here. Answers whether
    /// the seat is waiting or live. The next incarnation takes messages again.
    pub fn drain(&self) -> bool {
        drop(self.with_rules());
        let mut is_open = false;
        self.change_room(|shared| {
            is_open = matches!(shared.state, State::Waiting | State::Live(_));
            match &mut shared.rules {
                Some(rules) if is_open => rules.room.drain(),
                _ => Vec::new(),
            }
        });
        is_open
    }

    /// Whether the mailbox drains: what an [`exchange`](Self::exchange) that finds nothing then answers is
    /// [`Drained`](crate::Exchange::Drained), as soon as no permit is out.
    pub fn is_draining(&self) -> bool {
        self.shared.lock().rules.as_ref().is_some_and(|rules| rules.room.is_draining())
    }

    /// Whether it drains and nothing is left here: neither in the queue nor with anybody who holds a permit.
    pub fn is_drained(&self) -> bool {
        self.shared.lock().is_drained()
    }

    /// The lock, of a mailbox that has rules.
    fn with_rules(&self) -> MutexGuard<'_, Shared<M, S>> {
        let shared = self.shared.lock();
        if shared.rules.is_some() {
            return shared;
        }
        drop(shared);
        let rules = Box::new(Rules::none()); // Not allocated under the lock.
        let mut shared = self.shared.lock();
        if shared.rules.is_none() {
            shared.rules = Some(rules);
        }
        shared
    }

    /// Changes who has room, wakes those who are to be told, and the receiver if the mailbox is drained now.
    fn change_room(&self, change: impl FnOnce(&mut Shared<M, S>) -> Vec<Waker>) {
        let mut shared = self.shared.lock();
        let told = change(&mut shared);
        let receiver = if shared.is_drained() { shared.unpark() } else { None };
        drop(shared);
        told.into_iter().chain(receiver).for_each(Waker::wake);
    }
}
