//! A mailbox with any policy against a list that is scanned: the same operations, the same answers, the same ends.
//!
//! The oracle is a `Vec` in order of arrival and one number per rule. After each case every message must have ended exactly
//! once: received, sent back, dropped and shown to the undertaker, or left over at the close.

use crate::overload::{Bell, Note, Ruled, Signal, Told, id_of};
use freeboard_mailbox::{Aliased, Dropped, Entry, Event, Exchange, Policy, Refused, Ticket};
use proptest::prelude::*;
use std::mem::discriminant;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

#[derive(Clone, Debug)]
struct Rules {
    capacity: Option<usize>,
    overflow: Dropped,
    coalesce: bool,
    expire_after: Option<u64>,
    expire_by: bool,
    shed: Option<(u64, u64)>,
    high_water: Option<usize>,
}

#[derive(Clone, Debug)]
enum Op {
    Send {
        key: Option<u64>,
        deadline: Option<u64>,
    },
    Timer,
    Signal(bool),
    /// A message through an alias, which will be found active or not when it is walked.
    Alias(bool),
    Reserve,
    SendReserved(Option<u64>),
    GiveUp,
    Wait,
    Poll(usize),
    Leave(usize),
    Receive,
    ReceiveWhere(u64),
    Walk,
    Pass(u64),
    Drain,
    Restart,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Ruled { key: Option<u64>, sent: u64, deadline: Option<u64> },
    Timer,
    Signal { leaves_a_notice: bool },
    Alias { active: bool },
    Notice,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    id: u64,
    kind: Kind,
}

impl Item {
    fn is_message(&self) -> bool {
        matches!(self.kind, Kind::Ruled { .. } | Kind::Timer | Kind::Alias { .. })
    }
}

#[derive(Default)]
struct Storm {
    late_since: Option<u64>,
    on: bool,
    next: f64,
    count: u64,
    began_at: u64,
}

/// The scanning mailbox.
struct Oracle {
    rules: Rules,
    now: u64,
    queue: Vec<Item>,
    held: Vec<Item>,
    /// What counts against the capacity beside the queue: one more than `held` while an item is handed over.
    held_count: usize,
    permits: usize,
    line: Vec<usize>,
    granted: Vec<usize>,
    draining: bool,
    storm: Storm,
    told: Vec<Told>,
    armed: bool,
}

