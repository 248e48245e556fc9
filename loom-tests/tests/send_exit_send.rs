//! Models of one order for messages and signals: `send, exit, send` against a process that traps exits (OTP: D1, D2).
//!
//! Modelled: one sender against the whole task of the receiver, so both ways in: walked by a poll, exchanged by a receive.
//! Not modelled: a second sender, to which there is no order (OTP: D5). Bound: 2 threads, 2 preemptions, chunks of 2.
//! Invariants: I2 of `intake.rs`; signals are applied at each poll (`task.rs`). Executions at last change: 92 in 0.01 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Driver, Drops, Log, Tracked, model, node};
use freeboard_process::{Context, Event, ExitReason};

#[test]
fn a_trapping_process_sees_them_in_the_order_they_were_sent() {
    model("send_exit_send", || {
        let (node, spawned) = node();
        let (drops, seen) = (Drops::new(), Log::new());
        let addr = node.spawn({
            let seen = seen.clone();
            async move |mut cx: Context<Tracked<&'static str>>| {
                cx.trap_exit(true);
                for _ in 0..3 {
                    seen.push(match cx.recv().await {
                        Event::Message(message) => *message,
                        Event::Exit(_) => "exit",
                        _ => "something nobody sent",
                    });
                }
                Ok(())
            }
        });
        let mut receiver = Driver::new(spawned.one());
        assert!(!receiver.poll(), "it traps exits from its first poll on, and waits");
        let sender = loom::thread::spawn({
            let (addr, drops) = (addr.clone(), drops.clone());
            move || {
                addr.send(drops.track("first")).expect("the receiver waits for three events");
                addr.exit(ExitReason::Shutdown);
                addr.send(drops.track("second")).expect("the receiver waits for three events");
            }
        });
        receiver.run();
        sender.join().expect("the sender's assertion failed");
        assert_eq!(
            seen.entries(),
            ["first", "exit", "second"],
            "the order of one sender holds over messages and signals"
        );
        assert_eq!(drops.count(), 2, "each message was received once");
        assert!(matches!(addr.ended(), Some(ExitReason::Normal)), "the exit signal was trapped");
    });
}
