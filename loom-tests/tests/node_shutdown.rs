//! Models of a node's shutdown against a process that starts, or ends, meanwhile.
//!
//! Modelled: the spawn as a whole, the process's task on the spawner's thread, the shutdown's own future on another; one
//! process, alone, with one that ends by itself, or with the one that has asked. Not modelled: the limit and the kill, as no
//! clock runs here; supervisors (`start_shutdown.rs`). Bound: 3 threads, 2 preemptions, pages of 2. Invariants: whoever has entered the census is asked,
//! whoever comes after the mark is refused, the last one to leave wakes the shutdown (`census.rs`). Executions at last
//! change: 87, 77 and 82, in 0.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Log, model, node};
use freeboard_process::{Context, Node, ShutdownReport};
use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    task::{Poll, Waker},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(1);

/// Polls once, without a wake.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

/// Shuts the node down on this thread.
fn shut_down(node: &Node, spawned: &freeboard_loom_tests::Spawned) -> ShutdownReport {
    let mut shutdown = pin!(node.shutdown(LIMIT));
    assert!(poll_once(shutdown.as_mut()).is_pending(), "its future has not run yet");
    Driver::new(spawned.service()).run();
    match poll_once(shutdown) {
        Poll::Ready(report) => report,
        Poll::Pending => panic!("a shutdown that is over has a report"),
    }
}

#[test]
fn a_process_that_starts_meanwhile_is_asked_or_refused() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("node_shutdown/start", move || {
        let (node, spawned) = node();
        let spawner = loom::thread::spawn({
            let (node, spawned) = (node.clone(), spawned.clone());
            move || {
                let process = node.spawn(async |_cx: Context<()>| pending().await);
                spawned.finish();
                // It returns when the process is over: one that is never asked is a deadlock.
                spawned.work();
                process.ended().expect("it is over").to_string()
            }
        });
        let report = shut_down(&node, &spawned);
        let reason = spawner.join().expect("the spawner asserts nothing");
        assert_eq!((report.killed, report.left, node.process_count()), (0, 0, 0), "nobody is left");
        assert_eq!(report.ended, usize::from(reason == "shutdown"), "it is in the report if it has run: {reason}");
        outcomes.note(report.ended);
    });
    assert!(reached.has(&0) && reached.has(&1), "the spawn comes before and after the mark");
}

#[test]
fn a_process_that_ends_meanwhile_is_not_waited_for() {
    model("node_shutdown/end", || {
        let (node, spawned) = node();
        let process = node.spawn(async |_cx: Context<()>| Ok(()));
        let task = Driver::new(spawned.one());
        let runner = loom::thread::spawn(move || task.run());
        let report = shut_down(&node, &spawned);
        runner.join().expect("the process's thread asserts nothing");
        assert!(process.ended().is_some(), "it has ended by itself, or as asked");
        assert_eq!((report.killed, report.left, node.process_count()), (0, 0, 0), "nobody is left");
    });
}

#[test]
fn one_that_asks_and_ends_takes_nobody_else_out_of_the_count() {
    model("node_shutdown/asker", || {
        let (node, spawned) = node();
        let _asker = node.spawn(async |cx: Context<()>| {
            let home = cx.node().clone();
            assert!(poll_once(pin!(home.shutdown(LIMIT))).is_pending(), "its future has not run yet");
            let mut is_later = false;
            poll_fn(|task| {
                task.waker().wake_by_ref();
                if std::mem::replace(&mut is_later, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            Ok(())
        });
        let mut asker = Driver::new(spawned.one());
        let other = node.spawn(async |_cx: Context<()>| pending().await);
        let rest = Driver::new(spawned.one());
        assert!(!asker.poll(), "it has asked, and is there still");
        let shutdown = Driver::new(spawned.service());
        let runner = loom::thread::spawn(move || {
            asker.run();
            rest.run();
        });
        shutdown.run();
        assert!(other.ended().is_some(), "it was waited for");
        runner.join().expect("the processes' thread asserts nothing");
        assert_eq!(node.process_count(), 0, "nobody is left");
    });
}
