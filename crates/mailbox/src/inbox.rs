//! The receiver's own half of a mailbox: what was swapped out of the intake, and what receives left of it.
//!
//! ```text
//!   lane: put ahead │ index: looked at and left (oldest) │ buffer: in order of arrival      older than the intake's
//! ```
//!
//! Invariants
//! * Everything in the index is older than anything in the buffer, so the first hit on the way is the oldest.
//! * There is no index until something is left; an empty one costs a plain receive one comparison.
//! * A panic in a predicate loses nothing: what was just being tested is left in the index.
//! * Every receive looks in the lane first, except when the lane has had its share (see `lane`).
//!
//! Plain receives are in `plain`. Not here: the lock, waiting and signals. The caller refills the buffer and has applied the
//! signals in it.

mod plain;

use crate::lane::Lane;
use crate::notices::Share;
use crate::search::{Looked, Part, Pattern, Search, Test};
use crate::{Chunks, Entry, Event, Marker, index::Index, index::Name};
use freeboard_signal::{Pid, Ref};
use std::fmt;

/// What a process has taken out of its intake and not yet received.
pub struct Inbox<M, S> {
    buffer: Chunks<Entry<M, S>>,
    left: Option<Box<Left<M>>>,
    inspected: u64,
    share: Share,
}

/// What was taken out of the buffer and not received.
struct Left<M> {
    index: Index<M>,
    /// Only there once something was put ahead.
    lane: Option<Box<Lane<M>>>,
}

impl<M> Left<M> {
    fn new() -> Box<Self> {
        Box::new(Self { index: Index::new(), lane: None })
    }

    /// The parts that have an index, in the order in which they are received.
    fn parts(&self) -> impl Iterator<Item = &Index<M>> {
        self.lane.iter().map(|lane| &lane.index).chain([&self.index])
    }

    fn parts_mut(&mut self) -> impl Iterator<Item = &mut Index<M>> {
        self.lane.iter_mut().map(|lane| &mut lane.index).chain([&mut self.index])
    }
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

    /// Spends as much without a look.
    pub(crate) fn pay(&mut self) -> bool {
        let may = *self.budget > 0;
        *self.budget -= usize::from(may);
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
        Self { buffer: Chunks::default(), left: None, inspected: 0, share: Share::new() }
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

    /// Whether to look in the intake before the next receive, without parking: priority entries have had their share, and
    /// ordinary ones can only be there.
    pub fn wants_refill(&self) -> bool {
        match &self.left {
            Some(left) => self.buffer.is_empty() && left.lane.as_ref().is_some_and(|lane| lane.gives_way()),
            None => false,
        }
    }

    /// How many entries are left here. Signals that were applied and left nothing count until a receive passes them.
    ///
    /// # Cost
    /// One walk of the buffer: for reports, not for a path that each message takes.
    pub fn len(&mut self) -> usize {
        self.buffer.iter_mut().count() + self.left_len()
    }

    fn left_len(&self) -> usize {
        self.left.iter().flat_map(|left| left.parts()).map(Index::len).sum()
    }

    /// How many messages receives have left, or the walk has put ahead; notices do not count.
    ///
    /// # Cost
    /// O(1).
    pub fn held(&self) -> usize {
        self.left.iter().flat_map(|left| left.parts()).map(Index::messages_len).sum()
    }

    /// Whether no entry is left here.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.left_len() == 0
    }

    /// Puts priority entries behind earlier ones and ahead of all others, for every form of receive (OTP: E15).
    pub fn put_ahead(&mut self, entries: impl IntoIterator<Item = Entry<M, S>>) {
        let left = self.left.get_or_insert_with(Left::new);
        let lane = left.lane.get_or_insert_with(|| Box::new(Lane::new()));
        for (event, alias) in entries.into_iter().filter_map(arrival) {
            lane.push(event, alias);
        }
    }

    /// Marks this moment: what comes from here on is newer. `intake_marker` is what
    /// [`Intake::marker`](crate::Intake::marker) has just answered.
    pub fn marker(&self, intake_marker: u64) -> Marker {
        let lane = self.left.as_ref().and_then(|left| left.lane.as_ref());
        Marker { lane: lane.map_or(0, |lane| lane.index.next_arrival()), queue: intake_marker }
    }

    /// One slice of a selective receive: takes the oldest event that the search wants, and looks at no more than `budget`
    /// entries for it, which it counts down. What it looks at and does not want stays in its place.
    ///
    /// # Cancel safety
    /// The search may be dropped after any step; nothing has left its place.
    ///
    /// # Cost
    /// See [`Search`]: what the search rejected is not looked at again, and looking something up takes no budget.
    #[inline]
    pub fn step<P: Pattern<M>>(&mut self, search: &mut Search<P>, budget: &mut usize) -> Step<M> {
        match &self.left {
            Some(left) if left.lane.is_some() => self.step_beside_lane(search, budget),
            _ => self.step_queue(search, budget),
        }
    }

