//! A part of what an address takes: it is known by the part, not by the message it becomes.
//!
//! ```text
//!   Addr<M>, M: From<S> ──recipient()──► Recipient<S>        send(s): may it come in? ─► M::from(s) ─► queued
//!                                                                      └─ no: Err with `s`
//! ```
//!
//! Whoever needs to send one kind of thing need not know the whole protocol of the receiver, nor be generic over it.
//!
//! # Invariants
//! * A refusal gives back the part as it was: whether it may come in is settled first, with room taken for it where a policy
//!   could say no afterwards; only then it is made into a message, which no code could take back.
//! * The conversion is user code and runs under no lock. If it panics, the room is given back.
//!
//! * A call sends a part that carries the reply. What is refused answers its caller, so no part comes back, and it is made
//!   into a message first.
//!
//! # Not here
//! Room that is reserved: a permit is for a message (`permit.rs`).

use crate::addr::Addr;
use crate::call::{Call, Pending};
use crate::current;
use crate::reply::{CallError, Reply};
use crate::seat::{AnySeat, Seat, present};
use crate::target::Target;
use crate::wire::Peer;
use freeboard_mailbox::{Caller, Refused, SendError};
use freeboard_signal::{ExitReason, Pid};
use std::{
    fmt, mem,
    sync::{Arc, Weak},
};

/// The address of a seat, for a part of its messages: whatever `M: From<S>` makes of an `S`.
///
/// Cheap to clone; equal to another one if both name the same seat. Made by [`Addr::recipient`].
pub struct Recipient<S: Send + 'static>(Arc<dyn Deliver<S>>);

/// A recipient that does not keep the seat's queue in memory.
pub struct WeakRecipient<S: Send + 'static>(Weak<dyn Deliver<S>>);

/// A seat that takes parts of this type.
trait Deliver<S>: AnySeat {
    fn deliver(&self, part: S) -> Result<(), SendError<S>>;
    /// Queues a call; answers its number. `refused` runs before what is refused is dropped.
    fn ask(&self, part: S, caller: Caller, refused: &mut dyn FnMut()) -> Result<u64, Refused>;
    fn pid(&self) -> Option<Pid>;
    fn peer(self: Arc<Self>) -> Option<Peer>;
}

