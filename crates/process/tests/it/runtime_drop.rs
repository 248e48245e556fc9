//! A runtime that is dropped without a poll: whoever watches from another one is told all the same.

use crate::support::{Journal, Notes, runtime, settle, why};
use freeboard_process::{Addr, Context, Event, ExitReason, Node, Reply, Sim};
use tokio::sync::oneshot;

const WHY: &str = "shutdown: the runtime of this process was dropped";

/// A process on `here` that watches, is linked to, and calls one on another node; answers what it hears.
fn observer(here: &Node, target: Addr<Reply<u32>>, ready: oneshot::Sender<()>) -> oneshot::Receiver<Vec<String>> {
    let (send, receive) = oneshot::channel();
    here.spawn(async move |mut cx: Context<()>| {
        cx.trap_exit(true);
        cx.monitor(&target);
        cx.monitor(&target);
        cx.link(&target);
        let call = target.request(|reply| reply);
        let _gone = ready.send(());
        let mut heard = vec![why(&call.await)];
        for _ in 0..3 {
            heard.push(match cx.recv().await {
                Event::Down(down) => format!("DOWN {}", down.reason),
                Event::Exit(exit) => format!("EXIT {}", exit.reason),
                other => format!("{other:?}"),
            });
        }
        let _gone = send.send(heard);
        Ok(())
    });
    receive
}

// OTP: A1, F16
#[test]
fn observers_on_another_runtime_are_told_when_a_runtime_is_dropped() {
    for round in 0..20 {
        let (theirs, ours) = (runtime(), runtime());
        let (their_node, our_node) = {
            let _inside = theirs.enter();
            let node = Node::new();
            drop(_inside);
            let _inside = ours.enter();
            (node, Node::new())
        };
        let dropped = Journal::new();
        let held = Notes(dropped.clone(), "state");
        let target = their_node.spawn(async move |mut cx: Context<Reply<u32>>| {
            let (_held, _kept) = (held, cx.recv_message().await);
            std::future::pending().await
        });
        let (send, ready) = oneshot::channel();
        let heard = observer(&our_node, target.clone(), send);
        ours.block_on(ready).unwrap();
        // Whether the target has run or not, and has taken the request or not, is the threads' affair.
        if round % 2 == 0 {
            theirs.shutdown_background();
        } else {
            drop(theirs);
        }
        let heard = ours.block_on(heard).unwrap();
        let mut notices = heard[1..].to_vec();
        notices.sort();
        assert_eq!(heard[0], format!("exited: {WHY}"));
        assert_eq!(notices, [format!("DOWN {WHY}"), format!("DOWN {WHY}"), format!("EXIT {WHY}")]);
        assert_eq!(dropped.take(), ["state"]);
        assert!(matches!(target.ended(), Some(ExitReason::ShutdownWith(_))));
        assert!(target.send_fails());
    }
}

trait SendFails {
    fn send_fails(&self) -> bool;
}

impl SendFails for Addr<Reply<u32>> {
    fn send_fails(&self) -> bool {
        self.pid().is_none()
    }
}

// OTP: A1, A10
#[test]
fn a_spawn_on_a_runtime_that_is_gone_ends_at_once() {
    let theirs = runtime();
    let node = {
        let _inside = theirs.enter();
        Node::new()
    };
    drop(theirs);
    let stillborn = node.spawn(async |mut cx: Context<Reply<u32>>| {
        cx.recv_message().await.send(1);
        Ok(())
    });
    assert_eq!(stillborn.ended().unwrap().to_string(), WHY);
    let ours = runtime();
    let call = ours.block_on(async { stillborn.call(|reply| reply).forever().await });
    assert_eq!(why(&call), format!("exited: {WHY}"));
}

// OTP: A1
#[test]
fn a_simulation_that_ends_ends_its_processes() {
    for seed in 0..50 {
        let dropped = Journal::new();
        let addrs = Journal::new();
        Sim::seed(seed).run(async |node: Node| {
            for n in 0..5 {
                let held = Notes(dropped.clone(), n);
                addrs.note(node.spawn(async move |mut cx: Context<Reply<u32>>| {
                    let _held = held;
                    let child = cx.spawn_link(async |_cx: Context<()>| std::future::pending().await);
                    cx.monitor(&child);
                    std::future::pending().await
                }));
            }
            if seed % 2 == 0 {
                settle(&node).await;
            }
        });
        let mut seen = dropped.take();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        for addr in addrs.take() {
            assert_eq!(addr.ended().unwrap().to_string(), WHY);
        }
    }
}
