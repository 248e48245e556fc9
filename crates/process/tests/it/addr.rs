//! Sending to the living, the dead and the not yet born.

use crate::support::{
    Journal, Notes, ended, idler, incarnate, oops, pause, seeds, settle, threads, until_zero, watch, why,
};
use freeboard_process::{Context, ExitReason, Launcher, Refused, Reply};
use std::time::Duration;

/// DEV-02: `send` to the dead gives the message back, with the reason; `cast` never says anything.
// OTP: A12, F14
#[test]
fn a_send_to_the_dead_gives_the_message_back_and_a_cast_drops_it_at_once() {
    seeds(async |node| {
        let dropped = Journal::new();
        let dead = node.spawn(async |_cx: Context<Notes<u32>>| Err(oops("dead")));
        ended(&node, &dead).await;
        let error = dead.send(Notes(dropped.clone(), 1)).unwrap_err();
        assert_eq!(dropped.len(), 0);
        assert_eq!(error.message.1, 1);
        match error.why {
            Refused::Closed(reason) => assert_eq!(reason.to_string(), "error: dead"),
            other => panic!("{other:?}"),
        }
        drop(error.message);
        assert_eq!(dropped.take(), [1]);
        dead.cast(Notes(dropped.clone(), 2));
        assert_eq!(dropped.take(), [2]);
    });
}

// OTP: A12
#[test]
fn what_is_queued_when_the_process_dies_is_dropped_before_anybody_hears_of_it() {
    let run = async |node: freeboard_process::Node| {
        let dropped = Journal::new();
        let process = node.spawn(async |_cx: Context<Notes<u32>>| std::future::pending().await);
        (0..50).for_each(|n| process.cast(Notes(dropped.clone(), n)));
        let over = watch(&node, &process).await;
        process.kill();
        over.await;
        assert_eq!(dropped.take(), (0..50).collect::<Vec<_>>());
    };
    seeds(run);
    threads(async |node| {
        for _ in 0..50 {
            run(node.clone()).await;
        }
    });
}

// OTP: A12
#[test]
fn every_message_is_received_or_given_back_or_dropped_exactly_once() {
    threads(async |node| {
        for _ in 0..20 {
            let dropped = Journal::new();
            let process = node.spawn(async |mut cx: Context<Notes<u32>>| {
                for _ in 0..500 {
                    drop(cx.recv_message().await);
                }
                Ok(())
            });
            let over = watch(&node, &process).await;
            let senders: Vec<_> = (0..2)
                .map(|sender| {
                    let (to, notes) = (process.clone(), dropped.clone());
                    node.spawn(async move |_cx: Context<()>| {
                        (0..1000).for_each(|n| to.cast(Notes(notes.clone(), sender * 1000 + n)));
                        Ok(())
                    })
                })
                .collect();
            for sender in senders {
                ended(&node, &sender).await;
            }
            over.await;
            let mut seen = dropped.take();
            seen.sort_unstable();
            assert_eq!(seen, (0..2000).collect::<Vec<_>>());
        }
    });
}

// OTP: A11, A12
#[test]
fn an_address_is_good_before_the_start_across_restarts_and_says_when_it_is_over() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let launcher = Launcher::new(move |mut cx: Context<u32>| {
            let journal = journal.clone();
            Box::pin(async move {
                cx.acknowledge();
                journal.note(cx.recv_message().await);
                Ok(())
            })
        });
        let addr = launcher.addr();
        assert_eq!((addr.pid(), addr.send(1).is_ok()), (None, true));
        let first = incarnate(&node, &launcher);
        assert_eq!(addr.pid(), Some(first));
        settle(&node).await;
        assert!(matches!(addr.send(2).unwrap_err().why, Refused::Vacant));
        assert!(addr.pid().is_none() && addr.ended().is_none());
        let second = incarnate(&node, &launcher);
        assert!(second.generation() > first.generation() && second.slot() == first.slot());
        addr.send(3).unwrap();
        settle(&node).await;
        assert_eq!(seen.take(), [1, 3]);
        drop(launcher);
        assert!(matches!(addr.ended(), Some(ExitReason::Normal)));
        assert!(matches!(addr.send(4).unwrap_err().why, Refused::Closed(ExitReason::Normal)));
    });
}

// OTP: A12
#[test]
fn an_address_keeps_no_process_alive_and_dropping_it_ends_none() {
    seeds(async |node| {
        let process = idler(&node);
        let (pid, weak) = (process.pid().unwrap(), process.downgrade());
        drop(process);
        settle(&node).await;
        assert!(node.is_alive(pid));
        let back = weak.upgrade().unwrap();
        back.kill();
        drop(back);
        settle(&node).await;
        assert!(weak.upgrade().is_none() && !node.is_alive(pid));
        assert_eq!(node.seats(), 0);
    });
}

// OTP: E12
#[test]
fn the_depth_counts_what_waits_and_not_what_the_dead_left() {
    seeds(async |node| {
        let launcher = until_zero();
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        settle(&node).await;
        // It takes three, ends, and leaves two.
        [1, 1, 0, 1, 1].into_iter().for_each(|n| addr.cast(n));
        assert_eq!(addr.depth(), 5);
        settle(&node).await;
        incarnate(&node, &launcher);
        settle(&node).await;
        assert_eq!(addr.depth(), 0);
        addr.kill();
        settle(&node).await;
    });
}

// OTP: F8
#[test]
fn a_call_made_before_the_first_start_keeps_its_limit_after_it() {
    seeds(async |node| {
        let launcher = Launcher::new(|mut cx: Context<Reply<u32>>| {
            Box::pin(async move {
                let _kept = cx.recv_message().await;
                cx.sleep(Duration::from_secs(100)).await;
                Ok(())
            })
        });
        let (addr, answers) = (launcher.addr(), Journal::new());
        let journal = answers.clone();
        node.spawn(async move |_cx: Context<()>| {
            let answer = addr.call(|reply| reply).within(Duration::from_millis(10)).await;
            journal.note(why(&answer));
            Ok(())
        });
        settle(&node).await;
        incarnate(&node, &launcher);
        pause(&node, Duration::from_secs(200)).await;
        assert_eq!(answers.take(), ["Timeout"]);
    });
}
