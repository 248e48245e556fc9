//! The prediction: where the measured cost of a start crosses what the load allows.
//!
//! One supervisor is one process and uses at most one core, so with c cores per instance and λ ordinary starts a second a
//! start may cost min(1, c)/λ. The depth q* at which the measured cost s(q) reaches that is the tipping point: a queue
//! longer than q* when the storm ends never drains under ordinary traffic alone. q* bounds the queue that is left,
//! not the number of users lost. Within half and twice q* the outcome is too close to call, and nothing is expected.
//!
//! All of it is arithmetic on numbers handed in.

use crate::plan::Plan;
use crate::stopwatch::{MILLI, SECOND};
use crate::verdict::Verdict;

/// Below this multiple a run is expected to recover, above [`CLOSE_TO`] to collapse.
pub const CLOSE_FROM: f64 = 0.5;
/// See [`CLOSE_FROM`].
pub const CLOSE_TO: f64 = 2.0;

/// The measured cost of one start with `depth` messages queued.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Messages queued.
    pub depth: u64,
    /// Microseconds per start.
    pub us: f64,
}

/// s(q): straight between measured points, and beyond the last one as between the last two.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    points: Vec<Point>,
}

impl Curve {
    /// A curve through `points`, which rise in depth; noise that would make a deeper queue cheaper is levelled.
    ///
    /// # Panics
    /// With fewer than two points.
    #[must_use]
    pub fn new(mut points: Vec<Point>) -> Self {
        assert!(points.len() >= 2, "a curve needs two points");
        for index in 1..points.len() {
            points[index].us = points[index].us.max(points[index - 1].us);
        }
        Self { points }
    }

    /// The measured points.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The cost of a start with an empty queue.
    #[must_use]
    pub fn base_us(&self) -> f64 {
        self.points[0].us
    }

    /// The cost of a start with `depth` messages queued.
    #[must_use]
    pub fn at(&self, depth: f64) -> f64 {
        let last = self.points.len() - 1;
        let right = self.points.iter().position(|point| point.depth as f64 >= depth).unwrap_or(last).max(1);
        let (a, b) = (self.points[right - 1], self.points[right]);
        a.us + (depth - a.depth as f64) * (b.us - a.us) / (b.depth - a.depth) as f64
    }

    /// The depth at which a start costs `budget_us`; none if it never does.
    #[must_use]
    pub fn crossing(&self, budget_us: f64) -> Option<f64> {
        if budget_us <= self.base_us() {
            return Some(0.0);
        }
        let last = self.points.len() - 1;
        let right = self.points.iter().position(|point| point.us >= budget_us).unwrap_or(last);
        let (a, b) = (self.points[right - 1], self.points[right]);
        let slope = (b.us - a.us) / (b.depth - a.depth) as f64;
        (slope > 0.0).then(|| a.depth as f64 + (budget_us - a.us) / slope)
    }
}

/// What the load leaves for one start of one instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Ordinary starts per second and instance.
    pub lambda: f64,
    /// The share of a core one instance's supervisor gets.
    pub share: f64,
}

impl Budget {
    /// The budget of one of `instances` on `cores`.
    #[must_use]
    pub fn new(lambda: f64, cores: usize, instances: usize) -> Self {
        Self { lambda, share: (cores as f64 / instances as f64).min(1.0) }
    }

    /// Microseconds per start; none if nothing arrives.
    #[must_use]
    pub fn us(&self) -> Option<f64> {
        (self.lambda > 0.0).then(|| self.share * SECOND as f64 / self.lambda)
    }

    /// The tipping point on `curve`; none if there is none.
    #[must_use]
    pub fn tipping_point(&self, curve: &Curve) -> Option<f64> {
        self.us().and_then(|us| curve.crossing(us))
    }
}

/// What is foreseen for one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It will not come back.
    Collapse,
    /// It will.
    Recover,
    /// Too close to call: nothing it does is wrong.
    Close,
}

impl Outcome {
    /// What a load of `ratio` times the limit foretells.
    #[must_use]
    pub fn of_ratio(ratio: f64) -> Self {
        if ratio < CLOSE_FROM {
            Self::Recover
        } else if ratio > CLOSE_TO {
            Self::Collapse
        } else {
            Self::Close
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Collapse => "collapse",
            Self::Recover => "recover",
            Self::Close => "close",
        }
    }
}

/// What the user wants the scanning supervisor to do (`--expect`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Collapse.
    Collapse,
    /// Survive, even if it drains slowly.
    Survive,
    /// As predicted.
    #[default]
    Predicted,
    /// Anything, of every variant.
    Any,
}

/// Whether a verdict is as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is.
    AsExpected,
    /// It is not.
    Otherwise,
    /// The run does not tell.
    Unknown,
}

/// Compares a verdict with the prediction, or with what the user asked for.
///
/// `scans` says that the variant looks through its mailbox: only such a one may "survive" by draining slowly, and only of
/// such a one is `--expect collapse` asked.
#[must_use]
pub fn judge(verdict: &Verdict, predicted: Outcome, expect: Expect, scans: bool) -> Judgement {
    if expect == Expect::Any {
        return Judgement::AsExpected;
    }
    if matches!(verdict, Verdict::Inconclusive(_)) {
        // Nothing was expected of a close race, so an undecided one is no failure of the machine.
        return if predicted == Outcome::Close { Judgement::AsExpected } else { Judgement::Unknown };
    }
    let wanted = match expect {
        Expect::Collapse if scans => Outcome::Collapse,
        Expect::Survive if scans => Outcome::Recover,
        _ => predicted,
    };
    let holds = match wanted {
        Outcome::Close => true,
        Outcome::Collapse => matches!(verdict, Verdict::Collapsed { .. }),
        Outcome::Recover => {
            matches!(verdict, Verdict::Recovered { .. }) || (scans && matches!(verdict, Verdict::Draining { .. }))
        }
    };
    if holds { Judgement::AsExpected } else { Judgement::Otherwise }
}

/// The queue a scanning supervisor is left with when the worst storm of `plan` ends, by a fluid reckoning in steps of 10 ms.
#[must_use]
pub fn queue_after_storm(plan: &Plan, curve: &Curve, share: f64, instances: usize) -> f64 {
    let step = 10 * MILLI;
    let storm_end = plan.storm().end_us.min(plan.end_us());
    let mut queue = 0.0_f64;
    for from_us in (0..storm_end).step_by(step as usize) {
        let to_us = (from_us + step).min(storm_end);
        let arrived = plan.planned_within(from_us, to_us) / instances as f64;
        let served = (to_us - from_us) as f64 * share / curve.at(queue);
        queue = (queue + arrived - served).max(0.0);
    }
    queue
}
