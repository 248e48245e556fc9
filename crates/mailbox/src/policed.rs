//! The second kind of queue: every message stays within reach of its senders and of the clock until it is handed out.
//!
//! ```text
//!   oldest ► [m] [signal] [m] [m] [timer] [m] ◄ newest      a list through slots that never move
//!             ▲ droppable: the oldest under the rules        keys: (tag, key) ► the slot that holds it
//! ```
//!
//! A pure state machine: it asks no message anything, reads no clock, takes no lock, and drops nothing: whatever must go is
//! returned as a [`Victim`]. Entries are taken out one by one, because a buffer that was swapped out is out of reach.
//!
//! # Invariants
//! * P1: messages leave in the order in which they came; a rule removes some and moves none.
//! * P2: entries that are exempt (signals, timers, what came through an alias) are handed out at their places, never dropped.
//! * P3: `keys` holds exactly the queued messages that have a key, each by its slot.
//! * P4: nothing remains of an entry that left, so memory is bounded by what is queued, whatever is coalesced.
//! * P5: an entry that is out for the walk keeps its place, and nothing from there on is handed out meanwhile.
//!
//! # Not here
//! Who has room (`room.rs`), the lock, the wakes (`intake.rs`).

use crate::codel::Codel;
use crate::index::slab::{NONE, Slab};
use crate::policy::{Meta, NEVER, Overflow, Policy, nanoseconds};
use crate::room::Room;
use crate::{Chunks, Dropped, Entry, Event, Notice};
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::fmt;

/// How many messages one exchange drops at most, so that its lock is short and its receiver gives way in between.
pub(crate) const VICTIMS: usize = 32;

/// What an empty table of keys keeps its memory for.
const KEYS_KEPT: usize = 512;

/// A queue under rules.
pub(crate) struct Policed<M, S> {
    slots: Slab<Slot<M, S>>,
    oldest: u32,
    newest: u32,
    /// The oldest message under the rules, or `NONE`. It moves towards the newest only, so all its steps together are no
    /// more than there were entries.
    droppable: u32,
    /// How many messages are under the rules.
    ruled: usize,
    keys: HashTable<(u128, u32)>,
    /// Entries that must be walked, oldest first.
    unwalked: VecDeque<u32>,
    /// Those of them that are out for the walk.
    away: Vec<u32>,
    /// How many walked entries are notices.
    notices: usize,
    overflow: Overflow,
    codel: Option<Codel>,
}

struct Slot<M, S> {
    entry: Entry<M, S>,
    state: Kind,
    number: u64,
    older: u32,
    newer: u32,
}

enum Kind {
    /// A message under the rules.
    Ruled(Meta),
    /// Handed out as it is.
    Exempt,
    /// To be walked before it is handed out.
    Unwalked,
}

/// A message that must go: to be counted and buried after the lock.
#[derive(Debug)]
pub(crate) struct Victim<M> {
    pub(crate) message: M,
    pub(crate) why: Dropped,
    /// Its number, if it was queued.
    pub(crate) number: Option<u64>,
}

/// What became of a message that wanted in.
#[derive(Debug)]
pub(crate) enum Verdict<M> {
    /// It is queued, perhaps instead of another one.
    Queued(Option<Victim<M>>),
    /// It finds no room and is to be dropped.
    Dropped(M),
    /// It finds no room and goes back.
    Rejected(M),
}

/// What the receiver gets.
#[derive(Debug)]
pub(crate) enum Next<M, S> {
    /// The oldest entry, its number, and whether it must be walked.
    Entry { entry: Entry<M, S>, number: u64, unwalked: bool },
    /// Nothing before an entry that must be walked first, or nothing at all.
    Nothing,
    /// Enough were dropped for one time.
    Enough,
}

impl<M, S> Policed<M, S> {
    pub(crate) fn new(policy: &Policy<M>) -> Self {
        let codel = policy.shed.map(|(target, interval)| Codel::new(nanoseconds(target), nanoseconds(interval)));
        Self {
            slots: Slab::new(),
            oldest: NONE,
            newest: NONE,
            droppable: NONE,
            ruled: 0,
            keys: HashTable::new(),
            unwalked: VecDeque::new(),
            away: Vec::new(),
            notices: 0,
            overflow: policy.overflow,
            codel,
        }
    }

