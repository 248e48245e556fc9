//! A simulation that is a task of a paused tokio runtime: tokio's time is the simulation's.

#![expect(clippy::disallowed_methods, reason = "what code does that knows tokio only")]

use freeboard_process::sync::Mutex;
use freeboard_process::{Aim, Context, ExitReason, Node, Reply, Sim};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{sync::Arc, time::Duration};

/// Waits by tokio's clock, which is virtual here.
async fn by_tokio(wait: Duration) {
    let never = tokio::time::timeout(wait, std::future::pending::<()>()).await;
    assert!(never.is_err(), "nothing else ends it");
}

type Journal = Arc<Mutex<Vec<(&'static str, Duration)>>>;

/// Processes that wait by tokio's time and by their own; what happened, and when by the node's clock.
async fn waits(node: Node) -> Vec<(&'static str, Duration)> {
    let journal = Journal::default();
    let began = node.now();
    let ms = Duration::from_millis;
    let first_journal = journal.clone();
    let first = node.spawn(async move |mut cx: Context<Reply<()>>| {
        for _ in 0..3 {
            by_tokio(ms(10)).await;
            first_journal.lock().push(("tokio", cx.now() - began));
        }
        cx.recv_message().await.send(());
        Ok(())
    });
    let by_node = journal.clone();
    node.spawn(async move |mut cx: Context<()>| {
        for _ in 0..2 {
            cx.sleep(ms(13)).await;
            by_node.lock().push(("node", cx.now() - began));
        }
        Ok(())
    });
    let spawned = journal.clone();
    let clock = node.clone();
    let other = tokio::spawn(async move {
        let limited = tokio::time::timeout(ms(21), std::future::pending::<()>()).await;
        assert!(limited.is_err());
        spawned.lock().push(("spawned", clock.now() - began));
    });
    first.call(|reply| reply).forever().await.expect("it answers");
    other.await.expect("it does not fail");
    std::mem::take(&mut *journal.lock())
}

#[test]
fn both_kinds_of_time_are_one() {
    for seed in 0..50 {
        let seen = Sim::seed(seed).on_tokio().run(waits);
        let expected = [("tokio", 10), ("node", 13), ("tokio", 20), ("spawned", 21), ("node", 26), ("tokio", 30)];
        assert_eq!(seen, expected.map(|(who, ms)| (who, Duration::from_millis(ms))), "seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_strict_runs_agree() {
    for seed in 0..20 {
        let (seen, digest) = Sim::seed(seed).on_tokio().run_digest(waits);
        assert_eq!((seen, digest), Sim::seed(seed).on_tokio().run_digest(waits), "seed {seed}");
        Sim::seed(seed).on_tokio().strict(waits);
    }
}

#[test]
fn the_seed_has_a_say_in_the_order() {
    let orders = async |node: Node| {
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..5 {
            let order = Arc::clone(&order);
            node.spawn(async move |_cx: Context<()>| {
                by_tokio(Duration::from_millis(1)).await;
                order.lock().push(n);
                Ok(())
            });
        }
        by_tokio(Duration::from_millis(5)).await;
        order.lock().clone()
    };
    let mut seen: Vec<Vec<i32>> = (0..30).map(|seed| Sim::seed(seed).on_tokio().run(orders)).collect();
    assert!(seen.iter().all(|order| order.len() == 5));
    seen.sort();
    seen.dedup();
    assert!(seen.len() > 5, "{} orders", seen.len());
}

#[test]
fn a_world_that_nobody_can_wake_is_reported() {
    let stuck =
        AssertUnwindSafe(|| Sim::seed(1).on_tokio().run(async |_node: Node| std::future::pending::<()>().await));
    let payload = catch_unwind(stuck).expect_err("nobody can wake this world");
    let text = payload.downcast_ref::<String>().expect("a text with the seed in it");
    assert!(text.starts_with("the simulation is stuck"), "{text}");
}

#[test]
fn what_is_left_ends_inside_of_the_runtime() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    struct Ends(Arc<Mutex<Vec<bool>>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.lock().push(tokio::runtime::Handle::try_current().is_ok());
        }
    }
    Sim::seed(1).on_tokio().run(async |node: Node| {
        let held = Ends(Arc::clone(&ends));
        node.spawn(async move |_cx: Context<()>| {
            let _held = held;
            by_tokio(Duration::from_secs(1)).await;
            Err(ExitReason::Shutdown)
        });
        by_tokio(Duration::from_millis(1)).await;
    });
    assert_eq!(*ends.lock(), [true]);
}

#[test]
fn kill_points_work_here_too() {
    let runs = Sim::seed(1).on_tokio().at_every_kill_point(async |node: Node, aim: Aim| {
        let sleeper = node.spawn(async |_cx: Context<()>| {
            by_tokio(Duration::from_millis(1)).await;
            Ok(())
        });
        aim.at(&sleeper);
        by_tokio(Duration::from_millis(5)).await;
        assert!(sleeper.ended().is_some());
    });
    assert_eq!(runs, 6);
}
