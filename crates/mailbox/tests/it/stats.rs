//! What is seen of a mailbox from outside, and what it costs one that nobody asks.

use crate::overload::Ruled;
use freeboard_mailbox::{Dropped, Entry, Event, Exchange, HIGH_WATER, Intake, Policy};
use freeboard_signal::ExitReason;
use std::cell::Cell;
use std::time::Duration;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn numbers_follow_a_mailbox_without_a_policy() {
    let mut ruled = Ruled::waiting();
    assert!(ruled.intake.open(1));
    let now = Cell::new(0);
    let time = || Some(ms(now.get()));
    for at in [0, 10, 20] {
        now.set(at);
        let note = ruled.note(None);
        assert!(ruled.intake.push_at(note, time).is_ok());
    }
    let stats = ruled.intake.stats(time);
    assert_eq!((stats.depth, stats.high_water, stats.received, stats.oldest), (3, 3, 0, ms(20)));
    // They go to the receiver together; what comes then is younger.
    assert!(ruled.receive_any().is_ok());
    now.set(50);
    let note = ruled.note(None);
    assert!(ruled.intake.push_at(note, time).is_ok());
    now.set(60);
    let stats = ruled.intake.stats(time);
    assert_eq!((stats.depth, stats.received, stats.oldest), (3, 1, ms(60)));
    assert!(ruled.receive_any().is_ok() && ruled.receive_any().is_ok() && ruled.receive_any().is_ok());
    ruled.intake.note_inspected(5);
    assert_eq!(ruled.receive_any().err(), Some(Exchange::Empty));
    let stats = ruled.intake.stats(time);
    assert_eq!((stats.depth, stats.high_water, stats.received, stats.oldest), (0, 3, 4, ms(0)));
    assert_eq!((stats.inspected, stats.dropped_in_all()), (5, 0));
}

#[test]
fn what_a_selective_receive_left_makes_the_age() {
    let mut ruled = Ruled::waiting();
    assert!(ruled.intake.open(1));
    let now = Cell::new(0);
    let time = || Some(ms(now.get()));
    for at in [5, 100] {
        now.set(at);
        let note = ruled.note(None);
        assert!(ruled.intake.push_at(note, time).is_ok());
        assert!(ruled.receive_where(9, 8).is_err());
    }
    now.set(105);
    assert_eq!(ruled.intake.stats(time).oldest, ms(100));
}

#[test]
fn the_clock_is_asked_while_no_message_waits_only() {
    let intake: Intake<u64, ()> = Intake::new();
    let asked = Cell::new(0);
    for n in 0..100 {
        let time = || {
            asked.set(asked.get() + 1);
            Some(ms(7))
        };
        assert!(intake.push_at(n, time).is_ok());
    }
    assert_eq!(asked.get(), 1);
}

#[test]
fn a_permit_makes_no_message_ageless() {
    let intake: Intake<u64, ()> = Intake::new();
    intake.try_reserve().expect("it is unbounded");
    assert!(intake.push_at(1, || Some(ms(10))).is_ok());
    assert_eq!(intake.stats(|| Some(ms(30))).oldest, ms(20));
}

#[test]
fn ages_survive_the_wrap_of_their_stamps() {
    let intake: Intake<u64, ()> = Intake::new();
    let at = |offset: u64| move || Some(ms((1 << 32) - 10 + offset));
    assert!(intake.push_at(1, at(0)).is_ok());
    assert_eq!(intake.stats(at(3_000)).oldest, ms(3_000));
}

#[test]
fn a_policed_mailbox_goes_by_its_own_clock() {
    let mut ruled = Ruled::new(Policy::bounded(9));
    ruled.send_many(2);
    ruled.time.pass(40);
    ruled.send_many(1);
    assert_eq!(ruled.intake.stats(|| None).oldest, ms(40));
    assert!(ruled.receive_any().is_ok() && ruled.receive_any().is_ok());
    ruled.time.pass(1);
    assert_eq!(ruled.intake.stats(|| None).oldest, ms(1));
    assert!(ruled.receive_any().is_ok());
    let stats = ruled.intake.stats(|| None);
    assert_eq!((stats.oldest, stats.high_water, stats.received), (ms(0), 3, 3));
}

