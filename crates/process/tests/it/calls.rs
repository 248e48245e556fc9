//! Calls: the answer, or why there is none, and when.

use crate::stepper::Stepper;
use crate::support::{
    Journal, SEEDS, end, ended, incarnate, inside, mortal, oops, pause, seeds, settle, step_aside, threads, why,
};
use freeboard_process::{Addr, CALL_TIMEOUT, CallError, Context, ExitReason, Launcher, Node, Refused, Reply};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A process that keeps every request and answers none.
fn silent(node: &Node) -> Addr<Reply<u32>> {
    node.spawn(async |mut cx: Context<Reply<u32>>| {
        let mut kept = Vec::new();
        loop {
            kept.push(cx.recv_message().await);
        }
    })
}

// OTP: F8
#[test]
fn a_call_waits_five_seconds_unless_it_says_otherwise() {
    assert_eq!(CALL_TIMEOUT, Duration::from_secs(5));
    seeds(async |node| {
        let server = silent(&node);
        let start = node.now();
        assert!(matches!(server.call(|reply| reply).await, Err(CallError::Timeout)));
        assert_eq!(node.now() - start, Duration::from_secs(5));
        assert!(matches!(server.call(|reply| reply).within(ms(20)).await, Err(CallError::Timeout)));
        assert_eq!(node.now() - start, Duration::from_secs(5) + ms(20));
        assert!(matches!(server.call(|reply| reply).within(Duration::ZERO).await, Err(CallError::Timeout)));
        assert_eq!(node.now() - start, Duration::from_secs(5) + ms(20));
        // Without a limit it still ends with the server.
        let patient = server.request(|reply| reply);
        pause(&node, Duration::from_secs(100_000)).await;
        server.kill();
        assert_eq!(why(&patient.await), "exited: killed");
    });
}

// OTP: F8
#[test]
fn the_limit_counts_from_the_moment_the_call_is_awaited() {
    seeds(async |node| {
        let server = silent(&node);
        let call = server.call(|reply| reply).within(ms(10));
        pause(&node, ms(500)).await;
        assert_eq!(server.depth(), 0);
        let start = node.now();
        assert!(matches!(call.await, Err(CallError::Timeout)));
        assert_eq!(node.now() - start, ms(10));
    });
}

// OTP table: F9, F12, D6
#[test]
fn a_failed_call_says_why() {
    seeds(async |node| {
        for (reason, expected) in [
            (ExitReason::Normal, "exited: normal"),
            (ExitReason::Shutdown, "exited: shutdown"),
            (oops("x"), "exited: error: x"),
        ] {
            // Gone before the call.
            let server = mortal(&node);
            let to_dead = {
                let dead = mortal_server(&node, reason.clone(), false);
                ended(&node, &dead).await;
                why(&dead.call(|reply| reply).await)
            };
            // Gone while the call waits in its hands.
            let dying = mortal_server(&node, reason.clone(), true);
            assert_eq!((to_dead.as_str(), why(&dying.call(|reply| reply).await).as_str()), (expected, expected));
            end(&node, &server, reason).await;
        }
        // The reply is dropped, and the server goes on.
        let careless = node.spawn(async |mut cx: Context<Reply<u32>>| {
            loop {
                drop(cx.recv_message().await);
                step_aside().await;
            }
        });
        assert_eq!(why(&careless.call(|reply| reply).await), "NoReply");
        // Oneself.
        let myself = inside(&node, async |cx: Context<Reply<u32>>| {
            let start = cx.now();
            let answer = cx.addr().call(|reply| reply).forever().await;
            (why(&answer), cx.now() - start, cx.addr().depth())
        })
        .await;
        assert_eq!(myself, ("CallingSelf".to_owned(), Duration::ZERO, 0));
        // Nobody lives there now, and somebody will.
        let launcher = Launcher::<Reply<u32>>::new(|mut cx| {
            Box::pin(async move {
                cx.acknowledge();
                Ok(())
            })
        });
        incarnate(&node, &launcher);
        settle(&node).await;
        let vacant = launcher.addr().call(|reply| reply).await;
        assert!(matches!(vacant, Err(CallError::Refused(Refused::Vacant))), "{}", why(&vacant));
        // Nobody will any more.
        let addr = launcher.addr();
        drop(launcher);
        assert_eq!(why(&addr.call(|reply| reply).await), "exited: normal");
    });
}

/// Ends with that reason: at once, or when it holds a request and has dropped another one.
fn mortal_server(node: &Node, reason: ExitReason, with_request: bool) -> Addr<Reply<u32>> {
    node.spawn(async move |mut cx: Context<Reply<u32>>| {
        if with_request {
            let _held = cx.recv_message().await;
            step_aside().await;
            return Err(reason);
        }
        Err(reason)
    })
}

