//! The indexed mailbox against a list that is scanned from its head: the same operations, the same answers.
//!
//! The oracle knows nothing of indexes: what is here is a `Vec` in order of arrival, and a receive takes the first that
//! matches. A search that waits is interrupted by arrivals, other receives and flushes, and is now and then given up.

use crate::support::{Letter, Mailbox, Mark, Signal, id_of, monitor, pid};
use freeboard_mailbox::{Entry, Event, Hint, Key, Pattern, Search, Step, Tag};
use proptest::prelude::*;
use std::cell::Cell;

#[derive(Clone, Debug, PartialEq)]
enum What {
    Letter(u32, Mark),
    Down(u64),
    Exit(u64),
    Nothing,
}

#[derive(Clone, Debug)]
enum Want {
    AnyMessage,
    MessageWhere(u64),
    EventWhere(u64),
    Down(u64),
    Tag(u32),
    Key(u32, Mark),
    AnyOf([Clause; 3]),
}

/// What an event must be under for a clause to be asked, and the guard.
#[derive(Clone, Debug)]
struct Clause {
    under: Under,
    /// Takes those whose number leaves 1 when it is divided by this; 1 takes all.
    guard: u64,
}

#[derive(Clone, Debug)]
enum Under {
    Tag(u32),
    Key(u32, Mark),
    Down(u64),
    Exit(u64),
}

/// What can also happen while a search waits.
#[derive(Clone, Debug)]
enum Small {
    Arrive(Vec<What>),
    Refill,
    Pop,
    FlushDown(u64),
    FlushExit(u64),
    /// A receive inside the receive, given up after one slice.
    Receive(Want, usize),
}

#[derive(Clone, Debug)]
enum Op {
    Small(Small),
    /// A receive in slices of this budget, with these things between them; given up when they are used up.
    Receive(Want, usize, Vec<Small>),
}

fn mark() -> impl Strategy<Value = Mark> {
    prop_oneof![
        1 => Just(Mark::None),
        4 => (0..3_u64).prop_map(Mark::Int),
        2 => (0..2_u64).prop_map(|n| Mark::Text(n.to_string())),
    ]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        8 => (0..3_u32, mark()).prop_map(|(tag, mark)| What::Letter(tag, mark)),
        2 => (0..4_u64).prop_map(What::Down),
        1 => (0..3_u64).prop_map(What::Exit),
        1 => Just(What::Nothing),
    ]
}

fn clause() -> impl Strategy<Value = Clause> {
    let under = prop_oneof![
        4 => (0..3_u32).prop_map(Under::Tag),
        4 => (0..3_u32, a_key()).prop_map(|(tag, mark)| Under::Key(tag, mark)),
        1 => (0..4_u64).prop_map(Under::Down),
        1 => (0..3_u64).prop_map(Under::Exit),
    ];
    (under, prop_oneof![2 => Just(1), 3 => 2..7_u64]).prop_map(|(under, guard)| Clause { under, guard })
}

fn a_key() -> impl Strategy<Value = Mark> {
    mark().prop_filter("a key", |mark| *mark != Mark::None)
}

fn want() -> impl Strategy<Value = Want> {
    prop_oneof![
        1 => Just(Want::AnyMessage),
        2 => (2..7_u64).prop_map(Want::MessageWhere),
        2 => (2..7_u64).prop_map(Want::EventWhere),
        2 => (0..4_u64).prop_map(Want::Down),
        3 => (0..3_u32).prop_map(Want::Tag),
        4 => (0..3_u32, a_key()).prop_map(|(tag, mark)| Want::Key(tag, mark)),
        6 => [clause(), clause(), clause()].prop_map(Want::AnyOf),
    ]
}

