//! How many bytes an actor has asked the allocator for: a bound for each state, so that what makes all actors larger is
//! seen where it is made.
//!
//! What the allocator adds (its own headers, the gaps that alignment leaves) is not in here: that is row 6 of the figures.
//! The bounds may be lowered freely; raising one needs a reason.

use allocation_counter::measure;
use freeboard::prelude::*;
use freeboard_process::run_actor;
use tokio::runtime::{Builder, Runtime};

const ACTORS: usize = 1_000;

/// An actor with next to nothing of its own.
struct Sum(u64);

impl Actor for Sum {
    type Msg = u64;
    type Args = u64;

    async fn init(start: u64, _: &mut Context<u64>) -> Result<Self, InitError> {
        Ok(Self(start))
    }

    async fn handle(&mut self, number: u64, _: &mut Context<u64>) -> Ended {
        self.0 += number;
        Ok(())
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("one thread is enough")
}

/// Lets every actor run until it waits.
fn settle(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..ACTORS {
            tokio::task::yield_now().await;
        }
    });
}

/// Bytes that each of the actors holds more of after `work` than before it.
fn bytes_each(work: impl FnOnce()) -> i64 {
    measure(work).bytes_current / ACTORS as i64
}

#[test]
fn an_actor_asks_for_few_bytes() {
    let runtime = runtime();
    let inside = runtime.enter();
    let node = Node::new();
    let mut actors: Vec<Addr<u64>> = Vec::with_capacity(ACTORS);
    let idle = bytes_each(|| {
        actors.extend((0..ACTORS).map(|_| node.spawn(|cx| run_actor::<Sum>(|| 0, cx))));
        settle(&runtime);
    });
    // Two at a time: what the sender fills and what the receiver empties are two buffers.
    let served = bytes_each(|| {
        for _ in 0..4 {
            actors.iter().chain(&actors).for_each(|actor| actor.cast(1));
            settle(&runtime);
        }
    });
    drop(inside);
    println!("{idle} bytes for an actor that was never sent anything, {served} more for one that was");
    assert!(actors.iter().all(|actor| actor.depth() == 0), "everything was handled");
    // Of these 256 are the runtime's task, and 32 the slot in the pid table; 24 are what a mailbox needs to be seen from
    // outside and to have a policy: counts, stamps, and a pointer to what most never need.
    assert!(idle <= 728, "{idle} bytes for an actor that was never sent anything");
    assert!(served <= 128, "{served} bytes more for an actor that was sent something");
}

#[test]
fn a_supervised_child_asks_for_few_bytes_more() {
    let runtime = runtime();
    let (supervisor, node) = runtime.block_on(async {
        let node = Node::new();
        (DynamicSupervisor::new().start(&node).await.expect("a supervisor starts"), node)
    });
    let start = || {
        runtime.block_on(async {
            for _ in 0..ACTORS {
                supervisor.start_child(child::<Sum>(|| 0)).await.expect("a child starts");
            }
        });
    };
    start();
    let supervised = bytes_each(start);
    println!("{supervised} bytes for a supervised child");
    assert_eq!(node.seats(), 2 * ACTORS + 1, "all of them live");
    assert!(supervised <= 1_272, "{supervised} bytes for a supervised child");
}
