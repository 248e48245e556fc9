//! Models of wakers that have outlived their use: a receive left them behind that is gone, or their process has ended
//! (OTP: A5, D10).
//!
//! Modelled: a receive that was polled inside a set of futures, with a waker of the set's own, and dropped; then a message, a
//! trapped exit and a kill, for a process that receives by its task's waker, or waits for something else. Not modelled: a
//! context in another thread (`alias_elsewhere`). Bound: 3 threads, 2 preemptions. Invariants: I1 and I2 of `intake.rs`; a
//! closed seat holds no waker (`Intake::close`), or an address would keep a dead task in memory. Executions at last change:
//! 278 and 18 in 0.02 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Park, Tracked, model, node};
use freeboard_process::{Context, Event, ExitReason};
use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, Wake, Waker},
};

/// A waker that wakes nobody and whose drop is counted.
struct Stale(#[expect(dead_code, reason = "it is held for its destructor")] Tracked<()>);

impl Wake for Stale {
    fn wake(self: Arc<Self>) {}
}

/// Passes its wakes on; its drop is counted.
struct Counted(Waker, #[expect(dead_code, reason = "it is held for its destructor")] Tracked<()>);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Gives way without a wake: the model polls again.
async fn yield_once() {
    let mut first = true;
    poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

/// Polls a receive as a set of futures does, with a waker of its own, and drops it; answers what it had found.
async fn receive_in_a_set<M: Send + 'static>(cx: &mut Context<M>, waker: Waker) -> Option<Event<M>> {
    poll_fn(|_| match pin!(cx.recv()).poll(&mut std::task::Context::from_waker(&waker)) {
        Poll::Ready(event) => Poll::Ready(Some(event)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn a_message_and_a_trapped_exit_reach_a_process_that_has_left_a_waker_behind() {
    let reached = Log::new();
    let found = reached.clone();
    model("stale_waker/events", move || {
        let (node, spawned) = node();
        let (drops, seen) = (Drops::new(), Log::new());
        let stale = drops.track(());
        let addr = node.spawn({
            let (seen, outcomes) = (seen.clone(), found.clone());
            async move |mut cx: Context<Tracked<u8>>| {
                cx.trap_exit(true);
                yield_once().await;
                let mut first = receive_in_a_set(&mut cx, Waker::from(Arc::new(Stale(stale)))).await;
                outcomes.note(first.is_some());
                while seen.entries().len() < 2 {
                    let event = match first.take() {
                        Some(event) => event,
                        None => cx.recv().await,
                    };
                    seen.push(match event {
                        Event::Message(message) => *message,
                        Event::Exit(_) => 2,
                        _ => 3,
                    });
                }
                Ok(())
            }
        });
        let mut process = Driver::new(spawned.one());
        assert!(!process.poll(), "it traps exits, and gives way");
        let sender = loom::thread::spawn({
            let (addr, drops) = (addr.clone(), drops.clone());
            move || {
                addr.cast(drops.track(1));
                addr.exit(ExitReason::Shutdown);
            }
        });
        process.poll();
        process.run();
        sender.join().expect("the sender asserts nothing");
        assert_eq!(seen.entries(), [1, 2], "in the order in which they were sent");
        assert_eq!(drops.count(), 2, "the message and the stale waker are gone");
    });
    assert!(reached.has(&true) && reached.has(&false), "the receive in the set finds something, or leaves its waker");
}

#[test]
fn a_kill_wakes_the_task_and_a_dead_process_keeps_no_waker() {
    model("stale_waker/kill", || {
        let (node, spawned) = node();
        let drops = Drops::new();
        let stale = drops.track(());
        let addr = node.spawn(async move |mut cx: Context<()>| {
            receive_in_a_set(&mut cx, Waker::from(Arc::new(Stale(stale)))).await;
            pending::<()>().await;
            Ok(())
        });
        let mut task = spawned.one();
        let park = Park::new();
        let waker = Waker::from(Arc::new(Counted(park.waker().clone(), drops.track(()))));
        let killer = loom::thread::spawn({
            let addr = addr.clone();
            move || addr.kill()
        });
        while Pin::new(&mut task).poll(&mut std::task::Context::from_waker(&waker)).is_pending() {
            park.wait();
        }
        killer.join().expect("the killer asserts nothing");
        drop((task, waker));
        assert!(matches!(addr.ended(), Some(ExitReason::Killed)), "it ends, whatever it waits for");
        assert_eq!(drops.count(), 2, "its address lives on and holds neither waker");
    });
}
