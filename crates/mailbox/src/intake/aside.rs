//! What was walked and waits beside the queue: between the process's task, which walks, and its receiver.
//!
//! Invariants
//! * What was walked is older than anything in a queue of the first kind. The second kind takes it back into its places.
//! * It exists only while something is in it, so an idle mailbox pays one word.
//!
//! Not here: the lock.

use crate::{Chunks, Entry, Event, Inbox};
use freeboard_signal::Ref;
use std::{collections::VecDeque, mem};

/// What waits beside the queue.
pub(super) struct Aside<M, S> {
    /// Signals applied, events left, in order.
    pub(super) walked: Chunks<Entry<M, S>>,
    /// Priority entries, in order.
    pub(super) ahead: VecDeque<Entry<M, S>>,
    /// Monitors whose notices are to be taken out when the walk under way is over.
    pub(super) flushed: Vec<Ref>,
    /// What the receiver had taken out when it went away: nobody receives any more.
    pub(super) returned: Option<Inbox<M, S>>,
}

impl<M, S> Default for Aside<M, S> {
    fn default() -> Self {
        Self { walked: Chunks::default(), ahead: VecDeque::new(), flushed: Vec::new(), returned: None }
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

    /// Takes out the notice of this monitor, if it is here.
    pub(super) fn take_down(&mut self, monitor: Ref) -> Option<Entry<M, S>> {
        let is_it =
            |entry: &&mut Entry<M, S>| matches!(entry, Entry::Event(Event::Down(down)) if down.monitor == monitor);
        let found = self.ahead.iter_mut().chain(self.walked.iter_mut()).find(is_it);
        found.map(|entry| mem::replace(entry, Entry::Gone))
    }

    /// Gives the memory back, if nothing is left.
    pub(super) fn prune(this: &mut Option<Box<Self>>) {
        if this.as_ref().is_some_and(|aside| aside.is_empty()) {
            *this = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.walked.is_empty() && self.ahead.is_empty() && self.flushed.is_empty() && self.returned.is_none()
    }
}
