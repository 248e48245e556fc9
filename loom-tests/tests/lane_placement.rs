//! Models of the lane: what one sender sends with priority goes ahead of what waits, and nothing else changes its place.
//!
//! Modelled: one sender, the process's task, which walks and takes the priority entries out, and a receiver outside of that
//! task. Not modelled: whether an alias holds (`process`); marks (`marker`). Bound: 3 threads, 2 preemptions, chunks of 2.
//! Invariants: I5 of `intake.rs`; priority entries come in their order, ahead of everything that was sent after them, and
//! ahead of all that waits when they are put ahead (OTP: E15); ordinary ones come in their order (OTP: D1).
//! Executions at last change: 2,288 in 0.5 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Log, Park, Tracked, model};
use freeboard_mailbox::{Aliased, Entry, Event, Exchange, Inbox, Intake};
use freeboard_signal::Ref;
use std::{mem, sync::Arc};

type Queue = Intake<Tracked<&'static str>, ()>;

/// What the process's own task does. Answers how many priority entries it took out.
fn walk(intake: &Queue) -> usize {
    let Some(mut buffer) = intake.take_fresh() else { return 0 };
    let mut ahead = Vec::new();
    for entry in buffer.iter_mut() {
        if let Entry::Aliased(_) = entry {
            ahead.push(mem::replace(entry, Entry::Gone));
        }
    }
    let found = ahead.len();
    intake.stage_ahead(ahead);
    intake.stage(buffer);
    found
}

#[test]
fn priority_entries_overtake_what_waits_and_keep_their_order() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("lane_placement", move || {
        let drops = Drops::new();
        let (intake, mut inbox, park) = (Arc::new(Queue::new()), Inbox::new(), Park::new());
        assert!(intake.open(1), "a new seat can be opened");
        let sender = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || {
                let ordinary = |name| intake.push(drops.track(name)).expect("the seat is open");
                let priority = |name| {
                    let message = Aliased { alias: Ref::new(0, 1), ahead: true, message: drops.track(name) };
                    intake.push_aliased(1, Box::new(message)).expect("the incarnation is live");
                };
                ordinary("first");
                priority("urgent");
                ordinary("second");
                priority("also urgent");
            }
        });
        let task = loom::thread::spawn({
            let intake = Arc::clone(&intake);
            move || {
                let own = Park::new();
                intake.register_task(own.waker());
                let mut walked = walk(&intake);
                while walked < 2 {
                    own.wait();
                    walked += walk(&intake);
                }
            }
        });
        let mut got = Vec::new();
        while got.len() < 4 {
            let ahead = intake.take_ahead();
            let put = !ahead.is_empty();
            inbox.put_ahead(ahead);
            match inbox.pop() {
                Some(Event::Message(message)) => {
                    assert!(!put || message.ends_with("urgent"), "{} came before what was put ahead", *message);
                    got.push(*message);
                }
                Some(other) => panic!("nobody sent a notice: {other:?}"),
                None => match intake.exchange_walked(1, inbox.spare(), Some(park.waker())) {
                    Exchange::Walked | Exchange::Fresh(0) => {}
                    _ => park.wait(),
                },
            }
        }
        sender.join().expect("the sender's assertion failed");
        task.join().expect("the task's assertion failed");
        drop(intake.close(None));
        let place = |name| got.iter().position(|message| *message == name).expect("it was received");
        assert!(place("first") < place("second"), "ordinary ones in their order: {got:?}");
        assert!(place("urgent") < place("also urgent"), "priority ones in their order: {got:?}");
        assert!(place("urgent") < place("second"), "not overtaken by what came after it: {got:?}");
        assert_eq!(drops.count(), 4, "each message was received once");
        outcomes.note(place("urgent"));
    });
    assert!(
        reached.has(&0) && reached.has(&1),
        "it overtakes the first one, or comes too late: {:?}",
        reached.entries()
    );
}
