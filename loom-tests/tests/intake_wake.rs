//! Models of intake and wake: senders push while the receiver exchanges its buffer and parks.
//!
//! Modelled: two senders with three messages, which cross a boundary of chunks, against a receiver parked by its own waker
//! or by its task's. Not modelled: signals (`send_exit_send`, `kill_elsewhere`); reference counts, which carry no order.
//! Bound: 3 threads, 2 preemptions, chunks of 2. Invariants: I1 of `intake.rs`; the order of one sender (OTP: D1).
//! Executions at last change: 2,563 and 2,563 in 0.5 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Park, Tracked, model};
use freeboard_mailbox::{Chunks, Entry, Event, Exchange, Intake};
use std::sync::Arc;

type Queue = Intake<Tracked<(char, u8)>, ()>;

/// Two senders, three messages: one boundary of chunks is crossed.
fn all_arrive(name: &str, as_task: bool) {
    model(name, move || {
        let drops = Drops::new();
        let intake = Arc::new(Queue::new());
        let park = Park::new();
        if as_task {
            intake.register_task(park.waker());
        }
        let senders = [('a', 2), ('b', 1)].map(|(sender, count)| {
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            loom::thread::spawn(move || {
                for number in 1..=count {
                    intake.push(drops.track((sender, number))).expect("the seat is open");
                }
            })
        });
        let (mut got, mut waits) = (Vec::new(), 0);
        let mut buffer = Chunks::default();
        while got.len() < 3 {
            match intake.exchange(&mut buffer, Some(park.waker())) {
                Exchange::Empty => {
                    waits += 1;
                    park.wait();
                }
                Exchange::Fresh(0) => {
                    while let Some(entry) = buffer.pop() {
                        let Entry::Event(Event::Message(message)) = entry else { panic!("nobody sent a signal") };
                        got.push(*message);
                    }
                }
                other => panic!("nothing was walked and nobody sent a signal: {other:?}"),
            }
        }
        senders.into_iter().for_each(|sender| sender.join().expect("a sender's assertion failed"));
        let from_a: Vec<u8> = got.iter().filter(|(sender, _)| *sender == 'a').map(|(_, number)| *number).collect();
        assert_eq!(from_a, [1, 2], "the messages of one sender arrive in their order, each once");
        assert!(got.contains(&('b', 1)), "the other sender's message arrives");
        assert_eq!(park.wakes(), waits, "one wake per wait, and none for a receiver that does not wait");
        assert_eq!(drops.count(), 3, "each message was dropped once, by its receiver");
        assert_eq!(intake.depth(), 3, "arrivals are counted, one by one");
    });
}

#[test]
fn a_receive_with_a_waker_of_its_own() {
    all_arrive("intake_wake/receive", false);
}

#[test]
fn a_receive_with_the_waker_of_the_task() {
    all_arrive("intake_wake/task", true);
}
