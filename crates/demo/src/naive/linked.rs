//! The mailbox as OTP has it: a singly linked list of nodes that the senders allocate.
//!
//! A selective receive makes one pass from the head and then, while it waits, looks only at what arrives: it never rescans.
//! Everything it passes over stays in place. The nodes lie where the senders' allocations happened to fall, mixed with
//! those of the other instances, which is what makes a long walk dear.

use std::mem;
use std::sync::Arc;

use super::gate::{Bag, Gate};
use super::queue::{Inbox, Mail, Post};

type Link = Option<Box<Node>>;

#[derive(Debug)]
struct Node {
    mail: Mail,
    next: Link,
}

/// A list that frees its nodes one by one: by default a box drops its next box inside its own drop, a hundred thousand deep.
#[derive(Debug, Default)]
struct Chain {
    head: Link,
}

impl Chain {
    fn push_front(&mut self, mut node: Box<Node>) {
        node.next = self.head.take();
        self.head = Some(node);
    }

    fn pop_front(&mut self) -> Option<Box<Node>> {
        let mut node = self.head.take()?;
        self.head = node.next.take();
        Some(node)
    }

    /// The same nodes in the opposite order; each is touched once.
    fn reversed(mut self) -> Self {
        let mut result = Self::default();
        while let Some(node) = self.pop_front() {
            result.push_front(node);
        }
        result
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}

// Senders push at the front, which a list with one end can do at once; the reader turns what it takes around.
impl Bag for Chain {
    fn is_empty(&self) -> bool {
        self.head.is_none()
    }
}

/// Makes an empty mailbox.
#[must_use]
pub fn mailbox() -> (LinkedPost, LinkedInbox) {
    let gate = Arc::new(Gate::default());
    (LinkedPost { gate: Arc::clone(&gate) }, LinkedInbox { gate, list: Chain::default() })
}

/// The sending end.
#[derive(Debug, Clone)]
pub struct LinkedPost {
    gate: Arc<Gate<Chain>>,
}

impl Post for LinkedPost {
    fn post(&self, mail: Mail) {
        let node = Box::new(Node { mail, next: None });
        self.gate.push(|chain| chain.push_front(node));
    }
}

/// The reading end.
#[derive(Debug)]
pub struct LinkedInbox {
    gate: Arc<Gate<Chain>>,
    list: Chain,
}

impl Inbox for LinkedInbox {
    type Post = LinkedPost;

    async fn next(&mut self) -> Mail {
        loop {
            if let Some(node) = self.list.pop_front() {
                return node.mail;
            }
            self.list = self.gate.take().await.reversed();
        }
    }

    async fn ack(&mut self, pid: u64) -> u64 {
        let mut inspected = 0;
        let mut place = &mut self.list.head;
        loop {
            while let Some(node) = place.as_ref() {
                inspected += 1;
                if node.mail.acks(pid) {
                    *place = place.take().and_then(|node| node.next);
                    return inspected;
                }
                place = &mut place.as_mut().expect("the node just looked at").next;
            }
            *place = mem::take(&mut self.gate.take().await.reversed().head);
        }
    }
}
