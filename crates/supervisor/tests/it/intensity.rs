//! How many restarts are bearable: the window alone against a model, and the supervisor that gives up.

use crate::hand::{Hand, poll, ready};
use crate::support::{Gauge, Init, Manner, Msg, Watch, broken, deaf, pass, probe, quiet, worker};
use freeboard_process::{Addr, ExitReason, Node, Sim};
use freeboard_supervisor::{DynamicSupervisor, Restart, Window};
use proptest::prelude::*;
use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[expect(clippy::disallowed_methods, reason = "only distances count")]
fn epoch() -> Instant {
    Instant::now()
}

proptest! {
    /// The model forgets nothing: it counts, among all attempts ever made, those that are not older than the period.
    // OTP: G18, G19, H6
    #[test]
    fn the_window_allows_what_counting_everything_allows(
        restarts in 0_u32..6,
        period in 0_u64..12,
        gaps in prop::collection::vec(0_u64..8, 1..80),
    ) {
        let start = epoch();
        let mut window = Window::new(restarts, Duration::from_nanos(period));
        let (mut now, mut all) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            all.push(now);
            let within = all.iter().filter(|&&at| at + period >= now).count();
            let allowed = window.attempt(start + Duration::from_nanos(now));
            prop_assert_eq!(allowed, within <= restarts as usize, "at {} of {:?}", now, all);
        }
    }
}

/// Crashes the child and lets the consequences happen.
async fn crash(node: &Node, addr: &Addr<Msg>) {
    addr.cast(Msg::End(Err(broken())));
    quiet(node).await;
}

// OTP: G18, G23, H6
#[test]
fn exactly_as_many_restarts_as_allowed_are_borne() {
    for seed in 0..10 {
        for allowed in 0..5 {
            Sim::seed(seed).run(async |node: Node| {
                let sup = DynamicSupervisor::new().intensity(allowed, HOUR).start(&node).await.unwrap();
                let (gauge, others) = (Arc::<Gauge>::default(), Arc::<Gauge>::default());
                let addr = sup.start_child(probe(&gauge, Manner::Plain, |_| Init::Up)).await.unwrap();
                // One more that is in another child: the budget is the supervisor's.
                let other = sup.start_child(probe(&others, Manner::Plain, |_| Init::Up)).await.unwrap();
                for crashes in 1..=allowed as usize {
                    crash(&node, &addr).await;
                    assert_eq!((gauge.total(), gauge.now(), sup.tracked()), (1 + crashes, 1, 2), "seed {seed}");
                }
                let end = Watch::on(&node, sup.pid().unwrap()).await;
                crash(&node, &other).await;
                assert_eq!(end.death().await.0, "shutdown", "{allowed} allowed");
                assert_eq!((gauge.now(), others.now(), others.total(), sup.tracked()), (0, 0, 1, 0));
                assert!(addr.ended().is_some() && other.ended().is_some() && sup.pid().is_none());
            });
        }
    }
}

/// When a supervisor gives up, its children get the time that their specs allow them.
// OTP: G23, G33
#[test]
fn giving_up_stops_the_others_in_order() {
    for seed in 0..20 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(0, HOUR).start(&node).await.unwrap();
            let slow = probe(&Arc::default(), Manner::Slow(2 * SECOND), |_| Init::Up).shutdown(3 * SECOND);
            let slow = sup.start_child(slow).await.unwrap();
            let stubborn = sup.start_child(deaf(4 * SECOND)).await.unwrap();
            let (slow, stubborn) = (Watch::on(&node, slow).await, Watch::on(&node, stubborn).await);
            let end = Watch::on(&node, sup.pid().unwrap()).await;
            let addr = sup.start_child(worker()).await.unwrap();
            let begin = node.now();
            addr.cast(Msg::Panic);
            let end = end.death().await;
            assert_eq!((end.0.as_str(), end.1 - begin), ("shutdown", 4 * SECOND));
            assert_eq!(slow.death().await, ("shutdown".to_owned(), begin + 2 * SECOND));
            assert_eq!(stubborn.death().await, ("killed".to_owned(), begin + 4 * SECOND));
        });
    }
}

