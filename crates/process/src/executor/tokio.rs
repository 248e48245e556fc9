//! The tokio backend: processes are tasks of a runtime that somebody else owns.
//!
//! If that runtime is dropped, its tasks are dropped without a poll; a process then runs its exit protocol inside its
//! `Drop` (`task.rs`), so its observers still learn of its end.

use super::{Backend, Service};
use crate::task::Task;
use freeboard_signal::Clock;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;
use tokio::runtime::Handle;

/// Runs processes on a tokio runtime, multi-threaded or not. Its time driver must be enabled.
#[derive(Debug)]
pub struct Tokio {
    runtime: Handle,
}

impl Tokio {
    /// The runtime that this is called from.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn current() -> Self {
        Self { runtime: Handle::current() }
    }

    /// The runtime behind this handle.
    pub fn on(runtime: Handle) -> Self {
        Self { runtime }
    }
}

impl Clock for Tokio {
    #[expect(clippy::disallowed_methods, reason = "this is the real clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }
}

impl Backend for Tokio {
    fn spawn(&self, task: Task) {
        drop(self.runtime.spawn(task));
    }

    fn spawn_service(&self, service: Service) {
        drop(self.runtime.spawn(service));
    }

    fn sleep_until(&self, at: Instant) -> Service {
        // Built inside the runtime's context, so that it may be awaited from anywhere.
        let _inside = self.runtime.enter();
        Box::pin(tokio::time::sleep_until(at.into()))
    }

    fn random(&self) -> u64 {
        // The standard library's seed source; no more is asked of it than to differ.
        RandomState::new().hash_one(0_u8)
    }
}
