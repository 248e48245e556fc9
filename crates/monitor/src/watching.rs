//! The watcher's half of a monitor: the row that is taken once.
//!
//! Invariant: a row exists from `monitor` until the first of its notice, `demonitor`, and the watcher's death.

use crate::Map;
use freeboard_signal::{Down, DownSource, ExitReason, Pid, Ref};
use std::{fmt, sync::Arc};

/// What a watcher remembers of one monitor. `P` is how the target is reached.
#[derive(Debug, Clone)]
pub struct Row<P> {
    /// Whom the monitor watches.
    pub pid: Pid,
    /// How to reach it, to take the monitor back.
    pub peer: P,
    /// The name it was monitored by.
    pub name: Option<Arc<str>>,
    /// The watcher's own tag.
    pub tag: Option<u64>,
    /// Whether the notice goes ahead of ordinary messages (OTP: C22).
    pub priority: bool,
}

impl<P> Row<P> {
    /// The notice that this row's watcher gets.
    pub fn into_down(self, monitor: Ref, reason: ExitReason) -> Down {
        let mut down = Down::direct(monitor, self.pid, reason);
        down.name = self.name;
        down.tag = self.tag;
        down.source = DownSource::Direct;
        down
    }
}

/// All monitors that one process holds.
pub struct Watching<P> {
    rows: Map<Ref, Row<P>>,
}

impl<P> Default for Watching<P> {
    fn default() -> Self {
        Self { rows: Map::default() }
    }
}

impl<P> Watching<P> {
    /// Remembers a monitor that was just made.
    pub fn insert(&mut self, monitor: Ref, row: Row<P>) {
        let before = self.rows.insert(monitor, row);
        debug_assert!(before.is_none(), "a Ref names one monitor only");
    }

    /// Takes the row: the caller has decided what the watcher sees. `None` if it was taken before, or never was.
    pub fn take(&mut self, monitor: Ref) -> Option<Row<P>> {
        self.rows.remove(&monitor)
    }

    /// How many monitors are in force.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is in force.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes all rows: the watcher is dead.
    pub fn into_rows(self) -> impl Iterator<Item = (Ref, Row<P>)> {
        self.rows.into_iter()
    }
}

impl<P> fmt::Debug for Watching<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.rows.keys()).finish()
    }
}
