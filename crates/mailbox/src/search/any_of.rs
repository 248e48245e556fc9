//! Several clauses at once: the oldest event that any of them wants (OTP: E2).
//!
//! A merge in order of age: each clause stands at the oldest event under its name that it was not asked about, or that
//! has to be asked for its key first; what has no known tag yet is one more such place. The oldest of them is next, so
//! nothing newer than what is found is looked at.
//!
//! Invariants
//! * A clause is asked about an event only if its [`Hint`] names it, about one event once, and from old to new.
//! * Of clauses that want the same event, the first has it.
//!
//! Not here: what a clause's guard is. It is the closure's, which is given the clause's number.

use super::{Look, Looked, Part, Search, Test, message_in, tag_of};
use crate::{Event, Key, Message, Tag, inbox::Meter, index::Index, index::Name};
use freeboard_signal::{Pid, Ref};
use std::{cmp::Ordering, fmt};

/// What one clause of a receive can be found by.
pub enum Hint<'k, M> {
    /// Messages of this tag.
    Tag(Tag<M>),
    /// Messages of this tag with this key.
    Key(Tag<M>, Key<'k>),
    /// The notice of this monitor. Batches ([`Event::Downs`]) are not looked into.
    Down(Ref),
    /// The trapped exit signals of this process.
    Exit(Pid),
    /// Messages that came through this alias, whatever their tag.
    Alias(Ref),
}

impl<M> Hint<'_, M> {
    /// The number of its tag, if it names messages.
    fn tag(&self) -> Option<u32> {
        match self {
            Self::Tag(tag) | Self::Key(tag, _) => Some(tag.number()),
            Self::Down(_) | Self::Exit(_) | Self::Alias(_) => None,
        }
    }

    fn names_notice(&self, event: &Event<M>) -> bool {
        match (self, event) {
            (Self::Down(monitor), Event::Down(down)) => down.monitor == *monitor,
            (Self::Exit(from), Event::Exit(exit)) => exit.from == *from,
            _ => false,
        }
    }
}

/// Looks for the oldest event that one of its clauses accepts.
pub struct AnyOf<'k, M, A, const N: usize> {
    clauses: [Clause<'k, M>; N],
    accept: A,
    hit: usize,
}

/// One clause, and how far it has looked.
struct Clause<'k, M> {
    hint: Hint<'k, M>,
    /// The newest event of each part it was asked about: its slot and its arrival number.
    seen: [Option<(u32, u64)>; 2],
    /// Whether it was asked about the arrival that is just being tested.
    asked: bool,
}

/// Where a clause stands in the index.
#[derive(Clone, Copy)]
struct Head {
    arrival: u64,
    slot: u32,
    /// Whether this is of its tag, and of a key that nobody has asked for.
    unkeyed: bool,
}

impl<'k, M: Message, A, const N: usize> Search<AnyOf<'k, M, A, N>>
where
    A: FnMut(usize, &Event<M>) -> bool,
{
    /// Wants the oldest event that one of these clauses accepts; if several accept it, the first of them has it.
    ///
    /// `accept` is given a clause's number and an event that the clause's hint names, each pair at most once.
    ///
    /// ```
    /// use freeboard_mailbox::{Event, Hint, Inbox, Intake, Message, Search, Step, Tag};
    ///
    /// struct Byte(u8);
    /// impl Message for Byte {
    ///     const TAGS: &'static [&'static str] = &["Even", "Odd"];
    ///     fn tag(&self) -> Tag<Self> { Tag::new(u32::from(self.0 % 2)) }
    /// }
    /// let (intake, mut inbox) = (Intake::<Byte, ()>::new(), Inbox::new());
    /// for n in [1, 2, 3, 4] {
    ///     assert!(intake.push(Byte(n)).is_ok());
    /// }
    /// intake.exchange(inbox.spare(), None);
    /// // Any even one, or an odd one above 2: the 2 is the oldest of these, the 3 the next.
    /// let accept = |clause, event: &Event<Byte>| clause == 0 || matches!(event, Event::Message(Byte(3..)));
    /// for expected in [(0, 2), (1, 3)] {
    ///     let mut either = Search::any_of([Hint::Tag(Tag::new(0)), Hint::Tag(Tag::new(1))], accept);
    ///     let Step::Found(Event::Message(Byte(n))) = inbox.step(&mut either, &mut 100) else { panic!("it is there") };
    ///     assert_eq!((either.clause(), n), expected);
    /// }
    /// ```
    pub fn any_of(hints: [Hint<'k, M>; N], accept: A) -> Self {
        let clauses = hints.map(|hint| Clause { hint, seen: [None; 2], asked: false });
        Self::new(AnyOf { clauses, accept, hit: 0 })
    }
}

impl<M: Message> Clause<'_, M> {
    fn head(&self, part: Part, index: &Index<M>) -> Option<Head> {
        let at = |slot, unkeyed| Head { arrival: index.arrival(slot), slot, unkeyed };
        self.next(part, index).map(|slot| at(slot, false)).or_else(|| match &self.hint {
            // Those whose key is not known are newer than the others of the tag.
            Hint::Key(tag, _) => index.unkeyed(tag.number()).map(|slot| at(slot, true)),
            _ => None,
        })
    }

    /// The oldest known event of its name that it was not asked about.
    fn next(&self, part: Part, index: &Index<M>) -> Option<u32> {
        let head = match &self.hint {
            Hint::Tag(tag) => index.tagged(tag.number()),
            Hint::Key(tag, key) => index.keyed(tag.number(), *key),
            Hint::Down(monitor) => index.notice(&Name::Down(*monitor)),
            Hint::Exit(from) => index.notice(&Name::Exit(*from)),
            Hint::Alias(alias) => index.aliased(*alias),
        };
        let after = |slot| match &self.hint {
            Hint::Tag(_) => index.after_peer(slot),
            Hint::Alias(_) => index.after_aliased(slot),
            _ => index.after_namesake(slot),
        };
        match self.seen[part as usize] {
            None => head,
            Some((slot, arrival)) if index.holds(slot, arrival) => after(slot),
            // Another receive took that one; what is older was seen before it.
            Some((_, arrival)) => {
                let mut at = head;
                while let Some(slot) = at.filter(|&slot| index.arrival(slot) <= arrival) {
                    at = after(slot);
                }
                at
            }
        }
    }
}

