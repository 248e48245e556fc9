//! Links and unlinks that meet on the way: both ends must come to the same state.

use crate::stepper::Stepper;
use crate::support::{Dice, Journal, SEEDS, settle, step_aside};
use freeboard_process::{Addr, Context, Ended, Event, Node, Sim};

/// What each of two processes is told.
enum Tie {
    /// This is the other one; toss a coin so often, for link or unlink.
    Toss(Addr<Tie>, usize),
    Link,
    Unlink,
}

/// What one of them does when the tossing is over.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Nothing,
    Links,
    Unlinks,
}

async fn tosser(mut cx: Context<Tie>, mut dice: Dice, journal: Journal<String>) -> Ended {
    cx.trap_exit(true);
    let mut partner = None;
    loop {
        match (cx.recv().await, &partner) {
            (Event::Message(Tie::Toss(other, rounds)), _) => {
                for _ in 0..rounds {
                    if dice.below(2) == 0 {
                        cx.link(&other);
                    } else {
                        cx.unlink(&other);
                    }
                    for _ in 0..dice.below(3) {
                        step_aside().await;
                    }
                }
                partner = Some(other);
            }
            (Event::Message(Tie::Link), Some(other)) => cx.link(other),
            (Event::Message(Tie::Unlink), Some(other)) => cx.unlink(other),
            (Event::Exit(exit), _) => journal.note(format!("EXIT {}", exit.reason)),
            (other, _) => journal.note(format!("{other:?}")),
        }
    }
}

/// Two processes toss coins and link or unlink one another; one of them has the last word; then one of them dies. What the
/// other one hears.
fn crossed(seed: u64, last: Last, last_is_first: bool, kill_first: bool) -> Vec<String> {
    Sim::seed(seed).run(async |node: Node| {
        let seen = Journal::new();
        let spawn = |dice: u64| {
            let journal = seen.clone();
            node.spawn(async move |cx| tosser(cx, Dice(dice), journal).await)
        };
        let (first, second) = (spawn(seed * 2 + 1), spawn(seed * 2 + 2));
        let rounds = 1 + (seed % 5) as usize;
        first.cast(Tie::Toss(second.clone(), rounds));
        second.cast(Tie::Toss(first.clone(), rounds));
        settle(&node).await;
        let speaker = if last_is_first { &first } else { &second };
        match last {
            Last::Nothing => {}
            Last::Links => speaker.cast(Tie::Link),
            Last::Unlinks => speaker.cast(Tie::Unlink),
        }
        settle(&node).await;
        assert_eq!(seen.take(), Vec::<String>::new());
        if kill_first {
            first.kill()
        } else {
            second.kill()
        }
        settle(&node).await;
        seen.take()
    })
}

// OTP: B1, B11
#[test]
fn links_and_unlinks_that_cross_leave_both_ends_of_one_mind() {
    let mut linked = 0;
    for seed in 0..4 * SEEDS {
        let at_second = crossed(seed, Last::Nothing, true, true);
        let at_first = crossed(seed, Last::Nothing, true, false);
        assert_eq!(at_first, at_second, "seed {seed}");
        assert!(at_first.is_empty() || at_first == ["EXIT killed"], "seed {seed}: {at_first:?}");
        linked += at_first.len();
    }
    assert!(linked > 20 && linked < 236, "both outcomes must occur: {linked} of 256 ended linked");
}

// OTP: B1, B3, B11
#[test]
fn whatever_has_crossed_a_later_link_stands_and_a_later_unlink_removes() {
    // An end that wrongly believes in the link would make no new one; one that wrongly does not would be deaf.
    for seed in 0..4 * SEEDS {
        for (by_first, kill_first) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(crossed(seed, Last::Links, by_first, kill_first), ["EXIT killed"], "seed {seed}");
            assert_eq!(crossed(seed, Last::Unlinks, by_first, kill_first), Vec::<String>::new(), "seed {seed}");
        }
    }
}

// OTP: B1
#[test]
fn an_unlink_takes_away_the_links_it_has_seen_and_no_other() {
    for kill_unlinker in [true, false] {
        let (stepper, node) = Stepper::new();
        let (seen, go) = (Journal::new(), stepper.clone());
        let maker = node.spawn({
            let seen = seen.clone();
            async move |mut cx: Context<Addr<()>>| {
                cx.trap_exit(true);
                let other = cx.recv_message().await;
                cx.link(&other);
                match cx.recv().await {
                    Event::Exit(exit) => seen.note(exit.reason.to_string()),
                    other => seen.note(format!("{other:?}")),
                }
                Ok(())
            }
        });
        let (maker_task, other) = (stepper.tasks() - 1, maker.clone());
        let unlinker = node.spawn({
            let seen = seen.clone();
            async move |mut cx: Context<()>| {
                cx.trap_exit(true);
                other.cast(cx.addr());
                // The maker links itself to this process, which has not heard of it when it links and unlinks in turn.
                go.poll(maker_task);
                drop(go);
                cx.link(&other);
                cx.unlink(&other);
                match cx.recv().await {
                    Event::Exit(exit) => seen.note(exit.reason.to_string()),
                    other => seen.note(format!("{other:?}")),
                }
                Ok(())
            }
        });
        stepper.settle();
        if kill_unlinker {
            unlinker.kill()
        } else {
            maker.kill()
        }
        stepper.settle();
        assert_eq!(seen.take(), ["killed"], "the unlinker is killed: {kill_unlinker}");
        stepper.finish();
    }
}
