//! A thread that does a node's own work, for a node that has bulkheads.
//!
//! A node without bulkheads lets its backend run what it does itself: firing timers, shutting down. If every worker of that
//! backend is held by code that does not yield, nobody there could be in time anyway. With a bulkhead somebody is, and is
//! owed timers and a shutdown that wait for no worker. So the first bulkhead moves this work to a thread of its own.
//!
//! ```text
//!   hire: thread ─► takes over the timers ─► fire what is due, poll what was handed over, park until the next is due
//!                                                                                   ▲ unparked by: an earlier timer, a service
//! ```
//!
//! # Invariants
//! * At most one steward per node. It ends with the node's last handle.
//! * It holds the node only while it works, and no lock while it fires or polls.
//!
//! # Not here
//! What is due when (`timer.rs`), what a shutdown does (`shutdown.rs`).

use crate::executor::Service;
use crate::node::{Node, WeakNode};
use crate::sync::Mutex;
use crate::task::quietly;
use crate::timer::{Action, Round, Timer, TimerService};
use std::{
    future::Future,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

/// Where a node meets its steward, if it has one.
#[derive(Default)]
pub(crate) struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    hired: bool,
    /// Wakes the steward; not there before the thread runs.
    bell: Option<Waker>,
    /// What it shall do and has not seen yet.
    handed: Vec<Service>,
}

/// The waker of a thread that parks.
pub(crate) struct Unpark(Thread);

impl Unpark {
    /// Wakes the calling thread.
    pub(crate) fn this_thread() -> Waker {
        Waker::from(Arc::new(Self(thread::current())))
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Node {
    /// Starts the steward, if there is none. A simulation has no threads, and nobody in it holds a worker: it needs none.
    pub(crate) fn hire_steward(&self) -> io::Result<()> {
        if mem::replace(&mut self.desk().0.lock().hired, true) {
            return Ok(());
        }
        let weak = self.downgrade();
        let started = self.backend().spawn_thread("freeboard-steward".to_owned(), Box::new(move || serve(&weak)));
        match started {
            Ok(()) => Ok(()),
            Err(error) => {
                let mut state = self.desk().0.lock();
                state.hired = false;
                let handed = mem::take(&mut state.handed);
                drop(state);
                handed.into_iter().for_each(|service| self.backend().spawn_service(service));
                if error.kind() == io::ErrorKind::Unsupported { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Runs a future of the node's own: by its steward, or its backend.
    pub(crate) fn serve(&self, service: Service) {
        let mut state = self.desk().0.lock();
        if !state.hired {
            drop(state);
            return self.backend().spawn_service(service);
        }
        state.handed.push(service);
        let bell = state.bell.clone();
        drop(state);
        if let Some(bell) = bell {
            bell.wake();
        }
    }

    /// A future that is ready at that instant, or a little later; for what [`serve`](Self::serve) runs.
    pub(crate) fn sleep_until(&self, at: Instant) -> Service {
        if self.desk().0.lock().hired {
            // The backend's sleeps wake nobody while all of its workers are held.
            Box::pin(Nap { node: self.clone(), at, timer: None })
        } else {
            self.backend().sleep_until(at)
        }
    }
}

/// The life of the thread.
fn serve(node: &WeakNode) {
    let bell = Unpark::this_thread();
    let mut timers = match node.upgrade() {
        Some(node) => {
            node.desk().0.lock().bell = Some(bell.clone());
            TimerService::taking_over(&node)
        }
        None => return,
    };
    let mut services: Vec<Service> = Vec::new();
    loop {
        if let Some(node) = node.upgrade() {
            services.append(&mut node.desk().0.lock().handed);
        }
        services.retain_mut(|service| {
            // Its own panic would be ours; what it was is over.
            let mut goes_on = false;
            quietly(|| goes_on = service.as_mut().poll(&mut Context::from_waker(&bell)).is_pending());
            goes_on
        });
        // A service that has ended may have held the last handle of the node.
        match timers.round(&bell) {
            Round::Over => return,
            Round::Idle(None) => thread::park(),
            Round::Idle(Some((next, now))) => thread::park_timeout(next.saturating_duration_since(now)),
        }
    }
}

/// A wait that the node's own timers end.
struct Nap {
    node: Node,
    at: Instant,
    timer: Option<Timer>,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let now = this.node.now();
        if let Some(timer) = this.timer.take() {
            let _over = this.node.timers().cancel(timer, now);
        }
        if now >= this.at {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        this.timer = Some(this.node.timers().at(this.at, |_| Action::Wake(waker)));
        Poll::Pending
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            let _over = self.node.timers().cancel(timer, self.at);
        }
    }
}
