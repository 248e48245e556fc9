//! The processes of a node, seen from outside: the list, the top of it, and that nobody is disturbed by a look.

use crate::support::{oops, pause, settle};
use freeboard_process::{Actor, Context, Ended, InitError, Node, ProcessInfo, Reply, Sim, Status, run_actor};
use std::{future::pending, time::Duration};

fn of(all: &[ProcessInfo], name: &str) -> ProcessInfo {
    all.iter().find(|info| info.names.iter().any(|held| &**held == name)).unwrap().clone()
}

// OTP: L3
#[test]
fn the_list_has_who_lives_with_names_label_parent_and_numbers() {
    let (all, parent, gone) = Sim::seed(3).run(async |node: Node| {
        let parent = node.spawn(async |mut cx: Context<Reply<()>>| {
            cx.trap_exit(true);
            let child = cx.spawn_link(async |mut cx: Context<u8>| {
                cx.set_label("a child");
                for _ in 0..2 {
                    cx.recv_message().await;
                }
                // A receiver says what it has received when it looks for more.
                cx.recv_where(|_| false).await;
                Ok(())
            });
            cx.monitor(&child);
            (0..5).for_each(|n| child.cast(n));
            cx.node().register("child", &child).unwrap();
            cx.node().register("parent", &cx.addr()).unwrap();
            cx.recv_message().await.send(());
            pending().await
        });
        let gone = node.spawn(async |_cx: Context<()>| Err(oops("it failed")));
        parent.call(|reply| reply).await.unwrap();
        settle(&node).await;
        (node.processes(), parent.pid().unwrap(), gone.pid())
    });
    let (child, parent_info) = (of(&all, "child"), of(&all, "parent"));
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.is_sorted_by_key(|info| info.pid.slot()) && gone.is_none());
    assert_eq!(
        (child.label.as_deref(), child.parent, &*child.ancestors),
        (Some("a child"), Some(parent), &[parent][..])
    );
    assert_eq!((child.depth, child.received, child.dropped), (3, 2, 0));
    assert!(child.high_water >= 3, "{child:?}");
    assert_eq!((child.ties.links, child.ties.watchers, child.ties.names, child.trap_exit), (1, 1, 1, false));
    assert_eq!((child.status, child.message_type), (Status::Running, "u8"));
    assert_eq!((parent_info.pid, parent_info.parent, parent_info.label), (parent, None, None));
    assert_eq!((parent_info.trap_exit, parent_info.ties.monitors), (true, 1));
}

/// An actor that never finishes a message.
struct Slow;

impl Actor for Slow {
    type Msg = ();
    type Args = ();

    async fn init((): (), _: &mut Context<()>) -> Result<Self, InitError> {
        Ok(Self)
    }

    async fn handle(&mut self, (): (), _: &mut Context<()>) -> Ended {
        pending().await
    }
}

#[test]
fn a_handler_under_way_and_a_decided_end_are_seen() {
    let seen = Sim::seed(3).run(async |node: Node| {
        let slow = node.spawn(|cx| run_actor::<Slow>(|| (), cx));
        settle(&node).await;
        let before = node.process(slow.pid().unwrap()).unwrap().status;
        slow.cast(());
        settle(&node).await;
        let pid = slow.pid().unwrap();
        let during = node.process(pid).unwrap().status;
        slow.kill();
        slow.closed().await;
        (before, during, node.process(pid).is_none())
    });
    assert_eq!(seen, (Status::Running, Status::Handling, true));
}

#[test]
fn the_top_is_who_has_let_a_message_wait_the_longest() {
    let top = Sim::seed(3).run(async |node: Node| {
        let mut waiting = Vec::new();
        for n in 0..6 {
            let addr = node.spawn(async |_cx: Context<()>| pending().await);
            // Later ones have more messages, and younger ones.
            (0..n).for_each(|_| addr.cast(()));
            waiting.push(addr);
            pause(&node, Duration::from_secs(10)).await;
        }
        let pids: Vec<_> = waiting.iter().map(|addr| addr.pid().unwrap()).collect();
        let place = |info: ProcessInfo| pids.iter().position(|pid| *pid == info.pid).unwrap();
        assert!(node.top(0).is_empty());
        let longest = node.top(1)[0].oldest;
        (node.top(3).into_iter().map(place).collect::<Vec<_>>(), node.top(99).len(), longest)
    });
    // The first one has nothing that waits.
    assert_eq!((top.0, top.1), (vec![1, 2, 3], 5));
    assert!(top.2 >= Duration::from_secs(50) && top.2 <= Duration::from_secs(51), "{:?}", top.2);
}

#[test]
fn a_list_is_the_same_in_every_run_of_a_seed() {
    let list = |seed| {
        Sim::seed(seed).run(async |node: Node| {
            let all: Vec<_> = (0..3_000).map(|_| node.spawn(async |_cx: Context<()>| pending().await)).collect();
            all.iter().step_by(3).for_each(|addr| addr.kill());
            settle(&node).await;
            // More than one page of the table, with gaps.
            node.processes().into_iter().map(|info| info.pid.slot()).collect::<Vec<_>>()
        })
    };
    let first = list(5);
    assert_eq!((first.len(), first.is_sorted()), (2_000, true));
    assert_eq!(list(5), first);
}
