//! The recorded timeline of one run: plain data, all that the verdict may look at.
//!
//! It carries no name of a variant. Counts of requests are exact and by the plan's clock: a request waits from its planned
//! moment on, whether or not it was sent in time, and one that was never answered counts with its age. Samples, taken
//! every 100 ms, carry what can only be seen while it happens: mailboxes, the ring, memory.

use std::sync::Arc;

use crate::plan::{Plan, Storm};
use crate::recorder::{Inspected, Recorder};
use crate::request::ON_TIME_US;
use crate::ring::Heartbeats;
use crate::stopwatch::SECOND;

/// Distance between two samples.
pub const SAMPLE_US: u64 = 100_000;
/// A backlog below this much ordinary traffic is no backlog.
pub const CALM_S: f64 = 0.1;
/// How long it must stay below to count as recovered.
pub const CALM_FOR_US: u64 = SECOND;

/// What lies in one instance's mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Requests to start a connection.
    pub requests: u64,
    /// Deaths of connections.
    pub exits: u64,
    /// Heartbeats of the instance's lease.
    pub heartbeats: u64,
}

impl Depth {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests + self.exits + self.heartbeats
    }
}

/// One instance at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceSample {
    /// Its mailbox.
    pub mailbox: Depth,
    /// Requests it was handed and has not served, wherever they wait.
    pub in_flight: u64,
    /// Whether its lease runs.
    pub in_ring: bool,
}

/// All instances at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// The moment.
    pub at_us: u64,
    /// Requests planned so far.
    pub planned: u64,
    /// Requests answered so far.
    pub answered: u64,
    /// Connections started since the last sample, per second.
    pub starts_per_s: u64,
    /// Selective receives so far, and what they looked at.
    pub inspected: Inspected,
    /// Each instance.
    pub instances: Vec<InstanceSample>,
    /// Resident memory, where the system tells it.
    pub rss_mb: Option<u64>,
}

impl Sample {
    /// Requests planned and not answered.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.planned.saturating_sub(self.answered)
    }

    /// The largest mailbox.
    #[must_use]
    pub fn largest_mailbox(&self) -> Depth {
        self.instances.iter().map(|instance| instance.mailbox).max_by_key(Depth::total).unwrap_or_default()
    }
}

/// Every planned request, answered or waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Planned until the end of the run.
    pub planned: u64,
    /// Answered by then.
    pub answered: u64,
    /// Not answered by then.
    pub waiting_end: u64,
    /// Planned but not answered when the storm ended.
    pub waiting_storm_end: u64,
    /// Planned since then.
    pub offered_after_storm: u64,
}

/// Of so many requests, so many were answered within two seconds of their planned moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// All.
    pub planned: u64,
    /// Those on time.
    pub on_time: u64,
}

impl Share {
    /// The share on time; none of none is all.
    #[must_use]
    pub fn value(&self) -> f64 {
        if self.planned == 0 { 1.0 } else { self.on_time as f64 / self.planned as f64 }
    }
}

/// A latency from the planned moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Answered after this many microseconds.
    Answered(u64),
    /// Still waiting, for longer than this.
    MoreThan(u64),
}

impl Latency {
    fn least_us(self) -> u64 {
        match self {
            Self::Answered(us) | Self::MoreThan(us) => us,
        }
    }
}

/// Latencies of the requests planned since the storm began, the unanswered ones with their age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// Half are at most this slow.
    pub p50: Latency,
    /// All but one in a hundred.
    pub p99: Latency,
    /// The slowest.
    pub max: Latency,
}

/// How far the generator fell behind its plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// At worst.
    pub worst_us: u64,
    /// At worst outside the storm and the catching up after it.
    pub calm_us: u64,
}

/// All that is known of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// When the storm was planned.
    pub storm: Storm,
    /// When the run ended.
    pub end_us: u64,
    /// Ordinary starts per second on all instances after the storm.
    pub baseline_per_s: f64,
    /// The samples, in rising time.
    pub samples: Vec<Sample>,
    /// Every request.
    pub account: Account,
    /// On-time share of the requests planned in the last three seconds, without the final one.
    pub tail: Share,
    /// Members whose lease expired at least once.
    pub members_lost: usize,
    /// What became of the heartbeats.
    pub heartbeats: Heartbeats,
    /// The generator's lag.
    pub lag: Lag,
    /// How many cores other programs left alone since the storm began, where the system tells it.
    pub cores_left: Option<f64>,
    /// Latencies since the storm began; none if nobody asked.
    pub latencies: Option<Latencies>,
}

