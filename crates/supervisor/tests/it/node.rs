//! What a node means for its supervisors: its shutdown stops trees in their order, its limits hold for children too.

use crate::support::{Gauge, Init, Manner, outcome, probe, quiet, worker};
use freeboard_process::{ExitReason, Node, RunError, Sim};
use freeboard_supervisor::DynamicSupervisor;
use std::{sync::Arc, task::Poll, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

// OTP: H11, F27
#[test]
fn a_shutdown_of_the_node_stops_a_tree_from_below() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let spec = |manner| probe(&gauge, manner, |_| Init::Up).shutdown(3 * SECOND);
            sup.start_child(spec(Manner::Slow(2 * SECOND))).await.unwrap();
            sup.start_child(spec(Manner::Never)).await.unwrap();
            let nested = sup.start_child(DynamicSupervisor::new()).await.unwrap();
            nested.start_child(spec(Manner::Slow(SECOND))).await.unwrap();
            let start = node.now();
            let report = node.shutdown(60 * SECOND).await;
            // The one that never ends is its supervisor's to kill, after the time that its spec gives it.
            assert_eq!((report.ended, report.killed, report.left), (5, 0, 0));
            assert_eq!(node.now() - start, 3 * SECOND);
            assert_eq!((gauge.now(), sup.tracked(), nested.tracked()), (0, 0, 0));
        });
    }
}

#[test]
fn a_node_that_shuts_down_starts_and_restarts_no_child() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(1_000, SECOND).start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            for _ in 0..10 {
                sup.start_child(probe(&gauge, Manner::Breaks, |_| Init::Up)).await.unwrap();
            }
            let report = node.shutdown(SECOND).await;
            assert_eq!((report.ended, report.killed, report.left, gauge.total()), (11, 0, 0, 10));
            let refused = sup.start_child(worker()).await;
            assert_eq!(outcome(&refused), "down shutdown");
            let late = DynamicSupervisor::new().start(&node).await;
            let why = "init shutdown: the node is shutting down and starts nothing any more";
            assert_eq!(outcome(&late), why);
        });
    }
}

// OTP: F4
#[test]
fn a_child_for_which_the_node_has_no_place_is_a_failed_start_that_leaves_nothing() {
    for seed in 0..50 {
        Sim::seed(seed).run_with(Node::builder().max_processes(2), async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let only = sup.start_child(worker()).await.unwrap();
            let refused = sup.start_child(worker()).await;
            let error = refused.unwrap_err().to_string();
            assert!(
                error.starts_with("the child's init failed: error: the node runs its max_processes of 2"),
                "{error}"
            );
            assert_eq!((sup.tracked(), node.process_count()), (1, 2));
            // A restart finds the place of the incarnation before.
            let before = only.pid();
            only.exit(ExitReason::ShutdownWith("once more".into()));
            while only.pid().is_none() || only.pid() == before {
                crate::support::give_way().await;
            }
            assert_eq!((sup.tracked(), node.process_count()), (1, 2));
        });
    }
}

// OTP: F5
#[test]
fn a_start_takes_no_longer_than_the_node_allows_unless_its_spec_says_otherwise() {
    for seed in 0..20 {
        Sim::seed(seed).run_with(Node::builder().start_timeout(SECOND), async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let takes = |time| probe(&gauge, Manner::Plain, move |_| Init::Takes(time));
            let start = node.now();
            assert_eq!(outcome(&sup.start_child(takes(2 * SECOND)).await), "Timeout");
            assert_eq!(node.now() - start, SECOND);
            sup.start_child(takes(2 * SECOND).start_timeout(3 * SECOND)).await.unwrap();
            assert_eq!((node.now() - start, sup.tracked()), (3 * SECOND, 1));
            quiet(&node).await;
        });
    }
}

// OTP: H6
#[test]
fn a_node_does_not_outlive_a_critical_supervisor_that_has_given_up() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let critical = DynamicSupervisor::new().intensity(0, SECOND);
            let sup = node.start(critical).critical().await.unwrap();
            let other = DynamicSupervisor::new().start(&node).await.unwrap();
            let bystander = other.start_child(worker()).await.unwrap();
            let child = sup.start_child(worker()).await.unwrap();
            child.kill();
            let end = node.run_until(SECOND, |_| Poll::Pending).await;
            let Err(RunError::Failed { reason, report }) = end else { panic!("it must fail: {end:?}") };
            assert_eq!((reason.to_string().as_str(), report.is_orderly()), ("shutdown", true));
            assert!(bystander.pid().is_none());
        });
    }
}
