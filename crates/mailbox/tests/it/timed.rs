//! Messages of timers that can be taken back, in both kinds of queue.

use crate::overload::Time;
use freeboard_mailbox::{Dropped, Event, Exchange, Inbox, Intake, Policy, Search, Step, Stopped, Timed};
use freeboard_signal::{ExitReason, Ref};
use std::sync::Arc;
use std::time::Duration;

const ONE: u64 = 1;

type Bench = (Intake<u32, ()>, Inbox<u32, ()>);

/// A live mailbox with each kind of queue.
fn both() -> [Bench; 2] {
    [false, true].map(|policed| {
        let intake = Intake::new();
        if policed {
            let now = Time::new().now();
            intake.limit(Policy::bounded(2), move || now).expect("the policy is a good one");
        }
        assert!(intake.open(ONE));
        (intake, Inbox::new())
    })
}

fn name() -> Ref {
    Ref::new(0, 9)
}

/// The next message of a plain receive.
fn next((intake, inbox): &mut Bench) -> Option<u32> {
    loop {
        if let Some(event) = inbox.pop() {
            intake.note_handled(1);
            return event.message();
        }
        if intake.exchange(inbox.spare(), None) == Exchange::Empty {
            return None;
        }
    }
}

/// Looks at everything that is there and takes the first that is wanted.
fn find((intake, inbox): &mut Bench, wanted: u32) -> Option<u32> {
    let mut search = Search::message_where(|message| *message == wanted);
    loop {
        match inbox.step(&mut search, &mut 1_000) {
            Step::Found(Event::Message(message)) => {
                intake.note_handled(1);
                return Some(message);
            }
            Step::Found(_) | Step::Pause => {}
            Step::Empty if intake.exchange(inbox.spare(), None) == Exchange::Empty => return None,
            Step::Empty => {}
        }
    }
}

#[test]
fn a_message_that_is_taken_back_in_the_queue_leaves_an_empty_place() {
    for mut bench in both() {
        let (kept, gone) = (Arc::new(Timed::once(name(), 1)), Arc::new(Timed::once(Ref::new(0, 8), 2)));
        bench.0.push(10).unwrap();
        assert_eq!(bench.0.push_timed(ONE, &gone), Ok(true));
        assert_eq!(bench.0.push_timed(ONE, &kept), Ok(true));
        bench.0.push(11).unwrap();
        assert_eq!(bench.0.depth(), 4, "no rule counts what comes from a timer");
        let Stopped::Queued(Some(message)) = gone.stop() else { panic!("it stood in the queue") };
        bench.0.bury(message, Dropped::Timer);
        assert_eq!(bench.0.depth(), 3);
        assert_eq!([(); 4].map(|()| next(&mut bench)), [Some(10), Some(1), Some(11), None]);
        let stats = bench.0.stats(|| None);
        assert_eq!((stats.depth, stats.received, stats.dropped(Dropped::Timer)), (0, 3, 1));
        assert_eq!((Arc::strong_count(&kept), Arc::strong_count(&gone)), (1, 1), "nothing of them is left");
    }
}

#[test]
fn what_a_receive_has_left_is_found_by_its_name() {
    for mut bench in both() {
        let timed = Arc::new(Timed::once(name(), 1));
        assert_eq!(bench.0.push_timed(ONE, &timed), Ok(true));
        bench.0.push(10).unwrap();
        assert_eq!(find(&mut bench, 10), Some(10));
        assert!(matches!(timed.stop(), Stopped::Over) && bench.1.holds_timed(name()));
        assert_eq!((bench.1.take_timed(name()), bench.1.take_timed(name())), (Some(1), None));
        assert_eq!((bench.1.holds_timed(name()), next(&mut bench)), (false, None));
    }
}

#[test]
fn ticks_do_not_gather_whatever_a_selective_receive_leaves() {
    for mut bench in both() {
        let mut number = 0;
        let ticks = Arc::new(Timed::ticks(name(), move || {
            number += 1;
            number
        }));
        for _ in 0..100 {
            assert_eq!(bench.0.push_timed(ONE, &ticks), Ok(true));
            assert_eq!(find(&mut bench, 999), None);
        }
        let passed = bench.1.take_passed_ticks();
        bench.0.bury_unmade(passed, Dropped::Timer);
        assert_eq!((passed, bench.0.depth(), bench.1.take_passed_ticks()), (99, 1, 0));
        assert_eq!([(); 2].map(|()| next(&mut bench)), [Some(1), None]);
        assert_eq!(bench.0.push_timed(ONE, &ticks), Ok(true));
        assert_eq!(next(&mut bench), Some(2), "only what is received is made");
    }
}

#[test]
fn a_timer_that_finds_another_incarnation_brings_its_message_back() {
    for (intake, _) in both() {
        drop(intake.close(None));
        assert!(intake.open(2));
        let timed = Arc::new(Timed::once(name(), 1));
        assert_eq!(intake.push_timed(ONE, &timed), Err(Some(1)));
        assert_eq!(intake.push_timed(ONE, &timed), Ok(false));
        intake.bury_unqueued(1);
        let stats = intake.stats(|| None);
        assert_eq!((stats.depth, stats.dropped(Dropped::Timer), stats.received), (0, 1, 0));
        drop(intake.close(Some(ExitReason::Normal)));
        let ticks = Arc::new(Timed::ticks(name(), || 1));
        assert_eq!(intake.push_timed(2, &ticks), Err(None));
        assert_eq!(intake.stats(|| Some(Duration::ZERO)).depth, 0);
    }
}
