//! Pushes and exchanges of a mailbox that has rules.
//!
//! # Invariants
//! * L1: a message is asked for its key, deadline and tag outside the lock, and what is dropped is dropped outside it.
//! * L2: every message ends once: received, returned to its sender, or dropped and counted.
//! * L3: a policy is there from before the first start, or never: the kind of the queue does not change under a receiver.
//!
//! # Not here
//! The rules themselves (`policed.rs`, `room.rs`, `codel.rs`), and permits (`reserve.rs`).

use super::{Exchange, Intake, Shared, State, aside::Aside};
use crate::policed::{Next, Policed, Verdict, Victim};
use crate::policy::{Meta, Policing};
use crate::room::Room;
use crate::sync::Ordering;
use crate::{Caller, Chunks, Dropped, Entry, Event, Policy, PolicyError, Refused, SendError};
use std::mem;
use std::task::Waker;
use std::time::Instant;

/// What the lock guards in a mailbox with rules.
pub(super) struct Rules<M, S> {
    pub(super) room: Room,
    alarm: Option<HighWater>,
    /// The second kind of queue, if the policy needs it.
    pub(super) policed: Option<Policed<M, S>>,
}

/// A mark that is announced when it is reached.
#[derive(Debug)]
struct HighWater {
    mark: usize,
    armed: bool,
}

impl HighWater {
    /// The depth, if it is to be announced now.
    fn reached(&mut self, depth: usize) -> Option<usize> {
        let reached = depth >= self.mark && mem::take(&mut self.armed);
        reached.then_some(depth)
    }

    /// Arms it again, if the queue was worked off.
    fn relax(&mut self, depth: usize) {
        self.armed = self.armed || depth <= self.mark / 2;
    }
}

impl<M, S> Rules<M, S> {
    /// No rules: for permits and draining.
    pub(super) fn none() -> Self {
        Self { room: Room::new(None), alarm: None, policed: None }
    }

    /// The incarnation is over: the queue, and who waited for room, unless part of the queue comes back.
    pub(super) fn close(&mut self, keeps: bool) -> (Option<Policed<M, S>>, Vec<Waker>) {
        let queue = self.policed.as_mut().map(|policed| mem::replace(policed, policed.empty_like()));
        if keeps {
            self.room.close_keeping();
            return (queue, Vec::new());
        }
        (queue, self.room.close())
    }

    fn announcement(&mut self, depth: usize) -> Option<usize> {
        self.alarm.as_mut().and_then(|alarm| alarm.reached(depth))
    }

    /// The receiver was here, and so many wait.
    pub(super) fn relax(&mut self, depth: usize) {
        if let Some(alarm) = &mut self.alarm {
            alarm.relax(depth);
        }
    }

    /// Whether the second kind of queue is empty, if there is one.
    pub(super) fn is_empty(&self) -> bool {
        self.policed.as_ref().is_none_or(|policed| policed.is_empty())
    }
}

/// What became of a push under rules.
pub(super) struct Ruled {
    /// The number of the message.
    pub(super) number: u64,
    /// How many wait, if that is a flood, as [`look_for_flood`](Intake::look_for_flood) tells it.
    pub(super) flood: Option<usize>,
}

impl<M, S> Shared<M, S> {
    /// The second kind of queue, if this mailbox has it.
    pub(super) fn policed(&mut self) -> Option<&mut Policed<M, S>> {
        self.rules.as_mut()?.policed.as_mut()
    }
}

