//! Models of a mailbox that gets its policy while messages are being pushed (`Intake::limit`).
//!
//! Modelled: a sender with two messages against the limiter, who takes out what is queued to judge it outside the lock; a
//! policy that rejects what finds no room, and one that lets the newest drop the oldest; a mailbox that had rules before.
//! Not modelled: a second policy, and one that comes after the start, which are refused under the lock
//! (`mailbox/tests/it/policies.rs`). Bound: 2 threads, 2 preemptions. Invariants: L1 to L3 of `limits.rs`; the order of one
//! sender (OTP: D1). Executions at last change: 14, 26, 14 and 14 in 0.02 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Log, Park, Tracked, model};
use freeboard_mailbox::{Chunks, Entry, Event, Exchange, Intake, Policy};
use std::sync::Arc;
use std::time::Instant;

type Queue = Intake<Tracked<u8>, ()>;

#[expect(clippy::disallowed_methods, reason = "an Instant can only be made by the real clock; it is read once")]
fn limit(intake: &Queue, policy: Policy<Tracked<u8>>) {
    let now = Instant::now();
    intake.limit(policy, move || now).expect("the policy is a good one and comes before the start");
}

/// Everything that can be received, in order.
fn receive_all(intake: &Queue) -> Vec<u8> {
    let (park, mut got, mut buffer) = (Park::new(), Vec::new(), Chunks::default());
    while let Exchange::Fresh(0) = intake.exchange(&mut buffer, Some(park.waker())) {
        while let Some(entry) = buffer.pop() {
            let Entry::Event(Event::Message(message)) = entry else { panic!("nobody sent a signal") };
            got.push(*message);
        }
        intake.note_handled(1);
        intake.settle(0);
    }
    got
}

/// What the mailbox was before it got its policy.
#[derive(Clone, Copy)]
enum Before {
    Plain,
    /// A permit was asked for and given up: there are rules, and no policy.
    Reserved,
}

/// One message waits, two are pushed while the policy comes. Answers what was received in which executions.
fn none_is_lost(name: &str, before: Before, policy: fn() -> Policy<Tracked<u8>>) -> Log<Vec<u8>> {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (drops, intake) = (Drops::new(), Arc::new(Queue::new()));
        intake.push(drops.track(1)).expect("there is no limit yet");
        if matches!(before, Before::Reserved) {
            intake.try_reserve().expect("there is no limit yet");
            intake.give_up_room();
        }
        let sender = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || [2, 3].into_iter().filter(|number| intake.push(drops.track(*number)).is_err()).collect::<Vec<u8>>()
        });
        limit(&intake, policy());
        let refused = sender.join().expect("the sender asserts nothing");
        assert!(intake.open(1), "a new seat can be opened");
        let dropped = drops.count() - refused.len();
        let received = receive_all(&intake);
        assert!(received.is_sorted(), "in the order in which they were sent: {received:?}");
        let numbers: Vec<u8> = [1, 2, 3].into_iter().filter(|n| received.contains(n) != refused.contains(n)).collect();
        assert_eq!(
            numbers.len() + dropped,
            3,
            "received once, refused once, or dropped once: {received:?}, {refused:?}"
        );
        assert_eq!(received.len() + refused.len() + dropped, 3, "and nothing twice: {received:?}");
        assert_eq!(drops.count(), 3, "each message was dropped once");
        assert_eq!(intake.depth(), 0, "the books agree");
        outcomes.note(received);
    });
    reached
}

#[test]
fn a_policy_with_room_for_all_keeps_all() {
    let reached = none_is_lost("limit_push/room", Before::Plain, || Policy::bounded(3).drop_oldest());
    assert_eq!(reached.entries(), [[1, 2, 3]], "there is room");
}

#[test]
fn a_policy_for_a_mailbox_that_had_rules_keeps_all() {
    let reached = none_is_lost("limit_push/reserved", Before::Reserved, || Policy::bounded(3).drop_oldest());
    assert_eq!(reached.entries(), [[1, 2, 3]], "there is room");
}

#[test]
fn a_policy_that_drops_the_oldest_keeps_the_newest() {
    let reached = none_is_lost("limit_push/oldest", Before::Plain, || Policy::bounded(2).drop_oldest());
    assert_eq!(reached.entries(), [[2, 3]], "whether the policy judges the oldest before or after the others come");
}

#[test]
fn a_bound_refuses_what_comes_after_it() {
    let reached = none_is_lost("limit_push/bound", Before::Plain, || Policy::bounded(2));
    assert!(reached.has(&vec![1, 2]), "the last one comes too late: {:?}", reached.entries());
}