impl Oracle {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: 0,
            queue: Vec::new(),
            held: Vec::new(),
            held_count: 0,
            permits: 0,
            line: Vec::new(),
            granted: Vec::new(),
            draining: false,
            storm: Storm::default(),
            told: Vec::new(),
            armed: true,
        }
    }

    fn is_policed(&self) -> bool {
        let Rules { capacity, coalesce, expire_after, expire_by, shed, .. } = &self.rules;
        capacity.is_some() || *coalesce || expire_after.is_some() || *expire_by || shed.is_some()
    }

    fn ruled(&self) -> usize {
        self.queue.iter().filter(|item| matches!(item.kind, Kind::Ruled { .. })).count()
    }

    fn has_room(&self) -> bool {
        let taken = self.ruled() + self.held_count + self.permits + self.granted.len();
        self.rules.capacity.is_none_or(|capacity| taken < capacity)
    }

    fn depth(&self) -> usize {
        self.queue.iter().chain(&self.held).filter(|item| item.is_message()).count()
    }

    fn must_be_walked(&self) -> bool {
        self.queue.iter().any(|item| matches!(item.kind, Kind::Signal { .. } | Kind::Alias { .. }))
    }

    fn hand_over(&mut self) {
        while !self.line.is_empty() && self.has_room() {
            self.granted.push(self.line.remove(0));
        }
    }

    fn bury(&mut self, place: usize, why: Dropped) {
        let item = self.queue.remove(place);
        self.told.push(Told::Buried(item.id, why));
    }

    fn announce(&mut self) {
        let depth = self.depth();
        if self.armed && self.rules.high_water.is_some_and(|mark| depth >= mark) {
            self.armed = false;
            self.told.push(Told::HighWater(depth));
        }
    }

    /// Whether the message is accepted, or why not.
    fn send(&mut self, id: u64, key: Option<u64>, deadline: Option<u64>, permit: bool) -> Result<(), Refused> {
        if self.draining && !permit {
            self.told.push(Told::Refused(id));
            return Err(Refused::Draining);
        }
        let twin = self.queue.iter().position(|item| match item.kind {
            // A note's tag says whether its number is odd.
            Kind::Ruled { key: known, .. } if item.id % 2 == id % 2 => {
                self.rules.coalesce && key.is_some() && known == key
            }
            _ => false,
        });
        if permit {
            self.permits -= 1;
        }
        let by_age = self.rules.expire_after.map(|age| self.now + age);
        let by_itself = deadline.filter(|_| self.rules.expire_by);
        let deadline = by_age.into_iter().chain(by_itself).min();
        let item = Item { id, kind: Kind::Ruled { key, sent: self.now, deadline } };
        let mut enters = true;
        if let Some(place) = twin {
            self.bury(place, Dropped::Coalesced);
        } else if !permit && !self.has_room() {
            let oldest = self.queue.iter().position(|item| matches!(item.kind, Kind::Ruled { .. }));
            match (self.rules.overflow, oldest) {
                (Dropped::Rejected, _) => {
                    self.told.push(Told::Refused(id));
                    return Err(Refused::Full);
                }
                (Dropped::Oldest, Some(place)) => self.bury(place, Dropped::Oldest),
                _ => {
                    self.told.push(Told::Buried(id, Dropped::Newest));
                    enters = false;
                }
            }
        }
        if enters {
            self.queue.push(item);
        }
        self.announce();
        self.hand_over();
        Ok(())
    }

    /// CoDel, as its RFC tells it.
    fn sheds(&mut self, waited: u64, is_last: bool) -> bool {
        let Some((target, interval)) = self.rules.shed else { return false };
        let (storm, now) = (&mut self.storm, self.now);
        if waited < target || is_last {
            (storm.late_since, storm.on) = (None, false);
            return false;
        }
        let late_since = *storm.late_since.get_or_insert(now);
        if now - late_since < interval {
            storm.on = false;
            return false;
        }
        let nanos = |time: u64| time as f64 * 1e6;
        if storm.on && nanos(now) < storm.next {
            return false;
        }
        if storm.on {
            storm.count += 1;
            storm.next += (nanos(interval) / (storm.count as f64).sqrt()).floor();
        } else {
            let before = storm.count - storm.began_at;
            let soon = nanos(now) - storm.next < nanos(interval * 16);
            storm.count = if soon && before > 1 { before } else { 1 };
            storm.next = nanos(now) + (nanos(interval) / (storm.count as f64).sqrt()).floor();
            (storm.began_at, storm.on) = (storm.count, true);
        }
        true
    }

    /// The next item for the receiver, after those that must go. It still waits, as far as the high-water mark goes.
    fn next(&mut self) -> Option<Item> {
        let next = self.pass();
        let depth = self.depth() + usize::from(next.as_ref().is_some_and(Item::is_message));
        self.armed = self.armed || self.rules.high_water.is_some_and(|mark| depth <= mark / 2);
        next
    }

    fn pass(&mut self) -> Option<Item> {
        loop {
            let item = self.queue.first()?.clone();
            if let Kind::Ruled { sent, deadline, .. } = item.kind {
                if deadline.is_some_and(|deadline| self.now >= deadline) {
                    self.bury(0, Dropped::Expired);
                    continue;
                }
                let is_last = self.ruled() == 1;
                if self.sheds(self.now - sent, is_last) {
                    self.bury(0, Dropped::Shed);
                    continue;
                }
                self.held_count += 1;
            }
            self.queue.remove(0);
            return Some(item);
        }
    }

    /// A receive: what it takes. What it passes is held.
    fn receive(&mut self, wants: impl Fn(&Item) -> bool) -> Result<u64, Exchange> {
        let found = self.held.iter().position(&wants).map(|place| self.held.remove(place));
        let found = found.or_else(|| {
            loop {
                let mut item = self.next()?;
                match item.kind {
                    Kind::Signal { leaves_a_notice: false } => continue,
                    Kind::Signal { leaves_a_notice: true } => item.kind = Kind::Notice,
                    Kind::Alias { active: false } => {
                        self.told.push(Told::Buried(item.id, Dropped::Alias));
                        continue;
                    }
                    Kind::Alias { active: true } => item.kind = Kind::Timer,
                    _ => {}
                }
                if wants(&item) {
                    return Some(item);
                }
                self.held.push(item);
            }
        });
        if self.is_policed() {
            self.hand_over();
            self.held_count = self.held.len();
            self.hand_over();
        }
        let is_drained = self.draining && self.permits + self.granted.len() == 0;
        found.map(|item| item.id).ok_or(if is_drained { Exchange::Drained } else { Exchange::Empty })
    }
}

struct Sender {
    ticket: Ticket,
    bell: Arc<Bell>,
}

