//! A runtime that is moved by hand: a task runs when the test says so, and not before.
//!
//! It pins what a seed can only make likely: that something happens although the supervisor did not run at all, or that
//! exactly so many steps come before another. Time stands still.

use freeboard_process::sync::{AtomicUsize, Mutex, Ordering};
use freeboard_process::{Backend, Clock, Node, Service, Task};
use std::{
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

/// The tasks of the node, in the order in which they were spawned. Number 0 is the node's own timer service.
pub(crate) struct Hand {
    tasks: Mutex<Vec<Option<Service>>>,
    epoch: Instant,
}

struct Backing(Arc<Hand>);

/// Remembers how many tasks there were when it was woken for the first time.
pub(crate) struct Wakeup {
    hand: Arc<Hand>,
    tasks: AtomicUsize,
}

impl Hand {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by the real clock; it stands still here"
    )]
    pub(crate) fn node() -> (Arc<Self>, Node) {
        let hand = Arc::new(Self { tasks: Mutex::new(Vec::new()), epoch: Instant::now() });
        let node = Node::on(Backing(Arc::clone(&hand)));
        (hand, node)
    }

    /// How many tasks were spawned so far; the next one gets this number.
    pub(crate) fn spawned(&self) -> usize {
        self.tasks.lock().len()
    }

    /// Polls one task once; answers whether it is over.
    pub(crate) fn run(&self, task: usize) -> bool {
        let Some(mut service) = self.tasks.lock()[task].take() else { return true };
        let done = service.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if !done {
            self.tasks.lock()[task] = Some(service);
        }
        done
    }

    /// Polls a start, then once each task that it spawned, then it again: it must be through by then. Answers the number
    /// of the first of these tasks as well.
    pub(crate) fn up<T>(&self, start: impl Future<Output = T>) -> (usize, T) {
        let first = self.spawned();
        let mut start = Box::pin(start);
        assert!(poll(&mut start, Waker::noop()).is_pending());
        for task in first..self.spawned() {
            self.run(task);
        }
        (first, ready(&mut start))
    }

    /// Polls everybody, round by round, until nobody has been spawned for some rounds.
    pub(crate) fn run_all(&self) {
        let mut calm = 0;
        while calm < 4 {
            let before = self.spawned();
            for task in 0..before {
                self.run(task);
            }
            calm = if self.spawned() == before { calm + 1 } else { 0 };
        }
    }

    pub(crate) fn wakeup(self: &Arc<Self>) -> Arc<Wakeup> {
        Arc::new(Wakeup { hand: Arc::clone(self), tasks: AtomicUsize::new(0) })
    }
}

impl Wakeup {
    /// The number of tasks when the wake came, if it did.
    pub(crate) fn tasks(&self) -> Option<usize> {
        match self.tasks.load(Ordering::SeqCst) {
            0 => None,
            tasks => Some(tasks),
        }
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        let tasks = self.hand.spawned();
        let _first = self.tasks.compare_exchange(0, tasks, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Polls a future once, to be woken at `waker`.
pub(crate) fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Polls a future once; it must be ready.
pub(crate) fn ready<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> F::Output {
    match poll(future, Waker::noop()) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready"),
    }
}

impl Clock for Backing {
    fn now(&self) -> Instant {
        self.0.epoch
    }
}

impl Backend for Backing {
    fn spawn(&self, task: Task) {
        self.spawn_service(Box::pin(task));
    }

    fn spawn_service(&self, service: Service) {
        self.0.tasks.lock().push(Some(service));
    }

    fn sleep_until(&self, _: Instant) -> Service {
        Box::pin(pending())
    }

    fn random(&self) -> u64 {
        0
    }
}
