//! How a process ends, what the reason is, and that everybody hears the same one.

use crate::panics::warnings;
use crate::support::{Journal, Notes, SEEDS, ended, idler, inside, oops, seeds, settle, step_aside, threads, why};
use freeboard_process::{Actor, Addr, Context, Ended, Event, ExitReason, InitError, Node, Reply, run_actor};
use std::{future::Future, time::Duration};

/// Something that makes a process end.
type Blow = fn(&Addr<Order>);

/// What the victim of the table below is told.
enum Order {
    Return(Ended),
    Panic,
    Keep(Reply<()>),
}

async fn victim(mut cx: Context<Order>) -> Ended {
    let mut kept = Vec::new();
    loop {
        match cx.recv_message().await {
            Order::Return(ended) => return ended,
            Order::Panic => panic!("at the disco"),
            Order::Keep(reply) => kept.push(reply),
        }
    }
}

/// What a process died of that relied on one that was not there.
const ABSENT: &str = "error: a process it relied on does not exist";

const DEATHS: [(&str, Blow); 9] = [
    ("normal", |v| v.cast(Order::Return(Ok(())))),
    ("shutdown", |v| v.cast(Order::Return(Err(ExitReason::Shutdown)))),
    ("shutdown: rescale", |v| v.cast(Order::Return(Err(ExitReason::ShutdownWith("rescale".into()))))),
    ("error: no disk", |v| v.cast(Order::Return(Err(oops("no disk"))))),
    ("panic: at the disco", |v| v.cast(Order::Panic)),
    ("killed", |v| v.kill()),
    ("shutdown", |v| v.exit(ExitReason::Shutdown)),
    ("error: from outside", |v| v.exit(oops("from outside"))),
    (ABSENT, |v| v.exit(ExitReason::NoProc)),
];

/// Every kind of observer: a monitor, a link of one that traps, a link of one that does not, and a caller.
async fn observers(node: &Node, blow: Blow, seen: &Journal<(&'static str, String)>) -> Addr<Order> {
    let victim = node.spawn(victim);
    for _ in 0..2 {
        let (target, journal) = (victim.clone(), seen.clone());
        node.spawn(async move |mut cx: Context<()>| {
            let (monitor, pid) = (cx.monitor(&target), target.pid());
            let down = cx.recv_down(monitor).await;
            assert_eq!(Some(down.pid), pid);
            journal.note(("monitor", down.reason.to_string()));
            Ok(())
        });
    }
    let (target, journal) = (victim.clone(), seen.clone());
    node.spawn(async move |mut cx: Context<()>| {
        cx.trap_exit(true);
        cx.link(&target);
        if let Event::Exit(exit) = cx.recv().await {
            journal.note(("link", exit.reason.to_string()));
        }
        Ok(())
    });
    let target = victim.clone();
    let bystander = node.spawn(async move |mut cx: Context<()>| {
        cx.link(&target);
        std::future::pending().await
    });
    let (target, journal) = (victim.clone(), seen.clone());
    node.spawn(async move |_cx: Context<()>| {
        let answer = target.call(Order::Keep).forever().await;
        journal.note(("caller", why(&answer)));
        Ok(())
    });
    settle(node).await;
    blow(&victim);
    settle(node).await;
    if let Some(reason) = bystander.ended() {
        seen.note(("bystander", reason.to_string()));
    }
    victim
}

// OTP table: A1, A2, A3, A5, B3, B4, B5, F16
#[test]
fn every_observer_hears_the_same_reason_once() {
    for (expected, blow) in DEATHS {
        seeds(async |node| {
            let seen = Journal::new();
            let victim = observers(&node, blow, &seen).await;
            assert_eq!(victim.ended().unwrap().to_string(), expected);
            let mut seen = seen.take();
            seen.sort();
            let mut all = vec![
                ("caller", format!("exited: {expected}")),
                ("link", expected.to_owned()),
                ("monitor", expected.to_owned()),
                ("monitor", expected.to_owned()),
            ];
            if expected != "normal" {
                all.insert(0, ("bystander", expected.to_owned()));
            }
            assert_eq!(seen, all);
        });
    }
}

// OTP: A2
#[test]
fn a_body_that_returns_ends_as_normal() {
    seeds(async |node| {
        let brief = node.spawn(async |_cx: Context<()>| Ok(()));
        assert!(matches!(ended(&node, &brief).await, ExitReason::Normal));
        assert_eq!(brief.pid(), None);
    });
}

// OTP: A3
#[test]
fn a_panic_stays_inside_its_process_on_real_threads() {
    threads(async |node| {
        let steady = node.spawn(async |mut cx: Context<Reply<u32>>| {
            for turn in 0.. {
                cx.recv_message().await.send(turn);
            }
            Ok(())
        });
        for turn in 0..200 {
            let doomed = node.spawn(async |mut cx: Context<()>| {
                cx.recv_message().await;
                panic!("number {}", 7);
            });
            doomed.cast(());
            match ended(&node, &doomed).await {
                ExitReason::Panic(info) => assert_eq!(info.message, "number 7"),
                other => panic!("{other}"),
            }
            assert_eq!(steady.call(|reply| reply).await.unwrap(), turn);
        }
    });
}

// OTP: A4
#[test]
fn an_abnormal_end_is_reported_once_and_an_orderly_one_is_silent() {
    for (expected, blow) in DEATHS {
        let count = warnings(|| {
            freeboard_process::Sim::seed(3).run(async |node: Node| {
                let victim = node.spawn(victim);
                settle(&node).await;
                blow(&victim);
                let reason = ended(&node, &victim).await;
                assert_eq!(reason.to_string(), expected);
            });
        });
        let orderly = expected == "normal" || expected.starts_with("shutdown");
        assert_eq!(count, usize::from(!orderly), "{expected}");
    }
}

// OTP: A5, B7
#[test]
fn a_kill_cannot_be_trapped_and_reads_killed() {
    seeds(async |node| {
        let seen = Journal::new();
        let events = seen.clone();
        let trapper = node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            loop {
                events.note(format!("{:?}", cx.recv().await));
            }
        });
        let heir = {
            let trapper = trapper.clone();
            node.spawn(async move |mut cx: Context<()>| {
                cx.link(&trapper);
                std::future::pending().await
            })
        };
        settle(&node).await;
        trapper.kill();
        assert!(matches!(ended(&node, &trapper).await, ExitReason::Killed));
        assert!(matches!(ended(&node, &heir).await, ExitReason::Killed));
        assert_eq!(seen.take(), Vec::<String>::new());
    });
}

