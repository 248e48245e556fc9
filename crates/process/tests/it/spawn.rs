//! Being born: atomically linked or watched, with an identity of one's own.

use crate::stepper::Stepper;
use crate::support::{
    Journal, ended, idler, incarnate, inside, noting, oops, pause, seeds, settle, step_aside, threads, why, words,
};
use freeboard_process::sync::{AtomicU64, Ordering};
use freeboard_process::{Addr, Birth, Context, Event, ExitReason, Launch, Launcher, Node, Reply};
use std::time::Duration;
use tokio::sync::oneshot;

// OTP: A10
#[test]
fn a_child_that_dies_at_once_is_never_missed() {
    let spawn = async |node: Node| {
        inside(&node, async |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            let mut expected = Vec::new();
            for n in 0..10 {
                let child: Addr<()> = cx.spawn_link(async |_cx: Context<()>| Err(oops("linked")));
                drop(child);
                let (child, monitor) = cx.spawn_monitor(async |_cx: Context<()>| panic!("watched"));
                expected.push((child, monitor));
                if n % 3 == 0 {
                    step_aside().await;
                }
            }
            let (mut exits, mut downs) = (0, Vec::new());
            for _ in 0..20 {
                match cx.recv().await {
                    Event::Down(down) => {
                        assert_eq!(down.reason.to_string(), "panic: watched");
                        downs.push(down.monitor);
                    }
                    event => {
                        assert_eq!(words(&event), "EXIT error: linked");
                        exits += 1;
                    }
                }
            }
            downs.sort();
            assert_eq!(downs, expected.iter().map(|(_, monitor)| *monitor).collect::<Vec<_>>());
            assert!(cx.recv().after(Duration::ZERO).await.is_none());
            exits
        })
        .await
    };
    seeds(async |node| assert_eq!(spawn(node).await, 10));
    threads(async |node| {
        for _ in 0..50 {
            assert_eq!(spawn(node.clone()).await, 10);
        }
    });
}

// OTP: A10, B4
#[test]
fn a_linked_child_and_its_maker_die_together_from_the_first_moment() {
    seeds(async |node| {
        // The maker ends before its child was ever polled.
        let (seen, out) = (Journal::new(), Journal::new());
        let (journal, addrs) = (seen.clone(), out.clone());
        let maker = node.spawn(async move |mut cx: Context<()>| {
            addrs.note(cx.spawn_link(async move |mut cx: Context<()>| {
                journal.note("ran");
                cx.recv_message().await;
                journal.note("went on");
                Ok(())
            }));
            Err(oops("maker"))
        });
        assert_eq!(ended(&node, &maker).await.to_string(), "error: maker");
        let child = out.take().pop().unwrap();
        child.cast(());
        assert_eq!(ended(&node, &child).await.to_string(), "error: maker");
        assert!(!seen.take().contains(&"went on"));
        // And the other way round.
        let maker = node.spawn(async |mut cx: Context<()>| {
            cx.spawn_link(async |_cx: Context<()>| Err(oops("child")));
            std::future::pending().await
        });
        assert_eq!(ended(&node, &maker).await.to_string(), "error: child");
    });
}

// OTP: A10
#[test]
fn a_child_whose_runtime_drops_it_before_its_first_poll_is_not_missed() {
    let (stepper, node) = Stepper::new();
    let seen = Journal::new();
    let (hand, journal) = (stepper.clone(), seen.clone());
    let maker = node.spawn(async move |mut cx: Context<&'static str>| {
        cx.trap_exit(true);
        let task = hand.tasks();
        cx.spawn_link(async |_cx: Context<()>| Ok(()));
        let (_child, _monitor) = cx.spawn_monitor(async |_cx: Context<()>| Ok(()));
        hand.drop_task(task);
        hand.drop_task(task + 1);
        drop(hand);
        for _ in 0..2 {
            journal.note(words(&cx.recv().await));
        }
        Ok(())
    });
    stepper.settle();
    assert!(maker.ended().is_some());
    let why = "shutdown: the runtime of this process was dropped";
    assert_eq!(seen.take(), [format!("EXIT {why}"), format!("DOWN {why}")]);
    stepper.finish();
}

