//! Where everything sent to one seat arrives: many producers, one consumer, one lock, one order.
//!
//! ```text
//!   fresh   what arrived, in order; signals in it are not applied yet   ◄─ push, push_signal
//!   walked  what the process has walked: signals applied, events left   ◄─ stage
//! ```
//!
//! The consumer swaps a whole buffer out instead of popping under the lock, so a message costs its sender one short
//! critical section and its receiver almost nothing.
//!
//! # Fields
//! | field | who | when |
//! |---|---|---|
//! | `shared` | everybody | under its lock, never with user code inside |
//! | `signals` | written under the lock; read by the process at each poll | a look without the lock |
//! | `arrived` | written under the lock; read by anybody | statistics only |
//! | `handled` | written by the consumer; read by anybody | statistics only |
//!
//! # States
//! *Waiting* (not started: messages queue, signals are refused) → *Live* (one incarnation) → *Vacant* (a restart is due)
//! or *Closed* (for good). A start makes a waiting or vacant seat live; nothing leaves *Closed*.
//!
//! # Invariants
//! * I1: whoever finds `parked` set takes it, and wakes after the lock is released: one wake per wait.
//! * I2: `signals` is the number of signals in `fresh`; while it is not zero the task has been woken or is running.
//! * I3: a signal carries the incarnation it was meant for; one for another incarnation is refused, under the same lock
//!   that changes the incarnation, so no signal ever reaches the next one.
//! * I4: after `close` nothing is accepted any more, and everything accepted before is in what `close` returned.
//!
//! # Not here
//! What a signal does, and who decides that a seat is closed.

use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::{Chunks, Entry, Event, Refused, SendError};
use freeboard_signal::{ExitReason, Ref};
use std::{fmt, mem, task::Waker};

/// The shared half of a mailbox.
pub struct Intake<M, S> {
    shared: Mutex<Shared<M, S>>,
    signals: AtomicUsize,
    arrived: AtomicU64,
    handled: AtomicU64,
}

struct Shared<M, S> {
    fresh: Chunks<Entry<M, S>>,
    /// Only there while a walked buffer waits, which is rare: the receiver takes it in the same poll as a rule.
    walked: Option<Box<Chunks<Entry<M, S>>>>,
    state: State,
    task: Option<Waker>,
    parked: Parked,
}

enum State {
    Waiting,
    Live(u64),
    Vacant,
    Closed(ExitReason),
}

/// Who waits for the next entry.
enum Parked {
    Nobody,
    /// The process's task, whose waker is kept for signals anyway.
    Task,
    /// A receive with a waker of its own, as inside a set of futures.
    Receive(Waker),
}

/// What [`Intake::exchange`] put into the buffer it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Entries whose signals were applied before.
    Walked,
    /// Entries straight from the senders, with this many signals among them, to be applied in order.
    Fresh(usize),
    /// Nothing; the waker that was given is parked.
    Empty,
}

/// What was in the intake when it closed, oldest first.
#[derive(Debug)]
pub struct Leftover<M, S> {
    /// Walked, not received.
    pub walked: Chunks<Entry<M, S>>,
    /// Not walked: may hold signals.
    pub fresh: Chunks<Entry<M, S>>,
}

impl<M, S> Default for Intake<M, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M, S> Intake<M, S> {
    /// An intake that waits for its first start: messages queue up, signals are refused.
    pub fn new() -> Self {
        Self {
            shared: Mutex::new(Shared {
                fresh: Chunks::default(),
                walked: None,
                state: State::Waiting,
                task: None,
                parked: Parked::Nobody,
            }),
            signals: AtomicUsize::new(0),
            arrived: AtomicU64::new(0),
            handled: AtomicU64::new(0),
        }
    }

    /// Queues a message. Never waits for the receiver.
    ///
    /// # Errors
    /// The seat is closed or vacant; the message comes back.
    pub fn push(&self, message: M) -> Result<(), SendError<M>> {
        let mut shared = self.shared.lock();
        match &shared.state {
            State::Waiting | State::Live(_) => {}
            State::Vacant => return Err(SendError { message, why: Refused::Vacant }),
            State::Closed(reason) => {
                let why = Refused::Closed(reason.clone());
                return Err(SendError { message, why });
            }
        }
        shared.fresh.push(Entry::Event(Event::Message(message)));
        self.count_arrival();
        let wake = shared.unpark();
        drop(shared);
        if let Some(waker) = wake {
            waker.wake();
        }
        Ok(())
    }

