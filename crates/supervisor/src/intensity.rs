//! How many restarts within how long are bearable: the sliding window.
//!
//! Each attempt first forgets those older than the period, then counts itself; it is allowed if at most `restarts` are
//! left (OTP: G18). An attempt exactly one period old still counts, at full clock resolution (OTP: G19, deviation
//! DEV-13).
//!
//! Invariant: at most `restarts + 1` instants are kept, so an attempt costs O(1) amortised.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The restarts of one supervisor within the last period.
#[derive(Debug, Clone)]
pub struct Window {
    restarts: u32,
    period: Duration,
    attempts: VecDeque<Instant>,
}

impl Window {
    /// Allows `restarts` within any `period`; zero restarts makes the first failure fatal.
    pub fn new(restarts: u32, period: Duration) -> Self {
        Self { restarts, period, attempts: VecDeque::new() }
    }

    /// Counts a restart attempt; answers whether it is allowed.
    ///
    /// ```
    /// use freeboard_supervisor::Window;
    /// use std::time::{Duration, Instant};
    ///
    /// # #[expect(clippy::disallowed_methods, reason = "only distances count")]
    /// let start = Instant::now();
    /// let mut window = Window::new(2, Duration::from_secs(5));
    /// assert!(window.attempt(start) && window.attempt(start));
    /// assert!(!window.attempt(start + Duration::from_secs(5)), "five seconds old still counts");
    /// assert!(window.attempt(start + Duration::from_secs(11)));
    /// ```
    pub fn attempt(&mut self, now: Instant) -> bool {
        while self.attempts.front().is_some_and(|&at| now.saturating_duration_since(at) > self.period) {
            self.attempts.pop_front();
        }
        self.attempts.push_back(now);
        let allowed = self.attempts.len() <= self.restarts as usize;
        if !allowed {
            // The supervisor gives up; should it ask again, the oldest attempt makes room.
            self.attempts.pop_front();
        }
        allowed
    }
}
