//! The exit protocol: everything that happens when a process ends, in this order, in this file.
//!
//! ```text
//!    1  the first reason is fixed                    6  links are told
//!    2  the user's future is dropped, caught         7  dependents (a supervisor's children) are told
//!    3  names and keys are free, the seat closes     8  monitors are told
//!    4  timers and feeds end                         9  this process's own monitors are taken back
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
//!   own: a message that panics in `Drop` harms nobody. If the process never came up, those callers hear that instead of the
//!   reason alone ([`CallError::NotStarted`]): their requests were looked at by nobody. One whose request `init` had taken
//!   hears the reason.
//! * A crash is reported between 5 and 6: what waited is known by then, and in a simulation who hears of the death finds
//!   its report.
//! * The node counts it no more from between 5 and 6 on: whoever hears of the death finds room for a successor.
//! * The supervisor comes last, so a restart never meets what is left of the incarnation before.
//! * A monitor that was queued and not yet seen is told the true reason; one that comes later finds the seat closed and
//!   gets `noproc` (OTP: C3).
//!
//! # Invariants
//! * No user code of the process runs after step 5 (OTP: A8), and no observer is told before step 5 is through.
//! * Every observer gets the same reason (OTP: A1).

use crate::about::About;
use crate::closing::Told;
use crate::current::{self, Parked};
use crate::feed::Errand;
use crate::keyed;
use crate::life::{Link, Obligations, Rows};
use crate::remains::Remains;
use crate::reply::{CallError, Settle};
use crate::report::{CrashReport, Estate, SHOWN};
use crate::seat::{AnySeat, End, Sequel};
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

/// An exit protocol under way. What most processes leave none of is behind pointers, so that the protocol of a process that
/// knew nobody is short.
pub(crate) struct Exiting {
    end: End,
    remains: Option<Box<dyn Remains>>,
    parked: Parked,
    /// Whether this is the end of the seat too.
    is_last: bool,
    /// Whether the node still counts this process.
    counted: bool,
    bonds: Option<Box<Bonds>>,
    obligations: Option<Box<Obligations>>,
    /// What there is to report of this end, if it is a crash and somebody reads it.
    report: Option<Box<CrashReport>>,
    /// Observers that were still queued as signals.
    late: Late,
    /// Those who wait for the end of the seat.
    told: Option<Box<Told>>,
}

/// What ends with a process, and who is told of it.
#[derive(Default)]
struct Bonds {
    timers: IntoValues<u64, Timer>,
    feeds: IntoValues<Ref, Arc<dyn Errand>>,
    links: IntoIter<Link>,
    dependents: IntoIter<Peer>,
    watchers: IntoIter<(Ref, Peer)>,
    watched: IntoIter<(Ref, Row<Peer>)>,
}

/// Links and monitors found unapplied in the queue.
#[derive(Default)]
struct Late {
    links: Vec<Link>,
    watchers: Vec<(Ref, Peer)>,
    /// Calls that end with a process which never came up. Those whose requests are still queued hear that first.
    bound: Vec<Weak<dyn Settle>>,
}

impl Late {
    /// The queue is dropped: what is bound and still waits was handed out.
    fn settle_bound(&mut self, end: &End) {
        for call in std::mem::take(&mut self.bound).iter().filter_map(Weak::upgrade) {
            call.settle(CallError::Exited(end.reason.clone()));
        }
    }
}

impl Bonds {
    fn of(rows: Rows, reason: &ExitReason) -> Self {
        let dependents = rows.dependents.map(|dependents| dependents.take(reason)).unwrap_or_default();
        Self {
            timers: rows.timers.into_values(),
            feeds: rows.feeds.into_values(),
            links: rows.links.into_values().collect::<Vec<_>>().into_iter(),
            dependents: dependents.into_iter(),
            watchers: rows.watchers.into_entries().collect::<Vec<_>>().into_iter(),
            watched: rows.watching.into_rows().collect::<Vec<_>>().into_iter(),
        }
    }
}

