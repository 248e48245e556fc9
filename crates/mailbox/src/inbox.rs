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

use crate::calls::{Caller, Calls, KnownCall};
use crate::lane::Lane;
use crate::notices::Share;
use crate::search::{Looked, Part, Pattern, Search, Test};
use crate::{Aliased, Chunks, Entry, Event, Marker, Notice, index::Index};
use freeboard_signal::Ref;
use std::fmt;

/// Marks what belongs to the incarnation and came through no alias; no alias is called that.
const OWN: Ref = Ref::new(u64::MAX, u64::MAX);

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
    /// Ticks that were passed because the one before is in the index still, since the count was last taken.
    passed: u64,
    /// Only there once something was put ahead.
    lane: Option<Box<Lane<M>>>,
    /// Which of what is in the index are calls.
    calls: Calls,
}

impl<M> Left<M> {
    fn new() -> Box<Self> {
        Box::new(Self { index: Index::new(), passed: 0, lane: None, calls: Calls::default() })
    }

    /// Takes an event out of the index, with what is known of its caller.
    fn take(&mut self, slot: u32) -> (Event<M>, Option<Caller>) {
        let call = self.take_call(slot);
        (self.index.remove(slot), call.map(|call| call.caller))
    }

    /// What is known of what is about to be taken out of the index, if it is a call.
    fn take_call(&mut self, slot: u32) -> Option<KnownCall> {
        if self.calls.is_empty() { None } else { self.calls.take(self.index.arrival(slot)) }
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

    /// Who waits for the message that was handed out last, asked once. To be asked after every receive: what is handed out
    /// with [`Caller::GAVE_UP`] must be dropped, and the receive goes on.
    #[inline]
    pub fn take_caller(&mut self) -> Caller {
        self.buffer.take_caller()
    }

    /// Notes that the callers of these entries have given up. Entries that are not here any more are passed over.
    pub fn give_up(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            if !self.buffer.give_up(number)
                && let Some(left) = &mut self.left
            {
                left.calls.give_up(number);
            }
        }
    }

