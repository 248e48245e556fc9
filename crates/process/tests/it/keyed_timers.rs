//! Keyed timers: one per key, and nothing of one that was replaced or cancelled is ever received.

use crate::support::{Dice, Journal, Notes, SEEDS, asked, ended, incarnate, inside, oops, pause, seeds, settle, why};
use freeboard_process::{Context, Dropped, Launcher, Node, Policy, Reply, Sim};
use std::collections::BTreeMap;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What is received until nothing comes for a second.
async fn rest(cx: &mut Context<u32>) -> Vec<u32> {
    let mut rest = Vec::new();
    while let Some(number) = cx.recv_message().after(ms(1_000)).await {
        rest.push(number);
    }
    rest
}

// OTP: F21
#[test]
fn a_timer_takes_the_place_of_the_one_before_under_its_key_alone() {
    seeds(async |node| {
        let (first, rest) = inside(&node, async |mut cx: Context<u32>| {
            let start = cx.now();
            cx.set_timer("a", ms(10), 1);
            cx.set_timer("b", ms(15), 2);
            cx.set_timer(7, ms(16), 3);
            cx.set_timer(("b", 7), ms(17), 4);
            cx.set_timer("a", ms(30), 5);
            let first = (cx.recv_message().await, cx.now() - start);
            (first, rest(&mut cx).await)
        })
        .await;
        assert_eq!((first, rest), ((2, ms(15)), vec![3, 4, 5]));
    });
}

/// Where the message of a timer that is due waits.
#[derive(Clone, Copy)]
enum Place {
    Intake,
    /// Taken out with others, and not looked at.
    Buffer,
    /// Looked at and left by a selective receive.
    Left,
}

/// Sets a timer under "key" whose message waits in that place, with a 100 in front of it where that is needed.
async fn wait_in(cx: &mut Context<u32>, place: Place) {
    if let Place::Buffer = place {
        cx.addr().cast(100);
    }
    cx.set_timer("key", ms(10), 1);
    match place {
        Place::Intake => cx.sleep(ms(20)).await,
        Place::Buffer => {
            cx.sleep(ms(20)).await;
            assert_eq!(cx.recv_message().await, 100);
        }
        Place::Left => assert_eq!(cx.recv_where(|n| *n == 9).after(ms(20)).await, None),
    }
}

// OTP: F21
#[test]
fn a_message_that_is_due_and_waits_is_dropped_with_its_timer_wherever_it_is() {
    for place in [Place::Intake, Place::Buffer, Place::Left] {
        for (policed, replaces) in [(false, false), (false, true), (true, false), (true, true)] {
            Sim::seed(3).run(async |node: Node| {
                let out = Journal::new();
                let journal = out.clone();
                let body = async move |mut cx: Context<u32>| {
                    wait_in(&mut cx, place).await;
                    let left = cx.timer_left("key");
                    let left = if replaces {
                        cx.set_timer("key", ms(5), 2);
                        left
                    } else {
                        assert_eq!(left, Some(ms(0)));
                        cx.cancel_timer("key")
                    };
                    journal.note((left, rest(&mut cx).await, cx.cancel_timer("key")));
                    Ok(())
                };
                let process = match policed {
                    true => node.spawn_with(Policy::bounded(1), body).unwrap(),
                    false => node.spawn(body),
                };
                ended(&node, &process).await;
                let expected = if replaces { vec![2] } else { vec![] };
                assert_eq!(out.take(), [(Some(ms(0)), expected, None)]);
                assert_eq!((process.depth(), process.stats().dropped(Dropped::Timer)), (0, 1));
            });
        }
    }
}

// OTP: F21
#[test]
fn what_is_left_is_told_at_each_stage() {
    seeds(async |node| {
        let told = inside(&node, async |mut cx: Context<u32>| {
            let mut told = vec![cx.timer_left("key")];
            cx.set_timer("key", ms(100), 1);
            cx.sleep(ms(40)).await;
            told.push(cx.timer_left("key"));
            cx.sleep(ms(100)).await;
            told.push(cx.timer_left("key"));
            assert!(cx.recv_where(|n| *n == 9).after(ms(0)).await.is_none());
            told.push(cx.timer_left("key"));
            assert_eq!(cx.recv_message().await, 1);
            told.extend([cx.timer_left("key"), cx.cancel_timer("key")]);
            cx.set_timer("key", ms(100), 2);
            cx.sleep(ms(1)).await;
            told.extend([cx.cancel_timer("key"), cx.timer_left("key")]);
            told
        })
        .await;
        assert_eq!(told, [None, Some(ms(60)), Some(ms(0)), Some(ms(0)), None, None, Some(ms(99)), None]);
    });
}

