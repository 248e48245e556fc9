//! The result as one JSON object, schema 1.
//!
//! Fields are only ever added within a schema. Times are milliseconds, unless the name says otherwise.

use serde::Serialize;

use crate::calibrate::Calibration;
use crate::machine::WORKERS;
use crate::outcome::RunOutcome;
use crate::predict::Judgement;
use crate::scenario::Scenario;
use crate::stopwatch::{MILLI, SECOND};
use crate::timeline::{Latencies, Latency, Sample};
use crate::verdict::Verdict;

#[derive(Serialize)]
struct Document {
    schema: u32,
    seed: u64,
    machine: Machine,
    calibration: Vec<Measured>,
    q_star: Option<u64>,
    freeboard_start_us: f64,
    storm: StormSize,
    variants: Vec<Run>,
    exit: u8,
}

#[derive(Serialize)]
struct Machine {
    cores: usize,
    workers: usize,
}

#[derive(Serialize)]
struct Measured {
    depth: u64,
    us: f64,
}

#[derive(Serialize)]
struct StormSize {
    lost_per_instance: u64,
    ratio: f64,
    headroom: Option<f64>,
    plan_digest: String,
}

#[derive(Serialize)]
struct Run {
    name: &'static str,
    storm_ratio: f64,
    predicted: &'static str,
    verdict: &'static str,
    cause: Option<String>,
    as_expected: Option<bool>,
    seconds: f64,
    planned: u64,
    answered: u64,
    waiting: Waiting,
    growth_per_s: Option<u64>,
    on_time_tail: f64,
    members_lost: usize,
    heartbeats: Beats,
    recovered_ms: Option<u64>,
    latency_ms: LatencyMs,
    unanswered: u64,
    starts_per_s_after_storm: u64,
    inspected: InspectedMessages,
    mailbox_peak: u64,
    mailbox_split: Split,
    in_flight_peak: u64,
    generator_lag_ms: u64,
    cores_left: Option<f64>,
    rss_mb: Option<u64>,
    series: Vec<SeriesPoint>,
}

#[derive(Serialize)]
struct Waiting {
    storm_end: u64,
    end: u64,
}

#[derive(Serialize)]
struct Beats {
    sent: u64,
    late: u64,
    longest_gap_ms: u64,
}

#[derive(Serialize)]
struct InspectedMessages {
    receives: u64,
    total: u64,
    mean: f64,
    max: u64,
}

