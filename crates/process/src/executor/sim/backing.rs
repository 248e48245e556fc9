//! What a node sees of a simulation: its clock, its sleepers, and where its tasks go.

use super::{Bulkhead, Shared, Slot};
use crate::executor::{Backend, Service, Workers};
use crate::task::Task;
use crate::wire::Peer;
use freeboard_signal::Clock;
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

/// A simulation as a node's backend.
pub(super) struct Backing(pub(super) Arc<Shared>);

/// Makes a task of a simulation ready.
pub(super) struct TaskWaker {
    pub(super) shared: Arc<Shared>,
    pub(super) task: usize,
}

impl Clock for Backing {
    fn now(&self) -> Instant {
        self.0.0.lock().now()
    }
}

impl Backing {
    fn insert(&self, service: Service, process: Option<Peer>, bulkhead: Bulkhead) {
        let mut state = self.0.0.lock();
        if state.over {
            drop(state);
            drop((service, process));
            return;
        }
        let shared = Arc::clone(&self.0);
        state.insert(|task| {
            let waker = Waker::from(Arc::new(TaskWaker { shared, task }));
            Slot { future: Some(service), process, bulkhead, queued: true, waker }
        });
    }
}

impl Backend for Backing {
    fn spawn(&self, task: Task) {
        let process = task.peer();
        self.insert(Box::pin(task), Some(process), Bulkhead::None);
    }

    fn spawn_service(&self, service: Service) {
        self.insert(service, None, Bulkhead::None);
    }

    fn sleep_until(&self, at: Instant) -> Service {
        Box::pin(Sleep { shared: Arc::clone(&self.0), at, key: None })
    }

    fn random(&self) -> u64 {
        self.0.0.lock().draw()
    }

    fn spawn_thread(&self, _: String, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        drop(body);
        let why = "a simulation has no threads: spawn an ordinary process in it, or use a node on tokio";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn workers(&self, _: &str, _: usize) -> io::Result<Arc<dyn Workers>> {
        let mut state = self.0.0.lock();
        state.bulkheads += 1;
        Ok(Arc::new(Label { backing: Self(Arc::clone(&self.0)), number: state.bulkheads }))
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        // A task of its own, so that the seed picks when it runs.
        self.insert(Box::pin(async move { work() }), None, Bulkhead::None);
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn assert_may_block(&self) {
        panic!("a simulation has one thread, and a blocking call would stop it for good: await the call instead");
    }
}

/// The workers of a bulkhead: the one thread that there is, and a label on the tasks.
struct Label {
    backing: Backing,
    number: u64,
}

impl Workers for Label {
    fn spawn(&self, task: Task) {
        let process = task.peer();
        self.backing.insert(Box::pin(task), Some(process), Bulkhead::Number(self.number));
    }
}

impl Drop for Label {
    fn drop(&mut self) {
        self.backing.0.strand(self.number);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.shared.wake(self.task);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.wake(self.task);
    }
}

/// A wait for virtual time.
struct Sleep {
    shared: Arc<Shared>,
    at: Instant,
    key: Option<(Instant, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.shared.0.lock();
        if state.now() >= this.at {
            return Poll::Ready(());
        }
        let key = match this.key {
            Some(key) => key,
            None => {
                state.sleeps += 1;
                (this.at, state.sleeps)
            }
        };
        this.key = Some(key);
        let replaced = state.sleepers.insert(key, cx.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.shared.0.lock().sleepers.remove(&key);
            drop(waker);
        }
    }
}