impl Timeline {
    /// A backlog below this is no backlog.
    #[must_use]
    pub fn calm(&self) -> u64 {
        calm(self.baseline_per_s)
    }

    /// When the backlog first stayed calm for a second after the storm.
    #[must_use]
    pub fn recovered_at(&self) -> Option<u64> {
        recovered_at(&self.samples, self.storm.end_us, self.calm())
    }

    /// The largest mailbox of the whole run.
    #[must_use]
    pub fn mailbox_peak(&self) -> Depth {
        self.samples.iter().map(Sample::largest_mailbox).max_by_key(Depth::total).unwrap_or_default()
    }

    /// The most requests one instance had not served.
    #[must_use]
    pub fn in_flight_peak(&self) -> u64 {
        self.samples.iter().flat_map(|sample| &sample.instances).map(|one| one.in_flight).max().unwrap_or(0)
    }

    /// Connections started per second over the second half of the time after the storm.
    #[must_use]
    pub fn starts_after_storm(&self) -> u64 {
        let from_us = self.storm.end_us.midpoint(self.end_us);
        let late: Vec<u64> = self.samples.iter().filter(|s| s.at_us > from_us).map(|s| s.starts_per_s).collect();
        late.iter().sum::<u64>() / (late.len() as u64).max(1)
    }

    /// What the selective receives looked at.
    #[must_use]
    pub fn inspected(&self) -> Inspected {
        self.samples.last().map(|sample| sample.inspected).unwrap_or_default()
    }

    /// The most memory seen.
    #[must_use]
    pub fn rss_mb(&self) -> Option<u64> {
        self.samples.iter().filter_map(|sample| sample.rss_mb).max()
    }
}

/// The backlog that is a tenth of a second of ordinary traffic, and at least a handful.
#[must_use]
pub fn calm(baseline_per_s: f64) -> u64 {
    (baseline_per_s * CALM_S).max(10.0) as u64
}

/// The first sample since `storm_end_us` from which on the backlog stays below `calm` for a second.
#[must_use]
pub fn recovered_at(samples: &[Sample], storm_end_us: u64, calm: u64) -> Option<u64> {
    let mut since = None;
    for sample in samples.iter().filter(|sample| sample.at_us >= storm_end_us) {
        if sample.waiting() >= calm {
            since = None;
            continue;
        }
        let start = *since.get_or_insert(sample.at_us);
        if sample.at_us - start >= CALM_FOR_US {
            return Some(start);
        }
    }
    None
}

/// What walking the plan beside the record tells, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reckoning {
    /// Every request.
    pub account: Account,
    /// The on-time share of the tail.
    pub tail: Share,
    /// Latencies since the storm began.
    pub latencies: Option<Latencies>,
}

/// Walks `plan` up to `end_us` beside what `recorder` knows.
///
/// Answers after `end_us` do not count. Row numbers are the order of arrivals, so both sides agree without any bookkeeping.
#[must_use]
pub fn reckon(plan: &Arc<Plan>, recorder: &Recorder, storm: &Storm, end_us: u64) -> Reckoning {
    let mut account = Account::default();
    let mut tail = Share::default();
    let mut latencies: Vec<Latency> = Vec::new();
    let tail_window = end_us.saturating_sub(3 * SECOND)..end_us.saturating_sub(SECOND);
    for (row, arrival) in plan.arrivals().take_while(|arrival| arrival.at_us < end_us).enumerate() {
        let answer = recorder.answer_of(row).filter(|&at_us| at_us <= end_us);
        account.planned += 1;
        account.answered += u64::from(answer.is_some());
        account.waiting_end += u64::from(answer.is_none());
        if arrival.at_us < storm.end_us {
            account.waiting_storm_end += u64::from(answer.is_none_or(|at_us| at_us > storm.end_us));
        } else {
            account.offered_after_storm += 1;
        }
        let latency = match answer {
            Some(at_us) => Latency::Answered(at_us.saturating_sub(arrival.at_us)),
            None => Latency::MoreThan(end_us - arrival.at_us),
        };
        if tail_window.contains(&arrival.at_us) {
            tail.planned += 1;
            tail.on_time += u64::from(matches!(latency, Latency::Answered(us) if us <= ON_TIME_US));
        }
        if arrival.at_us >= storm.start_us {
            latencies.push(latency);
        }
    }
    latencies.sort_by_key(|latency| latency.least_us());
    Reckoning { account, tail, latencies: percentiles(&latencies) }
}

fn percentiles(sorted: &[Latency]) -> Option<Latencies> {
    let max = *sorted.last()?;
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    Some(Latencies { p50: at(0.50), p99: at(0.99), max })
}
