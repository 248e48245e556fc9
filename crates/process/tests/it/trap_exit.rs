//! Trapping exits: what becomes of an exit signal, trapped or not, explicit or from a link.

use crate::support::{
    Journal, end, ended, idler, inside, mortal, oops, pause, recorder, seeds, settle, step_aside, words,
};
use freeboard_process::{Addr, Context, Event, ExitReason};
use std::time::Duration;

fn reasons() -> [ExitReason; 7] {
    [
        ExitReason::Normal,
        ExitReason::Shutdown,
        ExitReason::ShutdownWith("x".into()),
        ExitReason::Killed,
        ExitReason::NoProc,
        ExitReason::NoConnection,
        oops("x"),
    ]
}

// OTP: B6
#[test]
fn a_trapper_gets_every_exit_as_a_message_normal_ones_too() {
    seeds(async |node| {
        let seen = Journal::new();
        let trapper = recorder(&node, &seen);
        for reason in reasons() {
            let linked = mortal(&node);
            let (target, to) = (trapper.clone(), linked.clone());
            inside(&node, async move |mut cx: Context<()>| {
                // The link is made in the trapper's name by one that dies with the same reason.
                let fuse = cx.spawn_link(async move |mut fuse: Context<()>| {
                    fuse.link(&target);
                    fuse.link(&to);
                    fuse.trap_exit(true);
                    loop {
                        if let Event::Exit(exit) = fuse.recv().await {
                            return Err(exit.reason);
                        }
                    }
                });
                cx.unlink(&fuse);
                step_aside().await;
            })
            .await;
            settle(&node).await;
            end(&node, &linked, reason.clone()).await;
            settle(&node).await;
            assert_eq!(seen.take(), [format!("EXIT {}", reason.into_cause())]);
        }
        assert!(trapper.ended().is_none());
    });
}

// OTP table: B4, B5, B6, B7
#[test]
fn an_explicit_exit_obeys_the_same_rules() {
    seeds(async |node| {
        for reason in reasons() {
            let seen = Journal::new();
            let (trapper, plain) = (recorder(&node, &seen), idler(&node));
            settle(&node).await;
            trapper.exit(reason.clone());
            plain.exit(reason.clone());
            settle(&node).await;
            assert_eq!(seen.take(), [format!("EXIT {reason}")]);
            assert!(trapper.ended().is_none());
            let expected = (!matches!(reason, ExitReason::Normal)).then(|| reason.into_cause().to_string());
            assert_eq!(plain.ended().map(|reason| reason.to_string()), expected);
        }
    });
}

// OTP: B7
#[test]
fn an_exit_message_names_its_sender() {
    seeds(async |node| {
        let seen = Journal::new();
        let froms = seen.clone();
        let trapper = node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            loop {
                if let Event::Exit(exit) = cx.recv().await {
                    froms.note(exit.from);
                }
            }
        });
        settle(&node).await;
        let target = trapper.clone();
        let sender = inside(&node, async move |mut cx: Context<()>| {
            cx.exit(&target, oops("by context"));
            target.exit(oops("by address"));
            cx.node().exit(target.pid().unwrap(), oops("by pid"));
            cx.pid()
        })
        .await;
        settle(&node).await;
        assert_eq!(seen.take(), [sender; 3]);
        trapper.exit(oops("from outside"));
        node.exit(trapper.pid().unwrap(), oops("by pid"));
        settle(&node).await;
        assert_eq!(seen.take(), [node.pid(); 2]);
    });
}

// OTP: B9
#[test]
fn whether_exits_are_trapped_is_looked_up_on_arrival() {
    seeds(async |node| {
        // Sent while it does not trap, received while it does.
        let late = inside(&node, async |mut cx: Context<&'static str>| {
            cx.addr().exit(oops("x"));
            assert!(!cx.trap_exit(true));
            cx.recv().after(Duration::ZERO).await.map(|event| words(&event))
        })
        .await;
        assert_eq!(late.as_deref(), Some("EXIT error: x"));
        // Sent while it traps, received while it does not.
        let early = node.spawn(async |mut cx: Context<()>| {
            cx.trap_exit(true);
            cx.addr().exit(oops("y"));
            assert!(cx.trap_exit(false));
            step_aside().await;
            Err(oops("still alive"))
        });
        assert_eq!(ended(&node, &early).await.to_string(), "error: y");
    });
}

// OTP: B9, B6
#[test]
fn an_exit_that_became_a_message_stays_one_when_trapping_ends() {
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            cx.addr().exit(oops("x"));
            cx.addr().cast("hello");
            let hello = cx.recv_message().await;
            cx.trap_exit(false);
            (hello, words(&cx.recv().await))
        })
        .await;
        assert_eq!(got, ("hello", "EXIT error: x".to_owned()));
    });
}

/// DEV-08: an exit signal `normal` that a process sends itself does nothing, as any other `normal` one.
// OTP: B8
#[test]
fn exit_normal_to_oneself_does_nothing_unless_trapped() {
    seeds(async |node| {
        let (quiet, trapped) = inside(&node, async |mut cx: Context<&'static str>| {
            let me: Addr<_> = cx.addr();
            cx.exit(&me, ExitReason::Normal);
            let quiet = cx.recv().after(Duration::from_secs(1)).await.is_none();
            cx.trap_exit(true);
            cx.exit(&me, ExitReason::Normal);
            (quiet, cx.recv().after(Duration::from_secs(1)).await.map(|event| words(&event)))
        })
        .await;
        assert!(quiet);
        assert_eq!(trapped.as_deref(), Some("EXIT normal"));
    });
}

/// DEV-04: the exit of the parent goes ahead of what its child has queued; the exits of others keep their place.
// OTP: D2
#[test]
fn the_parents_exit_goes_ahead_of_the_queue() {
    seeds(async |node| {
        let (seen, born) = (Journal::new(), Journal::new());
        let (journal, children) = (seen.clone(), born.clone());
        let parent = node.spawn(async move |mut cx: Context<()>| {
            children.note(cx.spawn_link(async move |mut child: Context<&'static str>| {
                child.trap_exit(true);
                child.sleep(Duration::from_secs(1)).await;
                while let Some(event) = child.recv().after(Duration::ZERO).await {
                    journal.note(words(&event));
                }
                Ok(())
            }));
            cx.recv_message().await;
            Err(oops("parent"))
        });
        settle(&node).await;
        let child = born.take().pop().unwrap();
        child.cast("one");
        child.exit(oops("other"));
        child.cast("two");
        parent.cast(());
        ended(&node, &parent).await;
        child.cast("three");
        pause(&node, Duration::from_secs(2)).await;
        assert_eq!(seen.take(), ["EXIT error: parent", "one", "EXIT error: other", "two", "three"]);
    });
}

// OTP: B6, E2
#[test]
fn a_receive_that_asks_for_exits_only_finds_the_parents_exit_too() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let parent = node.spawn(async move |mut cx: Context<()>| {
            cx.spawn_link(async move |mut child: Context<&'static str>| {
                child.trap_exit(true);
                let exit =
                    child.recv_event_where(|event| matches!(event, Event::Exit(_))).after(Duration::from_secs(1)).await;
                journal.note(exit.map(|event| words(&event)));
                Ok(())
            });
            cx.recv_message().await;
            Err(oops("parent"))
        });
        settle(&node).await;
        parent.cast(());
        ended(&node, &parent).await;
        pause(&node, Duration::from_secs(2)).await;
        assert_eq!(seen.take(), [Some("EXIT error: parent".to_owned())]);
    });
}