/// Room for a part that is being made into a message.
struct Room<'a, M: Send + 'static>(&'a Seat<M>, bool);

impl<M: Send + 'static> Drop for Room<'_, M> {
    fn drop(&mut self) {
        if self.1 {
            self.0.intake.give_up_room();
        }
    }
}

impl<S: Send + 'static, M: From<S> + Send + 'static> Deliver<S> for Seat<M> {
    fn deliver(&self, part: S) -> Result<(), SendError<S>> {
        let mut room = match self.intake.admit() {
            Ok(is_taken) => Room(self, is_taken),
            Err(why) => return Err(SendError { message: part, why }),
        };
        let message = M::from(part);
        let sent = match mem::take(&mut room.1) {
            true => self.intake.push_reserved(message),
            false => self.send(message),
        };
        if let Err(SendError { message, why }) = sent {
            // The seat was left in this very moment: as if the message had come just before, and been dropped with the queue.
            current::run_dropping(CallError::of_refusal(why), || drop(message));
        }
        Ok(())
    }

    fn ask(&self, part: S, caller: Caller, refused: &mut dyn FnMut()) -> Result<u64, Refused> {
        Seat::ask(self, M::from(part), caller, refused)
    }

    fn pid(&self) -> Option<Pid> {
        self.core.pid_of(self.intake.incarnation()?)
    }

    fn peer(self: Arc<Self>) -> Option<Peer> {
        present(&self)
    }
}

impl<M: Send + 'static> Addr<M> {
    /// This address, for a part of its messages.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Recipient, Sim};
    ///
    /// struct Price(u32);
    /// enum Msg { Price(Price), Stop }
    /// impl From<Price> for Msg {
    ///     fn from(price: Price) -> Self { Msg::Price(price) }
    /// }
    /// // It tells prices and need not know who takes them.
    /// fn ticker(to: &Recipient<Price>) { [3, 4].map(|price| to.cast(Price(price))); }
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let buyer = node.spawn(async |mut cx: Context<Msg>| {
    ///         let mut sum = 0;
    ///         while let Msg::Price(Price(price)) = cx.recv_message().await { sum += price; }
    ///         assert_eq!(sum, 7);
    ///         Ok(())
    ///     });
    ///     ticker(&buyer.recipient());
    ///     buyer.cast(Msg::Stop);
    ///     assert!(buyer.closed().await.is_expected());
    ///     // It is gone: the part comes back, not the message.
    ///     let Price(five) = buyer.recipient().send(Price(5)).unwrap_err().message;
    ///     assert_eq!(five, 5);
    /// });
    /// ```
    pub fn recipient<S: Send + 'static>(&self) -> Recipient<S>
    where
        M: From<S>,
    {
        Recipient(Arc::clone(self.seat()) as Arc<dyn Deliver<S>>)
    }
}

impl<S: Send + 'static> Recipient<S> {
    /// Sends a part, as [`Addr::send`]. One that comes in at the moment in which its receiver ends may be dropped with the
    /// queue, like any message that was sent before.
    ///
    /// # Errors
    /// As [`Addr::send`]: the part comes back. In a full mailbox that rejects what finds no room it does so also if a queued
    /// message with the same key could have been replaced.
    ///
    /// # Cost
    /// As [`Addr::send`], and another short lock.
    pub fn send(&self, part: S) -> Result<(), SendError<S>> {
        self.0.deliver(part)
    }

    /// Sends a part and does not ask what becomes of it (OTP: A12, F14).
    pub fn cast(&self, part: S) {
        drop(self.send(part));
    }

    /// Sends a request and waits for its answer, as [`Addr::call`]: `request` makes a part of the reply.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Recipient, Reply, Sim};
    /// use std::time::Duration;
    ///
    /// struct Price(Reply<u32>);
    /// enum Msg { Price(Price), Stop }
    /// impl From<Price> for Msg {
    ///     fn from(price: Price) -> Self { Msg::Price(price) }
    /// }
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let seller = node.spawn(async |mut cx: Context<Msg>| {
    ///         while let Msg::Price(Price(reply)) = cx.recv_message().await { reply.send(7); }
    ///         Ok(())
    ///     });
    ///     let prices: Recipient<Price> = seller.recipient();
    ///     assert_eq!(prices.call(Price).within(Duration::from_secs(1)).await.unwrap(), 7);
    ///     seller.cast(Msg::Stop);
    ///     assert!(prices.call(Price).await.is_err());
    /// });
    /// ```
    pub fn call<T: Send + 'static, F: FnOnce(Reply<T>) -> S>(&self, request: F) -> Call<&Self, T, F> {
        Call::new(self, request)
    }

    /// Sends a request now; its answer can be awaited later, as [`Addr::request`].
    pub fn request<T: Send + 'static>(&self, request: impl FnOnce(Reply<T>) -> S) -> Pending<T> {
        Pending::send(&self, Arc::clone(&self.0) as Arc<dyn AnySeat>, request)
    }

    pub(crate) fn seat(&self) -> &dyn AnySeat {
        &*self.0
    }

    pub(crate) fn ask(&self, part: S, caller: Caller, refused: &mut dyn FnMut()) -> Result<u64, Refused> {
        self.0.ask(part, caller, refused)
    }

    /// The incarnation that lives at the seat now, as [`Addr::pid`].
    pub fn pid(&self) -> Option<Pid> {
        self.0.pid()
    }

    /// A recipient that does not keep the seat in memory.
    pub fn downgrade(&self) -> WeakRecipient<S> {
        WeakRecipient(Arc::downgrade(&self.0))
    }
}

impl<S: Send + 'static> WeakRecipient<S> {
    /// The recipient, if the seat still exists.
    pub fn upgrade(&self) -> Option<Recipient<S>> {
        self.0.upgrade().map(Recipient)
    }

    /// Sends a part, as [`Recipient::send`].
    ///
    /// # Errors
    /// As [`Recipient::send`]; a seat that does not exist any more is closed with `NoProc`.
    pub fn send(&self, part: S) -> Result<(), SendError<S>> {
        match self.upgrade() {
            Some(recipient) => recipient.send(part),
            None => Err(SendError { message: part, why: Refused::Closed(ExitReason::NoProc) }),
        }
    }

    /// Sends a part and does not ask what becomes of it, as [`Recipient::cast`].
    pub fn cast(&self, part: S) {
        drop(self.send(part));
    }
}

impl<S: Send + 'static> Target for Recipient<S> {
    fn resolve(&self, _: &crate::node::Node) -> Option<Pid> {
        self.pid()
    }

    fn peer(&self, _: &crate::node::Node) -> Option<Peer> {
        Arc::clone(&self.0).peer()
    }

    fn is(&self, peer: &Peer, _: Option<Pid>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&peer.seat), Arc::as_ptr(&self.0))
    }
}

impl<S: Send + 'static> Clone for Recipient<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Send + 'static> Clone for WeakRecipient<S> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}

/// Two recipients are equal if they name the same seat.
impl<S: Send + 'static> PartialEq for Recipient<S> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl<S: Send + 'static> Eq for Recipient<S> {}

impl<S: Send + 'static> fmt::Debug for Recipient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid() {
            Some(pid) => write!(f, "Recipient({pid})"),
            None => f.write_str("Recipient(nobody)"),
        }
    }
}

impl<S: Send + 'static> fmt::Debug for WeakRecipient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakRecipient")
    }
}
