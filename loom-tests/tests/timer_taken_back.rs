//! Models of a timer that is due while its process takes it back, or receives its last tick.
//!
//! Modelled: the node queues the message of a timer while its owner takes it back and looks through the queue; an interval
//! that is due twice while its receiver takes ticks. Not modelled: the node's own queue of timers, which is one lock; the
//! owner's index, which is the owner's alone (`process/tests/it/keyed_timers.rs`). Bound: 2 threads, 2 preemptions.
//! Invariants: those of `timed.rs`. Executions at last change: 8 and 16 in 0.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Log, Park, Tracked, model};
use freeboard_mailbox::{Dropped, Event, Exchange, Inbox, Intake, Stopped, Timed};
use freeboard_signal::Ref;
use std::sync::Arc;

type Queue<M> = Intake<M, ()>;

/// A live seat.
fn live<M>() -> Arc<Queue<M>> {
    let intake = Queue::new();
    assert!(intake.open(1), "a new seat can be opened");
    Arc::new(intake)
}

/// The next message that is there; `park` waits for the one after that.
fn next<M>(intake: &Queue<M>, inbox: &mut Inbox<M, ()>, park: &Park) -> Option<M> {
    loop {
        if let Some(Event::Message(message)) = inbox.pop() {
            intake.note_handled(1);
            return Some(message);
        }
        if intake.exchange(inbox.spare(), Some(park.waker())) == Exchange::Empty {
            return None;
        }
    }
}

#[test]
fn a_message_that_was_taken_back_is_counted_once_and_never_received() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("timer_taken_back/cancel", move || {
        let (drops, intake) = (Drops::new(), live::<Tracked<u8>>());
        let timed = Arc::new(Timed::once(Ref::new(0, 1), drops.track(1)));
        let node = loom::thread::spawn({
            let (intake, timed) = (Arc::clone(&intake), Arc::clone(&timed));
            move || assert_eq!(intake.push_timed(1, &timed).ok().map(|_| ()), Some(()), "the process lives")
        });
        let (mut inbox, park) = (Inbox::new(), Park::new());
        let received = next(&intake, &mut inbox, &park).is_some();
        let was_queued = match timed.stop() {
            Stopped::Early(message) => {
                assert!(message.is_some(), "one that is due once has its message");
                false
            }
            Stopped::Queued(message) => {
                intake.bury(message.expect("one that is due once has its message"), Dropped::Timer);
                true
            }
            Stopped::Over => false,
        };
        node.join().expect("the node asserts nothing");
        assert!(next(&intake, &mut inbox, &park).is_none(), "nothing comes of it any more");
        assert_eq!((drops.count(), intake.depth()), (1, 0), "it ended once, and does not count as waiting");
        outcomes.note((received, was_queued));
    });
    let all = [(true, false), (false, true), (false, false)];
    assert!(all.iter().all(|outcome| reached.has(outcome)), "too late, in the queue, and in time");
}

#[test]
fn an_interval_goes_on_and_its_receiver_is_woken_for_each_tick_that_is_queued() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("timer_taken_back/ticks", move || {
        let intake = live::<u8>();
        let mut made = 0;
        let ticks = Arc::new(Timed::ticks(Ref::new(0, 1), move || {
            made += 1;
            made
        }));
        let node = loom::thread::spawn({
            let (intake, ticks) = (Arc::clone(&intake), Arc::clone(&ticks));
            move || assert!((0..2).all(|_| intake.push_timed(1, &ticks) == Ok(true)), "it goes on")
        });
        let (mut inbox, park) = (Inbox::new(), Park::new());
        let first = loop {
            match next(&intake, &mut inbox, &park) {
                Some(tick) => break tick,
                None => park.wait(),
            }
        };
        node.join().expect("an interval goes on");
        let second = next(&intake, &mut inbox, &park);
        assert_eq!((first, intake.depth()), (1, 0), "they are made in their order, and none is left");
        outcomes.note(second);
    });
    assert!(reached.has(&Some(2)) && reached.has(&None), "the second one is queued, and missed");
}
