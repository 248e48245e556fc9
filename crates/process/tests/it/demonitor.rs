//! Taking a monitor back, before, while and after it fires.

use crate::stepper::Stepper;
use crate::support::{Journal, SEEDS, idler, inside, mortal, oops, seeds, settle, step_aside, threads, words};
use freeboard_process::{Context, Event, Ref};
use std::time::Duration;

/// Runs a body that can make its monitored target die in the middle of its own poll, so that the DOWN is sent and not yet
/// received. Answers what the body said and what it received afterwards.
fn with_down_under_way(body: impl FnOnce(&mut Context<()>, Ref, &dyn Fn()) -> bool + Send + 'static) -> (bool, usize) {
    let (stepper, node) = Stepper::new();
    let task = stepper.tasks();
    let target = idler(&node);
    let said = Journal::new();
    let (hand, journal) = (stepper.clone(), said.clone());
    let watcher = node.spawn(async move |mut cx: Context<()>| {
        let monitor = cx.monitor(&target);
        step_aside().await;
        let said = body(&mut cx, monitor, &|| hand.drop_task(task));
        drop(hand);
        let mut received = 0;
        while let Some(Event::Down(down)) = cx.recv().after(Duration::from_secs(1)).await {
            assert_eq!(down.monitor, monitor);
            received += 1;
        }
        journal.note((said, received));
        Ok(())
    });
    stepper.run(usize::MAX);
    assert!(watcher.ended().is_some());
    stepper.finish();
    said.take().pop().unwrap()
}

// OTP: C6, C8
#[test]
fn a_down_that_is_sent_but_not_queued_does_not_outlive_demonitor() {
    for flush in [false, true] {
        let outcome = with_down_under_way(move |cx, monitor, die| {
            die();
            if flush { cx.demonitor_flush(monitor) } else { cx.demonitor(monitor) }
        });
        assert_eq!(outcome, (true, 0), "flush: {flush}");
    }
    // And without it, the DOWN is there.
    assert_eq!(
        with_down_under_way(|_, _, die| {
            die();
            true
        }),
        (true, 1)
    );
}

// OTP: C6, C8
#[test]
fn a_queued_down_stays_after_demonitor() {
    seeds(async |node| {
        let target = mortal(&node);
        let (active, left) = inside(&node, async move |mut cx: Context<&'static str>| {
            let monitor = cx.monitor(&target);
            let other = cx.monitor(&target);
            target.cast(oops("x"));
            // Both are received, and the first one is left in its place, while this one is looked for.
            cx.recv_down(other).await;
            let active = cx.demonitor(monitor);
            let left = cx.recv().after(Duration::ZERO).await.map(|event| words(&event));
            (active, left)
        })
        .await;
        assert!(!active);
        assert_eq!(left.as_deref(), Some("DOWN error: x"));
    });
}

// OTP: C7, C8
#[test]
fn flush_takes_a_queued_down_out_and_nothing_else() {
    seeds(async |node| {
        let target = mortal(&node);
        let (active, rest) = inside(&node, async move |mut cx: Context<&'static str>| {
            let (first, second, third) = (cx.monitor(&target), cx.monitor(&target), cx.monitor(&target));
            cx.addr().cast("before");
            target.cast(oops("x"));
            cx.recv_down(third).await;
            cx.addr().cast("after");
            let active = cx.demonitor_flush(first);
            let mut rest = Vec::new();
            while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                if let Event::Down(down) = &event {
                    assert_eq!(down.monitor, second);
                }
                rest.push(words(&event));
            }
            (active, rest)
        })
        .await;
        assert!(!active);
        assert_eq!(rest, ["before", "DOWN error: x", "after"]);
    });
}

