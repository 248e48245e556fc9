//! The lane: priority entries, ahead of all ordinary ones (OTP: E14–E16).
//!
//! Invariants
//! * An entry stands behind those that were put here before it, and is not moved again.
//! * After [`LANE_SHARE`] of them in a row, whatever the form of the receives, the next receive looks at ordinary ones
//!   first (deviation DEV-09). If it wants none of those, the lane has its turn after all, and the count starts again.
//! * Entries are numbered from 0 in the order in which they were put here, for all the life of an inbox.
//!
//! Deliberately absent: who may put an entry here. The runtime knows what an alias or a monitor was made with.

use crate::{Event, index::Index};
use freeboard_signal::Ref;

/// How many priority entries are handed out in a row before an ordinary one that waits has its turn (deviation DEV-09).
pub const LANE_SHARE: u32 = 16;

/// The priority entries of one inbox.
pub(crate) struct Lane<M> {
    pub(crate) index: Index<M>,
    in_a_row: u32,
}

impl<M> Lane<M> {
    pub(crate) fn new() -> Self {
        Self { index: Index::new(), in_a_row: 0 }
    }

    pub(crate) fn push(&mut self, event: Event<M>, alias: Option<Ref>) {
        let number = self.index.next_arrival();
        self.index.push(number, event, alias);
    }

    /// Whether the next receive looks here first.
    pub(crate) fn goes_first(&self) -> bool {
        self.in_a_row < LANE_SHARE && !self.index.is_empty()
    }

    /// Whether an ordinary entry that waits has its turn before what is here.
    pub(crate) fn gives_way(&self) -> bool {
        self.in_a_row >= LANE_SHARE && !self.index.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Event<M>> {
        self.index.first().map(|slot| self.take(slot))
    }

    pub(crate) fn take(&mut self, slot: u32) -> Event<M> {
        // An ordinary entry that wanted its turn would have had it by now.
        let before = if self.in_a_row < LANE_SHARE { self.in_a_row } else { 0 };
        self.in_a_row = before + 1;
        self.index.remove(slot)
    }

    /// Notes that an ordinary entry was handed out.
    pub(crate) fn interrupt(&mut self) {
        self.in_a_row = 0;
    }
}