impl Sender {
    fn poll(&mut self, ruled: &Ruled) -> Poll<Result<(), Refused>> {
        ruled.intake.poll_room(&mut self.ticket, &Waker::from(Arc::clone(&self.bell)))
    }
}

fn policy(rules: &Rules, ruled: &Ruled) -> Policy<Note> {
    let ms = Duration::from_millis;
    let mut policy = rules.capacity.map_or(Policy::unbounded(), Policy::bounded);
    policy = match rules.overflow {
        _ if rules.capacity.is_none() => policy,
        Dropped::Oldest => policy.drop_oldest(),
        Dropped::Newest => policy.drop_newest(),
        _ => policy.reject(),
    };
    if rules.coalesce {
        policy = policy.coalesce();
    }
    if let Some(age) = rules.expire_after {
        policy = policy.expire_after(ms(age));
    }
    if rules.expire_by {
        let time = ruled.time.clone();
        policy = policy.expire_by(move |note: &Note| note.deadline.map(|deadline| time.at(deadline)));
    }
    if let Some((target, interval)) = rules.shed {
        policy = policy.shed(ms(target), ms(interval));
    }
    if let Some(mark) = rules.high_water {
        policy = policy.high_water(mark);
    }
    policy
}

fn rules() -> impl Strategy<Value = Rules> {
    let overflow = prop_oneof![Just(Dropped::Rejected), Just(Dropped::Oldest), Just(Dropped::Newest)];
    (
        proptest::option::of(1..6_usize),
        overflow,
        any::<bool>(),
        proptest::option::of(1..20_u64),
        any::<bool>(),
        proptest::option::weighted(0.4, (1..5_u64, 5..20_u64)),
        proptest::option::weighted(0.3, 1..6_usize),
    )
        .prop_map(|(capacity, overflow, coalesce, expire_after, expire_by, shed, high_water)| Rules {
            // A mailbox with nothing but a mark is of the first kind, whose exchanges are others.
            high_water: high_water.filter(|_| capacity.is_some()),
            capacity,
            overflow,
            coalesce,
            expire_after,
            expire_by,
            shed,
        })
}

/// An operation from a number, which is much cheaper to make than a tree of strategies: a choice of 42, and what it needs.
fn op(number: u32) -> Op {
    let (choice, rest) = (number % 42, u64::from(number / 42));
    let some = |of: u64, rest: u64| (!rest.is_multiple_of(3)).then_some(rest / 3 % of);
    match choice {
        0..=11 => Op::Send { key: some(3, rest), deadline: some(60, rest / 9) },
        12 => Op::Timer,
        13 | 14 => Op::Signal(rest % 2 == 0),
        15 | 16 => Op::Reserve,
        17 | 18 => Op::SendReserved(some(3, rest)),
        19 => Op::GiveUp,
        20 | 21 => Op::Wait,
        22..=24 => Op::Poll(rest as usize % 8),
        25 => Op::Leave(rest as usize % 8),
        26..=30 => Op::Receive,
        31..=34 => Op::ReceiveWhere(rest % 3),
        35 => Op::Walk,
        36..=38 => Op::Pass(1 + rest % 12),
        39 | 40 => Op::Alias(rest % 3 > 0),
        _ if rest % 4 == 0 => Op::Drain,
        _ => Op::Restart,
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any::<u32>(), 0..50).prop_map(|numbers| numbers.into_iter().map(op).collect())
}

/// Runs both and compares after each step.
fn agree(rules: Rules, ops: Vec<Op>) {
    let mut ruled = Ruled::waiting();
    let policy = policy(&rules, &ruled);
    ruled.limit(policy).expect("the policy is a good one");
    assert!(ruled.intake.open(1));
    let mut oracle = Oracle::new(rules);
    assert_eq!(ruled.intake.is_policed(), oracle.is_policed());
    let mut run = Run { incarnation: 1, senders: Vec::new(), ends: Vec::new(), sent: 0, number: 1_000 };
    for op in ops {
        run.step(op, &mut ruled, &mut oracle);
        let told = ruled.list.take();
        assert_eq!(told, oracle.told, "what the undertaker was told");
        for told in oracle.told.drain(..) {
            match told {
                Told::Buried(id, _) => run.ends.push(id),
                Told::Refused(id) => run.ends.push(id),
                Told::HighWater(_) => {}
            }
        }
        assert_eq!(ruled.intake.depth(), oracle.depth(), "depth");
        if oracle.is_policed() {
            assert_eq!(ruled.intake.has_signals(), oracle.must_be_walked(), "what must be walked");
        }
        for number in &oracle.granted {
            assert!(run.senders[*number].bell.rung() > 0, "who was granted room was woken");
        }
    }
    run.close(&mut ruled, &mut oracle, true);
    run.ends.sort_unstable();
    assert!(run.ends.iter().copied().eq(0..run.sent), "every message ended once: {:?}", run.ends);
    assert_eq!(ruled.alive.count(), 0, "every message was destructed");
}

