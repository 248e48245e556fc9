//! What one incarnation knows: its parent, links, monitors, aliases, names, trap flag, timers; and what each signal does to it.
//!
//! [`Life::on`] is the whole rule book of signals, a pure function of state and signal. It runs in the process's own
//! task, in queue order, so the links and monitors of a process are changed by nobody else.
//!
//! # Links
//! A link is a set of link tokens per pair. Each `link` makes a token and tells the peer; `unlink` takes away the tokens
//! *it has seen* and tells the peer which. So a link and an unlink that cross on the way end in the same state on both
//! sides (an observed-remove set), and an exit that belongs to removed tokens finds none and is ignored (OTP: B10, B11).
//!
//! # Invariants
//! * The first fatal signal decides the reason; later ones change nothing (OTP: A8).
//! * `NoProc` and `NoConnection` are no causes of death: what ends a process with one of them is recorded as an
//!   [`Absent`](freeboard_signal::Absent) error (OTP: A7).
//! * A notice takes its row, so it is delivered at most once and never after the row was taken back (OTP: C2, C6).
//!
//! # Not here
//! Locks, queues, tasks. The maps are allocated when the first link or monitor is made; everything that an idle process
//! has no use for is behind a pointer.

use crate::about::About;
use crate::alias::Aliases;
use crate::closing::OfSeat;
use crate::feed::Errand;
use crate::keyed::Holdings;
use crate::reply::Settle;
use crate::start::{Ack, Dependents, StartError, Supervision};
use crate::table::NODE_SLOT;
use crate::timer::Timer;
use crate::wire::{Peer, Signal, Through};
use foldhash::fast::FixedState;
use freeboard_mailbox::Event;
use freeboard_monitor::{Row, Watchers, Watching};
use freeboard_signal::{Bare, Exit, ExitReason, Pid, Ref};
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

/// A map whose iteration order depends on the operations only.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// The state of one incarnation.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) trap_exit: bool,
    /// Whether it was a signal that decided its end.
    pub(crate) by_signal: bool,
    /// Whether this is an actor with a `terminate` of its own.
    pub(crate) cleans_up: bool,
    /// Whether this incarnation is, or was, up, or one before it on this seat. Handed on at each start, and left at the end.
    pub(crate) was_up: bool,
    /// Why it ends, [packed](ExitReason::pack): set by the first fatal signal, or by the end of the body.
    bare_doom: Option<Bare>,
    doom: Option<Box<ExitReason>>,
    /// Not there for a process that nobody waits for and that has no parent.
    pub(crate) obligations: Option<Box<Obligations>>,
    rows: Option<Box<Rows>>,
}

/// Who started a process, and what it owes them.
pub(crate) struct Obligations {
    pub(crate) parent: Option<Parent>,
    pub(crate) supervision: Option<Arc<dyn Supervision>>,
    pub(crate) ack: Option<Ack>,
    /// Whether its start was acknowledged.
    pub(crate) up: bool,
    /// What its starter shall hear if it never comes up; its exit reason if there is nothing better.
    pub(crate) failure: Option<Box<StartError>>,
    /// Who started it, and who started those, the parent first.
    pub(crate) ancestors: Option<Arc<Vec<Pid>>>,
    pub(crate) about: Option<Box<About>>,
}

/// Who started this process.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) pid: Pid,
    /// Whether the supervisor's death reaches this process; a child may unlink itself (OTP: G36).
    pub(crate) linked: bool,
}

/// What most processes never need.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) links: Map<Pid, Link>,
    pub(crate) watching: Watching<Peer>,
    pub(crate) watchers: Watchers<Peer>,
    pub(crate) aliases: Aliases,
    /// What it is registered as; written together with the node's table (`names.rs`).
    pub(crate) names: Vec<Arc<str>>,
    /// The keys and groups it holds; written together with their tables (`keyed.rs`).
    pub(crate) keys: Option<Box<Holdings>>,
    /// Timers that send to this process, by their numbers: in the order in which they were set.
    pub(crate) timers: BTreeMap<u64, Timer>,
    /// Futures and streams outside whose results it gets, in the order in which they were started.
    pub(crate) feeds: BTreeMap<Ref, Arc<dyn Errand>>,
    /// Calls made before the first start, which have no clock yet.
    pub(crate) early_calls: Vec<Arc<dyn Settle>>,
    /// Calls that end with this process, whoever holds their replies; over ones among them.
    pub(crate) bound: Vec<Weak<dyn Settle>>,
    /// Answers to be given when this process is over, in this order.
    pub(crate) last_words: Vec<Arc<dyn Settle>>,
    /// A supervisor's children.
    pub(crate) dependents: Option<Arc<dyn Dependents>>,
    /// What is not the incarnation's but the seat's, and handed on.
    pub(crate) of_seat: Option<Box<OfSeat>>,
}

