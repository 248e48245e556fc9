//! Links: made, unmade, crossed on the way, and what they carry.

use crate::stepper::Stepper;
use crate::support::{Journal, end, ended, idler, inside, mortal, oops, recorder, seeds, settle, step_aside, words};
use freeboard_process::{Addr, Context, Event, ExitReason, Node};
use std::time::Duration;

/// A process that links itself and unlinks itself as it is told.
enum Tie {
    Link(Addr<ExitReason>),
    Unlink(Addr<ExitReason>),
}

fn tied(node: &Node, journal: &Journal<String>) -> Addr<Tie> {
    let journal = journal.clone();
    node.spawn(async move |mut cx: Context<Tie>| {
        cx.trap_exit(true);
        loop {
            match cx.recv().await {
                Event::Message(Tie::Link(to)) => cx.link(&to),
                Event::Message(Tie::Unlink(from)) => cx.unlink(&from),
                Event::Exit(exit) => journal.note(format!("EXIT {}", exit.reason)),
                other => journal.note(format!("{other:?}")),
            }
        }
    })
}

// OTP: B1
#[test]
fn a_link_counts_once_per_pair_however_often_it_is_made() {
    seeds(async |node| {
        let seen = Journal::new();
        let (one, other) = (tied(&node, &seen), mortal(&node));
        for _ in 0..3 {
            one.cast(Tie::Link(other.clone()));
        }
        settle(&node).await;
        end(&node, &other, oops("over")).await;
        settle(&node).await;
        assert_eq!(seen.take(), ["EXIT error: over"]);
    });
}

// OTP: B1
#[test]
fn one_unlink_takes_away_a_link_that_was_made_several_times() {
    seeds(async |node| {
        let seen = Journal::new();
        let (one, other) = (tied(&node, &seen), mortal(&node));
        one.cast(Tie::Link(other.clone()));
        one.cast(Tie::Link(other.clone()));
        one.cast(Tie::Unlink(other.clone()));
        settle(&node).await;
        end(&node, &other, oops("over")).await;
        settle(&node).await;
        assert_eq!(seen.take(), Vec::<String>::new());
        one.cast(Tie::Link(other));
        settle(&node).await;
        assert_eq!(seen.take(), ["EXIT no such process"]);
    });
}

// OTP: B1
#[test]
fn either_end_may_remove_a_link() {
    for by_maker in [true, false] {
        seeds(async |node| {
            let seen = Journal::new();
            let victim = mortal(&node);
            let target = victim.clone();
            let journal = seen.clone();
            // The child is linked from its start; it or its maker unlinks.
            node.spawn(async move |mut cx: Context<()>| {
                cx.trap_exit(true);
                let child = cx.spawn_link(async move |mut child: Context<()>| {
                    if !by_maker && let Some(parent) = child.parent() {
                        child.unlink(&parent);
                    }
                    let monitor = child.monitor(&target);
                    child.recv_down(monitor).await;
                    Err(oops("child"))
                });
                if by_maker {
                    cx.unlink(&child);
                }
                loop {
                    journal.note(format!("{:?}", cx.recv().await));
                }
            });
            settle(&node).await;
            end(&node, &victim, ExitReason::Normal).await;
            settle(&node).await;
            assert_eq!(seen.take(), Vec::<String>::new());
        });
    }
}

// OTP: B2
#[test]
fn linking_to_oneself_does_nothing() {
    seeds(async |node| {
        let left = inside(&node, async |mut cx: Context<()>| {
            cx.trap_exit(true);
            let (me, pid) = (cx.addr(), cx.pid());
            cx.link(&me);
            cx.link(&pid);
            cx.unlink(&me);
            cx.recv().after(Duration::from_secs(1)).await.is_some()
        })
        .await;
        assert!(!left);
        let alone = node.spawn(async |mut cx: Context<()>| {
            let me = cx.addr();
            cx.link(&me);
            cx.recv_message().await;
            Err(oops("alone"))
        });
        alone.cast(());
        assert_eq!(ended(&node, &alone).await.to_string(), "error: alone");
    });
}

// OTP: B3, B4
#[test]
fn a_death_goes_along_every_link_with_the_same_reason() {
    seeds(async |node| {
        let centre = mortal(&node);
        let spokes: Vec<_> = (0..20)
            .map(|_| {
                let centre = centre.clone();
                node.spawn(async move |mut cx: Context<()>| {
                    cx.link(&centre);
                    std::future::pending().await
                })
            })
            .collect();
        settle(&node).await;
        end(&node, &centre, oops("hub")).await;
        for spoke in spokes {
            assert_eq!(ended(&node, &spoke).await.to_string(), "error: hub");
        }
    });
}

