//! CoDel: when to drop the oldest message, judged by how long messages have waited ([RFC 8289]).
//!
//! A pure state machine; time is handed in, in nanoseconds.
//!
//! ```text
//!   calm ──every message late for a whole interval──► dropping ──one in time, or nearly empty──► calm
//!                                                      └ drops at interval / √1, / √2, / √3 …
//! ```
//!
//! Invariants
//! * A message that waited less than the target is never dropped, nor is the last one in the queue.
//! * While dropping, the time to the next drop is `interval / √count`: the rate rises until the queue gives in.
//! * A storm that comes back within 16 intervals goes on nearly where the last one ended.
//!
//! Not here: the queue and the clock.
//!
//! [RFC 8289]: https://www.rfc-editor.org/rfc/rfc8289

/// How soon after the last storm a new one goes on with its rate, in intervals.
const MEMORY: u64 = 16;

/// The state of one queue.
#[derive(Debug)]
pub(crate) struct Codel {
    target: u64,
    interval: u64,
    /// When messages will have been late for an interval; `None` while they are in time.
    late_for_long: Option<u64>,
    dropping: bool,
    next_drop: u64,
    /// Drops in this storm, which set the rate.
    count: u32,
    /// What `count` was when this storm began.
    count_at_start: u32,
}

impl Codel {
    pub(crate) fn new(target: u64, interval: u64) -> Self {
        Self { target, interval, late_for_long: None, dropping: false, next_drop: 0, count: 0, count_at_start: 0 }
    }

    /// A new queue with the same times.
    pub(crate) fn calm_like(&self) -> Self {
        Self::new(self.target, self.interval)
    }

    /// Whether to drop the message that is to be handed out now, which waited for `sojourn` and is or is not the last one.
    pub(crate) fn drops(&mut self, now: u64, sojourn: u64, is_last: bool) -> bool {
        let late = self.is_late_for_long(now, sojourn, is_last);
        if !late {
            self.dropping = false;
            return false;
        }
        if !self.dropping {
            self.dropping = true;
            let drops_before = self.count - self.count_at_start;
            let soon = now.saturating_sub(self.next_drop) < self.interval.saturating_mul(MEMORY);
            self.count = if drops_before > 1 && soon { drops_before } else { 1 };
            self.count_at_start = self.count;
            self.next_drop = self.after(now);
            return true;
        }
        if now < self.next_drop {
            return false;
        }
        self.count = self.count.saturating_add(1);
        self.next_drop = self.after(self.next_drop);
        true
    }

    fn is_late_for_long(&mut self, now: u64, sojourn: u64, is_last: bool) -> bool {
        if sojourn < self.target || is_last {
            self.late_for_long = None;
            return false;
        }
        now >= *self.late_for_long.get_or_insert(now.saturating_add(self.interval))
    }

    /// The control law.
    fn after(&self, time: u64) -> u64 {
        time.saturating_add((self.interval as f64 / f64::from(self.count).sqrt()) as u64)
    }
}

#[cfg(test)]
mod tests {
    //! A table in virtual time, in milliseconds.
    use super::*;

    /// Target 5, interval 100.
    fn codel() -> Codel {
        Codel::new(5, 100)
    }

    #[test]
    fn the_control_law_in_a_table() {
        // (now, sojourn, is the last one, dropped)
        let table = [
            (0, 4, false, false),   // in time
            (10, 5, false, false),  // late: the interval begins
            (60, 50, false, false), // late, not for long
            (109, 50, false, false),
            (110, 50, false, true), // late for 100: the first drop; the next at 110 + 100 / √1
            (110, 50, false, false),
            (209, 50, false, false),
            (210, 50, false, true), // the next at 210 + 100 / √2 = 280
            (279, 50, false, false),
            (280, 50, false, true), // 280 + 100 / √3 = 337
            (337, 50, false, true), // 337 + 100 / √4 = 387
            (500, 50, false, true), // overdue: 387 + 100 / √5 = 431
            (500, 50, false, true), // still overdue: 431 + 100 / √6 = 471
            (500, 50, false, true), // 471 + 100 / √7 = 508
            (500, 50, false, false),
            (508, 50, true, false),  // the last message is never dropped, and ends the storm
            (509, 50, false, false), // a new interval
            (609, 50, false, true),  // soon again: seven drops before, six after the first: 609 + 100 / √6 = 649
            (648, 50, false, false),
            (649, 50, false, true),
            (650, 4, false, false), // in time: calm
            (9_000, 50, false, false),
            (9_100, 50, false, true), // long after: from the start, the next at 9,200
            (9_199, 50, false, false),
            (9_200, 50, false, true),
        ];
        let mut codel = codel();
        for (row, (now, sojourn, is_last, dropped)) in table.into_iter().enumerate() {
            assert_eq!(codel.drops(now, sojourn, is_last), dropped, "row {row}, at {now}");
        }
    }

    #[test]
    fn a_queue_worked_off_in_time_loses_nothing() {
        let mut codel = codel();
        assert!((0..100_000).all(|now| !codel.drops(now, now % 5, false)));
        assert!((100_000..200_000).all(|now| !codel.drops(now, 1_000, true)));
    }

    #[test]
    fn the_drops_grow_with_the_square_of_the_time() {
        // In microseconds: an interval of 100 ms, looked at ten times each millisecond.
        let mut codel = Codel::new(5_000, 100_000);
        let mut dropped = 0_u32;
        for (second, times) in (1_u32..).zip([0..10_000, 10_000..20_000, 20_000..30_000, 30_000..40_000]) {
            dropped += times.map(|step| u32::from(codel.drops(step * 100, 50_000, false))).sum::<u32>();
            // Since 1/√1 + … + 1/√n is about 2√n − 1.46, the n-th drop comes 2√n − 1.46 intervals after the first.
            let intervals = f64::from(second) * 10.0 - 1.0;
            let expected = ((intervals + 1.46) / 2.0).powi(2);
            assert!((f64::from(dropped) - expected).abs() < 3.0, "{dropped} drops instead of {expected}");
        }
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut codel = Codel::new(1, u64::MAX);
        assert!(!codel.drops(u64::MAX - 1, u64::MAX, false));
        assert!(codel.drops(u64::MAX, u64::MAX, false));
        assert!(codel.drops(u64::MAX, u64::MAX, false));
    }
}
