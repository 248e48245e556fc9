//! Ending one child: whoever it is, in whatever state, and only that one.

use crate::support::{Caller, Gauge, Init, Manner, Msg, Watch, broken, deaf, pass, poll_once, probe, quiet, worker};
use freeboard_process::{CallError, Context, ExitReason, Node, Reply, Sim};
use freeboard_supervisor::{ChildError, DynamicSupervisor, Restart, Shutdown};
use std::{pin::pin, sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

// OTP: H10, G22, G33
#[test]
fn a_running_child_is_ended_as_its_spec_says_and_not_started_again() {
    for seed in 0..50 {
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            Sim::seed(seed).run(async |node: Node| {
                let sup = DynamicSupervisor::new().intensity(0, HOUR).start(&node).await.unwrap();
                let other = sup.start_child(worker()).await.unwrap();
                let slow = |time| probe(&Arc::default(), Manner::Slow(time), |_| Init::Up);
                let cases = [
                    (worker(), Duration::ZERO, "shutdown"),
                    (slow(SECOND), SECOND, "shutdown"),
                    (slow(HOUR).shutdown(SECOND), SECOND, "killed"),
                    (deaf(SECOND), SECOND, "killed"),
                    (slow(HOUR).shutdown(Shutdown::BrutalKill), Duration::ZERO, "killed"),
                    (slow(HOUR).shutdown(Shutdown::Infinity), HOUR, "shutdown"),
                ];
                for (spec, takes, reason) in cases {
                    let addr = sup.start_child(spec.restart(restart)).await.unwrap();
                    let death = Watch::on(&node, addr.clone()).await;
                    let begin = node.now();
                    assert_eq!(sup.terminate_child(&addr).await, Ok(()));
                    // All of this holds the moment the answer is there.
                    assert_eq!((node.now() - begin, sup.tracked()), (takes, 1), "seed {seed}, {restart:?}, {reason}");
                    assert!(addr.pid().is_none());
                    assert_eq!(death.death().await, (reason.to_owned(), begin + takes));
                    quiet(&node).await;
                    assert!(addr.ended().is_some(), "no further incarnation");
                }
                assert_eq!(other.call(Msg::Ask).await.unwrap(), 0);
            });
        }
    }
}

/// Two that must wait for their own limits do not wait for one another.
// OTP: H10
#[test]
fn several_are_ended_at_the_same_time() {
    for seed in 0..20 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let begin = node.now();
            let mut callers = Vec::new();
            for limit in [3, 1, 2, 1] {
                let addr = sup.start_child(deaf(limit * SECOND)).await.unwrap();
                // Two ask for the same one.
                for _ in 0..2 {
                    let (sup, clock, addr) = (sup.clone(), node.clone(), addr.clone());
                    let work = async move { (sup.terminate_child(&addr).await, clock.now()) };
                    callers.push((limit * SECOND, Caller::new(&node, work)));
                }
            }
            for (limit, caller) in callers {
                let (answer, at) = caller.result().await;
                // The second of a pair may come after the first one's success.
                assert!(matches!(answer, Ok(()) | Err(ChildError::NotFound)));
                assert_eq!(at, begin + limit, "seed {seed}");
            }
            assert_eq!(sup.tracked(), 0);
        });
    }
}

// OTP: H10
#[test]
fn strangers_and_the_dead_are_not_found() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let other = DynamicSupervisor::new().start(&node).await.unwrap();
            let stranger = other.start_child(worker()).await.unwrap();
            assert_eq!(sup.terminate_child(&stranger).await, Err(ChildError::NotFound));
            assert_eq!(sup.terminate_child(&stranger.pid().unwrap()).await, Err(ChildError::NotFound));
            assert_eq!(sup.terminate_child(&worker().addr()).await, Err(ChildError::NotFound), "never started");
            let dead = sup.start_child(worker().restart(Restart::Temporary)).await.unwrap();
            let pid = dead.pid().unwrap();
            dead.kill();
            quiet(&node).await;
            assert_eq!(sup.terminate_child(&dead).await, Err(ChildError::NotFound));
            assert_eq!(sup.terminate_child(&pid).await, Err(ChildError::NotFound));
            // A pid means one incarnation, an address whoever lives there.
            let addr = sup.start_child(worker()).await.unwrap();
            let first = addr.pid().unwrap();
            addr.kill();
            quiet(&node).await;
            assert_eq!(sup.terminate_child(&first).await, Err(ChildError::NotFound));
            assert_eq!(sup.terminate_child(&addr).await, Ok(()));
            assert_eq!(stranger.call(Msg::Ask).await.unwrap(), 0);
            sup.stop(ExitReason::Shutdown).await;
            assert_eq!(sup.terminate_child(&stranger).await, Err(ChildError::SupervisorDown));
        });
    }
}

