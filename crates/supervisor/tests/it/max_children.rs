//! The limit on children: nobody gets past it, and whoever is refused has cost nothing.

use crate::support::{Caller, Gauge, Init, Manner, Msg, broken, outcome, pass, probe, quiet, worker};
use freeboard_process::{Node, Sim};
use freeboard_supervisor::{DynamicSupervisor, Restart};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

// OTP: H4
#[test]
fn zero_is_legal_and_refuses_before_anything_is_run() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().max_children(0).start(&node).await.unwrap();
        let (seats, gauge) = (node.seats(), Arc::<Gauge>::default());
        let spec = probe(&gauge, Manner::Plain, |_| Init::Up);
        let addr = spec.addr();
        let waiting = addr.request(Msg::Ask);
        assert_eq!(outcome(&sup.start_child(spec).await), "MaxChildren");
        assert!(waiting.await.is_err(), "whoever waited for the child hears that it will not come");
        assert_eq!((gauge.total(), sup.tracked(), node.seats()), (0, 0, seats), "not even a slot was taken");
    });
}

// OTP: H4
#[test]
fn concurrent_starts_never_exceed_the_limit() {
    for seed in 0..100 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().max_children(7).start(&node).await.unwrap();
            let gauge = Arc::<Gauge>::default();
            let inits = [Init::Up, Init::Steps(3), Init::Ignores, Init::Stops(broken()), Init::Takes(HOUR)];
            let callers: Vec<_> = (0..60)
                .map(|n| {
                    let init = inits[n % inits.len()].clone();
                    Caller::new(&node, sup.start_child(probe(&gauge, Manner::Plain, move |_| init.clone())))
                })
                .collect();
            let (mut up, mut refused) = (Vec::new(), 0);
            for caller in callers {
                match caller.result().await {
                    Ok(addr) => up.push(addr),
                    Err(error) => refused += usize::from(outcome::<()>(&Err(error)) == "MaxChildren"),
                }
            }
            assert!(gauge.high() <= 7, "{} at once", gauge.high());
            assert_eq!((gauge.now(), sup.tracked()), (up.len(), up.len()));
            assert!(refused > 0 && gauge.total() == 60 - refused, "nothing was run for the refused");
            // What is free again can be used again, to the last place.
            for addr in up {
                sup.terminate_child(&addr).await.unwrap();
            }
            for _ in 0..7 {
                sup.start_child(worker()).await.unwrap();
            }
            assert_eq!(outcome(&sup.start_child(worker()).await), "MaxChildren");
        });
    }
}

// OTP: H4, H13
#[test]
fn children_that_are_being_restarted_count() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().max_children(1).start(&node).await.unwrap();
            let plan = |start| if start == 0 { Init::Up } else { Init::Takes(HOUR) };
            let addr = sup.start_child(probe(&Arc::default(), Manner::Plain, plan)).await.unwrap();
            assert_eq!(outcome(&sup.start_child(worker()).await), "MaxChildren");
            addr.kill();
            quiet(&node).await;
            assert_eq!((sup.count_children().active, sup.tracked()), (0, 1));
            assert_eq!(outcome(&sup.start_child(worker()).await), "MaxChildren");
            pass(&node, HOUR).await;
            sup.terminate_child(&addr).await.unwrap();
            assert_eq!(outcome(&sup.start_child(worker()).await), "up");
        });
    }
}

/// The place of a child is free the moment anybody hears of its end.
// OTP: H4, F4
#[test]
fn a_place_is_free_when_the_failure_is_told() {
    for seed in 0..100 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().max_children(1).start(&node).await.unwrap();
            for init in [Init::Stops(broken()), Init::Panics, Init::Ignores, Init::Refuses(broken())] {
                let spec = probe(&Arc::default(), Manner::Plain, move |_| init.clone()).restart(Restart::Permanent);
                assert_ne!(outcome(&sup.start_child(spec).await), "MaxChildren", "seed {seed}");
            }
        });
    }
}

/// Two worker threads and more callers than places: the most that were ever inside is counted by the children themselves.
// OTP: H4
#[test]
fn on_real_threads_the_limit_holds() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let node = Node::new();
        let sup = DynamicSupervisor::new().max_children(5).start(&node).await.unwrap();
        let gauge = Arc::<Gauge>::default();
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (sup, gauge) = (sup.clone(), Arc::clone(&gauge));
                Caller::new(&node, async move {
                    let mut refused = 0;
                    for _ in 0..50 {
                        match sup.start_child(probe(&gauge, Manner::Plain, |_| Init::Steps(2))).await {
                            Ok(addr) => sup.terminate_child(&addr).await.unwrap(),
                            Err(error) => {
                                assert_eq!(outcome::<()>(&Err(error)), "MaxChildren");
                                refused += 1;
                            }
                        }
                    }
                    refused
                })
            })
            .collect();
        let mut refused = 0;
        for caller in callers {
            refused += caller.result().await;
        }
        assert_eq!((gauge.now(), gauge.total(), sup.tracked()), (0, 16 * 50 - refused, 0));
        assert!(gauge.high() <= 5, "{} at once", gauge.high());
    });
}
