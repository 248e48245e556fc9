//! Which entries of a queue are calls: messages whose senders wait for an answer, each until some time.
//!
//! ```text
//!   queue   [m] [call 7] [m] [call 9] [m]        calls   (7, until) (9, given up)
//! ```
//!
//! A mailbox does not look into its messages, so what is known of a call lies beside the queue, by the number of its entry,
//! and travels with it: from the intake to the receiver's buffer, and on to what a selective receive leaves. Whoever gives
//! up changes the word that is known; the entry itself stays where it is, and its receiver drops it when its turn comes.
//!
//! An entry that outlives an incarnation gets another number when it is put back. Its caller knows the first one, which
//! stays its name: whoever gives up says the name, and a queue asks by number.
//!
//! # Invariants
//! * Numbers rise along the list, and so do names. An entry that left the queue in another way leaves its line behind until
//!   the next call leaves, and numbers are never used twice, so a stale line means nothing.
//! * Of the lines no more than half are those of calls that were taken from the middle: what a selective receive takes costs
//!   O(log n), whatever waits in front of it.
//! * A queue that never held a call owns no list, and pays one comparison per message.
//!
//! # Not here
//! What the times mean: the mailbox has no clock.

use std::collections::VecDeque;

/// Until when the sender of a call waits, in whatever unit the runtime counts.
///
/// Two values have a meaning of their own: [`Caller::NONE`] and [`Caller::GAVE_UP`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(pub u64);

impl Caller {
    /// Nobody waits, or without limit: a plain message is handed out with this.
    pub const NONE: Self = Self(u64::MAX);
    /// The caller has given up: the message is to be dropped.
    pub const GAVE_UP: Self = Self(0);
}

/// What is known of one call.
#[derive(Debug, Clone, Copy)]
pub struct KnownCall {
    /// The number it got when it was sent.
    name: u64,
    pub(crate) caller: Caller,
}

/// More than so many places are given back when a queue has nothing to do.
const KEPT: usize = 64;

/// One call of a queue.
#[derive(Debug, Clone, Copy)]
struct Line {
    number: u64,
    call: KnownCall,
    /// Its entry has left from the middle.
    taken: bool,
}

/// The calls among the entries of one queue, by number. The first line is never a taken one.
#[derive(Debug)]
pub(crate) struct Calls {
    list: VecDeque<Line>,
    /// How many lines are taken ones.
    taken: usize,
    /// Who waits for what the receiver handed out last, until it is asked for.
    pub(crate) last: Caller,
}

impl Default for Calls {
    fn default() -> Self {
        Self { list: VecDeque::new(), taken: 0, last: Caller::NONE }
    }
}

impl Calls {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the entry of that number, which is the oldest of the queue, may be a call, or has stale lines before it.
    #[inline]
    pub(crate) fn may_hold(&self, number: u64) -> bool {
        self.list.front().is_some_and(|line| line.number <= number)
    }

    /// Whether a [`trim`](Self::trim) would find nothing to give back, and something that is kept.
    #[inline]
    pub(crate) fn is_trim(&self) -> bool {
        (1..=KEPT).contains(&self.list.capacity())
    }

    /// Gives back what is not worth its memory while nothing is queued. Answers whether anything is kept.
    pub(crate) fn trim(&mut self) -> bool {
        if self.list.is_empty() && self.list.capacity() > KEPT {
            self.list = VecDeque::new();
        }
        self.list.capacity() > 0
    }

    /// Adds the newest call.
    pub(crate) fn push(&mut self, number: u64, caller: Caller) {
        self.push_known(number, KnownCall { name: number, caller });
    }

    /// Adds the newest call, which had another number before.
    pub(crate) fn push_known(&mut self, number: u64, call: KnownCall) {
        self.list.push_back(Line { number, call, taken: false });
    }

    /// Adds the oldest call.
    pub(crate) fn push_oldest(&mut self, number: u64, call: KnownCall) {
        self.list.push_front(Line { number, call, taken: false });
    }

    /// Numbers the calls anew, for a queue that began at one number and begins at another one now.
    pub(crate) fn renumber(&mut self, from: u64, to: u64) {
        self.list.iter_mut().for_each(|line| line.number = line.number - from + to);
    }

