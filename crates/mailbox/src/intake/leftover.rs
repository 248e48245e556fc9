//! What nobody received: everything that was in a mailbox when its incarnation ended.
//!
//! Invariant: it is taken over as it is and given out one by one, so a mailbox with a million messages is closed as fast
//! as an empty one, and whoever drops the messages can give way in between.
//!
//! Not here: what becomes of them.

use super::aside::Aside;
use crate::policed::Policed;
use crate::{Chunks, Entry, Inbox};
use std::{collections::VecDeque, fmt};

/// What was in a mailbox when its incarnation ended.
pub struct Leftover<M, S> {
    inbox: Inbox<M, S>,
    ahead: VecDeque<Entry<M, S>>,
    walked: Chunks<Entry<M, S>>,
    fresh: Chunks<Entry<M, S>>,
    ruled: Option<Policed<M, S>>,
}

impl<M, S> Leftover<M, S> {
    pub(super) fn new(
        aside: Option<Box<Aside<M, S>>>,
        fresh: Chunks<Entry<M, S>>,
        ruled: Option<Policed<M, S>>,
    ) -> Self {
        let Aside { walked, ahead, returned, flushed: _ } = aside.map(|aside| *aside).unwrap_or_default();
        Self { inbox: returned.unwrap_or_default(), ahead, walked, fresh, ruled }
    }

    /// The next entry: what the receiver had taken out first, then what was walked, then the rest, in which there may be
    /// signals.
    pub fn take_next(&mut self) -> Option<Entry<M, S>> {
        self.inbox
            .take_next()
            .or_else(|| self.ahead.pop_front())
            .or_else(|| self.walked.pop())
            .or_else(|| self.fresh.pop())
            .or_else(|| self.ruled.as_mut()?.take_next())
    }
}

impl<M, S> fmt::Debug for Leftover<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftover").field("inbox", &self.inbox).field("ahead", &self.ahead.len()).finish_non_exhaustive()
    }
}
