//! The orderly end of a node: who is asked, who is killed, who is left, and what becomes of those who come too late.

use crate::stepper::Stepper;
use crate::support::{Journal, ended, idler, inside, mortal, oops, pause, runtime, seeds, settle, threads, watch, why};
use crossbeam_channel::bounded;
use freeboard_process::{
    Actor, Addr, BlockingContext, CallError, Context, Ended, Event, ExitReason, InitError, KILL_GRACE, LEFT_NAMED,
    Node, Reply, ShutdownReport, Sim, SpawnError, run_actor,
};
use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(5);
const LATE: &str = "shutdown: the node is shutting down and starts nothing any more";

/// How many ended, were killed, were left.
fn sums(report: &ShutdownReport) -> [usize; 3] {
    [report.ended, report.killed, report.left]
}

/// A process that traps exits and waits for messages only: it must be killed.
fn deaf(node: &Node) -> Addr<Reply<()>> {
    node.spawn(async |mut cx: Context<Reply<()>>| {
        cx.trap_exit(true);
        loop {
            cx.recv_message().await.send(());
        }
    })
}

/// Polls a future once, outside of any task.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

#[test]
fn everybody_who_can_end_ends_as_asked_and_the_report_counts_them() {
    seeds(async |node| {
        let all: Vec<_> = (0..100).map(|_| idler(&node)).collect();
        let start = node.now();
        let report = node.shutdown(LIMIT).await;
        assert_eq!((sums(&report), report.left_pids.len(), report.timers), ([100, 0, 0], 0, 0));
        assert!(report.is_orderly() && node.is_shutting_down());
        assert_eq!((node.process_count(), node.now() - start), (0, Duration::ZERO));
        assert!(all.iter().all(|process| process.ended().unwrap().to_string() == "shutdown"));
    });
}

#[test]
fn an_empty_node_is_shut_down_at_once() {
    Sim::seed(1).run(async |node: Node| {
        assert_eq!(node.shutdown(LIMIT).await, ShutdownReport::default());
    });
}

#[test]
fn what_a_process_has_started_is_left_to_it() {
    seeds(async |node| {
        let heard = Journal::new();
        let (parents, childs) = (heard.clone(), heard.clone());
        node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            let child = cx.spawn_link(async move |mut cx: Context<&'static str>| {
                cx.trap_exit(true);
                loop {
                    match cx.recv().await {
                        Event::Message(text) => break childs.note(text.to_owned()),
                        Event::Exit(exit) => childs.note(format!("the child is asked: {}", exit.reason)),
                        _ => {}
                    }
                }
                Ok(())
            });
            let Event::Exit(exit) = cx.recv().await else { return Err(oops("no exit")) };
            parents.note(format!("the parent is asked by its node: {}", exit.from == cx.node().pid()));
            // It takes its time, and then stops its child in its own way.
            cx.sleep(LIMIT / 2).await;
            child.cast("the child stops");
            let Event::Exit(exit) = cx.recv().await else { return Err(oops("no end")) };
            parents.note(format!("the parent stops: {}", exit.reason));
            Ok(())
        });
        settle(&node).await;
        let report = node.shutdown(LIMIT).await;
        assert_eq!(sums(&report), [2, 0, 0]);
        let order = ["the parent is asked by its node: true", "the child stops", "the parent stops: normal"];
        assert_eq!(heard.take(), order);
    });
}

