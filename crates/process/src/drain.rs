//! Draining: a mailbox that takes no more, and a process that ends when it has handled what it has.
//!
//! ```text
//!   open ──drain──► draining: sends are refused ──nothing left, no permit out──► an actor terminates, `Normal`
//!                                                                               a raw process ends at the receive that
//!                                                                               would wait for ever
//! ```
//!
//! # Invariants
//! * Everything that was accepted is received, permits that were out included, unless the process ends before.
//! * A drain ends a process only where it waits without limit for a message. A receive that is raced with other work, as in
//!   a `select!`, is such a wait, and what it is raced with is dropped.
//! * It belongs to the incarnation: a restarted process has an open mailbox.

use crate::addr::Addr;
use crate::context::Context;
use crate::receive::{Next, Oldest, Receive};
use freeboard_mailbox::Event;
use freeboard_signal::ExitReason;
use std::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

impl<M: Send + 'static> Addr<M> {
    /// Lets the process that lives here handle what is queued, and end.
    ///
    /// From now on sends are refused, with [`Refused::Draining`](crate::Refused::Draining); a permit taken before stays
    /// good. When nothing is left and no permit is out, an actor runs `terminate` and ends with `Normal`; a raw process
    /// ends with `Normal` where it waits without limit for an event or a message. A receive with a limit, one for a death
    /// notice or an alias alone, and one inside of an actor's handler go on as ever; [`Context::is_draining`] tells. A raw
    /// process that waits for a message it will never get, while others are left in its queue, waits on.
    ///
    /// Before the first start: what is queued is handled by the first incarnation. Vacant or closed: nothing happens.
    ///
    /// ```
    /// use freeboard_process::{Context, ExitReason, Node, Sim};
    /// use std::time::Duration;
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let worker = node.spawn(async |mut cx: Context<u32>| loop {
    ///         let _job = cx.recv_message().await;
    ///         cx.sleep(Duration::from_secs(1)).await;
    ///     });
    ///     (0..3).for_each(|job| worker.cast(job));
    ///     worker.drain();
    ///     assert!(worker.send(3).is_err());
    ///     let watcher = worker.clone();
    ///     let over = node.spawn(async move |mut cx: Context<freeboard_process::Reply<_>>| {
    ///         let monitor = cx.monitor(&watcher);
    ///         let down = cx.recv_down(monitor).await;
    ///         cx.recv_message().await.send((down.reason.to_string(), cx.now()));
    ///         Ok(())
    ///     });
    ///     let start = node.now();
    ///     let (reason, at) = over.call(|reply| reply).await.unwrap();
    ///     assert_eq!((reason.as_str(), at - start), ("normal", Duration::from_secs(3)));
    /// });
    /// ```
    pub fn drain(&self) {
        self.seat().intake.drain();
    }
}

impl<M: Send + 'static> Context<M> {
    /// Whether this process was asked to handle what is queued and to end: [`Addr::drain`].
    pub fn is_draining(&self) -> bool {
        self.seat.intake.is_draining()
    }

    /// Whether no message is left that this process has looked at already.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.inbox.held() == 0
    }

    /// Called by a receive without limit that found nothing, and for which no sender will bring anything: ends the process.
    pub(crate) fn end_drained(&self) {
        // An actor ends between its handlers, so that its `terminate` can run.
        if self.holds_nothing() && !self.seat.core.is_handling() {
            self.seat.core.finish(self.pid().generation(), ExitReason::Normal);
            // The task itself is being polled right now, as a rule; but this context may have been lent to another one.
            self.seat.intake.wake_task();
        }
    }

    /// What an actor has to do next.
    pub(crate) fn recv_or_drained(&mut self) -> RecvOrDrained<'_, M> {
        RecvOrDrained(self.recv())
    }
}

/// A receive that ends with a drain instead of ending its process.
pub(crate) struct RecvOrDrained<'a, M: Send + 'static>(Receive<'a, M, Oldest, Event<M>>);

impl<M: Send + 'static> Future for RecvOrDrained<'_, M> {
    type Output = Next<Event<M>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.0.poll_actor(task)
    }
}
