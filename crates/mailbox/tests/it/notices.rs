//! Death notices in plain receives: in their place if they come alone, a share of what is handed out if they come in masses.

use crate::support::{Letter, Mailbox, Mark, Signal, monitor};
use freeboard_mailbox::{Event, NOTICE_SHARE, Notice, Search};

fn letter(id: u64) -> Letter {
    Letter::new(id, 1, Mark::Int(7))
}

const FIRST_NOTICE: u64 = 1_000_000;

fn is_notice(id: u64) -> bool {
    id >= FIRST_NOTICE
}

fn storm(mailbox: &Mailbox, count: u64) {
    (FIRST_NOTICE..FIRST_NOTICE + count).for_each(|id| mailbox.signal(Signal::Down(id, id)));
}

// OTP: D3, E1
#[test]
fn a_notice_that_comes_alone_keeps_its_exact_place() {
    for notice in [Signal::Down(1, 9), Signal::Downs(1, 9), Signal::LinkExit(1, 9)] {
        let mut mailbox = Mailbox::new();
        (0..5).for_each(|id| mailbox.send(letter(id)));
        mailbox.signal(notice);
        (10..15).for_each(|id| mailbox.send(letter(id)));
        mailbox.signal(Signal::Down(2, 20));
        mailbox.send(letter(21));
        assert_eq!(mailbox.drain(), [0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 20, 21]);
    }
    let mut first = Mailbox::new();
    first.signal(Signal::Down(1, 0));
    first.send(letter(1));
    assert_eq!(first.drain(), [0, 1]);
}

// OTP: D3
#[test]
fn a_storm_of_notices_gets_one_place_in_five_and_overtakes_nothing() {
    let mut mailbox = Mailbox::new();
    (0..10).for_each(|id| mailbox.send(letter(id)));
    storm(&mailbox, 60);
    (10..210).for_each(|id| mailbox.send(letter(id)));
    let got = mailbox.drain();
    let (messages, notices): (Vec<u64>, Vec<u64>) = got.iter().partition(|&&id| !is_notice(id));
    assert!(messages.into_iter().eq(0..210), "each in its order");
    assert!(notices.into_iter().eq(FIRST_NOTICE..FIRST_NOTICE + 60), "each in its order");
    assert!(got[..10].iter().all(|&id| !is_notice(id)), "no notice comes before what is older");
    for (place, &id) in got[10..260].iter().enumerate() {
        assert_eq!(is_notice(id), place % (NOTICE_SHARE as usize + 1) == 0, "place {place}");
    }
    assert!(got[260..].iter().all(|&id| is_notice(id)), "what is left when no message waits");
}

// OTP: D2
#[test]
fn an_exit_signal_that_somebody_sent_keeps_its_place() {
    let mut mailbox = Mailbox::new();
    storm(&mailbox, 3);
    mailbox.send(letter(0));
    mailbox.signal(Signal::Exit(1, 1));
    mailbox.send(letter(2));
    mailbox.signal(Signal::LinkExit(1, FIRST_NOTICE + 3));
    mailbox.send(letter(3));
    let n = FIRST_NOTICE;
    // Between the two messages of its sender, although notices wait that came before it.
    assert_eq!(mailbox.drain(), [n, 0, 1, 2, 3, n + 1, n + 2, n + 3]);
}

// OTP: E2
#[test]
fn a_notice_that_is_held_back_is_found_by_its_monitor() {
    let mut mailbox = Mailbox::new();
    storm(&mailbox, 4);
    (0..4).for_each(|id| mailbox.send(letter(id)));
    assert_eq!(mailbox.pop(), Some(FIRST_NOTICE));
    assert_eq!(mailbox.pop(), Some(0), "past three notices");
    let looks = mailbox.inbox.inspected();
    assert_eq!(mailbox.receive(Search::down(monitor(FIRST_NOTICE + 2))), Some(FIRST_NOTICE + 2));
    assert!(
        mailbox.inbox.flush(Notice::Down(monitor(FIRST_NOTICE + 1)))
            && !mailbox.inbox.flush(Notice::Down(monitor(FIRST_NOTICE + 1)))
    );
    assert_eq!(mailbox.inbox.inspected(), looks, "it needs no look");
    let any = |event: &Event<Letter>| matches!(event, Event::Down(_));
    assert_eq!(mailbox.receive(Search::event_where(any)), Some(FIRST_NOTICE + 3));
    assert_eq!(mailbox.drain(), [1, 2, 3]);
}

// OTP: D3, D5
#[test]
fn with_notices_only_the_intake_is_looked_at_before_one_is_handed_out() {
    let mut mailbox = Mailbox::new();
    storm(&mailbox, 3);
    assert_eq!(mailbox.pop(), Some(FIRST_NOTICE));
    assert!(mailbox.inbox.pop().is_none() && mailbox.inbox.holds_notice() && mailbox.inbox.needs_refill());
    mailbox.send(letter(0));
    assert_eq!(mailbox.pop(), Some(0));
    assert!(mailbox.inbox.pop().is_none());
    assert_eq!(mailbox.drain(), [FIRST_NOTICE + 1, FIRST_NOTICE + 2]);
    assert!(mailbox.inbox.pop().is_none() && !mailbox.inbox.holds_notice() && mailbox.inbox.pop_notice().is_none());
}

#[test]
fn one_receive_passes_sixty_four_notices_at_most() {
    let mut mailbox = Mailbox::new();
    storm(&mailbox, 1_000);
    mailbox.send(letter(0));
    assert_eq!(mailbox.pop(), Some(FIRST_NOTICE));
    // Each of these passes 64 more and finds no message among them; the last few find it.
    let before = std::iter::from_fn(|| mailbox.pop()).take_while(|&id| is_notice(id)).count();
    assert_eq!(before, 1_000 / 65);
    assert!(mailbox.drain().into_iter().eq(FIRST_NOTICE + 1 + before as u64..FIRST_NOTICE + 1_000));
}

#[test]
fn messages_count_whoever_took_them() {
    let mut mailbox = Mailbox::new();
    storm(&mailbox, 2);
    (0..6).for_each(|id| mailbox.send(letter(id)));
    assert_eq!(mailbox.pop(), Some(FIRST_NOTICE));
    for id in 0..u64::from(NOTICE_SHARE) {
        assert_eq!(mailbox.receive(Search::any_message()), Some(id));
    }
    assert_eq!(mailbox.drain(), [FIRST_NOTICE + 1, 4, 5]);
}
