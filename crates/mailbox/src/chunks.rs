//! A queue that grows by whole chunks, so that no push ever copies what is queued.
//!
//! ```text
//!   pop ◄─ front ◄─┬─ push, up to a chunk
//!                  └─ full: chunks, oldest first ◄─ back ◄─ push, what is more
//!                     spare: empty chunks, for the next back
//! ```
//!
//! A doubling buffer would copy the whole backlog inside the intake's lock, once per doubling; here the most that one
//! push moves is half a chunk, while the first chunk grows. An empty queue owns no memory until its first push, and one
//! that never was longer than a chunk is one ring and one word.
//!
//! # Invariants
//! * Whatever is behind the front is newer than all of it.
//!
//! # Memory
//! A chunk that was used up becomes a spare and is the next one pushed into, so a steady flow allocates nothing however
//! fast it is: receiver and senders exchange whole queues, and the spares travel with them.
//! * A queue keeps no more than [`Chunks::SPARES`] spares; what a flood needed beyond that goes back as it is received.
//! * [`Chunks::trim`] gives back the spares that were not needed since the last trim. A receiver trims its queue when it
//!   finds nothing to receive, so after a flood the spares are gone when it has waited twice with either queue.
//! * The chunk in front stays until the queue is dropped.

use crate::calls::{Caller, Calls, KnownCall};
use std::collections::VecDeque;

/// Entries per chunk. Small under loom, so that a model crosses a boundary in three pushes.
const CHUNK: usize = if cfg!(freeboard_loom) { 2 } else { 512 };

/// What the spare chunks of one queue may hold, in bytes.
const SPARE_BYTES: usize = 64 * 1024;

/// A first-in-first-out queue of chunks.
///
/// Its entries are numbered: the oldest one has [`number`](Self::number), and the others follow without a gap. What goes
/// from queue to queue keeps its number, so two entries of one mailbox can be compared by age wherever they are.
#[derive(Debug)]
pub struct Chunks<T> {
    number: u64,
    front: VecDeque<T>,
    /// Only there once the queue was longer than a chunk, or held a call; most queues never are, and pay one word for it.
    rest: Option<Box<Rest<T>>>,
}

/// What is behind the front, and which of the entries are calls.
#[derive(Debug)]
struct Rest<T> {
    calls: Calls,
    full: VecDeque<VecDeque<T>>,
    /// Owns no memory while it is empty.
    back: VecDeque<T>,
    spare: Vec<VecDeque<T>>,
    /// So many spares were there all the time since the last trim.
    unused: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { number: 0, front: VecDeque::new(), rest: None }
    }
}

impl<T> Default for Rest<T> {
    fn default() -> Self {
        Self { calls: Calls::default(), full: VecDeque::new(), back: VecDeque::new(), spare: Vec::new(), unused: 0 }
    }
}

impl<T> Rest<T> {
    fn is_empty(&self) -> bool {
        self.back.is_empty() && self.full.is_empty()
    }

    fn push(&mut self, entry: T) {
        if self.back.is_empty() || self.back.len() == CHUNK {
            let chunk = self.empty_chunk();
            self.add(chunk);
        }
        self.back.push_back(entry);
    }

    /// Puts a chunk behind the others, to be pushed into.
    fn add(&mut self, chunk: VecDeque<T>) {
        let full = std::mem::replace(&mut self.back, chunk);
        if !full.is_empty() {
            self.full.push_back(full);
        }
    }

    fn pop_chunk(&mut self) -> VecDeque<T> {
        self.full.pop_front().unwrap_or_else(|| std::mem::take(&mut self.back))
    }

    fn empty_chunk(&mut self) -> VecDeque<T> {
        let spare = self.spare.pop();
        self.unused = self.unused.min(self.spare.len());
        spare.unwrap_or_else(|| VecDeque::with_capacity(CHUNK))
    }

    fn keep(&mut self, empty: VecDeque<T>) {
        if self.spare.len() < Chunks::<T>::SPARES && empty.capacity() >= CHUNK {
            self.spare.push(empty);
        }
    }
}

