//! Models of a kill while the process waits for something that is not its mailbox (OTP: A5, D10).
//!
//! Modelled: the kill before, during and after the first poll; a process that has left a foreign waker parked and awaits
//! what nobody completes; one that awaits a reply while the server answers. Not modelled: a body that never yields, which
//! nothing can end (OTP: A8). Bound: 3 threads, 2 preemptions. Invariants: I2 of `intake.rs`; the waker is registered at
//! the first poll (`task.rs`). Executions at last change: 18 and 361 in 0.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, model, node};
use freeboard_process::{Context, ExitReason, Reply};
use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    task::{Poll, Waker},
};

#[test]
fn a_process_that_awaits_nothing_of_ours_ends() {
    model("kill_elsewhere/future", || {
        let (node, spawned) = node();
        let drops = Drops::new();
        let held = drops.track(());
        let addr = node.spawn(async move |mut cx: Context<()>| {
            // What is left of a receive that was polled inside a set of futures and dropped: a waker that wakes nobody.
            poll_fn(|_| {
                let nothing_yet = pin!(cx.recv()).poll(&mut std::task::Context::from_waker(Waker::noop()));
                Poll::Ready(nothing_yet.is_pending())
            })
            .await;
            pending::<()>().await;
            drop(held);
            Ok(())
        });
        let process = Driver::new(spawned.one());
        let killer = loom::thread::spawn({
            let addr = addr.clone();
            move || addr.kill()
        });
        process.run();
        killer.join().expect("the killer asserts nothing");
        assert!(matches!(addr.ended(), Some(ExitReason::Killed)), "it ends, and the reason of a kill is Killed");
        assert_eq!(drops.count(), 1, "what the process held is dropped");
    });
}

type Request = (Tracked<()>, Reply<Tracked<()>>);

#[test]
fn a_process_that_awaits_a_reply_ends_and_leaks_neither_request_nor_reply() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("kill_elsewhere/reply", move || {
        let (node, spawned) = node();
        let (requests, replies, made) = (Drops::new(), Drops::new(), Log::new());
        let server_addr = node.spawn({
            let (replies, made) = (replies.clone(), made.clone());
            async move |mut cx: Context<Request>| {
                let (_request, reply) = cx.recv_message().await;
                made.push(());
                reply.send(replies.track(()));
                Ok(())
            }
        });
        let mut server = Driver::new(spawned.one());
        let addr = node.spawn({
            let request = requests.track(());
            async move |_: Context<()>| {
                let answer = server_addr.call(|reply| (request, reply)).forever().await;
                drop(answer);
                pending::<()>().await;
                Ok(())
            }
        });
        let process = Driver::new(spawned.one());
        let killer = loom::thread::spawn({
            let addr = addr.clone();
            move || addr.kill()
        });
        let serving = loom::thread::spawn(move || {
            server.poll();
            server
        });
        process.run();
        killer.join().expect("the killer asserts nothing");
        let server = serving.join().expect("the server asserts nothing");
        assert!(matches!(addr.ended(), Some(ExitReason::Killed)), "it ends, whatever it waits for");
        drop(server);
        assert_eq!(requests.count(), 1, "the request is dropped, sent or not, served or not");
        assert_eq!(replies.count(), made.entries().len(), "a reply that reached nobody is dropped");
        outcomes.note(made.entries().len());
    });
    assert!(reached.has(&0) && reached.has(&1), "the kill comes before and after the answer");
}
