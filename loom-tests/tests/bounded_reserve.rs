//! Models of room in a bounded mailbox: permits, senders that wait, and the receiver that makes room.
//!
//! Modelled: one sender that waits in line, against one that reserves and gives up and against the receiver; two that
//! wait, against the receiver, which drains the mailbox. Not modelled: policies other than a capacity, which change what
//! happens under one lock only (`mailbox/tests/it/policies.rs`); the end of the seat (`close_send_permit`).
//! Bound: 3 threads, 2 preemptions. Invariants: R1 to R4 of `room.rs`, L2 of `limits.rs`.
//! Executions at last change: 274 and 352 in 0.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Log, Park, Tracked, model};
use freeboard_mailbox::{Chunks, Entry, Event, Exchange, Intake, Policy, Refused, Ticket};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

type Queue = Intake<Tracked<&'static str>, ()>;

/// A live seat with room for one message. Nothing here depends on time.
#[expect(clippy::disallowed_methods, reason = "an Instant can only be made by the real clock; it is read once")]
fn room_for_one() -> Arc<Queue> {
    let intake = Queue::new();
    let now = Instant::now();
    intake.limit(Policy::bounded(1), move || now).expect("the policy is a good one");
    assert!(intake.open(1), "a new seat can be opened");
    Arc::new(intake)
}

/// Waits for room; then holds a permit, unless the mailbox drains.
fn wait_for_room(intake: &Queue) -> Result<(), Refused> {
    let (park, mut ticket) = (Park::new(), Ticket::new());
    loop {
        match intake.poll_room(&mut ticket, park.waker()) {
            Poll::Ready(room) => return room,
            Poll::Pending => park.wait(),
        }
    }
}

/// Waits for the next message and takes it; `None` when the mailbox is drained.
fn receive(intake: &Queue, park: &Park) -> Option<&'static str> {
    let mut buffer = Chunks::default();
    loop {
        match intake.exchange(&mut buffer, Some(park.waker())) {
            Exchange::Fresh(0) => break,
            Exchange::Empty => park.wait(),
            Exchange::Drained => return None,
            other => panic!("nobody sent a signal and nothing is dropped: {other:?}"),
        }
    }
    let Some(Entry::Event(Event::Message(message))) = buffer.pop() else { panic!("nobody sent a signal") };
    assert!(buffer.is_empty(), "one entry at a time");
    intake.note_handled(1);
    intake.settle(0);
    Some(*message)
}

#[test]
fn room_is_neither_lost_nor_doubled() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("bounded_reserve/give_up", move || {
        let (drops, intake) = (Drops::new(), room_for_one());
        intake.push(drops.track("first")).expect("there is room");
        let waits = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || {
                wait_for_room(&intake).expect("the seat stays open");
                intake.push_reserved(drops.track("second")).expect("there is a permit");
            }
        });
        let changes_its_mind = loom::thread::spawn({
            let intake = Arc::clone(&intake);
            move || {
                let reserved = intake.try_reserve().is_ok();
                if reserved {
                    intake.give_up_room();
                }
                reserved
            }
        });
        let park = Park::new();
        assert_eq!(receive(&intake, &park), Some("first"), "the oldest comes first");
        assert_eq!(receive(&intake, &park), Some("second"), "who waits gets room, whoever else wants it");
        waits.join().expect("the sender's assertion failed");
        outcomes.note(changes_its_mind.join().expect("the other's assertion failed"));
        assert!(intake.try_reserve().is_ok(), "all room is free again");
        assert!(matches!(intake.try_reserve(), Err(Refused::Full)), "and there is as much as there was");
        assert_eq!((drops.count(), intake.depth()), (2, 0), "each message was received once");
    });
    assert!(reached.has(&true) && reached.has(&false), "the other one gets room in some orders only");
}

#[test]
fn a_mailbox_that_drains_ends_for_everybody() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("bounded_reserve/drain", move || {
        let (drops, intake) = (Drops::new(), room_for_one());
        intake.push(drops.track("first")).expect("there is room");
        let waits = ["a", "b"].map(|name| {
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            loom::thread::spawn(move || match wait_for_room(&intake) {
                Ok(()) => {
                    intake.push_reserved(drops.track(name)).expect("a permit stays good");
                    true
                }
                Err(why) => {
                    assert!(matches!(why, Refused::Draining), "nothing else refuses it: {why}");
                    false
                }
            })
        });
        let park = Park::new();
        assert_eq!(receive(&intake, &park), Some("first"), "the oldest comes first");
        assert!(intake.drain(), "the seat is live");
        let mut received = 0;
        while receive(&intake, &park).is_some() {
            received += 1;
        }
        let sent = waits.map(|sender| sender.join().expect("a sender's assertion failed"));
        let sent = sent.into_iter().filter(|sent| *sent).count();
        assert_eq!(received, sent, "whoever had room was received");
        assert!(sent <= 1, "who has no room when the drain begins gets none");
        assert!(intake.is_drained(), "nothing comes afterwards");
        outcomes.note(sent);
    });
    assert!((0..=1).all(|sent| reached.has(&sent)), "room comes before and after the drain: {:?}", reached.entries());
}
