//! Receives since a mark: what they look at, and what they leave alone.

use crate::support::{Asked, Letter, Mailbox, Mark, Signal, alias, monitor};
use freeboard_mailbox::{Entry, Event, Hint, Key, Marker, Search, Step, Tag};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const JUNK: u64 = 500_000;

/// Half a million messages that share what they were asked, and look just like what is waited for.
fn flooded(asked: &Arc<Asked>) -> Mailbox {
    let mailbox = Mailbox::new();
    for id in 0..JUNK {
        mailbox.send(Letter { id, tag: 1, mark: Mark::Int(7), asked: Arc::clone(asked) });
    }
    mailbox
}

fn mark(mailbox: &Mailbox) -> Marker {
    mailbox.inbox.marker(mailbox.intake.marker())
}

fn letter(id: u64) -> Letter {
    Letter::new(id, 1, Mark::Int(7))
}

/// In each form, the answer that comes after the mark is found with one look.
fn each_form_looks_at_one(mailbox: &mut Mailbox, asked: &Asked) {
    let before = asked.both();
    for form in 0..7 {
        let (id, since) = (JUNK + form, mark(mailbox));
        match form {
            0 => mailbox.signal(Signal::Down(id, id)),
            1 => mailbox.send_through(id, letter(id)),
            _ => mailbox.send(letter(id)),
        }
        let looks = mailbox.inbox.inspected();
        let found = match form {
            0 => mailbox.receive(Search::down(monitor(id)).since(since)),
            1 => mailbox.receive(Search::alias(alias(id)).since(since)),
            2 => mailbox.receive(Search::tag(Tag::new(1)).since(since)),
            3 => mailbox.receive(Search::key(Tag::new(1), Key::Int(7)).since(since)),
            4 => mailbox.receive(Search::message_where(|_: &Letter| true).since(since)),
            5 => mailbox.receive(Search::any_message().since(since)),
            _ => {
                let clauses = [Hint::Down(monitor(id)), Hint::Tag(Tag::new(1))];
                mailbox.receive(Search::any_of(clauses, |_, _| true).since(since))
            }
        };
        assert_eq!((found, mailbox.inbox.inspected() - looks), (Some(id), 1), "form {form}");
    }
    assert_eq!(asked.both(), before, "nothing older was asked for its tag or key");
}

// OTP: E8
#[test]
fn behind_half_a_million_messages_that_match_too_one_is_looked_at() {
    let asked = Arc::default();
    let mut mailbox = flooded(&asked);
    each_form_looks_at_one(&mut mailbox, &asked);
    // All of it has gone to the index by now, as nobody has looked at it.
    assert_eq!((mailbox.inbox.held() as u64, asked.both()), (JUNK, (0, 0)));
    each_form_looks_at_one(&mut mailbox, &asked);
    // The index has learnt nothing wrong: a receive without a mark still finds the oldest.
    assert_eq!(mailbox.receive(Search::key(Tag::new(1), Key::Int(7))), Some(0));
    assert!(mailbox.drain().into_iter().eq(1..JUNK));
}

// OTP: E9
#[test]
fn marks_are_nested_and_survive_a_panic_between_them() {
    let mut mailbox = Mailbox::new();
    (0..100).for_each(|id| mailbox.send(letter(id)));
    let outer = mark(&mailbox);
    mailbox.send(letter(100));
    let inner = mark(&mailbox);
    mailbox.send(letter(101));
    mailbox.send(letter(102));
    let mut waiting = Search::message_where(|letter: &Letter| letter.id == 103).since(outer);
    assert!(mailbox.refill());
    assert!(matches!(mailbox.inbox.step(&mut waiting, &mut 101), Step::Pause));
    // A receive inside the receive, and one that fails.
    assert_eq!(mailbox.receive(Search::tag(Tag::new(1)).since(inner)), Some(101));
    let picky = |letter: &Letter| {
        assert!(letter.id < 102, "this one I cannot judge");
        false
    };
    let received = catch_unwind(AssertUnwindSafe(|| mailbox.receive(Search::message_where(picky).since(inner))));
    assert!(received.is_err());
    mailbox.send(letter(103));
    let looks = mailbox.inbox.inspected();
    mailbox.refill();
    assert!(matches!(mailbox.inbox.step(&mut waiting, &mut 100), Step::Found(Event::Message(Letter { id: 103, .. }))));
    // Number 100 was looked at before; 102 and 103 were not.
    assert_eq!(mailbox.inbox.inspected() - looks, 2);
    assert_eq!(mailbox.receive(Search::tag(Tag::new(1)).since(outer)), Some(100));
    assert_eq!(mailbox.drain(), (0..100).chain([102]).collect::<Vec<_>>());
}

