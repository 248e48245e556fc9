//! The load: one open-loop generator, the same for every variant.
//!
//! It sends each request when its planned moment has come, however slow the answers are, and routes it by the ring's view.
//! With `--retry` a caller that has no answer asks again after a while. The generator is a state machine that is told the
//! time; the thread that drives it stands in `run`. It measures how far it falls behind the plan, and never skips a request.

use std::collections::VecDeque;

use crate::plan::{Arrivals, Kind, Storm};
use crate::request::Request;
use crate::ring::route;
use crate::stopwatch::{MILLI, SECOND};
use crate::timeline::Lag;

/// Behind by less than this, the generator has caught up.
const CAUGHT_UP_US: u64 = 50 * MILLI;
/// Catching up after the storm may take this long before it counts as lag.
const CATCHING_UP_US: u64 = 2 * SECOND;

#[derive(Debug)]
struct Again {
    at_us: u64,
    planned_us: u64,
    session: u64,
    row: usize,
    attempt: u32,
}

/// The state of the load.
#[derive(Debug)]
pub struct Generator {
    arrivals: Arrivals,
    storm: Storm,
    rows: usize,
    retry_us: Option<u64>,
    again: VecDeque<Again>,
    lag: Lag,
    caught_up: bool,
    digest: u64,
}

impl Generator {
    /// A generator at the beginning of `arrivals`, asking again after `retry_us` if given.
    #[must_use]
    pub fn new(arrivals: Arrivals, storm: Storm, retry_us: Option<u64>) -> Self {
        let (again, lag) = (VecDeque::new(), Lag::default());
        Self { arrivals, storm, rows: 0, retry_us, again, lag, caught_up: false, digest: 0 }
    }

    /// Hands every request due at `now_us` to `send`, with the member of `view` it is for; returns when the next is due.
    ///
    /// `answered` tells whether a row has its answer, so that only the others ask again.
    pub fn step(
        &mut self,
        now_us: u64,
        view: &[usize],
        answered: impl Fn(usize) -> bool,
        mut send: impl FnMut(usize, Request),
    ) -> Option<u64> {
        while let Some(arrival) = self.arrivals.peek().filter(|arrival| arrival.at_us <= now_us) {
            self.arrivals.next();
            self.digest = arrival.fold_into(self.digest);
            self.note_lag(arrival.at_us, now_us, arrival.kind);
            self.schedule(now_us, arrival.at_us, arrival.session, self.rows, 0);
            send(route(view, arrival.session), Request::new(arrival.session, arrival.at_us, self.rows, 0));
            self.rows += 1;
        }
        while let Some(again) = self.again.pop_front_if(|again| again.at_us <= now_us) {
            if answered(again.row) {
                continue;
            }
            let attempt = again.attempt + 1;
            self.schedule(now_us, again.planned_us, again.session, again.row, attempt);
            send(route(view, again.session), Request::new(again.session, again.planned_us, again.row, attempt));
        }
        let planned = self.arrivals.peek().map(|arrival| arrival.at_us);
        let again = self.again.front().map(|again| again.at_us);
        planned.into_iter().chain(again).min()
    }

    /// How far the generator fell behind so far.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.lag
    }

    /// Planned requests sent so far.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.rows
    }

    /// Stands for every planned request sent so far; equals the plan's own digest.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    // All callers wait equally long, so the queue of repeats stays in rising time without being sorted.
    fn schedule(&mut self, now_us: u64, planned_us: u64, session: u64, row: usize, attempt: u32) {
        if let Some(retry_us) = self.retry_us {
            self.again.push_back(Again { at_us: now_us + retry_us, planned_us, session, row, attempt });
        }
    }

    fn note_lag(&mut self, planned_us: u64, now_us: u64, kind: Kind) {
        let lag = now_us - planned_us;
        self.lag.worst_us = self.lag.worst_us.max(lag);
        let in_storm = kind == Kind::Resume || (self.storm.start_us..self.storm.end_us).contains(&planned_us);
        if planned_us >= self.storm.end_us {
            self.caught_up |= lag < CAUGHT_UP_US || planned_us >= self.storm.end_us + CATCHING_UP_US;
        }
        let catching_up = planned_us >= self.storm.end_us && !self.caught_up;
        if !in_storm && !catching_up {
            self.lag.calm_us = self.lag.calm_us.max(lag);
        }
    }
}
