//! Models of a key whose owner ends, against those who want it: who hears of the death finds it free, one of two
//! registrants wins, and no entry is left behind (OTP: J1, J3, J5).
//!
//! Modelled: an owner that returns, watched by a process that registers itself at the Down; a registration of somebody
//! else at that time; one by the owner's own context, on another thread, at that time; two registrants of a free key, of
//! whom one has to compare again; the last member of a group that ends while another joins. Not modelled: several shards,
//! which share nothing; listeners, who are told when all this is over.
//! Bound: 3 threads, 2 preemptions. Invariants: all of `keyed.rs`. Executions at last change: 7, 13, 29, 9 and
//! 19 in 0.02 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Log, Spawned, model, node};
use freeboard_process::sync::Mutex;
use freeboard_process::{Addr, Context, Event, Groups, Node, RegisterError, Registry};
use std::{
    future::{pending, poll_fn},
    mem,
    sync::Arc,
    task::Poll,
};

type Keys = Registry<u8, ()>;

/// Ready at the second poll, woken or not.
async fn next_poll() {
    let mut been = false;
    poll_fn(|_| if mem::replace(&mut been, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// A process that waits, its driver, polled once, and its context.
fn idle(node: &Node, spawned: &Spawned) -> (Addr<()>, Driver, Context<()>) {
    process(node, spawned, pending())
}

/// A process that returns at its second poll.
fn brief(node: &Node, spawned: &Spawned) -> (Addr<()>, Driver, Context<()>) {
    process(node, spawned, next_poll())
}

fn process(
    node: &Node,
    spawned: &Spawned,
    body: impl Future<Output = ()> + Send + 'static,
) -> (Addr<()>, Driver, Context<()>) {
    let handed = Arc::new(Mutex::new(None));
    let out = Arc::clone(&handed);
    let addr = node.spawn(async move |cx: Context<()>| {
        *out.lock() = Some(cx);
        body.await;
        Ok(())
    });
    let mut driver = Driver::new(spawned.one());
    driver.poll();
    let cx = handed.lock().take().expect("it was polled");
    (addr, driver, cx)
}

#[test]
fn who_hears_the_down_can_have_the_key() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("registry_release/down", move || {
        let (node, spawned) = node();
        let keys = Keys::unique(&node);
        let (owner, ending, cx) = brief(&node, &spawned);
        keys.register(&cx, 7).expect("it is free, and the owner lives");
        let seen = Log::new();
        node.spawn({
            let (seen, keys) = (seen.clone(), keys.clone());
            async move |mut cx: Context<()>| {
                let monitor = cx.monitor(&owner);
                drop(owner);
                if let Event::Down(down) = cx.recv().await
                    && down.monitor == monitor
                {
                    seen.push((down.reason.is_expected(), keys.len(), keys.register(&cx, 7)));
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
        assert_eq!(held, 0, "the key is out of the table before the Down is sent");
        assert_eq!(got, Ok(()), "who hears the Down can register at once");
        assert!(keys.lookup(&7).is_some(), "and holds it");
        drop(watcher);
        assert!(keys.is_empty(), "its end releases it too");
        drop(cx);
        outcomes.note(true_reason);
    });
    assert_eq!(reached.entries().len(), 2, "the monitor comes before and after the end: {:?}", reached.entries());
}

#[test]
fn an_heir_who_did_not_wait_keeps_the_key() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("registry_release/heir", move || {
        let (node, spawned) = node();
        let keys = Keys::unique(&node);
        let (owner, ending, cx) = brief(&node, &spawned);
        let was = owner.pid().expect("it lives");
        keys.register(&cx, 7).expect("it is free, and the owner lives");
        let (heir, resting, heirs) = idle(&node, &spawned);
        let registering = loom::thread::spawn({
            let keys = keys.clone();
            move || (keys.register(&heirs, 7), heirs)
        });
        ending.run();
        let (got, heirs) = registering.join().expect("the registrant's thread asserts nothing");
        match got {
            Ok(()) => assert_eq!(keys.owner(&7), heir.pid(), "the end of the owner takes only what is its own"),
            Err(error) => {
                assert_eq!(error, RegisterError::Taken { owner: was }, "it came before the end");
                assert!(keys.is_empty(), "the end releases the key");
            }
        }
        drop((resting, heirs, cx));
        assert!(keys.is_empty(), "nothing is left behind");
        outcomes.note(got.is_ok());
    });
    assert_eq!(reached.entries().len(), 2, "the registration comes before and after the end");
}

#[test]
fn a_registration_by_one_that_ends_leaves_nothing() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("registry_release/late", move || {
        let (node, spawned) = node();
        let keys = Keys::duplicate(&node);
        let (_owner, ending, cx) = brief(&node, &spawned);
        let registering = loom::thread::spawn({
            let keys = keys.clone();
            move || keys.register(&cx, 7)
        });
        ending.run();
        let got = registering.join().expect("the registrant's thread asserts nothing");
        assert!(matches!(got, Ok(()) | Err(RegisterError::NotRunning)), "{got:?}");
        assert!(keys.is_empty(), "a key that a dying process took goes with it");
        outcomes.note(got.is_ok());
    });
    assert_eq!(reached.entries().len(), 2, "the registration comes before and after the end");
}

#[test]
fn one_of_two_registrants_wins() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("registry_release/two", move || {
        let (node, spawned) = node();
        let keys = Keys::unique(&node);
        let (one, first, ones) = idle(&node, &spawned);
        let (two, second, twos) = idle(&node, &spawned);
        let registering = loom::thread::spawn({
            let keys = keys.clone();
            move || (keys.register(&twos, 7), twos)
        });
        let mine = keys.register(&ones, 7);
        let (other, twos) = registering.join().expect("the registrant's thread asserts nothing");
        let (winner, told) = if mine.is_ok() { (&one, other) } else { (&two, mine) };
        let owner = winner.pid().expect("it lives");
        assert!(mine.is_ok() != other.is_ok(), "exactly one has it: {mine:?}, {other:?}");
        assert_eq!(told, Err(RegisterError::Taken { owner }), "the other one hears who");
        assert_eq!((keys.owner(&7), keys.len()), (Some(owner), 1));
        drop((first, second, ones, twos));
        assert!(keys.is_empty(), "both have ended");
        outcomes.note(mine.is_ok());
    });
    assert_eq!(reached.entries().len(), 2, "either may win");
}

#[test]
fn who_joins_while_the_last_member_ends_is_a_member() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("registry_release/group", move || {
        let (node, spawned) = node();
        let groups = Groups::<u8, ()>::new(&node);
        let (_last, ending, cx) = brief(&node, &spawned);
        groups.join(&cx, 7).expect("it lives");
        let (comer, resting, comers) = idle(&node, &spawned);
        let joining = loom::thread::spawn({
            let groups = groups.clone();
            move || {
                let got = groups.join(&comers, 7);
                (got, groups.members(&7).len(), comers)
            }
        });
        ending.run();
        let (got, seen, comers) = joining.join().expect("the joining thread asserts nothing");
        assert_eq!(got, Ok(()));
        assert_eq!(groups.members(&7), [comer], "the one has left and the other has not");
        assert_eq!(groups.groups(), [7]);
        drop((resting, comers, cx));
        assert!(groups.groups().is_empty(), "both have ended");
        outcomes.note(seen);
    });
    assert_eq!(reached.entries().len(), 2, "they meet, and they do not: {:?}", reached.entries());
}
