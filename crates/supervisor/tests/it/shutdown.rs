//! How a supervisor ends: on purpose, each child within its own limit; killed, at once; and not by anybody's wish.

use crate::support::{
    Caller, Init, Manner, Msg, Watch, broken, deaf, give_way, outcome, pass, probe, quiet, stop_later, worker,
};
use freeboard_process::{Context, ExitReason, Node, Sim};
use freeboard_supervisor::{ChildError, ChildSpec, DynamicSupervisor, Restart, Shutdown, child_fn};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);

fn slow(time: Duration) -> ChildSpec<Msg> {
    probe(&Arc::default(), Manner::Slow(time), |_| Init::Up)
}

fn never() -> ChildSpec<Msg> {
    probe(&Arc::default(), Manner::Never, |_| Init::Up)
}

// OTP: H11, G33
#[test]
fn each_group_of_stubborn_children_is_killed_at_its_own_limit() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let mut watches = Vec::new();
            for limit in [100, 300, 1_000] {
                let limit = limit * MS;
                for spec in [never().shutdown(limit), deaf(limit), deaf(limit).restart(Restart::Temporary)] {
                    let addr = sup.start_child(spec).await.unwrap();
                    watches.push((limit, "killed", Watch::on(&node, addr).await));
                }
                // One of each group obeys, in the middle between this limit and the one before.
                let addr = sup.start_child(slow(limit / 2).shutdown(limit)).await.unwrap();
                watches.push((limit / 2, "shutdown", Watch::on(&node, addr).await));
            }
            let brutal = sup.start_child(slow(HOUR).shutdown(Shutdown::BrutalKill)).await.unwrap();
            watches.push((Duration::ZERO, "killed", Watch::on(&node, brutal).await));
            let plain = sup.start_child(worker()).await.unwrap();
            watches.push((Duration::ZERO, "shutdown", Watch::on(&node, plain).await));

            let end = Watch::on(&node, sup.pid().unwrap()).await;
            let begin = node.now();
            stop_later(&node, &sup, ExitReason::ShutdownWith("over".into()));
            assert_eq!(
                end.death().await,
                ("shutdown: over".to_owned(), begin + SECOND),
                "the longest limit, not the sum"
            );
            for (after, reason, watch) in watches {
                assert_eq!(watch.death().await, (reason.to_owned(), begin + after), "seed {seed}");
            }
            assert_eq!(sup.tracked(), 0);
        });
    }
}

// OTP: H11, G35
#[test]
fn all_children_are_asked_at_once() {
    for seed in 0..10 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            for _ in 0..200 {
                sup.start_child(slow(SECOND)).await.unwrap();
            }
            let end = Watch::on(&node, sup.pid().unwrap()).await;
            let begin = node.now();
            stop_later(&node, &sup, ExitReason::Shutdown);
            assert_eq!(end.death().await, ("shutdown".to_owned(), begin + SECOND));
        });
    }
}

/// A child that takes a hundred hours, with this limit.
async fn is_waited_for(node: &Node, shutdown: Shutdown) {
    let sup = DynamicSupervisor::new().start(node).await.unwrap();
    let addr = sup.start_child(slow(100 * HOUR).shutdown(shutdown)).await.unwrap();
    let stubborn = sup.start_child(deaf(SECOND)).await.unwrap();
    let (child, stubborn) = (Watch::on(node, addr).await, Watch::on(node, stubborn).await);
    let end = Watch::on(node, sup.pid().unwrap()).await;
    let begin = node.now();
    stop_later(node, &sup, ExitReason::Shutdown);
    assert_eq!(stubborn.death().await, ("killed".to_owned(), begin + SECOND));
    assert_eq!(child.death().await, ("shutdown".to_owned(), begin + 100 * HOUR));
    assert_eq!(end.death().await, ("shutdown".to_owned(), begin + 100 * HOUR));
}

// OTP: G33, H11
#[test]
fn a_child_without_limit_is_waited_for() {
    for seed in 0..10 {
        Sim::seed(seed).run(async |node: Node| is_waited_for(&node, Shutdown::Infinity).await);
    }
}