#[test]
fn a_process_whose_parent_is_gone_is_asked_too() {
    seeds(async |node| {
        // One lost its parent before the shutdown, the other loses it by the shutdown; both would outlive it.
        let (give, given) = tokio::sync::oneshot::channel();
        let gone = node.spawn(async move |mut cx: Context<()>| {
            drop(give.send(cx.spawn_monitor(async |_cx: Context<()>| pending().await).0));
            Ok(())
        });
        let orphan = given.await.unwrap();
        ended(&node, &gone).await;
        let (give, given) = tokio::sync::oneshot::channel();
        let parent = node.spawn(async move |mut cx: Context<()>| {
            drop(give.send(cx.spawn_monitor(async |_cx: Context<()>| pending().await).0));
            pending().await
        });
        let child = given.await.unwrap();
        let start = node.now();
        assert_eq!(sums(&node.shutdown(LIMIT).await), [3, 0, 0]);
        assert_eq!(node.now(), start);
        for process in [orphan, child, parent] {
            assert_eq!(process.ended().unwrap().to_string(), "shutdown");
        }
    });
}

/// Notes how it ends.
struct Careful(Journal<String>);

impl Actor for Careful {
    type Msg = ();
    type Args = Journal<String>;

    async fn init(journal: Journal<String>, cx: &mut Context<()>) -> Result<Self, InitError> {
        cx.trap_exit(true);
        Ok(Self(journal))
    }

    async fn handle(&mut self, _: (), cx: &mut Context<()>) -> Ended {
        cx.sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    async fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<()>) {
        self.0.note(format!("{reason}, {} left", cx.addr().depth()));
    }
}

// OTP: F27, F28
#[test]
fn an_actor_that_traps_exits_cleans_up_ahead_of_its_queue() {
    seeds(async |node| {
        let journal = Journal::new();
        let args = journal.clone();
        let actor = node.spawn(async move |cx: Context<()>| run_actor::<Careful>(move || args, cx).await);
        settle(&node).await;
        (0..1_000).for_each(|_| actor.cast(()));
        let report = node.shutdown(LIMIT).await;
        assert_eq!(sums(&report), [1, 0, 0]);
        assert!(journal.take()[0].starts_with("shutdown, "), "terminate has run");
        assert_eq!(actor.ended().unwrap().to_string(), "shutdown");
    });
}

// OTP: A5
#[test]
fn what_is_left_at_the_limit_is_killed() {
    seeds(async |node| {
        let (polite, deaf) = (idler(&node), deaf(&node));
        deaf.call(|reply| reply).await.unwrap();
        let start = node.now();
        let report = node.shutdown(LIMIT).await;
        assert_eq!((sums(&report), report.is_orderly()), ([1, 1, 0], false));
        assert_eq!(node.now() - start, LIMIT);
        assert_eq!(polite.ended().unwrap().to_string(), "shutdown");
        assert_eq!(deaf.ended().unwrap().to_string(), "killed");
    });
}

#[test]
fn a_thread_that_cannot_be_stopped_is_reported_and_not_waited_for() {
    let (stepper, node) = Stepper::new();
    let (go, stay) = bounded::<()>(0);
    let threads: Vec<_> = (0..LEFT_NAMED + 2)
        .map(|_| {
            let stay = stay.clone();
            node.spawn_thread(move |_cx: BlockingContext<()>| {
                let _gone = stay.recv();
                Ok(())
            })
        })
        .collect();
    let polite = idler(&node);
    stepper.settle();
    node.register("stuck", &threads[0]).unwrap();
    node.register("polite", &polite).unwrap();
    let mut shutdown = pin!(node.shutdown(LIMIT));
    let start = node.now();
    assert!(poll_once(shutdown.as_mut()).is_pending());
    stepper.settle();
    assert!(poll_once(shutdown.as_mut()).is_pending());
    stepper.run(1_000);
    let Poll::Ready(report) = poll_once(shutdown.as_mut()) else { panic!("the shutdown waits for ever") };
    assert_eq!(sums(&report), [1, 0, LEFT_NAMED + 2]);
    assert_eq!(node.now() - start, LIMIT + KILL_GRACE);
    assert_eq!((report.left_pids.len(), report.names), (LEFT_NAMED, 1));
    assert!(report.left_pids.iter().all(|pid| threads.iter().any(|thread| thread.pid() == Some(*pid))));
    drop(go);
    while node.process_count() > 0 {
        stepper.settle();
        thread::yield_now();
    }
    assert!(threads.iter().all(|process| process.ended().unwrap().to_string() == "shutdown"));
    stepper.finish();
}