#[test]
fn a_flood_is_announced_whatever_else_comes_with_it() {
    for reserves in [false, true] {
        let intake: Intake<u64, ()> = Intake::new();
        assert!(intake.open(1));
        if reserves {
            assert!(intake.try_reserve().is_ok());
            intake.give_up_room();
        }
        let announced = Cell::new(0);
        // A timer's message with each of the others.
        for n in 0..HIGH_WATER as u64 {
            assert!(intake.push_watched(n, || None, || HIGH_WATER, |_| announced.set(announced.get() + 1)).is_ok());
            assert!(intake.push_for(1, n).is_ok());
        }
        assert_eq!(announced.get(), 1, "somebody reserved: {reserves}");
    }
}

#[test]
fn what_is_left_at_the_end_is_counted_as_dropped_and_not_as_received() {
    for policy in [Policy::unbounded(), Policy::bounded(9)] {
        let mut ruled = Ruled::new(policy);
        ruled.send_many(5);
        assert!(ruled.receive_any().is_ok());
        let mut left = ruled.intake.close(Some(ExitReason::Normal));
        assert_eq!(ruled.intake.depth(), 0);
        while let Some(entry) = ruled.inbox.take_next().or_else(|| left.take_next()) {
            let Entry::Event(Event::Message(note)) = entry else { panic!("nobody sent a signal") };
            ruled.intake.bury(note, Dropped::Exited);
        }
        let stats = ruled.intake.stats(|| None);
        assert_eq!((stats.received, stats.dropped(Dropped::Exited), stats.depth), (1, 4, 0));
    }
}

#[test]
fn what_an_alias_refuses_does_not_wait_any_more() {
    let mut ruled = Ruled::waiting();
    ruled.send_many(2);
    let note = ruled.note(None);
    assert!(ruled.intake.push(note).is_ok());
    // The receiver has walked it and found the alias gone.
    let note = ruled.note(None);
    ruled.intake.bury(note, Dropped::Alias);
    let stats = ruled.intake.stats(|| None);
    assert_eq!((stats.depth, stats.dropped(Dropped::Alias)), (2, 1));
}

#[test]
fn an_intake_that_nobody_limits_stays_small() {
    assert!(size_of::<Intake<u64, [u64; 9]>>() <= 248, "{}", size_of::<Intake<u64, [u64; 9]>>());
}

#[test]
fn the_message_that_wakes_a_receiver_looks_at_no_clock_and_ages_from_the_next_one() {
    let mut ruled = Ruled::waiting();
    assert!(ruled.intake.open(1));
    let (now, asked) = (Cell::new(0), Cell::new(0));
    let time = || {
        asked.set(asked.get() + 1);
        Some(ms(now.get()))
    };
    for rounds in 0..3 {
        assert_eq!(ruled.receive_any().err(), Some(Exchange::Empty));
        now.set(now.get() + 10);
        let note = ruled.note(None);
        assert!(ruled.intake.push_at(note, time).is_ok());
        assert_eq!(asked.get(), 0, "in round {rounds} the receiver was parked");
        assert!(ruled.receive_any().is_ok());
    }
    // It has not come back: the next one finds nobody parked, and the one after it a queue that has its stamp.
    for asks in [1, 1] {
        now.set(now.get() + 10);
        let note = ruled.note(None);
        assert!(ruled.intake.push_at(note, time).is_ok());
        assert_eq!(asked.get(), asks);
    }
    assert_eq!(ruled.intake.stats(time).oldest, ms(10));
}

#[test]
fn a_message_whose_age_nobody_counts_ages_from_the_first_look() {
    for is_taken in [false, true] {
        let mut ruled = Ruled::waiting();
        assert!(ruled.intake.open(1));
        let now = Cell::new(10);
        let time = || Some(ms(now.get()));
        assert_eq!(ruled.receive_any().err(), Some(Exchange::Empty));
        let note = ruled.note(None);
        assert!(ruled.intake.push_at(note, time).is_ok());
        if is_taken {
            // The receiver has woken, but it wants another one.
            assert!(ruled.receive_where(9, 8).is_err());
        }
        for age in [0, 25] {
            now.set(50 + age);
            let stats = ruled.intake.stats(time);
            assert_eq!((stats.depth, stats.oldest), (1, ms(age)), "with the receiver: {is_taken}");
        }
        assert!(ruled.receive_any().is_ok());
        assert_eq!(ruled.receive_any().err(), Some(Exchange::Empty));
        // What comes then has an age of its own.
        let note = ruled.note(None);
        assert!(ruled.intake.push_at(note, time).is_ok());
        assert_eq!(ruled.intake.stats(time).oldest, ms(0));
    }
}
