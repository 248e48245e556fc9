//! What a selective receive takes, and what it leaves where it was.

use crate::support::{Letter, Mailbox, Mark, Signal, id_of, monitor, pid};
use freeboard_mailbox::{Entry, Event, Inbox, Intake, Key, Message, Notice, Search, Step, Tag};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn int(id: u64, tag: u32, key: u64) -> Letter {
    Letter::new(id, tag, Mark::Int(key))
}

fn with_letters(letters: impl IntoIterator<Item = Letter>) -> Mailbox {
    let mailbox = Mailbox::new();
    letters.into_iter().for_each(|letter| mailbox.send(letter));
    mailbox
}

// OTP: E1, E2, E3
#[test]
fn the_oldest_match_is_taken_and_the_rest_keeps_its_order() {
    let mut mailbox = with_letters((0..9).map(|id| int(id, id as u32 % 3, id / 3)));
    assert_eq!(mailbox.receive(Search::tag(Tag::new(2))), Some(2));
    assert_eq!(mailbox.receive(Search::key(Tag::new(1), Key::Int(2))), Some(7));
    assert_eq!(mailbox.receive(Search::message_where(|letter: &Letter| letter.id > 3)), Some(4));
    assert_eq!(mailbox.receive(Search::tag(Tag::new(1))), Some(1));
    mailbox.send(int(9, 1, 2));
    assert_eq!(mailbox.receive(Search::key(Tag::new(1), Key::Int(2))), Some(9));
    assert_eq!(mailbox.drain(), [0, 3, 5, 6, 8]);
}

// OTP: E2, E3
#[test]
fn notices_and_messages_stand_in_one_order() {
    let mut mailbox = Mailbox::new();
    mailbox.signal(Signal::Down(1, 0));
    mailbox.signal(Signal::Exit(2, 1));
    mailbox.send(int(2, 0, 0));
    mailbox.signal(Signal::Down(3, 3));
    mailbox.signal(Signal::Nothing);
    mailbox.send(int(4, 0, 1));
    assert_eq!(mailbox.receive(Search::any_message()), Some(2));
    assert_eq!(mailbox.receive(Search::down(monitor(3))), Some(3));
    let no_down = |event: &Event<Letter>| !matches!(event, Event::Down(_));
    assert_eq!(mailbox.receive(Search::event_where(no_down)), Some(1));
    assert_eq!(mailbox.receive(Search::event_where(no_down)), Some(4));
    assert_eq!(mailbox.receive(Search::any_message()), None);
    assert_eq!(mailbox.drain(), [0]);
}

// OTP: E3
#[test]
fn equal_keys_come_in_order_of_arrival_even_when_some_left_by_another_way() {
    let mut mailbox = with_letters((0..8).map(|id| int(id, 0, 7)));
    assert_eq!(mailbox.receive(Search::key(Tag::new(0), Key::Int(8))), None);
    // Oldest, middle and newest of the list leave without their key.
    assert_eq!(mailbox.inbox.pop().map(|event| id_of(&event)), Some(0));
    for gone in [4, 7] {
        assert_eq!(mailbox.receive(Search::message_where(move |letter: &Letter| letter.id == gone)), Some(gone));
    }
    mailbox.send(int(8, 0, 7));
    for expected in [1, 2, 3, 5, 6, 8] {
        assert_eq!(mailbox.receive(Search::key(Tag::new(0), Key::Int(7))), Some(expected));
    }
    assert_eq!(mailbox.receive(Search::key(Tag::new(0), Key::Int(7))), None);
    assert!(mailbox.inbox.is_empty());
}

#[test]
fn numbers_and_bytes_are_different_keys() {
    let text = |id, text: &str| Letter::new(id, 0, Mark::Text(text.to_owned()));
    let mut mailbox =
        with_letters([int(0, 0, 97), text(1, "a"), Letter::new(2, 0, Mark::None), text(3, "b"), int(4, 1, 5)]);
    for _ in 0..2 {
        assert_eq!(mailbox.receive(Search::key(Tag::new(0), "c".into())), None);
        assert_eq!(mailbox.receive(Search::key(Tag::new(0), Key::Int(5))), None);
    }
    assert_eq!(mailbox.receive(Search::key(Tag::new(0), "b".into())), Some(3));
    assert_eq!(mailbox.receive(Search::key(Tag::new(0), "a".into())), Some(1));
    assert_eq!(mailbox.receive(Search::key(Tag::new(0), 97_u64.into())), Some(0));
    assert_eq!(mailbox.receive(Search::key(Tag::new(1), 5_u64.into())), Some(4));
    assert_eq!(mailbox.drain(), [2]);
}

