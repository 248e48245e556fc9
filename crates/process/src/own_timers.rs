//! The timers of a process: messages to itself, later. Once, again and again, or under a key.
//!
//! ```text
//!   send_after, send_at ─► node's timers ─due─► queue, as any message          cancel: while it is not due
//!   send_interval       ─► node's timers ─due─► queue, one tick at a time      cancel: at any time
//!   set_timer(key)      ─► node's timers ─due─► queue, under the key           replaced or cancelled: at any time
//! ```
//!
//! The message of a timer is an ordinary one: it stands behind what was queued before it was due (OTP: F15), and between two
//! timers there is no order but that of their times (OTP: D8).
//!
//! # Invariants
//! * Every timer ends with its incarnation; its message is dropped then, and callers in it hear the exit reason (OTP: A14).
//! * When `cancel_timer` returns, or `set_timer` with the same key, the message of the timer before will not be received any
//!   more, due or not (OTP: F21). The same holds for the ticks of an interval and `cancel`.
//! * No timer is set by a context that outlived its process.
//!
//! # Cost
//! A process may set as many timers as it likes: each costs O(log n) of all on the node, and about 200 bytes while it is set,
//! beside its message. Taking one back costs the same, however many messages wait: nothing is searched. The process
//! remembers a key that was used until the timer is replaced or cancelled, or until there are twice as many such keys as
//! timers that may still come.
//!
//! # Not here
//! What fires them (`timer.rs`), time limits of receives and calls, idle timeouts (`idle.rs`).

use crate::context::Context;
use crate::current;
use crate::life::Map;
use crate::reply::CallError;
use crate::seat::Seat;
use crate::task::quietly;
use crate::timer::{Action, Tick, Timer};
use freeboard_mailbox::{Dropped, Stopped, Timed};
use freeboard_signal::{Pid, Ref};
use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

/// The name of a keyed timer: small, and of the program's making.
///
/// A pair tells timers of one kind apart, such as one per session.
///
/// ```
/// use freeboard_process::TimerKey;
///
/// assert_eq!(TimerKey::from("flush"), TimerKey::Name("flush"));
/// assert_eq!(TimerKey::from(7), TimerKey::Number(7));
/// assert_eq!(TimerKey::from(("session", 7)), TimerKey::Of("session", 7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKey {
    /// A name.
    Name(&'static str),
    /// A number.
    Number(u64),
    /// A name and a number.
    Of(&'static str, u64),
}

impl From<&'static str> for TimerKey {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<u64> for TimerKey {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<(&'static str, u64)> for TimerKey {
    fn from((name, number): (&'static str, u64)) -> Self {
        Self::Of(name, number)
    }
}

/// The timers of one process that can be taken back when they are due.
pub(crate) struct OwnTimers<M> {
    set: Map<Name, Own<M>>,
    /// So many are looked through for what is over.
    sweep_at: usize,
}

/// What such a timer is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    Key(TimerKey),
    /// An interval, by its timer's number.
    Interval(u64),
}

struct Own<M> {
    timer: Timer,
    /// In the receiver's index.
    name: Ref,
    /// The message is the node's, or the queue's: when the process ends, nothing here keeps it.
    timed: Weak<Timed<M>>,
}

/// Fewer are never looked through.
const SWEEP: usize = 32;

impl<M> Default for OwnTimers<M> {
    fn default() -> Self {
        Self { set: Map::default(), sweep_at: SWEEP }
    }
}

/// What a timer does that can be taken back when it is due.
struct Sends<M: Send + 'static> {
    seat: Weak<Seat<M>>,
    of: Pid,
    timed: Arc<Timed<M>>,
}

impl<M: Send + 'static> Tick for Sends<M> {
    fn tick(&self) -> bool {
        let Some(seat) = self.seat.upgrade() else { return false };
        match seat.intake.push_timed(self.of.generation(), &self.timed) {
            Ok(goes_on) => goes_on,
            Err(message) => {
                message.into_iter().for_each(|message| seat.bury_unqueued(self.of, message));
                false
            }
        }
    }
}

impl<M: Send + 'static> Seat<M> {
    /// Drops the message of a timer whose process has ended, counted. Callers in it hear why it has.
    pub(crate) fn bury_unqueued(&self, of: Pid, message: M) {
        let why = CallError::Exited(self.core.last_end().reason);
        current::run_ending(of, why, || self.intake.bury_unqueued(message));
    }
}

