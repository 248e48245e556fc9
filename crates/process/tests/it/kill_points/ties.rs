//! Links and monitors, and who is at either end when the other is struck.

use super::is_struck;
use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, Notes, oops, step_aside};
use freeboard_process::{Addr, AliasMode, Context, Event, MonitorOptions, Node};
use std::time::Duration;

// OTP: B1, B3, B11
#[test]
fn a_link_is_told_exactly_when_it_stands_wherever_its_end_is_struck() {
    at_every_point(|node, stepper| {
        let (stands, heard) = (Journal::new(), Journal::new());
        let journal = heard.clone();
        let other = node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                match event {
                    Event::Exit(exit) => journal.note(exit.reason.to_string()),
                    other => journal.note(format!("{other:?}")),
                }
            }
            Ok(())
        });
        let journal = stands.clone();
        let tie = async move |mut cx: Context<()>| {
            for round in 0..3 {
                cx.link(&other);
                journal.note(true);
                step_aside().await;
                if round == 1 {
                    cx.link(&other);
                    step_aside().await;
                }
                cx.unlink(&other);
                journal.note(false);
                step_aside().await;
            }
            cx.link(&other);
            journal.note(true);
            cx.sleep(Duration::from_millis(1)).await;
            Err(oops("own"))
        };
        Plan::new(
            stepper,
            || node.spawn(tie),
            |_| {},
            move |at, reason| {
                let expected = if stands.take().last() == Some(&true) { vec![reason.clone()] } else { Vec::new() };
                assert_eq!(heard.take(), expected, "{at}");
                assert!(is_struck(&reason) || reason == "error: own", "{at}: {reason}");
            },
        )
    });
}

// OTP: C1, C2, A1
#[test]
fn each_monitor_fires_once_wherever_its_target_is_struck() {
    at_every_point(|node, stepper| {
        let downs = Journal::new();
        let journal = downs.clone();
        let target = async |mut cx: Context<()>| {
            while cx.recv().after(Duration::from_millis(1)).await.is_some() {
                step_aside().await;
            }
            Ok(())
        };
        let watchers = |target: &Addr<()>| {
            for watcher in 0..3 {
                let (target, journal) = (target.clone(), journal.clone());
                node.spawn(async move |mut cx: Context<()>| {
                    let first = cx.monitor(&target);
                    step_aside().await;
                    let (taken, last) = (cx.monitor(&target), cx.monitor(&target));
                    target.cast(());
                    step_aside().await;
                    let active = cx.demonitor(taken);
                    let reasons = [first, last].map(|monitor| (monitor, journal.clone()));
                    for (monitor, journal) in reasons {
                        journal.note((watcher, cx.recv_down(monitor).await.reason.to_string()));
                    }
                    let rest = cx.recv().after(Duration::from_secs(1)).await;
                    assert_eq!(rest.is_some(), !active, "a monitor that was taken back says truthfully if it fired");
                    assert!(cx.recv().after(Duration::from_secs(1)).await.is_none());
                    journal.note((watcher, "through".to_owned()));
                    Ok(())
                });
            }
        };
        Plan::new(
            stepper,
            || node.spawn(target),
            watchers,
            move |at, reason| {
                let mut downs = downs.take();
                downs.sort();
                for watcher in 0..3 {
                    let heard: Vec<_> = downs.iter().filter(|(who, _)| *who == watcher).map(|(_, what)| what).collect();
                    assert_eq!(heard.len(), 3, "{at}: {heard:?}");
                    assert!(
                        heard.iter().all(|what| **what == reason || *what == "no such process" || *what == "through")
                    );
                }
            },
        )
    });
}

// OTP: C12
#[test]
fn a_target_keeps_nothing_wherever_its_watcher_is_struck() {
    at_every_point(|node, stepper| {
        let target = node.spawn(async |mut cx: Context<()>| {
            cx.sleep(Duration::from_millis(5)).await;
            Err(oops("target"))
        });
        let watch = async move |mut cx: Context<()>| {
            let first = cx.monitor(&target);
            step_aside().await;
            let second = cx.monitor(&target);
            step_aside().await;
            cx.demonitor(first);
            let down = cx.recv_down(second).await;
            step_aside().await;
            Err(down.reason)
        };
        Plan::new(
            stepper,
            || node.spawn(watch),
            |_| {},
            |at, reason| {
                assert!(is_struck(&reason) || reason == "error: target", "{at}: {reason}");
            },
        )
    });
}

