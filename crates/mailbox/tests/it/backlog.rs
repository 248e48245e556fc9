//! The cost of a selective receive does not depend on what waits: counted in looks, by the messages themselves.

use crate::support::{Asked, Letter, Mailbox, Mark, Signal, monitor};
use freeboard_mailbox::{Event, Hint, Key, Search, Step, Tag};
use std::sync::Arc;

const FLOOD: Tag<Letter> = Tag::new(0);
const WANTED: Tag<Letter> = Tag::new(1);

/// A mailbox with `depth` messages of one tag and distinct keys, and what they are asked.
struct Flood {
    mailbox: Mailbox,
    asked: Arc<Asked>,
    depth: usize,
}

impl Flood {
    fn new(depth: usize) -> Self {
        let flood = Self { mailbox: Mailbox::new(), asked: Arc::default(), depth };
        (0..depth as u64).for_each(|n| flood.send(FLOOD, n));
        flood
    }

    fn send(&self, tag: Tag<Letter>, n: u64) {
        let asked = Arc::clone(&self.asked);
        self.mailbox.send(Letter { id: n, tag: tag.number(), mark: Mark::Int(n), asked });
    }

    /// How often `tag` and `key` were called and entries were inspected by what `run` did.
    fn cost(&mut self, run: impl FnOnce(&mut Mailbox)) -> (usize, usize, u64) {
        let ((tags, keys), inspected) = (self.asked.both(), self.mailbox.inbox.inspected());
        run(&mut self.mailbox);
        let (tags_after, keys_after) = self.asked.both();
        (tags_after - tags, keys_after - keys, self.mailbox.inbox.inspected() - inspected)
    }

    fn all_three_inspect_one(mut self) {
        let depth = self.depth;
        // Cold: each message is looked at once, and only asked for its tag.
        let cold = self.cost(|mailbox| assert_eq!(mailbox.receive(Search::tag(WANTED)), None));
        assert_eq!(cold, (depth, 0, depth as u64));
        for n in 0..3 {
            let id = depth as u64 + n;
            self.send(WANTED, id);
            let warm = self.cost(|mailbox| assert_eq!(mailbox.receive(Search::tag(WANTED)), Some(id)));
            assert_eq!(warm, (1, 0, 1), "by tag behind {depth}");

            self.send(WANTED, id);
            let warm = self.cost(|mailbox| assert_eq!(mailbox.receive(Search::key(WANTED, Key::from(id))), Some(id)));
            assert_eq!(warm, (1, 1, 1), "by key behind {depth}");

            self.mailbox.signal(Signal::Down(id, id));
            let warm = self.cost(|mailbox| assert_eq!(mailbox.receive(Search::down(monitor(id))), Some(id)));
            assert_eq!(warm, (0, 0, 1), "by monitor behind {depth}");
        }
        // The flood's own keys: one `key()` each, at the first receive that wants them; then one look as well.
        let keyed = self.cost(|mailbox| assert_eq!(mailbox.receive(Search::key(FLOOD, Key::Int(u128::MAX))), None));
        assert_eq!(keyed, (0, depth, depth as u64));
        let id = depth as u64;
        self.send(FLOOD, id);
        let warm = self.cost(|mailbox| assert_eq!(mailbox.receive(Search::key(FLOOD, Key::from(id))), Some(id)));
        assert_eq!(warm, (1, 1, 1), "by key among {depth} of the same tag");
        // One that has been there all along is found without any look.
        let found =
            self.cost(|mailbox| assert_eq!(mailbox.receive(Search::key(FLOOD, Key::from(id / 2))), Some(id / 2)));
        assert_eq!(found, (0, 0, 0));
        // The rest is still in order, and plain receives ask nothing.
        let plain = self.cost(|mailbox| assert!(mailbox.drain().into_iter().eq((0..id).filter(|&n| n != id / 2))));
        assert_eq!(plain, (0, 0, 0));
    }
}

// OTP: E8
#[test]
fn one_look_behind_a_hundred_thousand() {
    Flood::new(100_000).all_three_inspect_one();
}

// OTP: E8, M1
#[test]
fn one_look_behind_a_million() {
    Flood::new(1_000_000).all_three_inspect_one();
}

// OTP: E7
#[test]
fn a_search_by_predicate_costs_a_look_at_each_message_in_front_of_the_match() {
    let mut flood = Flood::new(10_000);
    for (wanted, looks) in [(2_999, 3_000), (0, 1), (9_999, 9_998)] {
        let cost = flood.cost(|mailbox| {
            assert_eq!(mailbox.receive(Search::message_where(|letter: &Letter| letter.id == wanted)), Some(wanted));
        });
        assert_eq!(cost, (0, 0, looks), "two in front of the last one are gone by then");
    }
}

