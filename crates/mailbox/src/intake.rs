//! Where everything sent to one seat arrives: many producers, one consumer, one lock, one order.
//!
//! ```text
//!   fresh   what arrived, in order; signals in it are not applied yet   ◄─ push, push_signal
//!   walked  what the process has walked: signals applied, events left   ◄─ stage
//! ```
//!
//! The consumer swaps a whole buffer out instead of popping under the lock, so a message costs its sender one short
//! critical section and its receiver almost nothing. A mailbox with a policy has a second kind of queue instead of `fresh`,
//! from which entries are taken one by one (`policed.rs`), since a buffer that was swapped out is out of its senders' reach.
//!
//! ```text
//!   intake.rs    the queue of the first kind, states, wakes       books.rs    policy, undertaker, counts: no lock
//!   limits.rs    pushes and exchanges under rules                 reserve.rs  permits, waiting for room, draining
//!   aside.rs     what waits beside the queue, between walk and receiver         leftover.rs  what nobody received
//!   vacancy.rs   the queue between two incarnations
//! ```
//!
//! # Fields
//! | field | who | when |
//! |---|---|---|
//! | `shared` | everybody | under its lock, never with user code inside |
//! | `signals` | written under the lock; read by the process at each poll | a look without the lock |
//! | `arrived` | written under the lock; read by anybody | statistics only |
//! | `handled`, `inspected` | written by the consumer; read by anybody | statistics only |
//! | `since`, `taken`, `high_water` | written under the lock; read by anybody | statistics only |
//! | `books` | made when it is first needed; read by anybody | once |
//!
//! # States
//! *Waiting* (not started: messages queue, signals are refused) → *Live* (one incarnation) → *Vacant* (a restart is due)
//! or *Closed* (for good). A start makes a waiting or vacant seat live; nothing leaves *Closed*. A vacant seat may keep its
//! queue (*Keeping*), and one that only its owner starts again is *Stopped*: to senders it is closed. Both ends remember
//! whether anybody was ever up here, for what senders are told.
//!
//! # Invariants
//! * I1: whoever finds somebody parked (`task_parked`, `receive`) takes that, and wakes after the lock is released: one wake
//!   per wait.
//! * I2: `signals` is the number of entries in `fresh` that must be walked: signals, and messages through an alias. While it is
//!   not zero the task has been woken or is running.
//! * I3: a signal carries the incarnation it was meant for; one for another incarnation is refused, under the same lock
//!   that changes the incarnation, so no signal ever reaches the next one.
//! * I4: after `close` nothing is accepted any more, and everything accepted before is in what `close` returned.
//! * I5: while a walk is under way (`walking`), nobody takes anything newer than what is being walked, and a notice that is
//!   taken back is gone when the walk is over, if it is in what is being walked.
//! * I6: entries are numbered from 0 in the order in which they were pushed, over all buffers and all incarnations, so that
//!   the number of a call names nothing else, ever. Only what is put back after a restart gets another number; calls keep
//!   their names (`calls.rs`).
//!
//! # Not here
//! What a signal does, and who decides that a seat is closed.

mod aside;
mod books;
mod leftover;
mod limits;
mod reserve;
mod vacancy;

pub use leftover::Leftover;
pub use vacancy::Kept;

use crate::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::{Aliased, Caller, Chunks, Due, Entry, Event, Inbox, Notice, Queue, SendError, Stopped, Timed};
use aside::Aside;
use books::{Books, Flood};
use freeboard_signal::{Bare, ExitReason};
use limits::{Ruled, Rules};
use std::{collections::VecDeque, fmt, mem, sync::Arc, sync::OnceLock, task::Waker, time::Duration};

/// So many waiting messages are worth an event, in a mailbox without a policy.
pub const HIGH_WATER: usize = 65_536;

/// The shared half of a mailbox.
pub struct Intake<M, S> {
    shared: Mutex<Shared<M, S>>,
    signals: AtomicU32,
    /// When `fresh` turned non-empty, as a [`stamp`](books::stamp); the first message to a parked receiver has none.
    since: AtomicU32,
    /// The same for what the receiver took out.
    taken: AtomicU32,
    high_water: AtomicU32,
    arrived: AtomicU64,
    handled: AtomicU64,
    inspected: AtomicU64,
    books: OnceLock<Box<Books<M>>>,
}

