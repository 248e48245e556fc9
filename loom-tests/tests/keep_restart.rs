//! Models of a kept queue: a message that is sent while its receiver crashes and is started again is received once, in order.
//!
//! Modelled: a sender against the close, the sorting, the way back and the next start; the same against the moment at which
//! the queue is given up. Both kinds of queue. Not modelled: the exit protocol around it, which runs in one task; entries
//! that do not survive. Bound: 3 threads, 2 preemptions, chunks of 2.
//! Invariants: V1 and V3 of `intake/vacancy.rs`, I4 of `intake.rs`. Executions at last change: 188, 45 and 158 in 0.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Log, Tracked, model};
use freeboard_mailbox::{Entry, Event, Exchange, Inbox, Intake, Kept, Leftover, Policy, Queue, Refused};
use std::sync::Arc;
use std::time::Instant;

type Mailbox = Intake<Tracked<u8>, ()>;

#[expect(clippy::disallowed_methods, reason = "an Instant can only be made by the real clock; it is read once")]
fn mailbox(policed: bool) -> Arc<Mailbox> {
    let intake = Mailbox::new();
    let now = Instant::now();
    if policed {
        intake.limit(Policy::bounded(8), move || now).expect("the policy is a good one");
    }
    intake.set_queue(Queue::keep());
    assert!(intake.open(1), "a new seat can be opened");
    Arc::new(intake)
}

/// Receives what is there, up to so many.
fn receive(intake: &Mailbox, inbox: &mut Inbox<Tracked<u8>, ()>, max: usize) -> Vec<u8> {
    let mut numbers = Vec::new();
    while numbers.len() < max {
        match inbox.pop() {
            Some(event) => numbers.push(*event.message().expect("nobody sent a notice")),
            None if matches!(intake.exchange(inbox.spare(), None), Exchange::Empty) => break,
            None => {}
        }
        if intake.is_policed() {
            intake.settle(inbox.held());
        }
    }
    numbers
}

fn sorted(mut left: Leftover<Tracked<u8>, ()>) -> Kept<Tracked<u8>, ()> {
    let mut kept = Kept::default();
    while let Some(entry) = left.take_next() {
        let Entry::Event(Event::Message(message)) = entry else { panic!("nobody sent anything else") };
        kept.push(message, None);
    }
    kept
}

fn once_and_in_order(name: &str, policed: bool) {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (drops, intake) = (Drops::new(), mailbox(policed));
        let sender = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || {
                for number in 0..3 {
                    intake.push(drops.track(number)).expect("a kept queue takes everything");
                }
            }
        });
        // The first incarnation takes one, at most, and crashes.
        let mut inbox = Inbox::new();
        let taken = receive(&intake, &mut inbox, 1);
        assert!(intake.give_back(1, inbox).is_none(), "it still lives");
        let kept = sorted(intake.close(None));
        let came_back = kept.len();
        intake.restore(1, kept, None).expect("nobody else ends the wait");
        assert!(intake.open(2), "a vacant seat can be opened");
        let mut inbox = Inbox::new();
        let early = receive(&intake, &mut inbox, 3);
        sender.join().expect("the sender's assertion failed");
        let late = receive(&intake, &mut inbox, 3);
        assert_eq!([taken.as_slice(), &early, &late].concat(), [0, 1, 2], "each message once, in order");
        assert_eq!(drops.count(), 3, "no message is lost");
        outcomes.note((taken.len(), came_back));
    });
    let reached = reached.entries();
    for case in [(0, 0), (1, 0), (1, 1), (1, 2), (0, 3)] {
        assert!(reached.contains(&case), "the crash comes at every place, {case:?} too: {reached:?}");
    }
}

#[test]
fn each_message_is_received_once_by_one_of_the_two() {
    once_and_in_order("keep_restart/plain", false);
}

#[test]
fn with_a_policy_too() {
    once_and_in_order("keep_restart/policed", true);
}

#[test]
fn a_queue_that_is_given_up_is_dropped_once_and_what_comes_later_is_refused() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("keep_restart/expiry", move || {
        let (drops, intake) = (Drops::new(), mailbox(false));
        intake.push(drops.track(0)).expect("somebody lives there");
        let kept = sorted(intake.close(None));
        let expiry = loom::thread::spawn({
            let intake = Arc::clone(&intake);
            move || intake.give_up_queue(1).map(|left| sorted(left).len())
        });
        let sender = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || match intake.push(drops.track(1)) {
                Ok(()) => true,
                Err(refused) => {
                    assert!(matches!(refused.why, Refused::Vacant), "a restart is due");
                    false
                }
            }
        });
        let too_late = intake.restore(1, kept, None).is_err();
        let accepted = sender.join().expect("the sender's assertion failed");
        let dropped = expiry.join().expect("the timer asserts nothing").expect("nobody lives there yet");
        assert_eq!(dropped, usize::from(!too_late) + usize::from(accepted), "all that was there is given up");
        assert!(intake.open(2), "a vacant seat can be opened");
        assert_eq!(receive(&intake, &mut Inbox::new(), 3), [], "the next one begins with nothing");
        assert_eq!((drops.count(), intake.depth()), (2, 0), "each message is dropped once");
        outcomes.note((too_late, accepted));
    });
    assert!([(true, false), (false, false), (false, true)].iter().all(|case| reached.has(case)), "{reached:?}");
}
