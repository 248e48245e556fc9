//! The scanning mailbox in one array: what a Rust programmer would write first (`--naive-queue contiguous`).
//!
//! The search is the same as in [`linked`](super::linked), one pass and then only new arrivals, but it walks memory in
//! order. That moves the tipping point a long way and does not remove it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::gate::{Bag, Gate};
use super::queue::{Inbox, Mail, Post};

impl Bag for Vec<Mail> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// Makes an empty mailbox.
#[must_use]
pub fn mailbox() -> (ContiguousPost, ContiguousInbox) {
    let gate = Arc::new(Gate::default());
    (ContiguousPost { gate: Arc::clone(&gate) }, ContiguousInbox { gate, list: VecDeque::new() })
}

/// The sending end.
#[derive(Debug, Clone)]
pub struct ContiguousPost {
    gate: Arc<Gate<Vec<Mail>>>,
}

impl Post for ContiguousPost {
    fn post(&self, mail: Mail) {
        self.gate.push(|bag| bag.push(mail));
    }
}

/// The reading end.
#[derive(Debug)]
pub struct ContiguousInbox {
    gate: Arc<Gate<Vec<Mail>>>,
    list: VecDeque<Mail>,
}

impl Inbox for ContiguousInbox {
    type Post = ContiguousPost;

    async fn next(&mut self) -> Mail {
        loop {
            if let Some(mail) = self.list.pop_front() {
                return mail;
            }
            self.list.extend(self.gate.take().await);
        }
    }

    async fn ack(&mut self, pid: u64) -> u64 {
        let mut seen = 0;
        loop {
            if let Some(offset) = self.list.range(seen..).position(|mail| mail.acks(pid)) {
                let place = seen + offset;
                self.list.remove(place);
                return place as u64 + 1;
            }
            seen = self.list.len();
            self.list.extend(self.gate.take().await);
        }
    }
}