// OTP: A10, B13
#[test]
fn nobody_survives_alone_wherever_a_family_is_struck() {
    at_every_point(|node, stepper| {
        let ends = Journal::new();
        let journal = ends.clone();
        let family = async move |mut cx: Context<()>| {
            for generation in 0..2 {
                let journal = journal.clone();
                let child: Addr<()> = cx.spawn_link(async move |mut cx: Context<()>| {
                    let held = Notes(journal.clone(), "child");
                    step_aside().await;
                    let (grandchild, monitor) = cx.spawn_monitor(async move |_cx: Context<()>| {
                        let _held = Notes(journal, "grandchild");
                        std::future::pending().await
                    });
                    cx.link(&grandchild);
                    step_aside().await;
                    cx.recv_down(monitor).await;
                    drop(held);
                    Ok(())
                });
                step_aside().await;
                if generation == 1 {
                    child.cast(());
                }
            }
            cx.sleep(Duration::from_millis(1)).await;
            Err(oops("own"))
        };
        Plan::new(
            stepper,
            || node.spawn(family),
            |_| {},
            move |at, _| {
                // That all of them are gone is what the seats say; none is dropped twice.
                let ends = ends.take();
                assert!(ends.iter().filter(|who| **who == "child").count() <= 2, "{at}: {ends:?}");
                assert!(ends.iter().filter(|who| **who == "grandchild").count() <= 2, "{at}: {ends:?}");
            },
        )
    });
}

// OTP: A1, C1
#[test]
fn every_observer_is_told_even_if_the_runtime_goes_away_in_the_middle_of_a_long_exit() {
    const MANY: usize = 1200;
    at_every_point(|node, stepper| {
        let downs = Journal::new();
        let journal = downs.clone();
        let target = async |mut cx: Context<u32>| {
            while cx.recv_message().await > 0 {}
            Err(oops("own"))
        };
        let watch = |target: &Addr<u32>| {
            let (target, journal) = (target.clone(), journal.clone());
            node.spawn(async move |mut cx: Context<()>| {
                for _ in 0..MANY {
                    cx.monitor(&target);
                }
                target.cast(0);
                for _ in 0..700 {
                    target.cast(1);
                }
                while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                    if let Event::Down(down) = event {
                        journal.note(down.reason.to_string());
                    }
                }
                Ok(())
            });
        };
        Plan::new(
            stepper,
            || node.spawn(target),
            watch,
            move |at, reason| {
                let downs = downs.take();
                assert_eq!(downs.len(), MANY, "{at}");
                assert!(downs.iter().all(|down| *down == reason) || downs.iter().all(|down| down == "no such process"));
            },
        )
    });
}

/// Ties itself to whoever writes to it, each time in another way, and notes what it hears of their ends. It lives on.
fn tied(node: &Node, heard: &Journal<String>) -> Addr<Addr<u8>> {
    let heard = heard.clone();
    node.spawn(async move |mut cx: Context<Addr<u8>>| {
        cx.trap_exit(true);
        let mut letters = 0;
        loop {
            match cx.recv().await {
                Event::Message(other) => {
                    letters += 1;
                    match letters {
                        1 => {
                            cx.link_priority(&other);
                            cx.monitor(&other);
                        }
                        2 => {
                            let alias = cx.monitor_alias(&other, AliasMode::Demonitor);
                            let taken = cx.monitor_alias(&other, AliasMode::ReplyDemonitor);
                            step_aside().await;
                            drop(alias);
                            heard.note(if cx.demonitor(taken.reference()) { "in time" } else { "too late" }.to_owned());
                        }
                        3 => {
                            cx.unlink(&other);
                            cx.monitor_with(&other, &MonitorOptions::new().priority().tag(3));
                        }
                        _ => cx.link(&other),
                    }
                }
                Event::Down(down) => heard.note(format!("DOWN {}", down.reason)),
                Event::Exit(exit) => heard.note(format!("EXIT {}", exit.reason)),
                other => heard.note(format!("{other:?}")),
            }
        }
    })
}

