//! The tokio backend: processes are tasks of a runtime that somebody else owns.
//!
//! If that runtime is dropped, its tasks are dropped without a poll; a process then runs its exit protocol inside its
//! `Drop` (`task.rs`), so its observers still learn of its end.
//!
//! The coarse clock is the kernel's on Linux, which is read for a quarter of the price of the exact one and ticks every few
//! milliseconds; elsewhere it is the exact one.

use super::{Backend, Service, Workers};
use crate::task::Task;
use freeboard_signal::Clock;
use std::hash::{BuildHasher, RandomState};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Handle, Runtime};

/// Runs processes on a tokio runtime, multi-threaded or not. Its time driver must be enabled.
#[derive(Debug)]
pub struct Tokio {
    runtime: Handle,
    #[cfg(target_os = "linux")]
    ticks: ticks::Ticks,
}

impl Tokio {
    /// The runtime that this is called from.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn current() -> Self {
        Self::on(Handle::current())
    }

    /// The runtime behind this handle.
    pub fn on(runtime: Handle) -> Self {
        Self {
            runtime,
            #[cfg(target_os = "linux")]
            ticks: ticks::Ticks::new(),
        }
    }
}

impl Clock for Tokio {
    #[expect(clippy::disallowed_methods, reason = "this is the real clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[cfg(target_os = "linux")]
    fn coarse(&self) -> Instant {
        self.ticks.read()
    }

    #[cfg(target_os = "linux")]
    fn lag(&self) -> Duration {
        self.ticks.lag
    }
}

/// The kernel's coarse clock, as instants.
#[cfg(target_os = "linux")]
mod ticks {
    use rustix::time::{ClockId, clock_getres, clock_gettime};
    use std::time::{Duration, Instant};

    /// One moment, read from both clocks. The coarse clock stands at the exact one's last tick, so a difference to this is
    /// never ahead.
    #[derive(Debug)]
    pub(super) struct Ticks {
        at: Instant,
        since_boot: Duration,
        /// How long a tick is, and what passed between the two readings.
        pub(super) lag: Duration,
    }

    impl Ticks {
        #[expect(clippy::disallowed_methods, reason = "this is the real clock")]
        pub(super) fn new() -> Self {
            // In this order: what passes between the two readings adds to the lag, and never puts a reading ahead.
            let at = Instant::now();
            let since_boot = read(ClockId::Monotonic);
            let tick = clock_getres(ClockId::MonotonicCoarse).try_into().unwrap_or_default();
            Self { at, since_boot, lag: at.elapsed().saturating_add(tick) }
        }

        pub(super) fn read(&self) -> Instant {
            self.at + read(ClockId::MonotonicCoarse).saturating_sub(self.since_boot)
        }
    }

    fn read(clock: ClockId) -> Duration {
        clock_gettime(clock).try_into().unwrap_or_default()
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

    fn workers(&self, name: &str, threads: usize) -> io::Result<Arc<dyn Workers>> {
        Ok(Arc::new(OwnWorkers(Some(runtime(name, threads)?))))
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(self.runtime.spawn_blocking(work));
    }

    fn assert_may_block(&self) {
        // tokio knows which threads drive tasks, and says so by a panic; it does not let us ask.
        self.runtime.block_on(std::future::ready(()));
    }
}

/// A runtime with so many worker threads: `name-1`, `name-2` and so on.
pub(crate) fn runtime(name: &str, threads: usize) -> io::Result<Runtime> {
    let (name, named) = (name.to_owned(), AtomicUsize::new(0));
    let next_name = move || format!("{name}-{}", named.fetch_add(1, Ordering::Relaxed) + 1);
    Builder::new_multi_thread().worker_threads(threads).thread_name_fn(next_name).enable_all().build()
}

/// The threads of a bulkhead; the runtime is there until the drop.
struct OwnWorkers(Option<Runtime>);

impl Workers for OwnWorkers {
    fn spawn(&self, task: Task) {
        drop(self.0.as_ref().expect("the runtime is there until the drop").spawn(task));
    }
}

impl Drop for OwnWorkers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting here would block whoever drops this, and panic inside of a runtime.
            runtime.shutdown_background();
        }
    }
}
