//! Receiving through a context: order, selection, what it costs, and what signals do meanwhile.

use crate::support::{Journal, Letter, Notes, ended, idler, inside, oops, seeds, settle, step_aside, threads, words};
use freeboard_process::{Addr, Context, Event, ExitReason, MESSAGES_PER_ROUND, Node, Reply, Sim, tag_named};
use std::{pin::pin, task::Poll, time::Duration};

const JUNK: u32 = 0;
const ANSWER: u32 = 1;

fn junk(id: u64) -> Letter {
    Letter { id, tag: JUNK, key: id }
}

// OTP: E1, E2, E3
#[test]
fn a_receive_takes_the_oldest_match_and_leaves_the_rest_in_order() {
    seeds(async |node| {
        let (picked, rest) = inside(&node, async |mut cx: Context<Letter>| {
            for id in 0..12 {
                let tag = u32::from(id % 3 == 2);
                cx.addr().cast(Letter { id, tag, key: id / 6 });
            }
            let answer = tag_named::<Letter>("Answer");
            let mut picked = vec![
                cx.recv_where(|letter| letter.id > 3).await.id,
                cx.recv_tag(answer).await.id,
                cx.recv_key(answer, 1_u64).await.id,
                // Either clause: the older message wins, whichever clause it matches.
                cx.recv_where(|letter| letter.id == 9 || letter.id == 5).await.id,
            ];
            picked.push(cx.recv_message().await.id);
            let mut rest = Vec::new();
            while let Some(event) = cx.recv().after(Duration::ZERO).await {
                rest.push(event.message().unwrap().id);
            }
            (picked, rest)
        })
        .await;
        assert_eq!(picked, [4, 2, 8, 5, 0]);
        assert_eq!(rest, [1, 3, 6, 7, 9, 10, 11]);
    });
}

// OTP: E2
#[test]
fn messages_and_notices_are_clauses_of_one_receive() {
    seeds(async |node| {
        let target = idler(&node);
        let seen = inside(&node, async move |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            let (first, second) = (cx.monitor(&target), cx.monitor(&target));
            cx.addr().cast("a");
            target.kill();
            cx.recv_down(second).await;
            cx.addr().cast("b");
            cx.addr().exit(oops("x"));
            cx.addr().cast("c");
            let either = |event: &Event<&'static str>| match event {
                Event::Message(word) => *word != "a",
                Event::Down(down) => down.monitor == first,
                _ => true,
            };
            let mut seen = Vec::new();
            for _ in 0..4 {
                seen.push(words(&cx.recv_event_where(either).await));
            }
            seen.push(words(&cx.recv().await));
            seen
        })
        .await;
        assert_eq!(seen, ["DOWN killed", "b", "EXIT error: x", "c", "a"]);
    });
}

// OTP: E3
#[test]
fn a_receive_that_is_dropped_has_taken_nothing() {
    seeds(async |node| {
        let seen = inside(&node, async |mut cx: Context<Letter>| {
            for id in 0..5 {
                cx.addr().cast(junk(id));
            }
            for _ in 0..3 {
                {
                    let mut receive = pin!(cx.recv_where(|letter| letter.id > 7));
                    let poll = std::future::poll_fn(|task| Poll::Ready(receive.as_mut().poll(task))).await;
                    assert!(poll.is_pending());
                }
                step_aside().await;
            }
            let mut seen = Vec::new();
            while let Some(letter) = cx.recv_message().after(Duration::ZERO).await {
                seen.push(letter.id);
            }
            seen
        })
        .await;
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    });
}

// OTP: E3
#[test]
fn what_a_predicate_panicked_on_stays_until_the_process_ends() {
    seeds(async |node| {
        let dropped = Journal::new();
        let picky = node.spawn(async |mut cx: Context<Notes<u32>>| {
            cx.recv_where(|note| if note.1 == 2 { panic!("two") } else { false }).await;
            Ok(())
        });
        for n in 0..5 {
            picky.cast(Notes(dropped.clone(), n));
        }
        assert_eq!(ended(&node, &picky).await.to_string(), "panic: two");
        assert_eq!(dropped.take(), [0, 1, 2, 3, 4]);
    });
}

