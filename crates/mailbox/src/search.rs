//! What a selective receive is looking for, and how far it has looked.
//!
//! | search | in the index | each arrival |
//! |---|---|---|
//! | any message | the notices in front of the first message, once for all receives | one look |
//! | predicate | one look at each, from the oldest | one look |
//! | monitor | O(1) | one look |
//! | tag | O(1); first asks what was left by others for its tag, once in its life | one `tag()` |
//! | tag and key | as tag; and each of the tag once for its key | one `tag()`, and one `key()` if it is of the tag |
//! | alias | O(1) | one look |
//! | any of these since a mark | one look at each entry since, from the oldest | one look; none at what is older |
//! | several clauses | each as above; and one look at what a clause names, from the oldest | as the clauses together |
//!
//! Invariants
//! * A search never looks twice at what it rejected; another search of the same kind starts again, except where the table
//!   says otherwise.
//! * A search holds nothing of the mailbox: dropping it at any time leaves everything in its place.
//!
//! Deliberately absent: waiting. [`Inbox::step`](crate::Inbox::step) says when there is nothing more to look at.

mod any_of;
mod since;

pub use any_of::Hint;

use crate::{Event, Key, Message, Tag, inbox::Meter, index::Index, index::Name};
use freeboard_signal::Ref;
use std::fmt;

/// One selective receive: what it wants, and its place. Made by one of its constructors, driven by
/// [`Inbox::step`](crate::Inbox::step).
///
/// It belongs to the inbox it was first used on. `Send` if what it captured is.
///
/// ```
/// use freeboard_mailbox::{Event, Inbox, Intake, Search, Step};
///
/// let (intake, mut inbox) = (Intake::<&str, ()>::new(), Inbox::new());
/// for word in ["one", "three", "two"] {
///     intake.push(word).expect("open");
/// }
/// intake.exchange(inbox.spare(), None);
/// let mut long = Search::message_where(|word: &&str| word.len() > 3);
/// assert!(matches!(inbox.step(&mut long, &mut 1), Step::Pause)); // the budget was for "one" only
/// assert!(matches!(inbox.step(&mut long, &mut 1), Step::Found(Event::Message("three"))));
/// assert_eq!(inbox.inspected(), 2);
/// ```
pub struct Search<P> {
    pub(crate) pattern: P,
    /// Everything in the queue's index whose arrival number is lower was looked at and is not wanted.
    pub(crate) passed: u64,
}

/// What a [`Search`] can look for; implemented by what its constructors make, and by nothing else.
pub trait Pattern<M>: Look<M> {}

impl<M, P: Look<M>> Pattern<M> for P {}

/// The two halves of a search. Public only in name: it cannot be named outside this crate.
pub trait Look<M> {
    /// Looks at what the index of that part holds and this search has not rejected yet.
    fn look(&mut self, part: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked;

    /// Tests an arrival, which may have come through an alias. The queue's index has nothing for this search at that time.
    fn test(&mut self, event: &Event<M>, alias: Option<Ref>) -> Test;

    /// Hears where in the queue's index the rejected arrival was left.
    fn left(&mut self, _index: &Index<M>, _slot: u32) {}

    /// The number of the clause that accepted what was found last.
    fn clause(&self) -> usize {
        0
    }

    /// Whether the arrival of this number is not to be tested.
    fn skips(&self, _number: u64) -> bool {
        false
    }
}

/// The two parts of an inbox that have an index. A search has a place in each.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Priority entries.
    Lane,
    /// Ordinary entries that were looked at and left.
    Queue,
}

/// What a look at the index came to.
#[derive(Debug)]
pub enum Looked {
    /// The oldest match is in this slot.
    At(u32),
    /// There is none in the index.
    Nowhere,
    /// The budget ran out first.
    Pause,
}

/// What a test of an arrival came to.
#[derive(Debug)]
pub enum Test {
    /// It is wanted.
    Hit,
    /// It is not, and nothing was learnt.
    Miss,
    /// It is not, and this is its tag.
    Tagged(u32),
    /// It is not, and these are its tag and key.
    Keyed(u32, Option<Name>),
}

/// Looks for any message, past notices.
#[derive(Debug)]
pub struct AnyMessage(());

/// Looks for a message by predicate.
pub struct MessageWhere<F> {
    pick: F,
    place: Places,
}

/// Looks for an event by predicate.
pub struct EventWhere<F> {
    pick: F,
    place: Places,
}

/// Looks for the notice of one monitor.
#[derive(Debug)]
pub struct OfMonitor(Ref);

/// Looks for a message by tag.
#[derive(Debug)]
pub struct OfTag<M>(Tag<M>);

