//! A future whose result becomes a message of the process that started it.

use crate::support::{
    Journal, Notes, ended, incarnate, inside, own_ties, pause, seeds, settle, step_aside, threads, until_zero, watch,
    why,
};
use freeboard_process::{Addr, Context, Dropped, ExitReason, Node, Policy, Queue, Reply, Sim, Ties};
use std::{future::pending, time::Duration};

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_process_goes_on_and_the_result_stands_behind_what_came_before_it() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<u32>| {
            let clock = cx.node().clone();
            cx.pipe(async move { pause(&clock, 5 * MS).await }, |()| 2);
            cx.send_after(4 * MS, 1);
            cx.send_after(6 * MS, 3);
            [cx.recv_message().await, cx.recv_message().await, cx.recv_message().await]
        })
        .await;
        assert_eq!(heard, [1, 2, 3]);
    });
}

#[test]
fn a_result_that_is_there_at_once_is_a_message_all_the_same() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<u32>| {
            cx.addr().cast(1);
            cx.pipe(async { 2 }, |n| n);
            [cx.recv_message().await, cx.recv_message().await]
        })
        .await;
        assert_eq!(heard, [1, 2]);
    });
}

/// A process that starts this, waits a while, and notes what it receives until it is ended.
fn piper<F>(node: &Node, make: impl FnOnce(&mut Context<u32>) -> F + Send + 'static) -> (Addr<u32>, Journal<u32>)
where
    F: Send + 'static,
{
    let journal = Journal::new();
    let notes = journal.clone();
    let process = node.spawn(async move |mut cx: Context<u32>| {
        make(&mut cx);
        loop {
            notes.note(cx.recv_message().await);
        }
    });
    (process, journal)
}

#[test]
fn a_future_that_panics_ends_its_process_and_so_does_a_wrap_that_panics() {
    seeds(async |node| {
        let (first, heard) = piper(&node, |cx| cx.pipe(async { panic!("no route") }, |()| 1));
        assert_eq!(ended(&node, &first).await.to_string(), "panic: no route");
        let (second, _) = piper(&node, |cx| cx.pipe(async { 7 }, |n: u32| panic!("cannot wrap {n}")));
        assert_eq!(ended(&node, &second).await.to_string(), "panic: cannot wrap 7");
        let (third, _) = piper(&node, |cx| {
            cx.pipe(
                async {
                    step_aside().await;
                    std::panic::panic_any(5_u8)
                },
                |()| 1,
            )
        });
        assert!(matches!(ended(&node, &third).await, ExitReason::Panic(_)));
        assert_eq!(heard.len(), 0);
        assert_eq!((node.seats(), node.timers_set()), (3, 0), "those that are still named");
    });
}

#[test]
fn what_stands_before_a_panic_is_received_before_it() {
    seeds(async |node| {
        let (process, heard) = piper(&node, |cx| {
            cx.addr().cast(1);
            cx.pipe(async { panic!("late") }, |()| 2)
        });
        assert_eq!(ended(&node, &process).await.to_string(), "panic: late");
        assert_eq!(heard.take(), [1]);
    });
}

// OTP: A14
#[test]
fn the_future_is_dropped_by_the_time_anybody_hears_of_the_end_and_a_later_incarnation_hears_nothing() {
    seeds(async |node| {
        let (journal, heard) = (Journal::new(), Journal::new());
        let (notes, told) = (journal.clone(), heard.clone());
        let launcher = freeboard_process::Launcher::new(move |mut cx: Context<u32>| {
            let (notes, told) = (notes.clone(), told.clone());
            Box::pin(async move {
                let clock = cx.node().clone();
                let piped = Notes(notes, "dropped");
                cx.pipe(
                    async move {
                        let _piped = piped;
                        pause(&clock, 10 * MS).await;
                    },
                    |()| 99,
                );
                loop {
                    let n = cx.recv_message().await;
                    told.note(n);
                    if n == 0 {
                        return Ok(());
                    }
                }
            })
        })
        .queue(Queue::keep());
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        settle(&node).await;
        let over = watch(&node, &addr).await;
        addr.kill();
        drop(over);
        settle(&node).await;
        assert_eq!(journal.take(), ["dropped"]);
        incarnate(&node, &launcher);
        pause(&node, 4 * MS).await;
        addr.cast(1);
        pause(&node, 4 * MS).await;
        assert_eq!(heard.take(), [1]);
        pause(&node, 5 * MS).await;
        assert_eq!(heard.take(), [99], "its own, once");
        drop(launcher);
        addr.kill();
    });
}

// OTP: A14
#[test]
fn a_result_that_is_queued_when_the_process_ends_is_not_kept_for_the_next_incarnation() {
    seeds(async |node| {
        let launcher = freeboard_process::Launcher::new(|mut cx: Context<u32>| {
            Box::pin(async move {
                cx.pipe(async { 7 }, |n| n);
                cx.recv_where(|n| *n == 0).await;
                Ok(())
            })
        })
        .queue(Queue::keep());
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        settle(&node).await;
        addr.cast(1);
        settle(&node).await;
        addr.kill();
        settle(&node).await;
        assert_eq!((addr.stats().dropped(Dropped::Exited), addr.stats().dropped_in_all()), (1, 1));
        drop(launcher);
        drop(until_zero());
    });
}

#[test]
fn a_pipe_that_is_taken_back_brings_nothing_wherever_its_result_is() {
    seeds(async |node| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let answers = inside(&node, async move |mut cx: Context<u32>| {
            let note = Notes(notes, "future");
            let waiting = cx.pipe(
                async move {
                    let _note = note;
                    pending::<u32>().await
                },
                |n| n,
            );
            cx.sleep(MS).await;
            let queued = cx.pipe(async { 1 }, |n| n);
            cx.sleep(MS).await;
            let left = cx.pipe(async { 2 }, |n| n);
            // It looks at both, and leaves them.
            let none = cx.recv_where(|n| *n > 2).after(MS).await;
            let later = cx.pipe(async { 3 }, |n| n);
            cx.sleep(MS).await;
            let had = [waiting, queued, left, later].map(|pipe| cx.detach(pipe));
            let again = [waiting, queued, left, later].map(|pipe| cx.detach(pipe));
            let rest = cx.recv().after(MS).await;
            (none, had, again, rest.is_none(), cx.addr().stats().dropped(Dropped::Timer), own_ties(&cx))
        })
        .await;
        assert_eq!(answers, (None, [true; 4], [false; 4], true, 3, Ties::default()));
        assert_eq!(dropped.take(), ["future"]);
    });
}

