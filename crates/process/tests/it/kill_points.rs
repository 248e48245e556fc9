//! A process is killed, or dropped by its runtime, after every number of polls that its scenario takes.
//!
//! Whenever it is struck: every caller is answered, each monitor fires once, no timer and no seat is left.

use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, Letter, Notes, oops, step_aside, why};
use freeboard_process::{Addr, Alias, AliasMode, AliasOptions, Context, Event, Reply};
use std::time::Duration;

const DROPPED: &str = "shutdown: the runtime of this process was dropped";

fn is_struck(reason: &str) -> bool {
    reason == "killed" || reason == DROPPED
}

// OTP: F16, F9
#[test]
fn every_caller_is_answered_wherever_the_server_is_struck() {
    let points = at_every_point(|node, stepper| {
        let answers = Journal::new();
        let journal = answers.clone();
        let serve = async |mut cx: Context<(usize, Reply<usize>)>| {
            let mut kept = Vec::new();
            for _ in 0..5 {
                let (n, reply) = cx.recv_message().await;
                step_aside().await;
                match n {
                    0 => reply.send(0),
                    1 => drop(reply),
                    2 => kept.push(reply),
                    3 => drop(cx.node().spawn(async move |_cx: Context<()>| {
                        step_aside().await;
                        reply.send(3);
                        Ok(())
                    })),
                    _ => reply.refuse(),
                }
                step_aside().await;
            }
            cx.sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        let callers = |server: &Addr<(usize, Reply<usize>)>| {
            for n in 0..5 {
                let (server, journal) = (server.clone(), journal.clone());
                node.spawn(async move |mut cx: Context<()>| {
                    step_aside().await;
                    let call = server.call(|reply| (n, reply));
                    let answer = if n % 2 == 0 { call.await } else { call.forever().await };
                    journal.note((n, why(&answer)));
                    cx.recv().after(Duration::from_millis(2)).await;
                    Ok(())
                });
            }
        };
        Plan::new(
            stepper,
            || node.spawn(serve),
            callers,
            move |at, reason| {
                let mut answers = answers.take();
                answers.sort();
                assert_eq!(answers.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1, 2, 3, 4], "{at}");
                for (n, answer) in answers {
                    let own = ["answered", "NoReply", "exited: normal", "answered", "NoReply"][n];
                    assert!(answer == own || answer == format!("exited: {reason}"), "{at}: caller {n} heard {answer}");
                    assert!(is_struck(&reason) || answer == own, "{at}: caller {n} heard {answer}");
                }
            },
        )
    });
    assert!(points > 40, "{points}");
}

// OTP: F10
#[test]
fn a_server_does_not_suffer_wherever_its_caller_is_struck() {
    at_every_point(|node, stepper| {
        let served = Journal::new();
        let journal = served.clone();
        let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
            let mut count = 0;
            while let Some(reply) = cx.recv_message().after(Duration::from_millis(50)).await {
                step_aside().await;
                cx.sleep(Duration::from_millis(3)).await;
                count += 1;
                reply.send(count);
            }
            journal.note(count);
            Ok(())
        });
        let call = async move |_cx: Context<()>| {
            let first = server.call(|reply| reply).await.map_err(|_| oops("first"))?;
            let abandoned = server.request(|reply| reply);
            step_aside().await;
            drop(abandoned);
            drop(server.call(|reply| reply).within(Duration::from_millis(1)).await);
            step_aside().await;
            if first == 1 { Ok(()) } else { Err(oops("miscounted")) }
        };
        Plan::new(
            stepper,
            || node.spawn(call),
            |_| {},
            move |at, reason| {
                assert!(is_struck(&reason) || reason == "normal", "{at}: {reason}");
                let served = served.take();
                assert!(served.len() == 1 && served[0] <= 3, "{at}: {served:?}");
            },
        )
    });
}

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