// OTP: E3
#[test]
fn a_dropped_search_leaves_everything_in_its_place() {
    for steps in 0..12 {
        let mut mailbox = with_letters((0..10).map(|id| int(id, 0, id)));
        assert!(mailbox.refill());
        {
            let mut search = Search::key(Tag::new(0), Key::Int(100));
            for _ in 0..steps {
                mailbox.inbox.step(&mut search, &mut 1);
            }
        }
        assert_eq!(mailbox.drain(), (0..10).collect::<Vec<_>>(), "after {steps} steps");
    }
}

#[test]
fn a_panic_in_a_predicate_loses_nothing() {
    // Once on the way across and, after a search has left everything in the index, once there.
    for left_before in [false, true] {
        let mut mailbox = with_letters((0..6).map(|id| int(id, 0, id)));
        if left_before {
            assert_eq!(mailbox.receive(Search::tag(Tag::new(1))), None);
        }
        let picky = |letter: &Letter| {
            assert!(letter.id < 3, "this one I cannot judge");
            false
        };
        let received = catch_unwind(AssertUnwindSafe(|| mailbox.receive(Search::message_where(picky))));
        assert!(received.is_err());
        assert_eq!(mailbox.receive(Search::key(Tag::new(0), Key::Int(3))), Some(3));
        assert_eq!(mailbox.drain(), [0, 1, 2, 4, 5]);
    }
}

/// A message whose fourth instance has no answer to any question.
struct Touchy(u64);

impl Message for Touchy {
    const TAGS: &'static [&'static str] = &["Even", "Odd"];

    fn tag(&self) -> Tag<Self> {
        Tag::new((self.0 % 2) as u32)
    }

    fn key(&self) -> Option<Key<'_>> {
        assert_ne!(self.0, 3, "do not ask me");
        Some(self.0.into())
    }
}

#[test]
fn a_key_that_panics_leaves_every_message_in_its_place() {
    // Once on the way across and, after a search has left everything in the index, once there.
    for left_before in [false, true] {
        let (intake, mut inbox) = (Intake::<Touchy, ()>::new(), Inbox::new());
        (0..6).for_each(|id| intake.push(Touchy(id)).expect("it is open"));
        intake.exchange(inbox.spare(), None);
        if left_before {
            let mut nothing = Search::message_where(|_: &Touchy| false);
            assert!(matches!(inbox.step(&mut nothing, &mut 100), Step::Empty));
        }
        let mut receive = |tag, key: u64| {
            let mut search = Search::key(Tag::new(tag), key.into());
            catch_unwind(AssertUnwindSafe(|| inbox.step(&mut search, &mut 100)))
        };
        assert!(matches!(receive(0, 4), Ok(Step::Found(Event::Message(Touchy(4))))), "nobody asks it for its key");
        // It is asked again by whoever looks past it, and is in nobody's way otherwise.
        assert!(receive(1, 5).is_err() && receive(1, 5).is_err());
        assert!(matches!(receive(1, 1), Ok(Step::Found(Event::Message(Touchy(1))))));
        let rest = std::iter::from_fn(|| inbox.pop()).filter_map(Event::message).map(|touchy| touchy.0);
        assert!(rest.eq([0, 2, 3, 5]));
    }
}

// OTP: E5
#[test]
fn a_search_in_slices_looks_at_the_whole_queue_once_before_it_says_empty() {
    let mut mailbox = with_letters((0..10).map(|id| int(id, 0, id)));
    assert!(mailbox.refill());
    let mut search = Search::message_where(|letter: &Letter| letter.id == 10);
    for slice in 1..=3 {
        let mut budget = 3;
        assert!(matches!(mailbox.inbox.step(&mut search, &mut budget), Step::Pause));
        assert_eq!((budget, mailbox.inbox.inspected()), (0, slice * 3));
    }
    let mut budget = 3;
    assert!(matches!(mailbox.inbox.step(&mut search, &mut budget), Step::Empty));
    assert_eq!((budget, mailbox.inbox.inspected()), (2, 10));
    // Without anything to look at, it needs no budget to know that.
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 0), Step::Empty));
    // What arrives while it waits is all that it looks at.
    mailbox.send(int(10, 0, 10));
    assert!(mailbox.refill());
    assert!(matches!(mailbox.inbox.step(&mut search, &mut budget), Step::Found(Event::Message(Letter { id: 10, .. }))));
    assert_eq!((budget, mailbox.inbox.inspected()), (1, 11));
}