// OTP: C7
#[test]
fn flush_finds_a_down_wherever_it_waits() {
    // Not received at all yet: applied while the process waited for something that is no receive.
    seeds(async |node| {
        let target = mortal(&node);
        let left = inside(&node, async move |mut cx: Context<()>| {
            let (first, second) = (cx.monitor(&target), cx.monitor(&target));
            target.cast(oops("x"));
            cx.sleep(Duration::from_secs(1)).await;
            let flushed = cx.demonitor_flush(first);
            let again = cx.demonitor_flush(first);
            let down = cx.recv_down(second).after(Duration::ZERO).await;
            (flushed, again, down.is_some(), cx.recv().after(Duration::ZERO).await.is_some())
        })
        .await;
        assert_eq!(left, (false, false, true, false));
    });
}

// OTP: C6, C2
#[test]
fn demonitor_racing_the_death_leaves_one_down_or_none_and_says_which() {
    let race = async |node: freeboard_process::Node, pauses: usize| {
        let target = mortal(&node);
        let victim = target.clone();
        target.cast(oops("x"));
        let (active, downs) = inside(&node, async move |mut cx: Context<()>| {
            let monitor = cx.monitor(&victim);
            for _ in 0..pauses {
                step_aside().await;
            }
            let active = cx.demonitor(monitor);
            // A second monitor fires after the first one could have: when it is here, the first one will not come.
            let last = cx.monitor(&victim);
            cx.recv_down(last).await;
            let mut downs = 0;
            while let Some(event) = cx.recv().after(Duration::ZERO).await {
                assert!(matches!(event, Event::Down(down) if down.monitor == monitor));
                downs += 1;
            }
            (active, downs)
        })
        .await;
        assert_eq!(downs, usize::from(!active));
        active
    };
    let outcomes = Journal::new();
    seeds(async |node| {
        for pauses in 0..4 {
            outcomes.note(race(node.clone(), pauses).await);
        }
    });
    let outcomes = outcomes.take();
    assert!(outcomes.contains(&true) && outcomes.contains(&false), "both must occur in {} runs", outcomes.len());
    threads(async |node| {
        for round in 0..SEEDS {
            race(node.clone(), (round % 4) as usize).await;
        }
    });
}

// OTP: C9, C8
#[test]
fn demonitor_twice_or_of_an_unknown_ref_is_harmless() {
    seeds(async |node| {
        let target = idler(&node);
        let answers = inside(&node, async move |mut cx: Context<()>| {
            let (first, second) = (cx.monitor(&target), cx.monitor(&target));
            let unknown = Ref::new(1 << 40, 1);
            let answers = [
                cx.demonitor(first),
                cx.demonitor(first),
                cx.demonitor_flush(first),
                cx.demonitor(unknown),
                cx.demonitor_flush(unknown),
                cx.demonitor_flush(second),
            ];
            target.kill();
            (answers, cx.recv().after(Duration::from_secs(1)).await.is_some())
        })
        .await;
        assert_eq!(answers, ([true, false, false, false, false, true], false));
    });
}

// OTP: C10
#[test]
fn nobody_but_its_maker_can_cancel_a_monitor() {
    seeds(async |node| {
        let target = mortal(&node);
        let victim = target.clone();
        let seen = Journal::new();
        let journal = seen.clone();
        let watcher = node.spawn(async move |mut cx: Context<freeboard_process::Reply<Ref>>| {
            let monitor = cx.monitor(&victim);
            cx.recv_message().await.send(monitor);
            journal.note(cx.recv_down(monitor).await.reason.to_string());
            Ok(())
        });
        let monitor = watcher.call(|reply| reply).await.unwrap();
        let thief = target.clone();
        let taken = inside(&node, async move |mut cx: Context<()>| {
            // The thief watches the same target, so that it has rows of its own to look in.
            cx.monitor(&thief);
            [cx.demonitor(monitor), cx.demonitor_flush(monitor)]
        })
        .await;
        assert_eq!(taken, [false, false]);
        target.cast(oops("x"));
        settle(&node).await;
        assert_eq!(seen.take(), ["error: x"]);
    });
}
