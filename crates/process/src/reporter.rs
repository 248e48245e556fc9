//! Who emits a node's crash reports: not the process that ended.
//!
//! ```text
//!   exit protocol ── file ─► queue (1,024) ─► a service of the node's, while there is something ─► hook, event
//!                      └─ full: counted
//! ```
//!
//! A hook may be slow and a subscriber may block; whoever ends must not wait for them (OTP: L5). In a simulation there
//! is one thread and nobody is kept waiting, so a report is emitted at once: before anybody hears of the death.
//!
//! # Invariants
//! * Filing takes one lock for a push, and never waits.
//! * Reports of a node are emitted one at a time, in the order in which they were filed.
//! * Each report is emitted once or counted as lost. What waits when the node goes away is emitted then.
//! * Panics of the hook and of the subscriber concern nobody.
//!
//! # Not here
//! What a report says (`report.rs`).

use crate::executor::Backend;
use crate::report::{self, CrashHook, CrashReport};
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::task::quietly;
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// How many crash reports wait to be emitted; one more is counted and dropped.
pub const REPORTS_WAITING: usize = 1_024;

/// Reports emitted before the service gives way.
const PER_POLL: usize = 32;

/// A node's reports on their way.
pub(crate) struct Reporter {
    hook: Option<CrashHook>,
    at_once: bool,
    queue: Mutex<Queue>,
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<CrashReport>>,
    /// Whether a service is there to take them.
    is_served: bool,
    /// How many were lost since that was said.
    lost: u64,
}

/// Emits what waits.
struct Emitter {
    reporter: Arc<Reporter>,
    is_done: bool,
}

impl Reporter {
    pub(crate) fn new(hook: Option<CrashHook>, backend: &dyn Backend) -> Arc<Self> {
        let (queue, lost) = (Mutex::new(Queue::default()), AtomicU64::new(0));
        Arc::new(Self { hook, at_once: backend.is_simulated(), queue, lost })
    }

    /// Whether anybody reads reports.
    pub(crate) fn is_read(&self) -> bool {
        let mut is_logged = false;
        self.hook.is_some() || {
            quietly(|| is_logged = report::is_logged());
            is_logged
        }
    }

    /// Takes a report over.
    pub(crate) fn file(self: &Arc<Self>, report: Box<CrashReport>, backend: &dyn Backend) {
        if self.at_once {
            return self.emit(report);
        }
        let mut queue = self.queue.lock();
        if queue.waiting.len() == REPORTS_WAITING {
            queue.lost += 1;
            drop(queue);
            self.lost.fetch_add(1, Ordering::Relaxed);
            // The last to hold its reason, maybe, which is user data.
            return quietly(|| drop(report));
        }
        queue.waiting.push_back(report);
        let is_served = std::mem::replace(&mut queue.is_served, true);
        drop(queue);
        if !is_served {
            backend.spawn_service(Box::pin(Emitter { reporter: Arc::clone(self), is_done: false }));
        }
    }

    /// How many reports were lost because too many waited.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Emits the oldest; answers false if none waits, and then nobody serves any more.
    fn emit_next(&self) -> bool {
        let mut queue = self.queue.lock();
        let next = queue.waiting.pop_front();
        queue.is_served = next.is_some();
        let lost = std::mem::take(&mut queue.lost);
        drop(queue);
        if lost > 0 {
            quietly(|| tracing::warn!(lost, "crash reports lost: too many waited"));
        }
        let is_there = next.is_some();
        if let Some(report) = next {
            self.emit(report);
        }
        is_there
    }

    fn emit(&self, report: Box<CrashReport>) {
        if let Some(hook) = &self.hook {
            quietly(|| hook(&report));
        }
        quietly(|| report.emit());
        quietly(|| drop(report));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        while self.emit_next() {}
    }
}

impl Future for Emitter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..PER_POLL {
            if !self.reporter.emit_next() {
                self.is_done = true;
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        // Dropped with its runtime, maybe: what waits is emitted by the next one, or with the node.
        if !self.is_done {
            self.reporter.queue.lock().is_served = false;
        }
    }
}
