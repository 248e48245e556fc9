//! Children on bulkheads and on threads of their own: where each incarnation runs, and what happens when that place is gone.

use crate::support::{Watch, quiet};
use freeboard_process::sync::Mutex;
use freeboard_process::{Addr, BlockingContext, Context, Ended, Node, Reply, Sim, StartError};
use freeboard_supervisor::{ChildSpec, DynamicSupervisor, Restart, Shutdown, child_fn, child_thread};
use std::{thread, time::Duration};

const GONE: &str = "shutdown: the runtime of this process was dropped";
const MINUTE: Duration = Duration::from_secs(60);

/// Tells the thread it runs on, or ends.
enum Msg {
    Ask(Reply<String>),
    End,
}

fn here() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

fn teller() -> ChildSpec<Msg> {
    child_fn(async |mut cx: Context<Msg>| {
        while let Msg::Ask(reply) = cx.recv_message().await {
            reply.send(here());
        }
        Ok(())
    })
}

fn threaded() -> ChildSpec<Msg> {
    child_thread(|mut cx: BlockingContext<Msg>| -> Ended {
        while let Msg::Ask(reply) = cx.recv_message()? {
            reply.send(here());
        }
        Ok(())
    })
}

fn ask(addr: &Addr<Msg>) -> String {
    addr.call(Msg::Ask).within(MINUTE).blocking().unwrap()
}

/// Ends the present incarnation and waits for the next one.
fn turn_over(addr: &Addr<Msg>) {
    let before = addr.pid();
    addr.cast(Msg::End);
    while addr.pid().is_none() || addr.pid() == before {
        thread::yield_now();
    }
}

#[test]
fn every_incarnation_runs_on_the_bulkhead_of_its_spec_wherever_its_supervisor_and_its_starter_run() {
    let node = Node::owned(1).unwrap();
    let control = node.bulkhead("control", 1).unwrap();
    for on_bulkhead in [false, true] {
        let sup = DynamicSupervisor::new().intensity(100, MINUTE);
        let sup = if on_bulkhead { sup.on(&control) } else { sup };
        let (there, here) = node.block_on(async {
            let sup = sup.start(&node).await.unwrap();
            let there = sup.start_child(teller().on(&control)).await.unwrap();
            (there, sup.start_child(teller()).await.unwrap())
        });
        for _ in 0..3 {
            assert_eq!((ask(&there), ask(&here)), ("control-1".to_owned(), "freeboard-worker-1".to_owned()));
            turn_over(&there);
            turn_over(&here);
        }
    }
    let alone = node.block_on(async { node.start(teller().on(&control).name("alone")).await.unwrap() });
    assert_eq!(ask(&alone), "control-1");
    assert_eq!(node.whereis("alone"), Some(alone));
    assert_eq!(node.stop(MINUTE).ended, 7);
}

// OTP: F4
#[test]
fn a_spec_whose_bulkhead_is_gone_does_not_start_and_leaves_nothing() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let control = node.bulkhead("control", 1).unwrap();
            let (early, late) = (teller().on(&control).name("teller"), teller().on(&control));
            let addr = late.addr();
            drop(control);
            let refused = sup.start_child(early).await.unwrap_err();
            assert!(matches!(&refused, StartError::Bulkhead(name) if &**name == "control"));
            assert!(refused.to_string().contains("its bulkhead \"control\" is gone"));
            assert!(matches!(node.start(late).await, Err(StartError::Bulkhead(_))));
            assert!(addr.pid().is_none());
            assert_eq!((sup.tracked(), node.process_count(), node.names_held()), (0, 1, 0));
        });
    }
}

// OTP: G20
#[test]
fn a_restart_that_finds_its_bulkhead_gone_counts_until_the_supervisor_gives_up() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let control = node.bulkhead("control", 1).unwrap();
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let permanent = sup.start_child(teller().on(&control)).await.unwrap();
            let elsewhere = sup.start_child(teller()).await.unwrap();
            let watch = Watch::on(&node, sup.pid().unwrap()).await;
            drop(control);
            assert_eq!(watch.death().await.0, "shutdown");
            quiet(&node).await;
            assert_eq!(elsewhere.ended().unwrap().to_string(), "shutdown");
            assert!(permanent.pid().is_none());
            assert_eq!(sup.tracked(), 0);
        });
    }
}

