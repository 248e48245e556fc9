//! The lane: what goes ahead of ordinary messages, and what does not.

use crate::stepper::Stepper;
use crate::support::{
    Journal, Letter, Notes, end, ended, idler, inside, mortal, oops, rest, seeds, settle, step_aside, words,
};
use freeboard_process::{AliasOptions, Context, Event, ExitReason, LANE_SHARE, MonitorOptions, tag_named};
use std::time::Duration;

// OTP: E14
#[test]
fn a_message_goes_ahead_only_if_its_receiver_and_its_sender_ask_for_it() {
    seeds(async |node| {
        for (alias_asks, sender_asks) in [(false, false), (false, true), (true, false), (true, true)] {
            let heard = inside(&node, async move |mut cx: Context<&'static str>| {
                cx.trap_exit(true);
                let alias = if alias_asks { cx.priority_alias() } else { cx.alias() };
                cx.addr().cast("ordinary");
                if sender_asks {
                    alias.send_priority("marked").unwrap();
                    alias.exit_priority(oops("marked"));
                } else {
                    alias.cast("marked");
                    alias.exit(oops("marked"));
                }
                rest(&mut cx).await
            })
            .await;
            let expected = if alias_asks && sender_asks {
                ["marked", "EXIT error: marked", "ordinary"]
            } else {
                ["ordinary", "marked", "EXIT error: marked"]
            };
            assert_eq!(heard, expected, "alias {alias_asks}, sender {sender_asks}");
        }
    });
}

// OTP: E15
#[test]
fn priority_messages_stand_behind_earlier_ones_and_are_not_moved_again() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<&'static str>| {
            let alias = cx.priority_alias();
            cx.addr().cast("a");
            alias.send_priority("first").unwrap();
            step_aside().await;
            cx.addr().cast("b");
            alias.send_priority("second").unwrap();
            // All of them are looked at, and left.
            assert!(cx.recv_where(|_| false).after(Duration::ZERO).await.is_none());
            alias.send_priority("third").unwrap();
            cx.addr().cast("c");
            step_aside().await;
            rest(&mut cx).await
        })
        .await;
        assert_eq!(heard, ["first", "second", "third", "a", "b", "c"]);
    });
}

// OTP: E15, E2
#[test]
fn every_receive_finds_a_priority_message_before_the_ordinary_ones_it_also_wants() {
    seeds(async |node| {
        let picked = inside(&node, async |mut cx: Context<Letter>| {
            let (me, alias) = (cx.addr(), cx.priority_alias());
            let letter = |id| Letter { id, tag: (id % 2) as u32, key: id / 100 };
            (0..10).for_each(|id| me.cast(letter(id)));
            (100..110).for_each(|id| alias.send_priority(letter(id)).unwrap());
            let (junk, answer) = (tag_named::<Letter>("Junk"), tag_named::<Letter>("Answer"));
            let mut picked = vec![
                cx.recv_message().await.id,
                cx.recv_tag(answer).await.id,
                cx.recv_tag(junk).await.id,
                cx.recv_key(answer, 0_u64).await.id,
                cx.recv_key(answer, 1_u64).await.id,
                cx.recv_where(|letter| letter.id % 5 == 4).await.id,
                cx.recv_where(|letter| letter.id % 5 == 4).await.id,
                cx.recv_alias(alias.reference()).await.id,
            ];
            let mut many = Vec::new();
            cx.recv_many(&mut many, 6).await;
            picked.extend(many.iter().map(|letter| letter.id));
            picked
        })
        .await;
        assert_eq!(picked, [100, 101, 102, 1, 103, 104, 109, 105, 106, 107, 108, 0, 2, 3]);
    });
}

// OTP: E16
#[test]
fn the_end_of_a_priority_alias_ends_it_and_what_was_accepted_keeps_its_place() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<&'static str>| {
            let alias = cx.priority_alias();
            cx.addr().cast("ordinary");
            alias.send_priority("accepted").unwrap();
            step_aside().await;
            alias.send_priority("on its way").unwrap();
            cx.unalias(alias.reference());
            alias.send_priority("late").unwrap();
            rest(&mut cx).await
        })
        .await;
        assert_eq!(heard, ["accepted", "ordinary"]);
    });
}

// OTP: E14, C16
#[test]
fn a_priority_alias_may_be_for_one_message() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<&'static str>| {
            let alias = cx.alias_with(AliasOptions::new().once().priority());
            cx.addr().cast("ordinary");
            alias.send_priority("first").unwrap();
            alias.send_priority("second").unwrap();
            rest(&mut cx).await
        })
        .await;
        assert_eq!(heard, ["first", "ordinary"]);
    });
}

