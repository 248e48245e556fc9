//! The planned arrivals: who asks for a connection, and when.
//!
//! A plan is a list of segments, each a number of requests spread evenly over a stretch of time; the built-in storm and a
//! user's trace are both nothing else. Arrivals are made on demand and depend only on the segments and the seed, so every
//! variant is offered exactly the same requests, and a run can be judged afterwards by walking the plan again.
//!
//! Invariant: arrivals come in rising time. A plan knows nothing of variants, instances or the wall clock.

use std::sync::Arc;

use crate::mix::mix;
use crate::stopwatch::{MILLI, SECOND};

/// When the built-in storm begins: after a warm-up that shows the healthy state.
pub const WARM_UP_US: u64 = 1_500 * MILLI;
/// How long the built-in storm lasts: shorter than even an empty supervisor would need to serve it.
pub const STORM_US: u64 = 200 * MILLI;
/// One session in so many is lost with the zone.
pub const LOST_SHARE: u64 = 6;

/// Why somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary start.
    Join,
    /// A start caused by the storm.
    Resume,
}

/// One planned request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Planned time, in microseconds from the start of the run.
    pub at_us: u64,
    /// The session that asks.
    pub session: u64,
    /// Why it asks.
    pub kind: Kind,
}

/// Requests spread evenly over `[from_us, to_us)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Start of the stretch.
    pub from_us: u64,
    /// End of the stretch, not before its start.
    pub to_us: u64,
    /// How many requests.
    pub count: u64,
    /// The session of the first one.
    pub first_session: u64,
    /// The distance between one session and the next.
    pub stride: u64,
}

impl Segment {
    fn rate_per_us(&self) -> f64 {
        self.count as f64 / (self.to_us - self.from_us).max(1) as f64
    }
}

/// The stretch of time that is called the storm, and how many ask in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    /// First moment.
    pub start_us: u64,
    /// First moment after it.
    pub end_us: u64,
    /// Requests planned in it.
    pub count: u64,
}

/// The whole plan of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    joins: Vec<Segment>,
    resumes: Vec<Segment>,
    seed: u64,
    end_us: u64,
}

impl Plan {
    /// The built-in storm: `lost` sessions, every sixth of `lost * 6`, ask once within 200 ms, 1.5 s into an even flow of
    /// `rate_per_s` ordinary starts.
    #[must_use]
    pub fn storm_of(lost: u64, rate_per_s: u64, end_us: u64, seed: u64) -> Self {
        let sessions = lost * LOST_SHARE;
        let join = Segment {
            from_us: 0,
            to_us: end_us,
            count: rate_per_s * end_us / SECOND,
            first_session: sessions,
            stride: 1,
        };
        let resume = Segment {
            from_us: WARM_UP_US,
            to_us: WARM_UP_US + STORM_US,
            count: lost,
            first_session: seed % LOST_SHARE,
            stride: LOST_SHARE,
        };
        Self { joins: vec![join], resumes: vec![resume], seed, end_us }
    }

    /// A plan of given segments; each list must rise in time and not overlap itself.
    #[must_use]
    pub fn from_segments(joins: Vec<Segment>, resumes: Vec<Segment>, seed: u64) -> Self {
        let end_us = joins.iter().chain(&resumes).map(|segment| segment.to_us).max().unwrap_or(0);
        Self { joins, resumes, seed, end_us }
    }

    /// The same plan, ended at `end_us`.
    #[must_use]
    pub fn ending_at(mut self, end_us: u64) -> Self {
        self.end_us = end_us;
        self
    }

    /// When the plan ends.
    #[must_use]
    pub fn end_us(&self) -> u64 {
        self.end_us
    }

    /// All requests of the plan: an upper bound when it was cut short by [`ending_at`](Self::ending_at).
    #[must_use]
    pub fn len(&self) -> u64 {
        self.joins.iter().chain(&self.resumes).map(|segment| segment.count).sum()
    }

    /// Whether nobody ever asks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Walks all arrivals in rising time.
    #[must_use]
    pub fn arrivals(self: &Arc<Self>) -> Arrivals {
        let mut arrivals = Arrivals {
            plan: Arc::clone(self),
            join: Cursor::default(),
            resume: Cursor::default(),
            next_join: None,
            next_resume: None,
        };
        arrivals.next_join = arrivals.join.step(&self.joins, self.seed, Kind::Join);
        arrivals.next_resume = arrivals.resume.step(&self.resumes, self.seed, Kind::Resume);
        arrivals
    }

    /// The storm: the largest unbroken run of `resume` segments; without any, the stretch of joins well above the usual
    /// rate; without that too, the densest segment.
    #[must_use]
    pub fn storm(&self) -> Storm {
        if self.resumes.iter().any(|segment| segment.count > 0) {
            largest_run(&self.resumes, |segment| segment.count > 0)
        } else {
            let mut rates: Vec<f64> = self.joins.iter().map(Segment::rate_per_us).collect();
            rates.sort_by(f64::total_cmp);
            let (usual, peak) = match rates.as_slice() {
                [] => (0.0, 0.0),
                all => (all[all.len() / 2], all[all.len() - 1]),
            };
            largest_run(&self.joins, |segment| segment.rate_per_us() >= (usual + peak) / 2.0)
        }
    }

