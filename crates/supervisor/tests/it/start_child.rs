//! Starting a child: what the caller hears, when, and what is left of a child that did not come up.

use crate::hand::{Hand, poll, ready};
use crate::support::{Caller, Gauge, Init, Manner, Msg, broken, bystander, deaf, outcome, pass, probe, quiet, worker};
use freeboard_process::{Actor, Addr, Context, Ended, ExitReason, InitError, Node, Reply, Sim, StartError};
use freeboard_supervisor::{Counts, DynamicSupervisor, Restart, child, child_fn, child_once};
use std::{sync::Arc, task::Waker, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

// OTP: H1
#[test]
fn a_supervisor_starts_empty_and_knows_its_children_by_pid() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        assert_eq!(sup.count_children(), Counts::default());
        let first = sup.start_child(worker().id("same")).await.unwrap();
        let second = sup.start_child(worker().id("same")).await.unwrap();
        assert_ne!(first.pid(), second.pid(), "equal ids are two children");
        assert_eq!(sup.count_children(), Counts { specs: 2, active: 2, supervisors: 0, workers: 2 });
        // One for one: the other is not touched.
        let untouched = second.pid();
        first.kill();
        quiet(&node).await;
        assert_eq!((first.call(Msg::Ask).await.unwrap(), second.pid()), (1, untouched));
    });
}

// OTP: F1, H3, H13
#[test]
fn a_start_returns_when_init_is_through() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let begin = node.now();
            let start =
                Caller::new(&node, sup.start_child(probe(&Arc::default(), Manner::Plain, |_| Init::Takes(HOUR))));
            quiet(&node).await;
            let starting = Counts { specs: 1, active: 1, supervisors: 0, workers: 1 };
            assert_eq!((sup.count_children(), sup.tracked()), (starting, 1), "tracked from before it could run");
            let addr = start.result().await.unwrap();
            assert_eq!(node.now() - begin, HOUR);
            assert_eq!(addr.call(Msg::Ask).await.unwrap(), 0);
        });
    }
}

/// DEV-06: OTP would start the thousand one after another, each after the hour.
// OTP: H17, G50
#[test]
fn one_slow_init_delays_none_of_a_thousand_others() {
    for seed in 0..3 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let begin = node.now();
            let slow =
                Caller::new(&node, sup.start_child(probe(&Arc::default(), Manner::Plain, |_| Init::Takes(HOUR))));
            let others: Vec<_> = (0..1_000).map(|_| Caller::new(&node, sup.start_child(worker()))).collect();
            for other in others {
                other.result().await.unwrap();
            }
            assert_eq!(node.now() - begin, Duration::ZERO);
            slow.result().await.unwrap();
            assert_eq!(node.now() - begin, HOUR);
            assert_eq!(sup.tracked(), 1_001);
        });
    }
}

/// DEV-06: the supervisor does not run at all between the request and the answer, whatever waits in its mailbox.
// OTP: H15, H17
#[test]
fn junk_at_the_supervisor_delays_no_start() {
    let (hand, node) = Hand::node();
    let stranger = bystander(&node);
    let (supervisor, sup) = hand.up(DynamicSupervisor::new().start(&node));
    let sup = sup.unwrap();
    let pid = sup.pid().unwrap();
    for _ in 0..100_000 {
        node.exit(pid, ExitReason::Shutdown);
    }
    let mut queries: Vec<_> = (0..1_000).map(|_| Box::pin(sup.terminate_child(&stranger))).collect();
    for query in &mut queries {
        assert!(poll(query, Waker::noop()).is_pending());
    }

    let (_, child) = hand.up(sup.start_child(worker()));
    assert!(child.is_ok());
    assert_eq!(sup.depth(), 1_000, "the supervisor has not looked at anything");

    for _ in 0..1_000 {
        hand.run(supervisor);
    }
    assert!(queries.iter_mut().all(|query| ready(query).is_err()), "each stranger is not found");
    assert_eq!((sup.pid(), sup.tracked()), (Some(pid), 1), "junk is not fatal");
}

/// DEV-12: `ignore` is one of the typed errors. Restart types make no difference to a start, and none costs budget.
// OTP table: F2, F4, H3, G22
#[test]
fn each_way_for_init_to_fail_has_its_answer_and_leaves_nothing() {
    let ways = [
        (Init::Stops(broken()), format!("init {}", broken())),
        (Init::Stops(ExitReason::Normal), "init normal".to_owned()),
        (Init::Stops(ExitReason::ShutdownWith("full".into())), "init shutdown: full".to_owned()),
        (Init::Refuses(broken()), format!("init {}", broken())),
        (Init::Ignores, "Ignored".to_owned()),
        (Init::Panics, "init panic: init was told to".to_owned()),
        (Init::NoArgs, "init panic: the factory was told to".to_owned()),
        (Init::Hangs, "init killed".to_owned()),
    ];
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(0, HOUR).start(&node).await.unwrap();
            let healthy = sup.start_child(worker()).await.unwrap();
            for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
                for (init, expected) in &ways {
                    let gauge = Arc::<Gauge>::default();
                    let plan = init.clone();
                    let spec = probe(&gauge, Manner::Plain, move |_| plan.clone()).restart(restart);
                    let addr = spec.addr();
                    let early = addr.request(Msg::Ask);
                    let start = Caller::new(&node, sup.start_child(spec));
                    if matches!(init, Init::Hangs) {
                        quiet(&node).await;
                        assert_eq!(gauge.now(), 1);
                        addr.kill();
                    }
                    // Everything below holds the moment the answer is there.
                    let answer = start.result().await;
                    assert_eq!(outcome(&answer), *expected, "seed {seed}, {restart:?}, {init:?}");
                    assert!(addr.ended().is_some(), "closed for good: {init:?}");
                    assert_eq!((addr.pid(), gauge.now(), sup.tracked(), sup.count_children().specs), (None, 0, 1, 1));
                    assert!(early.await.is_err(), "what waited for the child hears of it");
                    quiet(&node).await;
                    assert!(gauge.total() <= 1, "no second start");
                }
            }
            assert_eq!(healthy.call(Msg::Ask).await.unwrap(), 0);
        });
    }
}

