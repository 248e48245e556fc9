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
//! | `life` | the incarnation's own task and thread; a start before the task exists; who names it | under its lock, uncontended without a thread |
//! | `standing` | whoever applies signals; the receiver takes down that priority entries wait; the start and the end, which hold `life` or own it | read-modify-write |
//! | `serving` | the incarnation's own task, or its receiver | plain loads and stores |
//!
//! # Not here
//! What the task does with all this (`task.rs`), the end of an incarnation (`exit.rs`), what it leaves (`remains.rs`) and
//! who waits for the end of the seat (`closing.rs`).

use crate::current;
use crate::dead_letters;
use crate::life::{Admitted, Applied, Life};
use crate::node::Node;
use crate::remains::Remains;
use crate::remains::{Fate, Left};
use crate::reply::CallError;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::task::quietly;
use crate::wire::{Peer, Signal};
use freeboard_mailbox::{Caller, Chunks, Dropped, Entry, Event, HIGH_WATER, Intake, MailboxStats, SendError, Stopped};
use freeboard_signal::{ExitReason, Pid};
use std::{
    any::Any,
    sync::{Arc, OnceLock},
    task::Waker,
    time::{Duration, Instant},
};

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
    /// What the incarnation is busy with. The lowest bit: whether a handler of an actor runs, so that dropped replies wait
    /// for its verdict. Above it: until when the caller of the message at hand waits, as [`Caller`] counts; 0 if there is
    /// none, or no limit. Plain loads and stores.
    serving: AtomicU64,
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
/// The seat is closed for good, and those who wait for that are told.
const OVER: u64 = 4;
/// Callers gave up whose calls are, or were, in the receiver's hands.
const GIVEN_UP: u64 = 8;
/// Bits below the generation.
const FLAGS: u32 = 4;

/// In `serving`: a handler runs.
const HANDLES: u64 = 1;

/// What comes after the end of an incarnation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequel {
    /// Another one is to come.
    Restart,
    /// None, unless somebody starts it by hand.
    Stopped,
    /// None for ever.
    Over,
}

/// The last end of somebody on a seat.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Why it has ended; `NoProc` if there never was anybody.
    pub(crate) reason: ExitReason,
    /// Whether its start was acknowledged, or that of one before it.
    pub(crate) was_up: bool,
}

impl End {
    /// What those hear whose requests nobody has looked at.
    pub(crate) fn answer(&self) -> CallError {
        match self.was_up {
            true => CallError::Exited(self.reason.clone()),
            false => CallError::NotStarted(self.reason.clone()),
        }
    }
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
    /// Ends the incarnation, if there is one. Answers what it left, if it left anything.
    fn close(self: Arc<Self>, sequel: Sequel, end: &End) -> Option<Box<dyn Remains>>;
    fn incarnation(&self) -> Option<u64>;
    /// The same seat, to be given its type back.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// The caller of the call with this number has given up.
    fn give_up(&self, number: u64);
    /// The name of its messages' type.
    fn message_type(&self) -> &'static str;
    /// The numbers of its mailbox.
    fn stats(&self) -> MailboxStats;
    /// How many messages and signals have come in the life of the incarnation that lives here.
    fn entries(&self) -> u64;
}

