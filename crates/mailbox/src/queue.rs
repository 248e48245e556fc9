//! What becomes of a queue when its incarnation ends and another one is to come.
//!
//! Invariant: whatever the choice, nothing that belonged to the incarnation alone reaches the next one: notices, timers,
//! what came through an alias, and what a receive had taken.
//!
//! Not here: how it is done (`intake/vacancy.rs`), and who decides that another incarnation comes.

use crate::HIGH_WATER;
use std::time::Duration;

/// What becomes of messages that nobody has taken, when their receiver ends and is to be started again.
///
/// | | what is queued | sent while nobody lives there |
/// |---|---|---|
/// | `Drop` | dropped; its callers hear the exit reason | refused as `Vacant` |
/// | `Keep` | waits for the next incarnation, in order and ahead of what comes later | queued |
/// | `Return` | dropped; its callers hear `Refused(Vacant)`: it was not looked at, so it may be asked again | refused as `Vacant` |
///
/// When the receiver will not be started again, the queue is dropped and its callers hear the exit reason, whatever was
/// chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queue {
    /// As OTP does it (OTP: F16, D6).
    #[default]
    Drop,
    /// It survives, within bounds.
    Keep {
        /// How many messages wait for the next incarnation at most, the oldest first. What is queued beyond is dropped,
        /// and what is sent beyond is refused as `Full`.
        max: usize,
        /// How long nobody may live there; then the queue is dropped, its callers hear the exit reason, and sends are
        /// refused as `Vacant` until the next incarnation begins.
        time: Duration,
    },
    /// What is queued is refused after the fact, like what is sent a moment later.
    Return,
}

impl Queue {
    /// Keeps up to 65,536 messages for up to five seconds, which is how long a call waits unless it says otherwise.
    pub const fn keep() -> Self {
        Self::Keep { max: HIGH_WATER, time: Duration::from_secs(5) }
    }
}