impl<T> Chunks<T> {
    /// How many spare chunks a queue keeps: 64 KiB of them, but at least two and at most 16.
    pub const SPARES: usize = {
        let bytes = CHUNK * size_of::<T>();
        let fit = match SPARE_BYTES.checked_div(bytes) {
            Some(fit) => fit,
            None => 0,
        };
        match fit {
            0..2 => 2,
            2..16 => fit,
            _ => 16,
        }
    };

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.front.is_empty() && self.is_all_in_front()
    }

    fn is_all_in_front(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.is_empty())
    }

    /// Adds the newest entry. Always inlined: an entry that is passed through memory costs more than all the rest.
    #[inline(always)]
    pub fn push(&mut self, entry: T) {
        if self.front.len() < CHUNK && self.is_all_in_front() {
            self.front.push_back(entry);
        } else {
            self.push_behind(entry);
        }
    }

    fn push_behind(&mut self, entry: T) {
        self.rest.get_or_insert_default().push(entry);
    }

    /// Takes the oldest entry.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.front.is_empty() {
            self.next_chunk();
        }
        let entry = self.front.pop_front()?;
        self.number += 1;
        Some(entry)
    }

    /// Takes the oldest entry, if it stands in front, is wanted, and is no call.
    #[inline(always)]
    pub(crate) fn pop_plain(&mut self, is_wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let may_be_call = self.rest.as_ref().is_some_and(|rest| rest.calls.may_hold(self.number));
        if !is_wanted(self.front.front()?) || may_be_call {
            return None;
        }
        self.number += 1;
        self.front.pop_front()
    }

    #[cold]
    fn next_chunk(&mut self) {
        if let Some(rest) = self.rest.as_mut().filter(|rest| !rest.is_empty()) {
            let used_up = std::mem::replace(&mut self.front, rest.pop_chunk());
            rest.keep(used_up);
        }
    }

    /// The number of the oldest entry: the one that [`pop`](Self::pop) takes next.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Numbers what will be pushed from here on.
    ///
    /// # Panics
    /// In debug builds, if anything is queued.
    pub fn number_from(&mut self, number: u64) {
        debug_assert!(self.is_empty(), "what is queued has its number already");
        self.number = number;
    }

    /// Numbers what is queued, and what will be pushed, anew: the oldest entry has this number.
    pub(crate) fn renumber(&mut self, number: u64) {
        if let Some(rest) = &mut self.rest {
            rest.calls.renumber(self.number, number);
        }
        self.number = number;
    }

    /// Adds all entries of a newer queue behind this one's; moves chunks, not entries.
    pub fn append(&mut self, newer: Self) {
        if self.is_empty() {
            self.number = newer.number;
            self.front = newer.front;
        } else if !newer.front.is_empty() {
            self.rest.get_or_insert_default().add(newer.front);
        }
        let Some(mut newer) = newer.rest else { return };
        if !newer.calls.is_empty() {
            self.rest.get_or_insert_default().calls.append(std::mem::take(&mut newer.calls));
        }
        if newer.is_empty() {
            return;
        }
        let rest = self.rest.get_or_insert_default();
        newer.full.into_iter().chain([newer.back]).filter(|chunk| !chunk.is_empty()).for_each(|chunk| rest.add(chunk));
    }

    /// Gives back the memory of the spare chunks that were not needed since the last trim.
    #[inline]
    pub fn trim(&mut self) {
        if self.rest.as_ref().is_some_and(|rest| !rest.spare.is_empty() || !rest.calls.is_trim()) {
            self.trim_rest();
        }
    }

    fn trim_rest(&mut self) {
        let Some(rest) = &mut self.rest else { return };
        rest.spare.truncate(rest.spare.len() - rest.unused);
        rest.unused = rest.spare.len();
        let keeps_calls = rest.calls.trim();
        if rest.spare.is_empty() && rest.is_empty() && !keeps_calls {
            self.rest = None;
        }
    }

    /// Says that the newest entry, which has this number, is a call.
    pub(crate) fn add_call(&mut self, number: u64, caller: Caller) {
        self.rest.get_or_insert_default().calls.push(number, caller);
    }

    /// The same for a call that has come from another place.
    pub(crate) fn add_known_call(&mut self, number: u64, call: KnownCall) {
        self.rest.get_or_insert_default().calls.push_known(number, call);
    }

    /// Says that the entry of this number, which is older than all other calls, is one.
    pub(crate) fn add_oldest_call(&mut self, number: u64, call: KnownCall) {
        self.rest.get_or_insert_default().calls.push_oldest(number, call);
    }

    /// What is known of the entry of this number, which has just been taken out, if it is a call.
    #[inline]
    pub(crate) fn pop_call(&mut self, number: u64) -> Option<KnownCall> {
        match &mut self.rest {
            Some(rest) if !rest.calls.is_empty() => rest.calls.pop(number),
            _ => None,
        }
    }

    /// Forgets what is known of that entry, which has left in another way.
    pub(crate) fn take_call(&mut self, number: u64) -> Option<KnownCall> {
        self.rest.as_mut()?.calls.take(number)
    }

    /// Notes that the caller of the call of this name has given up; answers whether it is here.
    pub(crate) fn give_up(&mut self, name: u64) -> bool {
        self.rest.as_mut().is_some_and(|rest| rest.calls.give_up(name))
    }

    /// Takes over what another queue knows of its calls, whose entries come here by themselves.
    pub(crate) fn take_calls(&mut self, from: &mut Self) {
        let calls = from.rest.as_mut().map(|rest| std::mem::take(&mut rest.calls));
        if let Some(calls) = calls.filter(|calls| !calls.is_empty()) {
            self.rest.get_or_insert_default().calls = calls;
        }
    }

    /// Notes who waits for what the receiver hands out now.
    pub(crate) fn note_caller(&mut self, caller: Caller) {
        self.rest.get_or_insert_default().calls.last = caller;
    }

    /// Takes what was noted last.
    #[inline]
    pub(crate) fn take_caller(&mut self) -> Caller {
        match &mut self.rest {
            Some(rest) => std::mem::replace(&mut rest.calls.last, Caller::NONE),
            None => Caller::NONE,
        }
    }

    /// All entries, oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let rest = self.rest.iter_mut();
        let behind = rest.flat_map(|rest| rest.full.iter_mut().chain([&mut rest.back]).flatten());
        self.front.iter_mut().chain(behind)
    }
}

