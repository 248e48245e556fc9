//! What can be seen of a mailbox from outside.

use crate::panics::warnings;
use crate::support::{Journal, Letter, incarnate, pause, seeds, settle, until_zero};
use freeboard_mailbox::HIGH_WATER;
use freeboard_process::{Context, Dropped, Node, Policy, Reply, Sim, Tag};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

// OTP: E12
#[test]
fn the_numbers_say_what_waits_for_how_long_and_what_was_received() {
    seeds(async |node| {
        let process = node.spawn(async |mut cx: Context<u32>| {
            cx.sleep(30 * MS).await;
            let _third = cx.recv_where(|n| *n == 3).await;
            // It looks at all of them and finds none; what was received before is known outside by then.
            let _none = cx.recv_where(|n| *n == 9).after(MS).await;
            std::future::pending().await
        });
        settle(&node).await;
        let empty = process.stats();
        assert_eq!((empty.depth, empty.oldest, empty.received, empty.inspected), (0, Duration::ZERO, 0, 0));
        (1..=3).for_each(|n| process.cast(n));
        pause(&node, 8 * MS).await;
        (4..=5).for_each(|n| process.cast(n));
        pause(&node, 2 * MS).await;
        let full = process.stats();
        assert_eq!((full.depth, full.high_water, full.oldest), (5, 5, 10 * MS));
        pause(&node, 25 * MS).await;
        let left = process.stats();
        assert_eq!((left.depth, left.high_water, left.received), (4, 5, 1));
        assert_eq!(left.inspected, 3 + 4, "three until the first was found, four for nothing");
        assert_eq!(left.dropped_in_all(), 0);
    });
}

// OTP: E12
#[test]
fn under_a_policy_the_age_of_the_oldest_is_exact() {
    seeds(async |node| {
        let policy = Policy::bounded(2).drop_oldest();
        let process = node.spawn_with(policy, async |_cx: Context<u32>| std::future::pending().await).unwrap();
        for n in 1..=3 {
            process.cast(n);
            pause(&node, 4 * MS).await;
        }
        // The first one is gone, the second has waited for 8 ms.
        let stats = process.stats();
        assert_eq!((stats.depth, stats.oldest, stats.dropped(Dropped::Oldest)), (2, 8 * MS, 1));
    });
}

// OTP: E12, A12
#[test]
fn what_the_dead_left_is_counted_over_all_incarnations() {
    seeds(async |node| {
        let launcher = until_zero();
        let addr = launcher.addr();
        for round in 1..=3 {
            incarnate(&node, &launcher);
            settle(&node).await;
            [1, 1, 0, 1, 1].into_iter().for_each(|n| addr.cast(n));
            settle(&node).await;
            let stats = addr.stats();
            assert_eq!((stats.depth, stats.received, stats.dropped(Dropped::Exited)), (0, 3 * round, 2 * round));
        }
    });
}

// OTP: E12
#[test]
fn a_policy_counts_what_it_drops_by_tag() {
    seeds(async |node| {
        let policy = Policy::bounded(1).drop_newest().count_tags();
        let process = node.spawn_with(policy, async |_cx: Context<Letter>| std::future::pending().await).unwrap();
        for tag in [0, 1, 1, 2, 1] {
            process.cast(Letter { id: 0, tag, key: 0 });
        }
        let counts = [0, 1, 2].map(|tag| process.dropped_of(Tag::new(tag), Dropped::Newest));
        assert_eq!((counts, process.stats().dropped(Dropped::Newest)), ([0, 3, 1], 4));
        assert_eq!(process.dropped_of(Tag::new(1), Dropped::Oldest), 0);
    });
}

/// Sends so many, then waits until they are received.
async fn flood(node: &Node, to: &freeboard_process::Addr<Option<Reply<()>>>, messages: usize) {
    (0..messages).for_each(|_| to.cast(None));
    settle(node).await;
    to.call(Some).await.unwrap();
}

/// A process that first lets the flood come.
fn reader(node: &Node, policy: Policy<Option<Reply<()>>>) -> freeboard_process::Addr<Option<Reply<()>>> {
    node.spawn_with(policy, async |mut cx: Context<Option<Reply<()>>>| {
        loop {
            if let Some(reply) = cx.recv_message().await {
                reply.send(());
            }
        }
    })
    .unwrap()
}

// OTP: E12, E13, M8
#[test]
fn a_high_water_mark_is_announced_once_until_the_mailbox_is_half_empty_again() {
    let announced = |world: fn(Node) -> std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        warnings(|| Sim::seed(1).run(async |node: Node| world(node).await))
    };
    let twice = announced(|node| {
        Box::pin(async move {
            let process = reader(&node, Policy::unbounded().high_water(10));
            flood(&node, &process, 9).await;
            flood(&node, &process, 25).await;
            flood(&node, &process, 10).await;
            flood(&node, &process, 9).await;
        })
    });
    assert_eq!(twice, 2);
    // Without a policy the mark is a fixed one, looked for now and then.
    let once = announced(|node| {
        Box::pin(async move {
            let process = reader(&node, Policy::unbounded());
            flood(&node, &process, HIGH_WATER - 2_000).await;
            flood(&node, &process, HIGH_WATER + 2_000).await;
        })
    });
    assert_eq!(once, 1);
}

#[test]
fn the_numbers_of_a_mailbox_are_those_of_its_journal() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let process = node
            .spawn_with(Policy::bounded(3), async move |mut cx: Context<u32>| {
                loop {
                    journal.note(cx.recv_message().await);
                    cx.sleep(MS).await;
                }
            })
            .unwrap();
        for n in 0..20 {
            process.cast(n);
            if n % 4 == 0 {
                pause(&node, 2 * MS).await;
            }
            let stats = process.stats();
            assert!(stats.depth <= 3 && stats.high_water <= 3, "{stats:?}");
            let gone = stats.received + stats.dropped(Dropped::Rejected) + stats.depth as u64;
            assert_eq!((stats.received, gone), (seen.len() as u64, u64::from(n) + 1));
        }
    });
}
