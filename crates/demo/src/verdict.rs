//! What a run was, judged from its recorded timeline alone.
//!
//! [`verdict`] is a pure function and never learns which variant it judges. It compares counts, never a ratio of wall-clock times:
//! with A requests offered since the storm's end, and W0 and W1 waiting at the storm's end and at the end of the run,
//!
//! - **collapsed**: W1 - W0 > A / 2, fewer than 10 % of the tail on time, and at least one member lost;
//! - **recovered**: the backlog stayed calm for a second, nobody was ever lost, at least 99 % of the tail on time;
//! - **draining**: neither, and W1 < W0: a slow cure, never called "never";
//! - **inconclusive**: the run itself cannot be trusted, or says neither; the cause is named. A run that did neither collapse
//!   nor recover on a machine of which others left less than a core is not held against anybody.

use std::fmt;

use crate::stopwatch::{MILLI, SECOND};
use crate::timeline::Timeline;

/// A generator further behind its plan than this did not offer the load it should have.
pub const LAG_LIMIT_US: u64 = 500 * MILLI;
/// Less time than this after the storm shows nothing.
pub const AFTERMATH_US: u64 = 2 * SECOND;

/// With fewer cores than this left by other programs, a slow cure may be their doing.
pub const CORES_LEFT: f64 = 0.9;

/// What a run was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// The backlog still grew at the end, by so many requests a second.
    Collapsed {
        /// Requests per second.
        growth_per_s: u64,
    },
    /// Back to normal so long after the storm.
    Recovered {
        /// Microseconds after the storm's end.
        after_us: u64,
    },
    /// Getting better, but not well within the run.
    Draining {
        /// Seconds to go at this pace.
        to_go_s: f64,
    },
    /// The run does not tell.
    Inconclusive(Cause),
}

/// Why a run does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The generator fell behind its plan outside the storm.
    GeneratorLate {
        /// Microseconds at worst.
        lag_us: u64,
    },
    /// The run ended too soon after the storm.
    TooShort {
        /// Microseconds since the storm's end.
        aftermath_us: u64,
    },
    /// Other programs left so little of the machine.
    Crowded {
        /// Hundredths of a core.
        core_percent: u32,
    },
    /// The backlog neither drained nor clearly grew.
    Unclear,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GeneratorLate { lag_us } => {
                write!(f, "the load came {} ms late: the machine is too busy", lag_us / MILLI)
            }
            Self::TooShort { aftermath_us } => {
                write!(f, "only {:.1} s after the storm: run longer", *aftermath_us as f64 / SECOND as f64)
            }
            Self::Crowded { core_percent } => {
                write!(f, "other programs left {core_percent} % of one core: the machine is too busy")
            }
            Self::Unclear => write!(f, "the backlog neither drained nor clearly grew: run longer"),
        }
    }
}

impl Verdict {
    /// The word for it, in lower case.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Collapsed { .. } => "collapsed",
            Self::Recovered { .. } => "recovered",
            Self::Draining { .. } => "draining",
            Self::Inconclusive(_) => "inconclusive",
        }
    }
}

/// Judges a run.
#[must_use]
pub fn verdict(timeline: &Timeline) -> Verdict {
    if timeline.lag.calm_us > LAG_LIMIT_US {
        return Verdict::Inconclusive(Cause::GeneratorLate { lag_us: timeline.lag.calm_us });
    }
    let aftermath_us = timeline.end_us.saturating_sub(timeline.storm.end_us);
    if aftermath_us < AFTERMATH_US {
        return Verdict::Inconclusive(Cause::TooShort { aftermath_us });
    }
    let (before, after) = (timeline.account.waiting_storm_end, timeline.account.waiting_end);
    let per_s = |count: u64| count as f64 * SECOND as f64 / aftermath_us as f64;
    if growing(before, after, timeline.account.offered_after_storm)
        && timeline.tail.value() < 0.10
        && timeline.members_lost >= 1
    {
        return Verdict::Collapsed { growth_per_s: per_s(after - before) as u64 };
    }
    if let Some(at_us) = timeline.recovered_at()
        && timeline.members_lost == 0
        && timeline.tail.value() >= 0.99
    {
        return Verdict::Recovered { after_us: at_us - timeline.storm.end_us };
    }
    if let Some(left) = timeline.cores_left
        && left < CORES_LEFT
    {
        return Verdict::Inconclusive(Cause::Crowded { core_percent: (left * 100.0) as u32 });
    }
    if after < before {
        let to_go_s = if after < timeline.calm() { 0.0 } else { after as f64 / per_s(before - after) };
        return Verdict::Draining { to_go_s };
    }
    Verdict::Inconclusive(Cause::Unclear)
}

/// Whether a backlog grew by more than half of what was offered meanwhile.
#[must_use]
pub fn growing(before: u64, after: u64, offered: u64) -> bool {
    after > before && (after - before) * 2 > offered
}