    /// Notes who waits for the entry that was just taken out of the buffer and is handed out.
    #[inline]
    fn note_caller(&mut self) {
        if let Some(call) = self.buffer.pop_call(self.buffer.number() - 1) {
            self.buffer.note_caller(call.caller);
        }
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
                    let (event, caller) = left.take(slot);
                    caller.into_iter().for_each(|caller| self.buffer.note_caller(caller));
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
            let (event, alias) = match entry {
                Entry::Event(event) => (event, None),
                rare => match self.rare_arrival(rare) {
                    Some(arrival) => arrival,
                    None => continue,
                },
            };
            let mut tested =
                Tested { event: Some(event), number, alias, buffer: &mut self.buffer, left: &mut self.left };
            if pattern.skips(number) {
                drop(tested);
                continue;
            }
            self.inspected += 1;
            let Some(event) = &tested.event else { continue };
            match pattern.test(event, alias) {
                Test::Hit => match tested.event.take() {
                    Some(event) => {
                        if let Some(call) = tested.buffer.pop_call(number) {
                            tested.buffer.note_caller(call.caller);
                        }
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

    /// What an entry holds that is more than an event, and is not passed.
    #[cold]
    fn rare_arrival(&mut self, entry: Entry<M, S>) -> Option<(Event<M>, Option<Ref>)> {
        if self.passes_tick(&entry) { None } else { arrival(entry) }
    }

    /// Whether this is a tick while the one before was looked at and left: then it is passed, or they would gather here.
    #[inline]
    fn passes_tick(&mut self, entry: &Entry<M, S>) -> bool {
        let (Entry::Timed(timed), Some(left)) = (entry, self.left.as_deref_mut()) else { return false };
        let waits = timed.is_queued() && left.index.aliased(timed.name()).is_some();
        if waits {
            timed.pass();
            left.passed += 1;
        }
        waits
    }

    /// Takes the count of ticks that were passed here, to be [counted](crate::Intake::bury_unmade) as dropped.
    #[inline]
    pub fn take_passed_ticks(&mut self) -> u64 {
        self.left.as_mut().map_or(0, |left| std::mem::take(&mut left.passed))
    }

    /// Whether a receive has looked at the message of this timer and left it.
    pub fn holds_timed(&self, name: Ref) -> bool {
        self.left.as_ref().is_some_and(|left| left.index.aliased(name).is_some())
    }

    /// Takes the message of this timer out of its place, if a receive has looked at it and left it.
    ///
    /// # Cost
    /// O(1).
    pub fn take_timed(&mut self, name: Ref) -> Option<M> {
        let index = &mut self.left.as_mut()?.index;
        let slot = index.aliased(name)?;
        index.remove(slot).message()
    }

    /// Takes the oldest such notice out of its place, if there is one here; answers whether there was.
    ///
    /// # Cost
    /// O(1) for what selective receives have left, one walk of the buffer if it is not there.
    pub fn flush(&mut self, notice: Notice) -> bool {
        let name = notice.name();
        for index in self.left.iter_mut().flat_map(|left| left.parts_mut()) {
            if let Some(slot) = index.notice(&name) {
                index.remove(slot);
                return true;
            }
        }
        let found = self.buffer.iter_mut().find(|entry| matches!(entry, Entry::Event(event) if notice.is(event)));
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

    /// Takes the next entry in order of place, whatever it is and whosever turn it is: for those who take a mailbox down. An
    /// ordinary message is [`Event::Message`]; one that belongs to the incarnation is not.
    pub fn take_next(&mut self) -> Option<Entry<M, S>> {
        self.take_next_call().map(|(entry, _)| entry)
    }

    /// The same, with what is known of it if it is a call.
    pub(crate) fn take_next_call(&mut self) -> Option<(Entry<M, S>, Option<KnownCall>)> {
        if let Some(left) = self.left.as_deref_mut() {
            if let Some(ahead) = left.lane.as_mut().and_then(|lane| lane.index.pop_aliased()) {
                return Some((entry(ahead), None));
            }
            if let Some(oldest) = left.index.first() {
                let call = left.take_call(oldest);
                return left.index.pop_aliased().map(|oldest| (entry(oldest), call));
            }
        }
        pop_with_call(&mut self.buffer)
    }
}

/// Takes the oldest entry of a queue, with what is known of it if it is a call.
pub(crate) fn pop_with_call<M, S>(queue: &mut Chunks<Entry<M, S>>) -> Option<(Entry<M, S>, Option<KnownCall>)> {
    let entry = queue.pop()?;
    let call = queue.pop_call(queue.number() - 1);
    Some((entry, call))
}

/// What an entry holds for the receiver, and through which alias it came.
fn arrival<M, S>(entry: Entry<M, S>) -> Option<(Event<M>, Option<Ref>)> {
    match entry {
        Entry::Event(event) => Some((event, None)),
        Entry::Aliased(aliased) => {
            let alias = aliased.alias;
            Some((Event::Message(aliased.message), Some(alias)))
        }
        Entry::Timed(timed) => timed.take().map(|message| (Event::Message(message), Some(timed.name()))),
        Entry::Own(message) => Some((Event::Message(*message), Some(OWN))),
        Entry::Gone => None,
        Entry::Signal(_) => {
            debug_assert!(false, "signals are applied before anything is received");
            None
        }
    }
}

/// What [`arrival`] took apart, put together again.
fn entry<M, S>((event, alias): (Event<M>, Option<Ref>)) -> Entry<M, S> {
    match (event, alias) {
        (Event::Message(message), Some(OWN)) => Entry::Own(Box::new(message)),
        (Event::Message(message), Some(alias)) => Entry::Aliased(Box::new(Aliased { alias, ahead: false, message })),
        (event, _) => Entry::Event(event),
    }
}

/// An event between buffer and index. Dropped while a predicate's panic passes, it still goes to its place.
struct Tested<'a, M, S> {
    event: Option<Event<M>>,
    number: u64,
    alias: Option<Ref>,
    /// Where it came from, and what is known of its caller.
    buffer: &'a mut Chunks<Entry<M, S>>,
    left: &'a mut Option<Box<Left<M>>>,
}

impl<M, S> Tested<'_, M, S> {
    #[inline]
    fn leave(mut self, pattern: &mut impl Pattern<M>, learn: impl FnOnce(&mut Index<M>)) {
        if let Some((index, slot)) = self.push() {
            learn(index);
            pattern.left(index, slot);
        }
    }

    #[inline]
    fn push(&mut self) -> Option<(&mut Index<M>, u32)> {
        let event = self.event.take()?;
        let Left { index, calls, .. } = &mut **self.left.get_or_insert_with(Left::new);
        let slot = index.push(self.number, event, self.alias);
        if let Some(call) = self.buffer.pop_call(self.number) {
            calls.push_known(index.arrival(slot), call);
        }
        Some((index, slot))
    }
}

impl<M, S> Drop for Tested<'_, M, S> {
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