#[test]
fn all_who_ask_get_the_same_report_and_the_earliest_limit_holds() {
    seeds(async |node| {
        let deaf = deaf(&node);
        deaf.call(|reply| reply).await.unwrap();
        let start = node.now();
        let (patient, reports) = (node.clone(), Journal::new());
        // It waits on another node, so that it is no part of what is shut down.
        let mut first = pin!(patient.shutdown(100 * LIMIT));
        assert!(poll_once(first.as_mut()).is_pending());
        let mut longer = pin!(node.shutdown(200 * LIMIT));
        assert!(poll_once(longer.as_mut()).is_pending());
        reports.note(node.shutdown(LIMIT).await);
        assert_eq!(node.now() - start, LIMIT);
        reports.note(first.await);
        reports.note(longer.await);
        reports.note(node.shutdown(LIMIT).await);
        let reports = reports.take();
        assert_eq!(sums(&reports[0]), [0, 1, 0]);
        assert!(reports.iter().all(|report| *report == reports[0]));
        assert_eq!(node.now() - start, LIMIT);
    });
}

#[test]
fn a_shutdown_goes_on_when_nobody_waits_for_it() {
    seeds(async |node| {
        let (polite, deaf) = (idler(&node), deaf(&node));
        deaf.call(|reply| reply).await.unwrap();
        {
            let mut given_up = pin!(node.shutdown(LIMIT));
            assert!(poll_once(given_up.as_mut()).is_pending());
        }
        let never = node.shutdown(Duration::ZERO);
        drop(never);
        let start = node.now();
        assert_eq!(sums(&node.shutdown(100 * LIMIT).await), [1, 1, 0]);
        assert_eq!(node.now() - start, LIMIT);
        assert_eq!([polite.ended().unwrap().to_string(), deaf.ended().unwrap().to_string()], ["shutdown", "killed"]);
    });
}

#[test]
fn a_process_that_shuts_its_own_node_down_does_not_wait_for_itself() {
    seeds(async |node| {
        let (tell, told) = tokio::sync::oneshot::channel();
        let (polite, deaf) = (idler(&node), deaf(&node));
        deaf.call(|reply| reply).await.unwrap();
        node.spawn(async move |mut cx: Context<()>| {
            let home = cx.node().clone();
            let report = home.shutdown(LIMIT).await;
            // It goes on living as before, but starts nothing any more.
            let late = idler(&home).ended().map(|reason| reason.to_string());
            cx.sleep(LIMIT).await;
            drop(tell.send((sums(&report), report.left_pids, late)));
            Ok(())
        });
        let start = node.now();
        assert_eq!(told.await.unwrap(), ([1, 1, 0], Vec::new(), Some(LATE.to_owned())));
        assert_eq!(node.now() - start, 2 * LIMIT);
        assert_eq!(sums(&node.shutdown(LIMIT).await), [1, 1, 0]);
        assert_eq!([polite.ended().unwrap().to_string(), deaf.ended().unwrap().to_string()], ["shutdown", "killed"]);
    });
}

#[test]
fn a_process_that_asked_and_is_gone_is_waited_for_by_nobody() {
    seeds(async |node| {
        let deaf = deaf(&node);
        deaf.call(|reply| reply).await.unwrap();
        let operator = node.spawn(async |cx: Context<()>| {
            let home = cx.node().clone();
            home.shutdown(LIMIT).await;
            Ok(())
        });
        while !node.is_shutting_down() {
            crate::support::step_aside().await;
        }
        operator.kill();
        let start = node.now();
        assert_eq!(node.shutdown(LIMIT).await.killed, 1);
        assert_eq!((node.now() - start, node.process_count()), (LIMIT, 0));
        assert_eq!(operator.ended().unwrap().to_string(), "killed");
    });
}

