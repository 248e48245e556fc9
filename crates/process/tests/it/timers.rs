//! Timers of a process: they fire in order, once, and end with it.

use crate::stepper::Stepper;
use crate::support::{
    Journal, Notes, asked, ended, incarnate, inside, noting, oops, pause, seeds, settle, step_aside, watch, why,
};
use freeboard_process::{Addr, Context, Dropped, Launcher, Node, Reply};
use std::time::Duration;
use tokio::sync::oneshot;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

// OTP: D8
#[test]
fn timers_fire_at_their_time_in_their_order_and_never_early() {
    seeds(async |node| {
        let seen = inside(&node, async |mut cx: Context<u64>| {
            let start = cx.now();
            for after in [30, 10, 20, 10, 0] {
                cx.send_after(ms(after), after);
            }
            let mut seen = Vec::new();
            for _ in 0..5 {
                let after = cx.recv_message().await;
                seen.push((after, cx.now() - start));
            }
            seen
        })
        .await;
        let at = |after| (after, ms(after));
        assert_eq!(seen, [at(0), at(10), at(10), at(20), at(30)]);
    });
}

// OTP: A14
#[test]
fn a_cancelled_timer_never_fires_and_says_what_was_left() {
    seeds(async |node| {
        let (left, twice, fired, seen) = inside(&node, async |mut cx: Context<u32>| {
            let (first, second) = (cx.send_after(ms(100), 1), cx.send_after(ms(10), 2));
            cx.sleep(ms(40)).await;
            let left = cx.cancel(first);
            let twice = cx.cancel(first);
            let fired = cx.cancel(second);
            let mut seen = Vec::new();
            while let Some(n) = cx.recv_message().after(ms(1000)).await {
                seen.push(n);
            }
            (left, twice, fired, seen)
        })
        .await;
        assert_eq!((left, twice, fired, seen), (Some(ms(60)), None, None, vec![2]));
    });
}

// OTP: A14, A12
#[test]
fn timers_end_with_their_process_and_their_messages_are_dropped_at_once() {
    seeds(async |node| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let process = node.spawn(async move |mut cx: Context<Option<Notes<u32>>>| {
            for n in 0..3 {
                cx.send_after(Duration::from_secs(60 + u64::from(n)), Some(Notes(notes.clone(), n)));
            }
            cx.recv_message().await;
            Ok(())
        });
        settle(&node).await;
        process.kill();
        ended(&node, &process).await;
        let mut seen = dropped.take();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    });
}

// OTP: A14, A11
#[test]
fn a_timer_of_one_incarnation_never_reaches_the_next() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let launcher = Launcher::new(move |mut cx: Context<u64>| {
            let journal = journal.clone();
            Box::pin(async move {
                cx.send_after(ms(50), cx.pid().generation());
                loop {
                    match cx.recv_message().await {
                        0 => return Err(oops("x")),
                        generation => journal.note((generation, cx.pid().generation())),
                    }
                }
            })
        });
        let addr = launcher.addr();
        let first = incarnate(&node, &launcher).generation();
        addr.cast(0);
        settle(&node).await;
        pause(&node, ms(20)).await;
        let second = incarnate(&node, &launcher).generation();
        pause(&node, ms(500)).await;
        assert_ne!(first, second);
        assert_eq!(seen.take(), [(second, second)]);
        addr.kill();
        settle(&node).await;
    });
}

