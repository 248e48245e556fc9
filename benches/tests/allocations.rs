//! How often the allocator is asked: nothing for a message, in whatever form it is received; nothing for a mailbox that is
//! idle; a fixed number for a spawn, a start and a call; one for each time that the node's timers wake up.
//!
//! Counted on one thread, on which everything runs. Not counted: what tokio allocates once, which the warm-up pays.

use allocation_counter::measure;
use freeboard::prelude::*;
use freeboard_benches::{ACK, Msg, Note, Sum};
use freeboard_mailbox::{Exchange, Inbox, Intake, Search, Step};
use freeboard_process::run_actor;
use std::{sync::Arc, task::Waker};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("one thread is enough")
}

fn actor(runtime: &Runtime) -> (Node, Addr<Msg>) {
    let _inside = runtime.enter();
    let node = Node::new();
    let sum = node.spawn(|cx| run_actor::<Sum>(|| (), cx));
    (node, sum)
}

fn process(runtime: &Runtime, form: Form) -> (Node, Addr<Note>) {
    let _inside = runtime.enter();
    let node = Node::new();
    let to = node.spawn(move |cx| receive(cx, form));
    (node, to)
}

/// Allocations while so many messages are sent and handled, in bursts.
fn for_messages(runtime: &Runtime, to: &Addr<Msg>, bursts: u64, burst: u64) -> u64 {
    for_bursts(runtime, to, 0, bursts, || (0..burst).for_each(|_| to.cast(Msg::Add(1))))
}

/// Allocations while so many bursts are sent and handled; `left` messages are not. The same was done once before.
fn for_bursts<M: Send + 'static>(
    runtime: &Runtime,
    to: &Addr<M>,
    left: usize,
    bursts: u64,
    mut send: impl FnMut(),
) -> u64 {
    let mut all = || {
        runtime.block_on(async {
            for _ in 0..bursts {
                send();
                while to.depth() > left {
                    tokio::task::yield_now().await;
                }
            }
        });
    };
    all();
    measure(all).count_total
}

/// How a process receives, for ever.
#[derive(Clone, Copy, Debug)]
enum Form {
    Plain,
    Many,
    Tag,
    Key,
}

/// Messages of one burst; they have the numbers from 0.
const BURST: u64 = 64;

async fn receive(mut cx: Context<Note>, form: Form) -> Ended {
    let mut many = Vec::new();
    loop {
        for wanted in 0..BURST {
            match form {
                Form::Plain => drop(cx.recv().await),
                Form::Many => {
                    cx.recv_many(&mut many, BURST as usize).await;
                    many.clear();
                }
                Form::Tag => drop(cx.recv_tag(ACK).await),
                Form::Key => assert_eq!(cx.recv_key(ACK, wanted).await.number(), wanted),
            }
        }
    }
}

#[test]
fn a_message_costs_no_allocation() {
    let runtime = runtime();
    let (_node, sum) = actor(&runtime);
    // As long as the queue fits into what it keeps, nothing is allocated at all.
    // What is left is tokio's: one list for each time that it is entered.
    let (few, many) = (for_messages(&runtime, &sum, 10, 256), for_messages(&runtime, &sum, 1_000, 256));
    println!("{few} allocations for 10 bursts of 256 messages, {many} for 1000");
    assert!(few <= 1 && many <= 1, "{few} and {many} allocations");
    // A longer queue grows by chunks, which are not kept: one for 512 messages, and now and then the list of them.
    let (messages, allocations) = (100 * 10_000, for_messages(&runtime, &sum, 100, 10_000));
    println!("{allocations} allocations for {messages} messages in bursts of 10000");
    assert!(allocations <= messages / 256, "{allocations} allocations for {messages} messages");
}

#[test]
fn a_message_costs_no_allocation_in_whatever_form_it_is_received() {
    const BACKLOG: u64 = 1_000;
    let runtime = runtime();
    for (form, backlog) in [(Form::Plain, 0), (Form::Many, 0), (Form::Tag, BACKLOG), (Form::Key, BACKLOG)] {
        let (_node, to) = process(&runtime, form);
        (0..backlog).for_each(|number| to.cast(Note::Junk(number)));
        // From the newest to the oldest, so each receive by key finds its message among those that it passed before.
        let burst = || (0..BURST).rev().for_each(|number| to.cast(Note::Ack(number)));
        let allocations = for_bursts(&runtime, &to, backlog as usize, 1_000, burst);
        println!("{allocations} allocations for 1000 bursts of {BURST}, {form:?}");
        // Tokio's list, once for each time that it is entered.
        assert!(allocations <= 1, "{allocations} allocations, {form:?}");
    }
}