fn small() -> impl Strategy<Value = Small> {
    prop_oneof![
        6 => prop::collection::vec(what(), 1..8).prop_map(Small::Arrive),
        2 => Just(Small::Refill),
        2 => Just(Small::Pop),
        1 => (0..4_u64).prop_map(Small::FlushDown),
        1 => (0..3_u64).prop_map(Small::FlushExit),
        2 => (want(), 1..7_usize).prop_map(|(want, budget)| Small::Receive(want, budget)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => small().prop_map(Op::Small),
        3 => (want(), 1..7_usize, prop::collection::vec(small(), 0..6))
            .prop_map(|(want, budget, between)| Op::Receive(want, budget, between)),
    ]
}

impl Want {
    /// The oracle's judgement.
    fn takes(&self, item: &(u64, What)) -> bool {
        let (id, what) = item;
        match (self, what) {
            (_, What::Nothing) => false,
            (Self::AnyMessage, What::Letter(..)) => true,
            (Self::MessageWhere(n), What::Letter(..)) | (Self::EventWhere(n), _) => id % n == 1,
            (Self::Down(wanted), What::Down(monitor)) => wanted == monitor,
            (Self::Tag(wanted), What::Letter(tag, _)) => wanted == tag,
            (Self::Key(tag, mark), What::Letter(its_tag, its_mark)) => tag == its_tag && mark == its_mark,
            (Self::AnyOf(clauses), _) => clauses.iter().any(|clause| clause.takes(item)),
            _ => false,
        }
    }
}

impl Clause {
    fn names(&self, what: &What) -> bool {
        match (&self.under, what) {
            (Under::Tag(wanted), What::Letter(tag, _)) => wanted == tag,
            (Under::Key(tag, mark), What::Letter(its_tag, its_mark)) => tag == its_tag && mark == its_mark,
            (Under::Down(wanted), What::Down(monitor)) => wanted == monitor,
            (Under::Exit(wanted), What::Exit(from)) => wanted == from,
            _ => false,
        }
    }

    fn takes(&self, (id, what): &(u64, What)) -> bool {
        self.names(what) && self.guards(*id)
    }

    fn guards(&self, id: u64) -> bool {
        id % self.guard == 1 % self.guard
    }

    fn hint(&self) -> Hint<'_, Letter> {
        match &self.under {
            Under::Tag(tag) => Hint::Tag(Tag::new(*tag)),
            Under::Key(tag, mark) => Hint::Key(Tag::new(*tag), key_of(mark)),
            Under::Down(from) => Hint::Down(monitor(*from)),
            Under::Exit(from) => Hint::Exit(pid(*from)),
        }
    }
}

fn key_of(mark: &Mark) -> Key<'_> {
    match mark {
        Mark::Int(n) => (*n).into(),
        Mark::Text(text) => text.as_str().into(),
        Mark::None => panic!("filtered out where it is made"),
    }
}

/// Fails if something is seen twice.
fn once(seen: &mut Vec<u64>, id: u64) {
    assert!(!seen.contains(&id), "{id} was looked at twice by one search");
    seen.push(id);
}

/// The mailbox, and beside it what must be in it.
struct Pair {
    mailbox: Mailbox,
    /// In the intake.
    there: Vec<(u64, What)>,
    /// In the inbox.
    here: Vec<(u64, What)>,
    sent: u64,
}

impl Pair {
    fn arrive(&mut self, what: &What) {
        let id = self.sent;
        self.sent += 1;
        match what {
            What::Letter(tag, mark) => self.mailbox.send(Letter::new(id, *tag, mark.clone())),
            What::Down(from) => self.mailbox.signal(Signal::Down(*from, id)),
            What::Exit(from) => self.mailbox.signal(Signal::Exit(*from, id)),
            What::Nothing => self.mailbox.signal(Signal::Nothing),
        }
        if *what != What::Nothing {
            self.there.push((id, what.clone()));
        }
    }

    fn refill(&mut self) -> bool {
        if !self.mailbox.inbox.needs_refill() {
            return false;
        }
        self.here.append(&mut self.there);
        self.mailbox.refill()
    }

    /// The oracle's receive.
    fn scan(&mut self, takes: impl Fn(&(u64, What)) -> bool) -> Option<(u64, What)> {
        let place = self.here.iter().position(takes)?;
        Some(self.here.remove(place))
    }

    fn small(&mut self, small: &Small) {
        match small {
            Small::Arrive(all) => all.iter().for_each(|what| self.arrive(what)),
            Small::Refill => drop(self.refill()),
            Small::Pop => {
                let popped = self.mailbox.inbox.pop();
                assert_eq!(popped.as_ref().map(id_of), self.scan(|_| true).map(|(id, _)| id));
                popped.iter().for_each(asked_at_most_once);
            }
            Small::FlushDown(from) => {
                let expected = self.scan(|(_, what)| *what == What::Down(*from)).is_some();
                assert_eq!(self.mailbox.inbox.flush_down(monitor(*from)), expected);
            }
            Small::FlushExit(from) => {
                let expected = self.scan(|(_, what)| *what == What::Exit(*from)).is_some();
                assert_eq!(self.mailbox.inbox.flush_exit(pid(*from)), expected);
            }
            Small::Receive(want, budget) => self.receive(want, *budget, &[]),
        }
    }

