//! Polls one future by hand, or until it is over, with a waker that loom sees.
//!
//! A future has one waker from its first poll to its last, as in a real executor: a process registers its task's waker once.
//! Nothing wakes spuriously here, so a lost wake is a deadlock, which loom reports.
//!
//! Invariant: a wake that comes during a poll is not lost; the next wait returns at once.

use crate::{Drops, Log, Tracked};
use freeboard_mailbox::sync::Mutex;
use loom::{sync::Condvar, thread::JoinHandle};
use std::{
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

/// A waker and the place where its owner waits for it. A waker that is leaked fails the model.
#[derive(Debug, Clone)]
pub struct Park {
    bell: Arc<Bell>,
    waker: Waker,
}

#[derive(Debug)]
struct Bell {
    rung: Mutex<Rung>,
    condvar: Condvar,
    _tracked: Tracked<()>,
}

#[derive(Debug, Default)]
struct Rung {
    now: bool,
    times: usize,
}

impl Park {
    /// A waker that was not woken yet.
    pub fn new() -> Self {
        let bell = Bell { rung: Mutex::default(), condvar: Condvar::new(), _tracked: Drops::new().track(()) };
        let bell = Arc::new(bell);
        Self { waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// The waker.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Waits until the waker was woken since the last wait.
    pub fn wait(&self) {
        let mut rung = self.bell.rung.lock();
        while !mem::take(&mut rung.now) {
            rung = self.bell.condvar.wait(rung).expect("loom poisons no lock here");
        }
    }

    /// How often the waker was woken.
    pub fn wakes(&self) -> usize {
        self.bell.rung.lock().times
    }
}

impl Default for Park {
    fn default() -> Self {
        Self::new()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut rung = self.rung.lock();
        rung.now = true;
        rung.times += 1;
        drop(rung);
        self.condvar.notify_one();
    }
}

/// A future with its own waker. Dropping it drops the future: a runtime that goes away.
pub struct Driver {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    park: Park,
    over: bool,
}

impl Driver {
    /// Drives this future; it is not polled yet.
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { future: Box::pin(future), park: Park::new(), over: false }
    }

    /// Polls once, woken or not; answers whether the future is over.
    pub fn poll(&mut self) -> bool {
        let waker = self.park.waker().clone();
        self.over = self.over || self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        self.over
    }

    /// Polls, and waits for the wake between polls, until the future is over.
    pub fn run(mut self) {
        while !self.poll() {
            self.park.wait();
        }
    }

    /// Waits for a wake since the last wait.
    pub fn wait(&self) {
        self.park.wait();
    }

    /// The same, until `done` after a poll.
    pub fn run_until(&mut self, done: impl Fn() -> bool) {
        while !self.poll() && !done() {
            self.park.wait();
        }
    }

    /// Polls on a thread of its own until the future has written into that log; the thread gives the rest back.
    pub fn watch_elsewhere<T: Clone + PartialEq + Send + 'static>(mut self, seen: &Log<T>) -> JoinHandle<Self> {
        let seen = seen.clone();
        loom::thread::spawn(move || {
            self.run_until(|| !seen.entries().is_empty());
            self
        })
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("over", &self.over).finish_non_exhaustive()
    }
}

/// Runs a future on this thread: its value.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let park = Park::new();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(park.waker())) {
            Poll::Ready(value) => return value,
            Poll::Pending => park.wait(),
        }
    }
}
