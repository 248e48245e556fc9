//! Nodes as values: several in one program, on runtimes of others or of their own.

use crate::stepper::Stepper;
use crate::support::{Journal, ended, idler, inside, mortal, oops, runtime, seeds, settle, threads, why};
use freeboard_process::{Addr, Context, Event, ExitReason, Node, Reply};
use std::time::Duration;

const GONE: &str = "shutdown: the runtime of this process was dropped";

/// A process that answers with its own node's number.
fn native(node: &Node) -> Addr<Reply<u32>> {
    node.spawn(async |mut cx: Context<Reply<u32>>| {
        loop {
            let reply = cx.recv_message().await;
            reply.send(cx.pid().node());
        }
    })
}

// OTP: A11
#[test]
fn nodes_on_one_runtime_have_their_own_pids_and_reach_each_other_by_address() {
    threads(async |one| {
        let two = Node::new();
        assert_ne!(one.pid().node(), two.pid().node());
        let (here, there) = (native(&one), native(&two));
        assert_eq!(here.pid().unwrap().node(), one.pid().node());
        let far = there.clone();
        let heard =
            inside(&one, async move |cx: Context<()>| (cx.pid().node(), far.call(|reply| reply).await.unwrap()));
        assert_eq!(heard.await, (one.pid().node(), two.pid().node()));
        here.kill();
        there.kill();
    });
}

// OTP: B3, B7, C1
#[test]
fn links_monitors_and_exits_by_address_hold_across_nodes() {
    threads(async |one| {
        let two = Node::new();
        for _ in 0..50 {
            let (linked, watched, asked) = (mortal(&two), mortal(&two), mortal(&two));
            let heard = inside(&one, async move |mut cx: Context<()>| {
                cx.trap_exit(true);
                cx.link(&linked);
                let (first, second) = (cx.monitor(&watched), cx.monitor(&asked));
                linked.cast(oops("linked"));
                let exit = match cx.recv_event_where(|event| matches!(event, Event::Exit(_))).await {
                    Event::Exit(exit) => exit.reason.to_string(),
                    other => format!("{other:?}"),
                };
                watched.kill();
                cx.exit(&asked, oops("asked"));
                let downs = [cx.recv_down(first).await, cx.recv_down(second).await];
                [exit, downs[0].reason.to_string(), downs[1].reason.to_string()]
            });
            assert_eq!(heard.await, ["error: linked", "killed", "error: asked"]);
        }
    });
}

// OTP: C3
#[test]
fn a_bare_pid_of_another_node_names_nobody_here() {
    threads(async |one| {
        let two = Node::new();
        let there = idler(&two);
        let pid = there.pid().unwrap();
        let heard = inside(&one, async move |mut cx: Context<()>| {
            let monitor = cx.monitor(&pid);
            cx.recv_down(monitor).await.reason.to_string()
        });
        assert_eq!(heard.await, "no such process");
        one.kill(pid);
        one.exit(pid, oops("nobody"));
        assert!(!one.is_alive(pid) && two.is_alive(pid));
        two.kill(pid);
        assert!(matches!(ended(&two, &there).await, ExitReason::Killed));
    });
}

// OTP: A5, B7
#[test]
fn a_process_can_be_ended_by_its_pid_through_its_node() {
    seeds(async |node| {
        let (killed, asked, gone) = (idler(&node), idler(&node), mortal(&node));
        let dead = gone.pid().unwrap();
        crate::support::end(&node, &gone, ExitReason::Normal).await;
        node.kill(dead);
        node.exit(dead, oops("late"));
        node.kill(killed.pid().unwrap());
        node.exit(asked.pid().unwrap(), oops("asked"));
        assert_eq!(ended(&node, &killed).await.to_string(), "killed");
        assert_eq!(ended(&node, &asked).await.to_string(), "error: asked");
    });
}

#[test]
fn the_count_of_processes_goes_up_with_each_start_and_down_with_each_end() {
    seeds(async |node| {
        assert_eq!(node.process_count(), 0);
        let all: Vec<_> = (0..10).map(|_| mortal(&node)).collect();
        assert_eq!(node.process_count(), 10);
        all[..7].iter().for_each(|process| process.cast(oops("over")));
        settle(&node).await;
        assert_eq!(node.process_count(), 3);
        all.iter().for_each(|process| process.kill());
        settle(&node).await;
        assert_eq!(node.process_count(), 0);
    });
    // Whether it was polled or not.
    let (stepper, node) = Stepper::new();
    let before = stepper.tasks();
    let _two = [idler(&node), idler(&node)];
    stepper.poll(before);
    stepper.drop_task(before);
    stepper.drop_task(before + 1);
    assert_eq!(node.process_count(), 0);
    stepper.finish();
}

#[test]
fn a_node_can_be_attached_to_a_runtime_from_outside() {
    let theirs = runtime();
    let node = Node::builder().attach(theirs.handle().clone()).unwrap();
    let process = native(&node);
    assert_eq!(process.call_blocking(|reply| reply).unwrap(), node.pid().node());
    process.kill();
}

#[test]
fn a_node_with_a_runtime_of_its_own_needs_nobody_else() {
    let node = Node::owned(1).unwrap();
    let process = native(&node);
    assert_eq!(process.call_blocking(|reply| reply).unwrap(), node.pid().node());
    assert_eq!(node.block_on(async { process.call(|reply| reply).await }).unwrap(), node.pid().node());
    let report = node.stop(Duration::from_secs(60));
    assert_eq!((report.ended, report.is_orderly()), (1, true));
    assert_eq!(process.ended().unwrap().to_string(), "shutdown");
}

// OTP: A1, F16
#[test]
fn a_runtime_of_its_own_ends_with_its_node_wherever_that_is_dropped() {
    for inside_of_another in [false, true] {
        let ours = runtime();
        let theirs = Node::owned(2).unwrap();
        let (handle, target) = (Node::clone(&theirs), idler(&theirs));
        let caller = theirs.spawn(async |_cx: Context<Reply<()>>| std::future::pending().await);
        let here = Node::builder().attach(ours.handle().clone()).unwrap();
        let (send, ready) = tokio::sync::oneshot::channel();
        let watched = target.clone();
        let heard = Journal::new();
        let noted = heard.clone();
        let observer = here.spawn(async move |mut cx: Context<()>| {
            let monitor = cx.monitor(&watched);
            let call = caller.request(|reply| reply);
            let _gone = send.send(());
            noted.note(cx.recv_down(monitor).await.reason.to_string());
            noted.note(why(&call.await));
            Ok(())
        });
        ours.block_on(ready).unwrap();
        if inside_of_another {
            ours.block_on(async { drop(theirs) });
        } else {
            drop(theirs);
        }
        ours.block_on(ended(&here, &observer));
        assert_eq!(heard.take(), [GONE.to_owned(), format!("exited: {GONE}")]);
        // What is left of the node starts nothing more.
        let late = idler(&handle);
        assert_eq!(late.ended().unwrap().to_string(), GONE);
    }
}

#[test]
fn a_runtime_of_its_own_is_refused_where_it_cannot_be() {
    let refused = |threads| Node::owned(threads).unwrap_err().to_string();
    assert_eq!(refused(0), "own_runtime(0) is no valid setting; give it 1 to 32,768 threads");
    assert!(refused(usize::MAX).starts_with("own_runtime(18446744073709551615)"));
    // The runtime that was made for nothing goes away, also from inside of another.
    let error = runtime().block_on(async { Node::builder().max_processes(0).own_runtime(1).unwrap_err() });
    assert!(error.to_string().starts_with("max_processes(0)"));
}
