//! All timers of a node: a pure queue of due times, and the service that fires them.
//!
//! ```text
//!   at, cancel ─► Queue { (when, number) → action }   ─due─► service: fire, sleep until the next
//! ```
//!
//! A cancelled timer is gone at once, so a million calls that were answered in time leave nothing behind.
//!
//! # Invariants
//! * Timers fire in the order of their due times, equal ones in the order in which they were set.
//! * Nothing fires early. Actions run without the lock.

use crate::executor::Service;
use crate::node::Node;
use crate::reply::Settle;
use crate::sync::Mutex;
use crate::task::quietly;
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// A timer that was set: names it for [`Context::cancel`](crate::Context::cancel).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Timer {
    at: Instant,
    number: u64,
}

impl Timer {
    pub(crate) fn at(self) -> Instant {
        self.at
    }

    pub(crate) fn number(self) -> u64 {
        self.number
    }
}

/// What a timer does when it is due.
pub(crate) enum Action {
    /// Wakes somebody who looks at the clock himself.
    Wake(Waker),
    /// Wakes whoever waits at this slot by then.
    Nudge(Arc<dyn Settle>),
    /// Runs a short piece of the runtime's own code.
    Run(Box<dyn FnOnce() + Send>),
}

impl Action {
    fn fire(self) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Nudge(slot) => slot.nudge(),
            Self::Run(work) => work(),
        }
    }
}

/// Due times in order. Knows no clock: the caller says what time it is.
#[derive(Default)]
struct Queue {
    due: BTreeMap<Timer, Action>,
    numbers: u64,
    /// The service sleeps until then, or for ever.
    service: Option<Waker>,
    sleeping_until: Option<Instant>,
    closed: bool,
}

impl Queue {
    fn insert(&mut self, at: Instant, action: impl FnOnce(u64) -> Action) -> Timer {
        self.numbers += 1;
        let timer = Timer { at, number: self.numbers };
        self.due.insert(timer, action(self.numbers));
        timer
    }

    /// Takes what is due by now, at most `max` at a time.
    fn pop_due(&mut self, now: Instant, max: usize) -> Vec<Action> {
        let mut due = Vec::new();
        while due.len() < max {
            match self.due.first_entry() {
                Some(first) if first.key().at <= now => due.push(first.remove()),
                _ => break,
            }
        }
        due
    }
}

/// The timers of one node.
#[derive(Default)]
pub(crate) struct Timers(Mutex<Queue>);

impl Timers {
    /// Sets a timer; `action` is told its number.
    pub(crate) fn at(&self, at: Instant, action: impl FnOnce(u64) -> Action) -> Timer {
        let mut queue = self.0.lock();
        let timer = queue.insert(at, action);
        // The service is woken only if it would sleep too long.
        let early = queue.sleeping_until.is_none_or(|until| at < until);
        let wake = if early { queue.service.take() } else { None };
        drop(queue);
        if let Some(waker) = wake {
            waker.wake();
        }
        timer
    }

    /// Takes a timer back: the time that was left, or `None` if it fired or never was.
    pub(crate) fn cancel(&self, timer: Timer, now: Instant) -> Option<Duration> {
        let action = self.0.lock().due.remove(&timer)?;
        drop(action);
        Some(timer.at.saturating_duration_since(now))
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().due.len()
    }

    /// Ends the service; timers set from now on never fire.
    pub(crate) fn close(&self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        let wake = queue.service.take();
        drop(queue);
        if let Some(waker) = wake {
            waker.wake();
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("set", &self.len()).finish()
    }
}

/// The future that fires a node's timers. It ends when the node is gone.
pub(crate) struct TimerService {
    node: crate::node::WeakNode,
    sleep: Option<Service>,
}

/// Actions fired before the service looks at the clock again.
const BATCH: usize = 256;

impl TimerService {
    pub(crate) fn new(node: &Node) -> Self {
        Self { node: node.downgrade(), sleep: None }
    }
}

impl Future for TimerService {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(node) = self.node.upgrade() else { return Poll::Ready(()) };
            let now = node.now();
            let mut queue = node.timers().0.lock();
            if queue.closed {
                return Poll::Ready(());
            }
            let due = queue.pop_due(now, BATCH);
            if !due.is_empty() {
                drop(queue);
                for action in due {
                    // A message that finds its process dead is dropped here, and its destructor is user code.
                    quietly(|| action.fire());
                }
                continue;
            }
            let next = queue.due.first_key_value().map(|(timer, _)| timer.at);
            if queue.sleeping_until != next {
                self.sleep = None;
            }
            queue.sleeping_until = next;
            let replaced = queue.service.replace(cx.waker().clone());
            drop(queue);
            drop(replaced);
            let Some(next) = next else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| node.backend().sleep_until(next));
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => self.sleep = None,
            }
        }
    }
}
