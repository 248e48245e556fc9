//! Restarts: whether, of what, and what the address's holders notice of it.

use crate::hand::{Hand, poll, ready};
use crate::support::{
    Gauge, Init, Manner, Msg, Watch, broken, bystander, deaf, give_way, outcome, pass, probe, quiet, worker,
};
use freeboard_process::{
    Actor, Addr, CallError, Context, Ended, ExitReason, InitError, Node, PanicInfo, Refused, Reply, Sim,
};
use freeboard_supervisor::{Counts, DynamicSupervisor, Restart, Verdict, child};
use std::{sync::Arc, task::Waker, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);
const TYPES: [Restart; 3] = [Restart::Permanent, Restart::Transient, Restart::Temporary];

/// The rule, written down a second time: by name, and without asking the reason itself.
fn model(restart: Restart, reason: &str) -> bool {
    let orderly = reason == "normal" || reason == "shutdown" || reason.starts_with("shutdown: ");
    [(Restart::Permanent, true), (Restart::Transient, !orderly), (Restart::Temporary, false)]
        .iter()
        .any(|&(of, again)| of == restart && again)
}

// OTP table: G10, H7, A4
#[test]
fn the_verdict_is_the_tables() {
    let panic = ExitReason::Panic(Arc::new(PanicInfo { message: "shutdown: no".into(), location: String::new() }));
    let reasons = [
        ExitReason::Normal,
        ExitReason::Shutdown,
        ExitReason::ShutdownWith("rescale".into()),
        ExitReason::Killed,
        ExitReason::NoProc,
        ExitReason::NoConnection,
        panic,
        broken(),
    ];
    let mut restarts = 0;
    for restart in TYPES {
        for reason in &reasons {
            let again = restart.after(reason) == Verdict::Restart;
            assert_eq!(again, model(restart, &reason.to_string()), "{restart:?} after {reason}");
            restarts += usize::from(again);
        }
    }
    assert_eq!(restarts, 8 + 5);
}

/// How a running child is brought to its end.
#[derive(Clone, Debug)]
enum Way {
    Returns(Ended),
    Panics,
    IsKilled,
    HearsExit(ExitReason),
}

impl Way {
    fn reason(&self) -> String {
        match self {
            Self::Returns(Ok(())) => "normal".into(),
            Self::Returns(Err(reason)) | Self::HearsExit(reason) => reason.to_string(),
            Self::Panics => "panic: told to".into(),
            Self::IsKilled => "killed".into(),
        }
    }

    fn take(&self, addr: &Addr<Msg>) {
        match self {
            Self::Returns(ended) => addr.cast(Msg::End(ended.clone())),
            Self::Panics => addr.cast(Msg::Panic),
            Self::IsKilled => addr.kill(),
            Self::HearsExit(reason) => addr.exit(reason.clone()),
        }
    }
}

// OTP table: G10, G12, H1, H7
#[test]
fn a_child_is_started_again_as_its_type_says() {
    let ways = [
        Way::Returns(Ok(())),
        Way::Returns(Err(ExitReason::Shutdown)),
        Way::Returns(Err(ExitReason::ShutdownWith("done".into()))),
        Way::Returns(Err(broken())),
        Way::Panics,
        Way::IsKilled,
        Way::HearsExit(ExitReason::Shutdown),
        Way::HearsExit(broken()),
    ];
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(1_000, HOUR).start(&node).await.unwrap();
            let other = sup.start_child(worker()).await.unwrap();
            let (others, mut tracked) = (other.pid(), 1);
            for restart in TYPES {
                for way in &ways {
                    let addr = sup.start_child(worker().restart(restart)).await.unwrap();
                    let first = addr.pid().unwrap();
                    way.take(&addr);
                    quiet(&node).await;
                    let what = format!("seed {seed}, {restart:?}, {way:?}");
                    if model(restart, &way.reason()) {
                        tracked += 1;
                        let second = addr.pid().expect(&what);
                        assert_eq!((second.slot(), addr.ended().is_none()), (first.slot(), true), "{what}: same seat");
                        assert!(second.generation() > first.generation(), "{what}: a new incarnation");
                        assert_eq!(addr.call(Msg::Ask).await.unwrap(), 1, "{what}");
                    } else {
                        assert_eq!(addr.ended().expect(&what).to_string(), way.reason(), "{what}");
                    }
                    assert!(!node.is_alive(first), "{what}");
                    assert_eq!((sup.tracked(), sup.count_children().specs), (tracked, tracked), "{what}");
                }
            }
            assert_eq!(other.pid(), others, "nobody else was touched");
        });
    }
}

/// What it is made of is nothing; how it is made is what matters.
struct Made;

impl Actor for Made {
    type Msg = Reply<()>;
    type Args = ();

    async fn init((): (), _: &mut Context<Self::Msg>) -> Result<Self, InitError> {
        Ok(Self)
    }

    async fn handle(&mut self, reply: Reply<()>, _: &mut Context<Self::Msg>) -> Ended {
        reply.send(());
        Ok(())
    }
}

