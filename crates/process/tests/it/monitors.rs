//! Monitors: one DOWN for each, whatever happens to the target.

use crate::support::{Journal, end, ended, idler, incarnate, inside, mortal, oops, seeds, settle, step_aside, threads};
use freeboard_process::{Context, DownSource, Event, ExitReason, Launcher, Pid, Reply};
use std::time::Duration;

// OTP: C1, C2
#[test]
fn k_monitors_of_one_target_are_k_refs_and_k_downs() {
    seeds(async |node| {
        let target = mortal(&node);
        let victim = target.clone();
        let (mut made, mut fired) = inside(&node, async move |mut cx: Context<()>| {
            let made: Vec<_> = (0..7).map(|_| cx.monitor(&victim)).collect();
            victim.cast(oops("x"));
            let mut fired = Vec::new();
            while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                match event {
                    Event::Down(down) if down.reason.to_string() == "error: x" => fired.push(down.monitor),
                    other => panic!("{other:?}"),
                }
            }
            (made, fired)
        })
        .await;
        made.sort();
        fired.sort();
        assert_eq!(made, fired);
        made.dedup();
        assert_eq!(made.len(), 7);
    });
}

// OTP: C1
#[test]
fn a_monitor_points_one_way() {
    seeds(async |node| {
        let target = idler(&node);
        let watcher = {
            let target = target.clone();
            node.spawn(async move |mut cx: Context<()>| {
                cx.monitor(&target);
                std::future::pending().await
            })
        };
        settle(&node).await;
        watcher.exit(oops("x"));
        ended(&node, &watcher).await;
        settle(&node).await;
        assert!(target.ended().is_none());
    });
}

// OTP: C2
#[test]
fn a_monitor_that_has_fired_is_gone() {
    seeds(async |node| {
        let target = mortal(&node);
        let (active, again) = inside(&node, async move |mut cx: Context<()>| {
            let monitor = cx.monitor(&target);
            target.cast(oops("x"));
            cx.recv_down(monitor).await;
            (cx.demonitor(monitor), cx.recv().after(Duration::from_secs(1)).await.is_some())
        })
        .await;
        assert!(!active && !again);
    });
}

// OTP: C3, C4
#[test]
fn what_is_absent_answers_with_noproc_and_the_identity_asked_for() {
    seeds(async |node| {
        let dead = mortal(&node);
        let pid = dead.pid().unwrap();
        end(&node, &dead, oops("long ago")).await;
        let unstarted = Launcher::<()>::new(|_cx| Box::pin(async { Ok(()) }));
        let (addr, nobody) = (unstarted.addr(), node.pid());
        let never = Pid::new(pid.node(), 4_000_000, 1);
        let foreign = Pid::new(pid.node() ^ 1, pid.slot(), pid.generation());
        let asked = vec![("dead", pid), ("never was", never), ("elsewhere", foreign)];
        let mut heard = inside(&node, async move |mut cx: Context<()>| {
            let mut heard = Vec::new();
            for (what, pid) in asked {
                let monitor = cx.monitor(&pid);
                heard.push((what, pid, monitor, *Box::new(cx.recv_down(monitor).await)));
            }
            let monitor = cx.monitor(&dead);
            heard.push(("dead, by address", nobody, monitor, cx.recv_down(monitor).await));
            let monitor = cx.monitor(&addr);
            heard.push(("not started", nobody, monitor, cx.recv_down(monitor).await));
            assert!(cx.recv().after(Duration::from_secs(1)).await.is_none());
            heard
        })
        .await;
        assert_eq!(heard.len(), 5);
        for (what, pid, monitor, down) in heard.drain(..) {
            assert!(matches!(down.reason, ExitReason::NoProc), "{what}: {}", down.reason);
            assert_eq!((down.pid, down.monitor), (pid, monitor), "{what}");
        }
    });
}

// OTP: C4
#[test]
fn a_down_names_its_ref_the_pid_and_the_reason() {
    seeds(async |node| {
        let target = mortal(&node);
        let pid = target.pid().unwrap();
        let (monitor, down) = inside(&node, async move |mut cx: Context<()>| {
            let monitor = cx.monitor(&target);
            target.cast(oops("x"));
            (monitor, cx.recv_down(monitor).await)
        })
        .await;
        assert_eq!((down.monitor, down.pid), (monitor, pid));
        assert_eq!(down.reason.to_string(), "error: x");
        assert_eq!((down.name, down.tag, down.source), (None, None, DownSource::Direct));
    });
}

// OTP: C5, A11
#[test]
fn a_monitor_stays_with_the_incarnation_it_was_made_for() {
    seeds(async |node| {
        let launcher =
            Launcher::new(|mut cx: Context<ExitReason>| Box::pin(async move { Err(cx.recv_message().await) }));
        let addr = launcher.addr();
        let first = incarnate(&node, &launcher);
        let target = addr.clone();
        let seen = Journal::new();
        let journal = seen.clone();
        node.spawn(async move |mut cx: Context<()>| {
            cx.monitor(&target);
            cx.monitor(&first);
            loop {
                match cx.recv().await {
                    Event::Down(down) => journal.note((down.pid, down.reason.to_string())),
                    other => panic!("{other:?}"),
                }
            }
        });
        settle(&node).await;
        addr.cast(oops("first"));
        settle(&node).await;
        assert_eq!(seen.take(), [(first, "error: first".to_owned()), (first, "error: first".to_owned())]);
        let second = incarnate(&node, &launcher);
        assert_ne!(first, second);
        assert_eq!(addr.pid(), Some(second));
        addr.cast(oops("second"));
        settle(&node).await;
        assert_eq!(seen.take(), []);
    });
}

