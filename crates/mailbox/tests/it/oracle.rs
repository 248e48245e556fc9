//! The indexed mailbox against `model`: the same operations, the same answers.
//!
//! A search that waits is interrupted by arrivals, priority entries, other receives and flushes, and is now and then given
//! up. `PROPTEST_CASES` asks for more cases than the gate's.

use crate::model::{Clause, Item, Model, Under, Want, What, key_of};
use crate::support::{Letter, Mailbox, Mark, Signal, alias, id_of, monitor, pid};
use freeboard_mailbox::{Aliased, Entry, Event, Marker, Notice, Pattern, Search, Step, Tag};
use proptest::{prelude::*, test_runner::RngAlgorithm};
use std::cell::Cell;

/// What can also happen while a search waits.
#[derive(Clone, Debug)]
enum Small {
    Arrive(Vec<What>),
    Ahead(Vec<What>),
    Refill,
    /// So many plain receives; held-back notices are taken if there is nothing else.
    Pop(usize),
    FlushDown(u64),
    FlushExit(u64),
    Mark,
    /// A receive inside the receive, given up after one slice.
    Receive(Receive),
}

#[derive(Clone, Debug)]
struct Receive {
    want: Want,
    /// Looks per slice.
    budget: usize,
    /// The mark it begins at: so many before the newest.
    since: Option<usize>,
}

#[derive(Clone, Debug)]
enum Op {
    Small(Small),
    /// A receive with these things between its slices; given up when they are used up.
    Receive(Receive, Vec<Small>),
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
        3 => (0..3_u64, 0..3_u32, mark()).prop_map(|(alias, tag, mark)| What::Aliased(alias, tag, mark)),
        2 => (0..4_u64).prop_map(What::Down),
        1 => (0..4_u64).prop_map(What::Downs),
        1 => (0..3_u64).prop_map(What::Exit),
        1 => (0..3_u64).prop_map(What::LinkExit),
        1 => Just(What::Nothing),
    ]
}

fn clause() -> impl Strategy<Value = Clause> {
    let under = prop_oneof![
        4 => (0..3_u32).prop_map(Under::Tag),
        4 => (0..3_u32, a_key()).prop_map(|(tag, mark)| Under::Key(tag, mark)),
        1 => (0..4_u64).prop_map(Under::Down),
        1 => (0..3_u64).prop_map(Under::Exit),
        2 => (0..3_u64).prop_map(Under::Alias),
    ];
    (under, prop_oneof![2 => Just(1), 3 => 2..7_u64]).prop_map(|(under, guard)| Clause { under, guard })
}

fn a_key() -> impl Strategy<Value = Mark> {
    mark().prop_filter("a key", |mark| *mark != Mark::None)
}

fn receive() -> impl Strategy<Value = Receive> {
    let want = prop_oneof![
        1 => Just(Want::AnyMessage),
        2 => (2..7_u64).prop_map(Want::MessageWhere),
        2 => (2..7_u64).prop_map(Want::EventWhere),
        2 => (0..4_u64).prop_map(Want::Down),
        2 => (0..3_u64).prop_map(Want::Alias),
        3 => (0..3_u32).prop_map(Want::Tag),
        4 => (0..3_u32, a_key()).prop_map(|(tag, mark)| Want::Key(tag, mark)),
        6 => [clause(), clause(), clause()].prop_map(Want::AnyOf),
    ];
    let since = prop_oneof![2 => Just(None), 1 => (0..4_usize).prop_map(Some)];
    (want, 1..7_usize, since).prop_map(|(want, budget, since)| Receive { want, budget, since })
}