// OTP: E16, D2
#[test]
fn a_fatal_exit_is_received_in_its_turn_whatever_its_priority() {
    let (stepper, node) = Stepper::new();
    let aliases = Journal::new();
    let journal = aliases.clone();
    let task = stepper.tasks();
    let seen = Journal::new();
    let notes = seen.clone();
    let victim = node.spawn(async move |mut cx: Context<&'static str>| {
        let alias = cx.priority_alias();
        journal.note(alias);
        loop {
            notes.note(cx.recv_message().await);
        }
    });
    stepper.settle();
    let alias = aliases.take().pop().unwrap();
    victim.exit(oops("first"));
    alias.exit_priority(oops("second"));
    stepper.poll(task);
    stepper.settle();
    // Only the place in the queue differs, not the order of reception.
    assert_eq!(victim.ended().unwrap().to_string(), "error: first");
    assert_eq!(seen.take(), Vec::<&str>::new());
    stepper.finish();
}

// OTP: C22, C13
#[test]
fn a_priority_monitor_makes_its_own_down_go_ahead_and_no_other() {
    seeds(async |node| {
        let target = mortal(&node);
        let (made, heard) = inside(&node, async move |mut cx: Context<&'static str>| {
            let plain = cx.monitor_with(&target, &MonitorOptions::new().tag(1));
            let urgent = cx.monitor_with(&target, &MonitorOptions::new().tag(2).priority());
            (0..3).for_each(|_| cx.addr().cast("ordinary"));
            target.cast(oops("x"));
            cx.sleep(Duration::from_millis(1)).await;
            cx.addr().cast("later");
            let mut heard = Vec::new();
            while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                match event {
                    Event::Down(down) => heard.push((Some(down.monitor), down.tag)),
                    _ => heard.push((None, None)),
                }
            }
            ((plain, urgent), heard)
        })
        .await;
        let word = (None, None);
        assert_eq!(heard, [(Some(made.1), Some(2)), word, word, word, (Some(made.0), Some(1)), word]);
    });
}

// OTP: C22, C7
#[test]
fn flush_takes_a_down_out_that_waits_ahead_of_the_queue() {
    for looked_at in [false, true] {
        seeds(async |node| {
            let target = mortal(&node);
            let (flushed, heard) = inside(&node, async move |mut cx: Context<&'static str>| {
                let urgent = MonitorOptions::new().priority();
                let (first, second) = (cx.monitor_with(&target, &urgent), cx.monitor_with(&target, &urgent));
                cx.addr().cast("ordinary");
                target.cast(oops("x"));
                cx.sleep(Duration::from_millis(1)).await;
                if looked_at {
                    assert!(cx.recv_where(|_| false).after(Duration::ZERO).await.is_none());
                }
                let flushed = cx.demonitor_flush(first);
                let down = cx.recv_down(second).await;
                assert_eq!(down.monitor, second);
                (flushed, rest(&mut cx).await)
            })
            .await;
            assert_eq!((flushed, heard), (false, vec!["ordinary".to_owned()]), "looked at: {looked_at}");
        });
    }
}

/// What a trapper hears that was sent a word before and after the death of a process to which it was linked like that.
async fn linked(
    node: &freeboard_process::Node,
    tie: fn(&mut Context<&'static str>, &freeboard_process::Addr<ExitReason>),
) -> Vec<String> {
    let target = mortal(node);
    inside(node, async move |mut cx: Context<&'static str>| {
        cx.trap_exit(true);
        tie(&mut cx, &target);
        cx.addr().cast("ordinary");
        target.cast(oops("x"));
        cx.sleep(Duration::from_millis(1)).await;
        rest(&mut cx).await
    })
    .await
}

// OTP: B15
#[test]
fn a_priority_link_makes_its_exit_go_ahead_until_it_is_made_again_without() {
    seeds(async |node| {
        const AHEAD: [&str; 2] = ["EXIT error: x", "ordinary"];
        const BEHIND: [&str; 2] = ["ordinary", "EXIT error: x"];
        assert_eq!(linked(&node, |cx, to| cx.link_priority(to)).await, AHEAD);
        assert_eq!(linked(&node, |cx, to| cx.link(to)).await, BEHIND);
        let marked_later = linked(&node, |cx, to| {
            cx.link(to);
            cx.link_priority(to);
        });
        assert_eq!(marked_later.await, AHEAD);
        let cleared = linked(&node, |cx, to| {
            cx.link_priority(to);
            cx.link(to);
        });
        assert_eq!(cleared.await, BEHIND);
        let removed = linked(&node, |cx, to| {
            cx.link_priority(to);
            cx.unlink(to);
            cx.link(to);
        });
        assert_eq!(removed.await, BEHIND);
    });
}

// OTP: B15, B3
#[test]
fn the_priority_of_a_link_is_one_sides_own() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let other = node.spawn(async move |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            cx.sleep(Duration::from_secs(1)).await;
            for _ in 0..2 {
                journal.note(words(&cx.recv().await));
            }
            Ok(())
        });
        other.cast("ordinary");
        settle(&node).await;
        let maker = node.spawn(async move |mut cx: Context<()>| {
            cx.link_priority(&other);
            Err(oops("x"))
        });
        ended(&node, &maker).await;
        crate::support::pause(&node, Duration::from_secs(2)).await;
        assert_eq!(seen.take(), ["ordinary", "EXIT error: x"]);
    });
}

