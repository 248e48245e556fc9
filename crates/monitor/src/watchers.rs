//! The target's half of a monitor: whom to tell at its death.
//!
//! Invariant: an entry may outlive the watcher's row by the time a `Demonitor` is under way; the notice it causes then
//! finds no row and vanishes. The reverse cannot be: no row without an entry, or a signal under way, or a noproc.

use crate::Map;
use freeboard_signal::Ref;
use std::fmt;

/// Everybody who watches one process. `P` is how a watcher is reached.
pub struct Watchers<P> {
    entries: Map<Ref, P>,
}

impl<P> Default for Watchers<P> {
    fn default() -> Self {
        Self { entries: Map::default() }
    }
}

impl<P> Watchers<P> {
    /// A monitor arrived.
    pub fn insert(&mut self, monitor: Ref, watcher: P) {
        self.entries.insert(monitor, watcher);
    }

    /// A monitor was taken back, or its watcher died. Unknown ones are accepted (OTP: C9).
    pub fn remove(&mut self, monitor: Ref) -> Option<P> {
        self.entries.remove(&monitor)
    }

    /// How many monitors watch.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody watches.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes everybody: the target is dead.
    pub fn into_entries(self) -> impl Iterator<Item = (Ref, P)> {
        self.entries.into_iter()
    }
}

impl<P> fmt::Debug for Watchers<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
