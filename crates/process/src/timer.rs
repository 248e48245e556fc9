//! All timers of a node: a pure queue of due times, and the service that fires them.
//!
//! ```text
//!   at, cancel ─► Queue { (when, number) → action }   ─due─► service: fire, sleep until the next
//!                                     ▲                         │
//!                                     └── an interval's next ───┘
//! ```
//!
//! A cancelled timer is gone at once, so a million calls that were answered in time leave nothing behind.
//!
//! # Invariants
//! * Timers fire in the order of their due times, equal ones in the order in which they were set.
//! * Nothing fires early. Actions run without the lock, and are made and dropped without it.
//! * An interval keeps its number for all its life, and its beat whatever it misses: it is due at multiples of its period
//!   from when it was set, and once for all multiples that passed while nobody looked.
//!
//! # Cost
//! O(log n) of the timers that are set, for setting, taking back and firing. One task serves the node; each time it has
//! fired all that is due it sets one sleep of the backend's, for all of them. An interval that goes on moves its action.

use crate::addr::Addr;
use crate::executor::Service;
use crate::life::Map;
use crate::node::Node;
use crate::reply::Settle;
use crate::sync::{AtomicU64, Mutex, Ordering};
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

/// A timer that was set: names it for [`Context::cancel`](crate::Context::cancel). It names no other timer, and nothing
/// when it is over.
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

    /// The name of a timer that was never set.
    pub(crate) fn never(at: Instant) -> Self {
        Self { at, number: 0 }
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
    /// Does something once per period, as long as that wants to go on.
    Every(Duration, Arc<dyn Tick>),
}

/// What an interval does.
pub(crate) trait Tick: Send + Sync {
    /// Its time has come; answers whether it goes on.
    fn tick(&self) -> bool;
}

impl Action {
    /// Answers itself if it is to be set again.
    fn fire(self) -> Option<(Duration, Self)> {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Nudge(slot) => slot.nudge(),
            Self::Run(work) => work(),
            Self::Every(period, tick) => return tick.tick().then_some((period, Self::Every(period, tick))),
        }
        None
    }
}

/// Due times in order. Knows no clock: the caller says what time it is.
#[derive(Default)]
struct Queue {
    due: BTreeMap<Timer, Action>,
    /// When each interval is due next, or was due while it fires: its handle knows the first time only.
    intervals: Map<u64, Instant>,
    /// The service sleeps until then, or for ever.
    service: Option<Waker>,
    sleeping_until: Option<Instant>,
    /// Which service fires; those before it end.
    in_charge: u32,
    /// What was due is being fired now, maybe still by the service before.
    firing: bool,
    closed: bool,
}

impl Queue {
    fn insert(&mut self, timer: Timer, action: Action) {
        if let Action::Every(..) = action {
            self.intervals.insert(timer.number, timer.at);
        }
        self.due.insert(timer, action);
    }

    /// Takes what is due by now, at most [`BATCH`] at a time.
    fn pop_due(&mut self, now: Instant, due: &mut Vec<(Timer, Action)>) {
        while due.len() < BATCH {
            match self.due.first_entry() {
                Some(first) if first.key().at <= now => due.push(first.remove_entry()),
                _ => break,
            }
        }
    }

    /// Takes a timer out: when it would have been due, if it was set, and its action, unless that fires just now.
    fn remove(&mut self, timer: Timer) -> Option<(Instant, Option<Action>)> {
        match self.intervals.remove(&timer.number) {
            Some(at) => Some((at, self.due.remove(&Timer { at, ..timer }))),
            None => self.due.remove(&timer).map(|action| (timer.at, Some(action))),
        }
    }

    /// Sets an interval again that has fired. One that was taken back meanwhile is returned.
    fn again(&mut self, fired: Timer, period: Duration, now: Instant, action: Action) -> Result<(), Action> {
        let Some(at) = self.intervals.get_mut(&fired.number) else { return Err(action) };
        *at = following(fired.at, period, now);
        let next = Timer { at: *at, ..fired };
        self.due.insert(next, action);
        Ok(())
    }
}

