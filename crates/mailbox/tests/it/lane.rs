//! Priority entries: their place, and their share.

use crate::support::{Letter, Mailbox, Mark, Signal, alias, id_of, monitor, pid};
use freeboard_mailbox::{Aliased, Entry, Event, Hint, Key, LANE_SHARE, Notice, Search, Step, Tag};

fn letter(id: u64) -> Letter {
    Letter::new(id, 1, Mark::Int(7))
}

fn ahead(id: u64) -> Entry<Letter, Signal> {
    Entry::Event(Event::Message(letter(id)))
}

fn with_letters(ids: std::ops::Range<u64>) -> Mailbox {
    let mut mailbox = Mailbox::new();
    ids.for_each(|id| mailbox.send(letter(id)));
    mailbox.refill();
    mailbox
}

/// Receives the next in one of the forms, which all want everything.
fn receive(mailbox: &mut Mailbox, form: u64) -> Option<u64> {
    match form % 6 {
        0 => mailbox.pop(),
        1 => mailbox.receive(Search::any_message()),
        2 => mailbox.receive(Search::message_where(|_: &Letter| true)),
        3 => mailbox.receive(Search::tag(Tag::new(1))),
        4 => mailbox.receive(Search::key(Tag::new(1), Key::Int(7))),
        _ => mailbox.receive(Search::any_of([Hint::Tag(Tag::new(0)), Hint::Tag(Tag::new(1))], |_, _| true)),
    }
}

// OTP: E15
#[test]
fn priority_entries_come_behind_earlier_ones_and_ahead_of_all_others_in_every_form_of_receive() {
    for form in 0..6 {
        for left_before in [false, true] {
            let mut mailbox = with_letters(0..3);
            if left_before {
                assert_eq!(mailbox.receive(Search::tag(Tag::new(0))), None);
            }
            mailbox.inbox.put_ahead([ahead(10), Entry::Gone, ahead(11)]);
            assert_eq!(receive(&mut mailbox, form), Some(10));
            mailbox.inbox.put_ahead([ahead(12)]);
            let rest: Vec<u64> = std::iter::from_fn(|| receive(&mut mailbox, form)).collect();
            assert_eq!(rest, [11, 12, 0, 1, 2], "form {form}, left before: {left_before}");
        }
    }
}

// OTP: E15
#[test]
fn a_receive_takes_the_first_that_it_wants_and_moves_nothing() {
    let mut mailbox = with_letters(0..2);
    mailbox.inbox.put_ahead([
        ahead(10),
        Signal::Down(3, 11).applied(),
        Entry::Aliased(Box::new(Aliased { alias: alias(4), ahead: true, message: letter(12) })),
        Signal::LinkExit(5, 13).applied(),
        Signal::Down(6, 14).applied(),
    ]);
    assert_eq!(mailbox.receive(Search::alias(alias(4))), Some(12));
    assert_eq!(mailbox.receive(Search::down(monitor(3))), Some(11));
    assert_eq!(mailbox.inbox.held(), 1, "the notices that are left do not count");
    assert!(mailbox.inbox.flush(Notice::Exit(pid(5))) && !mailbox.inbox.flush(Notice::Exit(pid(5))));
    assert_eq!(mailbox.receive(Search::message_where(|letter: &Letter| letter.id == 1)), Some(1));
    assert_eq!(mailbox.inbox.held(), 2);
    let ids = std::iter::from_fn(|| mailbox.inbox.take_next()).map(|entry| match entry {
        Entry::Event(event) => id_of(&event),
        other => panic!("only events were left, not {other:?}"),
    });
    assert!(ids.eq([10, 14, 0]));
}

// OTP: E15, E16
#[test]
fn an_ordinary_entry_has_its_turn_after_sixteen_priority_ones() {
    for form in 0..6 {
        let mut mailbox = with_letters(0..3);
        mailbox.inbox.put_ahead((100..140).map(ahead));
        let got: Vec<u64> = std::iter::from_fn(|| receive(&mut mailbox, form)).collect();
        let share = u64::from(LANE_SHARE);
        let expected = (100..100 + share).chain([0]).chain(100 + share..100 + 2 * share).chain([1]);
        assert_eq!(got, expected.chain(100 + 2 * share..140).chain([2]).collect::<Vec<_>>(), "form {form}");
    }
}