// OTP: F9
#[test]
fn a_reply_dropped_in_the_poll_that_ends_the_process_tells_the_reason() {
    seeds(async |node| {
        let server = node.spawn(async |mut cx: Context<Reply<u32>>| {
            drop(cx.recv_message().await);
            Err(oops("right after"))
        });
        assert_eq!(why(&server.call(|reply| reply).await), "exited: error: right after");
        let panicky = node.spawn(async |mut cx: Context<Reply<u32>>| {
            let _held = cx.recv_message().await;
            panic!("with a reply in hand")
        });
        assert_eq!(why(&panicky.call(|reply| reply).await), "exited: panic: with a reply in hand");
        // Killed in the very poll in which it drops the reply.
        let victim = node.spawn(async |mut cx: Context<Reply<u32>>| {
            drop(cx.recv_message().await);
            cx.addr().kill();
            cx.recv_message().await.send(1);
            Ok(())
        });
        assert_eq!(why(&victim.call(|reply| reply).await), "exited: killed");
    });
}

// OTP: F10
#[test]
fn a_timeout_gives_up_the_wait_and_not_the_work() {
    seeds(async |node| {
        let done = Journal::new();
        let work = done.clone();
        let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
            for n in 0..2 {
                let reply = cx.recv_message().await;
                cx.sleep(ms(50)).await;
                work.note((n, reply.is_abandoned()));
                reply.send(n);
            }
            Ok(())
        });
        let (first, second, stray) = inside(&node, async move |mut cx: Context<u32>| {
            let first = why(&server.call(|reply| reply).within(ms(10)).await);
            let second = server.call(|reply| reply).await.unwrap();
            (first, second, cx.recv().after(Duration::from_secs(10)).await.is_some())
        })
        .await;
        assert_eq!((first.as_str(), second, stray), ("Timeout", 1, false));
        assert_eq!(done.take(), [(0, true), (1, false)]);
    });
}

// OTP: F11
#[test]
fn a_reply_that_is_there_at_the_deadline_counts() {
    for late in [ms(10), ms(1000)] {
        let (stepper, node) = Stepper::new();
        let answers = Journal::new();
        let server = node.spawn(async |mut cx: Context<Result<Reply<u32>, ()>>| {
            let reply = cx.recv_where(|message| message.is_ok()).await;
            let _go = cx.recv_where(|message| message.is_err()).await;
            if let Ok(reply) = reply {
                reply.send(7);
            }
            Ok(())
        });
        let (to, journal, caller) = (server.clone(), answers.clone(), stepper.tasks());
        node.spawn(async move |_cx: Context<()>| {
            journal.note(why(&to.call(Ok).within(ms(10)).await));
            Ok(())
        });
        stepper.settle();
        // The deadline passes, the server answers, and only then the caller is looked after.
        stepper.pass(late);
        server.cast(Err(()));
        while stepper.step() {}
        stepper.poll(caller);
        assert_eq!(answers.take(), ["answered"], "{late:?}");
        stepper.finish();
    }
}

// OTP: F11, F10
#[test]
fn without_a_reply_the_deadline_is_kept_and_the_later_one_goes_nowhere() {
    let (stepper, node) = Stepper::new();
    let answers = Journal::new();
    let server = silent(&node);
    let (to, journal, caller) = (server.clone(), answers.clone(), stepper.tasks());
    node.spawn(async move |_cx: Context<()>| {
        journal.note(why(&to.call(|reply| reply).within(ms(10)).await));
        Ok(())
    });
    stepper.settle();
    stepper.pass(ms(9));
    stepper.poll(caller);
    assert_eq!(answers.len(), 0);
    stepper.pass(ms(1));
    stepper.poll(caller);
    assert_eq!(answers.take(), ["Timeout"]);
    assert!(!stepper.has_timers(&node));
    server.kill();
    stepper.settle();
    stepper.finish();
}

// OTP: F12
#[test]
fn a_call_to_oneself_by_any_clone_fails_at_once_and_sends_nothing() {
    threads(async |node| {
        let seen = inside(&node, async |cx: Context<Reply<u32>>| {
            let pending = cx.addr().clone().request(|reply| reply);
            let later = cx.addr().call(|reply| reply).within(ms(1)).await;
            (why(&pending.await), why(&later), cx.addr().depth())
        })
        .await;
        assert_eq!(seen, ("CallingSelf".to_owned(), "CallingSelf".to_owned(), 0));
    });
}

type Server = Addr<(usize, Reply<u32>)>;
type Blow = fn(&Server);