// OTP: B15, B12
#[test]
fn a_priority_link_to_nobody_answers_ahead_of_the_queue() {
    seeds(async |node| {
        let dead = mortal(&node);
        end(&node, &dead, ExitReason::Normal).await;
        let heard = inside(&node, async move |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            cx.addr().cast("ordinary");
            cx.link_priority(&dead);
            rest(&mut cx).await
        })
        .await;
        assert_eq!(heard, ["EXIT no such process", "ordinary"]);
    });
}

/// DEV-09: after so many priority entries in a row an ordinary one has its turn.
// OTP: E15
#[test]
fn a_storm_of_priority_messages_lets_an_ordinary_one_through_after_sixteen() {
    seeds(async |node| {
        // Fetched by the receive itself in one batch, or trickling in and walked by the task: the share is the same.
        for trickles in [false, true] {
            let heard = inside(&node, async move |mut cx: Context<u32>| {
                let (me, alias) = (cx.addr(), cx.priority_alias());
                (0..5).for_each(|n| me.cast(n));
                let storm = 3 * LANE_SHARE + 2;
                let mut heard = Vec::new();
                if trickles {
                    for n in 0..storm {
                        alias.send_priority(100 + n).unwrap();
                        step_aside().await;
                        heard.push(cx.recv_message().await);
                    }
                } else {
                    (0..storm).for_each(|n| alias.send_priority(100 + n).unwrap());
                }
                while let Some(n) = cx.recv_message().after(Duration::ZERO).await {
                    heard.push(n);
                }
                heard
            })
            .await;
            let ordinary: Vec<_> = (0..heard.len()).filter(|&place| heard[place] < 100).collect();
            assert_eq!(ordinary, [16, 33, 50, 53, 54], "trickles: {trickles}");
            assert!(heard.iter().filter(|n| **n >= 100).copied().eq(100..150));
            assert!(heard.iter().filter(|n| **n < 100).copied().eq(0..5));
        }
    });
}

// OTP: C14, E14
#[test]
fn what_waits_ahead_is_dropped_with_the_process_once() {
    let (stepper, node) = Stepper::new();
    let (dropped, aliases) = (Journal::new(), Journal::new());
    let journal = aliases.clone();
    let task = stepper.tasks();
    let receiver = node.spawn(async move |mut cx: Context<Notes<u32>>| {
        journal.note(cx.priority_alias());
        // One receive has moved the first of them to its inbox; the others wait in the intake, walked and not.
        cx.recv_where(|note| note.1 == 9).after(Duration::from_secs(60)).await;
        std::future::pending().await
    });
    stepper.settle();
    let alias = aliases.take().pop().unwrap();
    alias.send_priority(Notes(dropped.clone(), 0)).unwrap();
    stepper.settle();
    receiver.cast(Notes(dropped.clone(), 9));
    stepper.settle();
    assert_eq!(dropped.take(), [9]);
    alias.send_priority(Notes(dropped.clone(), 1)).unwrap();
    stepper.poll(task);
    alias.send_priority(Notes(dropped.clone(), 2)).unwrap();
    receiver.cast(Notes(dropped.clone(), 3));
    receiver.kill();
    stepper.settle();
    let mut dropped = dropped.take();
    dropped.sort_unstable();
    assert_eq!(dropped, [0, 1, 2, 3]);
    assert!(receiver.ended().is_some());
    stepper.finish();
}

// OTP: E14
#[test]
fn a_receive_that_waits_in_a_set_of_futures_hears_of_a_priority_message() {
    seeds(async |node| {
        let aliases = Journal::new();
        let journal = aliases.clone();
        let quiet = idler(&node);
        let receiver = node.spawn(async move |mut cx: Context<u32>| {
            journal.note(cx.priority_alias());
            let mut receive = std::pin::pin!(cx.recv_message());
            // A waker of its own, that wakes the task through another.
            let got = std::future::poll_fn(|task| {
                let relay = std::task::Waker::from(std::sync::Arc::new(Relay(task.waker().clone())));
                receive.as_mut().poll(&mut std::task::Context::from_waker(&relay))
            })
            .await;
            Err(oops(if got == 7 { "seven" } else { "another" }))
        });
        settle(&node).await;
        aliases.take().pop().unwrap().send_priority(7).unwrap();
        assert_eq!(ended(&node, &receiver).await.to_string(), "error: seven");
        quiet.kill();
        settle(&node).await;
    });
}

struct Relay(std::task::Waker);

impl std::task::Wake for Relay {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.wake_by_ref();
    }
}
