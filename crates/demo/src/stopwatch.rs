//! Real time, in microseconds since a run began.
//!
//! Every time stamp of the demo is a `u64` of these, so the rules that judge a run can be tested on made-up numbers.
//! This is the only file that reads the clock or puts a thread to sleep.
#![expect(clippy::disallowed_methods, reason = "the demo measures true cost, so it lives in real time")]

use std::time::{Duration, Instant};

/// One second in microseconds.
pub const SECOND: u64 = 1_000_000;
/// One millisecond in microseconds.
pub const MILLI: u64 = 1_000;

/// The clock of one run.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    /// Starts at zero, now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Microseconds since the start.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Nanoseconds since the start, for what is too short to count in microseconds.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Puts the calling OS thread to sleep until `at_us`; returns at once if that is past.
    pub fn sleep_until(&self, at_us: u64) {
        let now = self.now_us();
        if at_us > now {
            std::thread::sleep(Duration::from_micros(at_us - now));
        }
    }
}

/// Keeps the calling thread's core busy for `time`: the stand-in for the work of a handshake.
///
/// It does not sleep: a sleep has a granularity of a millisecond and would hide the cost of a scan.
pub fn spin(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}
