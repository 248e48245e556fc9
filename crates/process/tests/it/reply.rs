//! The right to answer: who may use it, when, and what a dropped one says.

use crate::support::{Journal, Notes, idler, inside, oops, seeds, settle, step_aside, threads, why};
use freeboard_process::{Context, Reply};
use std::time::Duration;

// OTP: F13
#[test]
fn a_reply_may_come_later_from_anyone_and_in_any_order() {
    seeds(async |node| {
        let server = node.spawn(async |mut cx: Context<Reply<u32>>| {
            let (first, second) = (cx.recv_message().await, cx.recv_message().await);
            let answerer = cx.node().spawn(async |mut cx: Context<(Reply<u32>, u32)>| {
                for _ in 0..2 {
                    let (reply, n) = cx.recv_message().await;
                    step_aside().await;
                    reply.send(n);
                }
                Ok(())
            });
            answerer.cast((second, 2));
            answerer.cast((first, 1));
            Ok(())
        });
        let (first, second) = (server.request(|reply| reply), server.request(|reply| reply));
        assert_eq!(first.await.unwrap(), 1);
        assert_eq!(second.await.unwrap(), 2);
    });
}

/// A request that is kept, or the answer to it.
type Kept = Result<Reply<Notes<u32>>, Notes<u32>>;

// OTP: F10, F13
#[test]
fn an_answer_that_nobody_waits_for_is_dropped() {
    seeds(async |node| {
        let dropped = Journal::new();
        let server = node.spawn(async |mut cx: Context<Kept>| {
            let kept = cx.recv_where(|message| message.is_ok()).await;
            if let (Ok(reply), Err(value)) = (kept, cx.recv_message().await) {
                reply.send(value);
            }
            Ok(())
        });
        assert_eq!(why(&server.call(Ok).within(Duration::from_millis(5)).await), "Timeout");
        server.cast(Err(Notes(dropped.clone(), 7)));
        settle(&node).await;
        assert_eq!(dropped.take(), [7]);
    });
}

// OTP: F9
#[test]
fn a_refused_call_is_told_at_once_and_a_dropped_reply_at_the_end_of_the_poll() {
    seeds(async |node| {
        let answers = Journal::new();
        let server = node.spawn(async |mut cx: Context<(bool, Reply<u32>)>| {
            loop {
                let (refuse, reply) = cx.recv_message().await;
                if refuse {
                    reply.refuse();
                } else {
                    drop(reply);
                }
                // It goes on, without an end of its poll, to the next one if that is there.
            }
        });
        for n in 0..6 {
            let (to, journal) = (server.clone(), answers.clone());
            node.spawn(async move |_cx: Context<()>| {
                journal.note(why(&to.call(|reply| (n % 2 == 0, reply)).forever().await));
                Ok(())
            });
        }
        settle(&node).await;
        assert_eq!(answers.take(), ["NoReply"; 6]);
        server.kill();
        settle(&node).await;
    });
}

// OTP: F9
#[test]
fn a_reply_that_is_dropped_outside_of_any_process_says_no_reply() {
    for kill in [false, true] {
        threads(async |node| {
            let (send, receive) = tokio::sync::oneshot::channel::<Reply<u32>>();
            let send = freeboard_process::sync::Mutex::new(Some(send));
            let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
                let reply = cx.recv_message().await;
                let send = send.lock().take();
                drop(send.map(|send| send.send(reply)));
                std::future::pending().await
            });
            let call = server.request(|reply| reply);
            let reply = receive.await.unwrap();
            if kill {
                // The reply was handed on: the server's death is not the caller's concern any more.
                server.kill();
                crate::support::ended(&node, &server).await;
            }
            assert!(!reply.is_abandoned());
            drop(reply);
            assert_eq!(why(&call.await), "NoReply");
        });
    }
}

/// DEV-17: a reply that was handed on stays good after its server's death, unless the call is bound.
// OTP: F13
#[test]
fn a_reply_that_was_handed_on_stays_good() {
    seeds(async |node| {
        let helper = node.spawn(async |mut cx: Context<Reply<u32>>| {
            let reply = cx.recv_message().await;
            cx.sleep(Duration::from_secs(1)).await;
            reply.send(5);
            Ok(())
        });
        let to = helper.clone();
        let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
            to.cast(cx.recv_message().await);
            Err(oops("gone"))
        });
        assert_eq!(server.call(|reply| reply).await.unwrap(), 5);
    });
}

