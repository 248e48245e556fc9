//! Who owns a child while it starts: the supervisor, whatever becomes of the caller; and if the supervisor goes, nobody
//! is left behind.

use crate::support::{
    Caller, Gauge, Init, Manner, Msg, give_way, outcome, poll_once, probe, quiet, stop_later, worker,
};
use freeboard_process::{CallError, ExitReason, Node, Sim};
use freeboard_supervisor::{Counts, DynamicSupervisor, Restart};
use std::{pin::pin, sync::Arc, time::Duration};

/// An `init` that gives way this often.
const STEPS: usize = 6;

// OTP: A10
#[test]
fn a_start_dropped_before_its_first_poll_never_was() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let (before, gauge) = (node.seats(), Arc::<Gauge>::default());
        let spec = probe(&gauge, Manner::Plain, |_| Init::Up);
        let (addr, waiting) = (spec.addr(), spec.addr().request(Msg::Ask));
        drop(sup.start_child(spec));
        assert!(matches!(waiting.await, Err(CallError::NotStarted(ExitReason::NoProc))), "nobody will ever answer");
        quiet(&node).await;
        assert!(addr.ended().is_some());
        assert_eq!((sup.tracked(), gauge.total(), node.seats()), (0, 0, before));
    });
}

/// Polls the start `k` times and drops it, for each `k` until it is through.
// OTP: A10
#[test]
fn a_start_dropped_at_any_poll_leaves_the_child_with_its_supervisor() {
    for seed in 0..50 {
        for k in 1.. {
            let through = Sim::seed(seed).run(async |node: Node| {
                let sup = DynamicSupervisor::new().start(&node).await.unwrap();
                let before = node.seats();
                let spec = probe(&Arc::default(), Manner::Plain, |_| Init::Steps(STEPS));
                let addr = spec.addr();
                let through = {
                    let mut start = pin!(sup.start_child(spec));
                    let mut answer = None;
                    for _ in 0..k {
                        answer = poll_once(start.as_mut()).await;
                        if answer.is_some() {
                            break;
                        }
                        assert_eq!(sup.tracked(), 1, "registered from the first poll on");
                        give_way().await;
                    }
                    answer.is_some()
                };
                quiet(&node).await;
                assert_eq!(sup.count_children(), Counts { specs: 1, active: 1, supervisors: 0, workers: 1 });
                assert_eq!((sup.tracked(), addr.call(Msg::Ask).await.unwrap()), (1, 0), "seed {seed}, k {k}");
                sup.terminate_child(&addr).await.unwrap();
                drop(addr);
                quiet(&node).await;
                assert_eq!((sup.tracked(), node.seats()), (0, before));
                through
            });
            if through {
                break;
            }
        }
    }
}

/// A caller that is itself a process may be killed as well.
// OTP: A10
#[test]
fn a_killed_caller_leaves_the_child_with_its_supervisor() {
    for seed in 0..200 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let caller = Caller::new(&node, sup.start_child(probe(&gauge, Manner::Plain, |_| Init::Steps(STEPS))));
            for _ in 0..seed % 20 {
                give_way().await;
            }
            caller.kill();
            quiet(&node).await;
            // It was killed before it asked, or the child is there.
            let counts = sup.count_children();
            assert_eq!((counts.active, sup.tracked(), gauge.now()), (gauge.total(), gauge.total(), gauge.total()));
        });
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Stopped,
    Killed,
}

/// The supervisor is stopped or killed `k` steps into the start, for each `k` until the start is through.
// OTP: G41, A10
#[test]
fn a_supervisor_that_ends_during_a_start_leaves_no_child_behind() {
    for fate in [Fate::Stopped, Fate::Killed] {
        let mut cut_short = 0;
        for seed in 0..50 {
            for k in 0..3 * STEPS {
                for (manner, restart) in
                    [(Manner::Plain, Restart::Permanent), (Manner::Slow(Duration::ZERO), Restart::Temporary)]
                {
                    let answer = end_during_start(seed, fate, k, manner, restart);
                    let allowed = match fate {
                        Fate::Stopped => ["up", "ShuttingDown", "down shutdown: over"],
                        Fate::Killed => ["up", "down killed", "down killed"],
                    };
                    assert!(allowed.contains(&answer.as_str()), "{answer}: seed {seed}, {fate:?} at {k}, {manner:?}");
                    cut_short += usize::from(answer != "up");
                }
            }
        }
        assert!(cut_short > 200, "{cut_short} starts were cut short: the test must hit them");
    }
}

fn end_during_start(seed: u64, fate: Fate, k: usize, manner: Manner, restart: Restart) -> String {
    Sim::seed(seed).run(async |node: Node| {
        let baseline = node.seats();
        let gauge = Arc::<Gauge>::default();
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let spec = probe(&gauge, manner, |_| Init::Steps(STEPS)).restart(restart);
        let addr = spec.addr();
        let start = Caller::new(&node, sup.start_child(spec));
        for _ in 0..k {
            give_way().await;
        }
        match fate {
            Fate::Killed => sup.kill(),
            Fate::Stopped => stop_later(&node, &sup, ExitReason::ShutdownWith("over".into())),
        }
        let answer = outcome(&start.result().await);
        quiet(&node).await;
        assert_eq!((gauge.now(), sup.tracked(), sup.pid()), (0, 0, None), "seed {seed}, {fate:?} at {k}, {manner:?}");
        assert!(addr.ended().is_some(), "seed {seed}, {fate:?} at {k}, {manner:?}");
        drop((addr, sup));
        assert_eq!(node.seats(), baseline, "seed {seed}, {fate:?} at {k}, {manner:?}");
        answer
    })
}

/// Two worker threads, starts and the end of their supervisor at the same time; nothing sleeps, a hand-over ends it.
// OTP: A10, G41
#[test]
fn on_real_threads_every_start_is_answered_and_nobody_is_left() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let node = Node::new();
        for round in 0..40 {
            let baseline = node.seats();
            let gauge = Arc::<Gauge>::default();
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let spec = || probe(&gauge, Manner::Plain, |_| Init::Steps(3));
            let early: Vec<_> = (0..50).map(|_| Caller::new(&node, sup.start_child(spec()))).collect();
            // The end comes when the first of them is up.
            sup.start_child(worker()).await.unwrap();
            let late: Vec<_> = (0..50).map(|_| Caller::new(&node, sup.start_child(spec()))).collect();
            if round % 2 == 0 {
                sup.kill();
            } else {
                sup.stop(ExitReason::Shutdown).await;
            }
            for caller in early.into_iter().chain(late) {
                let answer = outcome(&caller.result().await);
                let allowed = ["up", "ShuttingDown", "down shutdown", "down killed"];
                assert!(allowed.contains(&answer.as_str()), "{answer}");
            }
            // Each turn lets the workers go on; a child that is left makes this run for ever.
            while gauge.now() > 0 || sup.tracked() > 0 || sup.pid().is_some() {
                tokio::task::yield_now().await;
            }
            drop(sup);
            while node.seats() > baseline {
                tokio::task::yield_now().await;
            }
        }
    });
}
