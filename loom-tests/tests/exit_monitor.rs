//! Models of a process's end against a monitor that is being made: exactly one Down, with a true reason (OTP: C2, C3).
//!
//! Modelled: a target whose body returns, or whose task is dropped, against a watcher's own task. Not modelled: batches of
//! the exit protocol, which run in one task; the watcher's death, whose rows nobody reads. Bound: 2 threads, 2 preemptions.
//! Invariants: I3 and I4 of `intake.rs`; a queued monitor is told the true reason, a later one noproc (`exit.rs`).
//! Executions at last change: 19 and 13 in 0.01 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, model, node};
use freeboard_process::{Context, Event, ExitReason};

/// How the target ends.
#[derive(Clone, Copy)]
enum End {
    /// Its body returns.
    Returns,
    /// Its task is dropped, as when a runtime goes away.
    TaskDropped,
}

fn one_down(name: &str, end: End) {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (node, spawned) = node();
        let (drops, seen) = (Drops::new(), Log::new());
        let held = drops.track(());
        let target = node.spawn(async move |_: Context<Tracked<()>>| {
            drop(held);
            Err(ExitReason::Shutdown)
        });
        let ending = Driver::new(spawned.one());
        node.spawn({
            let seen = seen.clone();
            async move |mut cx: Context<()>| {
                let monitor = cx.monitor(&target);
                loop {
                    seen.push(match cx.recv().await {
                        Event::Down(down) if down.monitor == monitor => match down.reason {
                            ExitReason::Shutdown | ExitReason::ShutdownWith(_) => "down with the reason",
                            ExitReason::NoProc => "down with noproc",
                            _ => "down with an untrue reason",
                        },
                        _ => "something else",
                    });
                }
            }
        });
        let watcher = Driver::new(spawned.one());
        let watching = watcher.watch_elsewhere(&seen);
        match end {
            End::Returns => ending.run(),
            End::TaskDropped => drop(ending),
        }
        let mut watcher = watching.join().expect("the watcher's thread asserts nothing");
        watcher.poll();
        let seen = seen.entries();
        assert!(
            seen == ["down with the reason"] || seen == ["down with noproc"],
            "exactly one Down, with the true reason or noproc: {seen:?}"
        );
        assert_eq!(drops.count(), 1, "what the target held is dropped");
        outcomes.note(seen[0]);
    });
    assert_eq!(reached.entries().len(), 2, "the monitor comes before and after the end: {:?}", reached.entries());
}

#[test]
fn a_process_that_returns() {
    one_down("exit_monitor/return", End::Returns);
}

#[test]
fn a_process_whose_task_is_dropped() {
    one_down("exit_monitor/drop", End::TaskDropped);
}
