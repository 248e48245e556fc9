//! Timers of a process: they fire in order, once, and end with it.

use crate::stepper::Stepper;
use crate::support::{Journal, Notes, ended, incarnate, inside, oops, pause, seeds, settle, step_aside};
use freeboard_process::{Context, Launcher};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

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
