//! Who has room in a mailbox, and who waits for some.
//!
//! ```text
//!   capacity = queued + held + reserved + free       a free place goes to the first who waits, at once
//! ```
//!
//! A pure state machine; it hands back the wakers that are to be woken, and wakes nobody.
//!
//! # Invariants
//! * R1: while somebody waits, nothing is free: room is handed over directly, so that no send can barge in.
//! * R2: whoever came first to wait gets room first.
//! * R3: room that was granted and is not wanted any more goes to the next one, never to nobody.
//! * R4: a permit holds room, not a place in the queue, and stays good while the mailbox drains.
//!
//! # Not here
//! The messages; whether the seat is open at all.

use crate::Refused;
use std::collections::{BTreeMap, BTreeSet};
use std::task::{Poll, Waker};

/// The account of a mailbox's room.
#[derive(Debug)]
pub(crate) struct Room {
    capacity: usize,
    /// Messages under the rules that are in the queue.
    queued: usize,
    /// What the receiver took out or left.
    held: usize,
    /// Permits, and room that was granted to who waited and is not fetched yet.
    reserved: usize,
    waiting: BTreeMap<u64, Waker>,
    granted: BTreeSet<u64>,
    next_number: u64,
    draining: bool,
}

/// A sender's place among those who wait for room; see [`Intake::poll_room`](crate::Intake::poll_room).
#[derive(Debug, Default)]
pub struct Ticket {
    number: Option<u64>,
}

impl Ticket {
    /// A ticket that has no place yet.
    pub const fn new() -> Self {
        Self { number: None }
    }

    /// Whether it has a place, or room that was not fetched: then it must be given back to its mailbox.
    pub fn is_waiting(&self) -> bool {
        self.number.is_some()
    }
}

