//! Blocking calls and sends from plain threads: real threads, handed over to by channels.

use crate::support::{ended, idler, oops, runtime, step_aside, why};
use crossbeam_channel::{Receiver, bounded, unbounded};
use freeboard_process::{Addr, CallError, Context, Dropped, ExitReason, Launcher, Node, Policy, Refused, Reply, Sim};
use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};
use tokio::runtime::Runtime;

pub(crate) const WHY: &str = "shutdown: the runtime of this process was dropped";

/// A node on a runtime whose threads are not this one.
pub(crate) fn world() -> (Runtime, Node) {
    let runtime = runtime();
    let node = runtime.block_on(async { Node::new() });
    (runtime, node)
}

/// Answers each request with its number, until it is ended from outside.
pub(crate) fn echo(node: &Node) -> Addr<(u32, Reply<u32>)> {
    node.spawn(async |mut cx: Context<(u32, Reply<u32>)>| {
        loop {
            let (n, reply) = cx.recv_message().await;
            reply.send(n);
        }
    })
}

/// Passes each request out, unanswered.
pub(crate) fn hoarder(node: &Node) -> (Addr<Reply<u32>>, Receiver<Reply<u32>>) {
    let (send, requests) = unbounded();
    let addr = node.spawn(async move |mut cx: Context<Reply<u32>>| {
        loop {
            send.send(cx.recv_message().await).unwrap();
        }
    });
    (addr, requests)
}

/// The message of a panic in `work`.
pub(crate) fn panic_of(work: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(work)).unwrap_err();
    ExitReason::from_panic(payload.as_ref(), String::new()).to_string()
}

/// An error that is a number.
#[derive(Debug)]
pub(crate) struct Number(pub(crate) u32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Number {}

/// The reason that a receive answered, in words.
pub(crate) fn why_not<T>(received: Result<T, ExitReason>) -> String {
    received.map_or_else(|reason| reason.to_string(), |_| "received".to_owned())
}

/// Gives way until that process has ended, and answers its reason.
pub(crate) fn awaited<M: Send + 'static>(addr: &Addr<M>) -> String {
    loop {
        if let Some(reason) = addr.ended() {
            return reason.to_string();
        }
        thread::yield_now();
    }
}

// Calls.

// OTP: F8
#[test]
fn plain_threads_call_and_each_gets_its_own_answers() {
    let (_runtime, node) = world();
    let server = echo(&node);
    thread::scope(|scope| {
        for caller in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for n in 0..250 {
                    let n = caller * 1000 + n;
                    assert_eq!(server.call_blocking(|reply| (n, reply)).unwrap(), n);
                    assert_eq!(server.call(|reply| (n, reply)).forever().blocking().unwrap(), n);
                }
            });
        }
    });
}

// OTP: F9
#[test]
fn a_blocking_call_says_why_it_brought_nothing() {
    let (runtime, node) = world();
    let dead = node.spawn(async |_: Context<Reply<u32>>| Err(oops("x")));
    runtime.block_on(ended(&node, &dead));
    assert_eq!(why(&dead.call_blocking(|reply| reply)), "exited: error: x");

    let leaves = node.spawn(async |mut cx: Context<Reply<u32>>| {
        let _unanswered = cx.recv_message().await;
        Err(oops("y"))
    });
    assert_eq!(why(&leaves.call_blocking(|reply| reply)), "exited: error: y");

    let deaf = node.spawn(async |mut cx: Context<Reply<u32>>| {
        loop {
            drop(cx.recv_message().await);
            step_aside().await;
        }
    });
    assert_eq!(why(&deaf.call_blocking(|reply| reply)), "NoReply");

    let launcher = Launcher::new(|_: Context<Reply<u32>>| Box::pin(std::future::pending()));
    let never_started = launcher.addr();
    drop(launcher);
    assert_eq!(why(&never_started.call_blocking(|reply| reply)), "not started: no such process");
}

// OTP: F10
#[test]
fn a_blocking_call_gives_up_at_its_limit_and_a_late_answer_vanishes() {
    let (_runtime, node) = world();
    let (server, requests) = hoarder(&node);
    for (calls, limit) in (1..).zip([0, 1, 20]) {
        let limit = Duration::from_millis(limit);
        let call = server.call(|reply| reply).within(limit).blocking();
        assert!(matches!(call, Err(CallError::Timeout)));
        // It was handed out before, or never is.
        let over = || server.stats().received + server.stats().dropped(Dropped::Abandoned);
        while over() < calls {
            thread::yield_now();
        }
        while let Ok(late) = requests.try_recv() {
            assert!(late.is_abandoned());
            late.send(1);
        }
    }
}