impl Exiting {
    /// Step 3. `reason` holds unless a fatal signal came first.
    pub(crate) fn new(me: &Peer, reason: ExitReason, mut parked: Parked, counted: bool, body: &'static str) -> Self {
        let core = me.seat.core();
        let (end, mut rows, mut obligations, trap_exit, by_signal) = {
            let mut life = core.life.lock();
            core.end();
            // One that comes second is dropped here and not under the lock: it may be user data.
            let first = life.end(reason.clone());
            let end = End { reason: first, was_up: life.was_up };
            (end, life.take_rows(), life.obligations.take(), life.trap_exit, life.by_signal)
        };
        crate::task::quietly(|| drop(reason));
        let reason = &end.reason;
        #[cfg(feature = "metrics")]
        if let (true, Some(node)) = (counted, core.node()) {
            node.tally().ended(reason, by_signal);
        }
        let report = begin_report(me, reason, || {
            let owed = obligations.as_deref_mut();
            let (ancestors, about) = owed.map(|owed| (owed.ancestors.take(), owed.about.take())).unwrap_or_default();
            let About { label, state, .. } = about.map(|about| *about).unwrap_or_default();
            Estate { reason, body, trap_exit, by_signal, rows: rows.as_deref(), ancestors, label, state }
        });
        if let (Some(rows), Some(node)) = (rows.as_mut().filter(|rows| !rows.names.is_empty()), core.node()) {
            node.names().release(me.pid, std::mem::take(&mut rows.names));
        }
        if let Some(keys) = rows.as_mut().and_then(|rows| rows.keys.take()) {
            keyed::release(*keys);
        }
        let sequel = match obligations.as_ref().and_then(|owed| owed.supervision.as_ref()) {
            Some(supervision) if supervision.comes_back(me.pid, reason) => Sequel::Restart,
            Some(supervision) if supervision.keeps_spec(me.pid, reason) => Sequel::Stopped,
            _ => Sequel::Over,
        };
        let is_last = sequel == Sequel::Over;
        let remains = Arc::clone(&me.seat).close(sequel, &end);
        let mut late = Late::default();
        if let Some(rows) = &mut rows {
            parked.splice(0..0, std::mem::take(&mut rows.last_words));
            let bound = std::mem::take(&mut rows.bound);
            if end.was_up {
                parked.extend(bound.iter().filter_map(Weak::upgrade));
            } else {
                late.bound = bound;
            }
        }
        let bonds = rows.map(|rows| Box::new(Bonds::of(*rows, reason)));
        Self { end, remains, parked, is_last, counted, bonds, obligations, report, late, told: None }
    }

    /// Goes on for one batch; answers whether the protocol is through. `me` is the process that ends. What panics in it is over
    /// with that: the next batch goes on behind it.
    pub(crate) fn step_caught(&mut self, me: &Peer) -> bool {
        let mut is_through = false;
        crate::task::quietly(|| is_through = self.step(me));
        is_through
    }

    fn step(&mut self, me: &Peer) -> bool {
        let mut left = BATCH;
        self.end_timers(me, &mut left)
            && self.end_feeds(me, &mut left)
            && self.drop_queue(me, &mut left)
            && self.file_report(me)
            && self.leave(me)
            && self.tell_links(me, &mut left)
            && self.tell_monitors(&mut left)
            && self.finish(me, &mut left)
            && self.tell_waiting(me, &mut left)
    }

    /// Step 4.
    fn end_timers(&mut self, me: &Peer, left: &mut usize) -> bool {
        let (Some(bonds), Some(node)) = (&mut self.bonds, me.seat.core().node()) else { return true };
        for timer in bonds.timers.by_ref() {
            // The message of a timer is user data; its destructor may panic, and may hold a reply.
            let cancel = || {
                node.timers().cancel(timer, timer.at());
            };
            let why = CallError::Exited(self.end.reason.clone());
            current::run_ending(me.pid, why, || crate::task::quietly(cancel));
            if spent(left) {
                return false;
            }
        }
        true
    }

    /// Step 4 too.
    fn end_feeds(&mut self, me: &Peer, left: &mut usize) -> bool {
        for feed in self.bonds.iter_mut().flat_map(|bonds| bonds.feeds.by_ref()) {
            // Futures and streams are user code, and may hold replies.
            let why = CallError::Exited(self.end.reason.clone());
            current::run_ending(me.pid, why, || crate::task::quietly(|| feed.end()));
            if spent(left) {
                return false;
            }
        }
        true
    }

    /// Step 5.
    fn drop_queue(&mut self, me: &Peer, left: &mut usize) -> bool {
        for reply in std::mem::take(&mut self.parked) {
            reply.settle(CallError::Exited(self.end.reason.clone()));
        }
        while let Some(remains) = &mut self.remains {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let sample = self.report.as_deref_mut().map(|report| &mut report.sample);
            if !drop_caught(me, &self.end, remains.as_mut(), &mut self.late, sample) {
                self.remains = None;
            }
        }
        self.late.settle_bound(&self.end);
        true
    }

    /// When the queue was looked through, and before anybody is told.
    fn file_report(&mut self, me: &Peer) -> bool {
        if let (Some(report), Some(node)) = (self.report.take(), me.seat.core().node()) {
            crate::task::quietly(|| node.reporter().file(report, node.backend().as_ref()));
        }
        true
    }

    /// Between steps 5 and 6: there is room for another process.
    fn leave(&mut self, me: &Peer) -> bool {
        if std::mem::take(&mut self.counted)
            && let Some(node) = me.seat.core().node()
        {
            node.census().leave(me.pid);
        }
        true
    }

    /// Steps 6 and 7.
    fn tell_links(&mut self, me: &Peer, left: &mut usize) -> bool {
        let (from, mut bonds) = (me.pid, self.bonds.as_deref_mut());
        while let Some(link) = bonds.as_mut().and_then(|bonds| bonds.links.next()).or_else(|| self.late.links.pop()) {
            let (links, reason) = (link.tokens, self.end.reason.clone());
            link.peer.signal(Signal::LinkExit { from, links, reason });
            if spent(left) {
                return false;
            }
        }
        for child in bonds.iter_mut().flat_map(|bonds| bonds.dependents.by_ref()) {
            child.signal(Signal::ParentExit { from, reason: self.end.reason.clone() });
            if spent(left) {
                return false;
            }
        }
        true
    }

