//! Models of a restart against signals for the incarnation before it: none of them ever reaches the next one (I3).
//!
//! Modelled: a kill, an exit signal and a monitor by pid against the end of a process and the start of its successor on the
//! same seat; a context on another task that ends a drained process meanwhile. Not modelled: the supervisor that decides on
//! the restart (`start_shutdown`). Bound: 3 threads, 2 preemptions.
//! Invariants: I3 of `intake.rs`; the generation and the flags of `standing` are one word, changed by read-modify-write
//! (`seat.rs`). Executions at last change: 25, 25, 41 and 1,968 in
//! 0.4 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Spawned, Tracked, model, node};
use freeboard_mailbox::sync::Mutex;
use freeboard_process::{Birth, Context, ExitReason, Launch, Launcher, Node, Peer, Pid, StartError, Supervision};
use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::Waker,
};

/// Says that the seat gets another incarnation, and notes why each one ended.
struct Again(Log<&'static str>);

impl Supervision for Again {
    fn started(&self, _: Pid) {}

    fn comes_back(&self, _: Pid, _: &ExitReason) -> bool {
        true
    }

    fn ended(&self, _: Pid, reason: &ExitReason, _: Option<&StartError>) {
        self.0.push(match reason {
            ExitReason::Killed => "killed",
            ExitReason::Shutdown => "shut down",
            ExitReason::Normal => "normal",
            ExitReason::ShutdownWith(_) => "dropped",
            _ => "something else",
        });
    }
}

fn start<M: Send + 'static>(
    node: &Node,
    spawned: &Spawned,
    launcher: &Launcher<M>,
    ends: &Log<&'static str>,
) -> (Peer, Driver) {
    let peer = launcher.prepare(node).expect("the seat has this node");
    let birth = Birth { supervision: Some(Arc::new(Again(ends.clone()))), ..Birth::default() };
    assert!(launcher.launch(node, peer.pid(), birth), "nobody lives there");
    (peer, Driver::new(spawned.one()))
}

/// The first incarnation shuts down when it runs; the next one waits for messages, which it notes.
fn server(seen: &Log<u8>) -> Launcher<Tracked<u8>> {
    let (seen, runs) = (seen.clone(), Log::new());
    Launcher::new(move |mut cx: Context<Tracked<u8>>| {
        let (seen, is_first) = (seen.clone(), runs.entries().is_empty());
        runs.push(());
        Box::pin(async move {
            if is_first {
                return Err(ExitReason::Shutdown);
            }
            loop {
                seen.push(*cx.recv_message().await);
            }
        })
    })
}

fn the_next_one_lives(name: &str, signal: fn(&Peer)) {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (node, spawned) = node();
        let (drops, ends, seen) = (Drops::new(), Log::new(), Log::new());
        let launcher = server(&seen);
        let (first, ending) = start(&node, &spawned, &launcher, &ends);
        let signals = loom::thread::spawn(move || signal(&first));
        ending.run();
        let (_, mut second) = start(&node, &spawned, &launcher, &ends);
        assert!(!second.poll(), "the next one lives");
        signals.join().expect("the sender of the signal asserts nothing");
        assert!(!second.poll(), "nor does anything reach it later");
        let addr = launcher.addr();
        addr.send(drops.track(7)).expect("somebody lives there");
        assert!(!second.poll() && seen.entries() == [7], "it works");
        let first = ends.entries();
        assert_eq!(first.len(), 1, "the first one ended once");
        outcomes.note(first[0]);
        addr.kill();
        second.run();
        assert_eq!(ends.entries()[1..], ["killed"], "and this one can be reached");
    });
    assert!(reached.has(&"killed") && reached.has(&"shut down"), "the signal comes in time and too late: {reached:?}");
}

#[test]
fn a_kill() {
    the_next_one_lives("restart_signals/kill", Peer::kill);
}

#[test]
fn an_exit_signal() {
    the_next_one_lives("restart_signals/exit", |peer| peer.exit(peer.pid(), ExitReason::Killed));
}

#[test]
fn a_monitor_of_the_first_hears_of_the_first() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("restart_signals/monitor", move || {
        let (node, spawned) = node();
        let (ends, seen, heard) = (Log::new(), Log::new(), Log::new());
        let launcher = server(&seen);
        let (first, ending) = start(&node, &spawned, &launcher, &ends);
        node.spawn({
            let (heard, target) = (heard.clone(), first.pid());
            async move |mut cx: Context<()>| {
                let monitor = cx.monitor(&target);
                loop {
                    let down = cx.recv_down(monitor).await;
                    heard.push(match down.reason {
                        ExitReason::Shutdown => "the reason",
                        ExitReason::NoProc => "noproc",
                        _ => "something else",
                    });
                }
            }
        });
        let mut watcher = Driver::new(spawned.one());
        let watching = loom::thread::spawn({
            let heard = heard.clone();
            move || {
                watcher.run_until(|| !heard.entries().is_empty());
                watcher
            }
        });
        ending.run();
        let (_, mut second) = start(&node, &spawned, &launcher, &ends);
        assert!(!second.poll(), "the next one lives");
        let mut watcher = watching.join().expect("the watcher's thread asserts nothing");
        launcher.addr().kill();
        second.run();
        watcher.poll();
        let heard = heard.entries();
        assert!(heard == ["the reason"] || heard == ["noproc"], "one Down, and not of the next one: {heard:?}");
        outcomes.note(heard[0]);
    });
    assert_eq!(reached.entries().len(), 2, "the monitor comes before and after the end: {reached:?}");
}

#[test]
fn a_context_elsewhere_that_ends_its_drained_process() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("restart_signals/drained", move || {
        let (node, spawned) = node();
        let (drops, ends, seen) = (Drops::new(), Log::new(), Log::new());
        let lent: Arc<Mutex<Option<Context<Tracked<u8>>>>> = Arc::default();
        let launcher = {
            let (seen, lent, runs) = (seen.clone(), Arc::clone(&lent), Log::new());
            Launcher::new(move |mut cx: Context<Tracked<u8>>| {
                let (seen, lent, is_first) = (seen.clone(), Arc::clone(&lent), runs.entries().is_empty());
                runs.push(());
                Box::pin(async move {
                    if is_first {
                        *lent.lock() = Some(cx);
                        return pending().await;
                    }
                    loop {
                        seen.push(*cx.recv_message().await);
                    }
                })
            })
        };
        let (_, mut ending) = start(&node, &spawned, &launcher, &ends);
        assert!(!ending.poll(), "it has lent its context, and waits");
        let mut cx = lent.lock().take().expect("the first poll lends it");
        let addr = launcher.addr();
        addr.drain();
        let elsewhere = loom::thread::spawn(move || {
            let mut receive = pin!(cx.recv_message());
            let nothing = receive.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
            assert!(nothing.is_pending(), "nothing was sent");
        });
        // Its task goes away for another reason; a kill would wait for the flag that the other thread is about to raise.
        drop(ending);
        let (_, mut second) = start(&node, &spawned, &launcher, &ends);
        elsewhere.join().expect("the receiver's assertion failed");
        addr.send(drops.track(7)).expect("the next one takes messages");
        assert!(!second.poll() && seen.entries() == [7], "the next one lives and works");
        outcomes.note(ends.entries()[0]);
        addr.kill();
        second.run();
    });
    assert!(reached.has(&"dropped") && reached.has(&"normal"), "either ends it first: {reached:?}");
}