impl Room {
    /// Room for so many, or for any number.
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity: capacity.unwrap_or(usize::MAX),
            queued: 0,
            held: 0,
            reserved: 0,
            waiting: BTreeMap::new(),
            granted: BTreeSet::new(),
            next_number: 0,
            draining: false,
        }
    }

    /// Sets the capacity. What is in or reserved already stays.
    pub(crate) fn limit(&mut self, capacity: Option<usize>) {
        self.capacity = capacity.unwrap_or(usize::MAX);
    }

    fn is_free(&self) -> bool {
        self.queued.saturating_add(self.held).saturating_add(self.reserved) < self.capacity
    }

    /// Room for a message that goes into the queue now.
    pub(crate) fn enter(&mut self) -> bool {
        let free = self.is_free();
        self.queued += usize::from(free);
        free
    }

    /// The same with a permit, which is used up.
    pub(crate) fn enter_with_permit(&mut self) {
        debug_assert!(self.reserved > 0, "a permit is used once");
        self.reserved = self.reserved.saturating_sub(1);
        self.queued += 1;
    }

    /// A message was dropped from the queue.
    pub(crate) fn leave_queue(&mut self) {
        self.queued -= 1;
    }

    /// A message went from the queue to the receiver.
    pub(crate) fn take_out(&mut self) {
        self.queued -= 1;
        self.held += 1;
    }

    /// The receiver holds so many now.
    pub(crate) fn settle(&mut self, held: usize) {
        self.held = held;
    }

    pub(crate) fn reserve(&mut self) -> bool {
        let free = self.is_free();
        self.reserved += usize::from(free);
        free
    }

    /// A permit is not wanted any more.
    pub(crate) fn give_up(&mut self) {
        debug_assert!(self.reserved > 0, "a permit is given up once");
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// Whether any permit is out, or granted to who waited.
    pub(crate) fn has_permits(&self) -> bool {
        self.reserved > 0
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Why nobody gets in, with or without a permit, however much room there is.
    pub(crate) fn refusal(&self, permit: bool) -> Option<Refused> {
        (self.draining && !permit).then_some(Refused::Draining)
    }

    /// Nobody gets in any more, but for permits. Those who wait are to be told: their wakers.
    #[must_use]
    pub(crate) fn drain(&mut self) -> Vec<Waker> {
        self.draining = true;
        self.dismiss()
    }

    /// The incarnation is over: the queue is gone, the permits stay. Those who wait are to be told: their wakers.
    #[must_use]
    pub(crate) fn close(&mut self) -> Vec<Waker> {
        (self.queued, self.held, self.draining) = (0, 0, false);
        self.dismiss()
    }

    /// The incarnation is over, and its queue is being sorted for the next one: until then it counts as held. Those who
    /// wait go on waiting.
    pub(crate) fn close_keeping(&mut self) {
        self.held += self.queued;
        (self.queued, self.draining) = (0, false);
    }

    /// So many of those are back in the queue, and nobody holds any.
    pub(crate) fn restore(&mut self, kept: usize) {
        self.held = 0;
        self.queued += kept;
    }

    /// Those whose place is gone find out at their next poll.
    fn dismiss(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// Fetches room that was granted to a ticket, if it was.
    pub(crate) fn fetch(&mut self, ticket: &mut Ticket) -> bool {
        let fetched = ticket.number.is_some_and(|number| self.granted.remove(&number));
        if fetched {
            ticket.number = None;
        }
        fetched
    }

    /// Asks for room in the name of a ticket. A waker that was replaced is to be dropped outside the lock.
    pub(crate) fn poll(&mut self, ticket: &mut Ticket, waker: &Waker) -> (Poll<()>, Option<Waker>) {
        if self.fetch(ticket) {
            return (Poll::Ready(()), None);
        }
        if let Some(known) = ticket.number.and_then(|number| self.waiting.get_mut(&number)) {
            let replaced = (!known.will_wake(waker)).then(|| std::mem::replace(known, waker.clone()));
            return (Poll::Pending, replaced);
        }
        if self.reserve() {
            ticket.number = None;
            return (Poll::Ready(()), None);
        }
        let number = self.next_number;
        self.next_number += 1;
        ticket.number = Some(number);
        let replaced = self.waiting.insert(number, waker.clone());
        (Poll::Pending, replaced)
    }

    /// A ticket is not wanted any more: its room is free again, or its place. A waker comes back, to be dropped.
    pub(crate) fn forget(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        let number = ticket.number.take()?;
        if self.granted.remove(&number) {
            self.give_up();
        }
        self.waiting.remove(&number)
    }

    /// Hands free room to those who wait, the first of them first: their wakers. To be called whenever room came free.
    #[must_use]
    pub(crate) fn hand_over(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while !self.waiting.is_empty() && self.is_free() {
            let Some((number, waker)) = self.waiting.pop_first() else { break };
            self.reserved += 1;
            self.granted.insert(number);
            wakers.push(waker);
        }
        wakers
    }
}

#[cfg(test)]
mod tests {
    //! Room is handed over in order, passed on when it is not wanted, and never lost.
    use super::*;

    fn wait(room: &mut Room) -> Ticket {
        let mut ticket = Ticket::new();
        assert!(room.poll(&mut ticket, Waker::noop()).0.is_pending());
        ticket
    }

    fn is_granted(room: &mut Room, ticket: &mut Ticket) -> bool {
        room.poll(ticket, Waker::noop()).0.is_ready()
    }

    #[test]
    fn what_the_receiver_holds_and_what_is_reserved_count_like_what_is_queued() {
        let mut room = Room::new(Some(3));
        assert!(room.enter() && room.enter() && room.reserve());
        assert!(!room.enter() && !room.reserve());
        room.take_out();
        assert!(!room.enter(), "what the receiver holds is not free");
        room.settle(0);
        assert!(room.enter() && !room.enter());
        room.enter_with_permit();
        assert!(!room.enter());
        room.leave_queue();
        assert!(room.reserve() && !room.reserve());
        room.give_up();
        assert!(room.enter() && !room.has_permits());
    }

    #[test]
    fn room_goes_to_the_first_who_waits_and_nobody_barges_in() {
        let mut room = Room::new(Some(1));
        assert!(room.enter());
        let [mut first, mut second] = [wait(&mut room), wait(&mut room)];
        room.leave_queue();
        assert_eq!(room.hand_over().len(), 1);
        assert!(!room.enter() && !room.reserve(), "the room is the first one's");
        assert!(!is_granted(&mut room, &mut second) && is_granted(&mut room, &mut first));
        room.give_up();
        assert_eq!(room.hand_over().len(), 1);
        assert!(is_granted(&mut room, &mut second));
        assert!(room.has_permits() && !first.is_waiting() && !second.is_waiting());
    }

    #[test]
    fn room_or_a_place_that_is_not_wanted_goes_to_the_next() {
        let mut room = Room::new(Some(1));
        assert!(room.enter());
        let [mut first, mut second, mut third] = [0; 3].map(|_| wait(&mut room));
        assert!(room.forget(&mut second).is_some(), "its waker comes back");
        room.leave_queue();
        assert_eq!(room.hand_over().len(), 1);
        // Granted, not fetched, not wanted.
        room.forget(&mut first);
        assert_eq!(room.hand_over().len(), 1);
        assert!(is_granted(&mut room, &mut third));
        room.give_up();
        assert!(room.hand_over().is_empty() && room.enter());
        assert!(room.forget(&mut third).is_none(), "it has nothing any more");
    }

    #[test]
    fn who_waits_when_the_queue_is_gone_is_told_and_may_wait_again() {
        let mut room = Room::new(Some(1));
        assert!(room.enter());
        let mut ticket = wait(&mut room);
        assert_eq!(room.close().len(), 1);
        assert!(is_granted(&mut room, &mut ticket), "the next incarnation has room");
        let mut other = wait(&mut room);
        assert_eq!(room.drain().len(), 1);
        assert!(room.is_draining() && room.has_permits(), "a permit stays good");
        assert!(room.forget(&mut other).is_none());
        assert!(room.close().is_empty() && !room.is_draining());
    }

    #[test]
    fn without_a_capacity_there_is_always_room() {
        let mut room = Room::new(None);
        assert!((0..1_000).all(|_| room.enter() && room.reserve()));
        room.settle(usize::MAX - 1);
        assert!(!room.enter(), "the sum saturates");
    }
}
