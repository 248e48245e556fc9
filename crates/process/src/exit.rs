//! The exit protocol: everything that happens when a process ends, in this order, in this file.
//!
//! ```text
//!    1  the first reason is fixed                    6  links are told
//!    2  the user's future is dropped, caught         7  dependents (a supervisor's children) are told
//!    3  the seat closes, its queue is taken          8  monitors are told
//!    4  timers end                                   9  this process's own monitors are taken back
//!    5  callers are answered, the queue is dropped  10  the supervisor and the starter are told
//! ```
//!
//! Steps 1 and 2 are the task's (`task.rs`); the rest is [`Exiting`], done in batches with a yield between them, so that
//! a process with a hundred thousand watchers does not hold its worker.
//!
//! # Why this order
//! * Whoever hears of the death can rely on what the process held being free (OTP: A15), so 3 and 4 come before 5 to 10.
//! * Dropping a queued request is what answers its caller, so the queue is dropped in step 5, each message caught on its
//!   own: a message that panics in `Drop` harms nobody.
//! * The supervisor comes last, so a restart never meets what is left of the incarnation before.
//! * A monitor that was queued and not yet seen is told the true reason; one that comes later finds the seat closed and
//!   gets `noproc` (OTP: C3).
//!
//! # Invariants
//! * No user code of the process runs after step 5 (OTP: A8), and no observer is told before step 5 is through.
//! * Every observer gets the same reason (OTP: A1).

use crate::current::{self, Parked};
use crate::life::{Link, Obligations};
use crate::reply::CallError;
use crate::seat::{AnySeat, Remains};
use crate::start::StartError;
use crate::wire::{Peer, Signal};
use freeboard_monitor::Row;
use freeboard_signal::{ExitReason, Ref};
use std::{sync::Arc, vec::IntoIter};

/// Observers told, or messages dropped, in one step: about half a millisecond when each of them has to be woken.
const BATCH: usize = 512;

/// An exit protocol under way.
pub(crate) struct Exiting {
    me: Peer,
    reason: ExitReason,
    remains: Box<dyn Remains>,
    links: IntoIter<Link>,
    dependents: IntoIter<Peer>,
    watchers: IntoIter<(Ref, Peer)>,
    watched: IntoIter<(Ref, Row<Peer>)>,
    obligations: Option<Box<Obligations>>,
    /// Observers that were still queued as signals.
    late: Late,
}

/// Links and monitors found unapplied in the queue.
#[derive(Default)]
struct Late {
    links: Vec<Link>,
    watchers: Vec<(Ref, Peer)>,
}

impl Exiting {
    /// Steps 3 and 4, and the replies of step 5 that wait for a verdict. `reason` holds unless a fatal signal came first.
    pub(crate) fn new(me: Peer, reason: ExitReason, parked: Parked) -> Self {
        let core = me.seat.core();
        let (reason, rows, obligations) = {
            let mut life = core.life.lock();
            core.end();
            let reason = life.end(reason);
            (reason, life.take_rows().unwrap_or_default(), life.obligations.take())
        };
        let comes_back = obligations
            .as_ref()
            .and_then(|owed| owed.supervision.as_ref())
            .is_some_and(|s| s.comes_back(me.pid, &reason));
        let remains = Arc::clone(&me.seat).close((!comes_back).then(|| reason.clone()));
        if let Some(node) = core.node() {
            // The message of a timer is user data; its destructor may panic, and may hold a reply.
            for timer in rows.timers {
                let cancel = || {
                    crate::task::quietly(|| {
                        node.timers().cancel(timer, timer.at());
                    })
                };
                current::run_ending(me.pid, &reason, cancel);
            }
        }
        for reply in parked {
            reply.settle(CallError::Exited(reason.clone()));
        }
        crate::task::quietly(|| report(&me, &reason));
        let dependents = rows.dependents.map(|d| d.take(&reason)).unwrap_or_default();
        Self {
            links: rows.links.into_values().collect::<Vec<_>>().into_iter(),
            dependents: dependents.into_iter(),
            watchers: rows.watchers.into_entries().collect::<Vec<_>>().into_iter(),
            watched: rows.watching.into_rows().collect::<Vec<_>>().into_iter(),
            late: Late::default(),
            me,
            reason,
            remains,
            obligations,
        }
    }

    /// Goes on for one batch; answers whether the protocol is through.
    pub(crate) fn step(&mut self) -> bool {
        let mut left = BATCH;
        self.drop_queue(&mut left)
            && self.tell_links(&mut left)
            && self.tell_monitors(&mut left)
            && self.finish(&mut left)
    }

    /// Step 5.
    fn drop_queue(&mut self, left: &mut usize) -> bool {
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

/// Closes a seat on which nobody lives: what is queued is dropped, its callers hear `reason`.
pub(crate) fn close_vacant(seat: &Arc<dyn AnySeat>, reason: &ExitReason) {
    let pid = seat.core().node().map_or_else(|| freeboard_signal::Pid::new(0, 0, 0), crate::Node::pid);
    let me = Peer { pid, seat: Arc::clone(seat) };
    let mut remains = Arc::clone(seat).close(Some(reason.clone()));
    while drop_caught(&me, reason, remains.as_mut(), &mut Late::default()) {}
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