    /// Whether the plan names its storm with `resume` requests.
    #[must_use]
    pub fn names_its_storm(&self) -> bool {
        self.resumes.iter().any(|segment| segment.count > 0)
    }

    /// Requests per second planned between `from_us` and the end of the plan.
    #[must_use]
    pub fn rate_after(&self, from_us: u64) -> f64 {
        if self.end_us <= from_us {
            return 0.0;
        }
        self.planned_within(from_us, self.end_us) * SECOND as f64 / (self.end_us - from_us) as f64
    }

    /// Requests planned in `[from_us, to_us)`, with the parts of segments it cuts counted in proportion.
    #[must_use]
    pub fn planned_within(&self, from_us: u64, to_us: u64) -> f64 {
        let share = |segment: &Segment| {
            if segment.from_us == segment.to_us {
                let inside = (from_us..to_us).contains(&segment.from_us);
                return if inside { segment.count as f64 } else { 0.0 };
            }
            let overlap = to_us.min(segment.to_us).saturating_sub(from_us.max(segment.from_us));
            segment.rate_per_us() * overlap as f64
        };
        self.joins.iter().chain(&self.resumes).map(share).sum()
    }

    /// A number that stands for every arrival planned before `until_us`, its time, session and kind.
    #[must_use]
    pub fn digest(self: &Arc<Self>, until_us: u64) -> u64 {
        self.arrivals().take_while(|arrival| arrival.at_us < until_us).fold(0, |sum, arrival| arrival.fold_into(sum))
    }
}

impl Arrival {
    /// Folds this arrival into a running digest.
    #[must_use]
    pub fn fold_into(&self, digest: u64) -> u64 {
        let kind = match self.kind {
            Kind::Join => 1,
            Kind::Resume => 2,
        };
        mix(digest ^ mix(self.at_us) ^ mix(self.session).rotate_left(kind))
    }
}

/// The unbroken run of segments that pass `chosen` with the most requests in it.
fn largest_run(segments: &[Segment], chosen: impl Fn(&Segment) -> bool) -> Storm {
    let mut best = Storm { start_us: 0, end_us: 0, count: 0 };
    let mut open: Option<Storm> = None;
    for segment in segments {
        open = match open {
            _ if !chosen(segment) => None,
            Some(run) if run.end_us == segment.from_us => {
                Some(Storm { end_us: segment.to_us, count: run.count + segment.count, ..run })
            }
            _ => Some(Storm { start_us: segment.from_us, end_us: segment.to_us, count: segment.count }),
        };
        if let Some(run) = open
            && run.count > best.count
        {
            best = run;
        }
    }
    best
}

/// A place in one list of segments.
#[derive(Debug, Clone, Default)]
struct Cursor {
    segment: usize,
    index: u64,
}

impl Cursor {
    fn step(&mut self, segments: &[Segment], seed: u64, kind: Kind) -> Option<Arrival> {
        loop {
            let segment = segments.get(self.segment)?;
            if self.index == segment.count {
                self.segment += 1;
                self.index = 0;
                continue;
            }
            // Each request falls somewhere into its own slot, so times rise and the flow is even without being a comb.
            let width = segment.to_us - segment.from_us;
            let chance = mix(seed ^ mix(self.segment as u64 * 2 + u64::from(kind == Kind::Resume)) ^ self.index);
            let jitter = chance.checked_rem(width).unwrap_or(0);
            let offset = (u128::from(self.index) * u128::from(width) + u128::from(jitter)) / u128::from(segment.count);
            let at_us =
                segment.from_us + u64::try_from(offset).expect("an offset within a segment fits as the segment does");
            let session = segment.first_session.wrapping_add(self.index.wrapping_mul(segment.stride));
            self.index += 1;
            return Some(Arrival { at_us, session, kind });
        }
    }
}

/// The arrivals of a plan, made one at a time.
#[derive(Debug, Clone)]
pub struct Arrivals {
    plan: Arc<Plan>,
    join: Cursor,
    resume: Cursor,
    next_join: Option<Arrival>,
    next_resume: Option<Arrival>,
}

impl Arrivals {
    /// Looks at the next arrival without taking it.
    #[must_use]
    pub fn peek(&self) -> Option<Arrival> {
        let next = match (self.next_join, self.next_resume) {
            (Some(join), Some(resume)) => Some(if join.at_us <= resume.at_us { join } else { resume }),
            (join, resume) => join.or(resume),
        };
        next.filter(|arrival| arrival.at_us < self.plan.end_us)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let next = self.peek()?;
        match next.kind {
            Kind::Join => self.next_join = self.join.step(&self.plan.joins, self.plan.seed, Kind::Join),
            Kind::Resume => self.next_resume = self.resume.step(&self.plan.resumes, self.plan.seed, Kind::Resume),
        }
        Some(next)
    }
}
