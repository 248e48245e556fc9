//! How long a call waits, and who wakes it when that time has come.
//!
//! ```text
//!   within(d) ──first look with a clock──► until ◄── the earlier of it and what is inherited
//! ```
//!
//! A process serves a call from the moment the message is handed out to the next receive, or to its handler's end. The
//! deadline of that call stands in the frame (`current.rs`), and calls made meanwhile inherit it: nobody waits for an answer
//! that comes too late to be of use. What is deferred says so itself, with `on_behalf_of`.
//!
//! # Invariants
//! * A call that is not answered ends at its time and not before (OTP: F8). The coarse clock lags, so what is counted from
//!   it gets the lag on top.
//! * Limits of [`EXACT`] and more set no timer: a process's alarm serves all of its calls (`alarm.rs`), and one timer of the
//!   node all callers that are no processes (`callers.rs`).
//!
//! # Not here
//! The answer that comes at the last moment (`call.rs`).

use crate::callers::Seated;
use crate::current;
use crate::node::Node;
use crate::reply::Settle;
use crate::seat::Core;
use crate::timer::{Action, Timer};
use std::{
    mem,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

/// Limits below this get a timer of their own, and are counted from the exact clock.
const EXACT: Duration = Duration::from_millis(50);

/// Until when a call waits.
pub(crate) struct Limit {
    within: Within,
    until: Option<Instant>,
    set: Option<Set>,
    is_exact: bool,
    /// Whether its seat knows that it waits for a clock.
    is_early: bool,
}

/// A limit that has not begun to count.
enum Within {
    /// As long as the node says.
    Usual,
    Own(Duration),
    /// There is none, or it counts already: then it is a point in time.
    Nothing,
}

/// What wakes a call at its time.
enum Set {
    Timer(Timer),
    Caller(Seated),
}

impl Limit {
    /// As long as calls usually wait.
    #[inline]
    pub(crate) fn usual() -> Self {
        Self { within: Within::Usual, until: None, set: None, is_exact: false, is_early: false }
    }

    /// No limit, until it is given one.
    pub(crate) fn none() -> Self {
        Self { within: Within::Nothing, ..Self::usual() }
    }

    /// Changes the limit, before the first look.
    #[inline]
    pub(crate) fn set(&mut self, within: Option<Duration>) {
        self.within = within.map_or(Within::Nothing, Within::Own);
    }

    /// Not longer than that, in any case.
    pub(crate) fn inherit(&mut self, until: Option<Instant>) {
        self.until = earlier(self.until, until);
    }

    /// Whether there is a limit at all.
    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        !matches!(self.within, Within::Nothing) || self.until.is_some()
    }

    /// When it passes, if it has begun to count.
    #[inline]
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether something is to wake the call at its time, which must be [taken back](Self::end).
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.set.is_some()
    }

    /// Starts to count, if there is something to count and a clock. Answers whether it has just begun, with a good while to
    /// go: then it is not over, which saves a look at the clock.
    #[inline]
    pub(crate) fn start(&mut self, core: &Core) -> bool {
        match core.node() {
            Some(node) if !matches!(self.within, Within::Nothing) => self.count(node),
            _ => false,
        }
    }

    fn count(&mut self, node: &Node) -> bool {
        let limit = match mem::replace(&mut self.within, Within::Nothing) {
            Within::Usual => node.call_timeout(),
            Within::Own(limit) => limit,
            Within::Nothing => return false,
        };
        self.is_exact = limit < EXACT;
        let until = match self.is_exact {
            true => node.later(limit),
            false => node.later_than(node.coarse(), limit.saturating_add(node.lag())),
        };
        self.inherit(Some(until));
        !self.is_exact
    }

    /// Whether the time has come.
    pub(crate) fn is_over(&mut self, core: &Core, slot: impl FnOnce() -> Arc<dyn Settle>) -> bool {
        if !self.is_limited() {
            return false;
        }
        self.await_clock(core, slot);
        let begins = self.start(core);
        let (Some(node), Some(until)) = (core.node(), self.until) else { return false };
        !begins && until <= node.now()
    }

    /// Sees to it that the call is looked at again by then. `action` wakes it whoever polls it.
    pub(crate) fn wake(&mut self, core: &Core, waker: &Waker, slot: impl FnOnce() -> Arc<dyn Settle>) {
        let (Some(until), Some(node), None) = (self.until, core.node(), &self.set) else { return };
        // A process's alarm serves all of its calls. A call outside of a process, or inside a set of futures with wakers of
        // its own, must be woken itself; and a short limit wants to be exact.
        if self.is_exact {
            let slot = slot();
            self.set = Some(Set::Timer(node.timers().at(until, |_| Action::Nudge(slot))));
        } else if !current::wake_by(until, waker) {
            self.set = Some(Set::Caller(node.callers().wait(node, until, slot())));
        }
    }

    /// Waits for a clock: a seat that was never started has none. The limit starts to run at its first start, which nudges
    /// this call. If there never is one, the queue is dropped, and so the call answered.
    fn await_clock(&mut self, core: &Core, slot: impl FnOnce() -> Arc<dyn Settle>) {
        if core.node().is_none() && !self.is_early {
            let slot = slot();
            let mut life = core.life.lock();
            if core.node().is_none() {
                life.rows().early_calls.push(slot);
                self.is_early = true;
            }
        }
    }

    /// Waits for the next start of a seat where nobody lives, which nudges this call.
    pub(crate) fn await_start(core: &Core, slot: Arc<dyn Settle>) {
        let mut life = core.life.lock();
        let early_calls = &mut life.rows().early_calls;
        if !early_calls.iter().any(|known| Arc::ptr_eq(known, &slot)) {
            early_calls.push(slot);
        }
    }

    /// Takes back what would wake the call.
    #[inline]
    pub(crate) fn end(&mut self, core: &Core) {
        if let (Some(set), Some(node)) = (self.set.take(), core.node()) {
            match set {
                Set::Timer(timer) => drop(node.timers().cancel(timer, timer.at())),
                Set::Caller(seated) => node.callers().leave(seated),
            }
        }
    }
}

/// The earlier of two times, of which there may be none.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