    /// An empty queue with the same rules.
    pub(crate) fn empty_like(&self) -> Self {
        let codel = self.codel.as_ref().map(Codel::calm_like);
        Self { codel, overflow: self.overflow, ..Self::new(&Policy::unbounded()) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.oldest == NONE
    }

    /// Queues a message under the rules, with or without a permit, or says why not.
    pub(crate) fn push(&mut self, message: M, meta: Meta, number: u64, permit: bool, room: &mut Room) -> Verdict<M> {
        let coalesced = meta.key.and_then(|key| self.slot_of(key));
        if permit {
            room.enter_with_permit();
        } else if coalesced.is_none() && !room.enter() {
            let oldest = self.droppable;
            match self.overflow {
                Overflow::Reject => return Verdict::Rejected(message),
                Overflow::DropOldest if oldest != NONE => {
                    // Its room is the newcomer's.
                    let victim = self.unlink_message(oldest, Dropped::Oldest);
                    self.append_message(message, meta, number);
                    return Verdict::Queued(victim);
                }
                Overflow::DropOldest | Overflow::DropNewest => return Verdict::Dropped(message),
            }
        }
        let victim = coalesced.and_then(|slot| self.unlink_message(slot, Dropped::Coalesced));
        if victim.is_some() && permit {
            room.leave_queue();
        }
        self.append_message(message, meta, number);
        Verdict::Queued(victim)
    }

    fn append_message(&mut self, message: M, meta: Meta, number: u64) {
        let slot = self.append(Entry::Event(Event::Message(message)), Kind::Ruled(meta), number);
        self.ruled += 1;
        if self.droppable == NONE {
            self.droppable = slot;
        }
        if let Some(key) = meta.key {
            self.keys.insert_unique(short(key), (key, slot), |(key, _)| short(*key));
        }
    }

    /// Queues a message that is older than all others and has room; `below` is more than its number may be. Answers that
    /// number. The message comes back if a newer one has its key.
    pub(crate) fn push_oldest(&mut self, message: M, meta: Meta, below: u64) -> Result<u64, M> {
        if meta.key.is_some_and(|key| self.slot_of(key).is_some()) {
            return Err(message);
        }
        let number = self.slots.get(self.oldest).map_or(below, |oldest| oldest.number) - 1;
        let (entry, newer) = (Entry::Event(Event::Message(message)), self.oldest);
        let slot = self.slots.insert(Slot { entry, state: Kind::Ruled(meta), number, older: NONE, newer });
        match newer {
            NONE => self.newest = slot,
            newer => self.slots.at_mut(newer).older = slot,
        }
        (self.oldest, self.droppable) = (slot, slot);
        self.ruled += 1;
        if let Some(key) = meta.key {
            self.keys.insert_unique(short(key), (key, slot), |(key, _)| short(*key));
        }
        Ok(number)
    }

    /// Whether what finds no room goes back to its sender.
    pub(crate) fn rejects(&self) -> bool {
        matches!(self.overflow, Overflow::Reject)
    }

    /// How many entries are queued.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Queues an entry that no rule concerns.
    pub(crate) fn push_exempt(&mut self, entry: Entry<M, S>, number: u64) {
        self.append(entry, Kind::Exempt, number);
    }

    /// Queues an entry that has to be walked.
    pub(crate) fn push_unwalked(&mut self, entry: Entry<M, S>, number: u64) {
        let slot = self.append(entry, Kind::Unwalked, number);
        self.unwalked.push_back(slot);
    }

    /// Takes the oldest entry. What expired or must be shed goes to `victims`, and its room is free at once. An entry that
    /// must be walked is taken only if the receiver may walk it.
    pub(crate) fn next(
        &mut self,
        now: u64,
        may_walk: bool,
        room: &mut Room,
        victims: &mut Vec<Victim<M>>,
    ) -> Next<M, S> {
        while self.oldest != NONE {
            if victims.len() == VICTIMS {
                return Next::Enough;
            }
            let oldest = self.oldest;
            let slot = self.slots.at(oldest);
            let meta = match &slot.state {
                Kind::Ruled(meta) => *meta,
                Kind::Unwalked if !may_walk || !self.away.is_empty() => return Next::Nothing,
                Kind::Unwalked => {
                    self.unwalked.pop_front();
                    let slot = self.unlink(oldest);
                    return Next::Entry { entry: slot.entry, number: slot.number, unwalked: true };
                }
                Kind::Exempt => {
                    let slot = self.unlink(oldest);
                    self.notices -= usize::from(is_notice(&slot.entry));
                    return Next::Entry { entry: slot.entry, number: slot.number, unwalked: false };
                }
            };
            let is_last = self.ruled == 1;
            let why = if meta.deadline != NEVER && now >= meta.deadline {
                Dropped::Expired
            } else if let Some(codel) = &mut self.codel
                && codel.drops(now, now.saturating_sub(meta.stamp), is_last)
            {
                Dropped::Shed
            } else {
                room.take_out();
                let slot = self.unlink(oldest);
                return Next::Entry { entry: slot.entry, number: slot.number, unwalked: false };
            };
            if let Some(victim) = self.unlink_message(oldest, why) {
                room.leave_queue();
                victims.push(victim);
            }
        }
        Next::Nothing
    }

    /// When the oldest message under the rules was sent.
    pub(crate) fn oldest_stamp(&self) -> Option<u64> {
        match self.slots.get(self.droppable).map(|slot| &slot.state) {
            Some(Kind::Ruled(meta)) => Some(meta.stamp),
            _ => None,
        }
    }

    /// Takes out what must be walked; the places stay.
    pub(crate) fn take_unwalked(&mut self) -> Chunks<Entry<M, S>> {
        let mut taken = Chunks::default();
        for slot in std::mem::take(&mut self.unwalked) {
            taken.push(std::mem::replace(&mut self.slots.at_mut(slot).entry, Entry::Gone));
            self.away.push(slot);
        }
        taken
    }

    /// Puts what was walked back into its places. What has none, since the queue was emptied meanwhile, is returned.
    pub(crate) fn put_back(&mut self, mut walked: Chunks<Entry<M, S>>) -> Chunks<Entry<M, S>> {
        for slot in std::mem::take(&mut self.away) {
            match walked.pop() {
                Some(Entry::Gone) | None => drop(self.unlink(slot)),
                Some(entry) => {
                    self.notices += usize::from(is_notice(&entry));
                    let place = self.slots.at_mut(slot);
                    (place.entry, place.state) = (entry, Kind::Exempt);
                }
            }
        }
        walked
    }

    /// Takes out the notice of this monitor, if it was walked and not handed out.
    pub(crate) fn take_notice(&mut self, notice: Notice) -> Option<Entry<M, S>> {
        let mut slot = if self.notices == 0 { NONE } else { self.oldest };
        while slot != NONE {
            let here = self.slots.at(slot);
            if matches!(&here.entry, Entry::Event(event) if notice.is(event)) {
                self.notices -= 1;
                return Some(self.unlink(slot).entry);
            }
            slot = here.newer;
        }
        None
    }

    /// Takes the oldest entry, whatever it is: for those who take a mailbox down.
    pub(crate) fn take_next(&mut self) -> Option<(Entry<M, S>, u64)> {
        let Slot { entry, number, .. } = if self.oldest == NONE { return None } else { self.unlink(self.oldest) };
        Some((entry, number))
    }

    fn slot_of(&self, key: u128) -> Option<u32> {
        self.keys.find(short(key), |(known, _)| *known == key).map(|(_, slot)| *slot)
    }

    fn append(&mut self, entry: Entry<M, S>, state: Kind, number: u64) -> u32 {
        let slot = self.slots.insert(Slot { entry, state, number, older: self.newest, newer: NONE });
        match self.newest {
            NONE => self.oldest = slot,
            newest => self.slots.at_mut(newest).newer = slot,
        }
        self.newest = slot;
        slot
    }

    fn unlink_message(&mut self, slot: u32, why: Dropped) -> Option<Victim<M>> {
        let Slot { entry, number, .. } = self.unlink(slot);
        match entry {
            Entry::Event(Event::Message(message)) => Some(Victim { message, why, number: Some(number) }),
            _ => None,
        }
    }

    fn unlink(&mut self, slot: u32) -> Slot<M, S> {
        let gone = self.slots.remove(slot);
        match gone.older {
            NONE => self.oldest = gone.newer,
            older => self.slots.at_mut(older).newer = gone.newer,
        }
        match gone.newer {
            NONE => self.newest = gone.older,
            newer => self.slots.at_mut(newer).older = gone.older,
        }
        if let Kind::Ruled(meta) = &gone.state {
            self.ruled -= 1;
            if let Some(key) = meta.key
                && let Ok(known) = self.keys.find_entry(short(key), |(_, at)| *at == slot)
            {
                known.remove();
                if self.keys.is_empty() && self.keys.capacity() > KEYS_KEPT {
                    self.keys = HashTable::new();
                }
            }
        }
        if self.droppable == slot {
            self.droppable = self.next_ruled(gone.newer);
        }
        gone
    }

    fn next_ruled(&self, mut slot: u32) -> u32 {
        while slot != NONE {
            let here = self.slots.at(slot);
            if matches!(here.state, Kind::Ruled(_)) {
                break;
            }
            slot = here.newer;
        }
        slot
    }
}

fn is_notice<M, S>(entry: &Entry<M, S>) -> bool {
    matches!(entry, Entry::Event(Event::Down(_) | Event::Downs(_) | Event::Exit(_)))
}

/// The part of a hash that the table uses. Its bits are as good as any other's.
fn short(key: u128) -> u64 {
    key as u64
}

impl<M, S> fmt::Debug for Policed<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policed").field("ruled", &self.ruled).field("codel", &self.codel).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    //! Each rule at the queue itself, in virtual nanoseconds; messages are `(key, number)`.
    use super::*;
    use std::time::Duration;