// OTP: H7, G52
#[test]
fn what_a_temporary_child_was_started_with_is_not_kept() {
    for (restart, kept) in [(Restart::Temporary, 1), (Restart::Transient, 2), (Restart::Permanent, 2)] {
        Sim::seed(1).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let token = Arc::new(());
            let captured = Arc::clone(&token);
            let spec = child::<Made>(move || drop(Arc::clone(&captured))).restart(restart);
            assert_eq!(Arc::strong_count(&token), 2);
            let addr = sup.start_child(spec).await.unwrap();
            quiet(&node).await;
            assert_eq!(Arc::strong_count(&token), kept, "{restart:?}, running");
            addr.call(|reply| reply).await.unwrap();
            sup.terminate_child(&addr).await.unwrap();
            assert_eq!(Arc::strong_count(&token), 1, "{restart:?}, forgotten together with its spec");
        });
    }
}

// OTP: F16, D3, H7
#[test]
fn what_was_queued_at_a_crash_hears_its_reason_and_is_not_kept() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let addr = sup.start_child(worker()).await.unwrap();
            let before = addr.request(Msg::Ask);
            addr.cast(Msg::End(Err(broken())));
            let queued: Vec<_> = (0..20).map(|_| addr.request(Msg::Ask)).collect();
            assert_eq!(before.await.unwrap(), 0);
            for request in queued {
                let Err(CallError::Exited(reason)) = request.await else { panic!("it never reaches the next one") };
                assert_eq!(reason.to_string(), broken().to_string());
            }
            quiet(&node).await;
            assert_eq!(addr.call(Msg::Ask).await.unwrap(), 1);
        });
    }
}

// OTP: F16, H7
#[test]
fn between_two_incarnations_the_seat_is_vacant_and_refuses() {
    let (hand, node) = Hand::node();
    let (supervisor, sup) = hand.up(DynamicSupervisor::new().start(&node));
    let sup = sup.unwrap();
    let (first, addr) = hand.up(sup.start_child(worker()));
    let addr = addr.unwrap();

    addr.kill();
    assert!(hand.run(first), "dead");
    assert_eq!((addr.pid(), addr.ended().is_none()), (None, true));
    assert!(matches!(addr.send(Msg::Panic), Err(refused) if matches!(refused.why, Refused::Vacant)));
    assert!(matches!(ready(&mut Box::pin(addr.call(Msg::Ask))), Err(CallError::Refused(Refused::Vacant))));
    assert_eq!(sup.count_children(), Counts { specs: 1, active: 0, supervisors: 0, workers: 1 });

    let second = hand.spawned();
    hand.run(supervisor);
    assert!(addr.pid().is_some(), "spawned, and its init has not run yet");
    let mut call = Box::pin(addr.call(Msg::Ask));
    assert!(poll(&mut call, Waker::noop()).is_pending(), "the seat takes requests again");
    assert_eq!(sup.count_children().active, 0, "not up yet");
    hand.run(second);
    assert_eq!((ready(&mut call).unwrap(), sup.count_children().active), (1, 1));
}

/// Whoever keeps calling hears the exit, or a refusal, or the next incarnation; nothing is lost in silence.
// OTP: F8, H7
#[test]
fn a_caller_that_keeps_calling_reaches_the_next_incarnation() {
    let (mut refused, mut exited) = (0, 0);
    for seed in 0..300 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let addr = sup.start_child(worker()).await.unwrap();
            addr.cast(Msg::Panic);
            for _ in 0..seed % 4 {
                give_way().await;
            }
            loop {
                match addr.call(Msg::Ask).await {
                    Ok(start) => break assert_eq!(start, 1),
                    Err(CallError::Refused(Refused::Vacant)) => refused += 1,
                    Err(CallError::Exited(_)) => exited += 1,
                    Err(other) => panic!("{other}"),
                }
                give_way().await;
            }
        });
    }
    assert!(refused > 20 && exited > 20, "both are met: {refused}, {exited}");
}

// OTP: H8, H13, H10
#[test]
fn a_restart_that_is_not_up_yet_stays_under_the_old_pid() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let plan = |start| match start {
                0 => Init::Up,
                1 => Init::Stops(broken()),
                _ => Init::Takes(HOUR),
            };
            let addr = sup.start_child(probe(&gauge, Manner::Plain, plan)).await.unwrap();
            let old = addr.pid().unwrap();
            addr.kill();
            quiet(&node).await;
            assert_eq!(gauge.total(), 3, "one failed attempt, one under way");
            assert_eq!(sup.count_children(), Counts { specs: 1, active: 0, supervisors: 0, workers: 1 });
            // The supervisor is free meanwhile (DEV-06).
            sup.start_child(worker()).await.unwrap();
            assert_eq!(sup.count_children(), Counts { specs: 2, active: 1, supervisors: 0, workers: 2 });
            if seed % 2 == 0 {
                sup.terminate_child(&old).await.unwrap();
                assert_eq!((sup.tracked(), gauge.now(), addr.ended().is_some()), (1, 0, true));
            } else {
                pass(&node, HOUR).await;
                assert_eq!((sup.count_children().active, addr.call(Msg::Ask).await.unwrap()), (2, 2));
                assert!(sup.terminate_child(&old).await.is_err(), "the old pid is nobody's now");
            }
        });
    }
}

