//! Bulkheads: on real threads, where one side holds every worker that it has, and in simulations.
//!
//! What holds a worker spins until the test lets go, and says when it has begun. So nothing here depends on how long
//! anything takes.

use crate::blocking::awaited;
use crate::stepper::Stepper;
use crate::support::{Journal, ended, idler, runtime, seeds, settle, why};
use crossbeam_channel::{Sender, bounded, unbounded};
use freeboard_process::sync::{AtomicUsize, Ordering};
use freeboard_process::{
    Addr, BlockingContext, Bulkhead, BulkheadError, CallError, Context, Ended, Event, ExitReason, Launch, Launcher,
    Node, OwnedNode, Policy, Reply, Sim, StartError,
};
use std::{future::Future, hint, pin::Pin, sync::Arc, thread, time::Duration};

const GONE: &str = "shutdown: the runtime of this process was dropped";
const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What a process runs.
type Body = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Who spins until this is dropped: code that never yields.
struct Spin(Arc<AtomicUsize>);

impl Spin {
    fn new() -> Self {
        Self(Arc::default())
    }

    /// A body that spins, and says when it has begun. Later it waits for its end.
    fn body(&self, begun: &Sender<()>) -> impl FnOnce(Context<()>) -> Body + Send + use<> {
        let (over, begun) = (Arc::clone(&self.0), begun.clone());
        |_cx| {
            Box::pin(async move {
                begun.send(()).unwrap();
                while over.load(Ordering::Acquire) == 0 {
                    hint::spin_loop();
                }
                std::future::pending().await
            })
        }
    }
}

impl Drop for Spin {
    fn drop(&mut self) {
        self.0.store(1, Ordering::Release);
    }
}

/// A node of two workers, both held, and a bulkhead of one thread. The spinning ends with the first.
fn held() -> (Spin, Vec<Addr<()>>, Bulkhead, OwnedNode) {
    let node = Node::owned(2).unwrap();
    let control = node.bulkhead("control", 1).unwrap();
    let (spin, (begun, begins)) = (Spin::new(), unbounded());
    let spinners = (0..2).map(|_| node.spawn(spin.body(&begun))).collect();
    begins.recv().unwrap();
    begins.recv().unwrap();
    (spin, spinners, control, node)
}

/// Answers each request with the name of the thread it runs on.
async fn teller(mut cx: Context<Reply<String>>) -> Result<(), ExitReason> {
    loop {
        cx.recv_message().await.send(here());
    }
}

fn here() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

fn ask(addr: &Addr<Reply<String>>) -> String {
    addr.call(|reply| reply).within(MINUTE).blocking().unwrap()
}

/// Gives way until so many processes are left: one whose seat is closed may not have left the node yet.
fn until_there_are(node: &Node, processes: usize) {
    while node.process_count() != processes {
        thread::yield_now();
    }
}

