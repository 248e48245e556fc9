//! A backend without a runtime: it keeps the processes it is given, and the model polls them where it wants.
//!
//! The clock stands still and no timer fires, so nothing in a model depends on time. Every `random` is the same.

use crate::Park;
use freeboard_mailbox::sync::Mutex;
use freeboard_process::{Backend, Clock, Node, Service, Task};
use std::{
    fmt,
    future::{Future, pending},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

/// The processes that a node has spawned and nobody drives yet.
#[derive(Clone, Default)]
pub struct Spawned(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tasks: Vec<Task>,
    /// The node's own futures, in the order in which it spawned them; the first one, its timers', is not kept.
    services: Option<Vec<Service>>,
    /// Woken when a process is spawned, or when there will be no more.
    worker: Option<Waker>,
    finished: bool,
}

struct Manual {
    spawned: Spawned,
    now: Instant,
}

/// A node, and where its processes turn up.
#[expect(clippy::disallowed_methods, reason = "an Instant can only be made by the real clock; it is read once")]
pub fn node() -> (Node, Spawned) {
    let spawned = Spawned::default();
    (Node::on(Manual { spawned: spawned.clone(), now: Instant::now() }), spawned)
}

impl Spawned {
    /// Takes the one process that is there.
    ///
    /// # Panics
    /// If it is not exactly one.
    pub fn one(&self) -> Task {
        let mut tasks = mem::take(&mut self.0.lock().tasks);
        assert_eq!(tasks.len(), 1, "exactly one process was spawned since the last look");
        tasks.remove(0)
    }

    /// Takes the one future of the node's own that is there beside its timers.
    ///
    /// # Panics
    /// If it is not exactly one.
    pub fn service(&self) -> Service {
        let mut services = mem::take(self.0.lock().services.get_or_insert_default());
        assert_eq!(services.len(), 1, "exactly one service was spawned since the last look");
        services.remove(0)
    }

    /// Runs on this thread every process that is spawned, until [`finish`](Self::finish) was called and all of them are
    /// over. They share one waker, so a wake meant for one of them lets all of them run.
    pub fn work(&self) {
        let park = Park::new();
        let mut running = Vec::new();
        loop {
            let mut state = self.0.lock();
            running.append(&mut state.tasks);
            let finished = state.finished;
            state.worker = Some(park.waker().clone());
            drop(state);
            running.retain_mut(|task| Pin::new(task).poll(&mut Context::from_waker(park.waker())).is_pending());
            if finished && running.is_empty() {
                return;
            }
            park.wait();
        }
    }

    /// Nothing will be spawned any more.
    pub fn finish(&self) {
        self.change(|state| state.finished = true);
    }

    fn change(&self, work: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        work(&mut state);
        let worker = state.worker.take();
        drop(state);
        if let Some(waker) = worker {
            waker.wake();
        }
    }
}

impl fmt::Debug for Spawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.lock().tasks.iter()).finish()
    }
}

impl Clock for Manual {
    fn now(&self) -> Instant {
        self.now
    }
}

impl Backend for Manual {
    fn spawn(&self, task: Task) {
        self.spawned.change(|state| state.tasks.push(task));
    }

    fn spawn_service(&self, service: Service) {
        let mut service = Some(service);
        self.spawned.change(|state| match &mut state.services {
            // The node's timers are not fired here.
            None => state.services = Some(Vec::new()),
            Some(services) => services.extend(service.take()),
        });
        drop(service);
    }

    fn sleep_until(&self, _: Instant) -> Service {
        Box::pin(pending())
    }

    fn random(&self) -> u64 {
        1
    }
}
