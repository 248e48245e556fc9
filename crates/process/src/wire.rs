//! What travels between processes besides messages, and the handle it travels by.
//!
//! A signal stands in the receiver's queue in order with the messages and is applied by the receiver's own task when it
//! passes it (`life.rs`). So the sender never looks into another process: it pushes, and the receiver decides.

use crate::reply::Settle;
use crate::seat::AnySeat;
use freeboard_mailbox::Asked;
use freeboard_signal::{ExitReason, Pid, Ref};
use std::{
    fmt,
    sync::{Arc, Weak},
};

/// One incarnation and how to reach it.
#[derive(Clone)]
pub struct Peer {
    pub(crate) pid: Pid,
    pub(crate) seat: Arc<dyn AnySeat>,
}

impl Peer {
    /// Which incarnation this is.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends an exit signal, as from `from`. Nothing happens if that incarnation is gone.
    pub fn exit(&self, from: Pid, reason: ExitReason) {
        let _gone = self.signal(Signal::Exit { from, reason, through: None });
    }

    /// Kills: the signal that nobody can trap (OTP: A5). Nothing happens if that incarnation is gone.
    pub fn kill(&self) {
        let _gone = self.signal(Signal::Kill);
    }

    /// Tells a child that its supervisor is gone.
    pub fn parent_exit(&self, from: Pid, reason: ExitReason) {
        let _gone = self.signal(Signal::ParentExit { from, reason });
    }

    /// Sends a signal to this incarnation; answers false if it is gone. A peer without generation is the seat as such, which
    /// can be watched (`closing.rs`).
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        if self.pid.generation() == 0 {
            return self.signal_seat(signal);
        }
        self.seat.push_signal(self.pid.generation(), Box::new(signal)).is_ok()
    }

    #[cold]
    fn signal_seat(&self, signal: Signal) -> bool {
        match signal {
            Signal::Monitor { monitor, watcher } => self.seat.core().watch(monitor, watcher),
            Signal::Demonitor { monitor } => {
                self.seat.core().unwatch(monitor);
                true
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.pid, f)
    }
}

/// Every signal that is no message.
#[derive(Debug)]
pub enum Signal {
    /// An explicit exit signal. One that came through an alias acts only if the alias is in force when it is received.
    Exit { from: Pid, reason: ExitReason, through: Option<Through> },
    /// The one that cannot be trapped.
    Kill,
    /// `peer` has linked itself to the receiver.
    Link { link: Ref, peer: Peer },
    /// `from` has removed these links.
    Unlink { from: Pid, links: Vec<Ref> },
    /// `from` died, while it knew of these links.
    LinkExit { from: Pid, links: Vec<Ref>, reason: ExitReason },
    /// The receiver's supervisor is gone.
    ParentExit { from: Pid, reason: ExitReason },
    /// `watcher` monitors the receiver.
    Monitor { monitor: Ref, watcher: Peer },
    /// That monitor is no more.
    Demonitor { monitor: Ref },
    /// That call is to end with the receiver, whoever holds its reply by then.
    Bound { call: BoundCall },
    /// The target of that monitor is gone.
    Down { monitor: Ref, reason: ExitReason },
    /// The receiver is asked for something, when its turn comes (`system.rs`).
    Ask(Box<Asked>),
}

/// A call that ends with the process it is sent to.
#[derive(Debug)]
pub struct BoundCall(pub(crate) Weak<dyn Settle>);

/// The alias that an exit signal came through.
#[derive(Clone, Copy, Debug)]
pub struct Through {
    pub(crate) alias: Ref,
    /// Whether its sender asked for it to go ahead of ordinary messages (OTP: E14).
    pub(crate) ahead: bool,
}