    type Queue = Policed<(u32, u64), &'static str>;

    struct Bench {
        queue: Queue,
        room: Room,
        number: u64,
        gone: Vec<(u64, Dropped)>,
    }

    impl Bench {
        fn new(policy: Policy<(u32, u64)>) -> Self {
            let room = Room::new(policy.capacity);
            Self { queue: Policed::new(&policy), room, number: 0, gone: Vec::new() }
        }

        /// Sends the next message; answers whether it was queued.
        fn send(&mut self, key: u32, stamp: u64, deadline: u64, permit: bool) -> bool {
            let meta = Meta { key: (key != 0).then_some(u128::from(key)), stamp, deadline };
            let number = self.number;
            self.number += 1;
            match self.queue.push((key, number), meta, number, permit, &mut self.room) {
                Verdict::Queued(victim) => {
                    self.gone.extend(victim.map(|victim| (victim.message.1, victim.why)));
                    true
                }
                Verdict::Dropped(_) | Verdict::Rejected(_) => false,
            }
        }

        fn tell(&mut self, key: u32) -> bool {
            self.send(key, 0, NEVER, false)
        }

        fn exempt(&mut self) -> u64 {
            self.queue.push_exempt(Entry::Event(Event::Message((0, self.number))), self.number);
            self.number += 1;
            self.number - 1
        }

