//! One timer per node for all callers that are no processes, or whose calls are polled by a waker of their own.
//!
//! ```text
//!   wait(until, call) ──► place in a list ◄── leave(place), when it is answered
//!                             │ the earliest `until` when the timer was set
//!                             └──rings──► nudge what is due, set it for the earliest of the rest
//! ```
//!
//! Nearly every call is answered long before its limit, so to wait and to leave are what must be cheap: a place taken and a
//! place given back, under a short lock. The timer is not taken back when a call leaves; it rings once per limit at most,
//! looks at all that wait, and is set again. A process needs none of this: its alarm does the same (`alarm.rs`).
//!
//! # Invariants
//! * While anybody waits, the timer is set for the earliest of them or before, or rings right now; with more than
//!   [`CROWD`] of them up to [`PAUSE`] later.
//! * Nobody is nudged, and nothing of a caller's is dropped, under the lock.
//!
//! # Not here
//! Limits below 50 ms, which have timers of their own (`deadline.rs`).

use crate::node::{Node, WeakNode};
use crate::reply::Settle;
use crate::sync::Mutex;
use crate::timer::Action;
use std::{
    fmt, mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// Above so many, a look at all of them is worth a pause.
const CROWD: usize = 4_096;

/// The least time between two looks at a crowd.
const PAUSE: Duration = Duration::from_millis(5);

/// The callers that wait.
#[derive(Default)]
pub(crate) struct Callers(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    places: Vec<Place>,
    /// The first free place, and one more.
    free: usize,
    waiting: usize,
    /// When the timer rings, if it is set.
    rings: Option<Instant>,
}

struct Place {
    /// Who waits here until when; free without.
    taken: Option<(Instant, Arc<dyn Settle>)>,
    /// The next free place, and one more.
    next: usize,
}

/// A place among the callers.
#[derive(Debug)]
pub(crate) struct Seated(usize);

impl Callers {
    /// Sees to it that the call is nudged at that time, until it leaves.
    pub(crate) fn wait(&self, node: &Node, until: Instant, call: Arc<dyn Settle>) -> Seated {
        let mut waiting = self.0.lock();
        let seated = waiting.seat(until, call);
        let is_early = waiting.rings.is_none_or(|rings| until < rings);
        if is_early {
            waiting.rings = Some(until);
        }
        drop(waiting);
        if is_early {
            Self::set(node, until);
        }
        Seated(seated)
    }

    /// The call is over, one way or the other.
    pub(crate) fn leave(&self, Seated(place): Seated) {
        let mut waiting = self.0.lock();
        let left = waiting.leave(place);
        if waiting.waiting == 0 && waiting.places.len() > CROWD {
            // A crowd has gone: its memory too.
            (waiting.places, waiting.free) = (Vec::new(), 0);
        }
        drop(waiting);
        drop(left);
    }

    #[cold]
    fn set(node: &Node, until: Instant) {
        let weak = node.downgrade();
        node.timers().at(until, |_| Action::Run(Box::new(move || Self::ring(&weak, until))));
    }

    /// The timer rings. If it was set for an earlier time meanwhile, the other one takes care.
    fn ring(node: &WeakNode, rings: Instant) {
        let Some(node) = node.upgrade() else { return };
        let now = node.now();
        let mut waiting = node.callers().0.lock();
        if waiting.rings != Some(rings) {
            return;
        }
        let (due, next) = waiting.look(now);
        let next = next.map(|next| if waiting.waiting > CROWD { next.max(now + PAUSE) } else { next });
        waiting.rings = next;
        drop(waiting);
        due.into_iter().for_each(|call| call.nudge());
        if let Some(next) = next {
            Self::set(&node, next);
        }
    }
}

impl Waiting {
    fn seat(&mut self, until: Instant, call: Arc<dyn Settle>) -> usize {
        self.waiting += 1;
        let taken = Some((until, call));
        match self.free.checked_sub(1).and_then(|free| self.places.get_mut(free)) {
            Some(place) => {
                place.taken = taken;
                mem::replace(&mut self.free, place.next) - 1
            }
            None => {
                self.places.push(Place { taken, next: 0 });
                self.places.len() - 1
            }
        }
    }

    /// Gives the place back; who was there is to be dropped outside the lock.
    fn leave(&mut self, place: usize) -> Option<(Instant, Arc<dyn Settle>)> {
        self.waiting -= 1;
        let left = &mut self.places[place];
        left.next = mem::replace(&mut self.free, place + 1);
        left.taken.take()
    }

    /// Who is due by now, and when the next one is. They keep their places until they leave.
    fn look(&self, now: Instant) -> (Vec<Arc<dyn Settle>>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for place in &self.places {
            match &place.taken {
                Some((until, call)) if *until <= now => due.push(Arc::clone(call)),
                Some((until, _)) => next = Some(next.map_or(*until, |next| next.min(*until))),
                None => {}
            }
        }
        (due, next)
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("waiting", &self.0.lock().waiting).finish()
    }
}
