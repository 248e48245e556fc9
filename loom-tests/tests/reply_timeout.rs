//! Models of a reply that meets the limit of its call (OTP: F10, F11).
//!
//! Modelled: a server that answers while its caller looks at the limit, which has passed by then, and gives up; what becomes
//! of the answer, and of the request, which is handed out or dropped as abandoned. Not modelled: timers (no clock runs here;
//! a limit of zero has passed at the first look).
//! Bound: 2 threads, 2 preemptions. Invariants: those of `reply.rs` and `call.rs`. Executions at last change: 195 in 0.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, block_on, model, node};
use freeboard_process::{CallError, Context, Dropped, Reply};
use std::time::Duration;

enum Message {
    Ask(Tracked<()>, Reply<Tracked<()>>),
    Stop,
}

#[test]
fn a_value_or_a_timeout_and_never_a_value_that_is_lost() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("reply_timeout", move || {
        let (node, spawned) = node();
        let (requests, values, accepted) = (Drops::new(), Drops::new(), Log::new());
        let addr = node.spawn({
            let (values, accepted) = (values.clone(), accepted.clone());
            async move |mut cx: Context<Message>| {
                while let Message::Ask(_request, reply) = cx.recv_message().await {
                    reply.send(values.track(()));
                    // A value that nobody waits for is dropped at once; any other is the caller's.
                    accepted.push(values.count() == 0);
                }
                Ok(())
            }
        });
        let server = Driver::new(spawned.one());
        let caller = loom::thread::spawn({
            let (addr, request) = (addr.clone(), requests.track(()));
            move || {
                let answer = block_on(addr.call(|reply| Message::Ask(request, reply)).within(Duration::ZERO));
                addr.cast(Message::Stop);
                answer
            }
        });
        server.run();
        let answer = caller.join().expect("the caller's thread asserts nothing");
        let (served, abandoned) = (accepted.entries(), addr.stats().dropped(Dropped::Abandoned));
        assert_eq!(served.len() as u64 + abandoned, 1, "the request is handed out or abandoned: {served:?}");
        assert_eq!(requests.count(), 1, "the request is dropped once");
        let outcome = match &answer {
            Ok(_) => {
                assert_eq!((served.as_slice(), values.count()), (&[true][..], 0), "the value is the caller's alone");
                "value"
            }
            Err(CallError::Timeout) => {
                assert_ne!(served, [true], "a value that is in the slot is returned, also at the limit");
                assert_eq!(values.count(), served.len(), "a late value is dropped");
                if abandoned == 1 { "abandoned" } else { "late" }
            }
            Err(other) => panic!("the server answers, or the limit passes: {other:?}"),
        };
        drop(answer);
        assert_eq!(values.count(), served.len(), "a value is dropped once");
        outcomes.note(outcome);
    });
    assert_eq!(reached.entries().len(), 3, "a value, a late one, and a request that is never handed out");
}