fn small() -> impl Strategy<Value = Small> {
    prop_oneof![
        6 => prop::collection::vec(what(), 1..8).prop_map(Small::Arrive),
        // Often more than the lane's share.
        2 => prop::collection::vec(what(), 1..24).prop_map(Small::Ahead),
        3 => Just(Small::Refill),
        3 => (1..20_usize).prop_map(Small::Pop),
        1 => (0..4_u64).prop_map(Small::FlushDown),
        1 => (0..3_u64).prop_map(Small::FlushExit),
        2 => Just(Small::Mark),
        2 => receive().prop_map(Small::Receive),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => small().prop_map(Op::Small),
        3 => (receive(), prop::collection::vec(small(), 0..5)).prop_map(|(receive, between)| Op::Receive(receive, between)),
    ]
}

/// The mailbox, and beside it what must be in it.
struct Pair {
    mailbox: Mailbox,
    model: Model,
    sent: u64,
    /// Each with the number of what came next.
    marks: Vec<(Marker, u64)>,
    /// Receives since a mark that asked for tags or keys, each of which asks for itself.
    asking: usize,
}

/// What a predicate may see: nothing from before the mark, and nothing twice.
struct Seen {
    since: u64,
    ids: Vec<u64>,
}

impl Seen {
    fn note(&mut self, id: u64) {
        assert!(id >= self.since, "{id} was looked at, and came before the mark");
        assert!(!self.ids.contains(&id), "{id} was looked at twice by one search");
        self.ids.push(id);
    }
}

impl Pair {
    fn next_id(&mut self) -> u64 {
        self.sent += 1;
        self.sent - 1
    }

    fn arrive(&mut self, what: &What) {
        let id = self.next_id();
        let letter = |tag, mark: &Mark| Letter::new(id, tag, mark.clone());
        match what {
            What::Letter(tag, mark) => self.mailbox.send(letter(*tag, mark)),
            What::Aliased(through, tag, mark) => self.mailbox.send_through(*through, letter(*tag, mark)),
            What::Down(from) => self.mailbox.signal(Signal::Down(*from, id)),
            What::Downs(from) => self.mailbox.signal(Signal::Downs(*from, id)),
            What::Exit(from) => self.mailbox.signal(Signal::Exit(*from, id)),
            What::LinkExit(from) => self.mailbox.signal(Signal::LinkExit(*from, id)),
            What::Nothing => self.mailbox.signal(Signal::Nothing),
        }
        if *what != What::Nothing {
            self.model.there.push_back(Item { id, what: what.clone() });
        }
    }

    fn ahead(&mut self, what: &What) -> Entry<Letter, Signal> {
        let id = self.next_id();
        if *what != What::Nothing {
            self.model.lane.push_back(Item { id, what: what.clone() });
        }
        let letter = |tag, mark: &Mark| Letter::new(id, tag, mark.clone());
        let signal = match what {
            What::Letter(tag, mark) => return Entry::Event(Event::Message(letter(*tag, mark))),
            What::Aliased(through, tag, mark) => {
                return Entry::Aliased(Box::new(Aliased {
                    alias: alias(*through),
                    ahead: true,
                    message: letter(*tag, mark),
                }));
            }
            What::Down(from) => Signal::Down(*from, id),
            What::Downs(from) => Signal::Downs(*from, id),
            What::Exit(from) => Signal::Exit(*from, id),
            What::LinkExit(from) => Signal::LinkExit(*from, id),
            What::Nothing => Signal::Nothing,
        };
        signal.applied()
    }

    fn refill(&mut self) -> bool {
        if !self.mailbox.inbox.needs_refill() {
            return false;
        }
        self.model.here.append(&mut self.model.there);
        self.mailbox.refill()
    }

    fn pop(&mut self) {
        // Every other time the short way first, which may say nothing but must not say anything else.
        if self.model.here.len().is_multiple_of(2)
            && let Some(message) = self.mailbox.inbox.pop_message()
        {
            assert_eq!(Some(id_of(&Event::Message(message))), self.model.pop().map(|item| item.id));
            return;
        }
        let popped = match self.mailbox.inbox.pop() {
            Some(event) => (Some(id_of(&event)), self.model.pop()),
            None => {
                assert!(self.model.pop().is_none() && self.mailbox.inbox.needs_refill());
                assert_eq!(self.mailbox.inbox.holds_notice(), !self.model.here.is_empty());
                if self.model.there.is_empty() {
                    let notice = self.mailbox.inbox.pop_notice();
                    (notice.as_ref().map(id_of), self.model.pop_notice())
                } else {
                    self.refill();
                    let event = self.mailbox.inbox.pop();
                    (event.as_ref().map(id_of), self.model.pop())
                }
            }
        };
        assert_eq!(popped.0, popped.1.map(|item| item.id));
    }

