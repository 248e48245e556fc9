//! Models of a monitor that is taken back, with its notice, while its target dies (OTP: C6, C7).
//!
//! Modelled: the notice on its way, in the intake, walked, or passed by a selective receive; and just being walked by the
//! task, while the context is in another thread. Not modelled: several monitors of one target, which share nothing but the
//! map. Bound: 3 threads, 2 preemptions. Invariants: a notice takes its row (`life.rs`); a row is taken once
//! (`watching.rs`); I5 of `intake.rs`. Executions at last change: 32, 39, 75 and 262 in 0.03 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, block_on, model, node};
use freeboard_mailbox::sync::Mutex;
use freeboard_process::{Context, Event, ExitReason, MonitorOptions};
use std::{
    future::{pending, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

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

/// The task walks the notice while the context, in another thread, takes the monitor back.
fn no_down_elsewhere(name: &str, options: MonitorOptions) {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (node, spawned) = node();
        let target = node.spawn(async |_: Context<()>| Err(ExitReason::Shutdown));
        let ending = Driver::new(spawned.one());
        let slot = Arc::new(Mutex::new(None));
        let (lend, options) = (Arc::clone(&slot), options.clone());
        let addr = node.spawn(async move |mut cx: Context<()>| {
            let monitor = cx.monitor_with(&target, &options);
            *lend.lock() = Some((cx, monitor));
            pending().await
        });
        let mut owner = Driver::new(spawned.one());
        owner.poll();
        ending.run();
        let (mut cx, monitor) = slot.lock().take().expect("the first poll lends it");
        let receiver = loom::thread::spawn(move || {
            let flushed = !cx.demonitor_flush(monitor);
            addr.cast(());
            let heard = block_on(cx.recv());
            addr.kill();
            (flushed, matches!(heard, Event::Message(())))
        });
        owner.run();
        let (flushed, undisturbed) = receiver.join().expect("the receiver asserts nothing");
        assert!(undisturbed, "once demonitor_flush has returned, no Down is received");
        outcomes.note(flushed);
    });
    assert_eq!(
        reached.entries().len(),
        2,
        "the Down is walked before and after the demonitor: {:?}",
        reached.entries()
    );
}

#[test]
fn the_notice_is_just_being_walked() {
    no_down_elsewhere("demonitor_flush/walked", MonitorOptions::new());
}

#[test]
fn the_notice_is_just_being_walked_and_goes_ahead() {
    no_down_elsewhere("demonitor_flush/ahead", MonitorOptions::new().priority());
}
