//! Models of a process whose context was lent to another thread: it receives there, while the process's own task decides
//! what came through aliases (OTP: C15, E14).
//!
//! Modelled: a message that goes ahead of an ordinary one on its way from the walk to the receiver, who must be woken for
//! it; an alias that ends in the receiver's thread while the task walks what came through it. Not modelled: what a search
//! does with the lane (`lane_placement`). Bound: 3 threads, 2 preemptions. Invariants: entries are staged before the flag
//! is raised, and the flag is raised before the walked buffer is staged (`seat.rs`); I5 of `intake.rs`. Executions at last
//! change: 4203 and 1365 in 1.1 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, block_on, model, node};
use freeboard_mailbox::sync::Mutex;
use freeboard_process::{Addr, Alias, Context};
use std::{future::pending, sync::Arc};

type Number = Tracked<u8>;

/// A process, driven here, that has given away its context and an alias.
struct Lent {
    owner: Driver,
    addr: Addr<Number>,
    alias: Alias<Number>,
    cx: Context<Number>,
}

fn lent(make: impl FnOnce(&mut Context<Number>) -> Alias<Number> + Send + 'static) -> Lent {
    let (node, spawned) = node();
    let slot = Arc::new(Mutex::new(None));
    let lend = Arc::clone(&slot);
    let addr = node.spawn(async move |mut cx: Context<Number>| {
        let alias = make(&mut cx);
        *lend.lock() = Some((cx, alias));
        pending().await
    });
    let mut owner = Driver::new(spawned.one());
    owner.poll();
    let (cx, alias) = slot.lock().take().expect("the first poll lends it");
    Lent { owner, addr, alias, cx }
}

#[test]
fn a_message_that_goes_ahead_reaches_a_receiver_in_another_thread() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("alias_elsewhere/ahead", move || {
        let Lent { owner, addr, alias, mut cx } = lent(|cx| cx.priority_alias());
        let drops = Drops::new();
        let sender = loom::thread::spawn({
            let (addr, drops) = (addr.clone(), drops.clone());
            move || {
                addr.cast(drops.track(1));
                alias.send_priority(drops.track(2)).expect("the process lives");
            }
        });
        let receiver = loom::thread::spawn(move || {
            let heard = [*block_on(cx.recv_message()), *block_on(cx.recv_message())];
            addr.kill();
            heard
        });
        owner.run();
        sender.join().expect("the sender is not refused");
        let heard = receiver.join().expect("the receiver asserts nothing");
        assert_eq!(drops.count(), 2, "each message was received once");
        outcomes.note(heard);
    });
    assert!(reached.has(&[1, 2]) && reached.has(&[2, 1]), "it comes too late to go ahead, and in time");
}

#[test]
fn an_alias_that_ends_in_another_thread_refuses_what_was_not_walked() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("alias_elsewhere/unalias", move || {
        let Lent { owner, addr, alias, mut cx } = lent(|cx| cx.alias());
        let drops = Drops::new();
        let name = alias.reference();
        let sender = loom::thread::spawn({
            let (addr, drops) = (addr.clone(), drops.clone());
            move || {
                alias.cast(drops.track(1));
                addr.cast(drops.track(2));
            }
        });
        let receiver = loom::thread::spawn(move || {
            assert!(cx.unalias(name), "nobody else ends it");
            let first = *block_on(cx.recv_message());
            let second = (first == 1).then(|| *block_on(cx.recv_message()));
            addr.kill();
            (first, second)
        });
        owner.run();
        sender.join().expect("the sender asserts nothing");
        let heard = receiver.join().expect("an alias ends once");
        assert!(
            heard == (1, Some(2)) || heard == (2, None),
            "in the order in which they were sent, or refused: {heard:?}"
        );
        assert_eq!(drops.count(), 2, "each message was received or refused, once");
        outcomes.note(heard.0);
    });
    assert!(reached.has(&1) && reached.has(&2), "accepted before the alias ended, and refused after");
}