struct Shared<M, S> {
    fresh: Chunks<Entry<M, S>>,
    /// Only there while something was walked and waits, which is rare: the receiver takes it in the same poll as a rule.
    aside: Option<Box<Aside<M, S>>>,
    /// How many entries were pushed so far: the number of the next one.
    pushed: u64,
    /// Whether [`take_fresh`](Intake::take_fresh) was called and [`stage`](Intake::stage) not yet.
    walking: bool,
    /// Only there if the mailbox has a policy, or permits were asked for, or it drains.
    rules: Option<Box<Rules<M, S>>>,
    /// Whether a policy is in force, or about to be.
    limited: bool,
    flood: Flood,
    /// Whether the process's task waits for the next entry.
    task_parked: bool,
    /// The task's waker, kept for signals anyway.
    task: Option<Waker>,
    /// A receive that waits with a waker of its own, as inside a set of futures.
    receive: Option<Waker>,
    state: State,
}

enum State {
    Waiting,
    Live(u64),
    Vacant,
    /// Vacant after that incarnation, and what is sent is queued for the next one.
    Keeping(u64),
    /// *Stopped* or, for good, *Closed*; whether anybody was ever up there; and why, packed: what a seat can need only once is
    /// not kept room for.
    Ended {
        for_good: bool,
        was_up: bool,
        bare: Option<Bare>,
        boxed: Option<Box<ExitReason>>,
    },
}

impl State {
    fn ended(for_good: bool, was_up: bool, reason: ExitReason) -> Self {
        let (bare, boxed) = reason.pack();
        Self::Ended { for_good, was_up, bare, boxed }
    }
}

