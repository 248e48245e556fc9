//! What a runtime has to offer, as one small object-safe trait: run tasks, tell the time, wait, draw a random number.
//!
//! ```text
//!   Node ── Arc<dyn Backend> ──┬── tokio   worker threads, the machine's clock
//!                              └── sim     one thread, seeded order, virtual time
//! ```
//!
//! A node reaches the outside only through this, so user code that keeps to its context runs unchanged in a simulation.
//! The price is one indirect call per spawn; no type of the API carries the runtime as a parameter.

mod sim;
#[cfg(feature = "tokio")]
mod tokio;

pub use sim::{Aim, Digest, FailedSeed, Sim};
#[cfg(feature = "tokio")]
pub use tokio::Tokio;

use crate::task::Task;
use freeboard_signal::Clock;
use std::{future::Future, io, pin::Pin, time::Instant};

/// A boxed future of a runtime's own.
pub type Service = Pin<Box<dyn Future<Output = ()> + Send>>;

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

    /// Asks before the calling thread is blocked by a call to a process of this backend.
    ///
    /// # Panics
    /// If that would stop others on this thread, or for good.
    fn assert_may_block(&self) {}
}
