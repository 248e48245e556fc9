//! The receiver's own half of a mailbox: what was swapped out of the intake, and what selective receives left.
//!
//! ```text
//!   index: looked at and left (oldest) │ buffer: in order of arrival      older than anything in the intake
//! ```
//!
//! Invariants
//! * Everything in the index is older than anything in the buffer, so the first hit on the way is the oldest.
//! * There is no index until a selective receive leaves something; an empty one costs a plain receive one comparison.
//! * A panic in a predicate loses nothing: what was just being tested is left in the index.
//!
//! Not here: the lock, waiting and signals. The caller refills the buffer and has applied the signals in it.

use crate::search::{Looked, Pattern, Search, Test};
use crate::{Chunks, Entry, Event, index::Index, index::Name};
use freeboard_signal::{Pid, Ref};
use std::fmt;

/// What a process has taken out of its intake and not yet received.
pub struct Inbox<M, S> {
    buffer: Chunks<Entry<M, S>>,
    index: Option<Box<Index<M>>>,
    inspected: u64,
}

/// How far a slice of a selective receive came.
pub enum Step<M> {
    /// The oldest event that was wanted.
    Found(Event<M>),
    /// Everything here was looked at and nothing is wanted: refill, or wait.
    Empty,
    /// The budget is used up and there is more to look at: yield, and call again with the same search.
    Pause,
}

/// What a slice may still spend, and what was spent in all. Public only in name, for [`Pattern`].
#[derive(Debug)]
pub struct Meter<'a> {
    budget: &'a mut usize,
    inspected: &'a mut u64,
}

impl Meter<'_> {
    /// Spends one look, if there is one left.
    pub(crate) fn take(&mut self) -> bool {
        let may = *self.budget > 0;
        if may {
            *self.budget -= 1;
            *self.inspected += 1;
        }
        may
    }
}

impl<M, S> Default for Inbox<M, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M, S> Inbox<M, S> {
    /// An empty inbox; allocates nothing.
    pub fn new() -> Self {
        Self { buffer: Chunks::default(), index: None, inspected: 0 }
    }

    /// The empty buffer, to be filled by [`Intake::exchange`](crate::Intake::exchange). Signals that come with it must be
    /// applied, and replaced, before the next receive.
    ///
    /// # Panics
    /// In debug builds, if the buffer is not empty: an exchange would lose what it holds.
    pub fn spare(&mut self) -> &mut Chunks<Entry<M, S>> {
        debug_assert!(self.buffer.is_empty(), "the buffer must be used up before it is exchanged");
        &mut self.buffer
    }

    /// Whether the buffer is used up, so that newer entries can only come from the intake.
    pub fn needs_refill(&self) -> bool {
        self.buffer.is_empty()
    }

    /// How many entries are left here. Signals that were applied and left nothing count until a receive passes them.
    ///
    /// # Cost
    /// One walk of the buffer: for reports, not for a path that each message takes.
    pub fn len(&mut self) -> usize {
        self.buffer.iter_mut().count() + self.index.as_ref().map_or(0, |index| index.len())
    }