#[test]
fn a_search_keeps_its_place_when_what_it_rejected_last_is_gone() {
    let mut mailbox = with_letters((0..5).map(|id| int(id, 0, id)));
    assert!(mailbox.refill());
    let mut search = Search::message_where(|letter: &Letter| letter.id == 2);
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 2), Step::Pause));
    // Letter 1 leaves, and another receive puts 2, which has not been looked at, where it was.
    assert_eq!(mailbox.receive(Search::message_where(|letter: &Letter| letter.id == 1)), Some(1));
    assert!(matches!(mailbox.inbox.step(&mut Search::tag(Tag::new(1)), &mut 3), Step::Pause));
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 1), Step::Found(Event::Message(Letter { id: 2, .. }))));
    assert_eq!(mailbox.drain(), [0, 3, 4]);
}

#[test]
fn messages_are_found_past_notices_that_were_looked_at_once() {
    let mut mailbox = Mailbox::new();
    (0..100).for_each(|n| mailbox.signal(Signal::Down(n, n)));
    (100..110).for_each(|id| mailbox.send(int(id, 0, 0)));
    // Everything goes to the index.
    assert_eq!(mailbox.receive(Search::message_where(|_: &Letter| false)), None);
    let before = mailbox.inbox.inspected();
    for id in 100..110 {
        assert_eq!(mailbox.receive(Search::any_message()), Some(id));
    }
    assert_eq!(mailbox.inbox.inspected() - before, 100 + 10);
    assert_eq!(mailbox.drain(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_flush_takes_the_one_notice_wherever_it_is() {
    let mut mailbox = Mailbox::new();
    mailbox.signal(Signal::Down(1, 0));
    mailbox.signal(Signal::Exit(1, 1));
    mailbox.send(int(2, 0, 0));
    mailbox.signal(Signal::Exit(1, 3));
    assert_eq!(mailbox.receive(Search::tag(Tag::new(1))), None);
    mailbox.signal(Signal::Down(2, 4));
    mailbox.signal(Signal::Exit(2, 5));
    assert!(mailbox.refill());
    // In the index, then in the buffer, then no more.
    assert!(mailbox.inbox.flush(Notice::Down(monitor(1))) && !mailbox.inbox.flush(Notice::Down(monitor(1))));
    assert!(mailbox.inbox.flush(Notice::Down(monitor(2))) && !mailbox.inbox.flush(Notice::Down(monitor(2))));
    assert!(mailbox.inbox.flush(Notice::Exit(pid(1))));
    assert!(mailbox.inbox.flush(Notice::Exit(pid(2))) && !mailbox.inbox.flush(Notice::Exit(pid(2))));
    assert_eq!(mailbox.drain(), [2, 3]);
    assert!(!mailbox.inbox.flush(Notice::Exit(pid(1))));
}

// OTP: E1
#[test]
fn what_is_left_comes_back_oldest_first() {
    let mut mailbox = with_letters((0..2_000).map(|id| int(id, 0, id)));
    let mut search = Search::tag(Tag::new(1));
    assert!(mailbox.refill());
    assert!(matches!(mailbox.inbox.step(&mut search, &mut 700), Step::Pause));
    assert_eq!(mailbox.receive(Search::message_where(|letter: &Letter| letter.id == 600)), Some(600));
    let mut ids = Vec::new();
    while let Some(entry) = mailbox.inbox.take_next() {
        match entry {
            Entry::Event(event) => ids.push(id_of(&event)),
            other => panic!("only events were left, not {other:?}"),
        }
    }
    assert!(ids.into_iter().eq((0..2_000).filter(|&id| id != 600)));
}

#[test]
fn a_tag_without_a_name_is_refused() {
    let mut mailbox = with_letters([int(0, 3, 0)]);
    let receive = std::panic::AssertUnwindSafe(|| mailbox.receive(Search::tag(Tag::new(0))));
    let refused = std::panic::catch_unwind(receive).expect_err("tag 3 has no name");
    let text =
        refused.downcast_ref::<String>().cloned().or(refused.downcast_ref::<&str>().map(|text| text.to_string()));
    assert!(text.expect("a text").contains("TAGS must name every tag"));
}
