//! Intervals: one tick at a time, on the beat, as long as their process.

use crate::stepper::Stepper;
use crate::support::{Journal, Letter, Notes, ended, incarnate, inside, oops, pause, seeds, settle};
use freeboard_process::{Context, Dropped, Launcher, Policy};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Counts up from one.
fn counter() -> impl FnMut() -> u32 + Send + 'static {
    let mut count = 0;
    move || {
        count += 1;
        count
    }
}

#[test]
fn ticks_come_once_per_period_until_they_are_cancelled() {
    seeds(async |node| {
        let (seen, left, twice) = inside(&node, async |mut cx: Context<u32>| {
            let start = cx.now();
            let interval = cx.send_interval(ms(10), counter());
            let mut seen = Vec::new();
            for _ in 0..5 {
                seen.push((cx.recv_message().await, cx.now() - start));
            }
            cx.sleep(ms(3)).await;
            let left = cx.cancel(interval);
            let twice = cx.cancel(interval);
            assert!(cx.recv_message().after(ms(1000)).await.is_none());
            (seen, left, twice)
        })
        .await;
        assert_eq!(seen, [1, 2, 3, 4, 5].map(|n| (n, ms(10 * u64::from(n)))));
        assert_eq!((left, twice), (Some(ms(7)), None));
    });
}

#[test]
fn a_process_that_was_away_finds_one_tick_and_is_on_the_beat_again() {
    for policed in [false, true] {
        seeds(async |node| {
            let body = async |cx: &mut Context<u32>| {
                let start = cx.now();
                cx.send_interval(ms(10), counter());
                cx.sleep(ms(1_005)).await;
                let mut seen = Vec::new();
                for _ in 0..3 {
                    seen.push((cx.recv_message().await, cx.now() - start));
                }
                seen
            };
            let out = Journal::new();
            let journal = out.clone();
            let whole = async move |mut cx: Context<u32>| {
                journal.note(body(&mut cx).await);
                Ok(())
            };
            let process = match policed {
                true => node.spawn_with(Policy::bounded(1), whole).unwrap(),
                false => node.spawn(whole),
            };
            ended(&node, &process).await;
            assert_eq!(out.take(), [[(1, ms(1_005)), (2, ms(1_010)), (3, ms(1_020))]]);
            assert_eq!((process.depth(), process.stats().received), (0, 3));
        });
    }
}

#[test]
fn beats_that_pass_while_the_node_does_not_look_are_missed() {
    let (stepper, node) = Stepper::new();
    let seen = Journal::new();
    let journal = seen.clone();
    let process = node.spawn(async move |mut cx: Context<u32>| {
        let start = cx.now();
        cx.send_interval(ms(10), counter());
        loop {
            journal.note((cx.recv_message().await, cx.now() - start));
        }
    });
    stepper.settle();
    stepper.pass(ms(1_234));
    while seen.len() < 3 {
        assert!(stepper.step() || stepper.jump());
    }
    assert_eq!(seen.take(), [(1, ms(1_234)), (2, ms(1_240)), (3, ms(1_250))]);
    process.kill();
    stepper.settle();
    assert!(!stepper.has_timers(&node));
    stepper.finish();
}

#[test]
fn a_tick_that_is_queued_or_was_left_does_not_arrive_after_its_cancel() {
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<u32>| {
            let (queued, left) = (cx.send_interval(ms(10), || 1), cx.send_interval(ms(10), || 2));
            // Both are looked at and left, and the next two are queued behind.
            assert!(cx.recv_where(|n| *n == 9).after(ms(15)).await.is_none());
            assert!(cx.recv_where(|n| *n == 2).after(ms(0)).await.is_some());
            cx.sleep(ms(10)).await;
            let cancelled = (cx.cancel(queued), cx.cancel(left));
            let rest = cx.recv_message().after(ms(1_000)).await;
            (cancelled, rest, cx.addr().depth(), cx.addr().stats().dropped(Dropped::Timer))
        })
        .await;
        // One of the first was left and one queued; of the second one was received and one queued.
        assert_eq!(got, ((Some(ms(5)), Some(ms(5))), None, 0, 3));
    });
}

#[test]
fn ticks_do_not_gather_behind_a_selective_receive() {
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<Letter>| {
            let mut number = 0;
            cx.send_interval(ms(10), move || {
                number += 1;
                Letter { id: number, tag: 0, key: 0 }
            });
            assert!(cx.recv_where(|letter| letter.tag == 9).after(ms(10_005)).await.is_none());
            let depth = cx.addr().depth();
            let first = cx.recv_message().after(ms(0)).await.map(|letter| letter.id);
            let second = cx.recv_message().after(ms(0)).await.map(|letter| letter.id);
            (depth <= 2, first, second)
        })
        .await;
        assert_eq!(got, (true, Some(1), None));
    });
}

// OTP: A14
#[test]
fn an_interval_ends_with_its_incarnation_and_what_it_held_is_dropped() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let launcher = Launcher::new(move |mut cx: Context<u64>| {
            let journal = journal.clone();
            Box::pin(async move {
                let (mine, dropped) = (cx.pid().generation(), Notes(journal.clone(), (0, cx.pid().generation())));
                cx.send_interval(ms(50), move || {
                    let _held = &dropped;
                    mine
                });
                cx.sleep(ms(20)).await;
                loop {
                    match cx.recv_message().await {
                        0 => return Err(oops("x")),
                        generation => journal.note((generation, mine)),
                    }
                }
            })
        });
        let addr = launcher.addr();
        let first = incarnate(&node, &launcher).generation();
        addr.cast(0);
        pause(&node, ms(25)).await;
        assert_eq!(seen.take(), [(0, first)]);
        let second = incarnate(&node, &launcher).generation();
        pause(&node, ms(60)).await;
        assert_eq!(seen.take(), [(second, second)]);
        addr.kill();
        settle(&node).await;
        assert_eq!(seen.take(), [(0, second)]);
    });
}

#[test]
fn a_period_of_zero_is_refused_and_a_maker_that_panics_crashes_its_own_process() {
    seeds(async |node| {
        let zero = node.spawn(async |mut cx: Context<u32>| {
            cx.send_interval(Duration::ZERO, || 1);
            Ok(())
        });
        let reason = ended(&node, &zero).await.to_string();
        assert!(reason.starts_with("panic: send_interval was given a period of zero"), "{reason}");
        let panics = node.spawn(async |mut cx: Context<u32>| {
            cx.send_interval(ms(10), || panic!("no tick"));
            cx.recv_message().await;
            Ok(())
        });
        // The node's timers go on.
        let seen = inside(&node, async |mut cx: Context<u32>| {
            cx.send_after(ms(50), 7);
            cx.recv_message().await
        })
        .await;
        assert_eq!((seen, panics.ended().unwrap().to_string()), (7, "panic: no tick".to_owned()));
    });
}

#[test]
fn an_interval_needs_one_sleep_per_beat_of_the_node_and_nothing_else() {
    let (stepper, node) = Stepper::new();
    let process = node.spawn(async |mut cx: Context<u32>| {
        for _ in 0..1_000 {
            cx.send_interval(ms(10), || 1);
        }
        loop {
            cx.recv_message().await;
        }
    });
    stepper.settle();
    let (before, _) = stepper.counts();
    for _ in 0..10 {
        assert!(stepper.jump());
        stepper.settle();
    }
    assert_eq!((process.stats().received, stepper.counts().0 - before), (10_000, 10));
    stepper.finish();
}