/// The longest time there is lies beyond any clock, and is legal.
// OTP: G33
#[test]
fn a_limit_beyond_any_clock_is_as_good_as_none() {
    Sim::seed(1).run(async |node: Node| {
        is_waited_for(&node, Shutdown::Timeout(Duration::MAX)).await;
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let addr = sup.start_child(slow(HOUR).shutdown(Duration::MAX)).await.unwrap();
        assert_eq!(sup.terminate_child(&addr).await, Ok(()));
        assert!(sup.pid().is_some());
    });
}

/// The answer to a stop is the end itself, for everybody who asked, whenever they did.
// OTP: G40
#[test]
fn stop_returns_when_the_supervisor_is_gone() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            sup.start_child(slow(SECOND)).await.unwrap();
            let begin = node.now();
            let stop = |reason| {
                let (sup, node) = (sup.clone(), node.clone());
                async move {
                    sup.stop(reason).await;
                    (node.now(), sup.pid(), sup.tracked())
                }
            };
            let first = Caller::new(&node, stop(ExitReason::ShutdownWith("first".into())));
            for _ in 0..seed % 3 {
                give_way().await;
            }
            let second = Caller::new(&node, stop(ExitReason::ShutdownWith("second".into())));
            quiet(&node).await;
            let third = Caller::new(&node, stop(ExitReason::ShutdownWith("third".into())));
            for (which, caller) in [first, second, third].into_iter().enumerate() {
                assert_eq!(caller.result().await, (begin + SECOND, None, 0), "seed {seed}, caller {which}");
            }
            // Once more, when it is gone.
            sup.stop(broken()).await;
            assert_eq!(node.now(), begin + SECOND);
        });
    }
}

// OTP: G38, H11
#[test]
fn children_that_die_by_themselves_meanwhile_neither_restart_nor_delay_the_end() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let gauge = Arc::default();
            let crasher = probe(&gauge, Manner::Breaks, |_| Init::Up).shutdown(Shutdown::Infinity);
            let broken_end = sup.start_child(crasher).await.unwrap();
            let racing = sup.start_child(probe(&gauge, Manner::Plain, |_| Init::Up)).await.unwrap();
            let later = child_fn(async |mut cx: Context<Msg>| {
                cx.trap_exit(true);
                cx.recv().await;
                cx.recv_where(|_| false).after(SECOND).await;
                Err(broken())
            });
            let later = sup.start_child(later.shutdown(HOUR)).await.unwrap();
            let watches = [Watch::on(&node, broken_end).await, Watch::on(&node, later).await];
            let end = Watch::on(&node, sup.pid().unwrap()).await;
            let begin = node.now();
            racing.cast(Msg::Panic);
            stop_later(&node, &sup, ExitReason::Shutdown);
            assert_eq!(end.death().await, ("shutdown".to_owned(), begin + SECOND));
            let [first, second] = watches;
            assert_eq!(first.death().await, ("panic: terminate was told to".to_owned(), begin));
            assert_eq!(second.death().await, (broken().to_string(), begin + SECOND));
            // The one that raced with the stop may have been restarted just before it, once.
            assert!(gauge.total() <= 3 && gauge.now() == 0, "{}", gauge.total());
        });
    }
}

// OTP: G38, H8
#[test]
fn children_that_are_being_restarted_end_too() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(1_000_000, HOUR).start(&node).await.unwrap();
            let gauge = Arc::default();
            // One hangs in its second start, one fails again and again, a little later each time.
            let hangs = |start| if start == 0 { Init::Up } else { Init::Hangs };
            let hangs = sup.start_child(probe(&gauge, Manner::Plain, hangs)).await.unwrap();
            let fails = child_fn(async |mut cx: Context<Msg>| {
                cx.recv_where(|_| false).after(MS).await;
                Err(broken())
            });
            let fails = sup.start_child(fails).await.unwrap();
            hangs.kill();
            pass(&node, 5 * MS + Duration::from_nanos(seed)).await;
            sup.stop(ExitReason::Shutdown).await;
            quiet(&node).await;
            assert_eq!((sup.pid(), sup.tracked(), gauge.now()), (None, 0, 0));
            assert!(hangs.ended().is_some() && fails.ended().is_some());
        });
    }
}