    /// Queues a message that belongs to one incarnation, such as a timer's.
    ///
    /// # Errors
    /// Another incarnation lives here by now, or none; the message comes back.
    pub fn push_for(&self, incarnation: u64, message: M) -> Result<(), M> {
        let mut shared = self.shared.lock();
        if !shared.is_live(incarnation) {
            return Err(message);
        }
        shared.fresh.push(Entry::Event(Event::Message(message)));
        self.count_arrival();
        let wake = shared.unpark();
        drop(shared);
        if let Some(waker) = wake {
            waker.wake();
        }
        Ok(())
    }

    /// Queues a signal for one incarnation, in order with the messages, and wakes its task.
    ///
    /// # Errors
    /// That incarnation does not live here, not yet or no more; the signal comes back.
    pub fn push_signal(&self, incarnation: u64, signal: Box<S>) -> Result<(), Box<S>> {
        let mut shared = self.shared.lock();
        if !shared.is_live(incarnation) {
            return Err(signal);
        }
        shared.fresh.push(Entry::Signal(signal));
        let before = self.signals.load(Ordering::Relaxed);
        self.signals.store(before + 1, Ordering::Release);
        // A task that has unapplied signals was woken by the first of them.
        let wake = if before == 0 { shared.task.clone() } else { None };
        drop(shared);
        if let Some(waker) = wake {
            waker.wake();
        }
        Ok(())
    }

    /// Whether signals wait to be applied: one load, no lock.
    pub fn has_signals(&self) -> bool {
        self.signals.load(Ordering::Acquire) != 0
    }

    /// Exchanges the receiver's empty buffer for the oldest one here: what was walked first, then what is fresh. If there
    /// is neither, parks `waker` for the next entry.
    ///
    /// # Panics
    /// In debug builds, if `buffer` is not empty.
    pub fn exchange(&self, buffer: &mut Chunks<Entry<M, S>>, waker: Option<&Waker>) -> Exchange {
        debug_assert!(
            buffer.is_empty(),
            "the buffer given in exchange must be empty, or its entries would lose their place"
        );
        let mut shared = self.shared.lock();
        if let Some(walked) = shared.walked.take() {
            drop(shared);
            *buffer = *walked;
            return Exchange::Walked;
        }
        if !shared.fresh.is_empty() {
            mem::swap(&mut shared.fresh, buffer);
            let signals = self.signals.load(Ordering::Relaxed);
            self.signals.store(0, Ordering::Release);
            return Exchange::Fresh(signals);
        }
        let Some(waker) = waker else { return Exchange::Empty };
        let replaced = match &shared.task {
            Some(task) if task.will_wake(waker) => mem::replace(&mut shared.parked, Parked::Task),
            _ => mem::replace(&mut shared.parked, Parked::Receive(waker.clone())),
        };
        drop(shared);
        drop(replaced); // A waker is user code; it is dropped outside the lock.
        buffer.trim();
        Exchange::Empty
    }

    /// Takes what is fresh, if there are signals in it, for the process to walk; to be given back by [`stage`](Self::stage).
    pub fn take_fresh(&self) -> Option<Chunks<Entry<M, S>>> {
        let mut shared = self.shared.lock();
        if self.signals.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.signals.store(0, Ordering::Release);
        Some(mem::take(&mut shared.fresh))
    }

    /// Puts a walked buffer behind what was walked before, and wakes a receive that parked with a waker of its own.
    pub fn stage(&self, walked: Chunks<Entry<M, S>>) {
        let mut shared = self.shared.lock();
        match &mut shared.walked {
            Some(before) => before.append(walked),
            None => shared.walked = Some(Box::new(walked)),
        }
        let wake = match mem::replace(&mut shared.parked, Parked::Nobody) {
            Parked::Receive(waker) => Some(waker),
            // The task itself is being polled right now.
            Parked::Task | Parked::Nobody => None,
        };
        drop(shared);
        if let Some(waker) = wake {
            waker.wake();
        }
    }

    /// Takes out the notice of this monitor, if it was walked and not received: `demonitor` with flush (OTP: C7).
    pub fn flush_down(&self, monitor: Ref) -> bool {
        let mut shared = self.shared.lock();
        let is_it = |entry: &Entry<M, S>| matches!(entry, Entry::Event(Event::Down(down)) if down.monitor == monitor);
        let mut walked = shared.walked.iter_mut().flat_map(|walked| walked.iter_mut());
        let found = walked.find(|entry| is_it(entry)).map(|entry| mem::replace(entry, Entry::Gone));
        drop(walked);
        drop(shared);
        found.is_some()
    }