impl<M: Send + 'static> Context<M> {
    /// Sends `message` to this process after that time, unless it has ended by then (OTP: A14). It is an ordinary message,
    /// behind what was queued before (OTP: F15). In a context that outlived its process it is dropped at once.
    pub fn send_after(&mut self, after: Duration, message: M) -> Timer {
        self.send_at(self.node().later(after), message)
    }

    /// The same, at that instant of the node's clock; if that has passed, at once.
    pub fn send_at(&mut self, at: Instant, message: M) -> Timer {
        let (seat, of) = (Arc::downgrade(&self.seat), self.pid());
        // The process's lock is held meanwhile, so that a timer that is due at once finds its row to remove.
        let Some(mut life) = self.life() else {
            self.seat.bury_unqueued(of, message);
            return Timer::never(at);
        };
        let timer = self.node().timers().at(at, |number| {
            Action::Run(Box::new(move || {
                let Some(seat) = seat.upgrade() else { return };
                forget(&seat, number);
                if let Err(message) = seat.intake.push_for(of.generation(), message) {
                    seat.bury_unqueued(of, message);
                }
            }))
        });
        life.rows().remember_timer(timer);
        timer
    }

    /// Sends this process what `make` makes, once per period, until it is [cancelled](Self::cancel) or the process ends.
    ///
    /// No more than one tick waits: as long as the last one was not received, the next ones are missed, and so are those that
    /// passed while the node was too busy to look. So a process that was away for long finds one tick, not a thousand, and
    /// the beat stays what it was. `make` runs in this process, when it comes to the tick; if it panics, the process does.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::time::Duration;
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<&str>| {
    ///     let start = cx.now();
    ///     let beat = cx.send_interval(Duration::from_secs(10), || "tick");
    ///     cx.recv_message().await;
    ///     cx.sleep(Duration::from_secs(35)).await; // three ticks pass meanwhile, and one of them waits
    ///     cx.recv_message().await;
    ///     cx.recv_message().await;
    ///     let seconds = (cx.now() - start).as_secs();
    ///     cx.cancel(beat);
    ///     let more = cx.recv_message().after(Duration::from_secs(60)).await;
    ///     # let _ = done.send((seconds, more));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (50, None)); // on the beat again
    /// # });
    /// ```
    ///
    /// # Panics
    /// If the period is zero: such an interval would be due all the time.
    ///
    /// # Cost
    /// A tick that finds the last one waiting costs a short lock. What the interval needs is allocated once.
    pub fn send_interval(&mut self, period: Duration, make: impl FnMut() -> M + Send + 'static) -> Timer {
        assert!(
            !period.is_zero(),
            "send_interval was given a period of zero and would be due all the time; give it a longer one, \
             or use `then` to go on at once"
        );
        let name = self.node().new_ref();
        self.set_own(self.node().later(period), Some(period), Timed::ticks(name, make), |timer| {
            Name::Interval(timer.number())
        })
    }

    /// Sends `message` to this process after that time, in place of the timer of the same key, if there is one: its message
    /// will not be received any more, even if it is due and waits in the queue (OTP: F21).
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::time::Duration;
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<&str>| {
    ///     let second = Duration::from_secs(1);
    ///     cx.set_timer("flush", second, "old");
    ///     cx.sleep(2 * second).await; // it is due by now, and waits
    ///     cx.set_timer("flush", second, "new");
    ///     cx.set_timer(("session", 7), 5 * second, "gone"); // another key
    ///     let first = cx.recv_message().await;
    ///     let left = cx.cancel_timer(("session", 7));
    ///     # let _ = done.send((first, left));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), ("new", Some(Duration::from_secs(4))));
    /// # });
    /// ```
    ///
    /// A message that is dropped in the queue is counted ([`Dropped::Timer`]); a caller in it hears `NoReply`.
    pub fn set_timer(&mut self, key: impl Into<TimerKey>, after: Duration, message: M) {
        let key = key.into();
        let _replaced = self.cancel_timer(key);
        let name = self.node().new_ref();
        self.set_own(self.node().later(after), None, Timed::once(name, message), |_| Name::Key(key));
    }

    /// Takes the timer of that key back, also if it is due and its message waits in the queue. Answers how much time was
    /// left, which is nothing if it was due; `None` if there is no such timer, or its message was received.
    pub fn cancel_timer(&mut self, key: impl Into<TimerKey>) -> Option<Duration> {
        let own = self.rare.as_mut()?.timers.set.remove(&Name::Key(key.into()))?;
        self.take_back(own)
    }

    /// How much time the timer of that key has left: nothing if it is due and its message waits; `None` if there is no such
    /// timer, or its message was received.
    pub fn timer_left(&self, key: impl Into<TimerKey>) -> Option<Duration> {
        let own = self.rare.as_ref()?.timers.set.get(&Name::Key(key.into()))?;
        match own.timed.upgrade() {
            Some(timed) if timed.is_queued() => Some(Duration::ZERO),
            Some(timed) if timed.is_set() => Some(own.timer.at().saturating_duration_since(self.now())),
            _ => self.inbox.holds_timed(own.name).then_some(Duration::ZERO),
        }
    }

    /// Takes a timer back: the time that was left, or `None` if its message is queued already, or was
    /// received. Of an interval nothing comes any more, a tick that is queued included, and the time is what was left until
    /// the next one.
    pub fn cancel(&mut self, timer: Timer) -> Option<Duration> {
        let interval = Name::Interval(timer.number());
        match self.rare.as_mut().and_then(|rare| rare.timers.set.remove(&interval)) {
            Some(own) => self.take_back(own),
            None => self.take_from_node(timer),
        }
    }

    /// Sets a timer that can be taken back when it is due.
    fn set_own(
        &mut self,
        at: Instant,
        every: Option<Duration>,
        timed: Timed<M>,
        name: impl FnOnce(Timer) -> Name,
    ) -> Timer {
        let of = self.pid();
        let Some(mut life) = self.life() else {
            timed.stop().message().into_iter().for_each(|message| self.seat.bury_unqueued(of, message));
            return Timer::never(at);
        };
        let timed = Arc::new(timed);
        let sends = Sends { seat: Arc::downgrade(&self.seat), of, timed: Arc::clone(&timed) };
        let timer = self.node().timers().at(at, |number| match every {
            Some(period) => Action::Every(period, Arc::new(sends)),
            None => Action::Run(Box::new(move || sends.send_once(number))),
        });
        life.rows().remember_timer(timer);
        drop(life);
        let own = Own { timer, name: timed.name(), timed: Arc::downgrade(&timed) };
        let Self { rare, inbox, .. } = self;
        rare.get_or_insert_default().timers.insert(name(timer), own, |own| {
            own.timed.upgrade().is_some_and(|timed| timed.is_set()) || inbox.holds_timed(own.name)
        });
        timer
    }

    /// Sees to it that nothing comes of a timer any more, however far it has come.
    fn take_back(&mut self, own: Own<M>) -> Option<Duration> {
        let left = self.take_from_node(own.timer);
        let waited = self.withdraw(own.name, own.timed.upgrade().as_deref());
        left.or(waited.then_some(Duration::ZERO))
    }

    /// Takes a message out of its place that came by its own time, wherever it is; answers whether it was there.
    pub(crate) fn withdraw(&mut self, name: Ref, timed: Option<&Timed<M>>) -> bool {
        let mut waited = false;
        if let Some(timed) = timed {
            drop_quietly(|| {
                let stopped = timed.stop();
                waited = !matches!(stopped, Stopped::Over);
                match stopped {
                    Stopped::Queued(Some(message)) => self.seat.intake.bury(message, Dropped::Timer),
                    Stopped::Queued(None) => self.seat.intake.bury_unmade(1, Dropped::Timer),
                    // If the node does not have it, it has just taken it out, and will find that it is over.
                    Stopped::Early(message) => drop(message),
                    Stopped::Over => {}
                }
            });
        }
        if let Some(message) = self.inbox.take_timed(name) {
            waited = true;
            drop_quietly(|| self.seat.intake.bury(message, Dropped::Timer));
            if self.seat.intake.is_policed() {
                self.seat.intake.settle(self.inbox.held());
            }
        }
        waited
    }

    /// Takes a timer away from the node, if it is there: this process's, or one that aims at a name.
    fn take_from_node(&mut self, timer: Timer) -> Option<Duration> {
        if let Some(rows) = self.life().as_mut().and_then(|life| life.rows_if_any()) {
            rows.forget_timer(timer.number());
        }
        let mut left = None;
        drop_quietly(|| left = self.node().timers().cancel(timer, self.now()));
        left
    }
}

impl<M: Send + 'static> Sends<M> {
    /// The end of a timer that is due once.
    fn send_once(&self, number: u64) {
        if let Some(seat) = self.seat.upgrade() {
            forget(&seat, number);
        }
        self.tick();
    }
}