/// A server that answers each request, and a process with `queued` letters of junk that calls it.
async fn call_behind(node: &Node, queued: u64) -> (u64, u64, usize) {
    let server = node.spawn(async |mut cx: Context<Reply<u64>>| {
        for n in 0.. {
            cx.recv_message().await.send(n);
        }
        Ok(())
    });
    inside(node, async move |mut cx: Context<Letter>| {
        for id in 0..queued {
            cx.addr().cast(junk(id));
        }
        let mut answers = 0;
        for _ in 0..10 {
            answers += server.call(|reply| reply).await.unwrap();
        }
        let inspected = cx.inspected();
        let first = cx.recv_message().await.id;
        assert_eq!(first, 0);
        (answers, inspected, cx.addr().depth())
    })
    .await
}

// OTP: E8
#[test]
fn a_call_never_looks_at_what_was_queued_before() {
    let (answers, inspected, depth) = Sim::seed(1).run(async |node: Node| call_behind(&node, 100_000).await);
    assert_eq!((answers, inspected), (45, 0));
    assert!(depth >= 99_999, "{depth}");
    let on_threads = threads(async |node| call_behind(&node, 100_000).await);
    assert_eq!((on_threads.0, on_threads.1), (45, 0));
}

// OTP: E8, E3
#[test]
fn an_indexed_receive_behind_a_backlog_looks_at_one_message_once_it_is_warm() {
    Sim::seed(1).run(async |node: Node| {
        let looks = inside(&node, async |mut cx: Context<Letter>| {
            let answer = tag_named::<Letter>("Answer");
            for id in 0..100_000 {
                cx.addr().cast(junk(id));
            }
            cx.addr().cast(Letter { id: 1, tag: ANSWER, key: 1 });
            assert_eq!(cx.recv_key(answer, 1_u64).await.id, 1);
            let cold = cx.inspected();
            let mut warm = Vec::new();
            for n in 2..6 {
                let before = cx.inspected();
                cx.addr().cast(Letter { id: n, tag: ANSWER, key: n });
                assert_eq!(cx.recv_key(answer, n).await.id, n);
                warm.push(cx.inspected() - before);
            }
            let before = cx.inspected();
            assert_eq!(cx.recv_tag(tag_named::<Letter>("Junk")).await.id, 0);
            (cold, warm, cx.inspected() - before)
        })
        .await;
        assert_eq!(looks, (100_001, vec![1, 1, 1, 1], 0));
    });
}

// OTP: E8
#[test]
fn waiting_for_a_down_behind_a_backlog_looks_at_the_arrivals_only() {
    Sim::seed(1).run(async |node: Node| {
        let target = idler(&node);
        let looks = inside(&node, async move |mut cx: Context<Letter>| {
            for id in 0..10_000 {
                cx.addr().cast(junk(id));
            }
            assert!(cx.recv_where(|letter| letter.tag == ANSWER).after(Duration::ZERO).await.is_none());
            let before = cx.inspected();
            let monitor = cx.monitor(&target);
            target.kill();
            cx.recv_down(monitor).await;
            cx.inspected() - before
        })
        .await;
        assert_eq!(looks, 1);
    });
}

// OTP: E6
#[test]
fn a_wait_without_clauses_takes_nothing_and_can_last_for_ever() {
    seeds(async |node| {
        let (slept, seen) = inside(&node, async |mut cx: Context<u32>| {
            let start = cx.now();
            cx.addr().cast(1);
            cx.sleep(Duration::from_secs(3)).await;
            cx.addr().cast(2);
            let slept = cx.now() - start;
            (slept, [cx.recv_message().await, cx.recv_message().await])
        })
        .await;
        assert_eq!((slept, seen), (Duration::from_secs(3), [1, 2]));
        let eternal = idler(&node);
        eternal.cast(());
        crate::support::pause(&node, Duration::from_secs(1_000_000)).await;
        assert!(eternal.ended().is_none());
        eternal.kill();
        assert!(matches!(ended(&node, &eternal).await, ExitReason::Killed));
    });
}

/// What a process may be busy with while a signal arrives.
fn busy(node: &Node, with: usize) -> Addr<Letter> {
    node.spawn(async move |mut cx: Context<Letter>| {
        let deaf = cx.spawn_link(async |_cx: Context<Reply<()>>| std::future::pending().await);
        match with {
            0 => std::future::pending().await,
            1 => cx.sleep(Duration::from_secs(1_000_000)).await,
            2 => drop(deaf.call(|reply| reply).forever().await),
            3 => drop(cx.recv_key(tag_named("Answer"), 1_u64).await),
            4 => loop {
                step_aside().await;
            },
            _ => drop(cx.recv_where(|_| false).after(Duration::from_secs(1_000_000)).await),
        }
        Ok(())
    })
}

