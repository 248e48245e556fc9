//! What stands in a mailbox.
//!
//! Invariant: notices are boxed, so that they cost messages nothing: `Event<u64>` and `Entry<u64, _>` are 16 bytes.

use crate::Timed;
use crate::index::Name;
use freeboard_signal::{Down, Downs, Exit, Pid, Ref};
use std::{any::Any, fmt, sync::Arc};

/// What a process receives, in one reception order (OTP: D1–D4, E1).
#[non_exhaustive]
pub enum Event<M> {
    /// An ordinary message.
    Message(M),
    /// A monitored process is gone.
    Down(Box<Down>),
    /// Several monitored processes are gone.
    Downs(Box<Downs>),
    /// A trapped exit signal.
    Exit(Box<Exit>),
    /// Something the runtime asks of the receiver, which it serves itself: no receive hands this to user code.
    #[doc(hidden)]
    Asked(Box<Asked>),
}

/// What the runtime asks of a receiver, in order with its messages. A mailbox carries it and never looks inside.
#[doc(hidden)]
pub struct Asked(pub Box<dyn Any + Send + Sync>);

/// A place in the queue: an event, a signal that was not applied yet, or nothing any more.
///
/// `S` is the runtime's signal; the mailbox carries it in order and never looks inside.
#[derive(Debug)]
pub enum Entry<M, S> {
    /// Something to receive.
    Event(Event<M>),
    /// A signal still in transit.
    Signal(Box<S>),
    /// A message that came through an alias. Until the receiver has walked it, nobody knows whether the alias still holds.
    Aliased(Box<Aliased<M>>),
    /// The message of a timer that can be taken back; if it was, this is nothing any more.
    Timed(Arc<Timed<M>>),
    /// A message that belongs to the present incarnation, such as a timer's, in a mailbox whose queue may outlive it.
    Own(Box<M>),
    /// A signal that was applied and left nothing to receive.
    Gone,
}

/// A message sent through an alias of its receiver.
pub struct Aliased<M> {
    /// The alias.
    pub alias: Ref,
    /// Whether its sender asked for it to go ahead of ordinary messages (OTP: E14).
    pub ahead: bool,
    /// The message.
    pub message: M,
}

/// Which notice is meant, when one is to be taken out of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The [`Down`] of this monitor.
    Down(Ref),
    /// An [`Exit`] of this process, the oldest if there are several.
    Exit(Pid),
}

impl Notice {
    pub(crate) fn is<M>(self, event: &Event<M>) -> bool {
        match (self, event) {
            (Self::Down(monitor), Event::Down(down)) => down.monitor == monitor,
            (Self::Exit(from), Event::Exit(exit)) => exit.from == from,
            _ => false,
        }
    }

    /// What an index finds it by.
    pub(crate) fn name(self) -> Name {
        match self {
            Self::Down(monitor) => Name::Down(monitor),
            Self::Exit(from) => Name::Exit(from),
        }
    }
}

const _: () = assert!(size_of::<Event<u64>>() == 16);
const _: () = assert!(size_of::<Entry<u64, [u64; 9]>>() == 16);

impl<M> Event<M> {
    /// The message, if it is one.
    pub fn message(self) -> Option<M> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }

    /// Whether this tells of a death, after which nothing comes from who died. An exit signal that somebody sent does not.
    pub(crate) fn is_death_notice(&self) -> bool {
        match self {
            Self::Message(_) | Self::Asked(_) => false,
            Self::Down(_) | Self::Downs(_) => true,
            Self::Exit(exit) => exit.is_of_link(),
        }
    }
}

impl<M> fmt::Debug for Aliased<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aliased").field("alias", &self.alias).field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Event<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(_) => f.write_str("Message(..)"),
            Self::Down(down) => fmt::Debug::fmt(down, f),
            Self::Downs(downs) => fmt::Debug::fmt(downs, f),
            Self::Exit(exit) => fmt::Debug::fmt(exit, f),
            Self::Asked(asked) => fmt::Debug::fmt(asked, f),
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}