/// The first multiple of the period, counted from `last`, that lies after `now`.
fn following(last: Instant, period: Duration, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(last).as_nanos() / period.as_nanos().max(1);
    let steps = u32::try_from(missed + 1);
    // What has missed four thousand million beats has lost its rhythm.
    steps.ok().and_then(|steps| last.checked_add(period.checked_mul(steps)?)).unwrap_or(now + period)
}

/// The timers of one node.
#[derive(Default)]
pub(crate) struct Timers {
    queue: Mutex<Queue>,
    numbers: AtomicU64,
}

impl Timers {
    /// Sets a timer; `action` is told its number.
    pub(crate) fn at(&self, at: Instant, action: impl FnOnce(u64) -> Action) -> Timer {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (timer, action) = (Timer { at, number }, action(number));
        let mut queue = self.queue.lock();
        queue.insert(timer, action);
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
        let (at, action) = self.queue.lock().remove(timer)?;
        // It may hold a message, whose destructor is user code.
        quietly(|| drop(action));
        Some(at.saturating_duration_since(now))
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.queue.lock().due.len()
    }

    /// Sets those again that go on; what was taken back or is over is dropped without the lock.
    fn finish(&self, fired: Timer, now: Instant, goes_on: Option<(Duration, Action)>) {
        let mut queue = self.queue.lock();
        let over = match goes_on {
            Some((period, action)) => queue.again(fired, period, now, action).err(),
            None => {
                queue.intervals.remove(&fired.number);
                None
            }
        };
        drop(queue);
        quietly(|| drop(over));
    }

    /// Puts a new service in charge, whose number this answers; the one before ends.
    fn take_over(&self) -> u32 {
        let mut queue = self.queue.lock();
        queue.in_charge += 1;
        queue.sleeping_until = None;
        let (number, wake) = (queue.in_charge, queue.service.take());
        drop(queue);
        if let Some(waker) = wake {
            waker.wake();
        }
        number
    }

    /// Ends the service; timers set from now on never fire.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let wake = queue.service.take();
        drop(queue);
        if let Some(waker) = wake {
            waker.wake();
        }
    }
}

impl Node {
    /// Sends `message` to that address after that time, to whoever lives there then: unlike
    /// [`Context::send_after`](crate::Context::send_after) it does not end with an incarnation (OTP: A14). If nobody lives there
    /// any more, or nobody else holds the address, the message is dropped.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::time::Duration;
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// let addr = node.spawn(async |mut cx: Context<&str>| {
    ///     let heard = (cx.recv_message().await, cx.recv_message().await);
    ///     # let _ = done.send(heard);
    ///     Ok(())
    /// });
    /// let late = node.send_after(&addr, Duration::from_secs(3), "late");
    /// node.send_after(&addr, Duration::from_secs(2), "second");
    /// node.send_after(&addr, Duration::from_secs(1), "first");
    /// assert_eq!(node.cancel_timer(late), Some(Duration::from_secs(3)));
    /// # assert_eq!(heard.await.unwrap(), ("first", "second"));
    /// # });
    /// ```
    ///
    /// It is a send like any other: a policy of the mailbox may refuse or drop it.
    pub fn send_after<M: Send + 'static>(&self, to: &Addr<M>, after: Duration, message: M) -> Timer {
        let to = to.downgrade();
        self.timers().at(self.later(after), |_| Action::Run(Box::new(move || to.cast(message))))
    }

    /// Takes back a timer that [`send_after`](Self::send_after) has set: the time that was left, or `None` if its message was
    /// sent.
    pub fn cancel_timer(&self, timer: Timer) -> Option<Duration> {
        self.timers().cancel(timer, self.now())
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("set", &self.len()).finish()
    }
}