/// Whether any clause names messages; if none does, no message need be asked for its tag.
fn awaits_messages<M>(clauses: &[Clause<'_, M>]) -> bool {
    clauses.iter().any(|clause| clause.hint.tag().is_some())
}

fn awaits_keys<M>(clauses: &[Clause<'_, M>], tag: u32) -> bool {
    clauses.iter().any(|clause| matches!(&clause.hint, Hint::Key(its, _) if its.number() == tag))
}

impl<M: Message, A, const N: usize> Look<M> for AnyOf<'_, M, A, N>
where
    A: FnMut(usize, &Event<M>) -> bool,
{
    fn look(&mut self, part: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked {
        let Self { clauses, accept, hit } = self;
        let mut heads: [_; N] = std::array::from_fn(|number| clauses[number].head(part, index));
        let names_messages = awaits_messages(clauses);
        loop {
            // `min_by_key` answers the first of equals.
            let oldest =
                (0..N).filter_map(|number| Some((number, heads[number]?))).min_by_key(|(_, head)| head.arrival);
            let limit = oldest.map_or(u64::MAX, |(_, head)| head.arrival);
            // What came through an alias may stand under a tag as well, and in an earlier clause.
            let comes_first = |slot: u32| match index.arrival(slot).cmp(&limit) {
                Ordering::Less => true,
                Ordering::Equal => message_in(index, slot).is_some(),
                Ordering::Greater => false,
            };
            let untagged = index.untagged().filter(|&slot| names_messages && comes_first(slot));
            let Some(slot) = untagged.or(oldest.map(|(_, head)| head.slot)) else { return Looked::Nowhere };
            if !meter.take() {
                return Looked::Pause;
            }
            let learnt = match oldest {
                _ if untagged.is_some() => {
                    let tag = message_in(index, slot).map(tag_of);
                    index.learn_tag(tag);
                    tag
                }
                Some((number, Head { unkeyed: false, arrival, .. })) => {
                    clauses[number].seen[part as usize] = Some((slot, arrival));
                    if accept(number, index.event(slot)) {
                        *hit = number;
                        return Looked::At(slot);
                    }
                    heads[number] = clauses[number].head(part, index);
                    continue;
                }
                oldest => {
                    let tag = oldest.and_then(|(number, _)| clauses[number].hint.tag());
                    let key = message_in(index, slot).and_then(Message::key).map(Name::from);
                    tag.inspect(|&tag| index.learn_key(tag, key))
                }
            };
            for (clause, head) in clauses.iter().zip(&mut heads) {
                if learnt.is_some() && clause.hint.tag() == learnt {
                    *head = clause.head(part, index);
                }
            }
        }
    }

    fn test(&mut self, event: &Event<M>, alias: Option<Ref>) -> Test {
        let Self { clauses, accept, hit } = self;
        clauses.iter_mut().for_each(|clause| clause.asked = false);
        let message = match event {
            Event::Message(message) if awaits_messages(clauses) => Some(message),
            _ => None,
        };
        let tag = message.map(tag_of);
        let wants_key = tag.is_some_and(|tag| awaits_keys(clauses, tag));
        let key = message.filter(|_| wants_key).and_then(Message::key);
        for (number, clause) in clauses.iter_mut().enumerate() {
            clause.asked = match &clause.hint {
                Hint::Tag(wanted) => tag == Some(wanted.number()),
                Hint::Key(wanted, name) => tag == Some(wanted.number()) && key == Some(*name),
                Hint::Alias(wanted) => alias == Some(*wanted),
                notice => notice.names_notice(event),
            };
            if clause.asked && accept(number, event) {
                *hit = number;
                return Test::Hit;
            }
        }
        match tag {
            None => Test::Miss,
            Some(tag) if wants_key => Test::Keyed(tag, key.map(Name::from)),
            Some(tag) => Test::Tagged(tag),
        }
    }

    fn left(&mut self, index: &Index<M>, slot: u32) {
        for clause in self.clauses.iter_mut().filter(|clause| clause.asked) {
            clause.seen[Part::Queue as usize] = Some((slot, index.arrival(slot)));
        }
    }

    fn clause(&self) -> usize {
        self.hit
    }
}

impl<M> fmt::Debug for Hint<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.debug_tuple("Tag").field(tag).finish(),
            Self::Key(tag, key) => f.debug_tuple("Key").field(tag).field(key).finish(),
            Self::Down(monitor) => f.debug_tuple("Down").field(monitor).finish(),
            Self::Alias(alias) => f.debug_tuple("Alias").field(alias).finish(),
            Self::Exit(from) => f.debug_tuple("Exit").field(from).finish(),
        }
    }
}

impl<M, A, const N: usize> fmt::Debug for AnyOf<'_, M, A, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clauses.iter().map(|clause| &clause.hint)).finish()
    }
}