// OTP: A11
#[test]
fn an_identity_is_never_used_twice() {
    seeds(async |node| {
        let mut pids = Vec::new();
        for _ in 0..40 {
            // Seats come and go, so slots are used again.
            let batch: Vec<_> = (0..3).map(|_| node.spawn(async |_cx: Context<()>| Ok(()))).collect();
            pids.extend(batch.iter().map(|addr| addr.pid().unwrap()));
            settle(&node).await;
        }
        let mut slots: Vec<_> = pids.iter().map(|pid| pid.slot()).collect();
        slots.sort_unstable();
        slots.dedup();
        assert!(slots.len() < 20, "slots are used again: {}", slots.len());
        assert!(slots.iter().all(|slot| *slot != 0), "slot 0 is the node's own");
        let all = pids.len();
        let old = pids[0];
        pids.sort();
        pids.dedup();
        assert_eq!(pids.len(), all);
        // A pid that was used again by somebody else's slot is dead for good.
        let heir = node.spawn(async |_cx: Context<()>| std::future::pending().await);
        node.kill(old);
        settle(&node).await;
        assert!(!node.is_alive(old) && heir.ended().is_none());
        heir.kill();
        settle(&node).await;
    });
}

// OTP: A11
#[test]
fn seats_return_to_their_baseline() {
    seeds(async |node| {
        assert_eq!(node.seats(), 0);
        inside(&node, async |mut cx: Context<()>| {
            cx.trap_exit(true);
            let addr = cx.addr();
            for _ in 0..20 {
                let to = addr.clone();
                let child = cx.spawn_link(async move |mut cx: Context<()>| {
                    cx.monitor(&to);
                    cx.link(&to);
                    cx.recv_message().await;
                    Ok(())
                });
                cx.monitor(&child);
                child.cast(());
            }
            for _ in 0..40 {
                cx.recv().await;
            }
        })
        .await;
        settle(&node).await;
        assert_eq!(node.seats(), 0);
    });
}

// OTP: B4
#[test]
fn the_parent_is_who_spawned_it() {
    seeds(async |node| {
        let (me, linked, watched, free) = inside(&node, async |mut cx: Context<freeboard_process::Pid>| {
            cx.trap_exit(true);
            let to = cx.addr();
            let tell = |to: Addr<freeboard_process::Pid>| {
                async move |child: Context<()>| {
                    to.cast(child.parent().unwrap_or(child.pid()));
                    Ok(())
                }
            };
            drop(cx.spawn_link(tell(to.clone())));
            let linked = cx.recv_message().await;
            drop(cx.spawn_monitor(tell(to.clone())));
            let watched = cx.recv_message().await;
            let free = cx.node().spawn(tell(to));
            let own = free.pid();
            (cx.pid(), linked, watched, own == Some(cx.recv_message().await))
        })
        .await;
        assert_eq!((linked, watched, free), (me, me, true));
    });
}

/// A seat whose first incarnation ended and gave its context away, and whose second one notes what it is sent.
struct Heirloom {
    old: Context<u32>,
    launcher: Launcher<u32>,
    heir: freeboard_process::Pid,
    seen: Journal<u32>,
}

async fn heirloom(node: &Node) -> Heirloom {
    let (contexts, seen) = (Journal::new(), Journal::new());
    let (out, journal) = (contexts.clone(), seen.clone());
    let first = AtomicU64::new(1);
    let launcher = Launcher::new(move |mut cx: Context<u32>| {
        let (out, journal, first) = (out.clone(), journal.clone(), first.swap(0, Ordering::Relaxed) == 1);
        Box::pin(async move {
            if first {
                out.note(cx);
                return Err(ExitReason::Shutdown);
            }
            loop {
                let n = cx.recv_message().await;
                journal.note(n);
                if n == 99 {
                    cx.priority_alias().send_priority(100).unwrap();
                    cx.sleep(Duration::from_millis(9)).await;
                }
            }
        })
    });
    incarnate(node, &launcher);
    settle(node).await;
    let old = contexts.take().pop().unwrap();
    let heir = incarnate(node, &launcher);
    settle(node).await;
    Heirloom { old, launcher, heir, seen }
}

