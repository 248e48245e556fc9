//! How many processes a node has, whether it takes more, and who waits until there are none.
//!
//! ```text
//!   spawn ─► enter ─► count ─► leave ─► (only while the node stops) departed, and the shutdown is woken
//!              └─ full, or the node stops: refused
//! ```
//!
//! The count and the mark that the node stops are one word, changed by read-modify-write. A process enters when its seat is
//! open, so whoever sets the mark afterwards finds it in the table, and whoever comes after the mark is refused: a shutdown
//! misses nobody.
//!
//! # Invariants
//! * A process enters once and leaves once. It leaves when its queue is dropped and before anybody is told of its end, so
//!   who is told finds room for a successor.
//! * Without a shutdown under way, entering and leaving take no lock. Under way, the count and those that are spared change in
//!   one step.
//! * Wakes happen after the lock is released.
//!
//! # Not here
//! What a shutdown does and when (`shutdown.rs`).

use crate::shutdown::ShutdownReport;
use crate::sync::{AtomicU64, Mutex, Ordering};
use freeboard_signal::{ExitReason, Pid};
use std::{
    error::Error,
    fmt,
    task::{Poll, Waker},
    time::Instant,
};

/// The node stops: nobody enters any more.
const STOPS: u64 = 1 << 63;

/// Why a node starts no process.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// It runs as many processes as its builder allows.
    TooMany {
        /// How many that is.
        limit: usize,
    },
    /// It is shutting down, or has been shut down.
    ShuttingDown,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { limit } => write!(
                f,
                "the node runs its max_processes of {limit} already; wait for some to end, or raise the limit when the \
                 node is built"
            ),
            Self::ShuttingDown => f.write_str("the node is shutting down and starts nothing any more"),
        }
    }
}

impl Error for SpawnError {}

impl SpawnError {
    /// The reason with which a process ends that was refused.
    pub(crate) fn into_reason(self) -> ExitReason {
        match self {
            Self::TooMany { .. } => self.into(),
            // An orderly end: nobody should warn of it, or try again because of it.
            Self::ShuttingDown => ExitReason::ShutdownWith(self.to_string().into()),
        }
    }
}

/// The processes of a node, counted.
pub(crate) struct Census {
    /// Those that have entered and not left, and [`STOPS`].
    count: AtomicU64,
    max: usize,
    stop: Mutex<Stop>,
}

/// What a shutdown under way is told.
#[derive(Default)]
struct Stop {
    /// How many there were when it began; `None` before.
    began_with: Option<usize>,
    /// By when everybody should have ended.
    until: Option<Instant>,
    /// Who has left since the shutdown looked last.
    departed: Vec<Pid>,
    /// Living processes that wait for the shutdown themselves: it does not wait for them.
    spared: Vec<Pid>,
    service: Option<Waker>,
    report: Option<ShutdownReport>,
    waiting: Vec<Waker>,
}

/// What there is to know for a shutdown.
pub(crate) struct News {
    pub(crate) departed: Vec<Pid>,
    pub(crate) until: Instant,
    /// Processes to wait for.
    pub(crate) living: usize,
}

/// Room for one process that is being made.
pub(crate) struct Place<'a> {
    census: &'a Census,
    pid: Pid,
}

impl Place<'_> {
    /// The process leaves by itself.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.census.leave(self.pid);
    }
}

impl Census {
    pub(crate) fn new(max: usize) -> Self {
        Self { count: AtomicU64::new(0), max, stop: Mutex::new(Stop::default()) }
    }