/// One linked peer and the tokens that hold the link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Peer,
    pub(crate) tokens: Vec<Ref>,
    /// Whether this side's exit message goes ahead of ordinary messages (OTP: B15).
    pub(crate) priority: bool,
}

/// A message that came through an alias and was accepted.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Whether it goes ahead of ordinary messages.
    pub(crate) ahead: bool,
    /// The monitor that it ends; its target is still to be told.
    pub(crate) ends: Option<Row<Peer>>,
}

/// What a signal came to.
#[derive(Debug)]
pub(crate) enum Applied {
    /// Nothing that the process could receive.
    Nothing,
    /// Nothing either; what the signal carried may be user data, so it is dropped outside the lock.
    Ignored(ExitReason),
    /// An event, at the signal's place in the queue.
    Event(Event<std::convert::Infallible>),
    /// An event that stands ahead of ordinary messages.
    Ahead(Event<std::convert::Infallible>),
    /// The process must end; `doom` says why.
    Fatal,
}

impl Life {
    /// The maps, made on first use.
    pub(crate) fn rows(&mut self) -> &mut Rows {
        self.rows.get_or_insert_default()
    }

    /// The maps, if there ever was a use for them.
    pub(crate) fn rows_if_any(&mut self) -> Option<&mut Rows> {
        self.rows.as_deref_mut()
    }

    /// Takes the maps: the process is dead. What is the seat's stays.
    pub(crate) fn take_rows(&mut self) -> Option<Box<Rows>> {
        let mut rows = self.rows.take()?;
        if let Some(of_seat) = rows.of_seat.take() {
            self.rows().of_seat = Some(of_seat);
        }
        Some(rows)
    }

    /// What belongs to the seat, made on first use.
    pub(crate) fn of_seat(&mut self) -> &mut OfSeat {
        self.rows().of_seat.get_or_insert_default()
    }

    /// Who started this process, if a process did.
    pub(crate) fn parent(&mut self) -> Option<&mut Parent> {
        self.obligations.as_mut()?.parent.as_mut()
    }

    /// Why the process must end, if it must.
    pub(crate) fn doom(&self) -> Option<ExitReason> {
        ExitReason::unpack(self.bare_doom, self.doom.as_deref())
    }

    fn is_doomed(&self) -> bool {
        self.bare_doom.is_some() || self.doom.is_some()
    }

    /// Ends the process for this reason, unless there is one already. Answers the reason that counts.
    pub(crate) fn end(&mut self, reason: ExitReason) -> ExitReason {
        self.doom().unwrap_or_else(|| {
            let reason = reason.into_cause();
            (self.bare_doom, self.doom) = reason.clone().pack();
            reason
        })
    }

    /// Whether an exit signal that was not trapped has just kept an actor from its own `terminate`.
    pub(crate) fn skips_terminate(&self) -> bool {
        self.cleans_up && self.bare_doom != Some(Bare::Killed)
    }

    /// The process is up: whom to tell, when the lock is released, if anybody waits to hear it.
    pub(crate) fn come_up(&mut self) -> Option<Up> {
        self.was_up = true;
        self.obligations.as_mut()?.come_up()
    }

    /// What it says of itself.
    pub(crate) fn about(&mut self) -> &mut About {
        self.obligations.get_or_insert_with(Obligations::to_nobody).about.get_or_insert_default()
    }

