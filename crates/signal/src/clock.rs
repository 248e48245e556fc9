//! Where time comes from. Real executors answer with the machine's clock, a simulation with its own.
//!
//! Invariant: readings of one clock never go back.

use std::time::{Duration, Instant};

/// A source of the present instant.
///
/// Everything in Freeboard that needs the time asks a clock it was given, so that a simulation can decide what time it is.
pub trait Clock: Send + Sync {
    /// The present instant; never earlier than a previous answer of the same clock.
    fn now(&self) -> Instant;

    /// A cheaper reading, for what happens once per message: it may lag behind [`now`](Self::now) by some milliseconds,
    /// and is never ahead of it.
    ///
    /// The exact reading, unless the clock knows better.
    fn coarse(&self) -> Instant {
        self.now()
    }

    /// By how much [`coarse`](Self::coarse) may lag behind [`now`](Self::now) at most.
    ///
    /// Nothing, unless the clock knows better.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}
