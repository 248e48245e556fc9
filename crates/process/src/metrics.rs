//! A node's numbers for the `metrics` facade (feature `metrics`): counted where a process begins and ends, published when
//! somebody asks.
//!
//! | metric | kind | labels | what |
//! |---|---|---|---|
//! | `freeboard_processes` | gauge | node | processes that live |
//! | `freeboard_processes_started_total` | counter | node | processes that were started |
//! | `freeboard_processes_ended_total` | counter | node, kind | ends: `orderly`, `crashed`, `signal` (abnormal, and from elsewhere) |
//! | `freeboard_messages_dropped_total` | counter | node, cause | messages that nobody received |
//! | `freeboard_crash_reports_lost_total` | counter | node | reports that found no room |
//!
//! # Invariants
//! * Nothing is counted here per message: a mailbox counts what it drops, and its numbers are added when the seat goes.
//! * A counter never falls.
//!
//! # Not here
//! When to publish: every ten seconds, or when a scrape comes.

use crate::node::Node;
use crate::sync::{AtomicU64, Ordering};
use freeboard_mailbox::{Dropped, MailboxStats};
use freeboard_signal::ExitReason;

/// Dropped messages by cause.
type ByCause = [AtomicU64; Dropped::ALL.len()];

/// What was counted so far.
#[derive(Default)]
pub(crate) struct Tally {
    started: AtomicU64,
    orderly: AtomicU64,
    crashed: AtomicU64,
    by_signal: AtomicU64,
    /// By seats that are gone.
    dropped: ByCause,
    /// The most that was ever published.
    published: ByCause,
}

impl Tally {
    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, reason: &ExitReason, by_signal: bool) {
        let kind = match by_signal {
            _ if reason.is_expected() => &self.orderly,
            false => &self.crashed,
            true => &self.by_signal,
        };
        kind.fetch_add(1, Ordering::Relaxed);
    }

    /// A seat goes, and its numbers with it.
    pub(crate) fn seat_gone(&self, stats: &MailboxStats) {
        for why in Dropped::ALL {
            let dropped = stats.dropped(why);
            if dropped > 0 {
                self.dropped[why as usize].fetch_add(dropped, Ordering::Relaxed);
            }
        }
    }
}

impl Node {
    /// Publishes this node's numbers to the recorder of the `metrics` facade: those that `metrics.rs` lists, each with the
    /// label `node`. Without a recorder nothing happens.
    ///
    /// # Cost
    /// A pass over the pid table, with a dozen loads per seat. Call it as often as the numbers are looked at.
    pub fn publish_metrics(&self) {
        let node = self.pid().node().to_string();
        let tally = self.tally();
        // Before the pass: what goes meanwhile is missed now and found the next time, and never found twice.
        let mut dropped = Dropped::ALL.map(|why| tally.dropped[why as usize].load(Ordering::Relaxed));
        for seat in self.all_seats() {
            let stats = seat.stats();
            Dropped::ALL.iter().zip(&mut dropped).for_each(|(&why, sum)| *sum += stats.dropped(why));
        }
        for (why, sum) in Dropped::ALL.into_iter().zip(dropped) {
            let most = tally.published[why as usize].fetch_max(sum, Ordering::Relaxed).max(sum);
            let cause = format!("{why:?}").to_lowercase();
            metrics::counter!("freeboard_messages_dropped_total", "node" => node.clone(), "cause" => cause)
                .absolute(most);
        }
        let ends = [("orderly", &tally.orderly), ("crashed", &tally.crashed), ("signal", &tally.by_signal)];
        for (kind, ended) in ends {
            let ended = ended.load(Ordering::Relaxed);
            metrics::counter!("freeboard_processes_ended_total", "node" => node.clone(), "kind" => kind)
                .absolute(ended);
        }
        let started = tally.started.load(Ordering::Relaxed);
        metrics::counter!("freeboard_processes_started_total", "node" => node.clone()).absolute(started);
        metrics::counter!("freeboard_crash_reports_lost_total", "node" => node.clone()).absolute(self.reports_lost());
        metrics::gauge!("freeboard_processes", "node" => node).set(self.process_count() as f64);
    }
}