// OTP: H9, G32
#[test]
fn a_restart_that_ignores_removes_the_child() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            // One attempt is allowed, and that is what it costs: the child is not tried again.
            let sup = DynamicSupervisor::new().intensity(1, HOUR).start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let plan = |start| if start == 0 { Init::Up } else { Init::Ignores };
            let addr = sup.start_child(probe(&gauge, Manner::Plain, plan)).await.unwrap();
            addr.cast(Msg::Panic);
            quiet(&node).await;
            assert_eq!((gauge.total(), sup.tracked(), sup.pid().is_some()), (2, 0, true));
            assert!(addr.ended().is_some() && addr.call(Msg::Ask).await.is_err());
        });
    }
}

/// DEV-15: OTP would not notice this death before it stops the child.
// OTP: G36
#[test]
fn the_death_of_a_child_that_unlinked_itself_is_seen() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let keep = sup.start_child(worker()).await.unwrap();
            let drop = sup.start_child(worker().restart(Restart::Temporary)).await.unwrap();
            for addr in [&keep, &drop] {
                addr.cast(Msg::Unlink);
                addr.cast(Msg::Panic);
            }
            quiet(&node).await;
            assert_eq!((keep.call(Msg::Ask).await.unwrap(), sup.tracked()), (1, 1));
        });
    }
}

/// DEV-05: the end of a child is acted on before a hundred requests that were there first.
// OTP: D2, D3
#[test]
fn ends_of_children_go_ahead_of_requests() {
    let (hand, node) = Hand::node();
    let stranger = bystander(&node);
    let (supervisor, sup) = hand.up(DynamicSupervisor::new().start(&node));
    let sup = sup.unwrap();
    let (child, addr) = hand.up(sup.start_child(deaf(HOUR)));
    let addr = addr.unwrap();

    let (first, mut queries) = (hand.wakeup(), Vec::new());
    for _ in 0..100 {
        let mut query = Box::pin(sup.terminate_child(&stranger));
        assert!(poll(&mut query, &Waker::from(Arc::clone(&first))).is_pending());
        queries.push(query);
    }
    addr.kill();
    hand.run(child);
    let before = hand.spawned();
    hand.run(supervisor);
    assert_eq!(first.tasks(), Some(before + 1), "restarted by the time the first request was answered");
    assert!(queries.iter_mut().all(|query| ready(query).is_err()));
}

/// DEV-09: after sixteen ends one request has its turn.
// OTP: E15
#[test]
fn a_storm_of_ends_lets_a_request_through_after_sixteen() {
    let (hand, node) = Hand::node();
    let stranger = bystander(&node);
    let (supervisor, sup) = hand.up(DynamicSupervisor::new().intensity(1_000, HOUR).start(&node));
    let sup = sup.unwrap();
    let children: Vec<_> = (0..100).map(|_| hand.up(sup.start_child(deaf(HOUR)))).collect();

    let asked = hand.wakeup();
    let mut query = Box::pin(sup.terminate_child(&stranger));
    assert!(poll(&mut query, &Waker::from(Arc::clone(&asked))).is_pending());
    for (task, addr) in &children {
        addr.as_ref().unwrap().kill();
        assert!(hand.run(*task));
    }
    let before = hand.spawned();
    hand.run(supervisor);
    assert_eq!(asked.tasks(), Some(before + 16), "sixteen were restarted before the request");
    hand.run_all();
    assert!(ready(&mut query).is_err());
    assert_eq!((hand.spawned(), sup.count_children().active), (before + 100, 100));
}

/// Whoever asks too late is told that there is nobody; the supervisor knows better. Were it told `noproc`, it would start a
/// child again that has ended well.
// OTP: C19, G10
#[test]
fn a_late_monitor_hears_noproc_and_the_supervisor_knows_the_true_reason() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(1, HOUR).start(&node).await.unwrap();
            for (ended, restarts) in [(Ok(()), 0), (Err(broken()), 1)] {
                let gauge = Arc::<Gauge>::default();
                let spec = probe(&gauge, Manner::Plain, |_| Init::Up).restart(Restart::Transient);
                let addr = sup.start_child(spec).await.unwrap();
                let incarnation = addr.pid().unwrap();
                // Somebody may ask while the supervisor waits for its turn: what it will be told is fixed by then.
                addr.cast(Msg::End(ended.clone()));
                while node.is_alive(incarnation) {
                    give_way().await;
                }
                let late = Watch::on(&node, incarnation).await;
                assert_eq!(late.death().await.0, "no such process");
                quiet(&node).await;
                assert_eq!((gauge.total(), sup.tracked()), (1 + restarts, restarts), "{ended:?}");
            }
            // And a start that failed is told why, not that its child is gone by then.
            let spec = probe(&Arc::default(), Manner::Plain, |_| Init::Stops(broken()));
            let addr = spec.addr();
            let failed = sup.start_child(spec).await;
            assert_eq!(Watch::on(&node, addr).await.death().await.0, "no such process");
            assert_eq!(outcome(&failed), format!("init {}", broken()));
        });
    }
}