/// What [`Intake::exchange`] put into the buffer it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Entries whose signals were applied before.
    Walked,
    /// Entries straight from the senders, with this many signals among them, to be applied in order.
    Fresh(usize),
    /// Nothing, but so many messages were dropped on the way, as the policy wants it: give way if there were many, and
    /// come again.
    Dropped(usize),
    /// Nothing; the waker that was given is parked.
    Empty,
    /// Nothing, and no sender can bring anything any more: the mailbox drains, and no permit is out. The waker that was given
    /// is parked all the same: notices and timers still come.
    Drained,
    /// Something that the process's own task must walk first; the waker that was given is parked until it has.
    Unwalked,
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
                aside: None,
                pushed: 0,
                walking: false,
                rules: None,
                limited: false,
                flood: Flood::default(),
                task_parked: false,
                task: None,
                receive: None,
                state: State::Waiting,
            }),
            signals: AtomicU32::new(0),
            since: AtomicU32::new(books::UNSET),
            taken: AtomicU32::new(books::UNSET),
            high_water: AtomicU32::new(0),
            arrived: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            inspected: AtomicU64::new(0),
            books: OnceLock::new(),
        }
    }

    /// Queues a message. Never waits for the receiver.
    ///
    /// # Errors
    /// The seat is closed or vacant, or drains, or its policy rejects what finds no room; the message comes back.
    pub fn push(&self, message: M) -> Result<(), SendError<M>> {
        self.push_at(message, || None)
    }

    /// The same with the present time, if there is a clock, for the age of the oldest message in
    /// [`stats`](Self::stats): a coarse one will do. It is asked outside the lock, and only while no message waits and the
    /// receiver is busy.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_at(&self, message: M, now: impl FnOnce() -> Option<Duration>) -> Result<(), SendError<M>> {
        self.push_watched(message, now, || HIGH_WATER, |_| {})
    }

    /// The same, and `flooded` is told how many messages wait when they become `mark` or more, in a mailbox without a policy;
    /// again only after they were half of that. It is called after the lock; `mark` under it, and rarely.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_watched(
        &self,
        message: M,
        now: impl FnOnce() -> Option<Duration>,
        mark: impl Fn() -> usize,
        flooded: impl FnOnce(usize),
    ) -> Result<(), SendError<M>> {
        self.push_from(message, None, now, mark, flooded).map(drop)
    }

    /// The same for a call, with what is known of its caller. Answers the number of its entry, by which the caller can
    /// [give up](Self::give_up).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_call(
        &self,
        message: M,
        caller: Caller,
        now: impl FnOnce() -> Option<Duration>,
        mark: impl Fn() -> usize,
        flooded: impl FnOnce(usize),
    ) -> Result<u64, SendError<M>> {
        self.push_from(message, Some(caller), now, mark, flooded)
    }

    #[inline]
    fn push_from(
        &self,
        message: M,
        caller: Option<Caller>,
        now: impl FnOnce() -> Option<Duration>,
        mark: impl Fn() -> usize,
        flooded: impl FnOnce(usize),
    ) -> Result<u64, SendError<M>> {
        if self.is_policed() {
            return self.push_ruled(message, caller, false, books::UNSET, &mark).map(|ruled| ruled.number);
        }
        let since = match self.since.load(Ordering::Relaxed) {
            books::UNSET => books::stamp(now()),
            _ => books::UNSET,
        };
        let shared = self.shared.lock();
        if !shared.takes_anything() {
            drop(shared);
            return self.push_apart(message, caller, since, &mark, flooded);
        }
        let Ruled { number, flood } = self.append_and_wake(shared, message, caller, since, &mark);
        if let Some(waiting) = flood {
            flooded(waiting);
        }
        Ok(number)
    }

    /// Queues a message where the intake has rules, or nobody lives.
    #[cold]
    fn push_apart(
        &self,
        message: M,
        caller: Option<Caller>,
        since: u32,
        mark: &dyn Fn() -> usize,
        flooded: impl FnOnce(usize),
    ) -> Result<u64, SendError<M>> {
        let shared = self.shared.lock();
        let Ruled { number, flood } = if shared.rules.is_some() {
            drop(shared);
            self.push_ruled(message, caller, false, since, mark)?
        } else if let Some(why) = self.refusal(&shared) {
            drop(shared);
            return Err(self.refuse(message, why));
        } else {
            self.append_and_wake(shared, message, caller, since, mark)
        };
        if let Some(waiting) = flood {
            flooded(waiting);
        }
        Ok(number)
    }

    /// Appends a message and wakes whoever waits for it. Answers its number, and how many wait if that is a flood that
    /// begins.
    #[inline(always)]
    fn append_and_wake(
        &self,
        mut shared: MutexGuard<'_, Shared<M, S>>,
        message: M,
        caller: Option<Caller>,
        since: u32,
        mark: &dyn Fn() -> usize,
    ) -> Ruled {
        let number = shared.pushed;
        shared.append_plain(Entry::Event(Event::Message(message)));
        if let Some(caller) = caller {
            shared.fresh.add_call(number, caller);
        }
        self.count_arrival();
        self.note_push(since);
        let pushed = shared.pushed;
        let flood = self.look_for_flood(pushed, &mut shared.flood, mark);
        if shared.waits() {
            let wake = shared.unpark();
            drop(shared);
            if let Some(waker) = wake {
                waker.wake();
            }
        } else {
            drop(shared);
        }
        Ruled { number, flood }
    }

    /// Notes that the caller of the call with this number has given up: its receiver is to drop it
    /// ([`Inbox::take_caller`]). Answers whether the receiver has to be told, since it has taken that call out of here and
    /// may have it still.
    pub fn give_up(&self, number: u64) -> bool {
        let mut shared = self.shared.lock();
        if shared.fresh.give_up(number) || shared.aside.as_mut().is_some_and(|aside| aside.walked.give_up(number)) {
            return false;
        }
        let is_live = matches!(shared.state, State::Live(_));
        // What is just being sorted for the next incarnation is told when it is put back.
        if is_live || matches!(shared.state, State::Keeping(_)) {
            shared.aside.get_or_insert_default().given_up.push(number);
        }
        is_live
    }

    /// Takes the numbers of the calls that the receiver has, or had, and whose callers have given up.
    pub fn take_given_up(&self) -> Vec<u64> {
        let mut shared = self.shared.lock();
        // What is being walked may be among them; then they are kept for the end of the walk.
        let is_kept = shared.walking;
        let given_up = shared.aside.as_mut().map(|aside| &mut aside.given_up);
        let taken = given_up.map(|given_up| if is_kept { given_up.clone() } else { mem::take(given_up) });
        Aside::prune(&mut shared.aside);
        taken.unwrap_or_default()
    }

    /// Queues a message that belongs to one incarnation, such as a timer's.
    ///
    /// # Errors
    /// Another incarnation lives here by now, or none; the message comes back.
    pub fn push_for(&self, incarnation: u64, message: M) -> Result<(), M> {
        let tells_apart = self.tells_apart();
        let shared = self.shared.lock();
        if !shared.is_live(incarnation) {
            return Err(message);
        }
        let entry = match tells_apart {
            true => Entry::Own(Box::new(message)),
            false => Entry::Event(Event::Message(message)),
        };
        self.push_exempt(shared, entry);
        Ok(())
    }

    /// Queues the message of a timer that is due, unless it was taken back, or its last tick waits still. Says whether
    /// anything can come of a later one.
    ///
    /// # Errors
    /// Another incarnation lives here by now, or none; what the timer would have sent comes back, if there is something.
    pub fn push_timed(&self, incarnation: u64, timed: &Arc<Timed<M>>) -> Result<bool, Option<M>> {
        match timed.due() {
            Due::Queue => {}
            Due::Missed => return Ok(true),
            Due::Over => return Ok(false),
        }
        let shared = self.shared.lock();
        if !shared.is_live(incarnation) {
            drop(shared);
            let left = timed.stop();
            if matches!(left, Stopped::Over) {
                // Whoever has taken it back meanwhile counts it as one that came and was dropped.
                let _shared = self.shared.lock();
                self.count_arrival();
            }
            return Err(left.message());
        }
        // If it is taken back at this moment, an empty place is queued, and counted by whoever takes it back.
        self.push_exempt(shared, Entry::Timed(Arc::clone(timed)));
        Ok(true)
    }

    /// Appends what belongs to a living incarnation and is under no rule.
    fn push_exempt(&self, mut shared: MutexGuard<'_, Shared<M, S>>, entry: Entry<M, S>) {
        shared.append(entry);
        self.count_arrival();
        let wake = shared.unpark();
        drop(shared);
        if let Some(waker) = wake {
            waker.wake();
        }
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
        shared.append(Entry::Signal(signal));
        self.ask_for_a_walk(shared);
        Ok(())
    }

    /// Queues a message that came through an alias of one incarnation. As with a signal, what becomes of it is decided when
    /// the receiver walks it (OTP: C15).
    ///
    /// # Errors
    /// That incarnation does not live here, not yet or no more; the message comes back.
    pub fn push_aliased(&self, incarnation: u64, message: Box<Aliased<M>>) -> Result<(), Box<Aliased<M>>> {
        let mut shared = self.shared.lock();
        if !shared.is_live(incarnation) {
            return Err(message);
        }
        shared.append(Entry::Aliased(message));
        self.count_arrival();
        self.ask_for_a_walk(shared);
        Ok(())
    }

    /// Counts an entry that has to be walked, and wakes the task for it.
    fn ask_for_a_walk(&self, shared: MutexGuard<'_, Shared<M, S>>) {
        let before = self.signals.load(Ordering::Relaxed);
        self.signals.store(before + 1, Ordering::Release);
        // A task that has unapplied signals was woken by the first of them.
        let wake = if before == 0 { shared.task.clone() } else { None };
        drop(shared);
        if let Some(waker) = wake {
            waker.wake();
        }
    }

    /// Whether signals wait to be applied: one load, no lock.
    pub fn has_signals(&self) -> bool {
        self.signals.load(Ordering::Acquire) != 0
    }

    /// Exchanges the receiver's empty buffer for the oldest one here: what was walked first, then what is fresh. If there
    /// is neither, parks `waker` for the next entry. For a receiver in the process's own task, who applies the signals that
    /// come with it at once.
    ///
    /// # Panics
    /// In debug builds, if `buffer` is not empty.
    pub fn exchange(&self, buffer: &mut Chunks<Entry<M, S>>, waker: Option<&Waker>) -> Exchange {
        self.exchange_if(buffer, waker, None, |_| true)
    }

    /// The same for a receiver outside of the process's own task: what holds unapplied signals is left to that task, which
    /// is woken to walk it. Otherwise two threads could apply the signals of two buffers in the wrong order.
    ///
    /// A receiver whose incarnation does not live here any more finds [`Exchange::Unwalked`] and is not parked.
    pub fn exchange_walked(
        &self,
        incarnation: u64,
        buffer: &mut Chunks<Entry<M, S>>,
        waker: Option<&Waker>,
    ) -> Exchange {
        let exchanged = self.exchange_if(buffer, waker, Some(incarnation), |signals| signals == 0);
        if exchanged == Exchange::Unwalked {
            self.wake_task();
        }
        exchanged
    }

    fn exchange_if(
        &self,
        buffer: &mut Chunks<Entry<M, S>>,
        waker: Option<&Waker>,
        of: Option<u64>,
        may_take: impl FnOnce(usize) -> bool,
    ) -> Exchange {
        debug_assert!(
            buffer.is_empty(),
            "the buffer given in exchange must be empty, or its entries would lose their place"
        );
        if self.is_policed() {
            return self.exchange_one(buffer, waker, of, may_take(1));
        }
        let mut shared = self.shared.lock();
        if shared.is_strange(of) {
            return Exchange::Unwalked;
        }
        if shared.aside.is_some()
            && let Some(walked) = Aside::take_walked(&mut shared.aside)
        {
            drop(shared);
            *buffer = walked;
            return Exchange::Walked;
        }
        if let Some(rules) = &mut shared.rules {
            rules.relax(self.depth());
        }
        let signals = self.signals.load(Ordering::Relaxed) as usize;
        if !shared.fresh.is_empty() && !shared.walking && may_take(signals) {
            self.note_exchange(shared.pushed - shared.fresh.number());
            mem::swap(&mut shared.fresh, buffer);
            let next = shared.pushed;
            shared.fresh.number_from(next);
            self.signals.store(0, Ordering::Release);
            return Exchange::Fresh(signals);
        }
        self.note_empty(waker.is_some());
        // What is fresh and could not be taken, or is being walked, comes when the process's own task is through with it.
        let nothing = match shared.walking || !shared.fresh.is_empty() {
            true => Exchange::Unwalked,
            false if shared.is_drained() => Exchange::Drained,
            false => Exchange::Empty,
        };
        let Some(waker) = waker else { return nothing };
        let replaced = shared.park(waker);
        drop(shared);
        drop(replaced); // A waker is user code; it is dropped outside the lock.
        buffer.trim();
        nothing
    }

    /// Takes what is fresh, if there are signals in it, for the process to walk; to be given back by [`stage`](Self::stage).
    pub fn take_fresh(&self) -> Option<Chunks<Entry<M, S>>> {
        let mut shared = self.shared.lock();
        if self.signals.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.signals.store(0, Ordering::Release);
        shared.walking = true;
        if let Some(policed) = shared.policed() {
            return Some(policed.take_unwalked());
        }
        let taken = mem::take(&mut shared.fresh);
        let next = shared.pushed;
        shared.fresh.number_from(next);
        Some(taken)
    }

    /// Puts a walked buffer behind what was walked before, and wakes a receive that parked with a waker of its own.
    pub fn stage(&self, mut walked: Chunks<Entry<M, S>>) {
        let mut shared = self.shared.lock();
        if let Some(policed) = shared.policed() {
            // Back into their places, unless the seat was closed meanwhile.
            walked = policed.put_back(walked);
        }
        if let Some(aside) = &shared.aside {
            for &number in &aside.given_up {
                walked.give_up(number);
            }
        }
        // Of signals that were applied and left nothing the receiver need not hear. Of what goes ahead it must: if it has looked
        // for that already and is about to park, it finds the empty places here and looks again.
        let none_ahead = shared.aside.as_ref().is_none_or(|aside| aside.ahead.is_empty());
        let done = if none_ahead && walked.iter_mut().all(|entry| matches!(entry, Entry::Gone)) {
            Some(walked)
        } else {
            shared.aside.get_or_insert_default().walked.append(walked);
            None
        };
        let flushed = shared.take_flushed();
        if let Some(aside) = &mut shared.aside {
            aside.flushed.clear();
        }
        Aside::prune(&mut shared.aside);
        shared.walking = false;
        Self::wake_receive(shared);
        drop((flushed, done)); // A notice may carry a user's error type.
    }

    /// Keeps priority entries that were walked for the receiver, behind those that wait already.
    pub fn stage_ahead(&self, entries: impl IntoIterator<Item = Entry<M, S>>) {
        let mut shared = self.shared.lock();
        shared.aside.get_or_insert_default().ahead.extend(entries);
        let flushed = shared.take_flushed();
        Self::wake_receive(shared);
        drop(flushed);
    }

    /// Takes the priority entries that wait, oldest first.
    pub fn take_ahead(&self) -> VecDeque<Entry<M, S>> {
        Aside::take_ahead(&mut self.shared.lock().aside)
    }

    /// Wakes a receive that has a waker of its own; the task itself is being polled right now.
    fn wake_receive(mut shared: MutexGuard<'_, Shared<M, S>>) {
        shared.task_parked = false;
        let wake = shared.receive.take();
        drop(shared);
        if let Some(waker) = wake {
            waker.wake();
        }
    }

    /// The number that the next entry will have: everything here and at the receiver is older (OTP: E8).
    pub fn marker(&self) -> u64 {
        self.shared.lock().pushed
    }

    /// Takes out the oldest such notice, if it was walked and not received: `demonitor` and `unlink` with flush (OTP: C7,
    /// B11). One that is just being walked, which only a receiver outside of the process's own task can meet, is taken out
    /// when the walk is over. Answers whether it was found.
    pub fn flush(&self, notice: Notice) -> bool {
        let mut shared = self.shared.lock();
        let found = shared.take_notice(notice);
        if found.is_none() && shared.walking {
            shared.aside.get_or_insert_default().flushed.push(notice);
        }
        drop(shared);
        found.is_some()
    }

    /// Takes back what the receiver of an incarnation had taken out and not received, as it is: nobody will receive it any
    /// more, and [`close`](Self::close) passes it on. What comes too late, when that incarnation is over, is returned.
    pub fn give_back(&self, incarnation: u64, inbox: Inbox<M, S>) -> Option<Inbox<M, S>> {
        let mut shared = self.shared.lock();
        if !shared.is_live(incarnation) {
            return Some(inbox);
        }
        if !inbox.is_empty() {
            shared.aside.get_or_insert_default().returned = Some(inbox);
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
        let may_open = shared.may_open();
        if may_open {
            shared.state = State::Live(incarnation);
        }
        may_open
    }

    /// Whether the seat is waiting or vacant, so that [`open`](Self::open) would make it live.
    pub fn may_open(&self) -> bool {
        self.shared.lock().may_open()
    }

    /// Ends the incarnation that lives here: the seat becomes vacant (`None`) or closed for good (`Some(reason)`).
    /// Everything that was accepted and not received is returned. A receive that is parked with a waker of its own is woken,
    /// to find out; the task's waker is dropped.
    pub fn close(&self, for_good: Option<ExitReason>) -> Leftover<M, S> {
        self.end(for_good.map_or(State::Vacant, |reason| State::ended(true, true, reason)))
    }

    fn end(&self, mut end: State) -> Leftover<M, S> {
        let keeps = matches!(self.queue(), Queue::Keep { .. }) && matches!(end, State::Vacant);
        let mut shared = self.shared.lock();
        let keeps = keeps && matches!(shared.state, State::Live(_));
        if let (true, &State::Live(incarnation)) = (keeps, &shared.state) {
            end = State::Keeping(incarnation);
        }
        // A reason may be user data, so it is dropped outside the lock.
        let before = match shared.state {
            State::Ended { for_good: true, .. } => end,
            _ => mem::replace(&mut shared.state, end),
        };
        let (aside, fresh) = (shared.aside.take(), mem::take(&mut shared.fresh));
        // What comes is newer than all that was ever here; and what is kept and comes back has its old place in front of it.
        let next = shared.pushed;
        shared.fresh.number_from(next);
        // A panic may have ended the walk before it was staged.
        shared.walking = false;
        self.signals.store(0, Ordering::Release);
        let waiting = self.note_close();
        if keeps {
            self.books().sorting.store(usize::try_from(waiting).unwrap_or(usize::MAX), Ordering::Relaxed);
        }
        shared.task_parked = false;
        let (task, receive) = (shared.task.take(), shared.receive.take());
        let ruled = shared.rules.as_mut().map(|rules| rules.close(keeps));
        drop(shared);
        drop((task, before));
        let (ruled, waiting) = ruled.unwrap_or_default();
        waiting.into_iter().chain(receive).for_each(Waker::wake);
        Leftover::new(aside, fresh, ruled)
    }

    /// The incarnation that lives here, if any.
    pub fn incarnation(&self) -> Option<u64> {
        match self.shared.lock().state {
            State::Live(incarnation) => Some(incarnation),
            State::Waiting | State::Vacant | State::Keeping(_) | State::Ended { .. } => None,
        }
    }

    /// Why the seat is closed for good, if it is.
    pub fn closed(&self) -> Option<ExitReason> {
        match &self.shared.lock().state {
            State::Ended { for_good: true, bare, boxed, .. } => ExitReason::unpack(*bare, boxed.as_deref()),
            State::Waiting | State::Live(_) | State::Vacant | State::Keeping(_) | State::Ended { .. } => None,
        }
    }

    fn count_arrival(&self) {
        // Only ever written under the lock, so a load and a store do.
        self.arrived.store(self.arrived.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

impl<M, S> Shared<M, S> {
    /// Appends an entry that no rule concerns.
    fn append(&mut self, entry: Entry<M, S>) {
        let number = self.pushed;
        let Some(policed) = self.policed() else { return self.append_plain(entry) };
        match entry {
            Entry::Signal(_) | Entry::Aliased(_) => policed.push_unwalked(entry, number),
            Entry::Event(_) | Entry::Own(_) | Entry::Timed(_) | Entry::Gone => policed.push_exempt(entry, number),
        }
        self.pushed += 1;
    }

    /// Whether a message is simply appended.
    fn takes_anything(&self) -> bool {
        self.rules.is_none() && matches!(self.state, State::Waiting | State::Live(_))
    }

    /// Whether anybody is to be woken for the next entry.
    fn waits(&self) -> bool {
        self.task_parked || self.receive.is_some()
    }

    /// Appends an entry to a queue of the first kind.
    #[inline(always)]
    fn append_plain(&mut self, entry: Entry<M, S>) {
        self.fresh.push(entry);
        self.pushed += 1;
    }

    /// Takes out the notices that were taken back while they were being walked, as far as they have come out of it.
    fn take_flushed(&mut self) -> Vec<Entry<M, S>> {
        let notices = self.aside.as_ref().map(|aside| aside.flushed.clone()).unwrap_or_default();
        notices.into_iter().filter_map(|notice| self.take_notice(notice)).collect()
    }

    /// Takes out the oldest such notice, if it was walked.
    fn take_notice(&mut self, notice: Notice) -> Option<Entry<M, S>> {
        let aside = self.aside.as_mut().and_then(|aside| aside.take_notice(notice));
        aside.or_else(|| self.policed()?.take_notice(notice))
    }

    /// Parks a receiver. What was parked before is to be dropped outside the lock.
    fn park(&mut self, waker: &Waker) -> Option<Waker> {
        self.task_parked = self.task.as_ref().is_some_and(|task| task.will_wake(waker));
        let receive = if self.task_parked { None } else { Some(waker.clone()) };
        mem::replace(&mut self.receive, receive)
    }

    fn may_open(&self) -> bool {
        !matches!(self.state, State::Live(_) | State::Ended { for_good: true, .. })
    }

    fn is_live(&self, wanted: u64) -> bool {
        matches!(self.state, State::Live(incarnation) if incarnation == wanted)
    }

    /// Whether a receiver of that incarnation has nothing to look for here any more.
    fn is_strange(&self, of: Option<u64>) -> bool {
        of.is_some_and(|incarnation| !self.is_live(incarnation))
    }

    fn unpark(&mut self) -> Option<Waker> {
        if mem::take(&mut self.task_parked) { self.task.clone() } else { self.receive.take() }
    }
}

impl<M, S> fmt::Debug for Intake<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("depth", &self.depth()).finish_non_exhaustive()
    }
}