    /// Counts one process more, unless there is no place for it.
    pub(crate) fn enter(&self) -> Result<(), SpawnError> {
        let one_more = |count: u64| (count & STOPS == 0 && count < self.max as u64).then_some(count + 1);
        match self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(_) => Ok(()),
            Err(count) if count & STOPS != 0 => Err(SpawnError::ShuttingDown),
            Err(_) => Err(SpawnError::TooMany { limit: self.max }),
        }
    }

    /// For a process that has entered before its seat was open: whether it may run all the same.
    pub(crate) fn confirm(&self) -> Result<(), SpawnError> {
        // A read-modify-write and no load: one that comes before the mark is seen by whoever sets it.
        let count = self.count.fetch_add(0, Ordering::AcqRel);
        if count & STOPS == 0 { Ok(()) } else { Err(SpawnError::ShuttingDown) }
    }

    /// The place of a process that has entered and is not there yet: it is given back unless it is kept.
    pub(crate) fn place(&self, pid: Pid) -> Place<'_> {
        Place { census: self, pid }
    }

    /// A process that has entered is no more.
    pub(crate) fn leave(&self, pid: Pid) {
        let one_less = |count: u64| (count & STOPS == 0).then_some(count - 1);
        if self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_err() {
            self.departed(pid);
        }
    }

    #[cold]
    fn departed(&self, pid: Pid) {
        let mut stop = self.stop.lock();
        // In one step with what is spared, or the shutdown would take away one who is not counted any more.
        self.count.fetch_sub(1, Ordering::AcqRel);
        stop.departed.push(pid);
        stop.spared.retain(|spared| *spared != pid);
        let wake = stop.service.take();
        drop(stop);
        if let Some(waker) = wake {
            waker.wake();
        }
    }

    /// How many there are.
    pub(crate) fn living(&self) -> usize {
        usize::try_from(self.count.load(Ordering::Acquire) & !STOPS).unwrap_or(usize::MAX)
    }

    /// Whether nobody may enter any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.count.load(Ordering::Acquire) & STOPS != 0
    }

    /// Nobody enters from now on, and everybody should have ended by `until`, or by what was said before if that is sooner.
    /// `asked_by` is the process that asks, if one does. Answers whether this is the first time.
    pub(crate) fn stop(&self, until: Instant, asked_by: Option<Pid>) -> bool {
        let mut stop = self.stop.lock();
        stop.until = Some(stop.until.map_or(until, |before| before.min(until)));
        if let Some(pid) = asked_by
            && !stop.spared.contains(&pid)
        {
            stop.spared.push(pid);
        }
        let is_first = stop.began_with.is_none();
        if is_first {
            let before = self.count.fetch_or(STOPS, Ordering::AcqRel);
            stop.began_with = Some(usize::try_from(before).unwrap_or(usize::MAX));
        }
        let wake = stop.service.take();
        drop(stop);
        if let Some(waker) = wake {
            waker.wake();
        }
        is_first
    }

    /// What the shutdown should know now; `waker` is woken when that changes.
    pub(crate) fn news(&self, waker: &Waker) -> Option<News> {
        let mut stop = self.stop.lock();
        let replaced = stop.service.replace(waker.clone());
        let until = stop.until?;
        let (departed, living) = (std::mem::take(&mut stop.departed), self.others(&stop));
        drop(stop);
        drop(replaced);
        Some(News { departed, until, living })
    }

    /// How many processes there were when the shutdown began, and how many are left, those that wait for it not counted.
    pub(crate) fn remaining(&self) -> (usize, usize) {
        let stop = self.stop.lock();
        (stop.began_with.unwrap_or(0).saturating_sub(stop.spared.len()), self.others(&stop))
    }

    fn others(&self, stop: &Stop) -> usize {
        self.living().saturating_sub(stop.spared.len())
    }

    /// Whether that process waits for the shutdown itself.
    pub(crate) fn is_spared(&self, pid: Pid) -> bool {
        self.stop.lock().spared.contains(&pid)
    }

    /// The shutdown is over.
    pub(crate) fn conclude(&self, report: ShutdownReport) {
        let mut stop = self.stop.lock();
        stop.report = Some(report);
        let waiting = std::mem::take(&mut stop.waiting);
        drop(stop);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// What the shutdown came to, or `waker` is woken when it is over.
    pub(crate) fn report(&self, waker: &Waker) -> Poll<ShutdownReport> {
        let mut stop = self.stop.lock();
        if let Some(report) = &stop.report {
            return Poll::Ready(report.clone());
        }
        if !stop.waiting.iter().any(|known| known.will_wake(waker)) {
            stop.waiting.push(waker.clone());
        }
        Poll::Pending
    }
}