#[test]
fn nothing_starts_on_a_node_that_shuts_down() {
    seeds(async |node| {
        let heard = Journal::new();
        let noted = heard.clone();
        let (ready, told) = tokio::sync::oneshot::channel();
        node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            let _gone = ready.send(());
            let _asked = cx.recv().await;
            noted.note(idler(cx.node()).ended().map(|reason| reason.to_string()));
            let (watched, monitor) = cx.spawn_monitor(async |_cx: Context<()>| Ok(()));
            noted.note(Some(cx.recv_down(monitor).await.reason.to_string()));
            let linked = cx.spawn_link(async |_cx: Context<()>| Ok(()));
            if let Event::Exit(exit) = cx.recv().await {
                noted.note(Some(exit.reason.to_string()));
            }
            noted.note(watched.ended().map(|reason| reason.to_string()));
            noted.note(linked.send(()).err().and_then(|_| linked.ended()).map(|reason| reason.to_string()));
            Ok(())
        });
        told.await.unwrap();
        assert_eq!(sums(&node.shutdown(LIMIT).await), [1, 0, 0]);
        assert_eq!(heard.take(), vec![Some(LATE.to_owned()); 5]);
        let refused = node.try_spawn(async |_cx: Context<()>| Ok(()));
        assert_eq!(refused.map_err(|(_, why)| why).unwrap_err(), SpawnError::ShuttingDown);
        let thread = node.spawn_thread(|_cx: BlockingContext<()>| Ok(()));
        assert_eq!(thread.ended().unwrap().to_string(), LATE);
        let called = node.spawn(async |_cx: Context<Reply<()>>| pending().await);
        assert_eq!(why(&called.call(|reply| reply).await), format!("exited: {LATE}"));
    });
}

