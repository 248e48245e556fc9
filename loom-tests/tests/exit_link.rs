//! Models of a process's end against a link that is being made, or taken back (OTP: B1, B3, B10, B11).
//!
//! Modelled: a target whose body returns, whose task is dropped, or which is killed, against a linker's own task that traps
//! exits, or does not; an unlink on its way while the target ends. Not modelled: both ends at once, whose tokens
//! `links_crossed.rs` goes through one by one; batches of the exit protocol, which run in one task. Bound: 3 threads, 2
//! preemptions. Invariants: I3 and I4 of `intake.rs`; an exit of removed tokens finds none (`life.rs`); a queued link is told
//! the true reason (`exit.rs`). Executions at last change: 19, 13, 683, 16 and 22 in 0.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, model, node};
use freeboard_process::{Addr, Context, Event, ExitReason, Node};

/// How the target ends.
#[derive(Clone, Copy)]
enum End {
    /// Its body returns.
    Returns,
    /// Its task is dropped, as when a runtime goes away.
    TaskDropped,
    /// Another thread kills it.
    Killed,
}

/// A target that ends in that way, and holds something that must be dropped.
fn target(node: &Node, end: End, held: Tracked<()>) -> Addr<()> {
    node.spawn(async move |_: Context<()>| {
        if matches!(end, End::Killed) {
            std::future::pending::<()>().await;
        }
        drop(held);
        Err(ExitReason::Shutdown)
    })
}

/// Brings it about on this thread.
fn bring_about(end: End, target: &Addr<()>, ending: Driver) {
    match end {
        End::Returns => ending.run(),
        End::TaskDropped => drop(ending),
        End::Killed => {
            let killer = loom::thread::spawn({
                let target = target.clone();
                move || target.kill()
            });
            ending.run();
            killer.join().expect("the killer asserts nothing");
        }
    }
}

/// The reason in a word, if it is the one that this end has.
fn word(end: End, reason: &ExitReason) -> &'static str {
    match (end, reason) {
        (End::Returns, ExitReason::Shutdown)
        | (End::TaskDropped, ExitReason::ShutdownWith(_))
        | (End::Killed, ExitReason::Killed) => "the reason",
        (_, ExitReason::NoProc) => "noproc",
        _ => "an untrue reason",
    }
}

fn one_exit(name: &str, end: End) {
    let reached = Log::new();
    let outcomes = reached.clone();
    model(name, move || {
        let (node, spawned) = node();
        let (drops, seen) = (Drops::new(), Log::new());
        let target = target(&node, end, drops.track(()));
        let ending = Driver::new(spawned.one());
        node.spawn({
            let (seen, target) = (seen.clone(), target.clone());
            async move |mut cx: Context<()>| {
                cx.trap_exit(true);
                cx.link(&target);
                loop {
                    seen.push(match cx.recv().await {
                        Event::Exit(exit) if exit.is_of_link() => word(end, &exit.reason),
                        _ => "something else",
                    });
                }
            }
        });
        let linker = Driver::new(spawned.one());
        let linking = linker.watch_elsewhere(&seen);
        bring_about(end, &target, ending);
        let mut linker = linking.join().expect("the linker's thread asserts nothing");
        linker.poll();
        let seen = seen.entries();
        assert!(seen == ["the reason"] || seen == ["noproc"], "exactly one exit, with a true reason: {seen:?}");
        assert_eq!(drops.count(), 1, "what the target held is dropped");
        outcomes.note(seen[0]);
    });
    assert_eq!(reached.entries().len(), 2, "the link comes before and after the end: {:?}", reached.entries());
}

#[test]
fn a_target_that_returns() {
    one_exit("exit_link/return", End::Returns);
}

#[test]
fn a_target_whose_task_is_dropped() {
    one_exit("exit_link/drop", End::TaskDropped);
}

#[test]
fn a_target_that_is_killed() {
    one_exit("exit_link/kill", End::Killed);
}

#[test]
fn a_linker_that_does_not_trap_ends_with_the_reason_of_its_target() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("exit_link/death", move || {
        let (node, spawned) = node();
        let drops = Drops::new();
        let target = target(&node, End::Returns, drops.track(()));
        let ending = Driver::new(spawned.one());
        let other = target.clone();
        let held = drops.track(());
        let linker = node.spawn(async move |mut cx: Context<()>| {
            cx.link(&other);
            std::future::pending::<()>().await;
            drop(held);
            Ok(())
        });
        let linking = Driver::new(spawned.one());
        let linked = loom::thread::spawn(move || linking.run());
        bring_about(End::Returns, &target, ending);
        linked.join().expect("the linker's thread asserts nothing");
        let reason = linker.ended().expect("it dies with what it is linked to");
        let (told, absent) = (matches!(reason, ExitReason::Shutdown), matches!(reason, ExitReason::Error(_)));
        assert!(told || absent, "it dies of the target's reason, or of its absence: {reason}");
        assert_eq!(drops.count(), 2, "what both held is dropped");
        outcomes.note(told);
    });
    assert_eq!(reached.entries().len(), 2, "the link comes before and after the end: {:?}", reached.entries());
}

#[test]
fn after_an_unlink_no_exit_arrives() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("exit_link/unlink", move || {
        let (node, spawned) = node();
        let (drops, seen) = (Drops::new(), Log::new());
        let target = target(&node, End::Returns, drops.track(()));
        let ending = Driver::new(spawned.one());
        node.spawn({
            let (seen, target) = (seen.clone(), target.clone());
            async move |mut cx: Context<()>| {
                cx.trap_exit(true);
                cx.link(&target);
                // One look: the exit is there, or not yet.
                if let Some(Event::Exit(_)) = cx.recv().after(std::time::Duration::ZERO).await {
                    seen.push("before");
                }
                cx.unlink(&target);
                seen.push("unlinked");
                loop {
                    drop(cx.recv().await);
                    seen.push("after");
                }
            }
        });
        let mut linker = Driver::new(spawned.one());
        let linking = loom::thread::spawn({
            let seen = seen.clone();
            move || {
                linker.run_until(|| seen.has(&"unlinked"));
                linker
            }
        });
        bring_about(End::Returns, &target, ending);
        let mut linker = linking.join().expect("the linker's thread asserts nothing");
        linker.poll();
        let seen = seen.entries();
        assert!(seen == ["unlinked"] || seen == ["before", "unlinked"], "once unlink has returned, none: {seen:?}");
        outcomes.note(seen[0]);
    });
    assert_eq!(reached.entries().len(), 2, "the exit comes before the unlink, or never: {:?}", reached.entries());
}