#[cfg(test)]
mod tests {
    //! Order over chunk boundaries, appends, and the memory of spares.
    use super::*;

    impl<T> Chunks<T> {
        fn spares(&self) -> usize {
            self.rest.as_ref().map_or(0, |rest| rest.spare.len())
        }
    }

    #[test]
    fn order_holds_over_many_chunks_and_appends() {
        let mut queue = Chunks::default();
        (0..1_500).for_each(|n| queue.push(n));
        for n in 0..700 {
            assert_eq!(queue.pop(), Some(n));
        }
        let mut newer = Chunks::default();
        (1_500..3_000).for_each(|n| newer.push(n));
        assert_eq!(newer.pop(), Some(1_500));
        queue.append(newer);
        (3_000..3_010).for_each(|n| queue.push(n));
        assert!(queue.iter_mut().map(|n| *n).eq((700..1_500).chain(1_501..3_010)));
        for n in (700..1_500).chain(1_501..3_010) {
            assert_eq!(queue.pop(), Some(n));
        }
        assert_eq!(queue.pop(), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn spares_are_bounded_reused_and_given_back_when_they_are_not_needed() {
        let mut queue = Chunks::<u64>::default();
        let pass = |queue: &mut Chunks<u64>, chunks: usize| {
            (0..(chunks * CHUNK) as u64).for_each(|n| queue.push(n));
            assert!((0..(chunks * CHUNK) as u64).all(|n| queue.pop() == Some(n)) && queue.is_empty());
        };
        pass(&mut queue, 100);
        assert_eq!(queue.spares(), Chunks::<u64>::SPARES);
        // What the flood used stays for once.
        queue.trim();
        assert_eq!(queue.spares(), Chunks::<u64>::SPARES);
        // Four chunks need three behind the front, again and again; the others go.
        for _ in 0..3 {
            pass(&mut queue, 4);
            queue.trim();
        }
        let kept = queue.spares();
        assert!((1..=4).contains(&kept), "{kept} spares");
        // A queue that fits into one chunk needs none.
        for _ in 0..2 {
            pass(&mut queue, 1);
            queue.trim();
        }
        assert!(queue.rest.is_none());
    }

    #[test]
    fn large_entries_leave_few_spares() {
        assert_eq!((Chunks::<[u8; 16]>::SPARES, Chunks::<[u8; 4096]>::SPARES, Chunks::<()>::SPARES), (8, 2, 2));
    }
}
