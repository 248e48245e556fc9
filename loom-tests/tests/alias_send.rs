//! Models of an alias that ends while others send through it (OTP: C15, C16, D7).
//!
//! Modelled: an alias that its process takes back in its own task; one for a single message, with two senders. Not modelled:
//! a context in another thread (`alias_elsewhere`); monitors whose end ends the alias, which is one step of the same task.
//! Bound: 3 threads, 2 preemptions. Invariants: all of `alias.rs`; a sender never looks whether an alias is in force, so the
//! receiver decides at its walk (`Seat::apply`). Executions at last change: 107 and 376 in 0.04 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, model, node};
use freeboard_mailbox::sync::Mutex;
use freeboard_process::{Alias, Context};
use std::{sync::Arc, time::Duration};

type Number = Tracked<u8>;

#[test]
fn once_unalias_has_returned_nothing_comes_through() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("alias_send/unalias", move || {
        let (node, spawned) = node();
        let (drops, seen) = (Drops::new(), Log::new());
        let slot = Arc::new(Mutex::new(None));
        let give = Arc::clone(&slot);
        let addr = node.spawn({
            let seen = seen.clone();
            async move |mut cx: Context<Number>| {
                let alias = cx.alias();
                let name = alias.reference();
                *give.lock() = Some(alias);
                // One look: it is there, or not yet.
                if let Some(early) = cx.recv_message().after(Duration::ZERO).await {
                    seen.push(*early);
                }
                assert!(cx.unalias(name), "nobody else ends it");
                seen.push(0);
                loop {
                    seen.push(*cx.recv_message().await);
                }
            }
        });
        let mut owner = Driver::new(spawned.one());
        let sender = loom::thread::spawn({
            let (addr, drops) = (addr.clone(), drops.clone());
            move || {
                let alias: Option<Alias<Number>> = slot.lock().take();
                let sent = alias.is_some();
                if let Some(alias) = alias {
                    alias.cast(drops.track(1));
                }
                addr.cast(drops.track(2));
                sent
            }
        });
        owner.run_until(|| seen.has(&2));
        let sent = sender.join().expect("the sender asserts nothing");
        addr.kill();
        owner.run();
        assert_eq!(drops.count(), 1 + usize::from(sent), "each message was received or dropped, once");
        let seen = seen.entries();
        assert!(
            [&[1, 0, 2][..], &[1, 2, 0], &[0, 2], &[2, 0]].contains(&&seen[..]),
            "in their order, and none through the alias after its end: {seen:?}"
        );
        assert!(sent || !seen.contains(&1), "nobody else sends that");
        outcomes.note(seen.contains(&1));
    });
    assert!(reached.has(&true) && reached.has(&false), "accepted before the alias ended, and refused after");
}

#[test]
fn an_alias_for_one_message_delivers_exactly_one() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("alias_send/once", move || {
        let (node, spawned) = node();
        let (drops, seen) = (Drops::new(), Log::new());
        let slot = Arc::new(Mutex::new(None));
        let give = Arc::clone(&slot);
        let addr = node.spawn({
            let seen = seen.clone();
            async move |mut cx: Context<Number>| {
                *give.lock() = Some(cx.alias_once());
                loop {
                    seen.push(*cx.recv_message().await);
                }
            }
        });
        let mut owner = Driver::new(spawned.one());
        owner.poll();
        let alias = slot.lock().take().expect("the first poll gives it away");
        let senders = [1, 2].map(|number| {
            let (alias, drops) = (alias.clone(), drops.clone());
            loom::thread::spawn(move || alias.cast(drops.track(number)))
        });
        owner.run_until(|| !seen.entries().is_empty());
        senders.into_iter().for_each(|sender| sender.join().expect("a sender asserts nothing"));
        owner.poll();
        let seen = seen.entries();
        assert_eq!(seen.len(), 1, "exactly one is received: {seen:?}");
        assert_eq!(drops.count(), 2, "the other one is dropped");
        addr.kill();
        owner.run();
        outcomes.note(seen[0]);
    });
    assert!(reached.has(&1) && reached.has(&2), "either of them may be the first");
}