/// One case as it goes on.
struct Run {
    incarnation: u64,
    senders: Vec<Sender>,
    /// The messages that have ended.
    ends: Vec<u64>,
    sent: u64,
    /// Numbers of signals, which are no messages.
    number: u64,
}

impl Run {
    fn step(&mut self, op: Op, ruled: &mut Ruled, oracle: &mut Oracle) {
        match op {
            Op::Send { key, deadline } => {
                let mut note = ruled.note(key);
                note.deadline = deadline;
                self.compare_send(note, ruled, oracle, false);
            }
            Op::SendReserved(key) => {
                if oracle.permits > 0 {
                    let note = ruled.note(key);
                    self.compare_send(note, ruled, oracle, true);
                }
            }
            Op::Timer => {
                let note = ruled.note(None);
                self.sent += 1;
                oracle.queue.push(Item { id: note.id, kind: Kind::Timer });
                assert!(ruled.intake.push_for(self.incarnation, note).is_ok());
            }
            Op::Signal(leaves_a_notice) => {
                self.number += 1;
                oracle.queue.push(Item { id: self.number, kind: Kind::Signal { leaves_a_notice } });
                let signal = if leaves_a_notice { Signal::Down(self.number) } else { Signal::Nothing };
                assert!(ruled.intake.push_signal(self.incarnation, Box::new(signal)).is_ok());
            }
            Op::Alias(active) => {
                // A queue of the first kind is walked as a whole: when it is, the list does not know.
                let active = active || !oracle.is_policed();
                let message = ruled.note(None);
                self.sent += 1;
                oracle.queue.push(Item { id: message.id, kind: Kind::Alias { active } });
                let alias = Ruled::alias(active);
                let aliased = Aliased { alias, ahead: false, message };
                assert!(ruled.intake.push_aliased(self.incarnation, Box::new(aliased)).is_ok());
            }
            Op::Reserve => {
                let reserved = ruled.intake.try_reserve();
                let expected = match (oracle.draining, oracle.has_room()) {
                    (true, _) => Err(Refused::Draining),
                    (false, true) => Ok(()),
                    (false, false) => Err(Refused::Full),
                };
                assert_eq!(reserved.as_ref().map_err(discriminant), expected.as_ref().map_err(discriminant));
                oracle.permits += usize::from(expected.is_ok());
            }
            Op::GiveUp => {
                if oracle.permits > 0 {
                    oracle.permits -= 1;
                    oracle.hand_over();
                    ruled.intake.give_up_room();
                }
            }
            Op::Wait => {
                self.senders.push(Sender { ticket: Ticket::new(), bell: Arc::default() });
                self.poll(self.senders.len() - 1, ruled, oracle);
            }
            Op::Poll(which) if !self.senders.is_empty() => self.poll(which % self.senders.len(), ruled, oracle),
            Op::Leave(which) if !self.senders.is_empty() => {
                let number = which % self.senders.len();
                oracle.line.retain(|waiting| *waiting != number);
                oracle.granted.retain(|granted| *granted != number);
                oracle.hand_over();
                ruled.intake.leave(&mut self.senders[number].ticket);
            }
            Op::Poll(_) | Op::Leave(_) => {}
            Op::Receive => {
                let received = ruled.receive_any();
                self.compare_receive(received, oracle.receive(|_| true));
            }
            Op::ReceiveWhere(rest) => {
                let received = ruled.receive_where(3, rest);
                self.compare_receive(received, oracle.receive(|item| item.is_message() && item.id % 3 == rest));
            }
            Op::Walk => {
                ruled.walk();
                let told = &mut oracle.told;
                oracle.queue.retain_mut(|item| {
                    match item.kind {
                        Kind::Signal { leaves_a_notice: false } => return false,
                        Kind::Signal { leaves_a_notice: true } => item.kind = Kind::Notice,
                        Kind::Alias { active: false } => {
                            told.push(Told::Buried(item.id, Dropped::Alias));
                            return false;
                        }
                        Kind::Alias { active: true } => item.kind = Kind::Timer,
                        _ => {}
                    }
                    true
                });
            }
            Op::Pass(time) => {
                ruled.time.pass(time);
                oracle.now += time;
            }
            Op::Drain => {
                assert!(ruled.intake.drain());
                oracle.draining = true;
                oracle.line.clear();
            }
            Op::Restart => self.close(ruled, oracle, false),
        }
    }

