//! Supervisors as children of supervisors: the tree ends from above, and a fresh incarnation starts empty.

use crate::hand::{Hand, poll, ready};
use crate::support::{
    Caller, Gauge, Init, Manner, Msg, Watch, broken, bystander, give_way, outcome, pass, probe, quiet, stop_later,
    worker,
};
use freeboard_process::{ExitReason, Node, Sim};
use freeboard_supervisor::{ChildError, Counts, DynamicRef, DynamicSupervisor, Restart};
use std::{sync::Arc, task::Waker, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// An outer supervisor, two inner ones, five workers in each.
async fn tree(node: &Node, gauge: &Arc<Gauge>, manner: Manner) -> (DynamicRef, [DynamicRef; 2]) {
    let outer = DynamicSupervisor::new().start(node).await.unwrap();
    let first = outer.start_child(DynamicSupervisor::new()).await.unwrap();
    let second = outer.start_child(DynamicSupervisor::new()).await.unwrap();
    for inner in [&first, &second] {
        for _ in 0..5 {
            inner.start_child(probe(gauge, manner, |_| Init::Up)).await.unwrap();
        }
    }
    (outer, [first, second])
}

// OTP: H13, H1
#[test]
fn a_supervisor_is_counted_as_one() {
    Sim::seed(1).run(async |node: Node| {
        let (outer, [inner, _]) = tree(&node, &Arc::default(), Manner::Plain).await;
        outer.start_child(worker()).await.unwrap();
        assert_eq!(outer.count_children(), Counts { specs: 3, active: 3, supervisors: 2, workers: 1 });
        assert_eq!(inner.count_children(), Counts { specs: 5, active: 5, supervisors: 0, workers: 5 });
    });
}

// OTP: G41, G39
#[test]
fn killing_the_outer_one_ends_all() {
    for seed in 0..100 {
        for manner in [Manner::Plain, Manner::Slow(SECOND)] {
            Sim::seed(seed).run(async |node: Node| {
                let (before, gauge) = (node.seats(), Arc::default());
                let (outer, inner) = tree(&node, &gauge, manner).await;
                assert_eq!(gauge.now(), 10);
                outer.kill();
                quiet(&node).await;
                if manner != Manner::Plain {
                    // The inner ones hear of it as their parent's exit, and stop their children in order.
                    assert_eq!((gauge.now(), outer.pid()), (10, None));
                    pass(&node, SECOND).await;
                }
                assert_eq!((gauge.now(), gauge.total()), (0, 10), "seed {seed}");
                assert!([&outer, &inner[0], &inner[1]].iter().all(|sup| sup.pid().is_none() && sup.tracked() == 0));
                drop((outer, inner));
                assert_eq!(node.seats(), before, "seed {seed}");
            });
        }
    }
}

// OTP: G33, G39
#[test]
fn stopping_the_outer_one_waits_for_the_inner_ones_to_stop_their_children() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let gauge = Arc::default();
            let (outer, [first, _]) = tree(&node, &gauge, Manner::Slow(2 * SECOND)).await;
            let [inner, end] = [&first, &outer].map(|sup| Watch::on(&node, sup.pid().unwrap()));
            let (inner, end) = (inner.await, end.await);
            let begin = node.now();
            stop_later(&node, &outer, ExitReason::ShutdownWith("rescale".into()));
            assert_eq!(end.death().await, ("shutdown: rescale".to_owned(), begin + 2 * SECOND));
            assert_eq!(inner.death().await, ("shutdown".to_owned(), begin + 2 * SECOND));
            assert_eq!((gauge.now(), gauge.total()), (0, 10));
        });
    }
}

/// DEV-04: OTP would answer the hundred thousand first.
// OTP: M9
#[test]
fn a_parents_exit_goes_ahead_of_a_hundred_thousand_requests() {
    let (hand, node) = Hand::node();
    let stranger = bystander(&node);
    let (outer_task, outer) = hand.up(DynamicSupervisor::new().start(&node));
    let outer = outer.unwrap();
    let (inner_task, inner) = hand.up(outer.start_child(DynamicSupervisor::new()));
    let inner = inner.unwrap();
    let mut requests: Vec<_> = (0..100_000).map(|_| Box::pin(inner.terminate_child(&stranger))).collect();
    for request in &mut requests {
        assert!(poll(request, Waker::noop()).is_pending());
    }
    let mut stop = Box::pin(outer.stop(ExitReason::Shutdown));
    assert!(poll(&mut stop, Waker::noop()).is_pending());
    hand.run(outer_task);
    while !hand.run(inner_task) {}
    let (mut served, mut told) = (0, 0);
    for request in &mut requests {
        match ready(request) {
            Err(ChildError::NotFound) => served += 1,
            Err(ChildError::SupervisorDown | ChildError::ShuttingDown) => told += 1,
            other => panic!("{other:?}"),
        }
    }
    // The supervisor may have one request in hand when it sees the exit.
    assert!(served <= 1 && served + told == 100_000, "{served} were served before the parent was heard");
    hand.run(outer_task);
    ready(&mut stop);
}

