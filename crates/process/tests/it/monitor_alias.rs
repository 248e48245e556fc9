//! One name for a monitor and an alias: which of the two ends the other.

use crate::support::{end, ended, idler, inside, mortal, oops, rest, seeds, settle, words};
use freeboard_process::{AliasMode, Context, Node};
use std::time::Duration;

/// What happens to a monitor with an alias, one thing after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Message,
    Death,
    Demonitor,
    Unalias,
}

/// What the watcher has received after these steps.
async fn after_steps(node: &Node, mode: AliasMode, steps: &'static [Step]) -> Vec<String> {
    let target = mortal(node);
    inside(node, async move |mut cx: Context<&'static str>| {
        let alias = cx.monitor_alias(&target, mode);
        for step in steps {
            match step {
                Step::Message => alias.cast("answer"),
                Step::Death => target.cast(oops("x")),
                Step::Demonitor => drop(cx.demonitor(alias.reference())),
                Step::Unalias => assert!(cx.unalias(alias.reference())),
            }
            cx.sleep(Duration::from_millis(1)).await;
        }
        rest(&mut cx).await
    })
    .await
}

// OTP: C14
#[test]
fn each_mode_says_what_ends_the_alias_of_a_monitor_and_what_the_alias_ends() {
    use Step::{Death, Demonitor, Message, Unalias};
    // The steps; then what arrives in the modes Explicit, Demonitor and ReplyDemonitor.
    type Row = (&'static [Step], [&'static [&'static str]; 3]);
    const ANSWER: &str = "answer";
    const DOWN: &str = "DOWN error: x";
    let table: [Row; 7] = [
        (&[Message, Message, Death], [&[ANSWER, ANSWER, DOWN], &[ANSWER, ANSWER, DOWN], &[ANSWER]]),
        (&[Death, Message], [&[DOWN, ANSWER], &[DOWN], &[DOWN]]),
        (&[Message, Death, Message], [&[ANSWER, DOWN, ANSWER], &[ANSWER, DOWN], &[ANSWER]]),
        (&[Demonitor, Message, Death], [&[ANSWER], &[], &[]]),
        (&[Unalias, Message, Death], [&[DOWN], &[DOWN], &[DOWN]]),
        (&[Message, Demonitor, Message, Death], [&[ANSWER, ANSWER], &[ANSWER], &[ANSWER]]),
        (&[Unalias, Demonitor, Message, Death], [&[], &[], &[]]),
    ];
    seeds(async |node| {
        for (steps, expected) in table {
            let modes = [AliasMode::Explicit, AliasMode::Demonitor, AliasMode::ReplyDemonitor];
            for (mode, expected) in modes.into_iter().zip(expected) {
                assert_eq!(after_steps(&node, mode, steps).await, expected, "{mode:?}: {steps:?}");
            }
        }
    });
}

// OTP: C14, C12
#[test]
fn an_answer_takes_the_monitor_back_at_its_target() {
    seeds(async |node| {
        let target = idler(&node);
        let watched = target.clone();
        let watcher = node.spawn(async move |mut cx: Context<()>| {
            let alias = cx.monitor_alias(&watched, AliasMode::ReplyDemonitor);
            alias.cast(());
            cx.recv_alias(alias.reference()).await;
            Ok(())
        });
        ended(&node, &watcher).await;
        drop(watcher);
        settle(&node).await;
        // An entry at the target would keep the watcher's seat.
        assert_eq!(node.seats(), 1);
        target.kill();
        settle(&node).await;
    });
}

// OTP: C14, C2
#[test]
fn an_answer_and_a_death_on_their_way_together_leave_the_first_of_the_two() {
    // The answer is sent ahead of the death, or behind it: whatever is received first ends what the other needs.
    for answer_first in [true, false] {
        seeds(async |node| {
            let target = mortal(&node);
            let heard = inside(&node, async move |mut cx: Context<&'static str>| {
                let alias = cx.monitor_alias(&target, AliasMode::ReplyDemonitor);
                let name = alias.reference();
                let both = cx.node().spawn(async move |mut cx: Context<()>| {
                    cx.recv_message().await;
                    if answer_first {
                        alias.cast("answer");
                        cx.exit(&target, oops("x"));
                    } else {
                        let monitor = cx.monitor(&target);
                        cx.exit(&target, oops("x"));
                        cx.recv_down(monitor).await;
                        alias.cast("answer");
                    }
                    Ok(())
                });
                both.cast(());
                let first = words(&cx.recv().await);
                (first, rest(&mut cx).await, cx.demonitor(name), cx.unalias(name))
            })
            .await;
            // On the second way the DOWNs of two watchers are under way at once, and the answer may come before either.
            let first = heard.0.as_str();
            assert!(first == "answer" || (first == "DOWN error: x" && !answer_first), "{heard:?}");
            assert_eq!((heard.1, heard.2, heard.3), (Vec::<String>::new(), false, false));
        });
    }
}

// OTP: C17, C3
#[test]
fn an_explicit_alias_outlives_a_monitor_of_nobody() {
    seeds(async |node| {
        let dead = mortal(&node);
        end(&node, &dead, oops("long ago")).await;
        for (mode, expected) in [
            (AliasMode::Explicit, vec!["DOWN no such process", "answer"]),
            (AliasMode::Demonitor, vec!["DOWN no such process"]),
            (AliasMode::ReplyDemonitor, vec!["DOWN no such process"]),
        ] {
            let dead = dead.clone();
            let heard = inside(&node, async move |mut cx: Context<&'static str>| {
                let alias = cx.monitor_alias(&dead, mode);
                cx.sleep(Duration::from_millis(1)).await;
                alias.cast("answer");
                rest(&mut cx).await
            })
            .await;
            assert_eq!(heard, expected, "{mode:?}");
        }
    });
}

// OTP: C17, C9
#[test]
fn demonitor_of_a_name_that_is_an_alias_only_changes_nothing() {
    seeds(async |node| {
        let (answers, heard) = inside(&node, async |mut cx: Context<&'static str>| {
            let alias = cx.alias();
            let name = alias.reference();
            let answers = [cx.demonitor(name), cx.demonitor_flush(name)];
            alias.cast("answer");
            cx.sleep(Duration::from_millis(1)).await;
            (answers, rest(&mut cx).await)
        })
        .await;
        assert_eq!((answers, heard), ([false, false], vec!["answer".to_owned()]));
    });
}

// OTP: C17, C6
#[test]
fn no_down_comes_after_demonitor_of_a_monitor_whose_alias_lives_on() {
    for flush in [false, true] {
        seeds(async |node| {
            let target = mortal(&node);
            let (active, heard) = inside(&node, async move |mut cx: Context<&'static str>| {
                let alias = cx.monitor_alias(&target, AliasMode::Explicit);
                let name = alias.reference();
                let second = cx.monitor(&target);
                cx.sleep(Duration::from_millis(1)).await;
                target.cast(oops("x"));
                let active = if flush { cx.demonitor_flush(name) } else { cx.demonitor(name) };
                cx.recv_down(second).await;
                alias.cast("answer");
                (active, rest(&mut cx).await)
            })
            .await;
            assert_eq!((active, heard), (true, vec!["answer".to_owned()]), "flush: {flush}");
        });
    }
}