    fn small(&mut self, small: &Small) {
        match small {
            Small::Arrive(all) => all.iter().for_each(|what| self.arrive(what)),
            Small::Ahead(all) => {
                let entries: Vec<_> = all.iter().map(|what| self.ahead(what)).collect();
                self.mailbox.inbox.put_ahead(entries);
            }
            Small::Refill => drop(self.refill()),
            Small::Pop(times) => (0..*times).for_each(|_| self.pop()),
            Small::FlushDown(from) => {
                let expected = self.model.flush(|what| *what == What::Down(*from));
                assert_eq!(self.mailbox.inbox.flush(Notice::Down(monitor(*from))), expected);
            }
            Small::FlushExit(from) => {
                let expected = self.model.flush(|what| [What::Exit(*from), What::LinkExit(*from)].contains(what));
                assert_eq!(self.mailbox.inbox.flush(Notice::Exit(pid(*from))), expected);
            }
            Small::Mark => {
                let marker = self.mailbox.inbox.marker(self.mailbox.intake.marker());
                self.marks.push((marker, self.sent));
            }
            Small::Receive(receive) => self.receive(receive, &[]),
        }
    }

    fn receive(&mut self, receive: &Receive, between: &[Small]) {
        let mark = receive.since.and_then(|back| self.marks.len().checked_sub(back + 1)).map(|place| self.marks[place]);
        self.asking += usize::from(mark.is_some() && receive.want.asks());
        let since = mark.map_or(0, |(_, first)| first);
        let mut seen = Seen { since, ids: Vec::new() };
        let run = Run { receive, mark, between };
        match &receive.want {
            Want::AnyMessage => self.run(Search::any_message(), &run),
            Want::MessageWhere(n) => {
                let pick = |letter: &Letter| {
                    seen.note(letter.id);
                    letter.id % n == 1
                };
                self.run(Search::message_where(pick), &run);
            }
            Want::EventWhere(n) => {
                let pick = |event: &Event<Letter>| {
                    seen.note(id_of(event));
                    id_of(event) % n == 1
                };
                self.run(Search::event_where(pick), &run);
            }
            Want::Down(from) => self.run(Search::down(monitor(*from)), &run),
            Want::Alias(through) => self.run(Search::alias(alias(*through)), &run),
            Want::Tag(tag) => self.run(Search::tag(Tag::new(*tag)), &run),
            Want::Key(tag, mark) => self.run(Search::key(Tag::new(*tag), key_of(mark)), &run),
            Want::AnyOf(clauses) => {
                let (mut each, last) = ([0, 1, 2].map(|_| Seen { since, ids: Vec::new() }), Cell::new(0));
                let accept = |number: usize, event: &Event<Letter>| {
                    each[number].note(id_of(event));
                    last.set(number);
                    clauses[number].guards(id_of(event))
                };
                let search = Search::any_of([0, 1, 2].map(|number| clauses[number].hint()), accept);
                let check = |clause, item: &Item| {
                    assert_eq!(Some(clause), clauses.iter().position(|clause| clause.takes(item)));
                    assert_eq!(clause, last.get(), "no clause is asked after the hit");
                };
                match mark {
                    None => self.slices(search, &run, |search, item| check(search.clause(), item)),
                    Some((mark, _)) => {
                        self.slices(search.since(mark), &run, |search, item| check(search.clause(), item));
                    }
                }
            }
        }
    }

