//! The comparison at the end, as plain text. Pure: outcomes in, text out.

use crate::instance::INSTANCES;
use crate::outcome::RunOutcome;
use crate::predict::{Judgement, Outcome};
use crate::scenario::Scenario;
use crate::stopwatch::{MILLI, SECOND};
use crate::text::{rough, thousands};
use crate::timeline::{Latencies, Latency, SAMPLE_US};
use crate::verdict::Verdict;

const LABEL: usize = 23;
const COLUMN: usize = 19;

type Cell = fn(&RunOutcome) -> String;

/// One row for each fact, one column for each variant.
#[must_use]
pub fn side_by_side(outcomes: &[&RunOutcome]) -> String {
    let rows: [(&str, Cell); 15] = [
        ("", |one| one.variant.name().to_owned()),
        ("predicted", |one| predicted(one.predicted).to_owned()),
        ("verdict", verdict),
        ("lost from the ring", |one| lost(one.timeline.members_lost)),
        ("waiting at the end", |one| thousands(rough(one.timeline.account.waiting_end))),
        ("peak mailbox", |one| thousands(rough(one.timeline.mailbox_peak().total()))),
        ("  of these exits", |one| thousands(rough(one.timeline.mailbox_peak().exits))),
        ("peak in flight", |one| thousands(rough(one.timeline.in_flight_peak()))),
        ("inspected, mean / max", inspected),
        ("starts/s after storm", |one| thousands(rough(one.timeline.starts_after_storm()))),
        ("start latency p50", |one| latency(one.timeline.latencies.map(|all| all.p50))),
        ("  p99 / max", tail_latency),
        ("heartbeats late", |one| {
            let beats = one.timeline.heartbeats;
            if beats.late == 0 { "0".to_owned() } else { format!("{} of {}", beats.late, beats.sent) }
        }),
        ("recovered after", recovered),
        ("memory, peak", |one| one.timeline.rss_mb().map_or("?".to_owned(), |mb| format!("{mb} MB"))),
    ];
    let mut text = String::new();
    for (label, cell) in rows {
        let cells = outcomes.iter().map(|outcome| format!("{:<COLUMN$}", cell(outcome)));
        let line = format!("{label:<LABEL$}{}", cells.collect::<String>());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    text
}

/// One row for each storm of the sweep.
#[must_use]
pub fn sweep(runs: &[(Scenario, RunOutcome)]) -> String {
    let mut text = String::from("storm      on each   predicted   verdict        peak mailbox   waiting   lost\n");
    for (scenario, outcome) in runs {
        text.push_str(&format!(
            "{:<6} {:>11}   {:<10}  {:<13} {:>13} {:>9}   {}\n",
            format!("{:.2} x", scenario.ratio()),
            thousands(rough(scenario.left_per_instance as u64)),
            predicted(outcome.predicted),
            verdict(outcome),
            thousands(rough(outcome.timeline.mailbox_peak().total())),
            thousands(rough(outcome.timeline.account.waiting_end)),
            lost(outcome.timeline.members_lost),
        ));
    }
    text
}

/// A latency, as a time or as the fact that there is none.
#[must_use]
pub fn latency(latency: Option<Latency>) -> String {
    match latency {
        None => "-".to_owned(),
        Some(Latency::Answered(us)) if us < SECOND / 100 => format!("{:.1} ms", us as f64 / MILLI as f64),
        Some(Latency::Answered(us)) => format!("{:.2} s", us as f64 / SECOND as f64),
        Some(Latency::MoreThan(_)) => "unanswered".to_owned(),
    }
}

fn predicted(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Close => "too close",
        known => known.word(),
    }
}

fn verdict(one: &RunOutcome) -> String {
    let mark = match one.judgement {
        Judgement::AsExpected => "ok",
        Judgement::Otherwise => "NO",
        Judgement::Unknown => "?",
    };
    format!("{} {mark}", one.verdict.word().to_uppercase())
}

fn lost(members: usize) -> String {
    if members == 0 { "0".to_owned() } else { format!("{members} of {INSTANCES}") }
}

fn inspected(one: &RunOutcome) -> String {
    let inspected = one.timeline.inspected();
    if inspected.receives == 0 {
        return "no such receive".to_owned();
    }
    format!("{} / {}", thousands(rough(inspected.mean().round() as u64)), thousands(rough(inspected.max)))
}

fn tail_latency(one: &RunOutcome) -> String {
    let shown = |latencies: Latencies| (latency(Some(latencies.p99)), latency(Some(latencies.max)));
    match one.timeline.latencies.map(shown) {
        None => latency(None),
        Some((p99, max)) if p99 == max => max,
        Some((p99, max)) => format!("{p99} / {max}"),
    }
}

fn recovered(one: &RunOutcome) -> String {
    match one.verdict {
        Verdict::Recovered { after_us } if after_us < SAMPLE_US => "at once".to_owned(),
        Verdict::Recovered { after_us } => format!("{:.1} s", after_us as f64 / SECOND as f64),
        Verdict::Collapsed { growth_per_s } => format!("never (+{}/s)", thousands(rough(growth_per_s))),
        Verdict::Draining { .. } => "not yet".to_owned(),
        Verdict::Inconclusive(_) => "?".to_owned(),
    }
}