#[test]
fn a_pipe_whose_message_was_received_cannot_be_taken_back_and_leaves_nothing() {
    seeds(async |node| {
        let (first, had, ties) = inside(&node, async |mut cx: Context<u32>| {
            let pipe = cx.pipe(async { 1 }, |n| n);
            let first = cx.recv_message().await;
            (first, cx.detach(pipe), own_ties(&cx))
        })
        .await;
        assert_eq!((first, had, ties), (1, false, Ties::default()));
    });
}

#[test]
fn a_full_mailbox_takes_the_result_which_is_under_no_policy() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        let process = node
            .spawn_with(Policy::bounded(1), async move |mut cx: Context<u32>| {
                cx.pipe(async { 2 }, |n| n);
                cx.sleep(5 * MS).await;
                loop {
                    notes.note(cx.recv_message().await);
                }
            })
            .unwrap();
        process.send(1).unwrap();
        pause(&node, 6 * MS).await;
        assert_eq!((journal.take(), process.stats().dropped_in_all()), (vec![1, 2], 0));
    });
}

// OTP: F16
#[test]
fn a_reply_in_the_future_tells_its_caller_the_exit_reason() {
    seeds(async |node| {
        let server = node.spawn(async |mut cx: Context<Reply<u32>>| {
            let reply = cx.recv_message().await;
            let me = cx.addr();
            cx.pipe(
                async move {
                    pending::<()>().await;
                    reply
                },
                |reply| reply,
            );
            drop(me);
            pending().await
        });
        let answer = server.request(|reply| reply);
        settle(&node).await;
        server.kill();
        assert_eq!(why(&answer.await), "exited: killed");
    });
}

#[test]
fn in_a_context_that_outlived_its_process_the_future_is_dropped_unpolled() {
    seeds(async |node| {
        let (send, context) = tokio::sync::oneshot::channel();
        let process = node.spawn(async move |cx: Context<u32>| {
            let _ = send.send(cx);
            Ok(())
        });
        let mut context = context.await.unwrap();
        ended(&node, &process).await;
        let journal = Journal::new();
        let (dropped, polled) = (Notes(journal.clone(), "dropped"), journal.clone());
        let pipe = context.pipe(
            async move {
                polled.note("polled");
                drop(dropped);
            },
            |()| 1,
        );
        settle(&node).await;
        assert_eq!((journal.take(), context.detach(pipe)), (vec!["dropped"], false));
    });
}

#[test]
fn the_same_seed_brings_the_same_run() {
    Sim::seed(11).strict(async |node: Node| {
        let (process, _) = piper(&node, |cx| {
            for n in 0..5 {
                let clock = cx.node().clone();
                cx.pipe(async move { pause(&clock, (n % 3) * MS).await }, move |()| n);
            }
        });
        pause(&node, 5 * MS).await;
        assert_eq!(process.stats().received, 5);
        process.kill();
    });
}

#[test]
fn on_real_threads_each_result_comes_once() {
    threads(async |node| {
        let sum = inside(&node, async |mut cx: Context<u64>| {
            for n in 0..1_000 {
                cx.pipe(
                    async move {
                        step_aside().await;
                        n
                    },
                    |n| n,
                );
            }
            let mut sum = 0;
            for _ in 0..1_000 {
                sum += cx.recv_message().await;
            }
            (sum, own_ties(&cx))
        })
        .await;
        assert_eq!(sum, (499_500, Ties::default()));
    });
}