// OTP: A14
#[test]
fn nothing_of_a_process_stays_with_the_nodes_timers() {
    for end in 0..3 {
        let (stepper, node) = Stepper::new();
        let task = stepper.tasks();
        let process = node.spawn(async |mut cx: Context<u32>| {
            let deaf = cx.spawn_link(async |_cx: Context<freeboard_process::Reply<()>>| std::future::pending().await);
            let (first, _) = (cx.send_after(ms(1000), 1), cx.send_after(ms(2000), 2));
            cx.cancel(first);
            let interval = cx.send_interval(ms(1500), || 3);
            cx.send_interval(ms(1700), || 4);
            cx.cancel(interval);
            for after in [500, 1500] {
                cx.set_timer("kept", ms(after), 5);
                cx.set_timer("cancelled", ms(after), 6);
            }
            cx.cancel_timer("cancelled");
            let mut receive = Box::pin(cx.recv_where(|n| *n == 9).after(ms(3000)));
            let mut call = Box::pin(deaf.call(|reply| reply).within(ms(4000)));
            std::future::poll_fn(|task| {
                assert!(call.as_mut().poll(task).is_pending());
                receive.as_mut().poll(task)
            })
            .await;
            Ok(())
        });
        stepper.settle();
        assert!(stepper.has_timers(&node));
        match end {
            0 => process.kill(),
            1 => process.cast(9),
            _ => stepper.drop_task(task),
        }
        stepper.settle();
        assert!(process.ended().is_some());
        assert!(!stepper.has_timers(&node), "ended in way {end}");
        stepper.finish();
    }
}

#[test]
fn an_earlier_timer_wakes_a_service_that_sleeps_for_a_later_one() {
    seeds(async |node| {
        let waited = inside(&node, async |mut cx: Context<u32>| {
            let start = cx.now();
            cx.send_after(Duration::from_secs(1000), 1);
            for _ in 0..3 {
                step_aside().await;
            }
            cx.send_after(ms(5), 2);
            let first = cx.recv_message().await;
            let waited = cx.now() - start;
            (first, waited, cx.recv_message().await, cx.now() - start)
        })
        .await;
        assert_eq!(waited, (2, ms(5), 1, Duration::from_secs(1000)));
    });
}

/// A process that has ended, and its context.
async fn orphan<M: Send + 'static>(node: &Node) -> (Addr<M>, Context<M>) {
    let (lend, borrowed) = oneshot::channel();
    let process = node.spawn(async move |cx: Context<M>| {
        drop(lend.send(cx));
        Err(oops("gone"))
    });
    let cx = borrowed.await.unwrap();
    ended(node, &process).await;
    (process, cx)
}

// OTP: A14
#[test]
fn a_timer_of_a_context_that_outlived_its_process_is_dropped_at_once_and_counted() {
    seeds(async |node| {
        let (process, mut cx) = orphan::<Reply<()>>(&node).await;
        let mut calls = Vec::new();
        for number in 0..3 {
            let (call, reply) = asked(&node).await;
            calls.push(call);
            match number {
                0 => {
                    let timer = cx.send_after(ms(5), reply);
                    assert_eq!(cx.cancel(timer), None);
                }
                1 => drop(cx.send_at(node.now(), reply)),
                _ => cx.set_timer("key", ms(5), reply),
            }
        }
        cx.send_interval(ms(1), || panic!("nobody asks for a tick"));
        assert_eq!(process.stats().dropped(Dropped::Timer), 3);
        assert_eq!((process.depth(), cx.timer_left("key"), cx.cancel_timer("key")), (0, None, None));
        for call in calls {
            assert_eq!(why(&call.await), "exited: error: gone");
        }
        pause(&node, ms(50)).await;
        assert_eq!(process.stats().dropped(Dropped::Timer), 3);
    });
}

// OTP: E4, E5, E6
#[test]
fn a_time_limit_of_a_context_that_outlived_its_process_still_ends() {
    seeds(async |node| {
        let (_, mut cx) = orphan::<u32>(&node).await;
        let waited = inside(&node, async move |own: Context<()>| {
            let start = own.now();
            let mut waited = Vec::new();
            for limit in [0, 20] {
                assert!(cx.recv().after(ms(limit)).await.is_none());
                assert!(cx.recv_where(|_| true).after(ms(limit)).await.is_none());
                waited.push(own.now() - start);
            }
            cx.sleep(ms(5)).await;
            waited.push(own.now() - start);
            waited
        })
        .await;
        assert_eq!(waited, [ms(0), ms(40), ms(45)]);
    });
}