    fn receive(&mut self, want: &Want, budget: usize, between: &[Small]) {
        let mut seen = Vec::new();
        match want {
            Want::AnyMessage => self.slices(Search::any_message(), want, budget, between),
            Want::MessageWhere(n) => {
                let pick = |letter: &Letter| {
                    once(&mut seen, letter.id);
                    letter.id % n == 1
                };
                self.slices(Search::message_where(pick), want, budget, between);
            }
            Want::EventWhere(n) => {
                let pick = |event: &Event<Letter>| {
                    once(&mut seen, id_of(event));
                    id_of(event) % n == 1
                };
                self.slices(Search::event_where(pick), want, budget, between);
            }
            Want::Down(from) => self.slices(Search::down(monitor(*from)), want, budget, between),
            Want::Tag(tag) => self.slices(Search::tag(Tag::new(*tag)), want, budget, between),
            Want::Key(tag, mark) => self.slices(Search::key(Tag::new(*tag), key_of(mark)), want, budget, between),
            Want::AnyOf(clauses) => {
                let (mut each, last) = ([Vec::new(), Vec::new(), Vec::new()], Cell::new(0));
                let accept = |number: usize, event: &Event<Letter>| {
                    once(&mut each[number], id_of(event));
                    last.set(number);
                    clauses[number].guards(id_of(event))
                };
                let search = Search::any_of([0, 1, 2].map(|number| clauses[number].hint()), accept);
                self.slices_then(search, want, budget, between, |search, item| {
                    assert_eq!(Some(search.clause()), clauses.iter().position(|clause| clause.takes(item)));
                    assert_eq!(search.clause(), last.get(), "no clause is asked after the hit");
                });
            }
        }
    }

    fn slices<P: Pattern<Letter>>(&mut self, search: Search<P>, want: &Want, budget: usize, between: &[Small]) {
        self.slices_then(search, want, budget, between, |_, _| {});
    }

    fn slices_then<P: Pattern<Letter>>(
        &mut self,
        mut search: Search<P>,
        want: &Want,
        budget: usize,
        between: &[Small],
        check: impl FnOnce(&Search<P>, &(u64, What)),
    ) {
        let mut between = between.iter();
        loop {
            let (mut rest, before) = (budget, self.mailbox.inbox.inspected());
            let step = self.mailbox.inbox.step(&mut search, &mut rest);
            let inspected = self.mailbox.inbox.inspected() - before;
            assert!(inspected <= (budget - rest) as u64, "what is inspected is paid for");
            match step {
                Step::Found(event) => {
                    let expected = self.scan(|item| want.takes(item)).expect("there is a match");
                    assert_eq!(id_of(&event), expected.0);
                    check(&search, &expected);
                    return asked_at_most_once(&event);
                }
                Step::Empty => {
                    assert!(!self.here.iter().any(|item| want.takes(item)), "{want:?} missed {:?}", self.here);
                    assert!(self.mailbox.inbox.needs_refill());
                }
                Step::Pause => assert_eq!(rest, 0),
            }
            if between.len() == 0 {
                return;
            }
            between.by_ref().take(1 + budget % 3).for_each(|small| self.small(small));
        }
    }
}

/// However often a message was searched past, it was asked once.
fn asked_at_most_once(event: &Event<Letter>) {
    if let Event::Message(letter) = event {
        let (tag, key) = letter.asked.both();
        assert!(tag <= 1 && key <= 1, "asked {tag} times for its tag, {key} times for its key");
    }
}

fn run(ops: &[Op]) {
    let mut pair = Pair { mailbox: Mailbox::new(), there: Vec::new(), here: Vec::new(), sent: 0 };
    for op in ops {
        match op {
            Op::Small(small) => pair.small(small),
            Op::Receive(want, budget, between) => pair.receive(want, *budget, between),
        }
        let (len, nothing) = (pair.mailbox.inbox.len(), pair.mailbox.inbox.is_empty());
        assert!(len >= pair.here.len() && nothing == (len == 0));
    }
    let mut left = pair.mailbox.inbox.into_chunks();
    let mut ids = Vec::new();
    while let Some(entry) = left.pop() {
        if let Entry::Event(event) = entry {
            asked_at_most_once(&event);
            ids.push(id_of(&event));
        }
    }
    assert!(pair.here.iter().map(|(id, _)| *id).eq(ids));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    // OTP: E1, E2, E3
    #[test]
    fn it_answers_as_a_scan_from_the_head_would(ops in prop::collection::vec(op(), 1..30)) {
        run(&ops);
    }
}