// OTP: B4, B5
#[test]
fn only_a_normal_end_leaves_a_linked_process_alone() {
    let table: [(ExitReason, bool); 6] = [
        (ExitReason::Normal, true),
        (ExitReason::Shutdown, false),
        (ExitReason::ShutdownWith("x".into()), false),
        (ExitReason::Killed, false),
        (ExitReason::NoProc, false),
        (oops("x"), false),
    ];
    seeds(async |node| {
        for (reason, survives) in table.clone() {
            let first = mortal(&node);
            let target = first.clone();
            let second = node.spawn(async move |mut cx: Context<()>| {
                cx.link(&target);
                std::future::pending().await
            });
            settle(&node).await;
            end(&node, &first, reason.clone()).await;
            settle(&node).await;
            assert_eq!(second.ended().is_none(), survives, "{reason}");
            if !survives {
                assert_eq!(second.ended().unwrap().to_string(), reason.into_cause().to_string());
            }
        }
    });
}

// OTP: B5
#[test]
fn a_parent_that_ends_normally_leaves_its_linked_child_alive() {
    seeds(async |node| {
        let child = inside(&node, async |mut cx: Context<()>| {
            let child = cx.spawn_link(async |mut cx: Context<()>| {
                cx.recv_message().await;
                Err(oops("later"))
            });
            step_aside().await;
            child
        })
        .await;
        settle(&node).await;
        assert!(child.ended().is_none());
        child.cast(());
        assert_eq!(ended(&node, &child).await.to_string(), "error: later");
    });
}

/// Runs a body that can make its linked peer die in the middle of its own poll, so that the exit signal is sent and not
/// yet received.
fn with_exit_under_way(body: impl FnOnce(&mut Context<()>, &Addr<()>, &dyn Fn()) + Send + 'static) -> Vec<String> {
    let (stepper, node) = Stepper::new();
    let victim_task = stepper.tasks();
    let victim = idler(&node);
    let seen = Journal::new();
    let (hand, journal) = (stepper.clone(), seen.clone());
    let survivor = node.spawn(async move |mut cx: Context<()>| {
        cx.trap_exit(true);
        cx.link(&victim);
        step_aside().await;
        body(&mut cx, &victim, &|| hand.drop_task(victim_task));
        drop(hand);
        while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
            journal.note(format!("{event:?}"));
        }
        journal.note("survived".to_owned());
        Ok(())
    });
    stepper.run(usize::MAX);
    assert!(survivor.ended().is_some());
    stepper.finish();
    seen.take()
}

// OTP: B10, B11
#[test]
fn an_exit_that_arrives_over_a_removed_link_is_ignored() {
    let seen = with_exit_under_way(|cx, victim, die| {
        die();
        cx.unlink(victim);
    });
    assert_eq!(seen, ["survived"]);
    // Also for one that stops trapping: it is not killed either.
    let seen = with_exit_under_way(|cx, victim, die| {
        die();
        cx.trap_exit(false);
        cx.unlink(victim);
    });
    assert_eq!(seen, ["survived"]);
}

// OTP: B10
#[test]
fn a_link_made_anew_after_the_death_hears_of_the_absence_only() {
    let seen = with_exit_under_way(|cx, victim, die| {
        // By its identity: an address of the dead names nobody any more.
        let pid = victim.pid().unwrap();
        die();
        cx.unlink(&pid);
        cx.link(&pid);
    });
    assert_eq!(seen.len(), 2);
    assert!(seen[0].contains("NoProc"), "{seen:?}");
}

// OTP: B11
#[test]
fn an_exit_that_is_queued_already_outlives_the_unlink_and_can_be_taken() {
    seeds(async |node| {
        let victim = mortal(&node);
        let target = victim.clone();
        let events = inside(&node, async move |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            cx.link(&target);
            let monitor = cx.monitor(&target);
            target.cast(oops("gone"));
            // The exit is received, and left where it is, while this looks for something else.
            cx.recv_down(monitor).await;
            cx.unlink(&target);
            let flushed = cx.recv_event_where(|event| matches!(event, Event::Exit(_))).after(Duration::ZERO).await;
            let rest = cx.recv().after(Duration::from_secs(1)).await;
            (flushed.map(|event| words(&event)), rest.is_none())
        })
        .await;
        assert_eq!(events, (Some("EXIT error: gone".to_owned()), true));
    });
}

