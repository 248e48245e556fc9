//! The machine: its clock, its workers, its memory, and who else uses it.
//!
//! This is the only file that reads the clock. Each sample gets a runtime of its own, so nothing that a sample leaves
//! behind is there for the next.
#![expect(clippy::disallowed_methods, reason = "real cost is measured in real time")]

use std::{
    fs,
    future::Future,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

/// Time since a sample began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) fn seconds(self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    pub(crate) fn millis(self) -> f64 {
        self.seconds() * 1e3
    }

    pub(crate) fn micros(self) -> f64 {
        self.seconds() * 1e6
    }

    pub(crate) fn nanos(self) -> f64 {
        self.seconds() * 1e9
    }
}

/// A runtime with two workers.
pub(crate) fn two_workers() -> Runtime {
    build(Builder::new_multi_thread().worker_threads(2))
}

/// A runtime with one worker.
pub(crate) fn one_worker() -> Runtime {
    build(Builder::new_multi_thread().worker_threads(1))
}

/// A runtime whose only worker stays on one core.
fn one_pinned_worker() -> Runtime {
    build(Builder::new_multi_thread().worker_threads(1).on_thread_start(pin))
}

fn build(builder: &mut Builder) -> Runtime {
    builder.enable_time().build().expect("a thread or two can be started")
}

/// Whether threads can be kept on one core here.
pub(crate) const CAN_PIN: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
fn pin() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None).expect("the cores of this thread can be asked for");
    let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).expect("this thread runs somewhere");
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).expect("a core from the allowed ones is accepted");
}

#[cfg(not(target_os = "linux"))]
fn pin() {}

/// Runs a load on a worker of that runtime; this thread sleeps meanwhile.
pub(crate) fn on_worker<T: Send + 'static>(runtime: &Runtime, load: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(async { tokio::spawn(load).await.expect("a load that checks its work did not panic") })
}

/// Runs a load on a fresh runtime with two workers.
pub(crate) fn run<T: Send + 'static>(load: impl Future<Output = T> + Send + 'static) -> T {
    on_worker(&two_workers(), load)
}

/// Runs a load on a fresh runtime with one worker that stays on one core.
pub(crate) fn run_pinned<T: Send + 'static>(load: impl Future<Output = T> + Send + 'static) -> T {
    on_worker(&one_pinned_worker(), load)
}

/// One of two workers, kept busy with nothing, so that whoever has the other one runs alone.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicBool>);

impl Held {
    /// Lets the worker go.
    pub(crate) fn release(self) {
        drop(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs a load on one worker of a fresh runtime while the other one is held.
pub(crate) fn run_held<T, Fut>(load: impl FnOnce(Held) -> Fut) -> T
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let runtime = two_workers();
    let release = Arc::new(AtomicBool::new(false));
    let (released, holding) = (Arc::clone(&release), Countdown::from(1));
    let holds = Arc::clone(&holding);
    let held = Held(release);
    // Spawned from this thread, which is no worker: a worker would keep both tasks for itself.
    runtime.block_on(async {
        tokio::spawn(async move {
            holds.one();
            while !released.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
        });
        holding.finished().await;
    });
    on_worker(&runtime, load(held))
}

/// Lets one waiter know when the last of many is done.
#[derive(Debug)]
pub(crate) struct Countdown {
    left: AtomicUsize,
    done: Notify,
}

impl Countdown {
    pub(crate) fn from(count: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(count), done: Notify::new() })
    }

    /// One more is done.
    pub(crate) fn one(&self) {
        let left = self.left.fetch_sub(1, Ordering::AcqRel);
        assert!(left > 0, "more were counted than there are");
        if left == 1 {
            self.done.notify_one();
        }
    }

    /// Returns when all are. For one waiter.
    pub(crate) async fn finished(&self) {
        self.done.notified().await;
    }
}

/// Resident memory of this process, in bytes; `None` where the system does not tell.
pub(crate) fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Processor time used so far, in ticks: by everybody, and by this process with its ended children.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    all: u64,
    own: u64,
}

impl Cpu {
    /// Linux reports times in ticks of this length, whatever the kernel's own clock does.
    const TICK: f64 = 0.01;

    pub(crate) fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?, &fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Seconds of a core that others used in between.
    pub(crate) fn others(before: Option<Self>, after: Option<Self>) -> Option<f64> {
        let (before, after) = (before?, after?);
        let others = (after.all - before.all).saturating_sub(after.own - before.own);
        Some(others as f64 * Self::TICK)
    }

    fn parse(machine: &str, process: &str) -> Option<Self> {
        // `cpu  user nice system idle …`: idle, interrupts and what follows are no process's time.
        let mut total = machine.lines().next()?.split_whitespace();
        (total.next()? == "cpu").then_some(())?;
        let all = total.take(3).map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
        // `pid (name) state …`: the name may hold anything, so the fields are counted from its end.
        let (_, fields) = process.rsplit_once(") ")?;
        let times = fields.split_whitespace().skip(11).take(4);
        let own = times.map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
        Some(Self { all, own })
    }
}

#[cfg(test)]
mod tests {
    //! What the system's files say.
    use super::*;

    #[test]
    fn time_of_others_is_all_but_ours() {
        let stat = |all: u64, own: u64| {
            let machine = format!("cpu  {all} 1 2 900 7 7 7 0 0 0\ncpu0 1 1 1 1\n");
            let process = format!("42 (a (b) c) R 1 1 1 0 -1 0 0 0 0 0 {own} 3 4 5 20 0 1 0 0\n");
            Cpu::parse(&machine, &process)
        };
        assert_eq!(Cpu::others(stat(1_000, 100), stat(1_250, 150)), Some(2.0));
        assert_eq!(Cpu::others(stat(1_000, 100), None), None);
    }
}