/// Kept once: neither the arguments nor a second start of them exist.
struct Once;

impl Actor for Once {
    type Msg = Reply<()>;
    type Args = Arc<()>;

    async fn init(_: Arc<()>, _: &mut Context<Self::Msg>) -> Result<Self, InitError> {
        Ok(Self)
    }

    async fn handle(&mut self, reply: Reply<()>, _: &mut Context<Self::Msg>) -> Ended {
        reply.send(());
        Ok(())
    }
}

// OTP: H2
#[test]
fn a_contradictory_spec_is_found_without_asking_the_supervisor() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().max_children(0).start(&node).await.unwrap();
        let bad = || child_once::<Once>(Arc::default()).id("socket").restart(Restart::Permanent);
        let Err(StartError::Spec(text)) = sup.start_child(bad()).await else { panic!("it is refused as a spec") };
        assert!(text.contains("socket") && text.contains("child_once"), "{text}");
        sup.stop(ExitReason::Shutdown).await;
        quiet(&node).await;
        assert!(
            matches!(sup.start_child(bad()).await, Err(StartError::Spec(_))),
            "not even a dead supervisor is asked"
        );
        assert!(matches!(node.start(bad()).await, Err(StartError::Spec(_))), "the same without a supervisor");
    });
}

// OTP: G52, H7
#[test]
fn a_child_with_arguments_for_one_start_is_started_once() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let args = Arc::new(());
        let addr = sup.start_child(child_once::<Once>(Arc::clone(&args))).await.unwrap();
        assert_eq!(Arc::strong_count(&args), 1, "init had them, and they are gone");
        addr.call(|reply| reply).await.unwrap();
        addr.kill();
        quiet(&node).await;
        assert!(addr.ended().is_some_and(|reason| matches!(reason, ExitReason::Killed)));
        assert_eq!(sup.tracked(), 0);
    });
}

// OTP: H3, G49
#[test]
fn a_supervisor_that_is_not_there_says_so() {
    Sim::seed(1).run(async |node: Node| {
        let spec = DynamicSupervisor::new();
        let sup = {
            use freeboard_supervisor::Child;
            spec.handle()
        };
        assert_eq!(outcome(&sup.start_child(worker()).await), "down no such process");
        spec.start(&node).await.unwrap();
        assert_eq!(outcome(&sup.start_child(worker()).await), "up");
        sup.stop(ExitReason::ShutdownWith("rescale".into())).await;
        quiet(&node).await;
        let gauge = Arc::<Gauge>::default();
        let late = sup.start_child(probe(&gauge, Manner::Plain, |_| Init::Up)).await;
        assert_eq!((outcome(&late).as_str(), gauge.total()), ("down shutdown: rescale", 0));
    });
}

// OTP: A10, D1
#[test]
fn what_was_sent_before_the_start_is_received_first() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let spec = child_fn(async |mut cx: Context<(u8, Reply<u8>)>| {
                let parent = cx.parent();
                assert!(parent.is_some(), "the parent is known from the first moment");
                loop {
                    let (number, reply) = cx.recv_message().await;
                    reply.send(number);
                }
            });
            let addr: Addr<_> = spec.addr();
            let early = addr.request(|reply| (1, reply));
            sup.start_child(spec).await.unwrap();
            let late = addr.call(|reply| (2, reply));
            assert_eq!((early.await.unwrap(), late.await.unwrap()), (1, 2));
        });
    }
}

// OTP: A10
#[test]
fn a_process_that_starts_a_child_is_not_its_parent() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let start = sup.start_child(deaf(Duration::from_secs(1)).restart(Restart::Temporary));
        let starter = Caller::new(&node, start);
        quiet(&node).await;
        starter.kill();
        pass(&node, Duration::from_secs(1)).await;
        assert_eq!(sup.count_children().active, 1, "it is the supervisor's, not the starter's");
    });
}

/// A start takes its arguments from the factory in the child's task, so the starter never runs it.
// OTP: G5
#[test]
fn the_factory_runs_in_the_childs_own_task() {
    let (hand, node) = Hand::node();
    let sup = hand.up(DynamicSupervisor::new().start(&node)).1.unwrap();
    let made = Arc::<Gauge>::default();
    let counted = Arc::clone(&made);
    let task = hand.spawned();
    let mut start = Box::pin(sup.start_child(child::<Once>(move || {
        drop(counted.enter());
        Arc::default()
    })));
    assert!(poll(&mut start, Waker::noop()).is_pending());
    assert_eq!(made.total(), 0);
    hand.run(task);
    assert_eq!(made.total(), 1);
    assert!(ready(&mut start).is_ok());
}
