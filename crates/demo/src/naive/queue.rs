//! What the serial supervisor asks of its mailbox, and the counting that all three mailboxes share.
//!
//! A mailbox has two ends: a [`Post`], which anyone may clone and send through, and an [`Inbox`], which one task reads.
//! [`Door`] and [`Desk`] wrap them and keep count of what lies between, by kind, so that the mailboxes themselves
//! contain nothing but the way they are searched.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::request::Request;
use crate::timeline::Depth;

/// What lies in a serial supervisor's mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mail {
    /// A caller wants a connection.
    Start(Request),
    /// A child has finished its init.
    Ack(u64),
    /// A child has ended.
    Exit(u64),
    /// The instance's lease is due.
    Heartbeat,
}

impl Mail {
    /// Whether this acknowledges the start of child `pid`.
    #[must_use]
    pub fn acks(&self, pid: u64) -> bool {
        matches!(self, Self::Ack(of) if *of == pid)
    }
}

/// The sending end.
pub trait Post: fmt::Debug + Clone + Send + Sync + 'static {
    /// Puts `mail` behind everything sent before; never waits.
    fn post(&self, mail: Mail);
}

/// The reading end.
pub trait Inbox: Send {
    /// The sending end that belongs to it.
    type Post: Post;

    /// Waits for the oldest message and takes it.
    fn next(&mut self) -> impl Future<Output = Mail> + Send;

    /// Waits for the acknowledgement of child `pid` and takes it, leaving all else in place; returns how many messages it
    /// looked at.
    fn ack(&mut self, pid: u64) -> impl Future<Output = u64> + Send;
}

#[derive(Debug, Default)]
struct Census {
    requests: AtomicU64,
    exits: AtomicU64,
    heartbeats: AtomicU64,
}

impl Census {
    fn of(&self, mail: &Mail) -> Option<&AtomicU64> {
        match mail {
            Mail::Start(_) => Some(&self.requests),
            Mail::Exit(_) => Some(&self.exits),
            Mail::Heartbeat => Some(&self.heartbeats),
            // At most one, and it is awaited: not worth a count.
            Mail::Ack(_) => None,
        }
    }
}

/// A [`Post`] that counts.
#[derive(Debug, Clone)]
pub struct Door<P> {
    post: P,
    census: Arc<Census>,
}

impl<P: Post> Door<P> {
    /// Counts `mail` and posts it.
    pub fn post(&self, mail: Mail) {
        if let Some(count) = self.census.of(&mail) {
            count.fetch_add(1, Relaxed);
        }
        self.post.post(mail);
    }

    /// What lies in the mailbox.
    #[must_use]
    pub fn depth(&self) -> Depth {
        Depth {
            requests: self.census.requests.load(Relaxed),
            exits: self.census.exits.load(Relaxed),
            heartbeats: self.census.heartbeats.load(Relaxed),
        }
    }
}

/// An [`Inbox`] that counts.
#[derive(Debug)]
pub struct Desk<Q> {
    inbox: Q,
    census: Arc<Census>,
}

impl<Q: Inbox> Desk<Q> {
    /// Waits for the oldest message and takes it.
    pub async fn next(&mut self) -> Mail {
        let mail = self.inbox.next().await;
        if let Some(count) = self.census.of(&mail) {
            count.fetch_sub(1, Relaxed);
        }
        mail
    }

    /// Waits for the acknowledgement of `pid`; returns how many messages were looked at.
    pub async fn ack(&mut self, pid: u64) -> u64 {
        self.inbox.ack(pid).await
    }
}

/// The two counting ends of one mailbox.
pub fn counted<Q: Inbox>(post: Q::Post, inbox: Q) -> (Door<Q::Post>, Desk<Q>) {
    let census = Arc::new(Census::default());
    (Door { post, census: Arc::clone(&census) }, Desk { inbox, census })
}