    fn compare_send(&mut self, note: Note, ruled: &Ruled, oracle: &mut Oracle, permit: bool) {
        self.sent += 1;
        let id = note.id;
        let expected = oracle.send(id, note.key, note.deadline, permit);
        let parked = ruled.bell.rung();
        let sent = if permit { ruled.intake.push_reserved(note) } else { ruled.intake.push(note) };
        let sent = sent.map_err(|refused| {
            assert_eq!(refused.message.id, id, "the message comes back");
            refused.why
        });
        assert_eq!(sent.as_ref().map_err(discriminant), expected.as_ref().map_err(discriminant));
        assert!(ruled.bell.rung() - parked <= 1, "one wake per wait");
    }

    fn compare_receive(&mut self, received: Result<Event<Note>, Exchange>, expected: Result<u64, Exchange>) {
        assert_eq!(received.as_ref().map(id_of).map_err(|nothing| *nothing), expected);
        if let Ok(Event::Message(note)) = received {
            self.ends.push(note.id);
        }
    }

    fn poll(&mut self, number: usize, ruled: &Ruled, oracle: &mut Oracle) {
        let polled = self.senders[number].poll(ruled);
        let expected = if let Some(place) = oracle.granted.iter().position(|granted| *granted == number) {
            oracle.granted.remove(place);
            oracle.permits += 1;
            Poll::Ready(Ok(()))
        } else if oracle.draining {
            Poll::Ready(Err(Refused::Draining))
        } else if oracle.line.contains(&number) {
            Poll::Pending
        } else if oracle.has_room() {
            oracle.permits += 1;
            Poll::Ready(Ok(()))
        } else {
            oracle.line.push(number);
            Poll::Pending
        };
        let kind = |polled: Poll<Result<(), Refused>>| polled.map_err(|why| discriminant(&why));
        assert_eq!(kind(polled), kind(expected));
    }

    /// The end of an incarnation: what is left, oldest first, and the next one.
    fn close(&mut self, ruled: &mut Ruled, oracle: &mut Oracle, for_good: bool) {
        let line = oracle.line.iter().map(|number| self.senders[*number].bell.rung()).collect::<Vec<_>>();
        let mut left = ruled.intake.close(for_good.then_some(freeboard_signal::ExitReason::Normal));
        let after = oracle.line.drain(..).map(|number| self.senders[number].bell.rung());
        assert!(after.zip(line).all(|(after, before)| after == before + 1), "who waits is told");
        let mut ids = Vec::new();
        while let Some(entry) = ruled.inbox.take_next().or_else(|| left.take_next()) {
            match entry {
                Entry::Event(Event::Message(note)) => {
                    ids.push(note.id);
                    self.ends.push(note.id);
                    ruled.intake.bury(note, Dropped::Exited);
                }
                Entry::Event(Event::Down(down)) => ids.push(down.monitor.number()),
                Entry::Signal(signal) => match *signal {
                    Signal::Down(number) => ids.push(number),
                    Signal::Nothing => {}
                },
                Entry::Aliased(aliased) => {
                    ids.push(aliased.message.id);
                    self.ends.push(aliased.message.id);
                    ruled.intake.bury(aliased.message, Dropped::Exited);
                }
                other => assert!(matches!(other, Entry::Gone), "nothing else was sent"),
            }
        }
        let expected = oracle.held.drain(..).chain(oracle.queue.drain(..));
        let leaves_nothing = |item: &Item| item.kind == Kind::Signal { leaves_a_notice: false };
        assert!(expected.filter(|item| !leaves_nothing(item)).map(|item| item.id).eq(ids), "what is left, in order");
        ruled.list.take();
        (oracle.held_count, oracle.draining, oracle.storm) = (0, false, Storm::default());
        if !for_good {
            self.incarnation += 1;
            assert!(ruled.intake.open(self.incarnation));
        }
    }
}

/// How many cases are tried, unless `FREEBOARD_CASES` says otherwise.
fn cases() -> u32 {
    std::env::var("FREEBOARD_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    // OTP: E13
    #[test]
    fn a_policed_mailbox_does_what_a_scanned_list_does(rules in rules(), ops in ops()) {
        agree(rules, ops);
    }
}
