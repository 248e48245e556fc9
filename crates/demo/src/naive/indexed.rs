//! The same serial supervisor on a Freeboard mailbox: only the acknowledgement is found by key.
//!
//! This is the control of the experiment. Everything else stays as it is, the waiting for each child included, so what
//! changes between `naive` and `indexed` is due to the mailbox alone.

use std::sync::Arc;

use freeboard::prelude::*;
use tokio::runtime::Handle;

use super::queue::{Door, Inbox, Mail, Post, counted};
use super::serial::supervise;
use crate::instance::Instance;
use crate::recorder::Recorder;
use crate::request::Request;
use crate::timeline::Depth;

const ACK: Tag<Mail> = Tag::new(1);

impl Message for Mail {
    const TAGS: &'static [&'static str] = &["Start", "Ack", "Exit", "Heartbeat"];

    fn tag(&self) -> Tag<Self> {
        match self {
            Self::Start(_) => Tag::new(0),
            Self::Ack(_) => ACK,
            Self::Exit(_) => Tag::new(2),
            Self::Heartbeat => Tag::new(3),
        }
    }

    fn key(&self) -> Option<Key<'_>> {
        match self {
            Self::Ack(pid) => Some((*pid).into()),
            _ => None,
        }
    }
}

/// The sending end: the process's address.
#[derive(Debug, Clone)]
pub struct IndexedPost {
    addr: Addr<Mail>,
}

impl Post for IndexedPost {
    fn post(&self, mail: Mail) {
        self.addr.cast(mail);
    }
}

/// The reading end: the process's context.
#[derive(Debug)]
pub struct IndexedInbox {
    cx: Context<Mail>,
}

impl Inbox for IndexedInbox {
    type Post = IndexedPost;

    async fn next(&mut self) -> Mail {
        self.cx.recv_message().await
    }

    async fn ack(&mut self, pid: u64) -> u64 {
        let before = self.cx.inspected();
        self.cx.recv_key(ACK, pid).await;
        self.cx.inspected() - before
    }
}

/// The two ends of the mailbox of the process that `cx` belongs to.
#[must_use]
pub fn mailbox(cx: Context<Mail>) -> (IndexedPost, IndexedInbox) {
    (IndexedPost { addr: cx.addr() }, IndexedInbox { cx })
}

/// Puts up an instance on a node of its own.
pub(crate) fn put_up(runtime: &Handle, recorder: &Arc<Recorder>, instance: usize) -> Indexed {
    let node = {
        let _inside = runtime.enter();
        Node::new()
    };
    let recorder = Arc::clone(recorder);
    // The two ends share a count, and the address exists only once the process does: it is handed out from inside.
    let (hand_out, take) = std::sync::mpsc::sync_channel(1);
    let addr = node.spawn(async move |cx: Context<Mail>| {
        let (post, inbox) = mailbox(cx);
        let (door, desk) = counted(post, inbox);
        // If nobody takes it any more the run is over, and so is this process.
        drop(hand_out.send(door.clone()));
        supervise(desk, door, recorder, instance).await;
        Ok(())
    });
    let door = take.recv().expect("a process that was spawned on a live runtime runs");
    Indexed { door, addr, _node: node }
}

/// An instance whose serial supervisor is a Freeboard process.
#[derive(Debug)]
pub(crate) struct Indexed {
    door: Door<IndexedPost>,
    addr: Addr<Mail>,
    _node: Node,
}

impl Instance for Indexed {
    fn offer(&self, request: Request) {
        self.door.post(Mail::Start(request));
    }

    fn heartbeat(&self) {
        self.door.post(Mail::Heartbeat);
    }

    fn mailbox(&self) -> Depth {
        self.door.depth()
    }

    fn stop(&self) {
        self.addr.kill();
    }
}
