//! A seat: one queue, and at most one living incarnation at a time.
//!
//! ```text
//!   Addr ─┐                    ┌ Intake: messages and signals, one order
//!   Addr ─┼─► Seat (one block) ┤ Core:   slot, flags, Life of the incarnation
//!   Peer ─┘                    └ at most one Task polls here
//! ```
//!
//! An address names a seat, so it stays valid before the first start and across restarts; a [`Pid`] names one
//! incarnation on it.
//!
//! # Fields of `Core`
//! | field | who | when |
//! |---|---|---|
//! | `home` | set by the first start, read by anybody | once |
//! | `life` | the incarnation's own task and thread; a start before the task exists | under its lock, uncontended without a thread |
//! | `standing` | whoever applies signals; the receiver takes down that priority entries wait; the start and the end, which hold `life` or own it | read-modify-write |
//! | `handling` | the incarnation's own task | plain loads and stores |
//!
//! # Not here
//! What the task does with all this (`task.rs`), and the end of an incarnation (`exit.rs`).

use crate::current;
use crate::life::{Admitted, Applied, Life};
use crate::node::Node;
use crate::reply::CallError;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::task::quietly;
use crate::wire::{Peer, Signal};
use freeboard_mailbox::{Chunks, Dropped, Entry, Event, Intake, Leftover};
use freeboard_signal::{ExitReason, Pid};
use std::{sync::Arc, sync::OnceLock, task::Waker, time::Duration};

/// The queue of a seat, with the message type.
pub(crate) struct Seat<M> {
    pub(crate) core: Core,
    pub(crate) intake: Intake<M, Signal>,
}

/// What a seat is apart from its message type.
pub(crate) struct Core {
    home: OnceLock<Home>,
    pub(crate) life: Mutex<Life>,
    /// The generation of the incarnation that lives here, 0 once its end has begun; and below it the flags of what a receive
    /// must know of, so that one load tells that there is none of it.
    standing: AtomicU64,
    /// Whether a handler of an actor runs: dropped replies wait for its verdict. Plain loads and stores.
    handling: AtomicUsize,
}

/// Where a seat belongs once it was started.
struct Home {
    node: Node,
    slot: u32,
}

/// Priority entries were walked and wait for the receiver to take them.
const AHEAD: u64 = 1;
/// A fatal signal was applied: the task must end.
const DOOMED: u64 = 2;
/// Bits below the generation.
const FLAGS: u32 = 2;

/// What was left in a queue, to be dropped entry by entry without knowing the message type.
pub(crate) trait Remains: Send {
    /// Drops the oldest entry, counted and shown if it is a message; a signal in it goes to `signal`. False when nothing is
    /// left.
    fn drop_next(&mut self, signal: &mut dyn FnMut(Signal)) -> bool;
}

/// A seat without its message type.
pub(crate) trait AnySeat: Send + Sync {
    fn core(&self) -> &Core;
    fn push_signal(&self, incarnation: u64, signal: Box<Signal>) -> Result<(), Box<Signal>>;
    fn has_signals(&self) -> bool;
    /// Applies the signals that wait, in order; the events among them stay in the queue.
    fn walk(&self);
    fn register_task(&self, waker: &Waker);
    /// Wakes the task of whoever lives here.
    fn wake_task(&self);
    fn open(&self, incarnation: u64) -> bool;
    /// Ends the incarnation; `for_good` closes the seat.
    fn close(self: Arc<Self>, for_good: Option<ExitReason>) -> Box<dyn Remains>;
    fn incarnation(&self) -> Option<u64>;
}

impl<M: Send + 'static> Seat<M> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            core: Core {
                home: OnceLock::new(),
                life: Mutex::new(Life::default()),
                standing: AtomicU64::new(0),
                handling: AtomicUsize::new(0),
            },
            intake: Intake::new(),
        })
    }

    /// Walks a buffer that was just taken from the intake, in order: applies its signals, and decides which of the messages
    /// that came through aliases are accepted. What goes ahead is taken out and kept for the receiver.
    pub(crate) fn apply(&self, buffer: &mut Chunks<Entry<M, Signal>>) {
        let mut life = self.core.life.lock();
        let mut doomed = false;
        // Refused messages are user data, so they are dropped after the lock is released; and nobody is told under it.
        let (mut ahead, mut refused, mut ended, mut ignored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for entry in buffer.iter_mut() {
            match entry {
                Entry::Event(_) | Entry::Gone => {}
                Entry::Aliased(aliased) => match life.admit(aliased.alias, aliased.ahead) {
                    Some(Admitted { ahead: goes_ahead, ends }) => {
                        ended.extend(ends.map(|row| (aliased.alias, row)));
                        if goes_ahead {
                            ahead.push(std::mem::replace(entry, Entry::Gone));
                        }
                    }
                    None => refused.push(std::mem::replace(entry, Entry::Gone)),
                },
                Entry::Signal(_) => {
                    let Entry::Signal(signal) = std::mem::replace(entry, Entry::Gone) else { continue };
                    match life.on(*signal) {
                        Applied::Nothing => {}
                        Applied::Ignored(reason) => ignored.push(reason),
                        Applied::Event(event) => *entry = Entry::Event(typed(event)),
                        Applied::Ahead(event) => ahead.push(Entry::Event(typed(event))),
                        Applied::Fatal => {
                            doomed = true;
                            break;
                        }
                    }
                }
            }
        }
        drop(life);
        ignored.into_iter().for_each(|reason| quietly(|| drop(reason)));
        for (monitor, row) in ended {
            row.peer.signal(Signal::Demonitor { monitor });
        }
        for entry in refused {
            if let Entry::Aliased(aliased) = entry {
                // Its caller need not wait for the verdict of a handler that has never seen it.
                current::run_dropping(CallError::NoReply, || self.intake.bury(aliased.message, Dropped::Alias));
            }
        }
        if !ahead.is_empty() {
            // In this order: a receiver that sees the flag finds the entries. One on another task is woken when the walked
            // buffer is staged, which comes after this.
            self.intake.stage_ahead(ahead);
            self.core.raise(AHEAD);
        }
        if doomed {
            self.core.raise(DOOMED);
            // A context that was moved to another task may have applied the signal there.
            self.intake.wake_task();
        }
    }
}

