//! One timer per process for all of its calls.
//!
//! A call that waits says by when it wants to look at the clock (`current.rs`); the earliest such time of a poll sets the
//! alarm. It is not taken back when the call is answered, which is what nearly always happens: it rings once, the process
//! is polled, and whoever still waits asks again. So a process that makes a million calls with a limit of five seconds
//! sets a timer every five seconds, not a million.
//!
//! ```text
//!   idle ──set(until)──► set ──rings──► idle        an earlier `until` while set: it takes the place of the later one
//! ```
//!
//! # Invariants
//! * After `set(until)` the task is woken at `until` or before, unless the process ends first.
//! * The alarm ends with its process; its timer holds no strong handle to the seat.

use crate::node::WeakNode;
use crate::sync::{AtomicUsize, Ordering};
use crate::timer::{Action, Timer};
use crate::wire::Peer;
use std::{sync::Arc, time::Instant};

/// When a process is woken next, if nothing else wakes it.
#[derive(Default)]
pub(crate) struct Alarm(Option<Set>);

/// An alarm that was set: when it rings, and whether it has. Dropped, it is taken back.
struct Set {
    until: Instant,
    rung: Arc<AtomicUsize>,
    timer: Timer,
    node: WeakNode,
}

impl Drop for Set {
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            let _left = node.timers().cancel(self.timer, self.until);
        }
    }
}

impl Alarm {
    /// Sees to it that the process is woken by then.
    pub(crate) fn set(&mut self, me: &Peer, until: Instant) {
        let waits = |set: &Set| set.until <= until && set.rung.load(Ordering::Acquire) == 0;
        if self.0.as_ref().is_some_and(waits) {
            return;
        }
        let Some(node) = me.seat.core().node() else { return };
        let rung = Arc::new(AtomicUsize::new(0));
        let (seat, rings) = (Arc::downgrade(&me.seat), Arc::clone(&rung));
        let timer = node.timers().at(until, |_| {
            Action::Run(Box::new(move || {
                rings.fetch_or(1, Ordering::Release);
                if let Some(seat) = seat.upgrade() {
                    seat.wake_task();
                }
            }))
        });
        self.0 = Some(Set { until, rung, timer, node: node.downgrade() });
    }
}
