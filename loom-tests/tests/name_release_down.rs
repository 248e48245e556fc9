//! Models of a name whose owner ends, against those who want it: who hears of the death finds it free, one of two
//! registrants wins, and no entry is left behind (OTP: A9, J1, J3).
//!
//! Modelled: an owner that returns, watched by a process that registers itself at the Down; a registration of somebody else
//! at that time; one *for* the owner at that time; two registrants of a free name. Not modelled: several shards, which share
//! nothing; unregister, which removes what the end removes, under the same lock.
//! Bound: 3 threads, 2 preemptions. Invariants: all of `names.rs`. Executions at last change: 19, 11, 21 and 4 in 0.01 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Log, Spawned, model, node};
use freeboard_process::{Addr, Context, Event, Node, RegisterError, Target};
use std::future::pending;

/// A process that waits, and its driver; polled once.
fn idle(node: &Node, spawned: &Spawned) -> (Addr<()>, Driver) {
    let addr = node.spawn(async |_: Context<()>| pending().await);
    let mut driver = Driver::new(spawned.one());
    driver.poll();
    (addr, driver)
}

/// A process that returns at its first poll.
fn brief(node: &Node, spawned: &Spawned) -> (Addr<()>, Driver) {
    let addr = node.spawn(async |_: Context<()>| Ok(()));
    (addr, Driver::new(spawned.one()))
}

#[test]
fn who_hears_the_down_can_have_the_name() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("name_release_down/down", move || {
        let (node, spawned) = node();
        let (owner, ending) = brief(&node, &spawned);
        node.register("n", &owner).expect("it is free, and the owner lives");
        let seen = Log::new();
        node.spawn({
            let seen = seen.clone();
            async move |mut cx: Context<()>| {
                let monitor = cx.monitor(&owner);
                drop(owner);
                if let Event::Down(down) = cx.recv().await
                    && down.monitor == monitor
                {
                    let held = cx.node().names_held();
                    seen.push((down.reason.is_expected(), held, cx.node().register("n", &cx.addr())));
                }
                pending().await
            }
        });
        let watcher = Driver::new(spawned.one());
        let watching = watcher.watch_elsewhere(&seen);
        ending.run();
        let watcher = watching.join().expect("the watcher's thread asserts nothing");
        let seen = seen.entries();
        let [(true_reason, held, got)] = seen[..] else { panic!("one Down: {seen:?}") };
        assert_eq!(held, 0, "the name is out of the table before the Down is sent");
        assert_eq!(got, Ok(()), "who hears the Down can register at once");
        assert!("n".resolve(&node).is_some(), "and holds it");
        drop(watcher);
        assert_eq!(node.names_held(), 0, "its end releases it too");
        outcomes.note(true_reason);
    });
    assert_eq!(reached.entries().len(), 2, "the monitor comes before and after the end: {:?}", reached.entries());
}

#[test]
fn an_heir_who_did_not_wait_keeps_the_name() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("name_release_down/heir", move || {
        let (node, spawned) = node();
        let (owner, ending) = brief(&node, &spawned);
        let was = owner.pid().expect("it lives");
        node.register("n", &owner).expect("it is free, and the owner lives");
        let (heir, resting) = idle(&node, &spawned);
        let registering = loom::thread::spawn({
            let (node, heir) = (node.clone(), heir.clone());
            move || node.register("n", &heir)
        });
        ending.run();
        let got = registering.join().expect("the registrant's thread asserts nothing");
        match got {
            Ok(()) => assert_eq!("n".resolve(&node), heir.pid(), "the end of the owner takes only what is its own"),
            Err(error) => {
                assert_eq!(error, RegisterError::Taken { owner: was }, "it came before the end");
                assert_eq!(node.names_held(), 0, "the end releases the name");
            }
        }
        drop(resting);
        assert_eq!(node.names_held(), 0, "nothing is left behind");
        outcomes.note(got.is_ok());
    });
    assert_eq!(reached.entries().len(), 2, "the registration comes before and after the end");
}

#[test]
fn a_registration_for_one_that_ends_leaves_nothing() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("name_release_down/late", move || {
        let (node, spawned) = node();
        let (owner, ending) = brief(&node, &spawned);
        let registering = loom::thread::spawn({
            let (node, owner) = (node.clone(), owner.clone());
            move || node.register("n", &owner)
        });
        ending.run();
        let got = registering.join().expect("the registrant's thread asserts nothing");
        assert!(matches!(got, Ok(()) | Err(RegisterError::NotRunning)), "{got:?}");
        assert_eq!(node.names_held(), 0, "a name that was given to a dying process goes with it");
        assert!(node.whereis::<()>("n").is_none());
        outcomes.note(got.is_ok());
    });
    assert_eq!(reached.entries().len(), 2, "the registration comes before and after the end");
}

#[test]
fn one_of_two_registrants_wins() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("name_release_down/two", move || {
        let (node, spawned) = node();
        let (one, first) = idle(&node, &spawned);
        let (two, second) = idle(&node, &spawned);
        let registering = loom::thread::spawn({
            let (node, two) = (node.clone(), two.clone());
            move || node.register("n", &two)
        });
        let mine = node.register("n", &one);
        let other = registering.join().expect("the registrant's thread asserts nothing");
        let (winner, told) = if mine.is_ok() { (&one, other) } else { (&two, mine) };
        let owner = winner.pid().expect("it lives");
        assert!(mine.is_ok() != other.is_ok(), "exactly one has it: {mine:?}, {other:?}");
        assert_eq!(told, Err(RegisterError::Taken { owner }), "the other one hears who");
        assert_eq!("n".resolve(&node), Some(owner));
        drop((first, second));
        assert_eq!(node.names_held(), 0, "both have ended");
        outcomes.note(mine.is_ok());
    });
    assert_eq!(reached.entries().len(), 2, "either may win");
}
