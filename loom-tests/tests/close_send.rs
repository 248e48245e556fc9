//! Models of close against send: a message is refused or accounted for, never both, never neither (OTP: A12, F9).
//!
//! Modelled: two senders against the intake's own close; a call against the whole exit protocol of its process. Not
//! modelled: a vacant seat, whose refusals differ by name only. Bound: 3 threads, 2 preemptions, chunks of 2.
//! Invariants: I4 of `intake.rs`; every observer gets the same reason (`exit.rs`).
//! Executions at last change: 212 and 26 in 0.02 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, block_on, model, node};
use freeboard_mailbox::{Chunks, Entry, Event, Exchange, Intake, Leftover, Refused};
use freeboard_process::{CallError, Context, ExitReason, Reply};
use std::sync::Arc;

type Queue = Intake<Tracked<u8>, ()>;

fn numbers(mut left: Leftover<Tracked<u8>, ()>) -> Vec<u8> {
    let mut numbers = Vec::new();
    while let Some(entry) = left.take_next() {
        let Entry::Event(Event::Message(message)) = entry else { panic!("nobody sent a signal") };
        numbers.push(*message);
    }
    numbers
}

#[test]
fn a_message_is_refused_or_left_over() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("close_send/intake", move || {
        let drops = Drops::new();
        let intake = Arc::new(Queue::new());
        assert!(intake.open(1), "a new seat can be opened");
        let senders = [[1, 2], [3, 4]].map(|numbers| {
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            loom::thread::spawn(move || {
                let refused = numbers.into_iter().filter_map(|number| intake.push(drops.track(number)).err());
                let given_back = |error: freeboard_mailbox::SendError<Tracked<u8>>| {
                    assert!(
                        matches!(error.why, Refused::Closed(ExitReason::Killed)),
                        "a refusal carries the reason of the end"
                    );
                    *error.message
                };
                refused.map(given_back).collect::<Vec<u8>>()
            })
        });
        let left = numbers(intake.close(Some(ExitReason::Killed)));
        let refused = senders.map(|sender| sender.join().expect("a sender's assertion failed"));
        assert_eq!(
            intake.exchange(&mut Chunks::default(), None),
            Exchange::Empty,
            "nothing is accepted after the close"
        );
        for pair in [[1, 2], [3, 4]] {
            let accepted: Vec<u8> = left.iter().copied().filter(|number| pair.contains(number)).collect();
            let back: Vec<u8> = refused.iter().flatten().copied().filter(|number| pair.contains(number)).collect();
            assert_eq!([accepted, back].concat(), pair, "accepted, then refused: each message once, in order");
        }
        assert_eq!(drops.count(), 4, "no message is lost or dropped twice");
        outcomes.note(left.len());
    });
    assert!((0..=4).all(|left| reached.has(&left)), "the close comes at every place: {:?}", reached.entries());
}

#[test]
fn a_caller_hears_the_reason_from_the_queue_or_from_the_closed_seat() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("close_send/call", move || {
        let (node, spawned) = node();
        let drops = Drops::new();
        let addr = node.spawn(async |_: Context<(Tracked<()>, Reply<()>)>| Err(ExitReason::Shutdown));
        let process = Driver::new(spawned.one());
        let caller = loom::thread::spawn({
            let (addr, drops) = (addr.clone(), drops.clone());
            move || {
                let accepted = addr.ended().is_none();
                let answer = block_on(addr.call(|reply| (drops.track(()), reply)).forever());
                (accepted, answer)
            }
        });
        process.run();
        let (accepted, answer) = caller.join().expect("the caller's assertion failed");
        assert!(
            matches!(answer, Err(CallError::Exited(ExitReason::Shutdown))),
            "the caller hears the true reason: {answer:?}"
        );
        assert_eq!(drops.count(), 1, "the request is dropped once");
        outcomes.note(accepted);
    });
    assert!(reached.has(&true) && reached.has(&false), "the end comes before and after the call");
}
