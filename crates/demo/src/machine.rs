//! What the demo needs to know of the machine: cores, what others use of them, and its own memory.
//!
//! It reads `/proc` where there is one, and says nothing where there is none.

/// Worker threads of the runtime each variant gets, on every machine, so that the story does not depend on its size.
pub const WORKERS: usize = 2;

/// Cores this process may use, at least one.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Resident memory of this process in MB, where the system tells it.
#[must_use]
pub fn rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}

/// Processor time spent so far, in the system's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    /// What all cores together had to give.
    pub whole: u64,
    /// What anybody used of it.
    pub used: u64,
    /// What this process used.
    pub own: u64,
}

impl Ticks {
    /// The time spent so far, where the system tells it.
    #[must_use]
    pub fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let own = std::fs::read_to_string("/proc/self/stat").ok()?;
        Self::of(&stat, &own)
    }

    /// Reads the texts of `/proc/stat` and `/proc/self/stat`.
    #[must_use]
    pub fn of(stat: &str, own: &str) -> Option<Self> {
        let all: Vec<u64> = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(number).collect();
        // user nice system idle iowait irq softirq steal; what follows is counted in the first two already.
        let whole: u64 = all.get(..8)?.iter().sum();
        // The name of the program, in parentheses, may contain anything; after it, user and system time come 12th and 13th.
        let mut own = own.rsplit_once(')')?.1.split_whitespace().skip(11).map_while(number);
        let own = own.next()? + own.next()?;
        Some(Self { whole, used: whole - all[3] - all[4], own })
    }

    /// How many of `cores` other programs left alone between `earlier` and now; all of them if no time has passed.
    #[must_use]
    pub fn cores_left(&self, earlier: &Self, cores: usize) -> f64 {
        let whole = self.whole.saturating_sub(earlier.whole);
        if whole == 0 {
            return cores as f64;
        }
        let own = self.own.saturating_sub(earlier.own);
        let others = self.used.saturating_sub(earlier.used).saturating_sub(own);
        cores as f64 * (1.0 - others as f64 / whole as f64)
    }
}

fn number(word: &str) -> Option<u64> {
    word.parse().ok()
}
