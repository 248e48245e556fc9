//! The end of a seat: `closed` and `monitor_seat` hear of it once, and of nothing before it.

use crate::support::{
    Journal, ended, idler, incarnate, inside, mortal, oops, seeds, settle, step_aside, threads, until_zero, words,
};
use freeboard_process::sync::{AtomicUsize, Ordering};
use freeboard_process::{Addr, Context, Event, ExitReason, Launcher, Node, Queue, Reply, Sim};
use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::{Poll, Wake, Waker},
};

fn patient() -> Launcher<&'static str> {
    Launcher::new(|_cx: Context<&'static str>| Box::pin(pending()))
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn closed_waits_through_restarts_and_answers_the_last_reason() {
    seeds(async |node| {
        let launcher = patient();
        let addr = launcher.addr();
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut closed = pin!(addr.closed());
        let mut poll = || closed.as_mut().poll(&mut std::task::Context::from_waker(&waker));
        assert!(poll().is_pending(), "it was never started");
        for _ in 0..3 {
            incarnate(&node, &launcher);
            settle(&node).await;
            addr.kill();
            settle(&node).await;
            assert!(poll().is_pending() && addr.pid().is_none(), "a restart is due");
        }
        assert_eq!(bell.0.load(Ordering::Relaxed), 0);
        drop(launcher);
        assert_eq!(bell.0.load(Ordering::Relaxed), 1, "its end wakes once");
        assert!(matches!(poll(), Poll::Ready(ExitReason::Killed)));
        assert!(matches!(addr.closed().await, ExitReason::Killed), "and is there at once from then on");
    });
}

#[test]
fn closed_answers_when_whoever_watches_the_process_has_been_told() {
    seeds(async |node| {
        let told = Journal::new();
        let process = mortal(&node);
        for _ in 0..3 {
            let (target, told) = (process.clone(), told.clone());
            node.spawn(async move |mut cx: Context<()>| {
                let monitor = cx.monitor(&target);
                let _down = cx.recv_down(monitor).await;
                told.note("a monitor");
                Ok(())
            });
        }
        settle(&node).await;
        let waits = {
            let process = process.clone();
            inside(&node, async move |mut cx: Context<()>| {
                process.cast(oops("the end"));
                let reason = process.closed().await;
                // What was told before is queued before; the watchers have only to run.
                cx.sleep(std::time::Duration::from_millis(1)).await;
                reason.to_string()
            })
        };
        assert_eq!(waits.await, "error: the end");
        assert_eq!(told.len(), 3);
    });
}

#[test]
fn a_wait_that_is_dropped_leaves_no_row_and_a_spec_that_is_dropped_ends_it() {
    let launcher = patient();
    let addr = launcher.addr();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    for _ in 0..100 {
        let mut given_up = Box::pin(addr.closed());
        assert!(given_up.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&bell), 2, "the wakers of those who gave up are gone");
    let mut closed = pin!(addr.closed());
    assert!(closed.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop(launcher);
    assert_eq!(bell.0.load(Ordering::Relaxed), 1, "and are not woken");
    assert!(matches!(
        closed.as_mut().poll(&mut std::task::Context::from_waker(&waker)),
        Poll::Ready(ExitReason::NoProc)
    ));
    drop(waker);
    assert_eq!(Arc::strong_count(&bell), 1);
}

#[test]
fn a_monitor_of_a_seat_fires_once_when_no_incarnation_will_come() {
    seeds(async |node| {
        let launcher = patient();
        let (addr, journal) = (launcher.addr(), Journal::new());
        let first = incarnate(&node, &launcher);
        settle(&node).await;
        let (target, heard) = (addr.clone(), journal.clone());
        let watcher: Addr<&'static str> = node.spawn(async move |mut cx: Context<&'static str>| {
            let (direct, of_seat) = (cx.monitor(&target), cx.monitor_seat(&target));
            loop {
                match cx.recv().await {
                    Event::Down(down) if down.monitor == direct => heard.note(format!("process {}", down.reason)),
                    Event::Down(down) if down.monitor == of_seat => {
                        heard.note(format!("seat {}, {}", down.reason, down.pid == first));
                    }
                    other => heard.note(words(&other)),
                }
            }
        });
        settle(&node).await;
        for round in 0..3 {
            addr.kill();
            settle(&node).await;
            assert_eq!(journal.take(), if round == 0 { vec!["process killed"] } else { vec![] });
            incarnate(&node, &launcher);
            settle(&node).await;
        }
        addr.exit(ExitReason::Shutdown);
        settle(&node).await;
        assert!(journal.take().is_empty());
        drop(launcher);
        settle(&node).await;
        assert_eq!(journal.take(), ["seat shutdown, true"]);
        watcher.kill();
        settle(&node).await;
    });
}

#[test]
fn a_monitor_of_a_seat_hears_of_the_end_of_a_process_a_closed_seat_and_a_dropped_spec() {
    seeds(async |node| {
        let (process, gone, unstarted) = (mortal(&node), mortal(&node), patient());
        gone.cast(oops("gone"));
        ended(&node, &gone).await;
        let seats = (process.clone(), gone, unstarted.addr());
        let (lend, spec) = tokio::sync::oneshot::channel();
        assert!(lend.send(unstarted).is_ok());
        let heard = inside(&node, async move |mut cx: Context<()>| {
            let (of_process, of_gone, of_unstarted) =
                (cx.monitor_seat(&seats.0), cx.monitor_seat(&seats.1), cx.monitor_seat(&seats.2));
            let node_pid = cx.node().pid();
            let gone = cx.recv_down(of_gone).await;
            process.cast(oops("the end"));
            let over = cx.recv_down(of_process).await;
            drop(spec.await);
            let never = cx.recv_down(of_unstarted).await;
            assert_eq!((never.pid, gone.pid), (node_pid, node_pid));
            [gone, over, never].map(|down| down.reason.to_string())
        })
        .await;
        assert_eq!(heard, ["error: gone", "error: the end", "no such process"]);
    });
}

#[test]
fn demonitor_takes_a_monitor_of_a_seat_back_and_so_does_the_watchers_death() {
    seeds(async |node| {
        let process = idler(&node);
        let target = process.clone();
        let lent = inside(&node, async move |mut cx: Context<()>| {
            let (kept, taken_back) = (cx.monitor_seat(&target), cx.monitor_seat(&target));
            // Oneself: the row is at one's own seat.
            let oneself = {
                let me = cx.addr();
                cx.monitor_seat(&me)
            };
            assert!(cx.demonitor(oneself) && !cx.demonitor(oneself));
            assert!(cx.demonitor(taken_back) && !cx.demonitor(taken_back));
            target.kill();
            let down = cx.recv_down(kept).await;
            assert!(matches!(down.reason, ExitReason::Killed));
            assert!(!cx.demonitor(kept), "it has fired");
            let flushed = cx.monitor_seat(&target);
            step_aside().await;
            assert!(!cx.demonitor_flush(flushed));
            cx.recv().after(std::time::Duration::from_secs(1)).await.is_none()
        })
        .await;
        assert!(lent, "nothing more comes");
        // A watcher that died is not told, and its row keeps nothing of it.
        let (process, seats) = (idler(&node), node.seats());
        let target = process.clone();
        let watcher = node.spawn(async move |mut cx: Context<()>| {
            cx.monitor_seat(&target);
            pending().await
        });
        settle(&node).await;
        watcher.kill();
        ended(&node, &watcher).await;
        drop(watcher);
        settle(&node).await;
        assert_eq!(node.seats(), seats);
        process.kill();
        settle(&node).await;
    });
}

/// Threads: whoever asks while the process ends hears it once.
#[test]
fn closed_is_told_however_the_end_and_the_question_meet() {
    threads(async |node| {
        for _ in 0..200 {
            let process = idler(&node);
            let waits: Vec<_> = (0..3)
                .map(|_| {
                    let process = process.clone();
                    node.spawn(async move |mut cx: Context<Reply<String>>| {
                        let reply = cx.recv_message().await;
                        reply.send(process.closed().await.to_string());
                        Ok(())
                    })
                })
                .collect();
            let asked: Vec<_> = waits.iter().map(|waits| waits.request(|reply| reply)).collect();
            process.kill();
            for answer in asked {
                assert_eq!(answer.await.unwrap(), "killed");
            }
        }
    });
}

#[test]
fn a_runtime_that_is_dropped_closes_its_seats() {
    let mut kept = None;
    Sim::seed(1).run(async |node: Node| {
        let process = idler(&node);
        settle(&node).await;
        kept = Some(process);
    });
    let process = kept.expect("the world has run");
    let Poll::Ready(reason) = pin!(process.closed()).poll(&mut std::task::Context::from_waker(Waker::noop())) else {
        panic!("the seat is not closed");
    };
    assert!(reason.is_expected(), "{reason}");
    assert!(process.pid().is_none());
}

#[test]
fn a_seat_that_is_closed_has_no_timer_for_a_queue_that_it_kept() {
    seeds(async |node| {
        let launcher = until_zero().queue(Queue::keep());
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        addr.cast(0);
        addr.cast(1);
        settle(&node).await;
        assert_eq!((addr.pid(), node.timers_set()), (None, 1), "the queue waits for the next incarnation");
        drop(launcher);
        assert_eq!(node.timers_set(), 0);
    });
}
