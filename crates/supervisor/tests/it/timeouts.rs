//! `start_timeout`: a child that does not come up in time is killed, awaited and reported, whoever still listens.

use crate::support::{Caller, Gauge, Init, Manner, Msg, outcome, pass, poll_once, probe, quiet, worker};
use freeboard_process::{Node, Sim};
use freeboard_supervisor::DynamicSupervisor;
use std::{pin::pin, sync::Arc, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);

// OTP: F5, F4, G22
#[test]
fn a_start_that_takes_too_long_is_killed_awaited_and_reported() {
    for seed in 0..50 {
        for manner in [Manner::Plain, Manner::Never] {
            Sim::seed(seed).run(async |node: Node| {
                let sup = DynamicSupervisor::new().intensity(0, LIMIT).start(&node).await.unwrap();
                let gauge = Arc::<Gauge>::default();
                let spec = probe(&gauge, manner, |_| Init::Hangs).start_timeout(LIMIT);
                let (addr, begin) = (spec.addr(), node.now());
                let answer = Caller::new(&node, sup.start_child(spec)).result().await;
                assert_eq!((outcome(&answer).as_str(), node.now() - begin), ("Timeout", LIMIT));
                assert!(addr.ended().is_some());
                assert_eq!((gauge.now(), gauge.total(), sup.tracked()), (0, 1, 0));
                sup.start_child(worker()).await.unwrap();
            });
        }
    }
}

// OTP: F5
#[test]
fn the_limit_holds_although_the_caller_is_gone() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            {
                let spec = probe(&gauge, Manner::Plain, |_| Init::Hangs).start_timeout(LIMIT);
                let mut start = pin!(sup.start_child(spec));
                assert!(poll_once(start.as_mut()).await.is_none());
            }
            pass(&node, LIMIT - Duration::from_nanos(1)).await;
            assert_eq!((gauge.now(), sup.tracked()), (1, 1), "not a nanosecond early");
            quiet(&node).await;
            quiet(&node).await;
            assert_eq!((gauge.now(), sup.tracked()), (0, 0));
        });
    }
}

// OTP: F5
#[test]
fn a_start_within_its_limit_is_left_alone() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let takes = LIMIT - Duration::from_nanos(1);
            let spec = probe(&Arc::default(), Manner::Plain, move |_| Init::Takes(takes)).start_timeout(LIMIT);
            let addr = sup.start_child(spec).await.unwrap();
            let pid = addr.pid();
            pass(&node, 2 * LIMIT).await;
            assert_eq!((addr.pid(), addr.call(Msg::Ask).await.unwrap()), (pid, 0));
        });
    }
}

/// The timer that watches over a start must not hold what it watches.
// OTP: F5
#[test]
fn an_ended_child_leaves_no_seat_behind_although_its_limit_has_not_passed() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let before = node.seats();
        let addr = sup.start_child(worker().start_timeout(LIMIT)).await.unwrap();
        sup.terminate_child(&addr).await.unwrap();
        drop(addr);
        quiet(&node).await;
        assert_eq!(node.seats(), before);
    });
}

/// A restart goes the same way as a start, so its `init` may take no longer.
// OTP: F5, G20
#[test]
fn the_limit_holds_for_restarts_too() {
    for seed in 0..10 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(2, 100 * LIMIT).start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let plan = |start| if start == 1 { Init::Hangs } else { Init::Up };
            let addr = sup.start_child(probe(&gauge, Manner::Plain, plan).start_timeout(LIMIT)).await.unwrap();
            addr.kill();
            pass(&node, LIMIT - Duration::from_nanos(1)).await;
            assert_eq!((gauge.total(), sup.count_children().active), (2, 0), "the second start hangs");
            pass(&node, Duration::from_nanos(2)).await;
            assert_eq!((gauge.total(), sup.count_children().active), (3, 1), "it was killed and tried again");
        });
    }
}
