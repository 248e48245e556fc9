//! The simulator: the same seed is the same run, and the seed has a say.

use crate::soak;
use crate::support::{Journal, pause, settle, step_aside};
use freeboard_process::{Addr, Context, Event, Node, Sim};
use std::time::Duration;

/// Six processes that talk, wait, die and are watched; what each of them saw, by slot, and when.
fn trace(seed: u64) -> Vec<(u32, String, Duration)> {
    Sim::seed(seed).run(async |node: Node| {
        let (seen, start) = (Journal::new(), node.now());
        let talkers: Vec<Addr<u32>> = (0..6)
            .map(|_| {
                let journal = seen.clone();
                node.spawn(async move |mut cx: Context<u32>| {
                    cx.trap_exit(true);
                    loop {
                        let event = cx.recv().after(Duration::from_millis(7)).await;
                        let what = match &event {
                            Some(Event::Message(n)) => format!("{n}"),
                            Some(Event::Down(down)) => format!("DOWN {} {}", down.pid.slot(), down.reason),
                            Some(Event::Exit(exit)) => format!("EXIT {} {}", exit.from.slot(), exit.reason),
                            _ => "nothing".to_owned(),
                        };
                        journal.note((cx.pid().slot(), what, cx.now() - start));
                        if let Some(Event::Message(n)) = event {
                            if n > 0 {
                                cx.send_after(Duration::from_millis(u64::from(n % 5)), n / 2);
                            }
                            if n % 7 == 6 {
                                return Ok(());
                            }
                            step_aside().await;
                        }
                    }
                })
            })
            .collect();
        for (n, talker) in talkers.iter().enumerate() {
            let (to, next) = (talker.clone(), talkers[(n + 1) % 6].clone());
            node.spawn(async move |mut cx: Context<()>| {
                cx.monitor(&next);
                for k in 0..5 {
                    to.cast(10 * n as u32 + k);
                    step_aside().await;
                }
                Ok(())
            });
        }
        pause(&node, Duration::from_millis(40)).await;
        talkers.iter().for_each(Addr::kill);
        settle(&node).await;
        seen.take()
    })
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..50 {
        let first = trace(seed);
        assert!(first.len() > 30, "{}", first.len());
        assert_eq!(first, trace(seed), "seed {seed}");
    }
}

#[test]
fn random_lives_and_deaths_replay_event_for_event() {
    for seed in 0..50 {
        assert_eq!(soak::run(seed), soak::run(seed), "seed {seed}");
    }
}

#[test]
fn the_seed_has_a_say_in_the_order() {
    let first = trace(0);
    let different = (1..20).filter(|seed| trace(*seed) != first).count();
    assert!(different > 0, "20 seeds, one order");
}

#[test]
fn virtual_time_moves_only_when_nobody_can_run() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let start = node.now();
            for _ in 0..1000 {
                step_aside().await;
            }
            assert_eq!(node.now(), start);
            pause(&node, Duration::from_secs(86_400)).await;
            assert_eq!(node.now() - start, Duration::from_secs(86_400));
        });
    }
}

#[test]
fn a_world_that_nobody_can_wake_is_reported() {
    let stuck = || Sim::seed(1).run(async |_node: Node| std::future::pending::<()>().await);
    let report = std::panic::catch_unwind(stuck).expect_err("nobody can wake this world");
    let text = report.downcast_ref::<String>().expect("a text with the seed in it");
    assert!(text.starts_with("the simulation is stuck") && text.ends_with("seed 1"), "{text}");
}
