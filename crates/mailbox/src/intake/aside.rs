//! What was walked and waits beside the queue: between the process's task, which walks, and its receiver.
//!
//! Invariants
//! * What was walked is older than anything in a queue of the first kind. The second kind takes it back into its places.
//! * It exists only while something is in it, so an idle mailbox pays one word.
//!
//! Not here: the lock.

use crate::{Chunks, Entry, Inbox, Notice};
use std::{collections::VecDeque, mem};

/// What waits beside the queue.
pub(super) struct Aside<M, S> {
    /// Signals applied, events left, in order.
    pub(super) walked: Chunks<Entry<M, S>>,
    /// Priority entries, in order.
    pub(super) ahead: VecDeque<Entry<M, S>>,
    /// Notices that are to be taken out when the walk under way is over.
    pub(super) flushed: Vec<Notice>,
    /// Calls in the receiver's hands whose callers have given up.
    pub(super) given_up: Vec<u64>,
    /// What the receiver had taken out when it went away: nobody receives any more.
    pub(super) returned: Option<Inbox<M, S>>,
}

impl<M, S> Default for Aside<M, S> {
    fn default() -> Self {
        Self {
            walked: Chunks::default(),
            ahead: VecDeque::new(),
            flushed: Vec::new(),
            given_up: Vec::new(),
            returned: None,
        }
    }
}

impl<M, S> Aside<M, S> {
    /// Takes what was walked, if there is any.
    pub(super) fn take_walked(this: &mut Option<Box<Self>>) -> Option<Chunks<Entry<M, S>>> {
        let walked = mem::take(&mut this.as_mut()?.walked);
        Self::prune(this);
        Some(walked).filter(|walked| !walked.is_empty())
    }

    /// Takes the priority entries.
    pub(super) fn take_ahead(this: &mut Option<Box<Self>>) -> VecDeque<Entry<M, S>> {
        let ahead = this.as_mut().map(|aside| mem::take(&mut aside.ahead)).unwrap_or_default();
        Self::prune(this);
        ahead
    }

    /// Takes out the oldest such notice, if there is one here.
    pub(super) fn take_notice(&mut self, notice: Notice) -> Option<Entry<M, S>> {
        let is_it = |entry: &&mut Entry<M, S>| matches!(entry, Entry::Event(event) if notice.is(event));
        let found = self.ahead.iter_mut().chain(self.walked.iter_mut()).find(is_it);
        found.map(|entry| mem::replace(entry, Entry::Gone))
    }

    /// Gives the memory back, if nothing is left.
    pub(super) fn prune(this: &mut Option<Box<Self>>) {
        if this.as_ref().is_some_and(|aside| aside.is_empty()) {
            *this = None;
        }
    }

    /// Whether no entry waits here. What is noted of entries elsewhere does not count.
    pub(super) fn holds_nothing(&self) -> bool {
        self.walked.is_empty() && self.ahead.is_empty() && self.returned.is_none()
    }

    fn is_empty(&self) -> bool {
        self.holds_nothing() && self.flushed.is_empty() && self.given_up.is_empty()
    }
}
