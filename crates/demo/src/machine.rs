//! What the demo needs to know of the machine: cores and its own memory.
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