/// What fires a node's timers: a future for its backend, or a part of its steward. It is over when the node is gone, or
/// another one has taken over.
pub(crate) struct TimerService {
    node: crate::node::WeakNode,
    /// It is in charge as long as the queue says this number.
    number: u32,
    sleep: Option<(Instant, Service)>,
    /// What is due, while it fires; empty otherwise.
    due: Vec<(Timer, Action)>,
}

/// What is left to do when everything due was fired.
pub(crate) enum Round {
    /// Wait to be woken, or until that time; the second is the present.
    Idle(Option<(Instant, Instant)>),
    /// Nothing, for good.
    Over,
}

/// Actions fired before the service looks at the clock again.
const BATCH: usize = 256;

impl TimerService {
    pub(crate) fn new(node: &Node) -> Self {
        Self { node: node.downgrade(), number: 0, sleep: None, due: Vec::new() }
    }

    /// One that takes the place of the present one, which ends.
    pub(crate) fn taking_over(node: &Node) -> Self {
        Self { number: node.timers().take_over(), ..Self::new(node) }
    }

    /// Fires all that is due. `waker` is woken when there is more to do than is answered here.
    pub(crate) fn round(&mut self, waker: &Waker) -> Round {
        let mut fired = false;
        loop {
            let Some(node) = self.node.upgrade() else { return Round::Over };
            let now = node.now();
            let mut queue = node.timers().queue.lock();
            if fired {
                queue.firing = false;
            }
            if queue.closed || queue.in_charge != self.number {
                // The next one may be waiting for us to finish.
                let wake = if fired { queue.service.take() } else { None };
                drop(queue);
                if let Some(waker) = wake {
                    waker.wake();
                }
                return Round::Over;
            }
            if !queue.firing {
                queue.pop_due(now, &mut self.due);
            }
            if self.due.is_empty() {
                let next = if queue.firing { None } else { queue.due.first_key_value().map(|(timer, _)| timer.at) };
                queue.sleeping_until = next;
                let replaced = queue.service.replace(waker.clone());
                drop(queue);
                drop(replaced);
                return Round::Idle(next.map(|next| (next, now)));
            }
            queue.firing = true;
            fired = true;
            drop(queue);
            for (timer, action) in self.due.drain(..) {
                let may_repeat = matches!(action, Action::Every(..));
                let mut goes_on = None;
                // A message that finds its process dead is dropped here, and its destructor is user code.
                quietly(|| goes_on = action.fire());
                if may_repeat {
                    node.timers().finish(timer, now, goes_on);
                }
            }
        }
    }
}

impl Future for TimerService {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let next = match this.round(cx.waker()) {
                Round::Over => return Poll::Ready(()),
                Round::Idle(next) => next.map(|(next, _)| next),
            };
            if this.sleep.as_ref().map(|(until, _)| *until) != next {
                this.sleep = None;
            }
            let (Some(next), Some(node)) = (next, this.node.upgrade()) else { return Poll::Pending };
            let (_, sleep) = this.sleep.get_or_insert_with(|| (next, node.backend().sleep_until(next)));
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => this.sleep = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! The queue by itself, and what is left in it.
    use super::*;
    use crate::{Sim, sync::AtomicUsize};

    const MS: Duration = Duration::from_millis(1);

    struct Forever;

    impl Tick for Forever {
        fn tick(&self) -> bool {
            true
        }
    }

    fn now() -> Instant {
        Sim::seed(0).run(async |node: Node| node.now())
    }

    fn nothing() -> Action {
        Action::Run(Box::new(|| {}))
    }

    #[test]
    fn a_hundred_thousand_timers_that_are_taken_back_leave_nothing() {
        let (timers, now) = (Timers::default(), now());
        let set: Vec<Timer> = (0..100_000_u32)
            .map(|n| timers.at(now + MS * (n * 7_919 % 100_003), |_| if n % 2 == 0 { nothing() } else { every(MS) }))
            .collect();
        assert_eq!(timers.len(), 100_000);
        assert!(set.iter().all(|timer| timers.cancel(*timer, now) == Some(timer.at - now)));
        assert!(set.iter().all(|timer| timers.cancel(*timer, now).is_none()));
        let queue = timers.queue.lock();
        assert!(queue.due.is_empty() && queue.intervals.is_empty());
    }