// OTP: F16, F9
#[test]
fn a_reply_inside_a_message_that_nobody_takes_any_more_tells_the_reason_of_the_end() {
    seeds(async |node| {
        let (to, dead) = (idler(&node), idler(&node));
        dead.kill();
        settle(&node).await;
        let answers = Journal::new();
        let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
            let kept = cx.recv_message().await;
            // Moved into the body of a child that never runs to its end.
            let child = cx.spawn_link(async move |_cx: Context<()>| {
                let _kept = kept;
                std::future::pending().await
            });
            let monitor = cx.monitor(&to);
            cx.recv_down(monitor).await;
            drop(child);
            Err(oops("server"))
        });
        let (target, journal) = (server.clone(), answers.clone());
        node.spawn(async move |_cx: Context<()>| {
            journal.note(why(&target.call(|reply| reply).forever().await));
            Ok(())
        });
        settle(&node).await;
        assert_eq!(answers.len(), 0);
        server.exit(oops("signal"));
        settle(&node).await;
        // The child held it, and died with its parent's reason.
        assert_eq!(answers.take(), ["exited: error: signal"]);
    });
}

// OTP: F10
#[test]
fn is_abandoned_tells_whether_anybody_still_waits() {
    seeds(async |node| {
        let seen = inside(&node, async |mut cx: Context<Reply<u32>>| {
            let caller = {
                let to = cx.addr();
                cx.spawn_link(async move |mut cx: Context<()>| {
                    let pending = to.request(|reply| reply);
                    cx.recv_message().await;
                    drop(pending);
                    std::future::pending().await
                })
            };
            let reply = cx.recv_message().await;
            let before = reply.is_abandoned();
            caller.cast(());
            cx.sleep(Duration::from_millis(1)).await;
            let after = reply.is_abandoned();
            reply.send(1);
            cx.unlink(&caller);
            caller.kill();
            (before, after)
        })
        .await;
        assert_eq!(seen, (false, true));
    });
}

// OTP: F16, D6
#[test]
fn a_bound_call_ends_with_the_server_that_was_asked_whoever_holds_the_reply() {
    seeds(async |node| {
        let answers = Journal::new();
        for bound in [false, true] {
            let abandoned = answers.clone();
            let helper = node.spawn(async move |mut cx: Context<Reply<u32>>| {
                let mut reply = cx.recv_message().await;
                if bound {
                    reply.abandoned().await;
                    abandoned.note(format!("abandoned: {}", reply.is_abandoned()));
                }
                reply.send(5);
                Ok(())
            });
            let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
                helper.cast(cx.recv_message().await);
                cx.sleep(Duration::from_millis(10)).await;
                Err(oops("gone"))
            });
            let call = server.call(|reply| reply).forever();
            let call = if bound { call.bound() } else { call };
            answers.note(why(&call.await));
            settle(&node).await;
        }
        let mut answers = answers.take();
        answers.sort();
        assert_eq!(answers, ["abandoned: true", "answered", "exited: error: gone"]);
    });
}

// OTP: F16, F9
#[test]
fn a_bound_call_is_answered_like_any_other_and_fails_like_any_other() {
    seeds(async |node| {
        let server = node.spawn(async |mut cx: Context<(u32, Reply<u32>)>| {
            loop {
                let (n, reply) = cx.recv_message().await;
                match n {
                    0 => return Err(oops("zero")),
                    n => reply.send(n),
                }
            }
        });
        // Many, so that those that are over are forgotten meanwhile.
        for n in 1..100 {
            assert_eq!(server.call(|reply| (n, reply)).bound().await.unwrap(), n);
        }
        assert_eq!(why(&server.call(|reply| (0, reply)).bound().await), "exited: error: zero");
        assert_eq!(why(&server.call(|reply| (1, reply)).bound().await), "exited: error: zero");
    });
}

// OTP: F16
#[test]
fn a_bond_is_made_with_the_first_incarnation_of_a_seat_that_was_not_started() {
    seeds(async |node| {
        let answers = Journal::new();
        let kept = Journal::new();
        let keeps = kept.clone();
        let launcher = freeboard_process::Launcher::<Reply<u32>>::new(move |mut cx| {
            let keeps = keeps.clone();
            Box::pin(async move {
                keeps.note(cx.recv_message().await);
                cx.sleep(Duration::from_millis(5)).await;
                Err(oops("first"))
            })
        });
        let (to, journal) = (launcher.addr(), answers.clone());
        node.spawn(async move |_cx: Context<()>| {
            journal.note(why(&to.call(|reply| reply).forever().bound().await));
            Ok(())
        });
        settle(&node).await;
        crate::support::incarnate(&node, &launcher);
        crate::support::pause(&node, Duration::from_secs(1)).await;
        assert_eq!(answers.take(), ["exited: error: first"]);
        assert_eq!(kept.len(), 1);
    });
}

// OTP: F10
#[test]
fn whoever_waits_for_the_caller_to_give_up_is_woken_when_it_does() {
    seeds(async |node| {
        let start = node.now();
        let noted = Journal::new();
        let journal = noted.clone();
        let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
            loop {
                let mut reply = cx.recv_message().await;
                reply.abandoned().await;
                journal.note(cx.now() - start);
            }
        });
        drop(server.call(|reply| reply).within(Duration::from_millis(20)).await);
        let dropped = server.request(|reply| reply);
        settle(&node).await;
        drop(dropped);
        settle(&node).await;
        assert_eq!(noted.take(), [20, 21].map(Duration::from_millis));
    });
}
