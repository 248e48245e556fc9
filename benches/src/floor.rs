//! The floors: the least that the work of each row costs on tokio, written by hand, without any actor.
//!
//! What a floor leaves out is what an actor is for: nobody is told of a panic, nothing is restarted, no call learns that
//! its server is gone, and what was spawned is known to nobody. So a bar of 1.0 means that all of that costs nothing.
//!
//! These programs are fixed. They use tokio as one would without a library: an unbounded channel and a loop, a oneshot
//! for each answer, `tokio::time::timeout` for a limit.
#![expect(clippy::disallowed_methods, reason = "these are the programs that Freeboard is compared with")]

use crate::load::{self, Tell};
use crate::machine::{Countdown, Held, Stopwatch};
use crate::note::Note;
use crate::rows::junk::Junk;
use std::{collections::VecDeque, future::pending, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::timeout,
};

/// What the summing task is sent.
enum Sum {
    Add(u64),
    Get(oneshot::Sender<u64>),
}

async fn sum(mut inbox: UnboundedReceiver<Sum>) {
    let mut total = 0;
    while let Some(message) = inbox.recv().await {
        match message {
            Sum::Add(number) => total += number,
            Sum::Get(reply) => reply.send(total).expect("the asker waits"),
        }
    }
}

/// Rows 1 and 2: messages per second through a channel into a loop, which runs on that runtime.
pub(crate) async fn tell(on: Handle, load: Tell) -> f64 {
    let (to, inbox) = unbounded_channel();
    on.spawn(sum(inbox));
    let clock = Stopwatch::start();
    let sender = to.clone();
    load.produce(move |number| assert!(sender.send(Sum::Add(number)).is_ok(), "the loop runs")).await;
    let (reply, answer) = oneshot::channel();
    assert!(to.send(Sum::Get(reply)).is_ok(), "the loop runs");
    assert_eq!(answer.await, Ok(load.sum()));
    load.messages() as f64 / clock.seconds()
}

type Question = (u64, oneshot::Sender<u64>);

fn answering() -> UnboundedSender<Question> {
    let (to, mut inbox) = unbounded_channel::<Question>();
    tokio::spawn(async move {
        while let Some((number, reply)) = inbox.recv().await {
            reply.send(number + 1).expect("the caller waits");
        }
    });
    to
}

/// One caller, one call after the other.
async fn ask(to: UnboundedSender<Question>, calls: u64) {
    for number in 0..calls {
        let (reply, answer) = oneshot::channel();
        to.send((number, reply)).expect("the loop runs");
        assert_eq!(answer.await, Ok(number + 1));
    }
}

/// Row 3: a channel and a oneshot; nanoseconds per call.
pub(crate) async fn call(calls: u64) -> f64 {
    let to = answering();
    let clock = Stopwatch::start();
    ask(to, calls).await;
    clock.nanos() / calls as f64
}

/// Row 3: the same with a limit on each call.
pub(crate) async fn call_within(limit: Duration, calls: u64) -> f64 {
    let to = answering();
    let clock = Stopwatch::start();
    for number in 0..calls {
        let (reply, answer) = oneshot::channel();
        to.send((number, reply)).expect("the loop runs");
        assert_eq!(timeout(limit, answer).await, Ok(Ok(number + 1)));
    }
    clock.nanos() / calls as f64
}

/// Row 4: calls per second from many callers.
pub(crate) async fn calls_at_once(callers: u64, calls_each: u64) -> f64 {
    let to = answering();
    load::at_once(callers, calls_each, |calls| ask(to.clone(), calls)).await
}

/// Row 5: empty tasks per second, spawned, run and freed.
pub(crate) async fn spawn(tasks: usize) -> f64 {
    let ran = Countdown::from(tasks);
    let clock = Stopwatch::start();
    for _ in 0..tasks {
        let ran = Arc::clone(&ran);
        tokio::spawn(async move { ran.one() });
    }
    ran.finished().await;
    tasks as f64 / clock.seconds()
}