        /// The number of the next entry; a message's own number must be the same.
        fn next_at(&mut self, now: u64) -> Option<u64> {
            loop {
                let mut victims = Vec::new();
                let next = self.queue.next(now, true, &mut self.room, &mut victims);
                self.gone.extend(victims.into_iter().map(|victim| (victim.message.1, victim.why)));
                match next {
                    Next::Entry { entry, number, .. } => {
                        if let Entry::Event(Event::Message((_, sent_as))) = entry {
                            assert_eq!(sent_as, number, "an entry keeps its number");
                        }
                        return Some(number);
                    }
                    Next::Nothing => return None,
                    Next::Enough => {}
                }
            }
        }

        fn all_at(&mut self, now: u64) -> Vec<u64> {
            std::iter::from_fn(|| self.next_at(now)).collect()
        }
    }

    #[test]
    fn the_oldest_under_the_rules_makes_room_and_exempt_entries_never_do() {
        let mut bench = Bench::new(Policy::bounded(2).drop_oldest());
        let timer = bench.exempt();
        assert!(bench.tell(0) && bench.tell(0));
        let other = bench.exempt();
        assert!(bench.tell(0) && bench.tell(0));
        assert_eq!(bench.gone, [(1, Dropped::Oldest), (2, Dropped::Oldest)]);
        assert_eq!(bench.next_at(0), Some(timer));
        assert_eq!((bench.next_at(0), bench.next_at(0)), (Some(other), Some(4)));
        // One is held by the receiver, one is queued; then the held one is all that is left.
        assert!(bench.tell(0));
        assert_eq!(bench.next_at(0), Some(6));
        assert!(!bench.tell(0), "what the receiver holds is out of reach");
        bench.room.settle(0);
        assert!(bench.tell(0));
        assert_eq!(bench.gone.len(), 3);
    }

    #[test]
    fn one_hot_key_leaves_no_holes() {
        let mut bench = Bench::new(Policy::unbounded());
        assert!(bench.tell(2));
        (0..10_000).for_each(|_| assert!(bench.tell(1)));
        assert_eq!(bench.queue.slots.len(), 2, "the newest of each key");
        assert!(bench.queue.slots.capacity() <= 8 && bench.queue.keys.len() == 2);
        assert_eq!(bench.all_at(0), [0, 10_000]);
        assert_eq!(bench.gone.len(), 9_999);
        assert!(bench.queue.keys.is_empty() && bench.queue.is_empty());
    }

    #[test]
    fn memory_goes_back_after_a_flood_of_keys() {
        let mut bench = Bench::new(Policy::unbounded());
        (1..=100_000).for_each(|key| assert!(bench.tell(key)));
        assert_eq!(bench.all_at(0).len(), 100_000);
        assert!(bench.queue.slots.capacity() <= 32 && bench.queue.keys.capacity() <= KEYS_KEPT);
    }