// OTP: F11
#[test]
fn an_answer_that_is_there_at_the_limit_is_taken() {
    let (_runtime, node) = world();
    let call = idler(&node).call(|reply| reply.send(7)).within(Duration::ZERO).blocking();
    assert_eq!(call.unwrap(), 7);
}

#[test]
fn a_limit_counts_even_when_no_timer_of_the_node_fires_any_more() {
    let (runtime, node) = world();
    let (server, requests) = hoarder(&node);
    let answer = thread::scope(|scope| {
        let caller = scope.spawn(|| server.call(|reply| reply).within(Duration::from_millis(100)).blocking());
        let held = requests.recv().unwrap();
        drop(runtime);
        let answer = caller.join().unwrap();
        drop(held);
        answer
    });
    assert!(matches!(answer, Err(CallError::Timeout)));
}

#[test]
fn a_blocking_call_where_it_would_stop_others_panics_and_says_what_to_do() {
    let (runtime, node) = world();
    let server = echo(&node);
    // In a process.
    let target = server.clone();
    let process = node.spawn(async move |_: Context<()>| {
        target.call_blocking(|reply| (1, reply))?;
        Ok(())
    });
    assert!(runtime.block_on(ended(&node, &process)).to_string().contains("await it, or give the process a thread"));
    // In a future that tokio drives.
    let inside = panic_of(|| runtime.block_on(async { drop(server.call_blocking(|reply| (1, reply))) }));
    assert!(inside.contains("drive asynchronous tasks"), "{inside}");
    // In a simulation, in its world and from outside.
    let simulated = panic_of(|| {
        Sim::seed(1).run(async |node: Node| drop(echo(&node).call_blocking(|reply| (1, reply))));
    });
    assert!(simulated.contains("await the call instead"), "{simulated}");
    // tokio's own threads for blocking work may block.
    let target = server.clone();
    let answer = runtime.block_on(runtime.spawn_blocking(move || target.call_blocking(|reply| (5, reply))));
    assert_eq!(answer.unwrap().unwrap(), 5);
}

// Receives.

// OTP: D11, E13
#[test]
fn a_thread_waits_for_room_until_it_comes_or_the_time_is_over() {
    let (runtime, node) = world();
    let (tell, mut told) = tokio::sync::mpsc::channel::<()>(2);
    let (send, received) = bounded(4);
    let process = node
        .spawn_with(Policy::bounded(1), async move |mut cx: Context<u32>| {
            while told.recv().await.is_some() {
                send.send(cx.recv_message().await).unwrap();
            }
            Ok(())
        })
        .unwrap();
    process.send(1).unwrap();
    let late = process.send_wait(2, node.now()).blocking().unwrap_err();
    assert!(matches!(late.why, Refused::Full) && late.message == 2);
    let late = process.send_wait(3, node.now() + Duration::from_millis(1)).blocking().unwrap_err();
    assert!(matches!(late.why, Refused::Full) && late.message == 3);
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(|| process.send_wait(4, node.now() + Duration::from_secs(3600)).blocking());
        tell.try_send(()).unwrap();
        assert_eq!(received.recv().unwrap(), 1);
        tell.try_send(()).unwrap();
        assert_eq!(received.recv().unwrap(), 4);
        waiting.join().unwrap()
    });
    assert!(waiting.is_ok());
    // Inside a process it would stop its worker.
    let (text, caught) = bounded(1);
    let inside = process.clone();
    node.spawn(async move |cx: Context<()>| {
        let by = cx.now();
        text.send(panic_of(|| drop(inside.send_wait(5, by).blocking()))).unwrap();
        Ok(())
    });
    assert!(caught.recv().unwrap().contains("would stop its worker"));
    // The wait ends with the process.
    process.send(6).unwrap();
    process.kill();
    let gone = process.send_wait(7, node.now() + Duration::from_secs(3600)).blocking().unwrap_err();
    assert!(matches!(gone.why, Refused::Closed(ExitReason::Killed)) && gone.message == 7);
    drop(runtime);
}