/// Looks for a message by tag and key.
#[derive(Debug)]
pub struct OfKey<'a, M>(Tag<M>, Key<'a>);

impl<P> Search<P> {
    fn new(pattern: P) -> Self {
        Self { pattern, passed: 0 }
    }

    /// The number of the clause that accepted what was found last; 0 if there are no clauses.
    pub fn clause<M>(&self) -> usize
    where
        P: Pattern<M>,
    {
        self.pattern.clause()
    }
}

/// Looks for a message that came through an alias.
#[derive(Debug)]
pub struct OfAlias(Ref);

impl Search<OfAlias> {
    /// Wants the oldest message that came through this alias.
    pub fn alias(alias: Ref) -> Self {
        Self::new(OfAlias(alias))
    }
}

impl<M> Look<M> for OfAlias {
    fn look(&mut self, _: Part, index: &mut Index<M>, _meter: &mut Meter<'_>) -> Looked {
        index.aliased(self.0).map_or(Looked::Nowhere, Looked::At)
    }

    fn test(&mut self, _: &Event<M>, alias: Option<Ref>) -> Test {
        hit_if(alias == Some(self.0))
    }
}

impl Search<AnyMessage> {
    /// Wants the oldest message and leaves notices where they are.
    pub fn any_message() -> Self {
        Self::new(AnyMessage(()))
    }
}

impl<F> Search<MessageWhere<F>> {
    /// Wants the oldest message that the predicate picks. The predicate sees each message at most once.
    pub fn message_where<M>(pick: F) -> Self
    where
        F: FnMut(&M) -> bool,
    {
        Self::new(MessageWhere { pick, place: Places::default() })
    }
}

impl<F> Search<EventWhere<F>> {
    /// Wants the oldest event, message or notice, that the predicate picks. The predicate sees each event at most once.
    pub fn event_where<M>(pick: F) -> Self
    where
        F: FnMut(&Event<M>) -> bool,
    {
        Self::new(EventWhere { pick, place: Places::default() })
    }
}

impl Search<OfMonitor> {
    /// Wants the [`Down`](freeboard_signal::Down) of this monitor. A batch ([`Event::Downs`]) is not looked into.
    pub fn down(monitor: Ref) -> Self {
        Self::new(OfMonitor(monitor))
    }
}

impl<M: Message> Search<OfTag<M>> {
    /// Wants the oldest message of this tag.
    pub fn tag(tag: Tag<M>) -> Self {
        Self::new(OfTag(tag))
    }
}

impl<'a, M: Message> Search<OfKey<'a, M>> {
    /// Wants the oldest message of this tag with this key.
    pub fn key(tag: Tag<M>, key: Key<'a>) -> Self {
        Self::new(OfKey(tag, key))
    }
}

impl<M> Look<M> for AnyMessage {
    fn look(&mut self, _: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked {
        while let Some(slot) = index.messages() {
            if !meter.take() {
                return Looked::Pause;
            }
            if matches!(index.event(slot), Event::Message(_)) {
                return Looked::At(slot);
            }
            index.pass_notice();
        }
        Looked::Nowhere
    }

    fn test(&mut self, event: &Event<M>, _: Option<Ref>) -> Test {
        hit_if(matches!(event, Event::Message(_)))
    }
}

impl<M, F: FnMut(&M) -> bool> Look<M> for MessageWhere<F> {
    fn look(&mut self, part: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked {
        let Self { pick, place } = self;
        let start = index.messages();
        place.of(part).walk(index, start, meter, |event| matches!(event, Event::Message(message) if pick(message)))
    }

    fn test(&mut self, event: &Event<M>, _: Option<Ref>) -> Test {
        hit_if(matches!(event, Event::Message(message) if (self.pick)(message)))
    }

    fn left(&mut self, index: &Index<M>, slot: u32) {
        self.place.queue.reject(index, slot);
    }
}

impl<M, F: FnMut(&Event<M>) -> bool> Look<M> for EventWhere<F> {
    fn look(&mut self, part: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked {
        let start = index.first();
        self.place.of(part).walk(index, start, meter, &mut self.pick)
    }

    fn test(&mut self, event: &Event<M>, _: Option<Ref>) -> Test {
        hit_if((self.pick)(event))
    }

    fn left(&mut self, index: &Index<M>, slot: u32) {
        self.place.queue.reject(index, slot);
    }
}

impl<M> Look<M> for OfMonitor {
    fn look(&mut self, _: Part, index: &mut Index<M>, _meter: &mut Meter<'_>) -> Looked {
        index.notice(&Name::Down(self.0)).map_or(Looked::Nowhere, Looked::At)
    }

