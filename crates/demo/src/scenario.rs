//! One storm, sized and foretold: what all variants will be put through.
//!
//! Made from the user's options and the measurement of this machine; pure arithmetic, nothing runs here.

use std::sync::Arc;

use crate::calibrate::Calibration;
use crate::cli::{Options, lost_of};
use crate::instance::{INSTANCES, Variant};
use crate::machine::WORKERS;
use crate::plan::{LOST_SHARE, Plan, STORM_US, Storm, WARM_UP_US};
use crate::predict::{Budget, Outcome, queue_after_storm};
use crate::ring::{HEARTBEAT_US, TTL_US};
use crate::stopwatch::{MILLI, SECOND};

/// Sessions lost at least, unless the user says otherwise.
pub const LOST_LEAST: u64 = 180_000;
/// Sessions lost at most when the storm is sized to the machine.
pub const LOST_MOST: u64 = 900_000;
/// The storm is sized to this multiple of the tipping point on each instance.
pub const SIZE: f64 = 5.0;
/// A sized storm is a multiple of this, for the reader's sake.
const ROUND: u64 = 1_000;
/// A backlog that still grows this long after the storm will go on growing: the run may end.
pub const PLAIN_AFTER_US: u64 = 5_800 * MILLI;
/// A run goes on for this long after recovery.
pub const REST_US: u64 = 2 * SECOND;
/// A run whose outcome is not plain goes on until here.
const LONGEST_US: u64 = 12 * SECOND;
/// However long the storm's work should take, no run goes on past this.
const LIMIT_US: u64 = 60 * SECOND;
/// Recovery may take this long, or half as long again as the storm's work needs.
const RECOVERY_US: u64 = 4 * SECOND;

/// A storm and its prediction.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Who asks, and when.
    pub plan: Arc<Plan>,
    /// The storm in it.
    pub storm: Storm,
    /// Requests per second on all instances after the storm.
    pub baseline_per_s: f64,
    /// The queue the storm leaves on each instance.
    pub left_per_instance: f64,
    /// The tipping point of the scanning supervisor; none if it has none under this load.
    pub q_star: Option<f64>,
    /// Whether the run ends as soon as its outcome is plain.
    pub ends_early: bool,
    /// Callers ask again after this long.
    pub retry_us: Option<u64>,
    cores: usize,
    freeboard_us: f64,
    serial_us: f64,
    cores_left: f64,
}

impl Scenario {
    /// The built-in storm, of the size the user gave or sized to this machine.
    #[must_use]
    pub fn built_in(options: &Options, calibration: &Calibration, cores: usize) -> Self {
        let budget = budget(options.rate as f64, cores);
        let beyond = |q_star: f64| ((q_star * SIZE * INSTANCES as f64) as u64).next_multiple_of(ROUND);
        let sized = budget.tipping_point(&calibration.curve).map_or(LOST_MOST, beyond).clamp(LOST_LEAST, LOST_MOST);
        let lost = options.sessions.map_or(sized, lost_of);
        Self::of_size(lost, options, calibration, cores)
    }

    /// The built-in storm at `multiple` of the tipping point on each instance.
    #[must_use]
    pub fn at_multiple(multiple: f64, options: &Options, calibration: &Calibration, cores: usize) -> Self {
        let q_star = budget(options.rate as f64, cores).tipping_point(&calibration.curve).unwrap_or(0.0);
        let lost = (q_star * multiple * INSTANCES as f64) as u64;
        Self::of_size(lost.clamp(1, 2 * LOST_MOST), options, calibration, cores)
    }

    fn of_size(lost: u64, options: &Options, calibration: &Calibration, cores: usize) -> Self {
        let work_us = lost as f64 * calibration.freeboard_us / cores.min(WORKERS) as f64;
        let recovery_us = RECOVERY_US.max((1.5 * work_us) as u64);
        let longest_us = (WARM_UP_US + STORM_US + recovery_us + REST_US).clamp(LONGEST_US, LIMIT_US);
        let end_us = options.seconds.map_or(longest_us, |seconds| seconds * SECOND);
        let plan = Plan::storm_of(lost, options.rate * INSTANCES as u64, end_us, options.seed);
        let baseline_per_s = (options.rate * INSTANCES as u64) as f64;
        let left = lost as f64 / INSTANCES as f64;
        Self::new(plan, baseline_per_s, left, options, calibration, cores)
    }

