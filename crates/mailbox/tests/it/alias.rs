//! Messages that came through an alias: found by it, and otherwise like any other.

use crate::support::{Letter, Mailbox, Mark, alias};
use freeboard_mailbox::{Hint, Key, Search, Tag};

fn letter(id: u64) -> Letter {
    Letter::new(id, 1, Mark::Int(id))
}

// OTP: D4, E1
#[test]
fn messages_through_an_alias_and_past_it_stand_in_one_order() {
    let mut mailbox = Mailbox::new();
    for id in 0..100 {
        match id % 3 {
            0 => mailbox.send(letter(id)),
            n => mailbox.send_through(n, letter(id)),
        }
    }
    assert_eq!(mailbox.receive(Search::alias(alias(2))), Some(2));
    assert_eq!(mailbox.receive(Search::key(Tag::new(1), Key::Int(50))), Some(50));
    assert_eq!(mailbox.receive(Search::alias(alias(3))), None);
    assert!(mailbox.drain().into_iter().eq((0..100).filter(|&id| id != 2 && id != 50)));
}

// OTP: E2, E3
#[test]
fn the_oldest_of_an_alias_is_found_whichever_others_left_by_another_way() {
    let mut mailbox = Mailbox::new();
    (0..9).for_each(|id| mailbox.send_through(id % 2, letter(id)));
    // Everything goes to the index; then the middle, the oldest and the newest of one alias leave it by their keys.
    assert_eq!(mailbox.receive(Search::alias(alias(5))), None);
    for key in [4, 0, 8] {
        assert_eq!(mailbox.receive(Search::key(Tag::new(1), Key::Int(u128::from(key)))), Some(key));
    }
    assert_eq!(mailbox.receive(Search::alias(alias(0))), Some(2));
    mailbox.send_through(0, letter(10));
    for expected in [Some(6), Some(10), None] {
        assert_eq!(mailbox.receive(Search::alias(alias(0))), expected);
    }
    assert_eq!(mailbox.drain(), [1, 3, 5, 7]);
}

// OTP: E8
#[test]
fn an_alias_is_found_behind_a_hundred_thousand_with_one_look() {
    let mut mailbox = Mailbox::new();
    for id in 0..100_000 {
        mailbox.send_through(id, letter(id));
    }
    assert_eq!(mailbox.receive(Search::alias(alias(100_000))), None);
    let looks = mailbox.inbox.inspected();
    assert_eq!(mailbox.receive(Search::alias(alias(50_000))), Some(50_000));
    assert_eq!(mailbox.inbox.inspected(), looks, "it is there");
    mailbox.send_through(100_000, letter(100_000));
    assert_eq!(mailbox.receive(Search::alias(alias(100_000))), Some(100_000));
    assert_eq!(mailbox.inbox.inspected(), looks + 1, "it has just arrived");
}

// OTP: E2
#[test]
fn of_a_clause_by_tag_and_one_by_alias_the_first_has_what_both_want() {
    for (clauses, expected) in [
        ([Hint::Tag(Tag::new(1)), Hint::Alias(alias(1))], 0),
        ([Hint::Alias(alias(1)), Hint::Tag(Tag::new(1))], 0),
        ([Hint::Tag(Tag::new(0)), Hint::Alias(alias(1))], 1),
        ([Hint::Alias(alias(2)), Hint::Key(Tag::new(1), Key::Int(0))], 1),
    ] {
        let mut mailbox = Mailbox::new();
        mailbox.send_through(1, letter(0));
        assert_eq!(mailbox.receive(Search::message_where(|_: &Letter| false)), None);
        let mut search = Search::any_of(clauses, |_, _| true);
        let step = mailbox.inbox.step(&mut search, &mut 10);
        assert!(matches!(step, freeboard_mailbox::Step::Found(_)));
        assert_eq!(search.clause(), expected);
    }
}
