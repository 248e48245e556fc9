//! What can be seen of a mailbox from outside, without its lock.
//!
//! Invariant: every message ends in one column exactly. Sends that answered `Ok` = received + dropped in all + depth.
//! Those that rules sent back are counted as [`Rejected`](Dropped::Rejected) and nowhere else.
//!
//! The numbers are read one after another while senders and receiver go on, so a sum may be off by what happened meanwhile,
//! and what the receiver handled since its last exchange is still counted as waiting.

use crate::Dropped;
use crate::sync::{AtomicU64, Ordering};
use std::time::Duration;

/// A mailbox's numbers at one moment.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxStats {
    /// Messages that wait.
    pub depth: usize,
    /// The most that ever waited, as seen at the receiver's exchanges and now.
    pub high_water: usize,
    /// How long the oldest message has waited: an estimate, too small rather than too large: a queue is stamped when it turns
    /// non-empty while its receiver is busy. A message that finds the receiver parked wakes it without a look at the clock:
    /// should it wait all the same, its age counts from the next message on, or from the first look at these numbers. Zero if
    /// none waits, or if nobody told the time.
    pub oldest: Duration,
    /// Messages that were received.
    pub received: u64,
    /// Messages that selective receives looked at.
    pub inspected: u64,
    dropped: [u64; Dropped::ALL.len()],
}

impl MailboxStats {
    /// Messages that were dropped for this cause.
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize]
    }

    /// Messages that were dropped for any cause; those that went back to their senders are not among them.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().sum::<u64>() - self.dropped(Dropped::Rejected)
    }

    pub(crate) fn set_dropped(&mut self, causes: &Causes) {
        self.dropped = Dropped::ALL.map(|why| causes.of(why));
    }
}

/// Dropped messages by cause.
#[derive(Debug)]
pub(crate) struct Causes([AtomicU64; Dropped::ALL.len()]);

impl Causes {
    pub(crate) fn new() -> Self {
        Self(Dropped::ALL.map(|_| AtomicU64::new(0)))
    }

    pub(crate) fn add(&self, why: Dropped) {
        self.0[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, why: Dropped) -> u64 {
        self.0[why as usize].load(Ordering::Relaxed)
    }
}