// OTP: A8
#[test]
fn the_first_of_several_exit_signals_decides() {
    seeds(async |node| {
        let victim = idler(&node);
        victim.exit(ExitReason::Normal);
        victim.exit(oops("first"));
        victim.kill();
        victim.exit(oops("third"));
        assert_eq!(ended(&node, &victim).await.to_string(), "error: first");
        victim.kill();
        assert_eq!(victim.ended().unwrap().to_string(), "error: first");
    });
}

// OTP: A8
#[test]
fn after_a_fatal_signal_nothing_is_received_and_no_result_of_the_body_counts() {
    seeds(async |node| {
        let seen = Journal::new();
        let events = seen.clone();
        let victim = node.spawn(async move |mut cx: Context<u32>| {
            cx.recv_message().await;
            events.note("first message");
            // The signal is behind the first message and ahead of the second, and no yield lies between here and there.
            cx.addr().cast(2);
            cx.addr().kill();
            cx.addr().cast(3);
            let mut receive = Box::pin(cx.recv_where(|n| *n == 3));
            let got = std::future::poll_fn(|task| std::task::Poll::Ready(receive.as_mut().poll(task))).await;
            events.note(if got.is_ready() { "received" } else { "pending" });
            Ok(())
        });
        victim.cast(1);
        assert!(matches!(ended(&node, &victim).await, ExitReason::Killed));
        assert_eq!(seen.take(), ["first message", "pending"]);
    });
}

// OTP: A8
#[test]
fn a_handler_cannot_catch_a_kill_and_ends_at_its_next_yield() {
    seeds(async |node| {
        let seen = Journal::new();
        let events = seen.clone();
        let stubborn = node.spawn(async move |mut cx: Context<u32>| {
            loop {
                events.note(());
                let _ = cx.recv().after(Duration::from_millis(5)).await;
                step_aside().await;
            }
        });
        settle(&node).await;
        stubborn.kill();
        let turns = seen.len();
        assert!(matches!(ended(&node, &stubborn).await, ExitReason::Killed));
        assert_eq!(seen.len(), turns);
    });
}

/// Notes that it was dropped; a watcher notes that it heard of the death.
async fn stop_then_tell(node: &Node, blow: fn(&Addr<()>)) -> Vec<&'static str> {
    let seen = Journal::new();
    let held = Notes(seen.clone(), "stopped");
    let victim = node.spawn(async move |mut cx: Context<()>| {
        let _held = held;
        cx.recv_message().await;
        Ok(())
    });
    let (target, journal) = (victim.clone(), seen.clone());
    let watched = inside(node, async move |mut cx: Context<()>| {
        let monitor = cx.monitor(&target);
        blow(&target);
        let down = cx.recv_down(monitor).await;
        journal.note("told");
        down.reason.to_string()
    });
    let reason = watched.await;
    assert!(reason == "killed" || reason == "normal" || reason == "shutdown", "{reason}");
    seen.take()
}

