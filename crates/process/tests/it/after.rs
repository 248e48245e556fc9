//! The time limit of a receive.

use crate::stepper::Stepper;
use crate::support::{Journal, Letter, inside, seeds};
use freeboard_process::{Context, Node, Sim, tag_named};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

// OTP: E4
#[test]
fn messages_that_do_not_match_do_not_restart_the_clock() {
    seeds(async |node| {
        let (gave_up, waited, queued) = inside(&node, async |mut cx: Context<u32>| {
            for n in 1..=30 {
                cx.send_after(ms(10 * n), 0);
            }
            let start = cx.now();
            let gave_up = cx.recv_where(|n| *n == 1).after(ms(105)).await.is_none();
            let waited = cx.now() - start;
            let mut queued = 0;
            while cx.recv().after(Duration::ZERO).await.is_some() {
                queued += 1;
            }
            (gave_up, waited, queued)
        })
        .await;
        assert_eq!((gave_up, waited, queued), (true, ms(105), 10));
    });
}

// OTP: E4
#[test]
fn the_clock_starts_on_entry_and_each_receive_has_its_own() {
    seeds(async |node| {
        let waited = inside(&node, async |mut cx: Context<u32>| {
            let mut waited = Vec::new();
            for limit in [10, 0, 25, 5] {
                let start = cx.now();
                assert!(cx.recv().after(ms(limit)).await.is_none());
                waited.push(cx.now() - start);
            }
            waited
        })
        .await;
        assert_eq!(waited, [ms(10), ms(0), ms(25), ms(5)]);
    });
}

// OTP: E5
#[test]
fn after_zero_looks_at_the_whole_queue_first() {
    Sim::seed(5).run(async |node: Node| {
        let found = inside(&node, async |mut cx: Context<Letter>| {
            // Farther than a receive looks in one turn, so that it has to give way in between.
            for id in 0..20_000 {
                cx.addr().cast(Letter { id, tag: 0, key: 0 });
            }
            cx.addr().cast(Letter { id: 20_000, tag: 1, key: 9 });
            cx.addr().cast(Letter { id: 20_001, tag: 1, key: 8 });
            let start = cx.now();
            let by_predicate = cx.recv_where(|letter| letter.key == 9).after(Duration::ZERO).await;
            let by_key = cx.recv_key(tag_named("Answer"), 8_u64).after(Duration::ZERO).await;
            let absent = cx.recv_key(tag_named("Answer"), 7_u64).after(Duration::ZERO).await;
            let first = cx.recv().after(Duration::ZERO).await.and_then(|event| event.message());
            assert_eq!(cx.now(), start);
            [by_predicate, by_key, absent, first].map(|letter| letter.map(|letter| letter.id))
        })
        .await;
        assert_eq!(found, [Some(20_000), Some(20_001), None, Some(0)]);
    });
}

// OTP: E5
#[test]
fn a_match_beats_the_limit_even_after_it() {
    let (stepper, node) = Stepper::new();
    let seen = Journal::new();
    let journal = seen.clone();
    let task = stepper.tasks();
    let receiver = node.spawn(async move |mut cx: Context<u32>| {
        journal.note(cx.recv_message().after(ms(10)).await);
        journal.note(cx.recv_message().after(ms(10)).await);
        Ok(())
    });
    stepper.settle();
    // The limit passes, and a message comes, before the receiver is looked after again.
    stepper.pass(ms(50));
    receiver.cast(7);
    stepper.poll(task);
    assert_eq!(seen.take(), [Some(7)]);
    stepper.pass(ms(50));
    stepper.poll(task);
    assert_eq!(seen.take(), [None]);
    stepper.finish();
}

// OTP: E6, E4
#[test]
fn a_limit_that_is_longer_than_any_clock_is_a_plain_wait() {
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<u32>| {
            cx.send_after(Duration::from_secs(3600), 1);
            cx.recv_message().after(Duration::MAX).await
        })
        .await;
        assert_eq!(got, Some(1));
    });
}

// OTP: E4
#[test]
fn a_limit_that_is_over_leaves_no_timer_behind() {
    let (stepper, node) = Stepper::new();
    let seen = Journal::new();
    let journal = seen.clone();
    let receiver = node.spawn(async move |mut cx: Context<u32>| {
        journal.note(cx.recv_message().after(ms(1000)).await);
        drop(cx.recv_message().after(ms(1000)));
        cx.recv_message().await;
        Ok(())
    });
    stepper.settle();
    receiver.cast(1);
    stepper.settle();
    assert_eq!(seen.take(), [Some(1)]);
    assert!(!stepper.has_timers(&node));
    stepper.finish();
}
