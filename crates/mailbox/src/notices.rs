//! The share of death notices among what plain receives hand out (deviation DEV-16).
//!
//! A process that watches a hundred thousand others must go on working when they all die. The dead send nothing after
//! their notice, so a notice that waits a little breaks no order between two processes (OTP: D1–D4); one that overtook
//! something would.
//!
//! Invariants
//! * A notice is never handed out before anything that is older.
//! * A notice whose turn comes is handed out in its place if [`NOTICE_SHARE`] messages were since the last one, as when a
//!   single process dies; otherwise messages behind it may pass, until they were so many or none is left.
//! * The exit signals that somebody sent are not among them: their sender lives on, so they keep their place (OTP: D2).
//!   They count as messages.
//!
//! Deliberately absent: selective receives. They take the notice they ask for at any time, and it stays findable while it
//! is held back.

use crate::Event;

/// How many messages plain receives hand out for each death notice, while both wait (deviation DEV-16).
pub const NOTICE_SHARE: u32 = 4;

/// How many notices one receive passes to find a message.
pub(crate) const PASSES: usize = 64;

/// The count of messages since the last notice.
#[derive(Debug)]
pub(crate) struct Share(u64);

impl Share {
    pub(crate) fn new() -> Self {
        Self(u64::from(NOTICE_SHARE))
    }

    /// Whether a notice whose turn comes is handed out at once.
    pub(crate) fn is_due(&self) -> bool {
        self.0 >= u64::from(NOTICE_SHARE)
    }

    pub(crate) fn message(&mut self) {
        self.0 += 1;
    }

    /// What a selective receive takes: its messages count, its notices were asked for.
    pub(crate) fn taken<M>(&mut self, event: &Event<M>) {
        self.0 += u64::from(matches!(event, Event::Message(_)));
    }

    pub(crate) fn handed_out<M>(&mut self, event: &Event<M>) {
        if event.is_death_notice() {
            self.0 = 0;
        } else {
            self.message();
        }
    }
}