    /// A user's trace.
    #[must_use]
    pub fn replay(plan: &Plan, options: &Options, calibration: &Calibration, cores: usize) -> Self {
        let end_us = options.seconds.map_or(plan.end_us(), |seconds| plan.end_us().min(seconds * SECOND));
        let plan = plan.clone().ending_at(end_us);
        let baseline_per_s = plan.rate_after(plan.storm().end_us);
        let share = budget(baseline_per_s / INSTANCES as f64, cores).share;
        let left = queue_after_storm(&plan, &calibration.curve, share, INSTANCES);
        Self::new(plan, baseline_per_s, left, options, calibration, cores)
    }

    fn new(
        plan: Plan,
        baseline_per_s: f64,
        left_per_instance: f64,
        options: &Options,
        calibration: &Calibration,
        cores: usize,
    ) -> Self {
        Self {
            storm: plan.storm(),
            plan: Arc::new(plan),
            baseline_per_s,
            left_per_instance,
            q_star: budget(baseline_per_s / INSTANCES as f64, cores).tipping_point(&calibration.curve),
            ends_early: options.seconds.is_none() && options.trace.is_none(),
            retry_us: options.retry_s.map(|seconds| (seconds * SECOND as f64) as u64),
            cores,
            freeboard_us: calibration.freeboard_us,
            serial_us: calibration.curve.base_us(),
            cores_left: calibration.cores_left,
        }
    }

    /// The queue the storm leaves, as a multiple of the tipping point.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        match self.q_star {
            None => 0.0,
            Some(q_star) => self.left_per_instance / q_star.max(1.0),
        }
    }

    /// How many times larger a queue the scanning supervisor could still digest; none if it digests any.
    #[must_use]
    pub fn headroom(&self) -> Option<f64> {
        self.q_star.map(|q_star| q_star / self.left_per_instance.max(1.0))
    }

    /// Sessions alive before the storm, of which a sixth is lost.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.storm.count * LOST_SHARE
    }

    /// How long a member may be silent whose heartbeats wait behind the storm, in seconds: a heartbeat, and the time in
    /// which a serial supervisor that scans nothing works the storm off with the cores that others leave.
    #[must_use]
    pub fn silence_s(&self) -> f64 {
        let cores = self.cores_left.min(WORKERS as f64).max(0.1);
        let served_per_s = cores * SECOND as f64 / (self.serial_us * AROUND_INIT);
        let spare_per_s = (served_per_s - self.baseline_per_s).max(1.0);
        HEARTBEAT_US as f64 / SECOND as f64 + self.storm.count as f64 / spare_per_s
    }

    /// What is foreseen for `variant`.
    ///
    /// The two that do not scan can only fail if ordinary traffic alone is more than the cores can serve, and the one
    /// whose heartbeats share the queue if the storm silences them for nearly as long as its lease.
    #[must_use]
    pub fn predicted(&self, variant: Variant) -> Outcome {
        let used = self.baseline_per_s / SECOND as f64;
        match variant {
            Variant::Naive(_) => Outcome::of_ratio(self.ratio()),
            Variant::Indexed => {
                let share = budget(self.baseline_per_s, self.cores).share;
                match Outcome::of_ratio(used / INSTANCES as f64 * self.serial_us / share) {
                    Outcome::Recover if self.silence_s() > LEASE_MARGIN * TTL_US as f64 / SECOND as f64 => {
                        Outcome::Close
                    }
                    outcome => outcome,
                }
            }
            Variant::Freeboard => Outcome::of_ratio(used * self.freeboard_us / self.cores.min(WORKERS) as f64),
        }
    }
}

/// The share of a lease up to which a silence is no danger to it.
const LEASE_MARGIN: f64 = 0.85;

/// What a start costs in a storm, as a multiple of one alone: the caches are full of other starts.
const AROUND_INIT: f64 = 1.25;

/// One instance's budget; the supervisors share the runtime's workers, however many cores there are.
fn budget(lambda: f64, cores: usize) -> Budget {
    Budget::new(lambda, cores.min(WORKERS), INSTANCES)
}
