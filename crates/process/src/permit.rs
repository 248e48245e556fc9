//! Room in a mailbox: taken now and used later, or waited for.
//!
//! ```text
//!   try_reserve ─► Permit ──send──► the message, behind everything that is queued by then
//!                      └──drop──► the room goes to the first who waits
//!   send_wait ──► waits in line ──► room ──► the message          late, closed, draining: the message comes back
//! ```
//!
//! # Invariants
//! * A permit holds room, not a place: messages sent between the reservation and [`Permit::send`] are received before its
//!   message, its own sender's too (OTP: D1).
//! * Those who wait for room are served in the order in which they came. Room that becomes free is the first one's, and
//!   cannot be taken by whoever comes by.
//! * A wait that is dropped has sent nothing, and what it held goes to the next.
//!
//! # Not here
//! The line itself, and the count of what is free: `freeboard-mailbox`.

use crate::addr::Addr;
use crate::receive::Alarm;
use freeboard_mailbox::{Refused, SendError, Ticket};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

impl<M: Send + 'static> Addr<M> {
    /// Takes room for one message now, to be used later. In a mailbox without bound there is always room.
    ///
    /// # Errors
    /// [`Refused::Full`], whatever the policy drops otherwise; or the seat is draining, vacant or closed.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Policy, Refused, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let one = node.spawn_with(Policy::bounded(1), async |_cx: Context<u32>| std::future::pending().await).unwrap();
    ///     let permit = one.try_reserve().unwrap();
    ///     assert!(matches!(one.send(1).unwrap_err().why, Refused::Full));
    ///     permit.send(2).unwrap();
    ///     assert_eq!(one.depth(), 1);
    /// });
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<M>, Refused> {
        self.seat().intake.try_reserve()?;
        Ok(Permit(Some(self.clone())))
    }

    /// Sends a message, and waits for room for it until `by` at the latest, an instant of the node's clock. With one in the
    /// past it tries once.
    ///
    /// Before its first start a seat has no policy yet, so there is room at once.
    ///
    /// # Errors
    /// The message comes back: with [`Refused::Full`] if no room came in time; at once if the seat is draining, vacant or
    /// closed, or becomes so.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent; its place in line, or the room that was handed to it, goes to the next.
    ///
    /// # Cost
    /// As [`send`](Self::send) if there is room; a timer of the node while it waits.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Policy, Refused, Sim};
    /// use std::time::Duration;
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let one = node.spawn_with(Policy::bounded(1), async |_cx: Context<u32>| std::future::pending().await).unwrap();
    ///     one.send(1).unwrap();
    ///     let by = node.now() + Duration::from_secs(2);
    ///     let late = one.send_wait(2, by).await.unwrap_err();
    ///     assert!(matches!(late.why, Refused::Full) && late.message == 2 && node.now() == by);
    /// });
    /// ```
    pub fn send_wait(&self, message: M, by: Instant) -> SendWait<'_, M> {
        SendWait { to: self, message: Some(message), by, ticket: Ticket::new(), alarm: None }
    }
}

/// Room for one message in a mailbox: send it, or drop this to give the room back.
///
/// It stays good while the mailbox drains, and across a restart: the next incarnation has the room.
#[must_use = "a permit that is dropped gives its room back"]
pub struct Permit<M: Send + 'static>(Option<Addr<M>>);

impl<M: Send + 'static> Permit<M> {
    /// Sends a message into the room, behind everything that is queued by now.
    ///
    /// # Errors
    /// The seat is vacant or closed; the message comes back.
    pub fn send(mut self, message: M) -> Result<(), SendError<M>> {
        // Whatever this comes to, the room is used.
        let to = self.0.take().expect("a permit holds its address until it is used");
        to.seat().intake.push_reserved(message)
    }
}

impl<M: Send + 'static> Drop for Permit<M> {
    fn drop(&mut self) {
        if let Some(to) = &self.0 {
            to.seat().intake.give_up_room();
        }
    }
}

impl<M: Send + 'static> fmt::Debug for Permit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.0).finish()
    }
}

/// A send that waits for room: [`Addr::send_wait`].
#[must_use = "nothing is sent until this is awaited"]
pub struct SendWait<'a, M: Send + 'static> {
    pub(crate) to: &'a Addr<M>,
    message: Option<M>,
    pub(crate) by: Instant,
    ticket: Ticket,
    alarm: Option<Alarm>,
}

impl<M: Send + 'static> SendWait<'_, M> {
    /// Whether it is too late to go on waiting; if not, sees to it that this is polled again by then.
    fn is_late(&mut self, cx: &Context<'_>) -> bool {
        // Without a node there was no start, without a start no bound, and so no wait.
        let Some(node) = self.to.seat().core.node() else { return true };
        self.alarm.get_or_insert_with(|| Alarm::new(node.clone(), self.by)).rings(cx.waker())
    }
}

impl<M: Send + 'static> Unpin for SendWait<'_, M> {}

impl<M: Send + 'static> Future for SendWait<'_, M> {
    type Output = Result<(), SendError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.message.is_none() {
            return Poll::Pending;
        }
        let intake = &this.to.seat().intake;
        let refused = match intake.poll_room(&mut this.ticket, cx.waker()) {
            Poll::Ready(Ok(())) => None,
            Poll::Ready(Err(why)) => Some(why),
            Poll::Pending if this.is_late(cx) => {
                // Room that was handed over in this very moment is passed on.
                intake.leave(&mut this.ticket);
                Some(Refused::Full)
            }
            Poll::Pending => return Poll::Pending,
        };
        this.alarm = None;
        let Some(message) = this.message.take() else { return Poll::Pending };
        Poll::Ready(match refused {
            None => intake.push_reserved(message),
            Some(why) => Err(intake.refuse(message, why)),
        })
    }
}

impl<M: Send + 'static> Drop for SendWait<'_, M> {
    fn drop(&mut self) {
        if self.ticket.is_waiting() {
            self.to.seat().intake.leave(&mut self.ticket);
        }
    }
}

impl<M: Send + 'static> fmt::Debug for SendWait<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendWait").field("to", self.to).field("by", &self.by).finish_non_exhaustive()
    }
}
