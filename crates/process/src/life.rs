//! What one incarnation knows: its parent, links, monitors, trap flag, timers; and what each signal does to it.
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
//! * A notice takes its row, so it is delivered at most once and never after the row was taken back (OTP: C2, C6).
//!
//! # Not here
//! Locks, queues, tasks. The maps are allocated when the first link or monitor is made.

use crate::reply::Settle;
use crate::start::{Ack, Dependents, StartError, Supervision};
use crate::timer::Timer;
use crate::wire::{Peer, Signal};
use foldhash::fast::FixedState;
use freeboard_mailbox::Event;
use freeboard_monitor::{Row, Watchers, Watching};
use freeboard_signal::{Exit, ExitReason, Pid, Ref};
use std::{collections::VecDeque, sync::Arc};

/// A map whose iteration order depends on the operations only.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// The state of one incarnation.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) trap_exit: bool,
    pub(crate) parent: Option<Parent>,
    /// Set by the first fatal signal, or by the end of the body.
    pub(crate) doom: Option<ExitReason>,
    pub(crate) obligations: Option<Box<Obligations>>,
    /// A supervisor's children.
    pub(crate) dependents: Option<Arc<dyn Dependents>>,
    rows: Option<Box<Rows>>,
}

/// What a process owes to those who started it.
pub(crate) struct Obligations {
    pub(crate) supervision: Option<Arc<dyn Supervision>>,
    pub(crate) ack: Option<Ack>,
    /// Whether its start was acknowledged.
    pub(crate) up: bool,
    /// What its starter shall hear if it never comes up; its exit reason if there is nothing better.
    pub(crate) failure: Option<StartError>,
}

/// Who started this process.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) pid: Pid,
    /// Whether the supervisor's death reaches this process; a child may unlink itself (OTP: G36).
    pub(crate) linked: bool,
}

/// What most processes never need.
#[derive(Default, Debug)]
pub(crate) struct Rows {
    pub(crate) links: Map<Pid, Link>,
    pub(crate) watching: Watching<Peer>,
    pub(crate) watchers: Watchers<Peer>,
    /// Timers that send to this process, in the order in which they were set.
    pub(crate) timers: Vec<Timer>,
    /// The parent's exit, while it waits to be received ahead of the queue.
    pub(crate) urgent: VecDeque<Exit>,
    /// Calls made before the first start, which have no clock yet.
    pub(crate) early_calls: Vec<Arc<dyn Settle>>,
}

/// One linked peer and the tokens that hold the link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Peer,
    pub(crate) tokens: Vec<Ref>,
}

/// What a signal came to.
#[derive(Debug)]
pub(crate) enum Applied {
    /// Nothing that the process could receive.
    Nothing,
    /// An event, at the signal's place in the queue.
    Event(Event<std::convert::Infallible>),
    /// The parent's exit stands ahead of the queue (deviation DEV-04).
    Urgent,
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

    /// Takes the maps: the process is dead.
    pub(crate) fn take_rows(&mut self) -> Option<Box<Rows>> {
        self.rows.take()
    }

    /// Applies one signal.
    pub(crate) fn on(&mut self, signal: Signal) -> Applied {
        match signal {
            Signal::Kill => self.doom(ExitReason::Killed),
            Signal::Exit { from, reason } => self.exit_signal(from, reason),
            Signal::ParentExit { from, reason } => match &mut self.parent {
                Some(parent) if parent.pid == from && parent.linked => {
                    parent.linked = false;
                    self.exit_signal(from, reason)
                }
                _ => Applied::Nothing,
            },
            Signal::LinkExit { from, links, reason } => {
                let Some(rows) = &mut self.rows else { return Applied::Nothing };
                match rows.links.get(&from) {
                    Some(link) if link.tokens.iter().any(|token| links.contains(token)) => {
                        rows.links.remove(&from);
                        self.exit_signal(from, reason)
                    }
                    _ => Applied::Nothing,
                }
            }
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
            Signal::Demonitor { monitor } => {
                if let Some(rows) = &mut self.rows {
                    rows.watchers.remove(monitor);
                }
                Applied::Nothing
            }
            Signal::Down { monitor, reason } => match self.rows.as_mut().and_then(|rows| rows.watching.take(monitor)) {
                Some(row) => Applied::Event(Event::Down(Box::new(Row::into_down(row, monitor, reason)))),
                None => Applied::Nothing,
            },
        }
    }

    /// An exit signal, explicit or from an active link (OTP: B4–B7).
    fn exit_signal(&mut self, from: Pid, reason: ExitReason) -> Applied {
        if self.trap_exit {
            let exit = Exit::new(from, reason);
            return match &self.parent {
                Some(parent) if parent.pid == from => {
                    self.rows().urgent.push_back(exit);
                    Applied::Urgent
                }
                _ => Applied::Event(Event::Exit(Box::new(exit))),
            };
        }
        match reason {
            ExitReason::Normal => Applied::Nothing,
            fatal => self.doom(fatal),
        }
    }

    fn doom(&mut self, reason: ExitReason) -> Applied {
        self.doom.get_or_insert(reason);
        Applied::Fatal
    }
}

impl Rows {
    /// Adds a link token; the first one of a pair makes the link.
    pub(crate) fn add_link(&mut self, peer: Peer, token: Ref) {
        self.links.entry(peer.pid).or_insert_with(|| Link { peer, tokens: Vec::with_capacity(1) }).tokens.push(token);
    }

    /// Forgets a timer that fired or was taken back.
    pub(crate) fn forget_timer(&mut self, number: u64) {
        if let Ok(place) = self.timers.binary_search_by_key(&number, |timer| timer.number()) {
            self.timers.remove(place);
        }
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

impl Obligations {
    /// The process is up: its supervisor's row first, then its starter.
    pub(crate) fn acknowledge(&mut self, pid: Pid) {
        if std::mem::replace(&mut self.up, true) {
            return;
        }
        if let Some(supervision) = &self.supervision {
            supervision.started(pid);
        }
        if let Some(ack) = self.ack.take() {
            ack.answer(Ok(()));
        }
    }

    /// The process is over; if it never came up, its starter hears why.
    pub(crate) fn fail(&mut self, error: StartError) {
        if let Some(ack) = self.ack.take() {
            ack.answer(Err(error));
        }
    }
}
