//! The two notices of a death: [`Down`] to who monitors, [`Exit`] to who is linked and traps.
//!
//! Invariant: a notice is built by the receiver's side from its own row, so name and tag are the watcher's.

use crate::{ExitReason, Pid, Ref};
use std::sync::Arc;

/// A monitored process is gone (OTP: C4).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Down {
    /// The monitor that fired; it is used up.
    pub monitor: Ref,
    /// Who died. For a monitor of something that never was: the identity that was asked for, or the node's own.
    pub pid: Pid,
    /// The name it was monitored by, if it was.
    pub name: Option<Arc<str>>,
    /// The tag its watcher chose, if any.
    pub tag: Option<u64>,
    /// Why; `NoProc` if it did not exist when the monitor reached it.
    pub reason: ExitReason,
    /// How the notice came.
    pub source: DownSource,
}

impl Down {
    /// A notice of a direct monitor, with neither name nor tag.
    pub fn direct(monitor: Ref, pid: Pid, reason: ExitReason) -> Self {
        Self { monitor, pid, name: None, tag: None, reason, source: DownSource::Direct }
    }
}

/// How a [`Down`] reached its watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownSource {
    /// Straight from the process that died.
    Direct,
    /// In a batch of a monitor group.
    Coalesced,
    /// The group that watched lost sight of the target; it may be alive.
    MonitorLost,
}

/// An exit signal that was trapped and became a message (OTP: B6).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Exit {
    /// Whose exit, or who sent it. A sender that is no process appears as its node (slot 0).
    pub from: Pid,
    /// Why.
    pub reason: ExitReason,
    of_link: bool,
}

impl Exit {
    /// A notice of an exit signal that somebody sent; used by the runtime. Its sender may live on, so it keeps its place
    /// between that sender's messages (OTP: D2).
    pub fn new(from: Pid, reason: ExitReason) -> Self {
        Self { from, reason, of_link: false }
    }

    /// A notice of the death of a linked process; used by the runtime. Nothing of that process can come after it.
    pub fn of_link(from: Pid, reason: ExitReason) -> Self {
        Self { from, reason, of_link: true }
    }

    /// Whether it came over a link, and not from an exit signal that somebody sent.
    pub fn is_of_link(&self) -> bool {
        self.of_link
    }
}

/// Several [`Down`]s that arrived as one event, in their order.
#[derive(Clone, Debug, Default)]
pub struct Downs(Vec<Down>);

impl Downs {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Down>> for Downs {
    fn from(downs: Vec<Down>) -> Self {
        Self(downs)
    }
}

impl IntoIterator for Downs {
    type Item = Down;
    type IntoIter = std::vec::IntoIter<Down>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
