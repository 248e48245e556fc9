//! Named children: the name is there before `init`, at each incarnation, and free before anybody hears of an end.

use crate::support::{Gauge, Init, Manner, Msg, Watch, broken, bystander, outcome, pass, probe, quiet, worker};
use freeboard_process::{CallError, Node, RegisterError, Sim, StartError, Target};
use freeboard_supervisor::{ChildSpec, DynamicSupervisor, Restart};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

/// A named child whose starts are counted.
fn clerk(gauge: &Arc<Gauge>, plan: impl Fn(usize) -> Init + Send + Sync + 'static) -> ChildSpec<Msg> {
    probe(gauge, Manner::Plain, plan).name("clerk")
}

fn seeds(world: impl AsyncFn(Node)) {
    for seed in 0..50 {
        Sim::seed(seed).run(&world);
    }
}

// OTP: F6, H8
#[test]
fn a_named_child_is_there_by_its_name_at_each_incarnation() {
    seeds(async |node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let addr = sup.start_child(clerk(&Arc::default(), |_| Init::Up)).await.unwrap();
        let name = node.named::<Msg>("clerk");
        for start in 0..3 {
            assert_eq!((name.addr(), "clerk".resolve(&node)), (Some(addr.clone()), addr.pid()));
            assert_eq!(name.call(Msg::Ask).await.unwrap(), start);
            name.cast(Msg::End(Err(broken())));
            quiet(&node).await;
        }
        sup.terminate_child("clerk").await.unwrap();
        assert_eq!((node.names_held(), sup.tracked()), (0, 0));
        assert!(matches!(name.call(Msg::Ask).await, Err(CallError::Exited(_))));
    });
}

// OTP: F6
#[test]
fn the_name_is_held_while_init_runs_and_a_second_start_is_refused_without_an_init() {
    seeds(async |node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let (first, second) = (Arc::<Gauge>::default(), Arc::<Gauge>::default());
        let spec = clerk(&first, |_| Init::Takes(HOUR));
        let addr = spec.addr();
        let mut start = Box::pin(sup.start_child(spec));
        assert!(crate::support::poll_once(start.as_mut()).await.is_none());
        assert_eq!(("clerk".resolve(&node), addr.pid().is_some()), (addr.pid(), true), "before it has run at all");
        for again in [Restart::Permanent, Restart::Temporary] {
            let refused = sup.start_child(clerk(&second, |_| Init::Up).restart(again)).await.unwrap_err();
            let owner = addr.pid().unwrap();
            assert!(matches!(refused, StartError::Name(RegisterError::Taken { owner: said }) if said == owner));
            assert_eq!((sup.tracked(), second.total()), (1, 0));
        }
        assert!(start.await.is_ok());
        // The same without a supervisor.
        let refused = node.start(clerk(&second, |_| Init::Up)).await;
        assert!(matches!(refused, Err(StartError::Name(_))) && second.total() == 0);
        assert_eq!(first.total(), 1);
    });
}

// OTP: F7, F4
#[test]
fn a_start_that_failed_has_freed_the_name_by_the_time_it_is_told() {
    seeds(async |node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        for init in
            [Init::Stops(broken()), Init::Refuses(broken()), Init::Ignores, Init::Panics, Init::NoArgs, Init::Hangs]
        {
            let plan = init.clone();
            let spec = clerk(&Arc::default(), move |_| plan.clone()).start_timeout(HOUR);
            let failed = sup.start_child(spec).await;
            assert_eq!((failed.is_err(), node.names_held()), (true, 0), "{init:?}: {}", outcome(&failed));
            let next = sup.start_child(clerk(&Arc::default(), |_| Init::Up).restart(Restart::Temporary)).await.unwrap();
            next.cast(Msg::End(Ok(())));
            quiet(&node).await;
        }
    });
}

// OTP: F6, G20
#[test]
fn a_restart_that_finds_the_name_taken_is_one_that_failed() {
    seeds(async |node| {
        let sup = DynamicSupervisor::new().intensity(3, HOUR).start(&node).await.unwrap();
        let gauge = Arc::<Gauge>::default();
        let addr = sup.start_child(clerk(&gauge, |_| Init::Up)).await.unwrap();
        node.unregister("clerk").unwrap();
        let thief = bystander(&node);
        node.register("clerk", &thief).unwrap();
        let end = Watch::on(&node, sup.pid().unwrap()).await;
        addr.cast(Msg::End(Err(broken())));
        assert_eq!(end.death().await.0, "shutdown", "three attempts were allowed");
        assert_eq!((gauge.total(), sup.tracked(), node.whereis("clerk")), (1, 0, Some(thief)));
    });
}

// OTP: A9, G33
#[test]
fn the_stop_of_a_supervisor_leaves_no_name() {
    seeds(async |node| {
        let sup = DynamicSupervisor::new().name("sup").start(&node).await.unwrap();
        assert_eq!("sup".resolve(&node), sup.pid());
        let refused = DynamicSupervisor::new().name("sup").start(&node).await;
        assert!(matches!(refused, Err(StartError::Name(_))));
        for n in 0..20 {
            sup.start_child(worker().name(format!("worker {n}"))).await.unwrap();
        }
        assert_eq!(node.names_held(), 21);
        sup.stop(freeboard_process::ExitReason::Shutdown).await;
        assert_eq!(node.names_held(), 0);
        pass(&node, HOUR).await;
        assert!(DynamicSupervisor::new().name("sup").start(&node).await.is_ok());
    });
}