    /// Applies one signal.
    pub(crate) fn on(&mut self, signal: Signal) -> Applied {
        match signal {
            Signal::Kill => self.fatal(ExitReason::Killed),
            Signal::Exit { from, reason, through } => {
                match through.map_or(Some(false), |through| self.exit_way(through)) {
                    Some(ahead) => self.exit_signal(Exit::new(from, reason), ahead),
                    None => Applied::Ignored(reason),
                }
            }
            Signal::ParentExit { from, reason } if from.slot() == NODE_SLOT => {
                self.adopt(from);
                self.exit_signal(Exit::of_link(from, reason), false)
            }
            Signal::ParentExit { from, reason } => match self.parent() {
                Some(parent) if parent.pid == from && parent.linked => {
                    parent.linked = false;
                    self.exit_signal(Exit::of_link(from, reason), false)
                }
                _ => Applied::Ignored(reason),
            },
            Signal::LinkExit { from, links, reason } => {
                let Some(rows) = &mut self.rows else { return Applied::Ignored(reason) };
                match rows.links.get(&from) {
                    Some(link) if link.tokens.iter().any(|token| links.contains(token)) => {
                        let ahead = link.priority;
                        rows.links.remove(&from);
                        self.exit_signal(Exit::of_link(from, reason), ahead)
                    }
                    _ => Applied::Ignored(reason),
                }
            }
            Signal::Ask(asked) => Applied::Event(Event::Asked(asked)),
            Signal::Link { link, peer } => {
                self.rows().add_link(peer, link);
                Applied::Nothing
            }
            Signal::Unlink { from, links } => {
                if let Some(rows) = &mut self.rows {
                    rows.remove_tokens(from, &links);
                }
                Applied::Nothing
            }
            Signal::Monitor { monitor, watcher } => {
                self.rows().watchers.insert(monitor, watcher);
                Applied::Nothing
            }
            Signal::Bound { call } => {
                self.rows().bind(call.0);
                Applied::Nothing
            }
            Signal::Demonitor { monitor } => {
                if let Some(rows) = &mut self.rows {
                    rows.watchers.remove(monitor);
                }
                Applied::Nothing
            }
            Signal::Down { monitor, reason } => match self.rows.as_mut().and_then(|rows| rows.take_monitor(monitor)) {
                Some(row) => {
                    let ahead = row.priority;
                    placed(Event::Down(Box::new(row.into_down(monitor, reason))), ahead)
                }
                None => Applied::Ignored(reason),
            },
        }
    }

    /// Whether a message is accepted that came through an alias (OTP: C15). The first one may end the alias (OTP: C16), and
    /// its monitor with it (OTP: C14).
    pub(crate) fn admit(&mut self, alias: Ref, ahead: bool) -> Option<Admitted> {
        let rows = self.rows.as_mut()?;
        let way = rows.aliases.message(alias, ahead)?;
        let ends = if way.ends_monitor { rows.watching.take(alias) } else { None };
        Some(Admitted { ahead: way.ahead, ends })
    }

    /// Which way an exit signal takes that came through an alias; `None` if it is not accepted.
    fn exit_way(&self, through: Through) -> Option<bool> {
        self.rows.as_ref()?.aliases.exit(through.alias, through.ahead)
    }

    /// An exit signal, explicit or from an active link (OTP: B4–B7). The parent's always goes ahead (deviation DEV-04).
    fn exit_signal(&mut self, exit: Exit, ahead: bool) -> Applied {
        if self.trap_exit {
            let from_parent = self.parent().is_some_and(|parent| parent.pid == exit.from);
            return placed(Event::Exit(Box::new(exit)), ahead || from_parent);
        }
        match exit.reason {
            ExitReason::Normal => Applied::Nothing,
            fatal => self.fatal(fatal),
        }
    }

    /// The node is the parent from now on, because it stops and there is no other: so its exit is the parent's (OTP: F28).
    fn adopt(&mut self, node: Pid) {
        if self.trap_exit {
            self.obligations.get_or_insert_with(Obligations::to_nobody).parent =
                Some(Parent { pid: node, linked: false });
        }
    }

    fn fatal(&mut self, reason: ExitReason) -> Applied {
        if self.is_doomed() {
            return Applied::Ignored(reason);
        }
        (self.bare_doom, self.doom) = reason.into_cause().pack();
        self.by_signal = true;
        Applied::Fatal
    }
}

/// An event in its place, or ahead of ordinary messages.
fn placed(event: Event<std::convert::Infallible>, ahead: bool) -> Applied {
    if ahead { Applied::Ahead(event) } else { Applied::Event(event) }
}

impl Rows {
    /// Adds a link token; the first one of a pair makes the link.
    pub(crate) fn add_link(&mut self, peer: Peer, token: Ref) -> &mut Link {
        let new = || Link { peer: peer.clone(), tokens: Vec::with_capacity(1), priority: false };
        let link = self.links.entry(peer.pid).or_insert_with(new);
        link.tokens.push(token);
        link
    }