    fn every(period: Duration) -> Action {
        Action::Every(period, Arc::new(Forever))
    }

    #[test]
    fn an_interval_is_set_again_on_its_beat_under_its_old_handle() {
        let (timers, start) = (Timers::default(), now());
        let timer = timers.at(start + 10 * MS, |_| every(10 * MS));
        let mut due = Vec::new();
        for (at, next) in [(10, 20), (20, 30), (57, 60), (60, 70)] {
            let at = start + at * MS;
            timers.queue.lock().pop_due(at, &mut due);
            let (fired, action) = due.pop().expect("it is due");
            assert_eq!(timers.len(), 0);
            timers.finish(fired, at, action.fire());
            assert_eq!(timers.queue.lock().due.keys().map(|timer| timer.at).collect::<Vec<_>>(), [start + next * MS]);
        }
        assert_eq!(timers.cancel(timer, start + 63 * MS), Some(7 * MS));
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn an_interval_that_is_taken_back_while_it_fires_is_not_set_again() {
        let (timers, start) = (Timers::default(), now());
        let timer = timers.at(start, |_| every(MS));
        let mut due = Vec::new();
        timers.queue.lock().pop_due(start, &mut due);
        let (fired, action) = due.pop().expect("it is due");
        assert_eq!(timers.cancel(timer, start), Some(Duration::ZERO));
        timers.finish(fired, start, action.fire());
        assert_eq!((timers.len(), timers.cancel(timer, start)), (0, None));
    }

    #[test]
    fn a_service_that_takes_over_waits_for_what_fires_and_the_one_before_ends() {
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        Sim::seed(0).run(async |node: Node| {
            // The node's own service stays away: it is not in charge from here on.
            let mut first = TimerService::taking_over(&node);
            let (old, new) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
            let bells = (Waker::from(Arc::clone(&old)), Waker::from(Arc::clone(&new)));
            let later = node.now() + Duration::from_secs(1);
            let (second, fired) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
            let (taker, bell, home) = (Arc::clone(&second), bells.1.clone(), node.clone());
            let log = Arc::clone(&fired);
            let set = |at, work: Box<dyn FnOnce() + Send>| node.timers().at(at, |_| Action::Run(work));
            set(
                node.now(),
                Box::new(move || {
                    // In the middle of the batch: what is due next waits until this has been fired.
                    let mut service = TimerService::taking_over(&home);
                    assert!(matches!(service.round(&bell), Round::Idle(None)));
                    log.lock().push("first");
                    *taker.lock() = Some(service);
                }),
            );
            let log = Arc::clone(&fired);
            set(node.now(), Box::new(move || log.lock().push("second")));
            set(later, Box::new(|| {}));
            assert!(matches!(first.round(&bells.0), Round::Over));
            assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 1));
            assert_eq!(*fired.lock(), ["first", "second"]);
            let mut second = second.lock().take().expect("it has taken over");
            assert!(matches!(second.round(&bells.1), Round::Idle(Some((at, _))) if at == later));
            // It is the one that an earlier timer wakes.
            set(node.now() + MS, Box::new(|| {}));
            assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 2));
        });
    }

    #[test]
    fn the_next_beat_lies_after_now_however_long_nobody_looked() {
        let start = now();
        let hours = |hours: u64| Duration::from_secs(3_600 * hours);
        assert_eq!(following(start, MS, start), start + MS);
        assert_eq!(following(start, MS, start + MS), start + 2 * MS);
        assert_eq!(following(start, 3 * MS, start + 10 * MS), start + 12 * MS);
        // Each period a nanosecond: more beats than can be counted.
        let tiny = Duration::from_nanos(1);
        assert_eq!(following(start, tiny, start + hours(5)), start + hours(5) + tiny);
        assert_eq!(following(start + hours(1), MS, start), start + hours(1) + MS);
    }
}
