//! Models of a monitor that is taken back, with its notice, while its target dies (OTP: C6, C7).
//!
//! Modelled: the notice on its way, in the intake, walked, or passed by a selective receive. Not modelled: several
//! monitors of one target, which share nothing but the map. Bound: 2 threads, 2 preemptions. Invariants: a notice takes
//! its row (`life.rs`); a row is taken once (`watching.rs`). Executions at last change: 32 and 39 in 0.01 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, model, node};
use freeboard_process::{Context, Event, ExitReason};
use std::{future::poll_fn, task::Poll, time::Duration};

/// Where the notice may have got to when the monitor is taken back.
#[derive(Clone, Copy)]
enum Reach {
    /// The intake.
    Intake,
    /// Also the process's own inbox, past which a selective receive has looked.
    Inbox,
}

fn no_down(name: &str, reach: Reach) {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (node, spawned) = node();
        let (drops, seen, flushed) = (Drops::new(), Log::new(), Log::new());
        let held = drops.track(());
        let target = node.spawn(async move |_: Context<()>| {
            drop(held);
            Err(ExitReason::Shutdown)
        });
        let ending = Driver::new(spawned.one());
        node.spawn({
            let (seen, flushed) = (seen.clone(), flushed.clone());
            async move |mut cx: Context<Tracked<()>>| {
                let monitor = cx.monitor(&target);
                yield_once().await;
                if matches!(reach, Reach::Inbox) {
                    let message = cx.recv_message().after(Duration::ZERO).await;
                    drop(message);
                }
                flushed.push(!cx.demonitor_flush(monitor));
                loop {
                    seen.push(match cx.recv().await {
                        Event::Down(_) => "down",
                        _ => "something else",
                    });
                }
            }
        });
        let mut watcher = Driver::new(spawned.one());
        assert!(!watcher.poll(), "its monitor is under way, and it waits");
        let watching = loom::thread::spawn(move || {
            watcher.poll();
            watcher
        });
        ending.run();
        let mut watcher = watching.join().expect("the watcher's thread asserts nothing");
        watcher.poll();
        assert_eq!(flushed.entries().len(), 1, "the monitor was taken back");
        assert_eq!(seen.entries(), [""; 0], "once demonitor_flush has returned, no Down is received");
        assert_eq!(drops.count(), 1, "what the target held is dropped");
        outcomes.note(flushed.entries()[0]);
    });
    assert_eq!(reached.entries().len(), 2, "the Down comes before and after the demonitor: {:?}", reached.entries());
}

/// Gives way without a wake: the model polls again.
async fn yield_once() {
    let mut first = true;
    poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

#[test]
fn the_notice_is_on_its_way_or_in_the_intake() {
    no_down("demonitor_flush/intake", Reach::Intake);
}

#[test]
fn the_notice_is_on_its_way_or_was_passed_by_a_selective_receive() {
    no_down("demonitor_flush/inbox", Reach::Inbox);
}