impl<M: Send + 'static> Seat<M> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            core: Core {
                home: OnceLock::new(),
                life: Mutex::new(Life::default()),
                standing: AtomicU64::new(0),
                serving: AtomicU64::new(0),
            },
            intake: Intake::new(),
        })
    }

    /// Queues a message, from whoever sends.
    #[inline]
    pub(crate) fn send(&self, message: M) -> Result<(), SendError<M>> {
        let core = &self.core;
        self.intake.push_watched(
            message,
            || core.uptime_of_poll(),
            || core.node().map_or(HIGH_WATER, Node::high_water),
            |waiting| dead_letters::flooded::<M>(core.pid(), waiting),
        )
    }

    /// Queues a call; answers its number here.
    #[inline]
    pub(crate) fn send_call(&self, message: M, caller: Caller) -> Result<u64, SendError<M>> {
        let core = &self.core;
        self.intake.push_call(
            message,
            caller,
            || core.uptime_of_poll(),
            || core.node().map_or(HIGH_WATER, Node::high_water),
            |waiting| dead_letters::flooded::<M>(core.pid(), waiting),
        )
    }

    /// Walks a buffer that was just taken from the intake, in order: applies its signals, and decides which of the messages
    /// that came through aliases are accepted. What goes ahead is taken out and kept for the receiver.
    pub(crate) fn apply(&self, buffer: &mut Chunks<Entry<M, Signal>>) {
        if self.apply_each(buffer) {
            // A context that was moved to another task may have applied the signal here.
            self.intake.wake_task();
        }
    }

    /// The same for the task itself. Answers whether a signal was fatal.
    fn apply_each(&self, buffer: &mut Chunks<Entry<M, Signal>>) -> bool {
        let mut life = self.core.life.lock();
        let mut doomed = false;
        // Refused messages are user data, so they are dropped after the lock is released; and nobody is told under it.
        let (mut ahead, mut refused, mut ended, mut ignored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for entry in buffer.iter_mut() {
            match entry {
                Entry::Event(_) | Entry::Own(_) | Entry::Timed(_) | Entry::Gone => {}
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
        let skips_terminate = doomed && life.skips_terminate();
        drop(life);
        if let (true, Some(node)) = (skips_terminate, self.core.node()) {
            node.warn_of_skipped_terminate(self.core.pid());
        }
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
        }
        doomed
    }
}

impl<M: Send + 'static> Seat<M> {
    /// Drops an entry that was left when its receiver ended; a message is counted and shown.
    pub(crate) fn bury(&self, entry: Entry<M, Signal>) {
        match entry {
            Entry::Event(Event::Message(message)) => self.intake.bury(message, Dropped::Exited),
            Entry::Aliased(aliased) => self.intake.bury(aliased.message, Dropped::Exited),
            Entry::Timed(timed) => match timed.stop() {
                Stopped::Queued(Some(message)) => self.intake.bury(message, Dropped::Exited),
                Stopped::Queued(None) => self.intake.bury_unmade(1, Dropped::Exited),
                Stopped::Early(_) | Stopped::Over => {}
            },
            Entry::Own(message) => self.intake.bury(*message, Dropped::Exited),
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
        Event::Asked(asked) => Event::Asked(asked),
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
            self.apply_each(&mut buffer);
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

    fn close(self: Arc<Self>, sequel: Sequel, end: &End) -> Option<Box<dyn Remains>> {
        let (intake, reason) = (&self.intake, || end.reason.clone());
        let (fate, queue) = match (sequel, end.was_up) {
            (Sequel::Stopped, true) => (Fate::Lost, intake.stop(reason())),
            (Sequel::Stopped, false) => (Fate::Lost, intake.stop_unstarted(reason())),
            (Sequel::Over, true) => (Fate::Lost, intake.close(Some(reason()))),
            (Sequel::Over, false) => (Fate::Lost, intake.close_unstarted(reason())),
            (Sequel::Restart, _) => self.close_for_restart(end),
        };
        if queue.is_nothing() && !fate.is_kept() {
            return None;
        }
        Some(Box::new(Left { seat: self, queue, fate }))
    }

    fn incarnation(&self) -> Option<u64> {
        self.intake.incarnation()
    }

    fn give_up(&self, number: u64) {
        if self.intake.give_up(number) {
            self.core.raise(GIVEN_UP);
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn message_type(&self) -> &'static str {
        std::any::type_name::<M>()
    }

    fn stats(&self) -> MailboxStats {
        self.intake.stats(|| self.core.uptime())
    }

    fn entries(&self) -> u64 {
        self.intake.marker()
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
        let mut here = self.life.lock();
        let mut before = std::mem::replace(&mut *here, life);
        here.was_up |= before.was_up;
        // Those who wait for the end of the seat, not of an incarnation.
        let of_seat = before.rows_if_any().and_then(|rows| rows.of_seat.take());
        let early_calls = before.rows_if_any().map(|rows| std::mem::take(&mut rows.early_calls)).unwrap_or_default();
        if !early_calls.is_empty() {
            here.rows().early_calls = early_calls;
        }
        let expiry = of_seat.and_then(|mut of_seat| {
            let expiry = of_seat.expiry.take();
            here.rows().of_seat = Some(of_seat);
            expiry
        });
        drop(here);
        if let (Some(expiry), Some(node)) = (expiry, self.node()) {
            let _left = node.timers().cancel(expiry, expiry.at());
        }
        self.set_handling(false);
        self.standing.swap(incarnation << FLAGS, Ordering::Release);
        quietly(|| drop(before)); // It may hold user data, so it is dropped outside the lock.
    }

    /// Tells the calls that wait for a start that there was one: they have a clock now, and somebody to be bound to.
    pub(crate) fn nudge_early(&self) {
        let early_calls = self.life.lock().rows_if_any().map(|rows| std::mem::take(&mut rows.early_calls));
        early_calls.into_iter().flatten().for_each(|call| call.nudge());
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

    /// That incarnation is to go on no longer: it ends for this reason when the present poll is over.
    pub(crate) fn finish(&self, incarnation: u64, reason: ExitReason) {
        if let Some(mut life) = self.life_of(incarnation) {
            // One that comes second may be a user's, so both are dropped without the lock.
            let _first = life.end(reason.clone());
            drop(life);
            // A context on another task may be late: the flag must not be the next incarnation's.
            let raised = |standing: u64| (standing >> FLAGS == incarnation).then_some(standing | DOOMED);
            let _gone = self.standing.fetch_update(Ordering::AcqRel, Ordering::Acquire, raised);
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

    /// How the last incarnation has ended; with `NoProc` when there was none, or another one lives here already.
    pub(crate) fn last_end(&self) -> End {
        let life = self.life.lock();
        let doom = if self.standing.load(Ordering::Acquire) >> FLAGS == 0 { life.doom() } else { None };
        End { reason: doom.unwrap_or(ExitReason::NoProc), was_up: life.was_up }
    }

    pub(crate) fn is_handling(&self) -> bool {
        self.serving.load(Ordering::Relaxed) & HANDLES != 0
    }

    /// Marks the beginning and the end of an actor's handler; only the actor's own task does. At its end nothing is served
    /// any more.
    pub(crate) fn set_handling(&self, on: bool) {
        let serving = if on { self.serving.load(Ordering::Relaxed) | HANDLES } else { 0 };
        self.serving.store(serving, Ordering::Relaxed);
    }

    /// The same at the end of a handler; answers whether a call with a limit was served.
    #[inline]
    pub(crate) fn end_handler(&self) -> bool {
        let served = self.serving.load(Ordering::Relaxed) > HANDLES;
        self.serving.store(0, Ordering::Relaxed);
        served
    }

    /// Says for whom the message at hand is served. Inside a handler that stays who it was: the handler goes on.
    pub(crate) fn serve(&self, caller: Caller) {
        let until = if caller == Caller::NONE { 0 } else { caller.0 };
        if !self.is_handling() {
            self.serving.store(until << HANDLES.count_ones(), Ordering::Relaxed);
        }
    }

    /// Whether a call with a limit is being served, outside of any handler.
    #[inline]
    pub(crate) fn is_serving(&self) -> bool {
        let serving = self.serving.load(Ordering::Relaxed);
        serving != 0 && serving & HANDLES == 0
    }

    /// Until when the caller of the message at hand waits, if it is a call with a limit.
    pub(crate) fn served_until(&self) -> Option<Instant> {
        match self.serving.load(Ordering::Relaxed) >> HANDLES.count_ones() {
            0 => None,
            until => self.node().map(|node| node.instant(Caller(until))),
        }
    }

    /// Whether callers gave up whose calls may be in the hands of the receiver of that incarnation, who notes them now.
    pub(crate) fn lower_given_up(&self, incarnation: u64) -> bool {
        self.lower(incarnation, GIVEN_UP)
    }

    /// Whether priority entries wait for the receiver of that incarnation, who takes them now.
    pub(crate) fn lower_ahead(&self, incarnation: u64) -> bool {
        self.lower(incarnation, AHEAD)
    }

    fn lower(&self, incarnation: u64, flag: u64) -> bool {
        let lowered =
            |standing: u64| (standing >> FLAGS == incarnation && standing & flag != 0).then_some(standing & !flag);
        self.standing.fetch_update(Ordering::AcqRel, Ordering::Acquire, lowered).is_ok()
    }

    /// Whether the seat is closed for good and that was told.
    pub(crate) fn is_over(&self) -> bool {
        self.standing.load(Ordering::Acquire) & OVER != 0
    }

    pub(crate) fn mark_over(&self) {
        self.raise(OVER);
    }

    fn raise(&self, flag: u64) {
        self.standing.fetch_or(flag, Ordering::Release);
    }
}

#[cfg(feature = "metrics")]
impl<M> Drop for Seat<M> {
    fn drop(&mut self) {
        if let Some(node) = self.core.node() {
            node.tally().seat_gone(&self.intake.stats(|| None));
        }
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