    /// Adds a newer list behind this one.
    pub(crate) fn append(&mut self, mut newer: Self) {
        self.list.append(&mut newer.list);
        self.taken += newer.taken;
    }

    /// What is known of the oldest entry of the queue, if it is a call; the entry is leaving.
    #[inline]
    pub(crate) fn pop(&mut self, number: u64) -> Option<KnownCall> {
        while let Some(&Line { number: known, call, .. }) = self.list.front() {
            if known > number {
                break;
            }
            self.pop_front();
            if known == number {
                return Some(call);
            }
        }
        None
    }

    /// Takes the first line away, and the taken ones behind it.
    fn pop_front(&mut self) {
        self.list.pop_front();
        while self.list.front().is_some_and(|line| line.taken) {
            self.list.pop_front();
            self.taken -= 1;
        }
    }

    /// The same for an entry that leaves from anywhere.
    pub(crate) fn take(&mut self, number: u64) -> Option<KnownCall> {
        let at = self.list.binary_search_by_key(&number, |line| line.number).ok()?;
        let line = &mut self.list[at];
        if line.taken {
            return None;
        }
        let call = line.call;
        if at == 0 {
            self.pop_front();
            return Some(call);
        }
        line.taken = true;
        self.taken += 1;
        if self.taken > self.list.len() / 2 {
            self.list.retain(|line| !line.taken);
            self.taken = 0;
        }
        Some(call)
    }

    /// Notes that the caller has given up. Answers whether the call of that name is here.
    pub(crate) fn give_up(&mut self, name: u64) -> bool {
        let Ok(at) = self.list.binary_search_by_key(&name, |line| line.call.name) else { return false };
        let line = &mut self.list[at];
        if !line.taken {
            line.call.caller = Caller::GAVE_UP;
        }
        !line.taken
    }
}

#[cfg(test)]
mod tests {
    //! Order, stale lines, giving up.
    use super::*;

    #[test]
    fn a_line_is_found_by_its_number_and_stale_ones_are_passed() {
        let mut calls = Calls::default();
        (0..10).filter(|n| n % 3 == 0).for_each(|n| calls.push(n, Caller(n + 100)));
        let who = |call: Option<KnownCall>| call.map(|call| call.caller);
        assert_eq!(who(calls.pop(0)), Some(Caller(100)));
        assert_eq!(who(calls.pop(1)), None);
        // The entry of 3 has left in another way.
        assert_eq!(who(calls.pop(6)), Some(Caller(106)));
        assert!(!calls.give_up(3) && calls.give_up(9));
        assert_eq!(who(calls.take(9)), Some(Caller::GAVE_UP));
        assert!(calls.is_empty());
    }

    #[test]
    fn what_is_taken_from_the_middle_is_gone_and_moves_no_other_line() {
        let mut calls = Calls::default();
        (0..1_000).for_each(|n| calls.push(n, Caller(n + 100)));
        // The newest first: each of them is behind all the others.
        for n in (1..1_000).rev() {
            assert_eq!(calls.take(n).map(|call| call.caller.0), Some(n + 100));
            assert!(calls.take(n).is_none() && !calls.give_up(n));
            assert!(calls.taken <= calls.list.len() / 2);
        }
        assert_eq!(calls.pop(0).map(|call| call.caller.0), Some(100));
        assert!(calls.is_empty() && calls.taken == 0);
        // Taken ones behind the first go with it.
        (2_000..2_010).for_each(|n| calls.push(n, Caller(n)));
        assert!((2_001..2_005).all(|n| calls.take(n).is_some()));
        assert_eq!(calls.pop(2_000).map(|call| call.caller.0), Some(2_000));
        assert_eq!((calls.list.len(), calls.taken), (5, 0));
        assert_eq!((calls.pop(2_004).is_none(), calls.pop(2_005).is_some()), (true, true));
    }

    #[test]
    fn a_call_that_is_renumbered_keeps_its_name() {
        let mut calls = Calls::default();
        [2, 5, 9].into_iter().for_each(|n| calls.push(n, Caller(n + 100)));
        calls.renumber(2, 20);
        assert!(calls.give_up(5) && !calls.give_up(23));
        assert_eq!([20, 23, 27].map(|n| calls.pop(n).map(|call| call.caller.0)), [Some(102), Some(0), Some(109)]);
    }
}