impl<M: Send + 'static> Seat<M> {
    /// Drops an entry that was left when its receiver ended; a message is counted and shown.
    pub(crate) fn bury(&self, entry: Entry<M, Signal>) {
        match entry {
            Entry::Event(Event::Message(message)) => self.intake.bury(message, Dropped::Exited),
            Entry::Aliased(aliased) => self.intake.bury(aliased.message, Dropped::Exited),
            notice => quietly(|| drop(notice)),
        }
    }
}

/// A notice carries no message, so it fits a queue of any type.
fn typed<M>(event: Event<std::convert::Infallible>) -> Event<M> {
    match event {
        Event::Message(never) => match never {},
        Event::Down(down) => Event::Down(down),
        Event::Downs(downs) => Event::Downs(downs),
        Event::Exit(exit) => Event::Exit(exit),
        // `Event` is open to new kinds of notices; each must be carried over here.
        _ => unreachable!("every kind of notice is carried over"),
    }
}

impl<M: Send + 'static> AnySeat for Seat<M> {
    fn core(&self) -> &Core {
        &self.core
    }

    fn push_signal(&self, incarnation: u64, signal: Box<Signal>) -> Result<(), Box<Signal>> {
        self.intake.push_signal(incarnation, signal)
    }

    fn has_signals(&self) -> bool {
        self.intake.has_signals()
    }

    fn walk(&self) {
        if let Some(mut buffer) = self.intake.take_fresh() {
            self.apply(&mut buffer);
            self.intake.stage(buffer);
        }
    }

    fn register_task(&self, waker: &Waker) {
        self.intake.register_task(waker);
    }

    fn wake_task(&self) {
        self.intake.wake_task();
    }

    fn open(&self, incarnation: u64) -> bool {
        self.intake.open(incarnation)
    }

    fn close(self: Arc<Self>, for_good: Option<ExitReason>) -> Box<dyn Remains> {
        let queue = self.intake.close(for_good);
        Box::new(Left { seat: self, queue })
    }

    fn incarnation(&self) -> Option<u64> {
        self.intake.incarnation()
    }
}

/// What an incarnation did not receive.
struct Left<M: Send + 'static> {
    seat: Arc<Seat<M>>,
    queue: Leftover<M, Signal>,
}

impl<M: Send + 'static> Remains for Left<M> {
    fn drop_next(&mut self, signal: &mut dyn FnMut(Signal)) -> bool {
        match self.queue.take_next() {
            Some(Entry::Signal(boxed)) => signal(*boxed),
            Some(entry) => self.seat.bury(entry),
            None => return false,
        }
        true
    }
}

impl Core {
    /// Gives the seat its node and slot at its first start. Answers its slot; `None` if it belongs to another node.
    pub(crate) fn settle(&self, node: &Node, claim: impl FnOnce() -> u32) -> Option<u32> {
        let home = self.home.get_or_init(|| Home { node: node.clone(), slot: claim() });
        home.node.is(node).then_some(home.slot)
    }

    /// The node this seat was started on.
    pub(crate) fn node(&self) -> Option<&Node> {
        self.home.get().map(|home| &home.node)
    }

    /// The time on the node's coarse clock, counted from the node's beginning; none before the first start.
    pub(crate) fn uptime(&self) -> Option<Duration> {
        self.node().map(Node::uptime)
    }

    /// The same, read once in a poll of a process: for what may happen once per message.
    pub(crate) fn uptime_of_poll(&self) -> Option<Duration> {
        self.node().map(|node| current::reading(node.pid().node(), || node.uptime()))
    }

    /// That identity, if it is one of this seat's.
    pub(crate) fn own(&self, pid: Pid) -> Option<Pid> {
        (self.pid_of(pid.generation()) == Some(pid)).then_some(pid)
    }