    /// Takes back what the receiver of an incarnation had swapped out and not received: it is older than anything here.
    /// What comes too late, when that incarnation is over, is returned.
    pub fn give_back(&self, incarnation: u64, mut older: Chunks<Entry<M, S>>) -> Option<Chunks<Entry<M, S>>> {
        let mut shared = self.shared.lock();
        if !shared.is_live(incarnation) {
            return Some(older);
        }
        if let Some(walked) = shared.walked.take() {
            older.append(*walked);
        }
        if !older.is_empty() {
            shared.walked = Some(Box::new(older));
        }
        None
    }

    /// Keeps the waker of the process's task for signals; it is kept until the incarnation ends.
    pub fn register_task(&self, waker: &Waker) {
        let waker = waker.clone();
        let replaced = self.shared.lock().task.replace(waker);
        drop(replaced);
    }

    /// Wakes the process's task, whatever it waits for.
    pub fn wake_task(&self) {
        let task = self.shared.lock().task.clone();
        if let Some(waker) = task {
            waker.wake();
        }
    }

    /// Makes the seat live with this incarnation. Answers whether it was waiting or vacant.
    pub fn open(&self, incarnation: u64) -> bool {
        let mut shared = self.shared.lock();
        let may_open = matches!(shared.state, State::Waiting | State::Vacant);
        if may_open {
            shared.state = State::Live(incarnation);
        }
        may_open
    }

    /// Ends the incarnation that lives here: the seat becomes vacant (`None`) or closed for good (`Some(reason)`).
    /// Everything that was accepted and not received is returned; the wakers are dropped.
    pub fn close(&self, for_good: Option<ExitReason>) -> Leftover<M, S> {
        let mut shared = self.shared.lock();
        if !matches!(shared.state, State::Closed(_)) {
            shared.state = for_good.map_or(State::Vacant, State::Closed);
        }
        let left = Leftover {
            walked: shared.walked.take().map(|walked| *walked).unwrap_or_default(),
            fresh: mem::take(&mut shared.fresh),
        };
        self.signals.store(0, Ordering::Release);
        // Whatever was accepted is received or returned by now.
        self.handled.store(self.arrived.load(Ordering::Relaxed), Ordering::Relaxed);
        let wakers = (shared.task.take(), mem::replace(&mut shared.parked, Parked::Nobody));
        drop(shared);
        drop(wakers);
        left
    }

    /// The incarnation that lives here, if any.
    pub fn incarnation(&self) -> Option<u64> {
        match self.shared.lock().state {
            State::Live(incarnation) => Some(incarnation),
            State::Waiting | State::Vacant | State::Closed(_) => None,
        }
    }

    /// Why the seat is closed for good, if it is.
    pub fn closed(&self) -> Option<ExitReason> {
        match &self.shared.lock().state {
            State::Closed(reason) => Some(reason.clone()),
            State::Waiting | State::Live(_) | State::Vacant => None,
        }
    }

    /// The consumer's count of messages that it has received or dropped; for [`depth`](Self::depth) only.
    pub fn note_handled(&self, messages: u64) {
        let before = self.handled.load(Ordering::Relaxed);
        self.handled.store(before + messages, Ordering::Relaxed);
    }

    /// Messages that wait, read without the lock. May lag behind by what the receiver handled since it last noted it.
    pub fn depth(&self) -> usize {
        let arrived = self.arrived.load(Ordering::Relaxed);
        usize::try_from(arrived.saturating_sub(self.handled.load(Ordering::Relaxed))).unwrap_or(usize::MAX)
    }

    fn count_arrival(&self) {
        // Only ever written under the lock, so a load and a store do.
        self.arrived.store(self.arrived.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

impl<M, S> Shared<M, S> {
    fn is_live(&self, wanted: u64) -> bool {
        matches!(self.state, State::Live(incarnation) if incarnation == wanted)
    }

    fn unpark(&mut self) -> Option<Waker> {
        match mem::replace(&mut self.parked, Parked::Nobody) {
            Parked::Nobody => None,
            Parked::Task => self.task.clone(),
            Parked::Receive(waker) => Some(waker),
        }
    }
}

impl<M, S> fmt::Debug for Intake<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("depth", &self.depth()).finish_non_exhaustive()
    }
}
