//! What a runtime has to offer, as one small object-safe trait: run tasks, tell the time, wait, draw a random number.
//!
//! ```text
//!   Node ── Arc<dyn Backend> ──┬── tokio   worker threads, the machine's clock
//!                              └── sim     one thread, seeded order, virtual time
//! ```
//!
//! A node reaches the outside only through this, so user code that keeps to its context runs unchanged in a simulation.
//! The price is one indirect call per spawn; no type of the API carries the runtime as a parameter.

#[cfg(feature = "signal")]
mod signals;
mod sim;
#[cfg(feature = "tokio")]
mod tokio;

pub use sim::{Aim, Digest, FailedSeed, Sim};
#[cfg(feature = "tokio")]
pub use tokio::Tokio;
#[cfg(feature = "tokio")]
pub(crate) use tokio::runtime;

use crate::task::Task;
use freeboard_signal::Clock;
use std::{future::Future, io, pin::Pin, sync::Arc, time::Instant};

/// A boxed future of a runtime's own.
pub type Service = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Worker threads apart from those of a backend. When this is dropped, they end in the background, and every process on them
/// at its next `await`: the drop waits for nobody, wherever it happens.
pub trait Workers: Send + Sync {
    /// Runs a process to its end on these threads.
    fn spawn(&self, task: Task);
}

/// A runtime that processes can run on.
pub trait Backend: Clock + 'static {
    /// Runs a process to its end.
    fn spawn(&self, task: Task);

    /// Runs a future of the node's own, such as the one that fires its timers.
    fn spawn_service(&self, service: Service);

    /// A future that is ready at that instant, or a little later.
    fn sleep_until(&self, at: Instant) -> Service;

    /// A random number; in a simulation it depends on the seed only.
    fn random(&self) -> u64;

    /// Runs the body of a process on a thread of its own.
    ///
    /// # Errors
    /// There can be no such thread; the process ends with that error. A simulation has none.
    fn spawn_thread(&self, name: String, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        // Nobody joins it: the process's task waits for its end.
        std::thread::Builder::new().name(name).spawn(body).map(drop)
    }

    /// Worker threads apart from those of this backend, named after `name`, for a [`Bulkhead`](crate::Bulkhead). A simulation
    /// has one thread, and puts a label on its tasks instead.
    ///
    /// # Errors
    /// There are no such threads, or this backend knows none.
    fn workers(&self, name: &str, threads: usize) -> io::Result<Arc<dyn Workers>> {
        let _ = (name, threads);
        Err(io::Error::new(io::ErrorKind::Unsupported, "this backend has no workers apart from its own"))
    }

    /// Runs a closure that may block, where it stops nobody: not inside of this call. One that cannot be run is dropped.
    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        // Whoever waits for it learns from the drop that there was no thread.
        drop(self.spawn_thread("freeboard-blocking".to_owned(), work));
    }

    /// Whether this is a simulation: one thread, and nobody who could be kept waiting.
    fn is_simulated(&self) -> bool {
        false
    }

    /// Asks before the calling thread is blocked by a call to a process of this backend.
    ///
    /// # Panics
    /// If that would stop others on this thread, or for good.
    fn assert_may_block(&self) {}
}