    /// The incarnation that lives here and is not about to end, without a lock.
    pub(crate) fn pid(&self) -> Option<Pid> {
        match self.standing.load(Ordering::Acquire) >> FLAGS {
            0 => None,
            incarnation => self.pid_of(incarnation),
        }
    }

    /// The identity of that incarnation of this seat.
    pub(crate) fn pid_of(&self, incarnation: u64) -> Option<Pid> {
        self.home.get().map(|home| home.node.pid_in(home.slot, incarnation))
    }

    /// A new incarnation begins.
    pub(crate) fn begin(&self, incarnation: u64, life: Life) {
        let mut before = std::mem::replace(&mut *self.life.lock(), life);
        self.set_handling(false);
        self.standing.swap(incarnation << FLAGS, Ordering::Release);
        // Calls that were made before the first start have a clock now.
        for call in before.rows_if_any().map(|rows| std::mem::take(&mut rows.early_calls)).into_iter().flatten() {
            call.nudge();
        }
        quietly(|| drop(before)); // It may hold user data, so it is dropped outside the lock.
    }

    /// The end of the incarnation has begun: its context is inert from now on.
    pub(crate) fn end(&self) {
        self.standing.swap(0, Ordering::Release);
    }

    /// Whether that incarnation lives and nothing stands against a receive: no doom, nothing ahead of the queue.
    pub(crate) fn is_calm(&self, incarnation: u64) -> bool {
        self.standing.load(Ordering::Acquire) == incarnation << FLAGS
    }

    /// Whether that incarnation still lives: a context may outlive its process, and then does nothing.
    pub(crate) fn is_living(&self, incarnation: u64) -> bool {
        self.standing.load(Ordering::Acquire) >> FLAGS == incarnation
    }

    /// Whether that is the incarnation that lives here now.
    pub(crate) fn is_now(&self, pid: Pid) -> bool {
        let is_here = |home: &Home| home.slot == pid.slot() && home.node.pid().node() == pid.node();
        self.is_living(pid.generation()) && self.home.get().is_some_and(is_here)
    }

    /// The state of that incarnation; `None` once its end has begun.
    pub(crate) fn life_of(&self, incarnation: u64) -> Option<MutexGuard<'_, Life>> {
        let life = self.life.lock();
        self.is_living(incarnation).then_some(life)
    }

    /// That incarnation has nothing left to do: it ends with `Normal` when the present poll is over.
    pub(crate) fn finish(&self, incarnation: u64) {
        if let Some(mut life) = self.life_of(incarnation) {
            let _first = life.end(ExitReason::Normal);
            drop(life);
            self.raise(DOOMED);
        }
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.standing.load(Ordering::Acquire) & DOOMED != 0
    }

    /// Fixes the reason for which the incarnation ends, unless it is fixed; from now on it receives nothing.
    #[cfg(feature = "blocking")]
    pub(crate) fn doom(&self, reason: ExitReason) {
        // A reason may carry a user's error type, and this one may be in vain: its last copy is dropped outside the lock.
        let _first = self.life.lock().end(reason.clone());
        self.raise(DOOMED);
    }

    /// Why that incarnation must end, or has ended, if so.
    #[cfg(feature = "blocking")]
    pub(crate) fn must_end(&self, incarnation: u64) -> Option<ExitReason> {
        (self.is_doomed() || !self.is_living(incarnation))
            .then(|| self.life.lock().doom().unwrap_or(ExitReason::NoProc))
    }

    /// Why the last incarnation has ended; `NoProc` when another one lives here already.
    pub(crate) fn why_vacant(&self) -> ExitReason {
        let life = self.life.lock();
        let doom = if self.standing.load(Ordering::Acquire) >> FLAGS == 0 { life.doom() } else { None };
        doom.unwrap_or(ExitReason::NoProc)
    }

    pub(crate) fn is_handling(&self) -> bool {
        self.handling.load(Ordering::Relaxed) != 0
    }

    /// Marks the beginning and the end of an actor's handler; only the actor's own task does.
    pub(crate) fn set_handling(&self, on: bool) {
        self.handling.store(usize::from(on), Ordering::Relaxed);
    }

    /// Whether priority entries wait for the receiver of that incarnation, who takes them now.
    pub(crate) fn lower_ahead(&self, incarnation: u64) -> bool {
        let lowered =
            |standing: u64| (standing >> FLAGS == incarnation && standing & AHEAD != 0).then_some(standing & !AHEAD);
        self.standing.fetch_update(Ordering::AcqRel, Ordering::Acquire, lowered).is_ok()
    }

    fn raise(&self, flag: u64) {
        self.standing.fetch_or(flag, Ordering::Release);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(Home { node, slot }) = self.home.take() {
            node.release(slot);
        }
    }
}

/// How to reach the incarnation that lives on this seat now.
pub(crate) fn present<M: Send + 'static>(seat: &Arc<Seat<M>>) -> Option<Peer> {
    let pid = seat.core.pid_of(seat.intake.incarnation()?)?;
    Some(Peer { pid, seat: Arc::clone(seat) as Arc<dyn AnySeat> })
}