#[test]
fn a_timer_for_a_time_that_has_passed_is_due_at_once() {
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<u32>| {
            let start = cx.now();
            cx.sleep(ms(10)).await;
            cx.send_at(start, 1);
            cx.send_at(start + ms(30), 2);
            let first = (cx.recv_message().await, cx.now() - start);
            (first, (cx.recv_message().await, cx.now() - start))
        })
        .await;
        assert_eq!(got, ((1, ms(10)), (2, ms(30))));
    });
}

// OTP: A14
#[test]
fn a_timer_that_aims_at_an_address_outlives_an_incarnation_and_nothing_else() {
    seeds(async |node| {
        let seen = Journal::new();
        let launcher = noting(&seen);
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        node.send_after(&addr, ms(10), 1);
        node.send_after(&addr, ms(30), 2);
        let cancelled = node.send_after(&addr, ms(31), 3);
        pause(&node, ms(15)).await;
        addr.kill();
        settle(&node).await;
        incarnate(&node, &launcher);
        assert_eq!(node.cancel_timer(cancelled), Some(ms(15)));
        pause(&node, ms(50)).await;
        assert_eq!((seen.take(), node.cancel_timer(cancelled)), (vec![1, 2], None));
        // It keeps nobody's seat, and its message goes with it.
        let (call, reply) = asked(&node).await;
        let gone = node.spawn(async |_cx: Context<Reply<()>>| Ok(()));
        node.send_after(&gone, ms(10), reply);
        let seats = node.seats();
        drop(gone);
        let answer = why(&call.await);
        // The call has kept the seat that it was made to.
        assert_eq!((answer, node.seats()), ("NoReply".to_owned(), seats - 2));
        addr.kill();
        settle(&node).await;
    });
}

enum Word {
    Cast(u32),
    Call(u32, Reply<()>),
}

// OTP: F15
#[test]
fn calls_casts_and_timers_stand_in_one_queue() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let server = node.spawn(async move |mut cx: Context<Word>| {
            for number in [2, 5] {
                cx.send_after(ms(10 * u64::from(number)), Word::Cast(number));
            }
            cx.set_timer("key", ms(60), Word::Cast(6));
            cx.send_interval(ms(70), || Word::Cast(7));
            cx.sleep(ms(75)).await;
            loop {
                match cx.recv_message().await {
                    Word::Cast(number) => journal.note(number),
                    Word::Call(number, reply) => {
                        journal.note(number);
                        reply.send(());
                    }
                }
            }
        });
        pause(&node, ms(15)).await;
        server.cast(Word::Cast(1));
        pause(&node, ms(10)).await;
        let call = server.request(|reply| Word::Call(3, reply));
        assert!(server.send(Word::Cast(4)).is_ok());
        call.await.unwrap();
        pause(&node, ms(1)).await;
        assert_eq!(seen.take(), [1, 2, 3, 4, 5, 6, 7]);
        server.kill();
        settle(&node).await;
    });
}

// OTP: A14, A15
#[test]
fn a_thousand_timers_end_before_anybody_hears_of_the_death() {
    seeds(async |node| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let process = node.spawn(async move |mut cx: Context<Option<Notes<u64>>>| {
            for n in 0..1_000 {
                let message = Some(Notes(notes.clone(), n));
                match n % 2 {
                    0 => drop(cx.send_after(Duration::from_secs(60), message)),
                    _ => cx.set_timer(n, Duration::from_secs(60), message),
                }
            }
            cx.recv_message().await;
            Ok(())
        });
        settle(&node).await;
        let end = watch(&node, &process).await;
        process.kill();
        end.await;
        assert!(dropped.take().into_iter().eq(0..1_000), "in the order in which they were set");
    });
}
