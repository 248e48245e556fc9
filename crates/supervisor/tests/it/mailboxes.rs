//! Children whose mailboxes have a policy.

use crate::support::outcome;
use freeboard_process::{Context, Dropped, Node, Policy, Refused, Reply, Sim};
use freeboard_supervisor::{DynamicSupervisor, Restart, child_fn};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Answers one request, then ends badly.
async fn fragile(mut cx: Context<Reply<u32>>) -> freeboard_process::Ended {
    cx.sleep(5 * MS).await;
    cx.recv_message().await.send(1);
    Err(freeboard_process::ExitReason::NoProc)
}

// OTP: E13, G8
#[test]
fn a_policy_that_contradicts_itself_is_a_contradiction_in_the_spec() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let seats = node.seats();
        let spec = child_fn(fragile).mailbox(Policy::unbounded().drop_oldest());
        let waiting = spec.addr().request(|reply| reply);
        let refused = sup.start_child(spec).await;
        assert!(outcome(&refused).contains("mailbox: dropping the oldest"), "{}", outcome(&refused));
        assert!(waiting.await.is_err(), "whoever waited for the child hears that it will not come");
        assert_eq!((sup.tracked(), node.seats()), (0, seats));
        assert!(node.start(child_fn(fragile).mailbox(Policy::bounded(0))).await.is_err());
    });
}

// OTP: E13, A12
#[test]
fn a_childs_bound_holds_across_its_restarts() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(10, MS).start(&node).await.unwrap();
            let spec = child_fn(fragile).restart(Restart::Permanent).mailbox(Policy::bounded(2));
            let addr = spec.addr();
            sup.start_child(spec).await.unwrap();
            for round in 1..=3 {
                while addr.pid().is_none() {
                    sup.count_children();
                    node.start(child_fn(async |_cx: Context<()>| Ok(()))).await.unwrap();
                }
                let (first, second) = (addr.request(|reply| reply), addr.request(|reply| reply));
                let third = addr.call(|reply| reply).await;
                assert!(matches!(third, Err(freeboard_process::CallError::Refused(Refused::Full))), "{third:?}");
                assert_eq!(first.await.unwrap(), 1);
                assert!(second.await.is_err(), "it ended before it answered");
                assert_eq!(addr.stats().dropped(Dropped::Exited), round);
            }
        });
    }
}

// OTP: G6
#[test]
fn a_drained_child_ends_normal_and_a_transient_one_stays_away() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let serve = async |mut cx: Context<Reply<u32>>| {
            loop {
                cx.recv_message().await.send(7);
            }
        };
        let child = sup.start_child(child_fn(serve).restart(Restart::Transient)).await.unwrap();
        let answers = [child.request(|reply| reply), child.request(|reply| reply)];
        child.drain();
        for answer in answers {
            assert_eq!(answer.await.unwrap(), 7);
        }
        while sup.tracked() > 0 {
            node.start(child_fn(async |_cx: Context<()>| Ok(()))).await.unwrap();
        }
        assert!(matches!(child.ended(), Some(freeboard_process::ExitReason::Normal)));
    });
}