// OTP: B11
#[test]
fn unlink_with_flush_takes_one_exit_out_wherever_it_waits() {
    for looked_at in [false, true] {
        seeds(async move |node| {
            let (victim, other) = (mortal(&node), mortal(&node));
            let (target, stranger) = (victim.clone(), other.clone());
            let seen = inside(&node, async move |mut cx: Context<&'static str>| {
                cx.trap_exit(true);
                cx.link(&target);
                cx.link(&stranger);
                let monitors = [cx.monitor(&target), cx.monitor(&stranger)];
                // An address names nobody once its process is gone, so the flush goes by identity.
                let pid = target.pid().expect("it lives");
                target.cast(oops("gone"));
                stranger.cast(oops("gone too"));
                if looked_at {
                    for monitor in monitors {
                        cx.recv_down(monitor).await;
                    }
                } else {
                    cx.sleep(Duration::from_millis(1)).await;
                }
                let first = cx.unlink_flush(&pid);
                let again = cx.unlink_flush(&pid);
                let exit = cx.recv_event_where(|event| matches!(event, Event::Exit(_))).after(Duration::ZERO).await;
                let rest = cx.recv_event_where(|event| matches!(event, Event::Exit(_))).after(Duration::ZERO).await;
                (first, again, exit.map(|event| words(&event)), rest.is_none())
            })
            .await;
            assert_eq!(seen, (false, false, Some("EXIT error: gone too".to_owned()), true), "looked at: {looked_at}");
        });
    }
}

// OTP: B11
#[test]
fn unlink_with_flush_says_whether_the_link_was_in_force() {
    seeds(async |node| {
        let victim = mortal(&node);
        let target = victim.clone();
        let seen = inside(&node, async move |mut cx: Context<()>| {
            let never = cx.unlink_flush(&target);
            cx.link(&target);
            (never, cx.unlink_flush(&target), cx.unlink_flush(&target))
        })
        .await;
        assert_eq!(seen, (false, true, false));
    });
}

// OTP: B11
#[test]
fn after_unlink_no_exit_arrives_whenever_the_other_end_dies() {
    seeds(async |node| {
        let victim = mortal(&node);
        let target = victim.clone();
        victim.cast(oops("gone"));
        let (before, after) = inside(&node, async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            cx.link(&target);
            step_aside().await;
            cx.unlink(&target);
            let before = cx.recv().after(Duration::ZERO).await.is_some();
            let after = cx.recv().after(Duration::from_secs(1)).await.is_some();
            (before, after)
        })
        .await;
        assert!(!after, "an exit arrived after unlink (one before: {before})");
    });
}

/// DEV-07: linking to the dead is always an exit signal with `noproc`, trapped or not.
// OTP: B12
#[test]
fn linking_to_the_dead_is_an_exit_signal() {
    seeds(async |node| {
        let dead = mortal(&node);
        end(&node, &dead, ExitReason::Normal).await;
        let target = dead.clone();
        let plain = node.spawn(async move |mut cx: Context<()>| {
            cx.link(&target);
            std::future::pending().await
        });
        assert_eq!(ended(&node, &plain).await.to_string(), "error: a process it relied on does not exist");
        let seen = Journal::new();
        let one = tied(&node, &seen);
        for _ in 0..2 {
            one.cast(Tie::Link(dead.clone()));
            settle(&node).await;
            assert_eq!(seen.take(), ["EXIT no such process"]);
        }
        one.kill();
    });
}

// OTP: B13, A5
#[test]
fn a_kill_runs_through_a_chain_of_links_to_its_end() {
    seeds(async |node| {
        let seen = Journal::new();
        let mut chain = vec![idler(&node)];
        for _ in 0..10 {
            let before = chain.last().unwrap().clone();
            chain.push(node.spawn(async move |mut cx: Context<()>| {
                cx.link(&before);
                std::future::pending().await
            }));
        }
        let last = chain.last().unwrap().clone();
        let journal = seen.clone();
        node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            cx.link(&last);
            if let Event::Exit(exit) = cx.recv().await {
                journal.note(exit.reason.to_string());
            }
            Ok(())
        });
        settle(&node).await;
        chain[0].kill();
        settle(&node).await;
        assert_eq!(seen.take(), ["killed"]);
        assert!(chain.iter().all(|link| matches!(link.ended(), Some(ExitReason::Killed))));
    });
}

// OTP: B6
#[test]
fn a_trapper_among_links_stops_the_spread() {
    seeds(async |node| {
        let seen = Journal::new();
        let trapper = recorder(&node, &seen);
        let (hub, to) = (mortal(&node), trapper.clone());
        let target = hub.clone();
        let fuse = node.spawn(async move |mut cx: Context<()>| {
            cx.link(&target);
            cx.link(&to);
            std::future::pending().await
        });
        settle(&node).await;
        end(&node, &hub, oops("hub")).await;
        assert_eq!(ended(&node, &fuse).await.to_string(), "error: hub");
        settle(&node).await;
        assert_eq!(seen.take(), ["EXIT error: hub"]);
        assert!(trapper.ended().is_none());
    });
}