// OTP: C5, A11
#[test]
fn a_signal_for_an_old_incarnation_never_hits_the_next_one() {
    seeds(async |node| {
        let launcher = Launcher::new(|_cx: Context<()>| Box::pin(std::future::pending()));
        let addr = launcher.addr();
        let first = incarnate(&node, &launcher);
        addr.kill();
        settle(&node).await;
        let second = incarnate(&node, &launcher);
        node.kill(first);
        node.exit(first, oops("x"));
        let reason = inside(&node, async move |mut cx: Context<()>| {
            let monitor = cx.monitor(&first);
            cx.recv_down(monitor).await.reason.to_string()
        })
        .await;
        assert_eq!(reason, "no such process");
        settle(&node).await;
        assert!(node.is_alive(second) && !node.is_alive(first));
        addr.kill();
        settle(&node).await;
    });
}

// OTP: C11
#[test]
fn monitoring_oneself_is_allowed_and_never_fires() {
    seeds(async |node| {
        let (event, active) = inside(&node, async |mut cx: Context<()>| {
            let (me, pid) = (cx.addr(), cx.pid());
            let monitor = cx.monitor(&me);
            cx.monitor(&pid);
            (cx.recv().after(Duration::from_secs(1)).await.is_some(), cx.demonitor(monitor))
        })
        .await;
        assert!(!event && active);
        settle(&node).await;
        assert_eq!(node.seats(), 0);
    });
}

// OTP: C12
#[test]
fn a_dead_watcher_leaves_nothing_behind_at_its_targets() {
    seeds(async |node| {
        let targets: Vec<_> = (0..5).map(|_| idler(&node)).collect();
        let watched = targets.clone();
        let watcher = node.spawn(async move |mut cx: Context<()>| {
            for target in watched.iter().chain(&watched) {
                cx.monitor(target);
            }
            cx.recv_message().await;
            Err(oops("watcher"))
        });
        settle(&node).await;
        watcher.cast(());
        ended(&node, &watcher).await;
        drop(watcher);
        settle(&node).await;
        // An entry at a target would keep the watcher's seat.
        assert_eq!(node.seats(), 5);
    });
}

// OTP: C2, A1
#[test]
fn a_monitor_made_while_the_target_dies_fires_exactly_once() {
    let race = async |node: freeboard_process::Node, one_thread: bool| {
        let target = mortal(&node);
        let victim = target.clone();
        let watching = node.spawn(async move |mut cx: Context<Reply<Vec<String>>>| {
            let mut expected = 0;
            for _ in 0..6 {
                cx.monitor(&victim);
                expected += 1;
                step_aside().await;
            }
            let mut reasons = Vec::new();
            while expected > 0 {
                if let Event::Down(down) = cx.recv_event_where(|event| matches!(event, Event::Down(_))).await {
                    reasons.push(down.reason.to_string());
                    expected -= 1;
                }
            }
            cx.recv_message().await.send(reasons);
            Ok(())
        });
        target.cast(oops("x"));
        let reasons = watching.call(|reply| reply).await.unwrap();
        assert_eq!(reasons.len(), 6);
        let known = reasons.iter().filter(|reason| *reason == "error: x").count();
        let absent = reasons.iter().filter(|reason| *reason == "no such process").count();
        assert_eq!(known + absent, 6, "{reasons:?}");
        if one_thread {
            // The true reason first, and absence from then on. On threads an absence may be told while the target still
            // tells its reason to others.
            assert!(reasons[..known].iter().all(|reason| reason == "error: x"), "{reasons:?}");
        }
    };
    seeds(async |node| race(node, true).await);
    threads(async |node| {
        for _ in 0..100 {
            race(node.clone(), false).await;
        }
    });
}

// OTP: C20
#[test]
fn a_large_reason_is_shared_and_not_copied() {
    seeds(async |node| {
        let target = mortal(&node);
        let watchers: Vec<_> = (0..3)
            .map(|_| {
                let target = target.clone();
                node.spawn(async move |mut cx: Context<Reply<ExitReason>>| {
                    let monitor = cx.monitor(&target);
                    let reason = cx.recv_down(monitor).await.reason;
                    cx.recv_message().await.send(reason);
                    Ok(())
                })
            })
            .collect();
        settle(&node).await;
        target.cast(ExitReason::ShutdownWith("x".repeat(1 << 20).into()));
        let mut places = Vec::new();
        for watcher in watchers {
            match watcher.call(|reply| reply).await.unwrap() {
                ExitReason::ShutdownWith(text) => places.push(text.as_ptr()),
                other => panic!("{other}"),
            }
        }
        assert!(places.iter().all(|place| *place == places[0]));
    });
}