#[test]
fn the_control_plane_serves_and_keeps_time_while_the_data_plane_holds_every_worker() {
    enum Msg {
        Tick,
        /// Answered after so many ticks more.
        After(usize, Reply<()>),
    }
    let (spin, spinners, control, node) = held();
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let data = node.spawn(async move |mut cx: Context<Reply<()>>| {
        loop {
            cx.recv_message().await.send(());
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let waiting = data.request(|reply| reply);
    let teller = control.spawn(teller);
    for _ in 0..1_000 {
        assert_eq!(ask(&teller), "control-1");
    }
    // Intervals go on beating, and limits of calls end.
    let clock = control.spawn(async |mut cx: Context<Msg>| {
        cx.send_interval(MS, || Msg::Tick);
        let mut waits: Option<(usize, Reply<()>)> = None;
        loop {
            match cx.recv_message().await {
                Msg::After(ticks, reply) => waits = Some((ticks, reply)),
                Msg::Tick => match waits.take() {
                    Some((0, reply)) => reply.send(()),
                    Some((ticks, reply)) => waits = Some((ticks - 1, reply)),
                    None => {}
                },
            }
        }
    });
    for _ in 0..3 {
        clock.call(|reply| Msg::After(10, reply)).within(MINUTE).blocking().unwrap();
    }
    let target = data.clone();
    let asker = control.spawn(async move |mut cx: Context<Reply<Result<(), CallError>>>| {
        loop {
            let reply = cx.recv_message().await;
            reply.send(target.call(|reply| reply).within(MS).await);
        }
    });
    for _ in 0..3 {
        let answer = asker.call(|reply| reply).within(MINUTE).blocking().unwrap();
        assert_eq!(why(&answer), "Timeout");
    }
    // A late earlier timer is not behind an earlier later one.
    let napper = control.spawn(async |mut cx: Context<(Duration, Reply<()>)>| {
        loop {
            let (time, reply) = cx.recv_message().await;
            cx.sleep(time).await;
            reply.send(());
        }
    });
    let second = control.spawn(async |mut cx: Context<()>| {
        cx.sleep(MINUTE).await;
        Ok(())
    });
    napper.call(|reply| (MS, reply)).within(MINUTE).blocking().unwrap();
    assert!(second.ended().is_none());
    // All that time the data plane has served nobody.
    assert_eq!(served.load(Ordering::SeqCst), 0);
    drop(spin);
    node.block_on(waiting).unwrap();
    spinners.iter().for_each(Addr::kill);
    spinners.iter().for_each(|spinner| drop(awaited(spinner)));
    until_there_are(&node, 6);
    let report = node.stop(MINUTE);
    assert_eq!((report.ended, report.left), (6, 0));
}

// OTP: A8
#[test]
fn a_shutdown_reaches_the_bulkheads_and_reports_who_never_yields() {
    let (spin, spinners, control, node) = held();
    let teller = control.spawn(teller);
    let traps = control.spawn(async |mut cx: Context<Reply<()>>| {
        cx.trap_exit(true);
        cx.recv_message().await.send(());
        std::future::pending().await
    });
    traps.call(|reply| reply).within(MINUTE).blocking().unwrap();
    let mut pids: Vec<_> = spinners.iter().map(|spinner| spinner.pid().unwrap()).collect();
    let mut report = node.block_on(node.shutdown(MS));
    assert_eq!((report.ended + report.killed, report.left, report.timers), (2, 2, 0));
    report.left_pids.sort_unstable();
    pids.sort_unstable();
    assert_eq!(report.left_pids, pids);
    assert_eq!(
        (teller.ended().unwrap().to_string(), traps.ended().unwrap().to_string()),
        ("shutdown".into(), "killed".into())
    );
    // They were asked and killed; that shows when they yield, and the first reason counts.
    assert!(spinners.iter().all(|spinner| spinner.ended().is_none()));
    drop(spin);
    for spinner in &spinners {
        assert_eq!(awaited(spinner), "shutdown");
    }
}

// OTP: A8
#[test]
fn code_that_never_yields_on_a_bulkhead_cannot_be_killed_and_holds_that_bulkhead_only() {
    let node = Node::owned(1).unwrap();
    let control = node.bulkhead("control", 1).unwrap();
    let (spin, (begun, begins)) = (Spin::new(), bounded(1));
    let (spinner, elsewhere) = (control.spawn(spin.body(&begun)), node.spawn(teller));
    begins.recv().unwrap();
    let (send, hears) = unbounded();
    let watched = spinner.clone();
    let watcher = node.spawn(async move |mut cx: Context<Reply<()>>| {
        cx.monitor(&watched);
        loop {
            match cx.recv().await {
                Event::Message(reply) => reply.send(()),
                Event::Down(down) => send.send(down.reason.to_string()).unwrap(),
                _ => {}
            }
        }
    });
    watcher.call(|reply| reply).within(MINUTE).blocking().unwrap();
    let pid = spinner.pid().unwrap();
    spinner.kill();
    for _ in 0..100 {
        assert_eq!(ask(&elsewhere), "freeboard-worker-1");
        watcher.call(|reply| reply).within(MINUTE).blocking().unwrap();
    }
    assert!(node.is_alive(pid) && hears.is_empty());
    drop(spin);
    assert_eq!(hears.recv().unwrap(), "killed");
    assert!(!node.is_alive(pid));
}

#[test]
fn every_way_to_start_a_process_on_a_bulkhead_uses_its_threads_and_every_other_one_the_nodes() {
    let node = Node::owned(1).unwrap();
    let control = Arc::new(node.bulkhead("control", 1).unwrap());
    assert_eq!((control.name(), control.threads(), control.node().pid()), ("control", 1, node.pid()));
    let there = [
        control.spawn(teller),
        control.try_spawn(teller).ok().unwrap(),
        control.spawn_with(Policy::bounded(4), teller).unwrap(),
        control.spawn_named("teller", teller).unwrap(),
    ];
    for addr in &there {
        assert_eq!(ask(addr), "control-1");
    }
    assert_eq!(node.whereis("teller"), Some(there[3].clone()));
    // Where the parent runs is not inherited.
    let (send, kids) = unbounded();
    let bulkhead = Arc::clone(&control);
    let parent = control.spawn(async move |mut cx: Context<()>| {
        send.send((cx.on(&bulkhead).spawn_link(teller), "control-1")).unwrap();
        send.send((cx.on(&bulkhead).spawn_monitor(teller).0, "control-1")).unwrap();
        send.send((cx.spawn_link(teller), "freeboard-worker-1")).unwrap();
        send.send((cx.node().spawn(teller), "freeboard-worker-1")).unwrap();
        drop(send);
        drop(bulkhead);
        cx.recv_message().await;
        Ok(())
    });
    let kids: Vec<_> = kids.iter().collect();
    for (kid, thread) in &kids {
        assert_eq!(ask(kid), *thread);
    }
    // Names, links and counts are the node's.
    assert_eq!(node.process_count(), 9);
    parent.kill();
    assert_eq!([&kids[0].0, &kids[2].0].map(awaited), ["killed", "killed"]);
    assert_eq!(awaited(&parent), "killed");
    until_there_are(&node, 6);
    assert_eq!(node.stop(MINUTE).ended, 6);
}

#[test]
fn a_process_on_its_own_thread_can_be_reached_through_a_bulkhead_while_the_workers_are_held() {
    let (spin, spinners, control, node) = held();
    let echo = |mut cx: BlockingContext<Reply<String>>| {
        loop {
            cx.recv_message()?.send(here());
        }
    };
    // On the node itself not even its task has a turn, so it has no thread yet.
    let starved = node.spawn_thread(echo);
    let mine = control.spawn_thread(echo);
    assert!(ask(&mine).starts_with("process-"));
    mine.kill();
    assert_eq!(awaited(&mine), "killed");
    assert!(why(&starved.call(|reply| reply).within(MS).blocking()).starts_with("Timeout"));
    drop(spin);
    assert!(ask(&starved).starts_with("process-"));
    spinners.iter().for_each(Addr::kill);
    spinners.iter().for_each(|spinner| drop(awaited(spinner)));
}

#[test]
fn what_cannot_be_a_bulkhead_is_said_to_be_none() {
    let node = Node::owned(1).unwrap();
    let refused = |name, threads| node.bulkhead(name, threads).unwrap_err().to_string();
    assert!(refused("idle", 0).starts_with("a bulkhead cannot have 0 threads; give it 1 to 32,768"));
    assert!(refused("vast", usize::MAX).starts_with("a bulkhead cannot have 18446744073709551615 threads"));
    assert!(refused("", 1).starts_with("\"\" is no name for threads"));
    assert!(refused("a\0b", 1).starts_with("\"a\\0b\" is no name for threads"));
    seeds(async |node| assert!(matches!(node.bulkhead("idle", 0), Err(BulkheadError::Threads(0)))));
    // A backend of somebody else's, which knows of none.
    let (stepper, node) = Stepper::new();
    assert!(matches!(node.bulkhead("control", 1), Err(BulkheadError::Unsupported)));
    stepper.finish();
}

// OTP: A1, F16
#[test]
fn a_bulkhead_that_is_dropped_ends_its_processes_and_nobody_elses() {
    for inside_of_the_node in [false, true] {
        let node = Node::owned(2).unwrap();
        let control = node.bulkhead("control", 2).unwrap();
        let (dropped, stays) = (Journal::new(), node.spawn(teller));
        let held = crate::support::Notes(dropped.clone(), "state");
        let target = control.spawn(async move |mut cx: Context<Reply<String>>| {
            let (_held, _kept) = (held, cx.recv_message().await);
            std::future::pending().await
        });
        let thread = control.spawn_thread(|mut cx: BlockingContext<Reply<String>>| {
            loop {
                cx.recv_message()?.send(here());
            }
        });
        ask(&thread);
        let (watched, (ready, begins), (send, hears)) = (target.clone(), bounded(1), bounded(1));
        node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            let monitor = cx.monitor(&watched);
            cx.link(&watched);
            let call = watched.request(|reply| reply);
            ready.send(()).unwrap();
            let call = why(&call.await);
            let exit = cx.recv_event_where(|event| matches!(event, Event::Exit(_))).await;
            let exit = if let Event::Exit(exit) = exit { exit.reason.to_string() } else { String::new() };
            send.send([call, exit, cx.recv_down(monitor).await.reason.to_string()]).unwrap();
            Ok(())
        });
        begins.recv().unwrap();
        if inside_of_the_node {
            node.block_on(async { drop(control) });
        } else {
            drop(control);
        }
        assert_eq!(hears.recv().unwrap(), [format!("exited: {GONE}"), GONE.to_owned(), GONE.to_owned()]);
        assert_eq!(dropped.take(), ["state"]);
        assert_eq!(awaited(&thread), GONE);
        // The node and its timers go on.
        assert!(ask(&stays).starts_with("freeboard-worker-"));
        let slept = node.spawn(async |mut cx: Context<()>| {
            cx.sleep(MS).await;
            Ok(())
        });
        assert_eq!(awaited(&slept), "normal");
        assert!(node.stop(MINUTE).is_orderly());
    }
}

#[test]
fn a_process_may_drop_the_bulkhead_on_which_it_runs() {
    let node = Node::owned(1).unwrap();
    let control = node.bulkhead("control", 1).unwrap();
    let (give, takes) = bounded::<Bulkhead>(1);
    let (send, hears) = bounded(1);
    let neighbour = control.spawn(teller);
    ask(&neighbour);
    let last = control.spawn(async move |mut cx: Context<()>| {
        cx.recv_message().await;
        drop(takes.recv().unwrap());
        send.send("still here").unwrap();
        cx.recv_message().await;
        Ok(())
    });
    give.send(control).unwrap();
    last.cast(());
    assert_eq!(hears.recv().unwrap(), "still here");
    assert_eq!((awaited(&last), awaited(&neighbour)), (GONE.to_owned(), GONE.to_owned()));
    until_there_are(&node, 0);
}

#[test]
fn a_bulkhead_and_its_time_outlive_the_runtime_of_the_node() {
    let theirs = runtime();
    let node = Node::builder().attach(theirs.handle().clone()).unwrap();
    let control = node.bulkhead("control", 1).unwrap();
    let gone = idler(&node);
    theirs.shutdown_background();
    assert_eq!(awaited(&gone), GONE);
    let slept = control.spawn(async |mut cx: Context<()>| {
        cx.sleep(MS).await;
        Ok(())
    });
    assert_eq!(awaited(&slept), "normal");
    let ours = runtime();
    let teller = control.spawn(teller);
    let report = ours.block_on(node.shutdown(MINUTE));
    assert!(report.is_orderly());
    assert_eq!(awaited(&teller), "shutdown");
}

#[test]
fn timers_that_were_set_before_the_first_bulkhead_fire_after_it() {
    let node = Node::owned(1).unwrap();
    let (send, hears) = unbounded();
    let process = node.spawn(async move |mut cx: Context<usize>| {
        for ms in 1..=20 {
            cx.send_after(MS * ms, ms as usize);
        }
        send.send(0).unwrap();
        loop {
            send.send(cx.recv_message().await).unwrap();
        }
    });
    assert_eq!(hears.recv().unwrap(), 0);
    let bulkheads: Vec<_> = (0..3).map(|_| node.bulkhead("control", 1).unwrap()).collect();
    assert_eq!((0..20).map(|_| hears.recv().unwrap()).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    drop((process, bulkheads));
}

#[test]
fn a_bulkhead_of_another_node_is_refused() {
    let (one, two) = (Node::owned(1).unwrap(), Node::owned(1).unwrap());
    let theirs = two.bulkhead("control", 1).unwrap();
    let launcher = Launcher::new(|_cx: Context<()>| Box::pin(async { Ok(()) })).on(&theirs);
    let refused = launcher.prepare(&one).err().unwrap();
    assert!(matches!(&refused, StartError::Spec(why) if why.contains("belongs to another node")), "{refused}");
    let careless = one.spawn(async move |mut cx: Context<()>| {
        cx.on(&theirs).spawn_link(teller);
        Ok(())
    });
    assert!(awaited(&careless).contains("bulkhead \"control\" belongs to another node"));
}

#[test]
fn in_a_simulation_a_bulkhead_is_a_label_that_ends_its_processes_with_it() {
    seeds(async |node| {
        let control = node.bulkhead("control", 4).unwrap();
        let (stays, dropped) = (idler(&node), Journal::new());
        let start = node.now();
        let slept = control.spawn(async |mut cx: Context<()>| {
            cx.sleep(MINUTE).await;
            Ok(())
        });
        ended(&node, &slept).await;
        assert_eq!(node.now() - start, MINUTE);
        let ends: Vec<_> = (0..3)
            .map(|n| {
                let held = crate::support::Notes(dropped.clone(), n);
                control.spawn(async move |_cx: Context<()>| {
                    let _held = held;
                    std::future::pending().await
                })
            })
            .collect();
        // A thread of its own there is none; until that shows, some of the others have run and some have not.
        let bare = control.spawn_thread(|_cx: BlockingContext<()>| Ok(()));
        assert!(ended(&node, &bare).await.to_string().contains("a simulation has no threads"));
        let other = node.bulkhead("other", 1).unwrap();
        let elsewhere = other.spawn(async |_cx: Context<()>| std::future::pending().await);
        drop(control);
        assert!(ends.iter().all(|end| end.ended().unwrap().to_string() == GONE));
        let mut dropped = dropped.take();
        dropped.sort_unstable();
        assert_eq!(dropped, [0, 1, 2]);
        assert!(stays.ended().is_none() && elsewhere.ended().is_none());
        assert_eq!(node.process_count(), 2);
        // Its numbers are used again, by others.
        let again = idler(&node);
        settle(&node).await;
        assert!(again.ended().is_none());
        let report = node.shutdown(MINUTE).await;
        assert_eq!((report.ended, report.left), (3, 0));
    });
}

#[test]
fn in_a_simulation_a_process_that_drops_its_own_bulkhead_ends_at_its_next_await() {
    seeds(async |node| {
        let control = Arc::new(node.bulkhead("control", 1).unwrap());
        let (journal, owned) = (Journal::new(), Arc::clone(&control));
        let noted = journal.clone();
        let last = control.spawn(async move |mut cx: Context<()>| {
            cx.recv_message().await;
            drop(owned);
            noted.note("still here");
            cx.recv_message().await;
            noted.note("never");
            Ok(())
        });
        drop(control);
        last.cast(());
        assert_eq!(ended(&node, &last).await.to_string(), GONE);
        assert_eq!(journal.take(), ["still here"]);
    });
}

#[test]
fn a_simulation_with_bulkheads_replays() {
    for seed in 0..20 {
        Sim::seed(seed).strict(async |node: Node| {
            let (one, two) = (node.bulkhead("one", 1).unwrap(), node.bulkhead("two", 2).unwrap());
            let all: Vec<_> = [&one, &two, &one].into_iter().map(|bulkhead| bulkhead.spawn(pair)).collect();
            for n in 0..10 {
                all.iter().for_each(|process| process.cast(n));
                settle(&node).await;
            }
            drop(one);
            settle(&node).await;
        });
    }

    async fn pair(mut cx: Context<u32>) -> Result<(), ExitReason> {
        loop {
            let n = cx.recv_message().await;
            cx.sleep(MS * n).await;
        }
    }
}

// OTP: A3
#[test]
fn a_panic_on_a_bulkhead_stays_in_its_process() {
    let node = Node::owned(1).unwrap();
    let control = node.bulkhead("control", 1).unwrap();
    let stays = control.spawn(teller);
    let breaks = control.spawn(async |_cx: Context<()>| panic!("told to"));
    assert_eq!(awaited(&breaks), "panic: told to");
    assert_eq!(ask(&stays), "control-1");
}
