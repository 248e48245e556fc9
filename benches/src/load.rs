//! The loads: what is asked of a program, the same for ours and for the floor.
//!
//! Invariant: nothing here knows which side it drives.
#![expect(clippy::disallowed_methods, reason = "callers and producers are plain tasks: the outside world")]

use crate::machine::{Countdown, Stopwatch};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Many messages from a few producers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tell {
    pub(crate) producers: u64,
    /// From each of them.
    pub(crate) messages: u64,
    /// A producer gives its worker to others after so many messages; without it, it never does.
    pub(crate) yields: Option<u64>,
}

impl Tell {
    /// Sends everything. A single producer is the task that calls this.
    pub(crate) async fn produce(self, send: impl Fn(u64) + Clone + Send + 'static) {
        if self.producers == 1 {
            return self.produce_one(send).await;
        }
        let producers: Vec<_> = (0..self.producers).map(|_| tokio::spawn(self.produce_one(send.clone()))).collect();
        for producer in producers {
            producer.await.expect("a producer only sends");
        }
    }

    async fn produce_one(self, send: impl Fn(u64)) {
        for number in 1..=self.messages {
            send(number);
            if self.yields.is_some_and(|messages| number % messages == 0) {
                tokio::task::yield_now().await;
            }
        }
    }

    pub(crate) fn messages(self) -> u64 {
        self.producers * self.messages
    }

    /// What the receiver's sum must be.
    pub(crate) fn sum(self) -> u64 {
        self.producers * (self.messages * (self.messages + 1) / 2)
    }
}

/// Runs many callers at once, each of which makes `calls` calls one after the other. Calls per second.
pub(crate) async fn at_once<Fut>(callers: u64, calls: u64, caller: impl Fn(u64) -> Fut) -> f64
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let clock = Stopwatch::start();
    let running: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(calls))).collect();
    for caller in running {
        caller.await.expect("a caller checks its answers and does not panic");
    }
    (callers * calls) as f64 / clock.seconds()
}

/// Callers that wait for one signal and then all start something. From the signal to the last answer.
pub(crate) async fn storm<Fut>(callers: usize, start: impl Fn() -> Fut + Send + Sync + 'static) -> Duration
where
    Fut: Future<Output = ()> + Send,
{
    let (ready, done) = (Countdown::from(callers), Countdown::from(callers));
    let (signal, start) = (Arc::new(Notify::new()), Arc::new(start));
    for _ in 0..callers {
        let (ready, done, start) = (Arc::clone(&ready), Arc::clone(&done), Arc::clone(&start));
        let signalled = Arc::clone(&signal).notified_owned();
        tokio::spawn(async move {
            ready.one();
            signalled.await;
            start().await;
            done.one();
        });
    }
    ready.finished().await;
    let clock = Stopwatch::start();
    signal.notify_waiters();
    done.finished().await;
    clock.elapsed()
}
