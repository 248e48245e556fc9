//! What becomes of a message that a mailbox drops: counted, shown, destructed.
//!
//! Invariants
//! * A dropped message is destructed at once, in the thread that caused it, and never under a lock.
//! * A panic in its destructor, or in the undertaker, does not reach that thread.
//!
//! Not here: who decides that a message is dropped (`policed.rs`), and the numbers (`stats.rs`).

use crate::Refused;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a mailbox did not hand a message to its receiver.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It was the oldest when another one found no room.
    Oldest,
    /// It found no room.
    Newest,
    /// A newer one with the same tag and key came.
    Coalesced,
    /// It waited too long, or its deadline came.
    Expired,
    /// Too much had waited for too long.
    Shed,
    /// It was returned to its sender, for want of room or because the mailbox drains.
    Rejected,
    /// The alias it came through was not active any more.
    Alias,
    /// Its timer was taken back when it was queued already, or belonged to a process that had ended.
    Timer,
    /// Its receiver ended before it received it.
    Exited,
    /// The same, and its callers are told that they may ask again ([`Queue::Return`](crate::Queue::Return)).
    Returned,
    /// It was a call, and its caller had given up when its turn came.
    Abandoned,
}

impl Dropped {
    /// All causes, in the order in which they are counted.
    pub const ALL: [Self; 11] = [
        Self::Oldest,
        Self::Newest,
        Self::Coalesced,
        Self::Expired,
        Self::Shed,
        Self::Rejected,
        Self::Alias,
        Self::Timer,
        Self::Exited,
        Self::Returned,
        Self::Abandoned,
    ];

    /// What a caller is told whose request was dropped for this; `None` where the end of the receiver answers it.
    pub fn refused(self) -> Option<Refused> {
        match self {
            Self::Oldest | Self::Newest | Self::Rejected => Some(Refused::Full),
            Self::Coalesced => Some(Refused::Coalesced),
            Self::Expired => Some(Refused::Expired),
            Self::Shed => Some(Refused::Shed),
            Self::Returned => Some(Refused::Vacant),
            Self::Alias | Self::Timer | Self::Exited | Self::Abandoned => None,
        }
    }
}

/// Who gets the messages that a mailbox drops: the door to dead letters.
///
/// It is called without any lock held, in the thread that caused the drop; a panic in it is caught. Without one, messages are
/// dropped quietly.
pub trait Undertaker<M>: Send + Sync {
    /// Gets a dropped message. `tag` is the number of its tag, if the policy counts by tags.
    fn bury(&self, message: M, why: Dropped, tag: Option<u32>);

    /// Sees a message that goes back to its sender.
    fn refused(&self, message: &M, why: &Refused, tag: Option<u32>) {
        let _ = (message, why, tag);
    }

    /// So many messages wait, which is the high-water mark of the policy or more.
    fn high_water(&self, waiting: usize) {
        let _ = waiting;
    }
}

/// Runs user code that must not reach us: its panic is dropped, and if that panics too, forgotten.
pub(crate) fn quietly(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work))
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(again);
    }
}