/// DEV-13: the edge is exact to the nanosecond, and an age of exactly one period still counts.
// OTP: G19
#[test]
fn an_attempt_exactly_one_period_old_still_counts() {
    for seed in 0..20 {
        for (late, alive) in [(0, false), (1, true)] {
            Sim::seed(seed).run(async |node: Node| {
                let sup = DynamicSupervisor::new().intensity(1, SECOND).start(&node).await.unwrap();
                let addr = sup.start_child(worker()).await.unwrap();
                let begin = node.now();
                crash(&node, &addr).await;
                pass(&node, SECOND - (node.now() - begin) + Duration::from_nanos(late)).await;
                crash(&node, &addr).await;
                assert_eq!(sup.pid().is_some(), alive, "{late} ns late");
            });
        }
    }
}

// OTP: H6, G18
#[test]
fn the_default_bears_three_within_five_seconds() {
    Sim::seed(1).run(async |node: Node| {
        for gap in [Duration::ZERO, Duration::from_secs(5) / 3 + Duration::from_nanos(1)] {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let addr = sup.start_child(worker()).await.unwrap();
            for _ in 0..3 {
                crash(&node, &addr).await;
                assert_eq!(sup.count_children().active, 1);
                pass(&node, gap).await;
            }
            crash(&node, &addr).await;
            assert_eq!(sup.pid().is_some(), gap > Duration::ZERO, "the fourth, {gap:?} apart");
        }
    });
}

// OTP: G20, H8, G18
#[test]
fn failed_restarts_use_up_the_budget_too() {
    for seed in 0..20 {
        for allowed in 0..5 {
            for broken_init in [Init::Stops(broken()), Init::Refuses(broken()), Init::Panics] {
                Sim::seed(seed).run(async |node: Node| {
                    let sup = DynamicSupervisor::new().intensity(allowed, HOUR).start(&node).await.unwrap();
                    let gauge = Arc::<Gauge>::default();
                    let plan = broken_init.clone();
                    let plan = move |start| if start == 0 { Init::Up } else { plan.clone() };
                    let addr = sup.start_child(probe(&gauge, Manner::Plain, plan)).await.unwrap();
                    let end = Watch::on(&node, sup.pid().unwrap()).await;
                    addr.kill();
                    assert_eq!(end.death().await.0, "shutdown");
                    assert_eq!(gauge.total(), 1 + allowed as usize, "the start, and as many attempts as allowed");
                    assert!(addr.ended().is_some());
                });
            }
        }
    }
}

// OTP: G22, H7
#[test]
fn what_was_asked_for_or_expected_costs_nothing() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(0, HOUR).start(&node).await.unwrap();
            let fresh = |restart| sup.start_child(worker().restart(restart));
            let temporary = fresh(Restart::Temporary).await.unwrap();
            crash(&node, &temporary).await;
            let transient = fresh(Restart::Transient).await.unwrap();
            transient.cast(Msg::End(Ok(())));
            let transient = fresh(Restart::Transient).await.unwrap();
            transient.exit(ExitReason::ShutdownWith("done".into()));
            let permanent = fresh(Restart::Permanent).await.unwrap();
            sup.terminate_child(&permanent).await.unwrap();
            quiet(&node).await;
            assert_eq!((sup.pid().is_some(), sup.tracked()), (true, 0));
            let permanent = fresh(Restart::Permanent).await.unwrap();
            permanent.cast(Msg::End(Ok(())));
            quiet(&node).await;
            assert!(sup.pid().is_none(), "a permanent child's normal end is the first failure");
        });
    }
}

/// A child whose end waits to be looked at can still be asked to be forgotten; then there is nothing to restart, and
/// nothing to count.
// OTP: G30, G22
#[test]
fn the_end_of_a_child_that_was_forgotten_meanwhile_costs_nothing() {
    let (hand, node) = Hand::node();
    // As many as one round looks at: the seventeenth is not one of them, and would be one too many.
    let sup = hand.up(DynamicSupervisor::new().intensity(16, HOUR).start(&node)).1.unwrap();
    let children: Vec<_> = (0..17).map(|_| hand.up(sup.start_child(worker()))).collect();
    let last = children[16].1.as_ref().unwrap().pid().unwrap();
    let mut request = Box::pin(sup.terminate_child(&last));
    assert!(poll(&mut request, Waker::noop()).is_pending());
    for (task, addr) in &children {
        addr.as_ref().unwrap().kill();
        assert!(hand.run(*task));
    }
    hand.run_all();
    assert!(ready(&mut request).is_ok(), "it was between two incarnations");
    assert_eq!((sup.pid().is_some(), sup.count_children().active), (true, 16));
}
