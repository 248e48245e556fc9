//! Models of a start run by its caller against the end of the supervisor (OTP: A10).
//!
//! Modelled: starter, supervisor and child as whole tasks on three threads; a stop and a kill; a child that is asked to
//! end, and one that traps exits and is to be killed. Not modelled: restarts of the child, which the supervisor's own task
//! orders; deadlines, as no clock runs here. Bound: 3 threads, 2 preemptions, one shard, pages of 2. Invariants: T1, T2 and
//! T3 of `table.rs`. Executions at last change: 2,700 for each stop, 868 and 952 for
//! the kills, in 1.4 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, block_on, model, node};
use freeboard_process::{Context, ExitReason, StartError};
use freeboard_supervisor::{DynamicRef, DynamicSupervisor, Restart, Shutdown, child_fn};
use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, Waker},
};

/// Polls once, without a wake.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

fn nobody_survives(name: &str, end: fn(&DynamicRef), shutdown: Shutdown, restart: Restart, traps: bool) {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (node, spawned) = node();
        let drops = Drops::new();
        let (supervisor, process) = {
            let mut start = pin!(DynamicSupervisor::new().start(&node));
            assert!(poll_once(start.as_mut()).is_pending(), "its process did not run yet");
            let mut process = Driver::new(spawned.one());
            assert!(!process.poll(), "it is up, and waits");
            let Poll::Ready(Ok(handle)) = poll_once(start) else { panic!("the supervisor is up") };
            (handle, process)
        };
        let argument = Arc::new(drops.track(()));
        let spec = child_fn(move |mut cx: Context<()>| {
            let held = Arc::clone(&argument);
            async move {
                cx.trap_exit(traps);
                // A child that traps receives nothing here; only a kill ends it.
                pending::<()>().await;
                drop(held);
                Ok(())
            }
        });
        let spec = spec.shutdown(shutdown).restart(restart);
        let child = spec.addr();
        let ending = loom::thread::spawn({
            let supervisor = supervisor.clone();
            move || {
                end(&supervisor);
                process.run();
            }
        });
        let worker = loom::thread::spawn({
            let spawned = spawned.clone();
            move || spawned.work()
        });
        let answer = block_on(supervisor.start_child(spec));
        spawned.finish();
        ending.join().expect("the supervisor's thread asserts nothing");
        worker.join().expect("the child's thread asserts nothing");
        let answer = match answer {
            Ok(started) => {
                assert!(started == child, "the handle is the spec's own address");
                "started"
            }
            Err(StartError::ShuttingDown | StartError::SupervisorDown(_)) => "refused",
            Err(other) => panic!("the caller hears of the supervisor's end, not {other}"),
        };
        assert!(child.ended().is_some() && child.pid().is_none(), "no child survives its supervisor ({answer})");
        assert_eq!(supervisor.tracked(), 0, "each row that entered has left");
        assert!(supervisor.pid().is_none(), "the supervisor is gone");
        drop(supervisor);
        assert_eq!(drops.count(), 1, "nothing of the spec is kept");
        outcomes.note(answer);
    });
    assert_eq!(reached.entries().len(), 2, "the end comes before and after the start: {:?}", reached.entries());
}

fn stop(supervisor: &DynamicRef) {
    // The request is sent by the first poll; dropping the future does not stop the stopping.
    assert!(poll_once(pin!(supervisor.stop(ExitReason::Shutdown))).is_pending(), "the answer is the end itself");
}

#[test]
fn a_stop() {
    nobody_survives("start_shutdown/stop", stop, Shutdown::Infinity, Restart::Permanent, false);
}

#[test]
fn a_kill() {
    nobody_survives("start_shutdown/kill", DynamicRef::kill, Shutdown::Infinity, Restart::Permanent, false);
}

#[test]
fn a_kill_while_a_temporary_child_starts() {
    nobody_survives("start_shutdown/temporary", DynamicRef::kill, Shutdown::Infinity, Restart::Temporary, false);
}

#[test]
fn a_stop_of_a_child_that_must_be_killed() {
    nobody_survives("start_shutdown/brutal", stop, Shutdown::BrutalKill, Restart::Permanent, true);
}