    fn run<P: Pattern<Letter>>(&mut self, search: Search<P>, run: &Run<'_>) {
        match run.mark {
            None => self.slices(search, run, |_, _| {}),
            Some((mark, _)) => self.slices(search.since(mark), run, |_, _| {}),
        }
    }

    fn slices<P: Pattern<Letter>>(
        &mut self,
        mut search: Search<P>,
        run: &Run<'_>,
        check: impl FnOnce(&Search<P>, &Item),
    ) {
        let (Receive { want, budget, .. }, since) = (run.receive, run.mark.map_or(0, |(_, first)| first));
        let mut between = run.between.iter();
        loop {
            let (mut rest, before) = (*budget, self.mailbox.inbox.inspected());
            let step = self.mailbox.inbox.step(&mut search, &mut rest);
            let inspected = self.mailbox.inbox.inspected() - before;
            assert!(inspected <= (budget - rest) as u64, "what is inspected is paid for");
            match step {
                Step::Found(event) => {
                    let expected = self.model.scan(want, since).expect("there is a match");
                    assert_eq!(id_of(&event), expected.id);
                    check(&search, &expected);
                    return asked_at_most_once(&event, self.asking);
                }
                Step::Empty => {
                    let missed = self.model.items().find(|item| item.id >= since && want.takes(item));
                    assert!(missed.is_none(), "{want:?} missed {missed:?}");
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

    fn check(&mut self) {
        let Self { mailbox: Mailbox { inbox, .. }, model, .. } = self;
        let (len, expected) = (inbox.len(), model.items().count());
        assert!(len >= expected && inbox.is_empty() == (len == 0), "what was applied and left nothing may count");
        let messages = model.items().filter(|item| item.what.is_message()).count();
        assert!(
            inbox.held() <= messages && inbox.held() >= model.lane.iter().filter(|item| item.what.is_message()).count()
        );
        if inbox.needs_refill() {
            assert_eq!((len, inbox.held()), (expected, messages), "all that is left is held");
        }
        assert_eq!(inbox.wants_refill(), inbox.needs_refill() && model.lane_gives_way());
    }
}

/// A receive, the mark it begins at, and what happens between its slices.
struct Run<'a> {
    receive: &'a Receive,
    mark: Option<(Marker, u64)>,
    between: &'a [Small],
}

/// However often a message was searched past, it was asked once; and once by each search since a mark.
fn asked_at_most_once(event: &Event<Letter>, asking: usize) {
    if let Event::Message(letter) = event {
        let (tag, key) = letter.asked.both();
        assert!(tag <= 1 + asking && key <= 1 + asking, "asked {tag} times for its tag, {key} times for its key");
    }
}

fn run(ops: &[Op]) {
    let mut pair = Pair { mailbox: Mailbox::new(), model: Model::new(), sent: 0, marks: Vec::new(), asking: 0 };
    for op in ops {
        match op {
            Op::Small(small) => pair.small(small),
            Op::Receive(receive, between) => pair.receive(receive, between),
        }
        pair.check();
    }
    let mut ids = Vec::new();
    while let Some(entry) = pair.mailbox.inbox.take_next() {
        match entry {
            Entry::Event(event) => {
                asked_at_most_once(&event, pair.asking);
                ids.push(id_of(&event));
            }
            Entry::Aliased(aliased) => ids.push(aliased.message.id),
            Entry::Own(_) | Entry::Gone | Entry::Signal(_) | Entry::Timed(_) => {}
        }
    }
    assert!(pair.model.items().map(|item| item.id).eq(ids));
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    // The default generator is made for secrets, and takes two thirds of the time.
    ProptestConfig {
        cases: default.cases.max(10_000),
        rng_algorithm: RngAlgorithm::XorShift,
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    // OTP: E1, E2, E3
    #[test]
    fn it_answers_as_a_scan_from_the_head_would(ops in prop::collection::vec(op(), 1..20)) {
        run(&ops);
    }
}