// OTP: H3, G49
#[test]
fn requests_during_the_shutdown_are_refused_by_name() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let addr = sup.start_child(slow(SECOND)).await.unwrap();
            let pid = addr.pid().unwrap();
            stop_later(&node, &sup, ExitReason::Shutdown);
            quiet(&node).await;
            let begin = node.now();
            assert_eq!(outcome(&sup.start_child(worker()).await), "ShuttingDown");
            assert_eq!(sup.terminate_child(&addr).await, Err(ChildError::ShuttingDown));
            assert_eq!(node.now(), begin, "at once");
            pass(&node, SECOND).await;
            assert_eq!(sup.terminate_child(&pid).await, Err(ChildError::SupervisorDown));
        });
    }
}

// OTP: G39, H15
#[test]
fn the_exits_of_others_stop_no_supervisor() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let pid = sup.pid().unwrap();
            let child = sup.start_child(worker()).await.unwrap();
            for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Killed, broken()] {
                node.exit(pid, reason.clone());
                // A process that links itself to the supervisor and crashes, and a child that does the same.
                drop(node.spawn(async move |mut cx: Context<()>| {
                    cx.link(&pid);
                    cx.exit(&pid, reason.clone());
                    Err(reason)
                }));
            }
            let linked = child_fn(move |mut cx: Context<Msg>| async move {
                cx.link(&pid);
                cx.exit(&pid, ExitReason::Shutdown);
                Err(broken())
            });
            sup.start_child(linked.restart(Restart::Temporary)).await.unwrap();
            quiet(&node).await;
            assert_eq!((sup.pid(), sup.tracked()), (Some(pid), 1));
            assert_eq!(child.call(Msg::Ask).await.unwrap(), 0);
            node.kill(pid);
            quiet(&node).await;
            assert_eq!((sup.pid(), sup.tracked()), (None, 0), "kill is the exception");
        });
    }
}

// OTP: G41
#[test]
fn a_killed_supervisor_shuts_nothing_down_and_its_children_hear_of_it() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let plain = sup.start_child(worker()).await.unwrap();
            let trapper = sup.start_child(slow(HOUR).shutdown(MS)).await.unwrap();
            let [plain, trapper] = [Watch::on(&node, plain).await, Watch::on(&node, trapper).await];
            let end = Watch::on(&node, sup.pid().unwrap()).await;
            let begin = node.now();
            sup.kill();
            assert_eq!(end.death().await, ("killed".to_owned(), begin));
            assert_eq!(plain.death().await, ("killed".to_owned(), begin));
            assert_eq!(
                trapper.death().await,
                ("killed".to_owned(), begin + HOUR),
                "it cleans up, and nobody hurries it"
            );
            assert_eq!(sup.tracked(), 0);
        });
    }
}

/// DEV-15: the ticket stays when the link goes, so the stop finds the child and waits for it.
// OTP: G36
#[test]
fn a_child_that_unlinked_itself_still_ends_with_its_supervisors_stop() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let quick = sup.start_child(worker()).await.unwrap();
            let stubborn = sup.start_child(never().shutdown(SECOND)).await.unwrap();
            quick.cast(Msg::Unlink);
            stubborn.cast(Msg::Unlink);
            quiet(&node).await;
            let [quick, stubborn] = [Watch::on(&node, quick).await, Watch::on(&node, stubborn).await];
            let end = Watch::on(&node, sup.pid().unwrap()).await;
            let begin = node.now();
            stop_later(&node, &sup, ExitReason::Shutdown);
            assert_eq!(end.death().await, ("shutdown".to_owned(), begin + SECOND));
            assert_eq!(quick.death().await, ("shutdown".to_owned(), begin));
            assert_eq!(stubborn.death().await, ("killed".to_owned(), begin + SECOND));
        });
    }
}