/// Row 6: tasks that wait for ever.
pub(crate) async fn idle(tasks: usize) {
    let ran = Countdown::from(tasks);
    for _ in 0..tasks {
        let ran = Arc::clone(&ran);
        tokio::spawn(async move {
            ran.one();
            drop(ran);
            pending::<()>().await;
        });
    }
    ran.finished().await;
}

/// Row 7: a mailbox without an index, as whoever has none writes it: whoever waits for one message looks from the oldest
/// on, takes out what it wants and closes the gap.
///
/// It belongs to its receiver alone: no lock, no channel, no task. Closing the gap costs nothing to speak of, because the
/// message that is waited for is the newest.
#[derive(Debug)]
pub struct Scan(VecDeque<Note>);

impl Scan {
    /// One with so many messages in it that nobody waits for.
    pub fn behind(depth: u64) -> Self {
        Self((0..depth).map(Note::Junk).collect())
    }

    /// Adds the newest.
    pub fn send(&mut self, note: Note) {
        self.0.push_back(note);
    }

    /// Takes the oldest that is wanted.
    pub fn receive_where(&mut self, is_wanted: impl Fn(&Note) -> bool) -> Option<Note> {
        let place = self.0.iter().position(is_wanted)?;
        self.0.remove(place)
    }

    /// Takes the oldest.
    pub fn receive(&mut self) -> Option<Note> {
        self.0.pop_front()
    }
}

/// Rows 8 and 9: each caller spawns a task that acknowledges and stays. `init` is what it waits before that.
pub(crate) async fn storm(callers: usize, init: Option<Duration>) -> f64 {
    let start = move || async move {
        let (ack, up) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(time) = init {
                tokio::time::sleep(time).await;
            }
            ack.send(()).expect("the caller waits");
            pending::<()>().await;
        });
        up.await.expect("the child acknowledges");
    };
    load::storm(callers, start).await.as_secs_f64() * 1e3
}

/// What the starting task is sent.
enum Start {
    Junk(u64),
    Child(oneshot::Sender<()>),
}

/// Row 10: a task that starts children, with junk among the requests; microseconds per start.
pub(crate) async fn starts_in_junk(junk: Junk, held: Held) -> f64 {
    let (to, mut inbox) = unbounded_channel();
    tokio::spawn(async move {
        let mut seen = 0;
        while let Some(message) = inbox.recv().await {
            match message {
                Start::Junk(number) => seen += number,
                Start::Child(ack) => {
                    tokio::spawn(async move {
                        ack.send(()).expect("the caller waits");
                        pending::<()>().await;
                    });
                }
            }
        }
        seen
    });
    let up = Countdown::from(junk.starts);
    let send_junk = || (0..junk.messages).for_each(|_| assert!(to.send(Start::Junk(1)).is_ok(), "the loop runs"));
    let call = || {
        for _ in 0..junk.starts {
            let (ack, acknowledged) = oneshot::channel();
            assert!(to.send(Start::Child(ack)).is_ok(), "the loop runs");
            let up = Arc::clone(&up);
            tokio::spawn(async move {
                acknowledged.await.expect("the child acknowledges");
                up.one();
            });
        }
    };
    junk.order(send_junk, call);
    let clock = Stopwatch::start();
    held.release();
    up.finished().await;
    clock.micros() / junk.starts as f64
}

/// Row 11: one oneshot per watcher; from the first send to the last one received, in milliseconds.
pub(crate) async fn fan_out(watchers: usize) -> f64 {
    let (ready, told) = (Countdown::from(watchers), Countdown::from(watchers));
    let mut senders = Vec::with_capacity(watchers);
    for _ in 0..watchers {
        let (sender, notice) = oneshot::channel();
        senders.push(sender);
        let (ready, told) = (Arc::clone(&ready), Arc::clone(&told));
        tokio::spawn(async move {
            ready.one();
            notice.await.expect("the target tells everybody");
            told.one();
            pending::<()>().await;
        });
    }
    ready.finished().await;
    let clock = Stopwatch::start();
    tokio::spawn(async move {
        for sender in senders {
            sender.send(()).expect("the watcher waits");
        }
    });
    told.finished().await;
    clock.millis()
}
