//! How often the allocator is asked: nothing for a message, a fixed number for a spawn and for a call.
//!
//! Counted on one thread, on which everything runs. Not counted: what tokio allocates once, which the warm-up pays.

use allocation_counter::measure;
use freeboard::prelude::*;
use freeboard_process::run_actor;
use tokio::runtime::{Builder, Runtime};

struct Sum(u64);

enum Msg {
    Add(u64),
    Get(Reply<u64>),
}

impl Actor for Sum {
    type Msg = Msg;
    type Args = ();

    async fn init((): (), _: &mut Context<Msg>) -> Result<Self, InitError> {
        Ok(Self(0))
    }

    async fn handle(&mut self, msg: Msg, _: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Add(number) => self.0 += number,
            Msg::Get(reply) => reply.send(self.0),
        }
        Ok(())
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("one thread is enough")
}

fn actor(runtime: &Runtime) -> (Node, Addr<Msg>) {
    let _inside = runtime.enter();
    let node = Node::new();
    let sum = node.spawn(|cx| run_actor::<Sum>(|| (), cx));
    (node, sum)
}

/// Allocations while so many messages are sent and handled, in bursts.
fn for_messages(runtime: &Runtime, to: &Addr<Msg>, bursts: u64, burst: u64) -> u64 {
    let tell = || {
        runtime.block_on(async {
            for _ in 0..bursts {
                (0..burst).for_each(|_| to.cast(Msg::Add(1)));
                until_handled(to).await;
            }
        });
    };
    tell();
    measure(tell).count_total
}

async fn until_handled(to: &Addr<Msg>) {
    while to.depth() > 0 {
        tokio::task::yield_now().await;
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
    assert!(limited <= 2 * CALLS + 5, "the slot and its entry in the timers, not {limited}");
}