    #[test]
    fn coalescing_needs_no_room_and_frees_what_a_permit_brought() {
        let mut bench = Bench::new(Policy::bounded(2));
        assert!(bench.tell(1) && bench.tell(2) && !bench.tell(3));
        assert!(bench.tell(1), "it takes the room of the older one");
        bench.room.settle(0);
        assert!(!bench.room.reserve());
        assert_eq!(bench.next_at(0), Some(1));
        bench.room.settle(0);
        assert!(bench.room.reserve() && bench.send(1, 0, NEVER, true));
        assert!(bench.room.reserve(), "the permit's room came free");
        assert_eq!(bench.gone, [(0, Dropped::Coalesced), (3, Dropped::Coalesced)]);
    }

    #[test]
    fn what_expires_frees_its_room_and_is_passed_in_slices() {
        let mut bench = Bench::new(Policy::bounded(100).expire_after(Duration::from_nanos(10)));
        (0..100).for_each(|_| assert!(bench.send(0, 0, 10, false)));
        let mut victims = Vec::new();
        assert!(matches!(bench.queue.next(10, true, &mut bench.room, &mut victims), Next::Enough));
        assert_eq!(victims.len(), VICTIMS);
        (0..VICTIMS).for_each(|_| assert!(bench.send(0, 5, 15, false)));
        assert!(!bench.send(0, 5, 15, false));
        // 10 is too late for a deadline at 10, and in time for one at 15.
        assert_eq!(bench.next_at(14), Some(100));
        assert_eq!(bench.gone.len(), 100 - VICTIMS);
        assert_eq!(bench.all_at(15), []);
    }

    #[test]
    fn shedding_begins_after_an_interval_and_spares_the_last_message() {
        let mut bench = Bench::new(Policy::unbounded().shed(Duration::from_nanos(5), Duration::from_nanos(100)));
        (0..8).for_each(|_| assert!(bench.tell(0)));
        assert_eq!((bench.next_at(50), bench.next_at(149)), (Some(0), Some(1)));
        assert_eq!(bench.next_at(150), Some(3));
        assert_eq!(bench.gone, [(2, Dropped::Shed)]);
        assert_eq!(bench.next_at(10_000).into_iter().chain(bench.next_at(10_000)).collect::<Vec<_>>(), [7]);
        assert_eq!(bench.gone.len(), 4);
    }

    #[test]
    fn what_is_out_for_the_walk_keeps_its_place_and_bars_the_way() {
        let mut bench = Bench::new(Policy::bounded(9));
        assert!(bench.tell(0));
        for text in ["a", "b", "c"] {
            bench.queue.push_unwalked(Entry::Signal(Box::new(text)), bench.number);
            bench.number += 1;
            assert!(bench.tell(0));
        }
        let mut walked = bench.queue.take_unwalked();
        assert_eq!(walked.iter_mut().count(), 3);
        assert_eq!((bench.next_at(0), bench.next_at(0)), (Some(0), None), "newer than what is being walked");
        for (place, entry) in walked.iter_mut().enumerate() {
            *entry = if place == 1 { Entry::Gone } else { Entry::Event(Event::Message((0, 1 + 2 * place as u64))) };
        }
        assert!(bench.queue.put_back(walked).is_empty());
        assert_eq!(bench.all_at(0), [1, 2, 4, 5, 6]);
    }

    #[test]
    fn a_receiver_that_may_not_walk_stops_before_a_signal() {
        let mut bench = Bench::new(Policy::bounded(9));
        bench.queue.push_unwalked(Entry::Signal(Box::new("signal")), 0);
        let mut victims = Vec::new();
        assert!(matches!(bench.queue.next(0, false, &mut bench.room, &mut victims), Next::Nothing));
        let next = bench.queue.next(0, true, &mut bench.room, &mut victims);
        assert!(matches!(next, Next::Entry { unwalked: true, number: 0, .. }));
        assert!(bench.queue.take_unwalked().is_empty() && bench.queue.is_empty());
    }

    #[test]
    fn a_walk_that_comes_back_to_an_emptied_queue_is_returned() {
        let mut bench = Bench::new(Policy::bounded(9));
        bench.queue.push_unwalked(Entry::Signal(Box::new("signal")), 0);
        let walked = bench.queue.take_unwalked();
        let new = bench.queue.empty_like();
        let mut old = std::mem::replace(&mut bench.queue, new);
        assert!(matches!(old.take_next(), Some((Entry::Gone, _))) && old.is_empty());
        let mut back = bench.queue.put_back(walked);
        assert!(matches!(back.pop(), Some(Entry::Signal(_))));
    }
}
