//! The live record of one run: one row per planned request, and counters per instance.
//!
//! The generator, the supervisors and the children write, the sampler reads, nobody waits. Every request is a row,
//! answered once or never; what is derived from rows (waiting, on time, latencies) is exact, the counters are for the display.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::plan::Plan;
use crate::ring::Ring;
use crate::stopwatch::Stopwatch;

const UNANSWERED: u64 = u64::MAX;

/// How many messages the selective receives of a run looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Selective receives.
    pub receives: u64,
    /// Messages looked at by all of them.
    pub total: u64,
    /// The most looked at by one of them.
    pub max: u64,
}

impl Inspected {
    /// Messages looked at per receive.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.receives == 0 { 0.0 } else { self.total as f64 / self.receives as f64 }
    }
}

#[derive(Debug, Default)]
struct Counters {
    offered: AtomicU64,
    started: AtomicU64,
    receives: AtomicU64,
    inspected: AtomicU64,
    inspected_max: AtomicU64,
}

/// The record of one run.
#[derive(Debug)]
pub struct Recorder {
    clock: Stopwatch,
    ring: Mutex<Ring>,
    answered_at: Box<[AtomicU64]>,
    answered: AtomicU64,
    instances: Box<[Counters]>,
}

impl Recorder {
    /// An empty record for the requests of `plan` on `instances` instances; its clock starts now.
    #[must_use]
    pub fn new(plan: &Plan, instances: usize) -> Arc<Self> {
        let rows = usize::try_from(plan.len()).expect("a plan small enough to replay is small enough to count");
        Arc::new(Self {
            answered_at: (0..rows).map(|_| AtomicU64::new(UNANSWERED)).collect(),
            answered: AtomicU64::new(0),
            instances: (0..instances).map(|_| Counters::default()).collect(),
            ring: Mutex::new(Ring::new(instances)),
            clock: Stopwatch::start(),
        })
    }

    /// The clock of the run.
    #[must_use]
    pub fn clock(&self) -> Stopwatch {
        self.clock
    }

    /// The ring of the run.
    pub fn ring(&self) -> parking_lot::MutexGuard<'_, Ring> {
        self.ring.lock()
    }

    /// Instances in this run.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// A request was handed to `instance`.
    pub fn offered(&self, instance: usize) {
        self.instances[instance].offered.fetch_add(1, Relaxed);
    }

    /// `instance` started a connection and told the caller of row `row`; only the first answer to a row counts.
    pub fn answered(&self, instance: usize, row: usize, now_us: u64) {
        self.instances[instance].started.fetch_add(1, Relaxed);
        if self.answered_at[row].compare_exchange(UNANSWERED, now_us, Relaxed, Relaxed).is_ok() {
            self.answered.fetch_add(1, Relaxed);
        }
    }

    /// A selective receive of `instance` looked at `messages`.
    pub fn inspected(&self, instance: usize, messages: u64) {
        let counters = &self.instances[instance];
        counters.receives.fetch_add(1, Relaxed);
        counters.inspected.fetch_add(messages, Relaxed);
        counters.inspected_max.fetch_max(messages, Relaxed);
    }

    /// When row `row` was answered.
    #[must_use]
    pub fn answer_of(&self, row: usize) -> Option<u64> {
        match self.answered_at[row].load(Relaxed) {
            UNANSWERED => None,
            at_us => Some(at_us),
        }
    }

    /// Rows answered so far.
    #[must_use]
    pub fn answered_total(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    /// Connections `instance` started so far, repeated requests included.
    #[must_use]
    pub fn started(&self, instance: usize) -> u64 {
        self.instances[instance].started.load(Relaxed)
    }

    /// Requests handed to `instance` and not yet served, wherever they wait.
    #[must_use]
    pub fn in_flight(&self, instance: usize) -> u64 {
        let counters = &self.instances[instance];
        // Read what was served first: the other order could see more served than offered.
        let started = counters.started.load(Relaxed);
        counters.offered.load(Relaxed).saturating_sub(started)
    }

    /// What all selective receives looked at so far.
    #[must_use]
    pub fn inspected_total(&self) -> Inspected {
        self.instances.iter().fold(Inspected::default(), |sum, counters| Inspected {
            receives: sum.receives + counters.receives.load(Relaxed),
            total: sum.total + counters.inspected.load(Relaxed),
            max: sum.max.max(counters.inspected_max.load(Relaxed)),
        })
    }
}