impl<M, S> Intake<M, S> {
    /// Puts a policy in force, before the first start of the seat. What is queued already is judged by its rules, oldest
    /// first; what finds no room is dropped. `clock` says what time it is for messages that expire or are shed; a coarse one
    /// will do. It must not panic.
    ///
    /// # Errors
    /// The policy cannot be put to use, or comes too late, or is the second one; nothing has changed then.
    pub fn limit(
        &self,
        policy: Policy<M>,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Result<(), PolicyError> {
        policy.check()?;
        self.claim_policy()?;
        let books = self.books();
        let policing = Policing::new(policy, clock);
        let mut rules = Box::new(Rules::none());
        rules.alarm = policing.policy.high_water.map(|mark| HighWater { mark, armed: true });
        rules.policed = policing.is_policed.then(|| Policed::new(&policing.policy));
        // Messages are judged outside the lock, while others come.
        let mut judged: Vec<(M, Meta)> = Vec::new();
        let mut shared = loop {
            let mut shared = self.shared.lock();
            if matches!(shared.state, State::Waiting) {
                if !policing.is_policed || shared.fresh.is_empty() {
                    break shared;
                }
                let mut fresh = mem::take(&mut shared.fresh);
                shared.fresh.take_calls(&mut fresh);
                drop(shared);
                while let Some(Entry::Event(Event::Message(message))) = fresh.pop() {
                    let meta = policing.meta(&message);
                    judged.push((message, meta));
                }
                continue;
            }
            let is_live = matches!(shared.state, State::Live(_));
            let mut older = Chunks::default();
            judged.into_iter().for_each(|(message, _)| older.push(Entry::Event(Event::Message(message))));
            let mut wake = None;
            if is_live && !older.is_empty() {
                let newer = mem::take(&mut shared.fresh);
                older.append(newer);
                shared.fresh = mem::take(&mut older);
                wake = shared.unpark();
            }
            drop(shared);
            wake.into_iter().for_each(Waker::wake);
            while let Some(Entry::Event(Event::Message(message))) = older.pop() {
                self.bury(message, Dropped::Exited);
            }
            return Err(PolicyError::Started);
        };
        // Permits that are out already hold their room.
        let before = shared.rules.take().map(|before| before.room);
        let has_rules = before.is_some() || rules.alarm.is_some() || rules.policed.is_some();
        if let Some(before) = before {
            rules.room = before;
        }
        rules.room.limit(policing.policy.capacity);
        let mut victims = Vec::new();
        if let Some(policed) = &mut rules.policed {
            for (number, (message, meta)) in judged.into_iter().enumerate() {
                match policed.push(message, meta, number as u64, false, &mut rules.room) {
                    Verdict::Queued(victim) => victims.extend(victim),
                    Verdict::Dropped(message) | Verdict::Rejected(message) => {
                        victims.push(Victim { message, why: Dropped::Newest, number: None });
                    }
                }
            }
            books.note_oldest(policed.oldest_stamp());
        }
        self.lose(victims.len());
        let announced = rules.announcement(self.note_depth());
        shared.rules = has_rules.then_some(rules);
        let is_first = books.put_in_force(policing);
        debug_assert!(is_first, "only a waiting seat gets a policy, and only one, under the lock");
        drop(shared);
        victims.into_iter().for_each(|victim| self.bury_lost(victim));
        self.announce(announced);
        Ok(())
    }

    /// Claims the seat for a policy: of two that come at once, only one may take out what is queued.
    fn claim_policy(&self) -> Result<(), PolicyError> {
        let mut shared = self.shared.lock();
        if !matches!(shared.state, State::Waiting) {
            return Err(PolicyError::Started);
        }
        if mem::replace(&mut shared.limited, true) { Err(PolicyError::Limited) } else { Ok(()) }
    }

    /// Whether every message stays within reach until it is handed out, so that an exchange moves a single entry and the
    /// receiver has to [`settle`](Self::settle).
    pub fn is_policed(&self) -> bool {
        self.policing().is_some()
    }

    /// The policy, if it needs the second kind of queue.
    pub(super) fn policing(&self) -> Option<&Policing<M>> {
        self.books.get()?.policing.get().filter(|policing| policing.is_policed)
    }

    /// A push into a mailbox that has rules, with or without a permit, which is used up. `since` stamps a queue of the first
    /// kind that turned non-empty.
    #[cold]
    pub(super) fn push_ruled(
        &self,
        message: M,
        caller: Option<Caller>,
        permit: bool,
        since: u32,
        mark: &dyn Fn() -> usize,
    ) -> Result<Ruled, SendError<M>> {
        loop {
            let meta = self.policing().map(|policing| policing.meta(&message));
            let mut guard = self.shared.lock();
            let shared = &mut *guard;
            let refusal = self.refusal(shared);
            let rules = shared.rules.get_or_insert_with(|| Box::new(Rules::none()));
            if let Some(why) = refusal.or_else(|| rules.room.refusal(permit)) {
                if permit {
                    rules.room.give_up();
                }
                drop(guard);
                return Err(self.refuse(message, why));
            }
            let verdict = match (&mut rules.policed, meta) {
                (Some(policed), Some(meta)) => policed.push(message, meta, shared.pushed, permit, &mut rules.room),
                // The policy came while this message was on its way.
                (Some(_), None) => continue,
                (None, _) => {
                    if permit {
                        rules.room.give_up();
                    }
                    shared.fresh.push(Entry::Event(Event::Message(message)));
                    self.note_push(since);
                    Verdict::Queued(None)
                }
            };
            let number = shared.pushed;
            let victim = match verdict {
                Verdict::Rejected(message) => {
                    drop(guard);
                    return Err(self.refuse(message, Refused::Full));
                }
                Verdict::Dropped(message) => Some(Victim { message, why: Dropped::Newest, number: None }),
                Verdict::Queued(victim) => {
                    if let Some(caller) = caller {
                        shared.fresh.add_call(number, caller);
                    }
                    if let Some(number) = victim.as_ref().and_then(|victim| victim.number) {
                        shared.fresh.take_call(number);
                    }
                    victim
                }
            };
            // Also a message that is dropped has its number to itself.
            shared.pushed += 1;
            self.count_arrival();
            self.lose(usize::from(victim.is_some()));
            let announced = rules.announcement(self.note_depth());
            // Rules without a policy are there for permits or a drain only.
            let is_watched = !permit && rules.policed.is_none() && rules.alarm.is_none();
            let flood = if is_watched { self.look_for_flood(shared.pushed, &mut shared.flood, mark) } else { None };
            if let Some(policed) = &rules.policed {
                self.books().note_oldest(policed.oldest_stamp());
            }
            // A message that was coalesced has left the room that a permit brought.
            let granted = rules.room.hand_over();
            let wake = shared.unpark();
            drop(guard);
            wake.into_iter().chain(granted).for_each(Waker::wake);
            victim.into_iter().for_each(|victim| self.bury_lost(victim));
            self.announce(announced);
            return Ok(Ruled { number, flood });
        }
    }

    /// Moves one entry to the receiver, and drops what expired or must be shed before it.
    #[cold]
    pub(super) fn exchange_one(
        &self,
        buffer: &mut Chunks<Entry<M, S>>,
        waker: Option<&Waker>,
        of: Option<u64>,
        may_walk: bool,
    ) -> Exchange {
        let now = self.policing().map_or(0, |policing| policing.now());
        let mut victims = Vec::new();
        let mut guard = self.shared.lock();
        let shared = &mut *guard;
        if shared.is_strange(of) {
            return Exchange::Unwalked;
        }
        if let Some(walked) = Aside::take_walked(&mut shared.aside) {
            drop(guard);
            *buffer = walked;
            return Exchange::Walked;
        }
        self.note_depth();
        let mut granted = Vec::new();
        let mut next = Next::Nothing;
        if let Some(Rules { room, alarm, policed: Some(policed) }) = shared.rules.as_deref_mut() {
            next = policed.next(now, may_walk, room, &mut victims);
            granted = room.hand_over();
            self.lose(victims.len());
            self.books().note_oldest(policed.oldest_stamp());
            if let Some(alarm) = alarm {
                alarm.relax(self.depth());
            }
        }
        let mut replaced = None;
        let exchanged = match &next {
            Next::Entry { unwalked, .. } => {
                if *unwalked {
                    let before = self.signals.load(Ordering::Relaxed);
                    self.signals.store(before - 1, Ordering::Release);
                }
                Exchange::Fresh(usize::from(*unwalked))
            }
            Next::Enough => Exchange::Dropped(victims.len()),
            Next::Nothing => {
                replaced = waker.and_then(|waker| shared.park(waker));
                match shared.policed().is_some_and(|policed| !policed.is_empty()) {
                    true => Exchange::Unwalked,
                    false if shared.is_drained() => Exchange::Drained,
                    false => Exchange::Empty,
                }
            }
        };
        let call = match (&next, victims.last()) {
            (Next::Entry { number, .. }, _) => shared.fresh.pop_call(*number),
            // Nor is anything known of those that were dropped; they were the oldest.
            (_, Some(Victim { number: Some(number), .. })) => {
                shared.fresh.pop_call(*number);
                None
            }
            _ => None,
        };
        drop(guard);
        drop(replaced); // A waker is user code; it is dropped outside the lock.
        if let Next::Entry { entry, number, .. } = next {
            buffer.number_from(number);
            buffer.push(entry);
            if let Some(call) = call {
                buffer.add_known_call(number, call);
            }
        }
        granted.into_iter().for_each(Waker::wake);
        victims.into_iter().for_each(|victim| self.bury_lost(victim));
        exchanged
    }

    /// Says how many messages the receiver holds: those that selective receives left. To be called after each receive, if
    /// the mailbox [is policed](Self::is_policed): what an exchange moved counts against the capacity until then.
    pub fn settle(&self, held: usize) {
        let mut shared = self.shared.lock();
        let Some(rules) = &mut shared.rules else { return };
        rules.room.settle(held);
        let granted = rules.room.hand_over();
        drop(shared);
        granted.into_iter().for_each(Waker::wake);
    }
}