// OTP: F21, F9
#[test]
fn a_caller_in_a_message_that_is_taken_back_hears_so_at_once() {
    seeds(async |node| {
        let (early, first) = asked(&node).await;
        let (late, second) = asked(&node).await;
        let (unset, third) = asked(&node).await;
        let (went_on, goes_on) = tokio::sync::oneshot::channel();
        let process = node.spawn(async move |mut cx: Context<Reply<()>>| {
            cx.set_timer("early", ms(100), first);
            cx.set_timer("late", ms(10), second);
            cx.send_after(ms(10), third);
            cx.sleep(ms(20)).await;
            cx.cancel_timer("early");
            cx.cancel_timer("late");
            // It has not come to an await since, so nothing else could have told them.
            went_on.send(()).unwrap();
            std::future::pending().await
        });
        goes_on.await.unwrap();
        assert_eq!((why(&early.await), why(&late.await)), ("NoReply".to_owned(), "NoReply".to_owned()));
        process.kill();
        assert_eq!(why(&unset.await), "exited: killed");
    });
}

// OTP: A14, A11
#[test]
fn a_keyed_timer_ends_with_its_incarnation_due_or_not() {
    seeds(async |node| {
        let (seen, dropped) = (Journal::new(), Journal::new());
        let (journal, notes) = (seen.clone(), dropped.clone());
        let launcher = Launcher::new(move |mut cx: Context<Option<Notes<u64>>>| {
            let (journal, notes) = (journal.clone(), notes.clone());
            Box::pin(async move {
                let mine = cx.pid().generation();
                for after in [5, 50] {
                    cx.set_timer(after, ms(after), Some(Notes(notes.clone(), mine)));
                }
                cx.sleep(ms(20)).await;
                while let Some(note) = cx.recv_message().await {
                    journal.note((note.1, mine));
                }
                Err(oops("x"))
            })
        });
        let addr = launcher.addr();
        addr.cast(None);
        let first = incarnate(&node, &launcher).generation();
        pause(&node, ms(25)).await;
        // Neither the one that was due, behind what ended it, nor the other one.
        assert_eq!((seen.take(), dropped.take()), (vec![], vec![first, first]));
        let second = incarnate(&node, &launcher).generation();
        pause(&node, ms(60)).await;
        assert_eq!(seen.take(), [(second, second), (second, second)]);
        addr.kill();
        settle(&node).await;
    });
}

/// What the model knows of one key: which setting is in force, and when it is due.
type Model = BTreeMap<u64, (u64, Duration)>;

/// Takes a received message off the model; fails if its setting is not in force, or not due.
fn received(model: &mut Model, (key, setting): (u64, u64), now: Duration) {
    let due = model.remove(&key);
    assert!(due.is_some_and(|(in_force, at)| in_force == setting && at <= now), "{key}/{setting} at {now:?}: {due:?}");
}

/// Sets, replaces, cancels and receives by chance, and compares with the model.
async fn by_chance(cx: &mut Context<(u64, u64)>, seed: u64) {
    let (start, mut dice, mut model) = (cx.now(), Dice(seed), Model::new());
    for setting in 0..400 {
        let (key, now) = (dice.below(6) as u64, cx.now() - start);
        match dice.below(8) {
            0..3 => {
                let after = ms(dice.below(30) as u64);
                cx.set_timer(key, after, (key, setting));
                model.insert(key, (setting, now + after));
            }
            3 => {
                let left = model.remove(&key).map(|(_, at)| at.saturating_sub(now));
                assert_eq!(cx.cancel_timer(key), left);
            }
            4 => {
                let left = model.get(&key).map(|(_, at)| at.saturating_sub(now));
                assert_eq!(cx.timer_left(key), left);
            }
            5 => cx.sleep(ms(dice.below(12) as u64)).await,
            6 => {
                if let Some(message) = cx.recv_message().after(Duration::ZERO).await {
                    received(&mut model, message, now);
                }
            }
            _ => {
                let found = cx.recv_where(|(of, _)| *of == key).after(Duration::ZERO).await;
                found.into_iter().for_each(|message| received(&mut model, message, now));
            }
        }
    }
    while let Some(message) = cx.recv_message().after(ms(100)).await {
        received(&mut model, message, cx.now() - start);
    }
    assert!(model.is_empty(), "these never came: {model:?}");
    assert_eq!(cx.addr().depth(), 0);
}

// OTP: F21
#[test]
fn no_setting_but_the_one_in_force_is_ever_received_and_that_one_is() {
    for seed in 0..4 * SEEDS {
        Sim::seed(seed).run(async |node: Node| {
            let out = Journal::new();
            let journal = out.clone();
            let body = async move |mut cx: Context<(u64, u64)>| {
                by_chance(&mut cx, seed).await;
                journal.note(());
                Ok(())
            };
            let process = match seed % 2 {
                0 => node.spawn(body),
                _ => node.spawn_with(Policy::bounded(1), body).unwrap(),
            };
            let reason = ended(&node, &process).await;
            assert_eq!(out.len(), 1, "{reason}");
        });
    }
}