/// Callers of a server that dies: some are queued, some in its hands, some already looked at and left.
async fn callers_of_the_dying(node: &Node, count: usize, blow: Blow) -> Vec<String> {
    let server = node.spawn(async |mut cx: Context<(usize, Reply<u32>)>| {
        let mut kept = Vec::new();
        for _ in 0..3 {
            kept.push(cx.recv_where(|(n, _)| n % 3 == 1).await);
            step_aside().await;
        }
        let _never = cx.recv_where(|_| false).await;
        Ok(())
    });
    let answers = Journal::new();
    let callers: Vec<_> = (0..count)
        .map(|n| {
            let (to, journal) = (server.clone(), answers.clone());
            node.spawn(async move |mut cx: Context<Reply<()>>| {
                let call = to.call(|reply| (n, reply)).forever();
                journal.note(why(&call.await));
                cx.recv_message().await.send(());
                Ok(())
            })
        })
        .collect();
    while server.depth() + 3 < count {
        tokio::task::yield_now().await;
    }
    blow(&server);
    for caller in callers {
        caller.call(|reply| reply).forever().await.unwrap();
    }
    answers.take()
}

// OTP: F16, D6
#[test]
fn every_caller_of_a_dying_server_hears_its_reason_at_once() {
    let blows: [(&str, Blow); 3] = [
        ("exited: killed", |server| server.kill()),
        ("exited: shutdown", |server| server.exit(ExitReason::Shutdown)),
        ("exited: error: x", |server| server.exit(oops("x"))),
    ];
    for (expected, blow) in blows {
        seeds(async |node| {
            let start = node.now();
            assert_eq!(callers_of_the_dying(&node, 12, blow).await, vec![expected; 12]);
            assert_eq!(node.now(), start);
        });
        threads(async |node| {
            for _ in 0..10 {
                assert_eq!(callers_of_the_dying(&node, 100, blow).await, vec![expected; 100]);
            }
        });
    }
}

// OTP: D6, C3
#[test]
fn a_monitor_goes_ahead_of_the_request_so_a_request_to_the_dead_never_hangs() {
    let race = async |node: Node| {
        let server = mortal(&node);
        let target = server.clone();
        server.cast(oops("x"));
        let (downs, more) = inside(&node, async move |mut cx: Context<u32>| {
            let monitor = cx.monitor(&target);
            target.cast(oops("y"));
            let down = cx.recv_down(monitor).await;
            (down.reason.to_string(), cx.recv().after(Duration::ZERO).await.is_some())
        })
        .await;
        assert!(downs == "error: x" || downs == "no such process", "{downs}");
        assert!(!more);
    };
    seeds(race);
    threads(async |node| {
        for _ in 0..SEEDS {
            race(node.clone()).await;
        }
    });
}

// OTP: F15
#[test]
fn calls_and_plain_messages_stand_in_one_queue() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let server = node.spawn(async move |mut cx: Context<Result<u32, Reply<()>>>| {
            loop {
                match cx.recv_message().await {
                    Ok(n) => journal.note(n),
                    Err(reply) => {
                        journal.note(99);
                        reply.send(());
                    }
                }
            }
        });
        inside(&node, async move |_cx: Context<()>| {
            server.cast(Ok(1));
            let call = server.request(Err);
            server.cast(Ok(2));
            call.await.unwrap();
            server.kill();
        })
        .await;
        let seen = seen.take();
        assert!(seen.starts_with(&[1, 99]), "{seen:?}");
        assert!(seen.len() < 3 || seen == [1, 99, 2], "{seen:?}");
    });
}

// OTP: F17
#[test]
fn requests_can_be_sent_now_and_awaited_later_in_any_order() {
    seeds(async |node| {
        let server = node.spawn(async |mut cx: Context<(u32, Reply<u32>)>| {
            let mut kept = Vec::new();
            for _ in 0..3 {
                kept.push(cx.recv_message().await);
            }
            for (n, reply) in kept.into_iter().rev() {
                reply.send(n * n);
                step_aside().await;
            }
            Ok(())
        });
        let mut pending: Vec<_> = (0..4).map(|n| server.request(|reply| (n, reply))).collect();
        // One that is dropped is not served (DEV-03).
        drop(pending.pop());
        let mut squares = Vec::new();
        for request in pending {
            squares.push(request.await.unwrap());
        }
        assert_eq!(squares, [0, 1, 4]);
    });
}

// OTP: F8, F10
#[test]
fn calls_of_one_process_share_its_alarm_and_each_keeps_its_own_limit() {
    seeds(async |node| {
        let server = silent(&node);
        let late = inside(&node, async move |cx: Context<()>| {
            let start = cx.now();
            let mut calls = [300_u64, 100, 200, 100, 500]
                .map(|limit| (limit, Some(Box::pin(server.call(|reply| reply).within(ms(limit))))));
            let mut late = Vec::new();
            std::future::poll_fn(|task| {
                for (limit, call) in &mut calls {
                    let over = call.as_mut().is_some_and(|call| match call.as_mut().poll(task) {
                        std::task::Poll::Ready(answer) => matches!(answer, Err(CallError::Timeout)),
                        std::task::Poll::Pending => false,
                    });
                    if over {
                        *call = None;
                        late.push((*limit, cx.now() - start));
                    }
                }
                if late.len() == 5 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            late
        })
        .await;
        assert_eq!(late, [100, 100, 200, 300, 500].map(|limit| (limit, ms(limit))));
    });
}