/// An inner supervisor that gives up is one failure to the outer one, which starts it again: empty, and under the same
/// handle. A transient one is not started again, because it ended with `shutdown`.
// OTP: G24, G51, H7
#[test]
fn a_supervisor_that_gave_up_comes_back_empty_if_it_is_permanent() {
    for seed in 0..50 {
        for restart in [Restart::Permanent, Restart::Transient] {
            Sim::seed(seed).run(async |node: Node| {
                let outer = DynamicSupervisor::new().intensity(1, HOUR).start(&node).await.unwrap();
                let inner = DynamicSupervisor::new().intensity(0, HOUR).restart(restart);
                let inner = outer.start_child(inner).await.unwrap();
                let gauge = Arc::<Gauge>::default();
                let spec = || probe(&gauge, Manner::Plain, |_| Init::Up);
                let crasher = inner.start_child(spec()).await.unwrap();
                let sibling = inner.start_child(spec()).await.unwrap();
                let pid = inner.pid();
                crasher.cast(Msg::Panic);
                quiet(&node).await;
                assert!(crasher.ended().is_some() && sibling.ended().is_some());
                assert_eq!((gauge.total(), gauge.now(), inner.tracked()), (2, 0, 0));
                let late = inner.start_child(spec()).await;
                if restart == Restart::Permanent {
                    assert_eq!((outcome(&late).as_str(), inner.pid().is_some()), ("up", true));
                    assert_ne!(inner.pid(), pid);
                    // Its budget is new too; the outer one's is not.
                    late.unwrap().cast(Msg::Panic);
                    quiet(&node).await;
                    assert_eq!((inner.pid(), outer.pid()), (None, None), "the second was one too many");
                } else {
                    assert_eq!((outcome(&late).as_str(), outer.tracked()), ("down shutdown", 0));
                }
            });
        }
    }
}

// OTP: G25
#[test]
fn nested_budgets_multiply() {
    for seed in 0..10 {
        Sim::seed(seed).run(async |node: Node| {
            let outer = DynamicSupervisor::new().intensity(2, HOUR).start(&node).await.unwrap();
            let inner = outer.start_child(DynamicSupervisor::new().intensity(2, HOUR)).await.unwrap();
            let mut crashes = 0;
            while outer.pid().is_some() {
                let addr = inner.start_child(worker()).await.unwrap();
                while addr.ended().is_none() {
                    addr.cast(Msg::End(Err(broken())));
                    crashes += 1;
                    quiet(&node).await;
                }
            }
            assert_eq!(crashes, 9);
        });
    }
}

/// A killed supervisor is started again while its children are still on their way out. They were the former incarnation's:
/// the next one starts empty, and restarts none of them.
// OTP: G51, G41, H1
#[test]
fn a_killed_supervisor_comes_back_empty() {
    for seed in 0..200 {
        Sim::seed(seed).run(async |node: Node| {
            let outer = DynamicSupervisor::new().start(&node).await.unwrap();
            let inner = outer.start_child(DynamicSupervisor::new()).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let mut addrs = Vec::new();
            for _ in 0..3 {
                addrs.push(inner.start_child(probe(&gauge, Manner::Plain, |_| Init::Up)).await.unwrap());
            }
            let pid = inner.pid();
            inner.kill();
            quiet(&node).await;
            assert!(inner.pid().is_some() && inner.pid() != pid && outer.tracked() == 1);
            assert_eq!((gauge.total(), gauge.now(), inner.tracked()), (3, 0, 0), "seed {seed}");
            assert_eq!(inner.count_children(), Counts::default(), "seed {seed}");
            assert!(addrs.iter().all(|addr| addr.ended().is_some()), "seed {seed}");
        });
    }
}

/// The caller of a start that its supervisor's death cut short hears of that death, also if the supervisor is back.
// OTP: H3, G49
#[test]
fn a_start_cut_short_by_a_restart_of_its_supervisor_says_so() {
    for seed in 0..200 {
        Sim::seed(seed).run(async |node: Node| {
            let outer = DynamicSupervisor::new().start(&node).await.unwrap();
            let inner = outer.start_child(DynamicSupervisor::new()).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let start = Caller::new(&node, inner.start_child(probe(&gauge, Manner::Plain, |_| Init::Hangs)));
            quiet(&node).await;
            inner.kill();
            assert_eq!(outcome(&start.result().await), "down killed", "seed {seed}");
            quiet(&node).await;
            assert_eq!((gauge.now(), inner.tracked()), (0, 0));
        });
    }
}

/// While an inner supervisor restarts, its handle says so, and works again afterwards.
// OTP: A10
#[test]
fn starts_during_a_supervisors_restart_are_answered() {
    let mut refused = 0;
    for seed in 0..200 {
        Sim::seed(seed).run(async |node: Node| {
            let outer = DynamicSupervisor::new().start(&node).await.unwrap();
            let inner = outer.start_child(DynamicSupervisor::new()).await.unwrap();
            inner.kill();
            for _ in 0..seed % 5 {
                give_way().await;
            }
            let gauge = Arc::<Gauge>::default();
            let answer = outcome(&inner.start_child(probe(&gauge, Manner::Plain, |_| Init::Up)).await);
            quiet(&node).await;
            match answer.as_str() {
                "up" => {}
                "down killed" => refused += 1,
                other => panic!("{other}"),
            }
            assert_eq!(gauge.now(), inner.tracked(), "seed {seed}: one that is there is tracked");
            inner.start_child(worker()).await.unwrap();
        });
    }
    assert!(refused > 20, "{refused}");
}