    /// Takes a monitor's row, by its notice or by `demonitor`; an alias that lasts no longer than it ends with it.
    pub(crate) fn take_monitor(&mut self, monitor: Ref) -> Option<Row<Peer>> {
        let row = self.watching.take(monitor)?;
        self.aliases.monitor_ended(monitor);
        Some(row)
    }

    /// Binds a call to this process. Those that are over are forgotten when there is no more room for them.
    fn bind(&mut self, call: Weak<dyn Settle>) {
        if self.bound.len() == self.bound.capacity() {
            self.bound.retain(|call| call.strong_count() > 0);
            // Room for as many more, so that each is looked at a fixed number of times on average.
            self.bound.reserve(self.bound.len().max(4));
        }
        self.bound.push(call);
    }

    pub(crate) fn remember_timer(&mut self, timer: Timer) {
        self.timers.insert(timer.number(), timer);
    }

    /// Forgets a timer that fired or is taken back.
    pub(crate) fn forget_timer(&mut self, number: u64) {
        self.timers.remove(&number);
    }

    fn remove_tokens(&mut self, from: Pid, gone: &[Ref]) {
        if let Some(link) = self.links.get_mut(&from) {
            link.tokens.retain(|token| !gone.contains(token));
            if link.tokens.is_empty() {
                self.links.remove(&from);
            }
        }
    }
}

/// Who is to be told that a process is up.
pub(crate) struct Up {
    supervision: Option<Arc<dyn Supervision>>,
    ack: Option<Ack>,
}

impl Up {
    /// Tells them: the supervisor's row first, then the starter. A supervisor's table must not be entered under a lock of the
    /// process.
    pub(crate) fn tell(self, pid: Pid) {
        if let Some(supervision) = self.supervision {
            supervision.started(pid);
        }
        if let Some(ack) = self.ack {
            ack.answer(Ok(()));
        }
    }
}

impl Obligations {
    /// Nobody started it, and nobody waits for it.
    fn to_nobody() -> Box<Self> {
        Box::new(Self {
            parent: None,
            supervision: None,
            ack: None,
            up: true,
            failure: None,
            ancestors: None,
            about: None,
        })
    }

    /// The process is up, if it was not before: whom to tell, when the lock is released.
    fn come_up(&mut self) -> Option<Up> {
        if std::mem::replace(&mut self.up, true) {
            return None;
        }
        Some(Up { supervision: self.supervision.clone(), ack: self.ack.take() })
    }

    /// The process is over; if it never came up, its starter hears why.
    pub(crate) fn fail(&mut self, error: StartError) {
        if let Some(ack) = self.ack.take() {
            ack.answer(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    //! What a signal carries and nobody gets comes back, to be dropped without the lock.
    use super::*;

    /// A reason of the user's own, and whether it is still there.
    fn reason() -> (ExitReason, Weak<str>) {
        let text: Arc<str> = "a user's".into();
        let there = Arc::downgrade(&text);
        (ExitReason::from(Mine(text)), there)
    }

    #[derive(Debug)]
    struct Mine(Arc<str>);

    impl std::fmt::Display for Mine {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl std::error::Error for Mine {}

    #[test]
    fn a_reason_that_nobody_gets_is_not_dropped_by_the_rules() {
        let (from, monitor) = (Pid::new(0, 1, 1), Ref::new(0, 1));
        let signals: [fn(Pid, Ref, ExitReason) -> Signal; 5] = [
            |from, _, reason| Signal::Exit { from, reason, through: None },
            |from, token, reason| Signal::LinkExit { from, links: vec![token], reason },
            |from, _, reason| Signal::ParentExit { from, reason },
            |_, monitor, reason| Signal::Down { monitor, reason },
            |from, alias, reason| Signal::Exit { from, reason, through: Some(Through { alias, ahead: false }) },
        ];
        for make in signals {
            // It is doomed already, and has neither links nor monitors nor aliases.
            let mut life = Life::default();
            life.end(ExitReason::Killed);
            let (reason, there) = reason();
            let came_to = life.on(make(from, monitor, reason));
            assert!(there.upgrade().is_some(), "{came_to:?}");
        }
    }
}
