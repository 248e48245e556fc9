//! The cost of a selective receive does not depend on what waits: counted in looks, by the messages themselves.

use crate::support::{Asked, Letter, Mailbox, Mark, Signal, monitor};
use freeboard_mailbox::{Key, Search, Tag};
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

// OTP: E8
#[test]
fn one_look_behind_a_million() {
    Flood::new(1_000_000).all_three_inspect_one();
}

// OTP: E8
#[test]
fn a_waiting_search_by_predicate_looks_at_new_messages_only() {
    let mut flood = Flood::new(10_000);
    let mut search = Search::message_where(|letter: &Letter| letter.tag == WANTED.number());
    let waited = flood.cost(|mailbox| {
        assert!(mailbox.refill());
        while matches!(mailbox.inbox.step(&mut search, &mut 100), freeboard_mailbox::Step::Pause) {}
    });
    assert_eq!(waited, (0, 0, 10_000));
    flood.send(FLOOD, 10_000);
    flood.send(WANTED, 10_001);
    let found = flood.cost(|mailbox| {
        assert!(mailbox.refill());
        assert!(matches!(mailbox.inbox.step(&mut search, &mut 100), freeboard_mailbox::Step::Found(_)));
    });
    assert_eq!(found, (0, 0, 2));
}