    /// Whether no entry is left here.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.index.as_ref().is_none_or(|index| index.is_empty())
    }

    /// Takes the oldest event: a plain receive.
    pub fn pop(&mut self) -> Option<Event<M>> {
        if let Some(index) = &mut self.index
            && let Some(event) = index.pop()
        {
            return Some(event);
        }
        loop {
            match self.buffer.pop()? {
                Entry::Event(event) => return Some(event),
                Entry::Gone => {}
                Entry::Signal(_) => debug_assert!(false, "signals are applied before anything is received"),
            }
        }
    }

    /// One slice of a selective receive: takes the oldest event that the search wants, and looks at no more than `budget`
    /// entries for it, which it counts down. What it looks at and does not want stays in its place.
    ///
    /// # Cancel safety
    /// The search may be dropped after any step; nothing has left its place.
    ///
    /// # Cost
    /// See [`Search`]: what the search rejected is not looked at again, and looking something up takes no budget.
    pub fn step<P: Pattern<M>>(&mut self, search: &mut Search<P>, budget: &mut usize) -> Step<M> {
        let pattern = &mut search.pattern;
        if let Some(index) = self.index.as_deref_mut().filter(|index| !index.is_empty()) {
            let mut meter = Meter { budget: &mut *budget, inspected: &mut self.inspected };
            match pattern.look(index, &mut meter) {
                Looked::At(slot) => return Step::Found(index.remove(slot)),
                Looked::Pause => return Step::Pause,
                Looked::Nowhere => {}
            }
        }
        loop {
            if *budget == 0 {
                return if self.buffer.is_empty() { Step::Empty } else { Step::Pause };
            }
            let Some(entry) = self.buffer.pop() else { return Step::Empty };
            *budget -= 1;
            let Entry::Event(event) = entry else {
                debug_assert!(matches!(entry, Entry::Gone), "signals are applied before anything is received");
                continue;
            };
            self.inspected += 1;
            let mut tested = Tested { event: Some(event), index: &mut self.index };
            let Some(event) = &tested.event else { continue };
            match pattern.test(event) {
                Test::Hit => match tested.event.take() {
                    Some(event) => return Step::Found(event),
                    None => continue,
                },
                Test::Miss => tested.leave(pattern, |_| {}),
                Test::Tagged(tag) => tested.leave(pattern, |index| index.learn_tag(Some(tag))),
                Test::Keyed(tag, key) => tested.leave(pattern, |index| {
                    index.learn_tag(Some(tag));
                    index.learn_key(tag, key);
                }),
            }
        }
    }

    /// Takes the notice of this monitor out of its place, if it is here; answers whether it was.
    ///
    /// # Cost
    /// O(1) for what selective receives have left, one walk of the buffer if it is not there.
    pub fn flush_down(&mut self, monitor: Ref) -> bool {
        self.flush(&Name::Down(monitor), |event| matches!(event, Event::Down(down) if down.monitor == monitor))
    }

    /// Takes the oldest trapped exit signal from this process out of its place, if there is one; answers whether there was.
    ///
    /// # Cost
    /// As [`flush_down`](Self::flush_down).
    pub fn flush_exit(&mut self, from: Pid) -> bool {
        self.flush(&Name::Exit(from), |event| matches!(event, Event::Exit(exit) if exit.from == from))
    }

    fn flush(&mut self, name: &Name, is_wanted: impl Fn(&Event<M>) -> bool) -> bool {
        if let Some(index) = &mut self.index
            && let Some(slot) = index.notice(name)
        {
            index.remove(slot);
            return true;
        }
        let found = self.buffer.iter_mut().find(|entry| matches!(entry, Entry::Event(event) if is_wanted(event)));
        found.map(|entry| *entry = Entry::Gone).is_some()
    }

    /// How many entries selective receives have looked at so far. A plain receive looks at none.
    pub fn inspected(&self) -> u64 {
        self.inspected
    }

    /// Everything that is left, oldest first.
    pub fn into_chunks(self) -> Chunks<Entry<M, S>> {
        let Some(mut index) = self.index.filter(|index| !index.is_empty()) else { return self.buffer };
        let mut left = Chunks::default();
        while let Some(event) = index.pop() {
            left.push(Entry::Event(event));
        }
        left.append(self.buffer);
        left
    }
}

/// An event between buffer and index. Dropped while a predicate's panic passes, it still goes to its place.
struct Tested<'a, M> {
    event: Option<Event<M>>,
    index: &'a mut Option<Box<Index<M>>>,
}

impl<M> Tested<'_, M> {
    fn leave(mut self, pattern: &mut impl Pattern<M>, learn: impl FnOnce(&mut Index<M>)) {
        if let Some((index, slot)) = self.push() {
            learn(index);
            pattern.left(index, slot);
        }
    }

    fn push(&mut self) -> Option<(&mut Index<M>, u32)> {
        let event = self.event.take()?;
        let index = self.index.get_or_insert_with(|| Box::new(Index::new()));
        let slot = index.push(event);
        Some((index, slot))
    }
}

impl<M> Drop for Tested<'_, M> {
    fn drop(&mut self) {
        self.push();
    }
}

impl<M, S> fmt::Debug for Inbox<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.index.as_ref().map_or(0, |index| index.len());
        f.debug_struct("Inbox").field("left", &left).field("inspected", &self.inspected).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Step<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(event) => f.debug_tuple("Found").field(event).finish(),
            Self::Empty => f.write_str("Empty"),
            Self::Pause => f.write_str("Pause"),
        }
    }
}