#[derive(Serialize)]
struct Split {
    requests: u64,
    exits: u64,
    heartbeats: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LatencyMs {
    Unanswered(&'static str),
    Known { p50: OneLatency, p99: OneLatency, max: OneLatency },
}

#[derive(Serialize)]
#[serde(untagged)]
enum OneLatency {
    Ms(f64),
    Unanswered(&'static str),
}

#[derive(Serialize)]
struct SeriesPoint {
    t_ms: u64,
    planned: u64,
    answered: u64,
    waiting: u64,
    starts_per_s: u64,
    ring: Vec<bool>,
    mailbox: Vec<Split>,
    in_flight: Vec<u64>,
}

/// The result as one line of JSON.
///
/// `runs` pairs each outcome with the scenario it was put through; `scenario` is the one the document as a whole is about.
///
/// # Panics
/// Never: every part of the document has a JSON form.
#[must_use]
pub fn document(
    seed: u64,
    cores: usize,
    calibration: &Calibration,
    scenario: &Scenario,
    runs: &[(Scenario, RunOutcome)],
    exit: u8,
) -> String {
    let measured = |point: &crate::predict::Point| Measured { depth: point.depth, us: round(point.us, 2) };
    let digest_until_us = scenario.plan.end_us();
    let document = Document {
        schema: 1,
        seed,
        machine: Machine { cores, workers: WORKERS },
        calibration: calibration.curve.points().iter().map(measured).collect(),
        q_star: scenario.q_star.map(|q_star| q_star as u64),
        freeboard_start_us: round(calibration.freeboard_us, 2),
        storm: StormSize {
            lost_per_instance: scenario.left_per_instance as u64,
            ratio: round(scenario.ratio(), 3),
            headroom: scenario.headroom().map(|headroom| round(headroom, 3)),
            plan_digest: format!("{:016x}", scenario.plan.digest(digest_until_us)),
        },
        variants: runs.iter().map(|(scenario, outcome)| run(scenario, outcome)).collect(),
        exit,
    };
    serde_json::to_string(&document).expect("every part of the document has a JSON form")
}

fn run(scenario: &Scenario, outcome: &RunOutcome) -> Run {
    let timeline = &outcome.timeline;
    let inspected = timeline.inspected();
    let peak = timeline.mailbox_peak();
    Run {
        name: outcome.variant.name(),
        storm_ratio: round(scenario.ratio(), 3),
        predicted: outcome.predicted.word(),
        verdict: outcome.verdict.word(),
        cause: match outcome.verdict {
            Verdict::Inconclusive(cause) => Some(cause.to_string()),
            _ => None,
        },
        as_expected: match outcome.judgement {
            Judgement::AsExpected => Some(true),
            Judgement::Otherwise => Some(false),
            Judgement::Unknown => None,
        },
        seconds: round(timeline.end_us as f64 / SECOND as f64, 3),
        planned: timeline.account.planned,
        answered: timeline.account.answered,
        waiting: Waiting { storm_end: timeline.account.waiting_storm_end, end: timeline.account.waiting_end },
        growth_per_s: match outcome.verdict {
            Verdict::Collapsed { growth_per_s } => Some(growth_per_s),
            _ => None,
        },
        on_time_tail: round(timeline.tail.value(), 4),
        members_lost: timeline.members_lost,
        heartbeats: Beats {
            sent: timeline.heartbeats.sent,
            late: timeline.heartbeats.late,
            longest_gap_ms: timeline.heartbeats.longest_gap_us / MILLI,
        },
        recovered_ms: match outcome.verdict {
            Verdict::Recovered { after_us } => Some(after_us / MILLI),
            _ => None,
        },
        latency_ms: latencies(timeline.latencies),
        unanswered: timeline.account.waiting_end,
        starts_per_s_after_storm: timeline.starts_after_storm(),
        inspected: InspectedMessages {
            receives: inspected.receives,
            total: inspected.total,
            mean: round(inspected.mean(), 2),
            max: inspected.max,
        },
        mailbox_peak: peak.total(),
        mailbox_split: split(peak),
        in_flight_peak: timeline.in_flight_peak(),
        generator_lag_ms: timeline.lag.calm_us / MILLI,
        cores_left: timeline.cores_left.map(|cores| round(cores, 2)),
        rss_mb: timeline.rss_mb(),
        series: timeline.samples.iter().map(point).collect(),
    }
}

fn latencies(latencies: Option<Latencies>) -> LatencyMs {
    let one = |latency| match latency {
        Latency::Answered(us) => OneLatency::Ms(round(us as f64 / MILLI as f64, 2)),
        Latency::MoreThan(_) => OneLatency::Unanswered("unanswered"),
    };
    match latencies {
        Some(Latencies { p50: p50 @ Latency::Answered(_), p99, max }) => {
            LatencyMs::Known { p50: one(p50), p99: one(p99), max: one(max) }
        }
        _ => LatencyMs::Unanswered("unanswered"),
    }
}

fn split(depth: crate::timeline::Depth) -> Split {
    Split { requests: depth.requests, exits: depth.exits, heartbeats: depth.heartbeats }
}

fn point(sample: &Sample) -> SeriesPoint {
    SeriesPoint {
        t_ms: sample.at_us / MILLI,
        planned: sample.planned,
        answered: sample.answered,
        waiting: sample.waiting(),
        starts_per_s: sample.starts_per_s,
        ring: sample.instances.iter().map(|instance| instance.in_ring).collect(),
        mailbox: sample.instances.iter().map(|instance| split(instance.mailbox)).collect(),
        in_flight: sample.instances.iter().map(|instance| instance.in_flight).collect(),
    }
}

fn round(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}