// OTP: E3, A12
#[test]
fn every_message_is_dropped_once_wherever_a_nested_receive_is_cut_off() {
    struct Kept(Letter, #[expect(dead_code, reason = "it is held for its destructor")] Notes<u64>);
    impl freeboard_process::Message for Kept {
        const TAGS: &'static [&'static str] = Letter::TAGS;
        fn tag(&self) -> freeboard_process::Tag<Self> {
            freeboard_process::Tag::new(self.0.tag)
        }
        fn key(&self) -> Option<freeboard_process::Key<'_>> {
            self.0.key()
        }
    }
    at_every_point(|node, stepper| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let receive = async |mut cx: Context<Kept>| {
            let ms = Duration::from_millis;
            cx.send_after(ms(1), Kept(Letter { id: 90, tag: 2, key: 0 }, Notes(Journal::new(), 90)));
            while let Some(outer) = cx.recv_where(|kept| kept.0.id.is_multiple_of(3)).after(ms(5)).await {
                let inner = cx.recv_key(freeboard_process::tag_named("Answer"), outer.0.id).after(ms(2)).await;
                step_aside().await;
                drop(inner);
                if let Some(last) = cx.recv_tag(freeboard_process::tag_named("Other")).after(Duration::ZERO).await {
                    step_aside().await;
                    drop(last);
                }
                drop(outer);
            }
            Ok(())
        };
        let feed = |to: &Addr<Kept>| {
            let (to, notes) = (to.clone(), notes.clone());
            node.spawn(async move |_cx: Context<()>| {
                for id in 0..12 {
                    to.cast(Kept(Letter { id, tag: (id % 2) as u32, key: id - id % 3 }, Notes(notes.clone(), id)));
                    if id % 4 == 1 {
                        step_aside().await;
                    }
                }
                Ok(())
            });
        };
        Plan::new(
            stepper,
            || node.spawn(receive),
            feed,
            move |at, _| {
                let mut dropped = dropped.take();
                dropped.sort_unstable();
                assert_eq!(dropped, (0..12).collect::<Vec<_>>(), "{at}");
            },
        )
    });
}

// OTP: C12, C14, C15
#[test]
fn aliases_lose_no_message_and_leave_nothing_behind_wherever_their_process_is_struck() {
    at_every_point(|node, stepper| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        // Answers three times through each alias: what comes too late, or goes ahead, is dropped once like everything else.
        let server = node.spawn(async move |mut cx: Context<(Alias<Notes<u64>>, u64)>| {
            while let Some((alias, n)) = cx.recv_message().after(Duration::from_millis(50)).await {
                step_aside().await;
                alias.cast(Notes(notes.clone(), 3 * n));
                drop(alias.send_priority(Notes(notes.clone(), 3 * n + 1)));
                step_aside().await;
                alias.cast(Notes(notes.clone(), 3 * n + 2));
            }
            Ok(())
        });
        let ask = async move |mut cx: Context<Notes<u64>>| {
            for n in 0..5 {
                let alias = match n {
                    0 => cx.priority_alias(),
                    1 => cx.alias_with(AliasOptions::new().once().priority()),
                    2 => cx.monitor_alias(&server, AliasMode::Explicit),
                    3 => cx.monitor_alias(&server, AliasMode::Demonitor),
                    _ => cx.monitor_alias(&server, AliasMode::ReplyDemonitor),
                };
                let name = alias.reference();
                server.cast((alias, n));
                step_aside().await;
                let answer = cx.recv_alias(name).after(Duration::from_millis(5)).await;
                step_aside().await;
                match n {
                    0 | 2 => drop(cx.unalias(name)),
                    _ => drop(cx.demonitor_flush(name)),
                }
                drop(answer);
            }
            cx.sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        Plan::new(
            stepper,
            || node.spawn(ask),
            |_| {},
            move |at, reason| {
                let mut dropped = dropped.take();
                dropped.sort_unstable();
                assert_eq!(dropped, (0..dropped.len() as u64).collect::<Vec<_>>(), "{at}");
                assert!(dropped.len().is_multiple_of(3), "{at}: {dropped:?}");
                assert!(is_struck(&reason) || dropped.len() == 15, "{at}: {reason}, {dropped:?}");
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