    #[cold]
    fn step_beside_lane<P: Pattern<M>>(&mut self, search: &mut Search<P>, budget: &mut usize) -> Step<M> {
        let goes_first = self.lane().is_some_and(|lane| lane.goes_first());
        if goes_first {
            match self.step_lane(&mut search.pattern, budget) {
                Step::Empty => {}
                found_or_pause => return found_or_pause,
            }
        }
        match self.step_queue(search, budget) {
            Step::Empty if !goes_first => self.step_lane(&mut search.pattern, budget),
            step => {
                if let (Step::Found(_), Some(lane)) = (&step, self.lane()) {
                    lane.interrupt();
                }
                step
            }
        }
    }

    fn lane(&mut self) -> Option<&mut Lane<M>> {
        self.left.as_mut()?.lane.as_deref_mut()
    }

    fn step_lane<P: Pattern<M>>(&mut self, pattern: &mut P, budget: &mut usize) -> Step<M> {
        let Some(lane) = self.left.as_mut().and_then(|left| left.lane.as_mut()) else { return Step::Empty };
        let mut meter = Meter { budget, inspected: &mut self.inspected };
        match pattern.look(Part::Lane, &mut lane.index, &mut meter) {
            Looked::At(slot) => Step::Found(lane.take(slot)),
            Looked::Pause => Step::Pause,
            Looked::Nowhere => Step::Empty,
        }
    }

    #[inline]
    fn step_queue<P: Pattern<M>>(&mut self, search: &mut Search<P>, budget: &mut usize) -> Step<M> {
        let Search { pattern, passed } = search;
        // After a refill the index is as this search has left it: one comparison instead of another look.
        let is_news = |left: &&mut Left<M>| !left.index.is_empty() && left.index.next_arrival() != *passed;
        if let Some(left) = self.left.as_deref_mut().filter(is_news) {
            let mut meter = Meter { budget: &mut *budget, inspected: &mut self.inspected };
            match pattern.look(Part::Queue, &mut left.index, &mut meter) {
                Looked::At(slot) => {
                    let event = left.index.remove(slot);
                    self.share.taken(&event);
                    return Step::Found(event);
                }
                Looked::Pause => return Step::Pause,
                Looked::Nowhere => {}
            }
        }
        loop {
            if *budget == 0 {
                return if self.buffer.is_empty() { Step::Empty } else { Step::Pause };
            }
            let Some(entry) = self.buffer.pop() else {
                *passed = self.left.as_ref().map_or(0, |left| left.index.next_arrival());
                return Step::Empty;
            };
            *budget -= 1;
            let number = self.buffer.number() - 1;
            let Some((event, alias)) = arrival(entry) else { continue };
            let mut tested = Tested { event: Some(event), number, alias, left: &mut self.left };
            if pattern.skips(number) {
                drop(tested);
                continue;
            }
            self.inspected += 1;
            let Some(event) = &tested.event else { continue };
            match pattern.test(event, alias) {
                Test::Hit => match tested.event.take() {
                    Some(event) => {
                        self.share.taken(&event);
                        return Step::Found(event);
                    }
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
        for index in self.left.iter_mut().flat_map(|left| left.parts_mut()) {
            if let Some(slot) = index.notice(name) {
                index.remove(slot);
                return true;
            }
        }
        let found = self.buffer.iter_mut().find(|entry| matches!(entry, Entry::Event(event) if is_wanted(event)));
        found.map(|entry| *entry = Entry::Gone).is_some()
    }

    /// How many entries selective receives have looked at so far, or since the count was last taken. A plain receive looks at
    /// none.
    pub fn inspected(&self) -> u64 {
        self.inspected
    }

    /// Takes the count of [`inspected`](Self::inspected), to be [noted](crate::Intake::note_inspected) where others see it.
    pub fn take_inspected(&mut self) -> u64 {
        std::mem::take(&mut self.inspected)
    }

    /// Takes the next entry in order of place, whatever it is and whosever turn it is: for those who take a mailbox down.
    pub fn take_next(&mut self) -> Option<Entry<M, S>> {
        let left = self.left.iter_mut().flat_map(|left| left.parts_mut()).find_map(Index::pop);
        left.map(Entry::Event).or_else(|| self.buffer.pop())
    }
}

/// What an entry holds for the receiver, and through which alias it came.
fn arrival<M, S>(entry: Entry<M, S>) -> Option<(Event<M>, Option<Ref>)> {
    match entry {
        Entry::Event(event) => Some((event, None)),
        Entry::Aliased(aliased) => {
            let alias = aliased.alias;
            Some((Event::Message(aliased.message), Some(alias)))
        }
        Entry::Gone => None,
        Entry::Signal(_) => {
            debug_assert!(false, "signals are applied before anything is received");
            None
        }
    }
}

/// An event between buffer and index. Dropped while a predicate's panic passes, it still goes to its place.
struct Tested<'a, M> {
    event: Option<Event<M>>,
    number: u64,
    alias: Option<Ref>,
    left: &'a mut Option<Box<Left<M>>>,
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
        let index = &mut self.left.get_or_insert_with(Left::new).index;
        let slot = index.push(self.number, event, self.alias);
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
        f.debug_struct("Inbox")
            .field("left", &self.left_len())
            .field("inspected", &self.inspected)
            .finish_non_exhaustive()
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