// OTP: H10, G29
#[test]
fn a_restarting_child_is_found_by_its_old_pid_and_the_retry_ends() {
    for seed in 0..100 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(1_000_000, HOUR).start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            // It fails, a little later each time, until the request comes; every second one cannot be asked nicely.
            let step = Duration::from_millis(1);
            let manner = if seed % 2 == 0 { Manner::Plain } else { Manner::Never };
            let plan = move |start| match start {
                0 => Init::Up,
                1 => Init::Stops(broken()),
                _ => Init::Takes(step * 10),
            };
            let addr = sup.start_child(probe(&gauge, manner, plan).shutdown(step)).await.unwrap();
            let old = addr.pid().unwrap();
            addr.kill();
            pass(&node, step).await;
            assert_eq!((gauge.total(), sup.count_children().active), (3, 0));
            let begin = node.now();
            assert_eq!(sup.terminate_child(&old).await, Ok(()));
            let takes = if manner == Manner::Plain { Duration::ZERO } else { step };
            assert_eq!((node.now() - begin, gauge.now(), sup.tracked()), (takes, 0, 0));
            pass(&node, HOUR).await;
            assert_eq!(gauge.total(), 3, "no further attempt");
            assert!(addr.ended().is_some());
        });
    }
}

/// A request that names the seat finds the child as well: it is the same child.
// OTP: H10
#[test]
fn a_restarting_child_is_found_by_its_address() {
    for seed in 0..20 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let plan = |start| if start == 0 { Init::Up } else { Init::Takes(HOUR) };
            let addr = sup.start_child(probe(&Arc::default(), Manner::Plain, plan)).await.unwrap();
            addr.kill();
            quiet(&node).await;
            assert_eq!(sup.terminate_child(&addr).await, Ok(()));
            assert_eq!(sup.tracked(), 0);
        });
    }
}

// OTP: H10, F4
#[test]
fn a_child_that_is_still_starting_can_be_ended() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(0, HOUR).start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let spec = probe(&gauge, Manner::Plain, |_| Init::Hangs);
            let addr = spec.addr();
            let start = Caller::new(&node, sup.start_child(spec));
            quiet(&node).await;
            assert_eq!(sup.terminate_child(&addr).await, Ok(()));
            assert_eq!((sup.tracked(), gauge.now()), (0, 0));
            let answer = start.result().await;
            assert_eq!(crate::support::outcome(&answer), "init shutdown");
            assert!(sup.pid().is_some());
        });
    }
}

/// A request to a supervisor is carried out although nobody waits for it any more.
// OTP: G49
#[test]
fn a_request_whose_future_is_dropped_is_carried_out() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let child = sup.start_child(deaf(SECOND)).await.unwrap();
            let gone = poll_once(pin!(sup.terminate_child(&child))).await;
            assert!(gone.is_none(), "the child takes a second");
            pass(&node, 2 * SECOND).await;
            assert_eq!((sup.tracked(), child.pid()), (0, None));
            assert!(poll_once(pin!(sup.stop(ExitReason::Shutdown))).await.is_none());
            quiet(&node).await;
            assert!(sup.pid().is_none());
        });
    }
}

/// Whom a supervisor's caller serves itself sets it no limit.
// OTP: G49
#[test]
fn a_request_in_the_time_of_a_served_call_is_not_cut_short_by_it() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let child = sup.start_child(deaf(SECOND)).await.unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let desk = node.spawn(async move |mut cx: Context<Reply<()>>| {
            let _served = cx.recv_message().await;
            let _gone = tell.send(sup.terminate_child(&child).await);
            Ok(())
        });
        let limited = desk.call(|reply| reply).within(Duration::from_millis(100)).await;
        assert!(matches!(limited, Err(CallError::Timeout)), "{limited:?}");
        assert_eq!(told.await, Ok(Ok(())));
    });
}

/// A caller that waits for one child's end while the supervisor is stopped hears that the supervisor is going.
// OTP: G49
#[test]
fn an_unfinished_request_is_answered_when_the_supervisor_ends() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let addr = sup.start_child(deaf(SECOND)).await.unwrap();
            let asked = {
                let sup = sup.clone();
                async move { sup.terminate_child(&addr).await }
            };
            let request = Caller::new(&node, asked);
            quiet(&node).await;
            if seed % 2 == 0 {
                sup.kill();
            } else {
                crate::support::stop_later(&node, &sup, ExitReason::Shutdown);
            }
            let answer = request.result().await;
            assert!(
                matches!(answer, Ok(()) | Err(ChildError::SupervisorDown | ChildError::ShuttingDown)),
                "{answer:?}"
            );
        });
    }
}
