//! A contest of queues: plain threads that all send at once, and one that takes everything.
//!
//! ```text
//!   thread 1 ─┐                                  one lock:  all push into one intake
//!   thread 2 ─┼─► queue ─► this thread: sums     sharded:   thread i pushes into intake i % N, all N are swept in turn
//!   thread n ─┘
//! ```
//!
//! Threads and not tasks: a runtime with two workers never has more than two senders at work, and what is asked here is
//! what happens with more.
//!
//! # Invariants
//! * All threads wait until everybody is there, so none of them is being started while the clock runs.
//! * The receiver sums what it takes, and the sum is checked: nothing was lost, and nothing came twice.
//!
//! # Not here
//! A sharded intake that one could use. Several [`Queue::Intakes`] are a prototype: they say what N locks save, and what it
//! costs to sweep them. They keep the order of one thread's messages, because a thread stays with its shard, and that is
//! all: there are no signals, so what keeping their order would cost is not shown.

use crate::machine::Stopwatch;
use freeboard::mailbox::{Event, Exchange, Inbox, Intake};
use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Barrier, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};
use tokio::sync::mpsc::UnboundedReceiver;

/// How many threads send at once.
pub const PRODUCERS: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// A queue in the contest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// Ours: a lock, and the whole buffer is swapped out. One, as in a mailbox, or several side by side.
    Intakes(usize),
    /// tokio's unbounded channel, taken out in batches (`recv_many`).
    Tokio,
    /// crossbeam's unbounded channel.
    Crossbeam,
    /// The standard library's.
    Std,
}

/// Everything that takes part; ours comes first.
pub const QUEUES: [Queue; 7] = [
    Queue::Intakes(1),
    Queue::Tokio,
    Queue::Crossbeam,
    Queue::Std,
    Queue::Intakes(2),
    Queue::Intakes(4),
    Queue::Intakes(8),
];

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intakes(1) => f.write_str("intake"),
            Self::Intakes(shards) => write!(f, "{shards} shards"),
            Self::Tokio => f.write_str("tokio recv_many"),
            Self::Crossbeam => f.write_str("crossbeam"),
            Self::Std => f.write_str("std"),
        }
    }
}

impl Queue {
    /// So many threads send so many messages each. From when all threads are there to the last message received.
    ///
    /// # Panics
    /// What was received is not what was sent.
    #[expect(clippy::disallowed_methods, reason = "tokio's channel is one of those that are compared")]
    pub fn contest(self, producers: u64, each: u64) -> Duration {
        let load = Load { producers, each };
        match self {
            Self::Intakes(shards) => {
                let shards: Vec<Shard> = (0..shards).map(|_| Shard(Intake::new())).collect();
                load.run(|producer| push_into(&shards[producer % shards.len()].0), |all| swept(&shards, all))
            }
            Self::Tokio => {
                let (to, from) = tokio::sync::mpsc::unbounded_channel();
                load.run(|_| |number| to.send(number).expect(RECEIVED), |all| wait_for(by_many(from, all)))
            }
            Self::Crossbeam => {
                let (to, from) = crossbeam_channel::unbounded();
                load.run(|_| |number| to.send(number).expect(RECEIVED), |all| from.iter().take(all as usize).sum())
            }
            Self::Std => {
                let (to, from) = mpsc::channel();
                load.run(|_| |number| to.send(number).expect(RECEIVED), |all| from.iter().take(all as usize).sum())
            }
        }
    }
}

const RECEIVED: &str = "the receiver waits for all";

/// Who sends how much.
#[derive(Clone, Copy)]
struct Load {
    producers: u64,
    each: u64,
}

impl Load {
    /// `sender` makes what each thread sends with; `receive` takes that many messages and answers their sum.
    fn run<S: Fn(u64) + Send>(self, sender: impl Fn(usize) -> S, receive: impl FnOnce(u64) -> u64) -> Duration {
        let Self { producers, each } = self;
        let [ready, go] = [(); 2].map(|()| Barrier::new(producers as usize + 1));
        thread::scope(|scope| {
            for send in (0..producers as usize).map(sender) {
                scope.spawn(|| {
                    let send = send;
                    ready.wait();
                    go.wait();
                    (1..=each).for_each(send);
                });
            }
            ready.wait();
            // Started before they are let go: a machine with few cores may leave this thread aside meanwhile.
            let clock = Stopwatch::start();
            go.wait();
            let sum = receive(producers * each);
            let took = clock.elapsed();
            assert_eq!(sum, producers * (each * (each + 1) / 2), "everything arrives once");
            took
        })
    }
}

fn push_into(intake: &Intake<u64, ()>) -> impl Fn(u64) + Send {
    |number| assert!(intake.push(number).is_ok(), "an intake is open until it is closed")
}

/// Far enough from the next one that two threads at two shards do not share a cache line, nor a pair of them.
#[repr(align(128))]
struct Shard(Intake<u64, ()>);

/// Sweeps the shards until everything was there. Parks only after two sweeps without anything: the first asks, the second
/// leaves a waker with each shard, so whatever comes in between is found or wakes. One shard is treated alike, so that the
/// number of shards is all that differs.
fn swept(shards: &[Shard], all: u64) -> u64 {
    let waker = wakes_this_thread();
    let mut inbox = Inbox::new();
    let (mut sum, mut count, mut parks) = (0, 0, false);
    while count < all {
        let before = count;
        for Shard(intake) in shards {
            if intake.exchange(inbox.spare(), parks.then_some(&waker)) != Exchange::Empty {
                while let Some(event) = inbox.pop() {
                    let Event::Message(number) = event else { unreachable!("nobody sent a notice") };
                    sum += number;
                    count += 1;
                }
            }
        }
        let is_idle = count == before;
        if is_idle && parks {
            thread::park();
        }
        parks = is_idle && !parks;
    }
    sum
}

async fn by_many(mut from: UnboundedReceiver<u64>, all: u64) -> u64 {
    const BATCH: usize = 256;
    let (mut sum, mut count, mut batch) = (0, 0, Vec::with_capacity(BATCH));
    while count < all {
        count += from.recv_many(&mut batch, BATCH).await as u64;
        sum += batch.drain(..).sum::<u64>();
    }
    sum
}

/// Runs a future on this thread, which sleeps while it waits.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let waker = wakes_this_thread();
    let (mut future, mut task) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

fn wakes_this_thread() -> Waker {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    Waker::from(Arc::new(Unpark(thread::current())))
}

#[cfg(test)]
mod tests {
    //! Every queue hands over what it is given, once.
    use super::*;

    #[test]
    fn everything_arrives_once_through_every_queue() {
        for queue in QUEUES {
            for producers in [1, 3, 8] {
                // The contest itself looks at the sum.
                assert!(queue.contest(producers, 2_000) > Duration::ZERO, "{queue}");
            }
        }
    }
}