impl<M> OwnTimers<M> {
    fn insert(&mut self, name: Name, own: Own<M>, is_pending: impl Fn(&Own<M>) -> bool) {
        self.set.insert(name, own);
        if self.set.len() > self.sweep_at {
            self.set.retain(|_, own| is_pending(own));
            self.sweep_at = SWEEP.max(2 * self.set.len());
        }
    }
}

/// A timer that is due has no row any more.
fn forget<M>(seat: &Seat<M>, number: u64) {
    if let Some(rows) = seat.core.life.lock().rows_if_any() {
        rows.forget_timer(number);
    }
}

/// Drops what was taken back: its destructor's panic concerns nobody, and callers in it hear at once that nobody answers.
fn drop_quietly(work: impl FnOnce()) {
    current::run_dropping(CallError::NoReply, || quietly(work));
}

impl<M> fmt::Debug for OwnTimers<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnTimers").field("set", &self.set.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    //! What is remembered of keys.
    use super::*;

    #[test]
    fn keys_that_were_used_once_are_forgotten() {
        let at = crate::Sim::seed(0).run(async |node: crate::Node| node.now());
        let mut timers = OwnTimers::<()>::default();
        // A hundred stay pending all the time.
        for key in 0..100_000 {
            let own = Own { timer: Timer::never(at), name: Ref::new(0, key), timed: Weak::new() };
            timers.insert(Name::Key(TimerKey::Number(key)), own, |own| own.name.number() < 100);
        }
        assert!((100..=202).contains(&timers.set.len()), "{} are remembered", timers.set.len());
        assert!((0..100).all(|key| timers.set.contains_key(&Name::Key(key.into()))));
    }
}