    /// Step 8.
    fn tell_monitors(&mut self, left: &mut usize) -> bool {
        let mut bonds = self.bonds.as_deref_mut();
        while let Some((monitor, watcher)) =
            bonds.as_mut().and_then(|bonds| bonds.watchers.next()).or_else(|| self.late.watchers.pop())
        {
            watcher.signal(Signal::Down { monitor, reason: self.end.reason.clone() });
            if spent(left) {
                return false;
            }
        }
        true
    }

    /// Steps 9 and 10.
    fn finish(&mut self, me: &Peer, left: &mut usize) -> bool {
        for (monitor, row) in self.bonds.iter_mut().flat_map(|bonds| bonds.watched.by_ref()) {
            row.peer.signal(Signal::Demonitor { monitor });
            if spent(left) {
                return false;
            }
        }
        if let Some(mut owed) = self.obligations.take() {
            let failure =
                owed.failure.take().map_or_else(|| StartError::Init(self.end.reason.clone()), |failure| *failure);
            if let Some(supervision) = &owed.supervision {
                supervision.ended(me.pid, &self.end.reason, (!owed.up).then_some(&failure));
            }
            owed.fail(failure);
        }
        true
    }

    /// Step 11.
    fn tell_waiting(&mut self, me: &Peer, left: &mut usize) -> bool {
        if std::mem::take(&mut self.is_last) {
            self.told = me.seat.core().take_waiting();
        }
        let Some(told) = &mut self.told else { return true };
        while told.tell_next(&self.end.reason) {
            if spent(left) {
                return false;
            }
        }
        true
    }
}

/// Drops one entry of a dead process's queue; false when nothing is left.
fn drop_caught(
    me: &Peer,
    end: &End,
    remains: &mut dyn Remains,
    late: &mut Late,
    mut sample: Option<&mut Vec<&'static str>>,
) -> bool {
    let mut seen = |what: &'static str| {
        if let Some(sample) = &mut sample
            && sample.len() < SHOWN
        {
            sample.push(what);
        }
    };
    let mut keep = |signal: Signal| match signal {
        Signal::Monitor { monitor, watcher } => late.watchers.push((monitor, watcher)),
        Signal::Demonitor { monitor } => late.watchers.retain(|(queued, _)| *queued != monitor),
        Signal::Link { link, peer } => late.links.push(Link { peer, tokens: vec![link], priority: false }),
        Signal::Unlink { from, links } => {
            late.links.retain(|link| link.peer.pid != from || !link.tokens.iter().any(|token| links.contains(token)));
        }
        Signal::Bound { call } if end.was_up => {
            if let Some(call) = call.0.upgrade() {
                call.settle(CallError::Exited(end.reason.clone()));
            }
        }
        Signal::Bound { call } => late.bound.push(call.0),
        Signal::Exit { .. }
        | Signal::Kill
        | Signal::LinkExit { .. }
        | Signal::ParentExit { .. }
        | Signal::Down { .. }
        | Signal::Ask(_) => {}
    };
    let mut more = true;
    current::run_ending(me.pid, end.answer(), || {
        crate::task::quietly(|| more = remains.drop_next(&mut keep, &mut seen))
    });
    more
}

/// Stops or closes a seat on which nobody lives: what is queued is dropped, its callers hear `reason`, or that there never was
/// anybody.
pub(crate) fn leave_vacant(seat: &Arc<dyn AnySeat>, sequel: Sequel, reason: &ExitReason) {
    let end = End { reason: reason.clone(), ..seat.core().last_end() };
    let pid = seat.core().node().map_or_else(|| freeboard_signal::Pid::new(0, 0, 0), crate::Node::pid);
    let me = Peer { pid, seat: Arc::clone(seat) };
    if let Some(mut remains) = Arc::clone(seat).close(sequel, &end) {
        while drop_caught(&me, &end, remains.as_mut(), &mut Late::default(), None) {}
    }
    // Those that wait for a start are answered; nobody will nudge them any more.
    seat.core().nudge_early();
    if sequel == Sequel::Over
        && let Some(mut told) = seat.core().take_waiting()
    {
        while told.tell_next(reason) {}
    }
}

fn spent(left: &mut usize) -> bool {
    *left = left.saturating_sub(1);
    *left == 0
}

/// One event per orderly death; of an abnormal one a report begins, if somebody reads it (OTP: A4, L1).
fn begin_report<'a>(me: &Peer, reason: &ExitReason, estate: impl FnOnce() -> Estate<'a>) -> Option<Box<CrashReport>> {
    let mut report = None;
    let begin = || {
        if reason.is_expected() {
            tracing::trace!(pid = %me.pid, %reason, "process ended");
        } else if me.seat.core().node().is_some_and(|node| node.reporter().is_read()) {
            report = Some(CrashReport::begin(me, estate()));
        }
    };
    crate::task::quietly(begin);
    report
}