#[test]
fn a_shutdown_under_load_misses_nobody() {
    for round in 0..20 {
        threads(async |node| {
            let (over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let spawners: Vec<_> = (0..2)
                .map(|_| {
                    let (node, over, refused) = (node.clone(), Arc::clone(&over), Arc::clone(&refused));
                    let work = move || {
                        let mut all = Vec::new();
                        while !over.load(Ordering::Relaxed) && all.len() < 20_000 {
                            let process = node.spawn(async |mut cx: Context<Reply<()>>| {
                                loop {
                                    cx.recv_message().await.send(());
                                }
                            });
                            process.cast_call();
                            if process.ended().is_some_and(|reason| reason.to_string() == LATE) {
                                refused.fetch_add(1, Ordering::Relaxed);
                            }
                            all.push(process);
                        }
                        all
                    };
                    thread::Builder::new().spawn(work).unwrap()
                })
                .collect();
            while node.process_count() < 100 * round {
                thread::yield_now();
            }
            let report = node.shutdown(Duration::from_secs(60)).await;
            let living = node.process_count();
            over.store(true, Ordering::Relaxed);
            let all: Vec<_> = spawners.into_iter().flat_map(|spawner| spawner.join().unwrap()).collect();
            assert_eq!((report.killed, report.left, living), (0, 0, 0));
            assert_eq!(report.ended, all.len() - refused.load(Ordering::Relaxed));
            for process in all {
                let reason = process.ended().unwrap().to_string();
                assert!(reason == "shutdown" || reason == LATE, "{reason}");
            }
        });
    }
}

trait CastCall {
    fn cast_call(&self);
}

impl CastCall for Addr<Reply<()>> {
    /// Sends a request, for whose answer nobody waits.
    fn cast_call(&self) {
        drop(self.request(|reply| reply));
    }
}

// OTP: F9, F16
#[test]
fn callers_are_answered_when_the_node_of_their_server_shuts_down() {
    threads(async |ours| {
        for _ in 0..20 {
            let theirs = Node::new();
            let server = theirs.spawn(async |mut cx: Context<Reply<()>>| {
                let mut kept = Vec::new();
                loop {
                    kept.push(cx.recv_message().await);
                }
            });
            let target = server.clone();
            let callers = inside(&ours, async move |_cx: Context<()>| {
                let pending: Vec<_> = (0..100).map(|_| target.request(|reply| reply)).collect();
                let shutdown = theirs.shutdown(LIMIT).await;
                let mut answers = Vec::new();
                for call in pending {
                    answers.push(call.await);
                }
                (shutdown, answers)
            });
            let (report, answers) = callers.await;
            assert_eq!(sums(&report), [1, 0, 0]);
            let told = |answer: &Result<(), CallError>| why(answer) == "exited: shutdown";
            assert!(answers.len() == 100 && answers.iter().all(told));
        }
    });
}

#[test]
fn a_node_whose_runtime_is_gone_reports_what_that_has_left() {
    let theirs = runtime();
    let node = Node::builder().attach(theirs.handle().clone()).unwrap();
    let (go, stay) = bounded::<()>(0);
    let (ready, told) = bounded::<()>(0);
    let process = idler(&node);
    let thread = node.spawn_thread(move |_cx: BlockingContext<()>| {
        ready.send(()).unwrap();
        let _gone = stay.recv();
        Ok(())
    });
    told.recv().unwrap();
    drop(theirs);
    let ours = runtime();
    let report = ours.block_on(node.shutdown(LIMIT));
    assert_eq!((sums(&report), report.left_pids.first().copied()), ([0, 0, 1], thread.pid()));
    assert!(process.ended().unwrap().to_string().contains("runtime"));
    drop(go);
    while node.process_count() > 0 {
        thread::yield_now();
    }
    // It is a report of that moment.
    assert_eq!(ours.block_on(node.shutdown(LIMIT)), report);
}

#[test]
fn a_runtime_that_goes_away_during_a_shutdown_ends_that_too() {
    let (stepper, node) = Stepper::new();
    let process = stepper.tasks();
    let _deaf = deaf(&node);
    stepper.settle();
    let mut shutdown = pin!(node.shutdown(LIMIT));
    assert!(poll_once(shutdown.as_mut()).is_pending());
    stepper.settle();
    stepper.drop_task(process);
    stepper.drop_task(process + 1);
    let Poll::Ready(report) = poll_once(shutdown) else { panic!("nobody shuts it down any more") };
    assert_eq!(sums(&report), [1, 0, 0]);
    stepper.finish();
}

#[test]
fn a_shutdown_does_nothing_until_it_is_awaited_and_leaves_other_nodes_alone() {
    threads(async |one| {
        let two = Node::new();
        let (here, there) = (mortal(&one), mortal(&two));
        let told = watch(&two, &there).await;
        drop(one.shutdown(LIMIT));
        assert!(!one.is_shutting_down());
        assert_eq!(sums(&one.shutdown(LIMIT).await), [1, 0, 0]);
        assert!(here.ended().is_some() && !two.is_shutting_down());
        there.cast(oops("its own end"));
        assert_eq!(told.await.to_string(), "error: its own end");
    });
}

#[test]
fn timers_that_are_still_set_are_reported() {
    seeds(async |node| {
        let call = node.spawn(async |_cx: Context<Reply<()>>| pending().await);
        let home = node.clone();
        // A call from outside has a timer of its own, which is there until the call is dropped.
        let mut waiting = pin!(call.call(|reply| reply).within(100 * LIMIT));
        assert!(poll_once(waiting.as_mut()).is_pending());
        let report = home.shutdown(LIMIT).await;
        assert_eq!((sums(&report), report.timers), ([1, 0, 0], 1));
    });
    Sim::seed(1).run(async |node: Node| {
        pause(&node, LIMIT).await;
        assert_eq!(node.shutdown(LIMIT).await.timers, 0);
    });
}