#[test]
fn an_idle_mailbox_allocates_nothing_beyond_its_own_block() {
    let idle = measure(|| {
        let intake = Arc::new(Intake::<Note, ()>::new());
        let mut inbox = Inbox::new();
        assert!(intake.open(1), "it was waiting");
        intake.register_task(Waker::noop());
        // Looks for anything, then for something, and waits.
        assert!(inbox.pop().is_none());
        assert!(matches!(inbox.step(&mut Search::tag(ACK), &mut 1), Step::Empty));
        assert_eq!(intake.exchange(inbox.spare(), Some(Waker::noop())), Exchange::Empty);
    });
    assert_eq!(idle.count_total, 1, "the block that both sides share");
}

#[test]
fn a_process_that_is_never_sent_anything_costs_three_blocks() {
    const PROCESSES: u64 = 100;
    let runtime = runtime();
    for form in [Form::Plain, Form::Many, Form::Tag, Form::Key] {
        let _inside = runtime.enter();
        let node = Node::new();
        let mut kept = Vec::with_capacity(2 * PROCESSES as usize);
        let mut spawn = || {
            (0..PROCESSES).for_each(|_| kept.push(node.spawn(move |cx| receive(cx, form))));
            // They are polled before this task is polled again, and wait.
            runtime.block_on(tokio::task::yield_now());
        };
        spawn();
        let allocations = measure(&mut spawn).count_total;
        println!("{allocations} allocations for {PROCESSES} processes that wait, {form:?}");
        // Seat, body and the runtime's task; the mailbox is in the seat. Slots of the pid table may come in one more.
        assert!((3 * PROCESSES..=3 * PROCESSES + 5).contains(&allocations), "{allocations} allocations, {form:?}");
        let used = measure(|| {
            for to in &kept {
                assert!(to.pid().is_some() && to.depth() == 0 && to.downgrade().upgrade().is_some());
            }
        });
        assert_eq!(used.count_total, 0, "an address is a pointer to the seat");
    }
}

#[test]
fn a_spawn_costs_a_fixed_number_of_allocations() {
    const SPAWNS: u64 = 1_000;
    let runtime = runtime();
    let (node, _) = actor(&runtime);
    let mut kept: Vec<Addr<Msg>> = Vec::with_capacity(4 * SPAWNS as usize);
    let mut spawn = || {
        (0..SPAWNS).for_each(|_| kept.push(node.spawn(|cx| run_actor::<Sum>(|| (), cx))));
        runtime.block_on(async {
            let last = kept.last().expect("one was just spawned");
            last.call(Msg::Get).await.expect("it runs, and so all before it have run");
        });
    };
    spawn();
    let allocated = measure(&mut spawn);
    let (counted, bytes) = (allocated.count_total, allocated.bytes_current / SPAWNS as i64);
    println!("{counted} allocations for {SPAWNS} spawns, {bytes} bytes each");
    // Seat, body and the runtime's task. A thousand slots of the pid table come in one more.
    assert!((3 * SPAWNS..=3 * SPAWNS + 20).contains(&counted), "{counted} allocations for {SPAWNS} spawns");
}

#[test]
fn the_end_of_a_process_that_knew_nobody_costs_its_signal_and_nothing_else() {
    const STOPS: u64 = 1_000;
    let runtime = runtime();
    let (node, _) = actor(&runtime);
    let stop = || {
        let actors: Vec<Addr<Msg>> = (0..STOPS).map(|_| node.spawn(|cx| run_actor::<Sum>(|| (), cx))).collect();
        runtime.block_on(async {
            let last = actors.last().expect("all were just spawned");
            last.call(Msg::Get).await.expect("it runs, and so all before it have run");
        });
        let stopped = measure(|| {
            runtime.block_on(async {
                actors.iter().for_each(|actor| actor.exit(ExitReason::Shutdown));
                while node.process_count() > 1 {
                    tokio::task::yield_now().await;
                }
            });
        });
        assert!(actors.iter().all(|actor| matches!(actor.ended(), Some(ExitReason::Shutdown))));
        (stopped.count_total, stopped.bytes_current)
    };
    stop();
    let (counted, bytes) = stop();
    println!("{counted} allocations for {STOPS} stops, {bytes} bytes");
    // The signal, and the queue's first ring, which an idle mailbox does not have.
    assert!(counted <= 2 * STOPS + 20, "{counted} allocations for {STOPS} stops");
    // What is left is the seat, for as long as an address names it; body and task are gone.
    assert!(bytes <= -400 * STOPS as i64, "{bytes} bytes");
}