// OTP: A8
#[test]
fn observers_hear_of_a_death_after_the_process_has_really_stopped() {
    let blows: [fn(&Addr<()>); 3] = [|v| v.kill(), |v| v.exit(ExitReason::Shutdown), |v| v.cast(())];
    for blow in blows {
        seeds(async |node| assert_eq!(stop_then_tell(&node, blow).await, ["stopped", "told"]));
        threads(async |node| {
            for _ in 0..SEEDS {
                assert_eq!(stop_then_tell(&node, blow).await, ["stopped", "told"]);
            }
        });
    }
}

/// DEV-08: there is no exit reason `kill`. An exit signal that says `Killed` is like any other: it can be trapped.
// OTP: A6
#[test]
fn killed_as_a_reason_is_no_kill() {
    seeds(async |node| {
        let trapper = node.spawn(async |mut cx: Context<()>| {
            cx.trap_exit(true);
            match cx.recv().await {
                Event::Exit(exit) => Err(oops(if matches!(exit.reason, ExitReason::Killed) { "trapped" } else { "?" })),
                _ => Ok(()),
            }
        });
        settle(&node).await;
        trapper.exit(ExitReason::Killed);
        assert_eq!(ended(&node, &trapper).await.to_string(), "error: trapped");
        let candid = node.spawn(async |_cx: Context<()>| Err(ExitReason::Killed));
        assert!(matches!(ended(&node, &candid).await, ExitReason::Killed));
    });
}

/// An observer's answer as the cause of an end, in every way in which a process comes by its reason.
// OTP: A7, A1
#[test]
fn nobody_dies_of_an_observers_answer() {
    let gone = "error: the connection to a process it relied on is lost";
    let ways: [(&str, Blow); 4] = [
        (ABSENT, |v| v.cast(Order::Return(Err(ExitReason::NoProc)))),
        (gone, |v| v.cast(Order::Return(Err(ExitReason::NoConnection)))),
        (ABSENT, |v| v.exit(ExitReason::NoProc)),
        (gone, |v| v.exit(ExitReason::NoConnection)),
    ];
    seeds(async |node| {
        for (reason, blow) in ways {
            let seen = Journal::new();
            let victim = observers(&node, blow, &seen).await;
            let seen = seen.take();
            assert!(seen.len() >= 4 && seen.iter().all(|(_, heard)| heard.contains(reason)), "{reason}: {seen:?}");
            // The observers' own answer is told apart from it.
            let late = inside(&node, async move |mut cx: Context<()>| {
                let monitor = cx.monitor(&victim);
                cx.recv_down(monitor).await.reason
            });
            assert!(matches!(late.await, ExitReason::NoProc));
        }
    });
}

/// Ends by a handler's `?`, and notes what its `terminate` is told.
struct Relies(Journal<String>);

impl Actor for Relies {
    type Msg = ();
    type Args = Journal<String>;

    async fn init(journal: Journal<String>, _: &mut Context<()>) -> Result<Self, InitError> {
        Ok(Self(journal))
    }

    async fn handle(&mut self, (): (), _: &mut Context<()>) -> Ended {
        Err(ExitReason::NoProc)
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<()>) {
        self.0.note(reason.to_string());
    }
}

// OTP: A7, F27
#[test]
fn terminate_is_told_the_cause_that_the_others_hear() {
    seeds(async |node| {
        let told = Journal::new();
        let args = told.clone();
        let actor = node.spawn(|cx| run_actor::<Relies>(|| args, cx));
        actor.cast(());
        assert_eq!(ended(&node, &actor).await.to_string(), ABSENT);
        assert_eq!(told.take(), [ABSENT]);
    });
}

/// A reason whose destructor looks at its own process.
struct Nosy(Addr<()>, Journal<usize>);

impl std::fmt::Debug for Nosy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nosy")
    }
}

impl std::fmt::Display for Nosy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nosy")
    }
}

impl std::error::Error for Nosy {}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.1.note(self.0.ties().links);
    }
}

/// Were it dropped under the lock of its process, this would not return.
#[test]
fn a_reason_that_comes_second_is_dropped_outside_of_every_lock() {
    seeds(async |node| {
        let seen = Journal::new();
        let mine = seen.clone();
        let victim = node.spawn(async move |mut cx: Context<()>| {
            cx.node().kill(cx.pid());
            // The kill is applied here, and this body returns all the same.
            let nothing = std::pin::pin!(cx.recv()).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            assert!(nothing.is_pending());
            let me = cx.addr();
            Err(Nosy(me, mine).into())
        });
        settle(&node).await;
        assert_eq!((victim.ended().unwrap().to_string(), seen.take()), ("killed".to_owned(), vec![0]));
    });
}