// OTP: A8
#[test]
fn a_context_that_outlives_its_process_receives_nothing_of_the_next_incarnation() {
    seeds(async |node| {
        let Heirloom { mut old, launcher, heir, seen } = heirloom(&node).await;
        let thief = node.spawn(async move |_cx: Context<()>| {
            old.recv_message().await;
            Err(oops("stole a message"))
        });
        settle(&node).await;
        for n in 0..3 {
            launcher.addr().cast(n);
            settle(&node).await;
        }
        assert_eq!(seen.take(), [0, 1, 2]);
        assert!(thief.ended().is_none());
        thief.kill();
        node.kill(heir);
        settle(&node).await;
    });
}

// OTP: A8, A11
#[test]
fn a_context_that_outlives_its_process_changes_nothing_of_the_next_incarnation() {
    seeds(async |node| {
        let Heirloom { mut old, launcher, heir, .. } = heirloom(&node).await;
        let other = idler(&node);
        // Each of these would act in the name of a process that is over.
        old.trap_exit(true);
        old.link(&other);
        old.monitor(&other);
        settle(&node).await;
        other.exit(oops("other"));
        settle(&node).await;
        assert!(node.is_alive(heir), "{:?}", launcher.addr().ended());
        node.exit(heir, oops("x"));
        settle(&node).await;
        assert!(!node.is_alive(heir), "the old context made the next incarnation trap exits");
    });
}

// OTP: A8, E14
#[test]
fn a_context_that_outlives_its_process_takes_no_priority_message_of_the_next_incarnation() {
    seeds(async |node| {
        let Heirloom { mut old, launcher, heir, seen } = heirloom(&node).await;
        launcher.addr().cast(99); // it makes a priority alias, sends through it, and sleeps
        settle(&node).await;
        let _mark = old.marker();
        let monitor = old.monitor(&heir);
        old.demonitor_flush(monitor);
        pause(&node, Duration::from_secs(1)).await;
        assert_eq!(seen.take(), [99, 100]);
        node.kill(heir);
        settle(&node).await;
    });
}

// OTP: A8, B3
#[test]
fn a_context_that_outlives_its_process_ties_nobody_to_the_next_incarnation() {
    seeds(async |node| {
        let Heirloom { mut old, launcher, heir, .. } = heirloom(&node).await;
        let before = node.seats();
        for linked in [true, false] {
            let idle = async |_cx: Context<()>| std::future::pending().await;
            let child = if linked { old.spawn_link(idle) } else { old.spawn_monitor(idle).0 };
            child.exit(oops("child"));
            assert_eq!(ended(&node, &child).await.to_string(), "error: child");
        }
        settle(&node).await;
        assert_eq!((node.seats(), launcher.addr().pid()), (before, Some(heir)), "a row keeps a dead child's seat");
        node.kill(heir);
        settle(&node).await;
    });
}

// OTP: F16
#[test]
fn a_request_that_a_context_holds_elsewhere_is_answered_when_its_process_ends() {
    seeds(async |node| {
        for waits in [true, false] {
            let (lend, borrowed) = oneshot::channel();
            let owner = node.spawn(async move |cx: Context<Option<Reply<()>>>| {
                drop(lend.send(cx));
                std::future::pending().await
            });
            let borrower = node.spawn(async move |mut own: Context<()>| {
                let mut cx = borrowed.await.unwrap();
                // The request comes with it, and stays in the context.
                let _first = cx.recv_where(Option::is_none).await;
                if waits {
                    let _never = cx.recv_where(Option::is_none).await;
                }
                own.recv_message().await;
                drop(cx);
                std::future::pending().await
            });
            let held = owner.request(Some);
            owner.cast(None);
            settle(&node).await;
            owner.exit(oops("x"));
            settle(&node).await;
            borrower.cast(());
            assert_eq!(why(&held.await), "exited: error: x", "{waits}");
            borrower.kill();
            settle(&node).await;
        }
    });
}

// OTP: A8
#[test]
fn a_start_on_a_seat_where_somebody_lives_changes_nothing_there() {
    seeds(async |node| {
        let seen = Journal::new();
        let launcher = noting(&seen);
        let first = incarnate(&node, &launcher);
        settle(&node).await;
        let second = launcher.prepare(&node).unwrap().pid();
        assert!(!launcher.launch(&node, second, Birth::default()));
        launcher.addr().cast(1);
        settle(&node).await;
        assert_eq!((seen.take(), launcher.addr().pid()), (vec![1], Some(first)));
        launcher.addr().kill();
        settle(&node).await;
        assert!(!node.is_alive(first));
    });
}