// OTP: A1, A15, C12
#[test]
fn nothing_ties_a_survivor_to_the_dead_wherever_it_is_struck() {
    let points = at_every_point(|node, stepper| {
        let heard = Journal::new();
        let peer = tied(node, &heard);
        let other = peer.clone();
        let tangle = async move |mut cx: Context<u8>| {
            for round in 0..4 {
                other.cast(cx.addr());
                match round {
                    0 => cx.link_priority(&other),
                    1 => {
                        let alias = cx.monitor_alias(&other, AliasMode::Demonitor);
                        step_aside().await;
                        cx.demonitor(alias.reference());
                    }
                    2 => {
                        cx.monitor_alias(&other, AliasMode::ReplyDemonitor);
                        cx.monitor(&other);
                        cx.unlink(&other);
                    }
                    _ => {
                        cx.link(&other);
                        cx.send_after(Duration::from_millis(1), 1);
                        cx.send_after(Duration::from_millis(500), 2);
                    }
                }
                step_aside().await;
            }
            let _linked: Addr<()> = cx.spawn_link(async |_cx| std::future::pending().await);
            let _watched: (Addr<()>, _) = cx.spawn_monitor(async |mut cx: Context<()>| {
                cx.recv().after(Duration::from_millis(10)).await;
                Ok(())
            });
            cx.recv().await;
            Err(oops("own"))
        };
        Plan::new(
            stepper,
            || node.spawn(tangle),
            |_| {},
            move |at, reason| {
                // Whether an exit comes depends on who was first to unlink; a notice of each monitor in force must come.
                let heard = heard.take();
                let (downs, others): (Vec<_>, Vec<_>) = heard.iter().partition(|word| word.starts_with("DOWN"));
                let true_or_absent =
                    |word: &&String| **word == format!("DOWN {reason}") || *word == "DOWN no such process";
                assert!(downs.iter().all(true_or_absent), "{at}: {heard:?}");
                let letters = if is_struck(&reason) { 0..=4 } else { 4..=4 };
                let owed =
                    [0, 1, 2, 3, 3].map(|due| due + usize::from(due > 1 && heard.contains(&"too late".to_owned())));
                assert!(letters.map(|n| owed[n]).any(|due| due == downs.len()), "{at}: {heard:?}");
                assert!(others.iter().filter(|word| word.starts_with("EXIT")).count() <= 3, "{at}: {heard:?}");
            },
        )
        .survived_by(&peer)
    });
    assert!(points > 60, "{points}");
}

// OTP: A10, B15, C13
#[test]
fn a_parent_hears_once_over_each_tie_wherever_its_child_is_struck() {
    at_every_point(|node, stepper| {
        let (children, heard) = (Journal::new(), Journal::new());
        let (born, journal) = (children.clone(), heard.clone());
        let parent = node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            let child: Addr<()> = cx.spawn_link(async |mut cx: Context<()>| {
                for _ in 0..5 {
                    step_aside().await;
                }
                cx.sleep(Duration::from_millis(1)).await;
                Err(oops("own"))
            });
            cx.monitor_with(&child, &MonitorOptions::new().tag(7));
            cx.link_priority(&child);
            born.note(child);
            loop {
                match cx.recv().await {
                    Event::Down(down) => journal.note(format!("DOWN {:?} {}", down.tag, down.reason)),
                    Event::Exit(exit) => journal.note(format!("EXIT {}", exit.reason)),
                    other => journal.note(format!("{other:?}")),
                }
            }
        });
        let first_child = || {
            while children.len() == 0 {
                assert!(stepper.step(), "the parent can run");
            }
            children.take().remove(0)
        };
        Plan::new(
            stepper,
            first_child,
            |_| {},
            move |at, reason| {
                // The exit goes ahead of the notice.
                assert_eq!(heard.take(), [format!("EXIT {reason}"), format!("DOWN Some(7) {reason}")], "{at}");
            },
        )
        .survived_by(&parent)
    });
}
