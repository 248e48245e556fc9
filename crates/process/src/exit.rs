//! The exit protocol: everything that happens when a process ends, in this order, in this file.
//!
//! ```text
//!    1  the first reason is fixed                    6  links are told
//!    2  the user's future is dropped, caught         7  dependents (a supervisor's children) are told
//!    3  names are free, the seat closes              8  monitors are told
//!    4  timers end                                   9  this process's own monitors are taken back
//!    5  callers are answered, the queue is dropped  10  the supervisor and the starter are told
//!       or kept, as its spec says                   11  those are told who wait for the end of the seat, if this is it
//! ```
//!
//! Steps 1 and 2 are the task's (`task.rs`); the rest is [`Exiting`], done in batches with a yield between them, so that
//! a process with a hundred thousand watchers does not hold its worker.
//!
//! # Why this order
//! * Whoever hears of the death can rely on what the process held being free (OTP: A9), so 3 and 4 come before 5 to 10.
//! * Whoever asks finds a process alive until its names are free (OTP: A15), so that comes before its seat closes and its
//!   queue is taken.
//! * Dropping a queued request is what answers its caller, so the queue is dropped in step 5, each message caught on its
//!   own: a message that panics in `Drop` harms nobody.
//! * The node counts it no more from between 5 and 6 on: whoever hears of the death finds room for a successor.
//! * The supervisor comes last, so a restart never meets what is left of the incarnation before.
//! * A monitor that was queued and not yet seen is told the true reason; one that comes later finds the seat closed and
//!   gets `noproc` (OTP: C3).
//!
//! # Invariants
//! * No user code of the process runs after step 5 (OTP: A8), and no observer is told before step 5 is through.
//! * Every observer gets the same reason (OTP: A1).

use crate::closing::Told;
use crate::current::{self, Parked};
use crate::life::{Link, Obligations};
use crate::remains::Remains;
use crate::reply::CallError;
use crate::seat::{AnySeat, Sequel};
use crate::start::StartError;
use crate::timer::Timer;
use crate::wire::{Peer, Signal};
use freeboard_monitor::Row;
use freeboard_signal::{ExitReason, Ref};
use std::{
    collections::btree_map::IntoValues,
    sync::{Arc, Weak},
    vec::IntoIter,
};

/// Observers told, or messages dropped, in one step: about half a millisecond when each of them has to be woken.
const BATCH: usize = 512;

/// An exit protocol under way.
pub(crate) struct Exiting {
    me: Peer,
    reason: ExitReason,
    remains: Box<dyn Remains>,
    timers: IntoValues<u64, Timer>,
    parked: Parked,
    /// Whether this is the end of the seat too.
    is_last: bool,
    links: IntoIter<Link>,
    dependents: IntoIter<Peer>,
    watchers: IntoIter<(Ref, Peer)>,
    watched: IntoIter<(Ref, Row<Peer>)>,
    obligations: Option<Box<Obligations>>,
    /// Whether the node still counts this process.
    counted: bool,
    /// Observers that were still queued as signals.
    late: Late,
    /// Those who wait for the end of the seat.
    told: Option<Told>,
}

/// Links and monitors found unapplied in the queue.
#[derive(Default)]
struct Late {
    links: Vec<Link>,
    watchers: Vec<(Ref, Peer)>,
}

impl Exiting {
    /// Step 3. `reason` holds unless a fatal signal came first.
    pub(crate) fn new(me: Peer, reason: ExitReason, mut parked: Parked, counted: bool) -> Self {
        let core = me.seat.core();
        let (first, mut rows, obligations) = {
            let mut life = core.life.lock();
            core.end();
            // One that comes second is dropped here and not under the lock: it may be user data.
            let first = life.end(reason.clone());
            (first, life.take_rows().unwrap_or_default(), life.obligations.take())
        };
        crate::task::quietly(|| drop(reason));
        let reason = first;
        if let (false, Some(node)) = (rows.names.is_empty(), core.node()) {
            node.names().release(me.pid, std::mem::take(&mut rows.names));
        }
        let sequel = match obligations.as_ref().and_then(|owed| owed.supervision.as_ref()) {
            Some(supervision) if supervision.comes_back(me.pid, &reason) => Sequel::Restart,
            Some(supervision) if supervision.keeps_spec(me.pid, &reason) => Sequel::Stopped(reason.clone()),
            _ => Sequel::Over(reason.clone()),
        };
        let is_last = matches!(sequel, Sequel::Over(_));
        let remains = Arc::clone(&me.seat).close(sequel, &reason);
        parked.extend(rows.bound.iter().filter_map(Weak::upgrade));
        crate::task::quietly(|| report(&me, &reason));
        let dependents = rows.dependents.map(|d| d.take(&reason)).unwrap_or_default();
        Self {
            timers: rows.timers.into_values(),
            parked,
            links: rows.links.into_values().collect::<Vec<_>>().into_iter(),
            dependents: dependents.into_iter(),
            watchers: rows.watchers.into_entries().collect::<Vec<_>>().into_iter(),
            watched: rows.watching.into_rows().collect::<Vec<_>>().into_iter(),
            late: Late::default(),
            told: None,
            is_last,
            me,
            reason,
            remains,
            obligations,
            counted,
        }
    }

    /// Goes on for one batch; answers whether the protocol is through.
    pub(crate) fn step(&mut self) -> bool {
        let mut left = BATCH;
        self.end_timers(&mut left)
            && self.drop_queue(&mut left)
            && self.leave()
            && self.tell_links(&mut left)
            && self.tell_monitors(&mut left)
            && self.finish(&mut left)
            && self.tell_waiting(&mut left)
    }