// OTP: D10, A8
#[test]
fn signals_act_whatever_the_process_waits_for() {
    for with in 0..6 {
        seeds(async |node| {
            let process = busy(&node, with);
            let (target, seen) = (process.clone(), Journal::new());
            let journal = seen.clone();
            // A link, a monitor and an exit, none of which the busy process receives.
            node.spawn(async move |mut cx: Context<()>| {
                cx.trap_exit(true);
                cx.link(&target);
                cx.monitor(&target);
                for _ in 0..2 {
                    match cx.recv().await {
                        Event::Exit(exit) => journal.note(format!("EXIT {}", exit.reason)),
                        Event::Down(down) => journal.note(format!("DOWN {}", down.reason)),
                        other => journal.note(format!("{other:?}")),
                    }
                }
                Ok(())
            });
            for _ in 0..20 {
                process.cast(junk(1));
            }
            step_aside().await;
            let target = process.clone();
            inside(&node, async move |mut cx: Context<()>| {
                for _ in 0..3 {
                    step_aside().await;
                }
                cx.exit(&target, oops("x"));
            })
            .await;
            assert_eq!(ended(&node, &process).await.to_string(), "error: x", "busy with {with}");
            drop(process);
            settle(&node).await;
            let mut seen = seen.take();
            seen.sort();
            let late = ["DOWN no such process", "EXIT no such process"];
            assert!(seen == ["DOWN error: x", "EXIT error: x"] || seen == late, "{seen:?}");
            assert_eq!(node.seats(), 0);
        });
    }
}

// OTP: D10
#[test]
fn a_receive_in_a_set_of_futures_does_not_take_the_kill_with_it() {
    seeds(async |node| {
        let victim = node.spawn(async |mut cx: Context<u32>| {
            // The receive parks with a waker of its own, and is dropped; a kill must still wake the task.
            {
                let mut receive = pin!(cx.recv());
                let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(receive.as_mut().poll(&mut nobody).is_pending());
            }
            std::future::pending().await
        });
        settle(&node).await;
        victim.kill();
        assert!(matches!(ended(&node, &victim).await, ExitReason::Killed));
    });
}

#[test]
fn a_busy_receiver_gives_way_to_others() {
    // One that never runs out of messages must let the others run: it serves so many messages and then yields.
    Sim::seed(1).run(async |node: Node| {
        let seen = Journal::new();
        let counts = seen.clone();
        let greedy = node.spawn(async move |mut cx: Context<()>| {
            loop {
                cx.recv_message().await;
                counts.note(());
            }
        });
        // In virtual time a turn lasts no time: it ends after sixteen rounds.
        let turn = 16 * MESSAGES_PER_ROUND as usize;
        let total = 20 * turn;
        for _ in 0..total {
            greedy.cast(());
        }
        let mut last = 0;
        while last < total {
            step_aside().await;
            let now = seen.len();
            assert!(now - last <= turn * 16, "{now} after {last}");
            last = now;
        }
        greedy.kill();
        settle(&node).await;
    });
}

// OTP: D10
#[test]
fn a_busy_receiver_looks_at_its_signals_after_each_round() {
    Sim::seed(1).run(async |node: Node| {
        let seen = Journal::new();
        let counts = seen.clone();
        let greedy = node.spawn(async move |mut cx: Context<()>| {
            let me = cx.addr();
            loop {
                cx.recv_message().await;
                counts.note(());
                // A signal that comes in the middle of a turn.
                me.kill();
            }
        });
        for _ in 0..4 * MESSAGES_PER_ROUND {
            greedy.cast(());
        }
        assert!(matches!(ended(&node, &greedy).await, ExitReason::Killed));
        assert!(seen.len() <= MESSAGES_PER_ROUND.into(), "{} after the kill", seen.len());
    });
}

// OTP: E1
#[test]
fn messages_sent_before_the_start_are_the_first_to_be_received() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let launcher = freeboard_process::Launcher::new(move |mut cx: Context<u32>| {
            let journal = journal.clone();
            Box::pin(async move {
                loop {
                    journal.note(cx.recv_message().await);
                }
            })
        });
        let addr = launcher.addr();
        (0..3).for_each(|n| addr.cast(n));
        crate::support::incarnate(&node, &launcher);
        (3..6).for_each(|n| addr.cast(n));
        settle(&node).await;
        assert_eq!(seen.take(), [0, 1, 2, 3, 4, 5]);
        addr.kill();
        settle(&node).await;
    });
}