// OTP: E17
#[test]
fn a_priority_message_is_found_wherever_the_mark_lies() {
    let mut mailbox = Mailbox::new();
    (0..10).for_each(|id| mailbox.send(letter(id)));
    mailbox.inbox.put_ahead([10, 11].map(|id| Entry::Event(Event::Message(letter(id)))));
    let since = mark(&mailbox);
    let mut search = Search::tag(Tag::new(1)).since(since);
    assert!(mailbox.refill());
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 100), Step::Empty));
    assert_eq!(mailbox.inbox.inspected(), 0, "what was in the lane is as old as the rest");
    // This one stands in front of everything that came before the mark.
    mailbox.inbox.put_ahead([Entry::Event(Event::Message(letter(12)))]);
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 100), Step::Found(Event::Message(Letter { id: 12, .. }))));
    assert_eq!(mailbox.inbox.inspected(), 1);
    assert_eq!(mailbox.drain(), [10, 11].into_iter().chain(0..10).collect::<Vec<_>>());
}

#[test]
fn the_way_back_to_the_mark_is_paid_for_and_each_is_looked_at_once() {
    let mut mailbox = Mailbox::new();
    (0..1_000).for_each(|id| mailbox.send(letter(id)));
    let since = mark(&mailbox);
    (1_000..2_000).for_each(|id| mailbox.send(letter(id)));
    assert_eq!(mailbox.receive(Search::message_where(|_: &Letter| false)), None);
    let before = mailbox.inbox.inspected();
    let mut search = Search::message_where(|letter: &Letter| letter.id == 1_999).since(since);
    let mut slices = 0;
    loop {
        let mut budget = 10;
        match mailbox.inbox.step(&mut search, &mut budget) {
            Step::Pause => assert_eq!(budget, 0),
            Step::Found(Event::Message(Letter { id: 1_999, .. })) => break,
            other => panic!("the last one is wanted, not {other:?}"),
        }
        slices += 1;
        // What the way back had led to is taken by somebody else.
        if slices == 50 {
            assert_eq!(mailbox.receive(Search::message_where(|letter: &Letter| letter.id == 1_500)), Some(1_500));
        }
    }
    let others = 1_501; // The receive in between has no mark.
    assert_eq!(mailbox.inbox.inspected() - before, 999 + others);
    assert!((200..=260).contains(&slices), "{slices} slices of 10 for 1,000 there and back, and half of the way twice");
}

// OTP: E3, E8
#[test]
fn what_is_older_than_the_mark_keeps_its_place_when_the_search_is_dropped() {
    for steps in 0..12 {
        let mut mailbox = Mailbox::new();
        (0..5).for_each(|id| mailbox.send(letter(id)));
        let since = mark(&mailbox);
        (5..10).for_each(|id| mailbox.send(letter(id)));
        assert!(mailbox.refill());
        {
            let mut search = Search::message_where(|_: &Letter| false).since(since);
            for _ in 0..steps {
                mailbox.inbox.step(&mut search, &mut 1);
            }
        }
        assert_eq!(mailbox.drain(), (0..10).collect::<Vec<_>>(), "after {steps} steps");
    }
}
