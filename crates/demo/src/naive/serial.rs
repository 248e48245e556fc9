//! The serial supervisor: one process that starts one child at a time.
//!
//! It takes a request, spawns the child, and waits for that child's acknowledgement, by pid, through the same mailbox in
//! which further requests, the deaths of children and its own heartbeat arrive; only then it answers the caller. It is
//! generic over the mailbox and does not know how an acknowledgement is found. There is no delay in here.
#![expect(clippy::disallowed_methods, reason = "the naive side is made of plain tasks and timers, without Freeboard")]

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashSet;

use super::queue::{Desk, Door, Inbox, Mail, Post};
use crate::instance::{CHILD_LIFE, INIT_WORK};
use crate::recorder::Recorder;
use crate::stopwatch::spin;

/// Serves one instance until its task is dropped.
pub async fn supervise<Q: Inbox>(mut desk: Desk<Q>, door: Door<Q::Post>, recorder: Arc<Recorder>, instance: usize) {
    let clock = recorder.clock();
    let mut children = HashSet::<u64>::new();
    let mut last_pid = 0;
    loop {
        match desk.next().await {
            Mail::Start(request) => {
                last_pid += 1;
                let inspected = start_child(&mut desk, &door, last_pid, Some(CHILD_LIFE)).await;
                children.insert(last_pid);
                recorder.inspected(instance, inspected);
                recorder.answered(instance, request.reply_to, clock.now_us());
            }
            Mail::Exit(pid) => {
                children.remove(&pid);
            }
            Mail::Heartbeat => recorder.ring().renew(instance, clock.now_us()),
            // Every acknowledgement is awaited where its child is started.
            Mail::Ack(_) => {}
        }
    }
}

/// Starts child `pid` and waits for its acknowledgement; returns how many messages were looked at to find it.
pub async fn start_child<Q: Inbox>(desk: &mut Desk<Q>, door: &Door<Q::Post>, pid: u64, life: Option<Duration>) -> u64 {
    tokio::spawn(child(pid, door.clone(), life));
    desk.ack(pid).await
}

/// The connection: works through its init, acknowledges, lives for a while and reports its end. Without a life it is a
/// probe that only acknowledges.
async fn child<P: Post>(pid: u64, supervisor: Door<P>, life: Option<Duration>) {
    spin(INIT_WORK);
    supervisor.post(Mail::Ack(pid));
    if let Some(life) = life {
        tokio::time::sleep(life).await;
        supervisor.post(Mail::Exit(pid));
    }
}