#[test]
fn a_call_costs_a_fixed_number_of_allocations() {
    const CALLS: u64 = 1_000;
    let runtime = runtime();
    let (_node, sum) = actor(&runtime);
    let calls = |forever: bool| {
        measure(|| {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    let call = sum.call(Msg::Get);
                    let answer = if forever { call.forever().await } else { call.await };
                    assert_eq!(answer.expect("the actor answers"), 0);
                }
            });
        })
        .count_total
    };
    let _warm_up = (calls(true), calls(false));
    let (forever, limited) = (calls(true), calls(false));
    println!("{forever} allocations for {CALLS} calls without a limit, {limited} with the default one");
    assert!(forever <= CALLS + 5, "the slot and nothing else, not {forever}");
    assert!(limited <= CALLS + 5, "the slot and nothing else: it is given its place in a list, not {limited}");
}

#[test]
fn a_call_of_a_process_costs_its_slot_and_nothing_else() {
    const CALLS: u64 = 1_000;
    let runtime = runtime();
    let (node, sum) = actor(&runtime);
    let (done, mut counts) = tokio::sync::mpsc::channel(8);
    let caller = node.spawn(async move |mut cx: Context<bool>| {
        loop {
            let forever = cx.recv_message().await;
            for _ in 0..CALLS {
                let call = sum.call(Msg::Get);
                let answer = if forever { call.forever().await } else { call.await };
                assert_eq!(answer.expect("the actor answers"), 0);
            }
            let _gone = done.try_send(());
        }
    });
    let mut round = |forever| {
        let round = || {
            caller.cast(forever);
            runtime.block_on(counts.recv()).expect("the caller lives");
        };
        measure(round).count_total
    };
    let _warm_up = (round(true), round(false));
    let (forever, limited) = (round(true), round(false));
    println!("{forever} allocations for {CALLS} calls without a limit, {limited} with the default one, of a process");
    assert!(forever <= CALLS + 5, "the slot and nothing else, not {forever}");
    assert!(limited <= CALLS + 5, "the slot and nothing else, not {limited}");
}

#[test]
fn a_start_that_is_acknowledged_costs_a_fixed_number_of_allocations() {
    const STARTS: u64 = 1_000;
    let runtime = runtime();
    let _inside = runtime.enter();
    let node = Node::new();
    let mut kept: Vec<Addr<Msg>> = Vec::with_capacity(4 * STARTS as usize);
    let office = runtime.block_on(DynamicSupervisor::new().start(&node)).expect("the supervisor starts");
    let mut start = || {
        runtime.block_on(async {
            for _ in 0..STARTS {
                kept.push(office.start_child(child::<Sum>(|| ())).await.expect("a child starts"));
            }
        });
    };
    start();
    start();
    let counted = measure(&mut start).count_total;
    println!("{counted} allocations for {STARTS} children that are started and acknowledged");
    // Three for the process; the others are its spec, what ties it to its supervisor, and the way back of the answer.
    assert!(counted <= 8 * STARTS + 20, "{counted} allocations for {STARTS} starts");
}

#[test]
fn a_tick_of_an_interval_costs_the_nodes_sleep_and_nothing_else() {
    const TICKS: u64 = 200;
    let runtime = runtime();
    let _inside = runtime.enter();
    let node = Node::new();
    let (done, mut counts) = tokio::sync::mpsc::channel(8);
    node.spawn(async move |mut cx: Context<u32>| {
        cx.send_interval(std::time::Duration::from_millis(1), || 1);
        loop {
            for _ in 0..TICKS {
                cx.recv_message().await;
            }
            let _gone = done.try_send(());
        }
    });
    let mut round = || measure(|| runtime.block_on(counts.recv()).expect("the process lives")).count_total;
    let _warm_up = round();
    let ticks = round();
    println!("{ticks} allocations for {TICKS} ticks of an interval");
    // The interval itself is set again in place. A backend hands its sleeps out boxed: one for each time that the node
    // wakes up, however many timers are due by then.
    assert!(ticks <= TICKS + 5, "{ticks} allocations for {TICKS} ticks");
}