#[test]
fn the_end_of_a_bulkhead_is_an_orderly_end_for_those_that_are_not_permanent() {
    for restart in [Restart::Transient, Restart::Temporary] {
        Sim::seed(1).run(async |node: Node| {
            let control = node.bulkhead("control", 1).unwrap();
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let child = sup.start_child(teller().on(&control).restart(restart)).await.unwrap();
            drop(control);
            quiet(&node).await;
            assert_eq!(child.ended().unwrap().to_string(), GONE);
            assert_eq!((sup.tracked(), sup.pid().is_some()), (0, true));
        });
    }
}

#[test]
fn a_bulkhead_of_another_node_is_a_contradiction_in_the_spec() {
    Sim::seed(1).run(async |node: Node| {
        let other = Node::owned(1).unwrap();
        let control = other.bulkhead("control", 1).unwrap();
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let refused = sup.start_child(teller().on(&control)).await.unwrap_err();
        assert!(matches!(&refused, StartError::Spec(why) if why.starts_with("on: bulkhead")), "{refused}");
        assert_eq!((sup.tracked(), node.process_count()), (0, 1));
    });
}

#[test]
fn a_child_on_its_own_thread_is_started_again_on_another_one_and_stopped_by_its_supervisor() {
    let node = Node::owned(1).unwrap();
    let control = node.bulkhead("control", 1).unwrap();
    for spec in [threaded(), threaded().on(&control), threaded().shutdown(Shutdown::BrutalKill)] {
        node.block_on(async {
            let sup = DynamicSupervisor::new().intensity(100, MINUTE).start(&node).await.unwrap();
            let child = sup.start_child(spec).await.unwrap();
            for _ in 0..3 {
                assert!(child.call(Msg::Ask).within(MINUTE).await.unwrap().starts_with("process-"));
                let before = child.pid().unwrap();
                child.cast(Msg::End);
                while child.pid().is_none_or(|pid| pid == before) {
                    tokio::task::yield_now().await;
                }
            }
            sup.terminate_child(&child).await.unwrap();
            assert!(child.ended().is_some());
            sup.stop(freeboard_process::ExitReason::Shutdown).await;
        });
    }
    while node.process_count() != 0 {
        thread::yield_now();
    }
}

// OTP: F4
#[test]
fn a_child_for_which_there_is_no_thread_is_a_failed_start() {
    for seed in 0..20 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let refused = sup.start_child(threaded()).await.unwrap_err();
            assert!(matches!(&refused, StartError::Init(why) if why.to_string().contains("no threads")), "{refused}");
            assert_eq!((sup.tracked(), node.process_count()), (0, 1));
        });
    }
}

// OTP: A8
#[test]
fn a_supervisor_waits_for_a_thread_that_never_receives_and_a_shutdown_of_the_node_for_neither() {
    let node = Node::owned(2).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let stuck = child_thread(move |_cx: BlockingContext<()>| {
        let _released = released.lock().recv();
        Ok(())
    });
    let (sup, child) = node.block_on(async {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let child = sup.start_child(stuck.shutdown(Duration::from_millis(1))).await.unwrap();
        (sup, child)
    });
    let stays = child.pid().unwrap();
    let report = node.block_on(node.shutdown(Duration::from_millis(10)));
    assert_eq!((report.killed, report.left_pids), (1, vec![stays]));
    assert!(sup.pid().is_none() && child.ended().is_none());
    release.send(()).unwrap();
    while node.process_count() != 0 {
        thread::yield_now();
    }
    // Whichever of the two signals came first.
    assert!(["shutdown", "killed"].contains(&child.ended().unwrap().to_string().as_str()));
}
