//! What nobody received: everything that was in a mailbox when its incarnation ended.
//!
//! Invariant: it is taken over as it is and given out one by one, so a mailbox with a million messages is closed as fast
//! as an empty one, and whoever drops the messages can give way in between.
//!
//! Not here: what becomes of them.

use super::aside::Aside;
use crate::calls::KnownCall;
use crate::inbox::pop_with_call;
use crate::policed::Policed;
use crate::{Chunks, Entry, Inbox};
use std::{collections::VecDeque, fmt};

/// What was in a mailbox when its incarnation ended.
pub struct Leftover<M, S> {
    /// Not there if there was nothing: most processes end with an empty queue.
    queues: Option<Box<Queues<M, S>>>,
    /// What is known of the entry that was given out last.
    call: Option<KnownCall>,
}

struct Queues<M, S> {
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
        if aside.is_none() && ruled.is_none() && fresh.is_empty() {
            return Self { queues: None, call: None };
        }
        let Aside { walked, ahead, returned, flushed: _, given_up } = aside.map(|aside| *aside).unwrap_or_default();
        let mut inbox = returned.unwrap_or_default();
        inbox.give_up(given_up);
        Self { queues: Some(Box::new(Queues { inbox, ahead, walked, fresh, ruled })), call: None }
    }

    /// Whether there never was anything in it.
    pub fn is_nothing(&self) -> bool {
        self.queues.is_none()
    }

    /// The next entry: what the receiver had taken out first, then what was walked, then the rest, in which there may be
    /// signals.
    pub fn take_next(&mut self) -> Option<Entry<M, S>> {
        let Queues { inbox, ahead, walked, fresh, ruled } = &mut **self.queues.as_mut()?;
        let next = inbox.take_next_call();
        let next = next.or_else(|| ahead.pop_front().map(|entry| (entry, None)));
        let next = next.or_else(|| pop_with_call(walked)).or_else(|| pop_with_call(fresh));
        let next = next.or_else(|| {
            let (entry, number) = ruled.as_mut()?.take_next()?;
            // Its calls are known beside the queue of the first kind, which holds nothing else then.
            Some((entry, fresh.pop_call(number)))
        });
        let (entry, call) = next?;
        self.call = call;
        Some(entry)
    }

    /// What is known of the entry that was given out last, if it is a call: to be [kept](crate::Kept::push) with it.
    pub fn take_call(&mut self) -> Option<KnownCall> {
        self.call.take()
    }
}

impl<M, S> fmt::Debug for Leftover<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftover")
            .field("inbox", &self.queues.as_ref().map(|queues| &queues.inbox))
            .finish_non_exhaustive()
    }
}