#[test]
fn the_count_goes_over_all_forms_and_a_turn_that_nobody_wants_is_given_up() {
    let mut mailbox = with_letters(0..1);
    let share = u64::from(LANE_SHARE);
    mailbox.inbox.put_ahead((100..160).map(ahead));
    (0..share).for_each(|n| assert_eq!(receive(&mut mailbox, n), Some(100 + n)));
    // It is the ordinary one's turn, which this receive does not want.
    let no_ordinary = |letter: &Letter| letter.id >= 100;
    assert_eq!(mailbox.receive(Search::message_where(no_ordinary)), Some(100 + share));
    (1..share).for_each(|n| assert_eq!(receive(&mut mailbox, n), Some(100 + share + n)));
    assert_eq!(receive(&mut mailbox, 0), Some(0));
    // Nothing is wanted: the turn stays.
    (0..share).for_each(|n| assert_eq!(receive(&mut mailbox, n), Some(100 + 2 * share + n)));
    assert_eq!(mailbox.receive(Search::tag(Tag::new(2))), None);
    mailbox.send(letter(1));
    assert_eq!(mailbox.pop(), Some(1));
}

#[test]
fn ordinary_entries_that_wait_in_the_intake_have_their_turn() {
    let mut mailbox = Mailbox::new();
    mailbox.inbox.put_ahead((100..200).map(ahead));
    mailbox.send(letter(0));
    for n in 0..u64::from(LANE_SHARE) {
        assert!(!mailbox.inbox.wants_refill());
        assert_eq!(mailbox.inbox.pop().map(|event| id_of(&event)), Some(100 + n));
    }
    assert!(mailbox.inbox.wants_refill(), "the buffer is used up, and the lane has had its share");
    assert!(mailbox.refill() && !mailbox.inbox.wants_refill());
    assert_eq!(mailbox.inbox.pop().map(|event| id_of(&event)), Some(0));
}

// OTP: E3, E15
#[test]
fn a_search_that_waits_has_a_place_in_both_parts() {
    let mut mailbox = with_letters(0..5);
    mailbox.inbox.put_ahead((10..13).map(ahead));
    let mut search = Search::message_where(|letter: &Letter| letter.id == 20 || letter.id == 30);
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 100), Step::Empty));
    assert_eq!(mailbox.inbox.inspected(), 8);
    // What comes next is all that it looks at, in either part.
    mailbox.inbox.put_ahead([13, 20].map(ahead));
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 100), Step::Found(_)));
    assert_eq!(mailbox.inbox.inspected(), 10);
    mailbox.send(letter(5));
    mailbox.send(letter(30));
    assert!(mailbox.refill());
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 100), Step::Found(_)));
    assert_eq!(mailbox.inbox.inspected(), 12);
    assert_eq!(mailbox.drain(), [10, 11, 12, 13, 0, 1, 2, 3, 4, 5]);
}

// OTP: E15
#[test]
fn a_notice_that_was_held_back_interrupts_the_row_too() {
    let mut mailbox = Mailbox::new();
    (0..2).for_each(|id| mailbox.signal(Signal::Down(id, id)));
    assert_eq!(mailbox.pop(), Some(0));
    mailbox.inbox.put_ahead((100..110).map(ahead));
    (100..110).for_each(|id| assert_eq!(mailbox.pop(), Some(id)));
    assert_eq!(mailbox.pop(), Some(1), "with nothing else left, the second notice");
    mailbox.send(letter(2));
    mailbox.refill();
    let share = u64::from(LANE_SHARE);
    mailbox.inbox.put_ahead((200..200 + share + 1).map(ahead));
    let expected: Vec<u64> = (200..200 + share).chain([2, 200 + share]).collect();
    assert_eq!(mailbox.drain(), expected);
}

// OTP: E15
#[test]
fn a_notice_that_is_held_back_has_its_turn_beside_the_lane_too() {
    let mut mailbox = Mailbox::new();
    // Two in a row: the second is held back, since no message comes between them.
    mailbox.signal(Signal::Down(1, 1));
    mailbox.signal(Signal::Down(2, 2));
    assert_eq!(mailbox.pop(), Some(1));
    mailbox.inbox.put_ahead((100..200).map(ahead));
    let first: Vec<u64> = (0..=LANE_SHARE).filter_map(|_| mailbox.pop()).collect();
    assert_eq!(first.last(), Some(&2), "{first:?}");
    assert_eq!(mailbox.drain(), (116..200).collect::<Vec<_>>());
}
