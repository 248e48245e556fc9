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
//! | `life` | the incarnation's own task; a start before the task exists | under its lock, which is uncontended |
//! | `flags` | whoever applies signals: the incarnation's own task | read-modify-write |
//! | `living` | the start, and the end of the incarnation | read-modify-write; the start and the end hold `life` or own it |
//! | `handling` | the incarnation's own task | plain loads and stores |
//!
//! # Not here
//! What the task does with all this (`task.rs`), and the end of an incarnation (`exit.rs`).

use crate::life::{Applied, Life};
use crate::node::Node;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::task::quietly;
use crate::wire::{Peer, Signal};
use freeboard_mailbox::{Chunks, Entry, Event, Intake, Leftover};
use freeboard_signal::{Exit, ExitReason, Pid};
use std::{sync::Arc, sync::OnceLock, task::Waker};

/// The queue of a seat, with the message type.
pub(crate) struct Seat<M> {
    pub(crate) core: Core,
    pub(crate) intake: Intake<M, Signal>,
}

/// What a seat is apart from its message type.
pub(crate) struct Core {
    home: OnceLock<Home>,
    pub(crate) life: Mutex<Life>,
    flags: AtomicUsize,
    /// The generation of the incarnation that lives here; 0 once its end has begun.
    living: AtomicU64,
    /// Whether a handler of an actor runs: dropped replies wait for its verdict. Plain loads and stores.
    handling: AtomicUsize,
}

/// Where a seat belongs once it was started.
struct Home {
    node: Node,
    slot: u32,
}

/// The parent's exit waits to be received, ahead of the queue.
const URGENT: usize = 1;
/// A fatal signal was applied: the task must end.
const DOOMED: usize = 2;

/// What was left in a queue, to be dropped entry by entry without knowing the message type.
pub(crate) trait Remains: Send {
    /// Drops the oldest entry, a signal in it goes to `signal`; false when nothing is left.
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
    fn close(&self, for_good: Option<ExitReason>) -> Box<dyn Remains>;
    fn incarnation(&self) -> Option<u64>;
}

impl<M: Send + 'static> Seat<M> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            core: Core {
                home: OnceLock::new(),
                life: Mutex::new(Life::default()),
                flags: AtomicUsize::new(0),
                living: AtomicU64::new(0),
                handling: AtomicUsize::new(0),
            },
            intake: Intake::new(),
        })
    }

    /// Applies the signals in a buffer that was just taken from the intake, in order.
    pub(crate) fn apply(&self, buffer: &mut Chunks<Entry<M, Signal>>) {
        let mut life = self.core.life.lock();
        // Signals are dropped after the lock is released: a reason may carry a user's error type.
        let mut doomed = false;
        for entry in buffer.iter_mut() {
            if !matches!(entry, Entry::Signal(_)) {
                continue;
            }
            let Entry::Signal(signal) = std::mem::replace(entry, Entry::Gone) else { continue };
            match life.on(*signal) {
                Applied::Nothing => {}
                Applied::Event(event) => *entry = Entry::Event(typed(event)),
                Applied::Urgent => self.core.raise(URGENT),
                Applied::Fatal => {
                    doomed = true;
                    break;
                }
            }
        }
        drop(life);
        if doomed {
            self.core.raise(DOOMED);
            // A context that was moved to another task may have applied the signal there.
            self.intake.wake_task();
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

    fn close(&self, for_good: Option<ExitReason>) -> Box<dyn Remains> {
        let Leftover { walked, fresh } = self.intake.close(for_good);
        let mut all = walked;
        all.append(fresh);
        Box::new(all)
    }

    fn incarnation(&self) -> Option<u64> {
        self.intake.incarnation()
    }
}

impl<M: Send> Remains for Chunks<Entry<M, Signal>> {
    fn drop_next(&mut self, signal: &mut dyn FnMut(Signal)) -> bool {
        match self.pop() {
            Some(Entry::Signal(boxed)) => signal(*boxed),
            Some(entry) => drop(entry),
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

    /// The identity of that incarnation of this seat.
    pub(crate) fn pid_of(&self, incarnation: u64) -> Option<Pid> {
        self.home.get().map(|home| home.node.pid_in(home.slot, incarnation))
    }

    /// A new incarnation begins.
    pub(crate) fn begin(&self, incarnation: u64, life: Life) {
        let mut before = std::mem::replace(&mut *self.life.lock(), life);
        self.flags.swap(0, Ordering::Relaxed);
        self.set_handling(false);
        self.living.swap(incarnation, Ordering::Release);
        // Calls that were made before the first start have a clock now.
        for call in before.rows_if_any().map(|rows| std::mem::take(&mut rows.early_calls)).into_iter().flatten() {
            call.nudge();
        }
        quietly(|| drop(before)); // It may hold user data, so it is dropped outside the lock.
    }

    /// The end of the incarnation has begun: its context is inert from now on.
    pub(crate) fn end(&self) {
        self.living.swap(0, Ordering::Release);
    }

    /// Whether that incarnation still lives: a context may outlive its process, and then does nothing.
    pub(crate) fn is_living(&self, incarnation: u64) -> bool {
        self.living.load(Ordering::Acquire) == incarnation
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

    pub(crate) fn is_doomed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & DOOMED != 0
    }

    pub(crate) fn is_handling(&self) -> bool {
        self.handling.load(Ordering::Relaxed) != 0
    }

    /// Marks the beginning and the end of an actor's handler; only the actor's own task does.
    pub(crate) fn set_handling(&self, on: bool) {
        self.handling.store(usize::from(on), Ordering::Relaxed);
    }

    /// The parent's exit, if it waits.
    pub(crate) fn take_urgent(&self) -> Option<Exit> {
        if self.flags.load(Ordering::Relaxed) & URGENT == 0 {
            return None;
        }
        let mut life = self.life.lock();
        let urgent = &mut life.rows().urgent;
        let exit = urgent.pop_front();
        if urgent.is_empty() {
            self.flags.fetch_and(!URGENT, Ordering::Relaxed);
        }
        exit
    }

    /// An urgent exit that the present receive does not want.
    pub(crate) fn put_back_urgent(&self, exit: Exit) {
        self.life.lock().rows().urgent.push_front(exit);
        self.raise(URGENT);
    }

    fn raise(&self, flag: usize) {
        self.flags.fetch_or(flag, Ordering::Release);
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