// OTP: E8
#[test]
fn a_waiting_search_by_predicate_looks_at_new_messages_only() {
    let mut flood = Flood::new(10_000);
    let mut search = Search::message_where(|letter: &Letter| letter.tag == WANTED.number());
    let waited = flood.cost(|mailbox| {
        assert!(mailbox.refill());
        while matches!(mailbox.inbox.step(&mut search, &mut 100), Step::Pause) {}
    });
    assert_eq!(waited, (0, 0, 10_000));
    flood.send(FLOOD, 10_000);
    flood.send(WANTED, 10_001);
    let found = flood.cost(|mailbox| {
        assert!(mailbox.refill());
        assert!(matches!(mailbox.inbox.step(&mut search, &mut 100), Step::Found(_)));
    });
    assert_eq!(found, (0, 0, 2));
}

const OTHER: Tag<Letter> = Tag::new(2);

// OTP: E2, E8
#[test]
fn three_clauses_inspect_one_behind_a_hundred_thousand() {
    let mut flood = Flood::new(100_000);
    let depth = flood.depth as u64;
    let clauses = |key: u64| [Hint::Key(WANTED, Key::from(key)), Hint::Tag(OTHER), Hint::Down(monitor(key))];
    let receive = |mailbox: &mut Mailbox, key| mailbox.receive(Search::any_of(clauses(key), |_, _| true));
    let cold = flood.cost(|mailbox| assert_eq!(receive(mailbox, 0), None));
    assert_eq!(cold, (100_000, 0, depth));
    for id in depth..depth + 3 {
        flood.send(WANTED, id);
        assert_eq!(flood.cost(|mailbox| assert_eq!(receive(mailbox, id), Some(id))), (1, 1, 1), "by key");
        flood.send(OTHER, id);
        assert_eq!(flood.cost(|mailbox| assert_eq!(receive(mailbox, id), Some(id))), (1, 0, 1), "by tag");
        flood.mailbox.signal(Signal::Down(id, id));
        assert_eq!(flood.cost(|mailbox| assert_eq!(receive(mailbox, id), Some(id))), (0, 0, 1), "by monitor");
    }
    // What was left by another receive is one look too, and nothing newer than it is looked at.
    for id in depth..depth + 10 {
        flood.send(OTHER, id);
    }
    assert_eq!(flood.cost(|mailbox| assert_eq!(mailbox.receive(Search::tag(WANTED)), None)), (10, 0, 10));
    let guarded = |clause, event: &Event<Letter>| clause == 1 || !matches!(event, Event::Message(_));
    let both = flood.cost(|mailbox| {
        assert_eq!(mailbox.receive(Search::any_of([Hint::Tag(OTHER), Hint::Tag(OTHER)], guarded)), Some(depth));
    });
    assert_eq!(both, (0, 0, 2), "one message, asked about by two clauses");
}

// OTP: E8
#[test]
fn a_guard_walks_its_own_tag_only_and_remembers_its_place() {
    let mut flood = Flood::new(10_000);
    (0..10).for_each(|n| flood.send(WANTED, n));
    assert_eq!(flood.mailbox.receive(Search::tag(OTHER)), None);
    let from_twenty = |clause, event: &Event<Letter>| match event {
        Event::Message(letter) => clause == 1 || letter.id >= 20,
        _ => false,
    };
    let mut search = Search::any_of([Hint::Tag(WANTED), Hint::Tag(OTHER)], from_twenty);
    let mut step = |mailbox: &mut Mailbox| {
        mailbox.refill();
        mailbox.inbox.step(&mut search, &mut 100)
    };
    assert_eq!(flood.cost(|mailbox| assert!(matches!(step(mailbox), Step::Empty))), (0, 0, 10));
    assert_eq!(flood.cost(|mailbox| assert!(matches!(step(mailbox), Step::Empty))), (0, 0, 0));
    flood.send(WANTED, 10);
    flood.send(FLOOD, 0);
    assert_eq!(flood.cost(|mailbox| assert!(matches!(step(mailbox), Step::Empty))), (2, 0, 2));
    flood.send(WANTED, 20);
    assert_eq!(flood.cost(|mailbox| assert!(matches!(step(mailbox), Step::Found(_)))), (1, 0, 1));
}

// OTP: E2, E8
#[test]
fn clauses_look_at_nothing_newer_than_what_they_find() {
    let mut flood = Flood::new(0);
    flood.send(FLOOD, 0);
    flood.mailbox.signal(Signal::Down(1, 1));
    (2..1_000).for_each(|n| flood.send(OTHER, n));
    // Everything is in the index, and no message was asked for its tag.
    assert_eq!(flood.mailbox.receive(Search::message_where(|_: &Letter| false)), None);
    let clauses = || [Hint::Down(monitor(1)), Hint::Tag(WANTED), Hint::Key(OTHER, Key::Int(500))];
    let receive = |mailbox: &mut Mailbox| mailbox.receive(Search::any_of(clauses(), |_, _| true));
    // The first message for its tag, and the notice.
    assert_eq!(flood.cost(|mailbox| assert_eq!(receive(mailbox), Some(1))), (1, 0, 2));
    // Each up to the wanted one for its tag and its key, and that one by the clause.
    assert_eq!(flood.cost(|mailbox| assert_eq!(receive(mailbox), Some(500))), (499, 499, 999));
    assert_eq!(flood.cost(|mailbox| assert_eq!(receive(mailbox), None)), (499, 499, 998));
}