    fn test(&mut self, event: &Event<M>, _: Option<Ref>) -> Test {
        hit_if(matches!(event, Event::Down(down) if down.monitor == self.0))
    }
}

impl<M: Message> Look<M> for OfTag<M> {
    #[inline]
    fn look(&mut self, _: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked {
        let wanted = self.0.number();
        // What has been tagged is older than what has not.
        if let Some(slot) = index.tagged(wanted) {
            return Looked::At(slot);
        }
        while let Some(slot) = index.untagged() {
            if !meter.take() {
                return Looked::Pause;
            }
            let tag = message_in(index, slot).map(tag_of);
            if tag == Some(wanted) {
                return Looked::At(slot);
            }
            index.learn_tag(tag);
        }
        Looked::Nowhere
    }

    fn test(&mut self, event: &Event<M>, _: Option<Ref>) -> Test {
        let Event::Message(message) = event else { return Test::Miss };
        let tag = tag_of(message);
        if tag == self.0.number() { Test::Hit } else { Test::Tagged(tag) }
    }
}

impl<M: Message> Look<M> for OfKey<'_, M> {
    #[inline]
    fn look(&mut self, _: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked {
        let (wanted, key) = (self.0.number(), self.1);
        // From old to new: what has a known key, what has a known tag, the rest.
        if let Some(slot) = index.keyed(wanted, key) {
            return Looked::At(slot);
        }
        while let Some(slot) = index.unkeyed(wanted) {
            if !meter.take() {
                return Looked::Pause;
            }
            let found = message_in(index, slot).and_then(Message::key);
            if found == Some(key) {
                return Looked::At(slot);
            }
            let name = found.map(Name::from);
            index.learn_key(wanted, name);
        }
        while let Some(slot) = index.untagged() {
            if !meter.take() {
                return Looked::Pause;
            }
            let message = message_in(index, slot);
            let tag = message.map(tag_of);
            if tag != Some(wanted) {
                index.learn_tag(tag);
                continue;
            }
            let found = message.and_then(Message::key);
            if found == Some(key) {
                return Looked::At(slot);
            }
            let name = found.map(Name::from);
            index.learn_tag(tag);
            index.learn_key(wanted, name);
        }
        Looked::Nowhere
    }

    fn test(&mut self, event: &Event<M>, _: Option<Ref>) -> Test {
        let Event::Message(message) = event else { return Test::Miss };
        let tag = tag_of(message);
        if tag != self.0.number() {
            return Test::Tagged(tag);
        }
        let key = message.key();
        if key == Some(self.1) { Test::Hit } else { Test::Keyed(tag, key.map(Name::from)) }
    }
}

fn hit_if(wanted: bool) -> Test {
    if wanted { Test::Hit } else { Test::Miss }
}

fn message_in<M>(index: &Index<M>, slot: u32) -> Option<&M> {
    match index.event(slot) {
        Event::Message(message) => Some(message),
        _ => None,
    }
}

fn tag_of<M: Message>(message: &M) -> u32 {
    let tag = message.tag().number();
    // A list is kept for each number up to the largest, so a wild one would cost memory.
    assert!(
        (tag as usize) < M::TAGS.len(),
        "Message::tag() answered {tag}; TAGS must name every tag, and names {}",
        M::TAGS.len()
    );
    tag
}

/// How far a search by predicate has come in each part.
#[derive(Debug, Default)]
struct Places {
    lane: Place,
    queue: Place,
}

impl Places {
    fn of(&mut self, part: Part) -> &mut Place {
        match part {
            Part::Lane => &mut self.lane,
            Part::Queue => &mut self.queue,
        }
    }
}

/// The newest event that a search by predicate rejected: its slot and its arrival number.
#[derive(Debug, Default)]
struct Place(Option<(u32, u64)>);

impl Place {
    fn walk<M>(
        &mut self,
        index: &Index<M>,
        start: Option<u32>,
        meter: &mut Meter<'_>,
        mut pick: impl FnMut(&Event<M>) -> bool,
    ) -> Looked {
        let mut at = match self.0 {
            Some((slot, arrival)) => index.after_arrival(slot, arrival),
            None => start,
        };
        while let Some(slot) = at {
            if !meter.take() {
                return Looked::Pause;
            }
            if pick(index.event(slot)) {
                return Looked::At(slot);
            }
            self.reject(index, slot);
            at = index.after(slot);
        }
        Looked::Nowhere
    }

    fn reject<M>(&mut self, index: &Index<M>, slot: u32) {
        self.0 = Some((slot, index.arrival(slot)));
    }
}

impl<P> fmt::Debug for Search<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for MessageWhere<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageWhere").field(&self.place).finish()
    }
}

impl<F> fmt::Debug for EventWhere<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventWhere").field(&self.place).finish()
    }
}
