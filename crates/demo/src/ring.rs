//! The ring: which instances callers believe to be alive.
//!
//! A member stays in as long as its lease is renewed within the time to live; a renewal after that brings it back in, but it
//! has been lost, and that is remembered. Sessions are routed by hash over the members (highest score wins, so a member's
//! death moves only its own sessions). When nobody is left, callers keep the last view they had: failing fast
//! would stop the arrivals and let the queue drain, which no real client does.
//!
//! The ring is pure: it is told the time, and neither renews nor expires anything by itself.

use crate::mix::mix;
use crate::stopwatch::MILLI;

/// How often a member renews its lease.
pub const HEARTBEAT_US: u64 = 700 * MILLI;
/// A lease not renewed for this long has expired.
pub const TTL_US: u64 = 2_000 * MILLI;

/// What became of the heartbeats of all members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heartbeats {
    /// Heartbeats sent.
    pub sent: u64,
    /// Those handled more than two intervals after the one before, or not at all although overdue.
    pub late: u64,
    /// The longest time a member went without a renewal, up to the end of the run.
    pub longest_gap_us: u64,
}

#[derive(Debug, Clone, Default)]
struct Member {
    renewed_us: u64,
    lost: bool,
    sent: u64,
    handled: u64,
    late: u64,
    longest_gap_us: u64,
}

/// The members and their leases.
#[derive(Debug)]
pub struct Ring {
    members: Vec<Member>,
    view: Vec<usize>,
}

impl Ring {
    /// A ring of `members`, all renewed at time zero.
    #[must_use]
    pub fn new(members: usize) -> Self {
        Self { members: vec![Member::default(); members], view: (0..members).collect() }
    }

    /// A heartbeat of `member` was sent; it counts as renewal only when it is handled.
    pub fn heartbeat_sent(&mut self, member: usize) {
        self.members[member].sent += 1;
    }

    /// Renews the lease of `member`.
    pub fn renew(&mut self, member: usize, now_us: u64) {
        let member = &mut self.members[member];
        let gap = now_us.saturating_sub(member.renewed_us);
        member.longest_gap_us = member.longest_gap_us.max(gap);
        member.lost |= gap >= TTL_US;
        member.late += u64::from(gap > 2 * HEARTBEAT_US);
        member.handled += 1;
        member.renewed_us = now_us;
    }

    /// Whether the lease of `member` runs.
    #[must_use]
    pub fn holds(&self, member: usize, now_us: u64) -> bool {
        now_us.saturating_sub(self.members[member].renewed_us) < TTL_US
    }

    /// Looks at the leases: updates what callers see, which stays as it was when nobody is left.
    pub fn refresh(&mut self, now_us: u64) {
        let alive: Vec<usize> = (0..self.members.len()).filter(|&member| self.holds(member, now_us)).collect();
        for member in 0..self.members.len() {
            self.members[member].lost |= !alive.contains(&member);
        }
        if !alive.is_empty() {
            self.view = alive;
        }
    }

    /// The members callers see, in rising order; never empty unless the ring was made empty.
    #[must_use]
    pub fn view(&self) -> &[usize] {
        &self.view
    }

    /// Members whose lease has expired at least once.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.members.iter().filter(|member| member.lost).count()
    }

    /// The account of all heartbeats at the end of a run.
    #[must_use]
    pub fn heartbeats(&self, now_us: u64) -> Heartbeats {
        self.members.iter().fold(Heartbeats::default(), |sum, member| {
            let gap = now_us.saturating_sub(member.renewed_us);
            // A heartbeat sent within the last interval is not overdue yet, handled or not.
            let waiting = member.sent.saturating_sub(member.handled);
            let overdue = if gap > 2 * HEARTBEAT_US { waiting } else { 0 };
            Heartbeats {
                sent: sum.sent + member.sent,
                late: sum.late + member.late + overdue,
                longest_gap_us: sum.longest_gap_us.max(member.longest_gap_us).max(gap),
            }
        })
    }
}

/// The member of `view` that serves `session`.
///
/// # Panics
/// When `view` is empty.
#[must_use]
pub fn route(view: &[usize], session: u64) -> usize {
    let score = |member: &usize| mix(session ^ mix(*member as u64));
    *view.iter().max_by_key(|member| score(member)).expect("a ring keeps its last view, so a view is never empty")
}
