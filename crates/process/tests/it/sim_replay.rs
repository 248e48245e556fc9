//! The simulator: the same seed is the same run, and the seed has a say.

use crate::soak;
use crate::support::{Journal, idler, pause, settle, step_aside};
use freeboard_process::{Addr, Context, Event, ExitReason, Node, Reply, Sim};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Six processes that talk, wait, die and are watched; what each of them saw, by slot, and when.
fn trace(seed: u64) -> Vec<(u32, String, Duration)> {
    Sim::seed(seed).run(talk)
}

async fn talk(node: Node) -> Vec<(u32, String, Duration)> {
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

#[test]
fn the_same_seed_has_the_same_digest_and_another_seed_another_one() {
    let digests: Vec<_> = (0..50).map(|seed| Sim::seed(seed).run_digest(talk).1).collect();
    for (seed, digest) in (0..).zip(&digests) {
        assert_eq!(*digest, Sim::seed(seed).run_digest(talk).1, "seed {seed}");
    }
    let mut different = digests.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), digests.len());
}

#[test]
fn what_differs_in_time_only_or_in_messages_only_has_another_digest() {
    let world = |wait: u64, messages: u32| {
        let world = async |node: Node| {
            let sink = node.spawn(async |_cx: Context<u32>| std::future::pending().await);
            (0..messages).for_each(|n| sink.cast(n));
            pause(&node, Duration::from_secs(wait)).await;
            sink.kill();
            settle(&node).await;
        };
        Sim::seed(1).run_digest(world).1
    };
    assert_eq!(world(1, 3), world(1, 3));
    assert_ne!(world(1, 3), world(2, 3));
    assert_ne!(world(1, 3), world(1, 4));
}

#[test]
fn a_watched_run_is_the_run_that_nobody_watches() {
    for seed in 0..20 {
        assert_eq!(Sim::seed(seed).run_digest(talk).0, trace(seed));
        assert_eq!(Sim::seed(seed).strict(talk), trace(seed));
    }
}

/// How a strict run of this world fails.
fn failure(world: impl AsyncFn(Node)) -> String {
    let run = AssertUnwindSafe(|| Sim::seed(3).strict(world));
    let payload = catch_unwind(run).expect_err("a strict run finds out");
    ExitReason::from_panic(payload.as_ref(), String::new()).to_string()
}

#[test]
fn a_strict_run_finds_an_order_that_comes_from_a_random_hash() {
    #[expect(clippy::disallowed_types, reason = "its order is what is to be found out")]
    type Workers = std::collections::HashMap<u32, Addr<()>>;
    let text = failure(async |node: Node| {
        let boss = node.spawn(async |mut cx: Context<Reply<()>>| {
            let worker = async |mut cx: Context<()>| {
                cx.recv_message().await;
                Ok(())
            };
            let workers: Workers = (0..30).map(|n| (n, cx.node().spawn(worker))).collect();
            cx.sleep(Duration::from_millis(5)).await;
            workers.values().for_each(|worker| worker.cast(()));
            cx.recv_message().await.send(());
            Ok(())
        });
        boss.call(|reply| reply).forever().await.unwrap();
    });
    assert!(text.contains("two runs of seed 3 part at step "), "{text}");
    assert!(text.contains("at 5ms process <"), "{text}");
    // The workers, and whoever waits for the boss's answer.
    assert!(text.contains("wakes 31 tasks, and others or in another order in the first run"), "{text}");
}

#[test]
fn a_strict_run_finds_what_one_run_leaves_to_the_next() {
    let runs = Journal::new();
    let counted = runs.clone();
    let text = failure(async move |node: Node| {
        counted.note(());
        for _ in 0..counted.len() {
            settle(&node).await;
        }
    });
    assert!(text.contains("part at step"), "{text}");
    assert_eq!(runs.len(), 2);
}

#[test]
fn a_strict_run_finds_another_thread() {
    let text = failure(async |node: Node| {
        let sleeper = idler(&node);
        settle(&node).await;
        std::thread::scope(|scope| drop(scope.spawn(|| sleeper.kill()).join()));
        settle(&node).await;
    });
    assert!(text.contains("seed 3 was disturbed") && text.contains("another thread has woken a task"), "{text}");
}

#[test]
fn our_own_random_lives_and_deaths_are_strict() {
    for seed in 0..50 {
        Sim::seed(seed).strict(async |node: Node| soak::live(&node, seed).await);
    }
}

#[test]
fn exploring_stops_at_the_first_seed_that_fails() {
    let runs = Journal::new();
    let counted = runs.clone();
    let picky = async |node: Node| {
        counted.note(());
        let first = Journal::new();
        for n in 0..2 {
            let order = first.clone();
            node.spawn(async move |_cx: Context<()>| {
                order.note(n);
                Ok(())
            });
        }
        settle(&node).await;
        assert_eq!(first.take(), [0, 1], "in the order of their starts");
    };
    let failed = Sim::explore(0..100, picky).expect_err("an order is not promised");
    assert_eq!(runs.len() as u64, failed.seed + 1);
    assert!(failed.to_string().contains("in the order of their starts"), "{failed}");
    assert!(failed.to_string().ends_with(&format!("run it again with `Sim::seed({})`", failed.seed)), "{failed}");
    assert!(catch_unwind(AssertUnwindSafe(|| Sim::seed(failed.seed).run(picky))).is_err());
    assert!(Sim::explore(0..20, async |node: Node| settle(&node).await).is_ok());
}