    /// Step 4.
    fn end_timers(&mut self, left: &mut usize) -> bool {
        let Self { me, reason, timers, .. } = self;
        let Some(node) = me.seat.core().node() else { return true };
        for timer in timers {
            // The message of a timer is user data; its destructor may panic, and may hold a reply.
            let cancel = || {
                node.timers().cancel(timer, timer.at());
            };
            current::run_ending(me.pid, reason, || crate::task::quietly(cancel));
            if spent(left) {
                return false;
            }
        }
        true
    }

    /// Step 5.
    fn drop_queue(&mut self, left: &mut usize) -> bool {
        for reply in std::mem::take(&mut self.parked) {
            reply.settle(CallError::Exited(self.reason.clone()));
        }
        let Self { me, reason, remains, late, .. } = self;
        while *left > 0 {
            *left -= 1;
            let more = drop_caught(me, reason, remains.as_mut(), late);
            if !more {
                return true;
            }
        }
        false
    }

    /// Between steps 5 and 6: there is room for another process.
    fn leave(&mut self) -> bool {
        if std::mem::take(&mut self.counted)
            && let Some(node) = self.me.seat.core().node()
        {
            node.census().leave(self.me.pid);
        }
        true
    }

    /// Steps 6 and 7.
    fn tell_links(&mut self, left: &mut usize) -> bool {
        let from = self.me.pid;
        while let Some(link) = self.links.next().or_else(|| self.late.links.pop()) {
            let (links, reason) = (link.tokens, self.reason.clone());
            link.peer.signal(Signal::LinkExit { from, links, reason });
            if spent(left) {
                return false;
            }
        }
        for child in self.dependents.by_ref() {
            child.signal(Signal::ParentExit { from, reason: self.reason.clone() });
            if spent(left) {
                return false;
            }
        }
        true
    }

    /// Step 8.
    fn tell_monitors(&mut self, left: &mut usize) -> bool {
        while let Some((monitor, watcher)) = self.watchers.next().or_else(|| self.late.watchers.pop()) {
            watcher.signal(Signal::Down { monitor, reason: self.reason.clone() });
            if spent(left) {
                return false;
            }
        }
        true
    }

    /// Steps 9 and 10.
    fn finish(&mut self, left: &mut usize) -> bool {
        for (monitor, row) in self.watched.by_ref() {
            row.peer.signal(Signal::Demonitor { monitor });
            if spent(left) {
                return false;
            }
        }
        if let Some(mut owed) = self.obligations.take() {
            let failure = owed.failure.take().unwrap_or_else(|| StartError::Init(self.reason.clone()));
            if let Some(supervision) = &owed.supervision {
                supervision.ended(self.me.pid, &self.reason, (!owed.up).then_some(&failure));
            }
            owed.fail(failure);
        }
        true
    }

    /// Step 11.
    fn tell_waiting(&mut self, left: &mut usize) -> bool {
        if !self.is_last {
            return true;
        }
        let told = self.told.get_or_insert_with(|| self.me.seat.core().take_waiting());
        while told.tell_next(&self.reason) {
            if spent(left) {
                return false;
            }
        }
        true
    }
}

impl Drop for Exiting {
    fn drop(&mut self) {
        // A step that panicked must not leave a shutdown waiting.
        self.leave();
    }
}

/// Drops one entry of a dead process's queue; false when nothing is left.
fn drop_caught(me: &Peer, reason: &ExitReason, remains: &mut dyn Remains, late: &mut Late) -> bool {
    let mut keep = |signal: Signal| match signal {
        Signal::Monitor { monitor, watcher } => late.watchers.push((monitor, watcher)),
        Signal::Demonitor { monitor } => late.watchers.retain(|(queued, _)| *queued != monitor),
        Signal::Link { link, peer } => late.links.push(Link { peer, tokens: vec![link], priority: false }),
        Signal::Unlink { from, links } => {
            late.links.retain(|link| link.peer.pid != from || !link.tokens.iter().any(|token| links.contains(token)));
        }
        Signal::Bound { call } => {
            if let Some(call) = call.0.upgrade() {
                call.settle(CallError::Exited(reason.clone()));
            }
        }
        Signal::Exit { .. }
        | Signal::Kill
        | Signal::LinkExit { .. }
        | Signal::ParentExit { .. }
        | Signal::Down { .. } => {}
    };
    let mut more = true;
    current::run_ending(me.pid, reason, || crate::task::quietly(|| more = remains.drop_next(&mut keep)));
    more
}

/// Stops or closes a seat on which nobody lives: what is queued is dropped, its callers hear `reason`.
pub(crate) fn leave_vacant(seat: &Arc<dyn AnySeat>, sequel: Sequel, reason: &ExitReason) {
    let is_last = matches!(sequel, Sequel::Over(_));
    let pid = seat.core().node().map_or_else(|| freeboard_signal::Pid::new(0, 0, 0), crate::Node::pid);
    let me = Peer { pid, seat: Arc::clone(seat) };
    let mut remains = Arc::clone(seat).close(sequel, reason);
    while drop_caught(&me, reason, remains.as_mut(), &mut Late::default()) {}
    if is_last {
        let mut told = seat.core().take_waiting();
        while told.tell_next(reason) {}
    }
}

fn spent(left: &mut usize) -> bool {
    *left = left.saturating_sub(1);
    *left == 0
}

/// One event per death; abnormal ones are warnings (OTP: A4).
fn report(me: &Peer, reason: &ExitReason) {
    if reason.is_expected() {
        tracing::trace!(pid = %me.pid, %reason, "process ended");
    } else {
        tracing::warn!(pid = %me.pid, %reason, "process crashed");
    }
}
