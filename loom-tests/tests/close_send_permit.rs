//! Models of close against permits: a message is refused or left over, and whoever waits for room is told.
//!
//! Modelled: a permit that is used, a send without one, and a sender that waits, against the close of the seat. Not modelled:
//! a mailbox without a policy (`close_send`). Bound: 4 threads, 2 preemptions.
//! Invariants: I4 of `intake.rs`, R3 and R4 of `room.rs`. Executions at last change: 34 and 39 in 0.01 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Log, Park, Tracked, model};
use freeboard_mailbox::{Chunks, Dropped, Entry, Event, Exchange, Intake, Policy, Refused, SendError, Ticket};
use freeboard_signal::ExitReason;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

type Queue = Intake<Tracked<&'static str>, ()>;

/// Room for two messages, one of them reserved.
#[expect(clippy::disallowed_methods, reason = "an Instant can only be made by the real clock; it is read once")]
fn one_permit_out() -> Arc<Queue> {
    let intake = Queue::new();
    let now = Instant::now();
    intake.limit(Policy::bounded(2), move || now).expect("the policy is a good one");
    assert!(intake.open(1), "a new seat can be opened");
    intake.try_reserve().expect("there is room");
    Arc::new(intake)
}

fn outcome(sent: Result<(), SendError<Tracked<&'static str>>>) -> bool {
    let Err(refused) = sent else { return true };
    assert!(matches!(refused.why, Refused::Closed(ExitReason::Killed)), "a refusal carries the reason of the end");
    false
}

/// The messages that the close left over, in order.
fn left_over(intake: &Queue) -> Vec<&'static str> {
    let mut left = intake.close(Some(ExitReason::Killed));
    let mut names = Vec::new();
    while let Some(entry) = left.take_next() {
        let Entry::Event(Event::Message(message)) = entry else { panic!("nobody sent a signal") };
        names.push(*message);
        intake.bury(message, Dropped::Exited);
    }
    names
}

#[test]
fn a_permitted_message_is_refused_or_left_over() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("close_send_permit/push", move || {
        let (drops, intake) = (Drops::new(), one_permit_out());
        let permitted = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || outcome(intake.push_reserved(drops.track("permitted")))
        });
        let plain = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || outcome(intake.push(drops.track("plain")))
        });
        let left = left_over(&intake);
        let accepted = [permitted, plain].map(|sender| sender.join().expect("a sender's assertion failed"));
        for (name, accepted) in ["permitted", "plain"].into_iter().zip(accepted) {
            assert_eq!(left.contains(&name), accepted, "{name}: accepted and left over, or refused");
        }
        let nothing = intake.exchange(&mut Chunks::default(), None);
        assert_eq!(nothing, Exchange::Empty, "nothing is accepted after the close");
        assert_eq!((drops.count(), intake.depth()), (2, 0), "no message is lost or dropped twice");
        outcomes.note(left.len());
    });
    assert!((0..=2).all(|left| reached.has(&left)), "the close comes at every place: {:?}", reached.entries());
}

#[test]
fn a_sender_that_waits_for_room_hears_of_the_end() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("close_send_permit/wait", move || {
        let (drops, intake) = (Drops::new(), one_permit_out());
        intake.push(drops.track("plain")).expect("there is room");
        let waits = loom::thread::spawn({
            let intake = Arc::clone(&intake);
            move || {
                let (park, mut ticket, mut waited) = (Park::new(), Ticket::new(), false);
                loop {
                    match intake.poll_room(&mut ticket, park.waker()) {
                        Poll::Ready(Err(Refused::Closed(ExitReason::Killed))) => return waited,
                        Poll::Ready(other) => panic!("there never is room: {other:?}"),
                        Poll::Pending => park.wait(),
                    }
                    waited = true;
                }
            }
        });
        let permitted = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || outcome(intake.push_reserved(drops.track("permitted")))
        });
        let left = left_over(&intake).len();
        let accepted = permitted.join().expect("the sender's assertion failed");
        assert_eq!(left, 1 + usize::from(accepted), "what was accepted is left over");
        outcomes.note(waits.join().expect("the sender's assertion failed"));
        assert_eq!(drops.count(), 2, "each message is dropped once");
    });
    assert!(reached.has(&true) && reached.has(&false), "the end comes before the wait and after it");
}
