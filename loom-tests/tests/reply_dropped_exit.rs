//! Models of a reply that is dropped because its process ends, while the caller polls or gives up (OTP: F9, F10, F16).
//! A call parks its caller before it sends; a request that is awaited later parks it while the answer may be on its way.
//!
//! Modelled: a reply dropped on the way to an error, by a kill, by a handler that unwinds, and left in the queue; a caller
//! who drops its call while the answer comes; a caller who wants the name of the process that unwinds. Not modelled: the
//! deadline (no clock runs here), which ends as giving up does. The unwinding frame holds nothing that locks: loom's locks
//! must not be taken while a thread unwinds.
//! Bound: 3 threads, 2 preemptions. Invariants: all of `reply.rs`. Executions at last change: 41, 52, 1,587, 41, 41 and 213
//! in 0.3 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, block_on, model, node};
use freeboard_process::{
    Actor, Addr, CallError, Context, Ended, ExitReason, InitError, Node, Pending, Reply, run_actor,
};
use std::{
    future::{Future, pending, poll_fn},
    panic::resume_unwind,
    pin::Pin,
    task::Poll,
};

type Request = (Tracked<()>, Reply<Tracked<()>>);

/// How the caller asks, and what it hears.
type Ask = fn(&Addr<Request>, Tracked<()>) -> Result<Tracked<()>, CallError>;

/// Parks, then sends.
fn call(addr: &Addr<Request>, request: Tracked<()>) -> Result<Tracked<()>, CallError> {
    block_on(addr.call(|reply| (request, reply)).forever())
}

/// Sends, then parks.
fn request(addr: &Addr<Request>, request: Tracked<()>) -> Result<Tracked<()>, CallError> {
    block_on(addr.request(|reply| (request, reply)))
}

/// Runs one server against one caller who waits; `also` runs beside them.
fn the_reason_is_heard(
    name: &str,
    ask: Ask,
    serve: fn(&Node) -> Addr<Request>,
    is_true: fn(&ExitReason) -> bool,
    also: Option<fn(&Addr<Request>)>,
) {
    model(name, move || {
        let (node, spawned) = node();
        let requests = Drops::new();
        let addr = serve(&node);
        let server = Driver::new(spawned.one());
        let caller = loom::thread::spawn({
            let (addr, request) = (addr.clone(), requests.track(()));
            move || ask(&addr, request)
        });
        let beside = also.map(|also| {
            let addr = addr.clone();
            loom::thread::spawn(move || also(&addr))
        });
        server.run();
        let answer = caller.join().expect("the caller's thread asserts nothing");
        if let Some(thread) = beside {
            thread.join().expect("what runs beside asserts nothing");
        }
        match &answer {
            Err(CallError::Exited(reason)) => assert!(is_true(reason), "the caller hears why it ended: {reason}"),
            other => panic!("a reply dropped by a process that ends is answered with its reason, not {other:?}"),
        }
        assert_eq!(requests.count(), 1, "the request is dropped once");
    });
}

#[test]
fn by_an_error() {
    let serve = |node: &Node| {
        node.spawn(async |mut cx: Context<Request>| {
            drop(cx.recv_message().await);
            Err(ExitReason::Shutdown)
        })
    };
    let is_true = |reason: &ExitReason| matches!(reason, ExitReason::Shutdown);
    the_reason_is_heard("reply_dropped_exit/error", call, serve, is_true, None);
    the_reason_is_heard("reply_dropped_exit/error_later", request, serve, is_true, None);
}

#[test]
fn by_a_kill() {
    let serve = |node: &Node| {
        node.spawn(async |mut cx: Context<Request>| {
            let _held = cx.recv_message().await;
            pending().await
        })
    };
    let is_true = |reason: &ExitReason| matches!(reason, ExitReason::Killed);
    the_reason_is_heard("reply_dropped_exit/kill", call, serve, is_true, Some(Addr::kill));
}

/// Its handler unwinds with the reply in its frame.
struct Unwinds;

impl Actor for Unwinds {
    type Msg = Request;
    type Args = ();

    async fn init((): (), _: &mut Context<Request>) -> Result<Self, InitError> {
        Ok(Self)
    }

    async fn handle(&mut self, request: Request, _: &mut Context<Request>) -> Ended {
        let _in_the_frame = request;
        // Unwinds as a panic does, and prints nothing.
        resume_unwind(Box::new("unwinding"))
    }
}

#[test]
fn by_unwinding() {
    let serve = |node: &Node| node.spawn(|cx| run_actor::<Unwinds>(|| (), cx));
    let is_true = |reason: &ExitReason| matches!(reason, ExitReason::Panic(_));
    the_reason_is_heard("reply_dropped_exit/unwind", call, serve, is_true, None);
}

// OTP: A9, F16
#[test]
fn who_hears_of_the_unwinding_from_its_call_can_have_the_name() {
    model("reply_dropped_exit/name", move || {
        let (node, spawned) = node();
        let requests = Drops::new();
        let (heir, resting) = (node.spawn(async |_: Context<()>| pending().await), spawned.one());
        let addr = node.spawn(|cx| run_actor::<Unwinds>(|| (), cx));
        node.register("n", &addr).expect("it is free, and the owner lives");
        let server = Driver::new(spawned.one());
        let caller = loom::thread::spawn({
            let (node, heir, request) = (node.clone(), heir.clone(), requests.track(()));
            move || {
                let answer = block_on(addr.call(|reply| (request, reply)).forever());
                let held = node.names_held();
                (answer.map(drop), held, node.register("n", &heir))
            }
        });
        server.run();
        let (answer, held, got) = caller.join().expect("the caller's thread asserts nothing");
        assert!(matches!(answer, Err(CallError::Exited(ExitReason::Panic(_)))), "it hears why: {answer:?}");
        assert_eq!(held, 0, "the name is out of the table before the caller is answered");
        assert_eq!(got, Ok(()), "who hears of the end from its call can register at once");
        drop(resting);
        assert_eq!(node.names_held(), 0, "nothing is left behind");
    });
}

#[test]
fn a_caller_that_gives_up_leaks_nothing() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("reply_dropped_exit/give_up", move || {
        let (node, spawned) = node();
        let (requests, replies) = (Drops::new(), Drops::new());
        let addr = node.spawn({
            let replies = replies.clone();
            async move |mut cx: Context<Request>| {
                let (_request, reply) = cx.recv_message().await;
                reply.send(replies.track(()));
                Ok(())
            }
        });
        let server = Driver::new(spawned.one());
        let caller = loom::thread::spawn({
            let (addr, request) = (addr.clone(), requests.track(()));
            move || {
                let mut call = addr.request(|reply| (request, reply));
                let answer = block_on(once(&mut call));
                drop(call);
                // A request that was abandoned is not served, and then the server would wait for ever.
                addr.kill();
                answer.map(|answer| answer.is_ok())
            }
        });
        server.run();
        let answer = caller.join().expect("the caller's thread asserts nothing");
        assert_ne!(answer, Some(false), "the server answers whoever still waits");
        assert_eq!(requests.count(), 1, "the request is dropped once");
        assert!(replies.count() <= 1, "the answer is dropped once, by the caller or because nobody waits");
        assert!(answer.is_none() || replies.count() == 1, "there is an answer only if there was one");
        outcomes.note(answer.is_some());
    });
    assert_eq!(reached.entries().len(), 2, "the answer comes before and after the caller gives up");
}

/// Polls once.
async fn once<T: Send>(call: &mut Pending<T>) -> Option<Result<T, CallError>> {
    poll_fn(|cx| match Pin::new(&mut *call).poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
