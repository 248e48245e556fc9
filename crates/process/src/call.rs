//! Request and reply from the caller's side.
//!
//! A call is a send, a slot, and a deadline. The reply never passes through a mailbox, so a caller inside a flood waits
//! no longer than one outside (OTP: E8), and a late reply can surface nowhere (OTP: F10).
//!
//! ```text
//!   Call ──first poll──► Asked ──answer──► over
//!   request ─────────►     └──limit passed, or dropped: the slot is given up, the request abandoned──► over
//! ```
//!
//! # Invariants
//! * An answer that is there when the limit passes is taken (OTP: F11).
//! * Whoever gives up a call that was not answered tells its seat, so that the request is dropped unless it was handed out
//!   before (deviation DEV-03). A caller that is answered tells nobody.
//!
//! # Not here
//! Who can be asked (`callee.rs`), what happens when the reply is dropped (`reply.rs`), how long a call waits (`deadline.rs`), several at once
//! (`fan_out.rs`).

use crate::callee::{Asking, Callee};
use crate::current;
use crate::deadline::Limit;
#[cfg(feature = "blocking")]
use crate::node::Node;
use crate::reply::{CallError, Left, Reply, Settle, Slot};
use crate::seat::AnySeat;
use crate::wire::{BoundCall, Signal};
use freeboard_mailbox::Caller;
use freeboard_signal::ExitReason;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// How long a call waits unless it says otherwise (OTP: F8).
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A call that was not sent yet: awaiting it sends the request and waits for the answer.
///
/// A process that makes a call while it serves another one waits no longer than the caller of that one does
/// ([`Context::deadline`](crate::Context::deadline)).
///
/// # Cancel safety
/// Dropped before its first poll, nothing was sent. Dropped later, it is abandoned as if its limit had passed: a request that
/// still waits in the mailbox is dropped there, and one that was handed out is served for nobody.
///
/// # Deviation
/// OTP's server does the work of a call whose caller has given up; here it never sees it (`docs/deviations.md`, DEV-03).
///
/// # Cost
/// One allocation, for the answer; a process's calls share one timer, so none of them sets its own unless its limit is
/// below 50 ms. A [bound](Self::bound) call costs a second allocation.
#[must_use = "a call does nothing until awaited"]
pub struct Call<A: Callee, T: Send + 'static, F> {
    to: A,
    request: Option<F>,
    limit: Limit,
    bond: Bond,
    asked: Asked<T>,
}

/// Whether the answer must come from the incarnation that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    Free,
    /// Wanted, and nobody has lived there since.
    Wanted,
    Made,
}

impl<A: Callee, T: Send + 'static, F: FnOnce(Reply<T>) -> A::Request> Call<A, T, F> {
    pub(crate) fn new(to: A, request: F) -> Self {
        Self { to, request: Some(request), limit: Limit::usual(), bond: Bond::Free, asked: Asked::nobody() }
    }

    /// Waits this long, counted from the first poll, instead of [`CALL_TIMEOUT`]. Zero asks for an answer that is there
    /// at once.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit.set(Some(limit));
        self
    }

    /// Waits without a limit of its own. The call still ends when the process does, and with the call that is being served.
    pub fn forever(mut self) -> Self {
        self.limit.set(None);
        self
    }

    /// Waits no longer than the caller of `served` does: for work that goes on after the handler, when nothing is inherited
    /// any more.
    pub fn on_behalf_of<R: Send + 'static>(mut self, served: &Reply<R>) -> Self {
        self.limit.inherit(served.deadline());
        self
    }

    /// Ends the call when the process ends that lives there now, with its reason, also if it has handed the reply on
    /// (OTP: F16). The bond is made ahead of the request (OTP: D6); while nobody lives there, it is made when this call is
    /// next polled after the start. A request that is [kept](crate::Queue::Keep) over that end is abandoned with its call.
    pub fn bound(mut self) -> Self {
        self.bond = Bond::Wanted;
        self
    }
}

/// What a look at a call comes to: the answer, or nothing yet.
type Look<T> = Poll<Result<T, CallError>>;

impl<A: Callee, T: Send + 'static, F: FnOnce(Reply<T>) -> A::Request> Call<A, T, F> {
    /// Looks for the answer, and sends the request the first time; `waker` is woken when it comes, not when the limit
    /// passes.
    #[inline(always)]
    pub(crate) fn look(&mut self, waker: &Waker) -> Look<T> {
        if let Some(request) = self.request.take() {
            return self.ask(request, waker);
        }
        self.look_again(waker)
    }

    /// Looks for the answer to a request that was sent.
    #[inline(always)]
    fn look_again(&mut self, waker: &Waker) -> Look<T> {
        let look = self.asked.poll(waker);
        if let Poll::Ready(answer) = &look {
            self.heed(answer);
        } else if self.bond == Bond::Wanted || self.limit.is_limited() {
            return self.look_around();
        }
        look
    }

    /// Sends the request.
    #[inline(always)]
    fn ask(&mut self, request: F, waker: &Waker) -> Look<T> {
        self.to.resolve();
        let Some(Asking(seat)) = self.to.seat() else {
            // From here on this call waits for ever, as one that was answered.
            return Poll::Ready(Err(CallError::Exited(ExitReason::NoProc)));
        };
        let core = seat.core();
        if let Some((caller, deadline)) = current::serving() {
            if core.is_now(caller) {
                return Poll::Ready(Err(CallError::CallingSelf));
            }
            self.limit.inherit(deadline);
        }
        let is_far = self.limit.start(core) || !self.limit.is_limited();
        let until = self.limit.until();
        // Nobody else knows the slot yet, so the caller can be parked in it without a look.
        let slot = Slot::new(until, Some(waker.clone()));
        if self.bond == Bond::Wanted {
            self.bond.make(seat, &slot);
        }
        match Asked::send(&self.to, seat, until, slot, request) {
            Ok(asked) => self.asked = asked,
            Err(why) => return Poll::Ready(Err(why)),
        }
        if is_far && self.bond != Bond::Wanted { Poll::Pending } else { self.look_at_once(waker) }
    }

    /// The first look at a call that may be over as soon as it is sent, or that nobody is bound to.
    #[cold]
    fn look_at_once(&mut self, waker: &Waker) -> Look<T> {
        self.look_again(waker)
    }

    /// What else may end a call that is not answered.
    #[cold]
    fn look_around(&mut self) -> Look<T> {
        let (Some(Asking(seat)), Some(slot)) = (self.to.seat(), self.asked.slot()) else { return Poll::Pending };
        let core = seat.core();
        if self.bond == Bond::Wanted {
            self.bond.make(seat, slot);
        }
        if self.bond == Bond::Wanted {
            // In this order: whoever starts it meanwhile finds this call there, or is found.
            Limit::await_start(core, Arc::clone(slot) as Arc<dyn Settle>);
            self.bond.make(seat, slot);
        }
        if self.limit.is_over(core, || Arc::clone(slot) as Arc<dyn Settle>) {
            let answer = self.asked.give_up(seat);
            return Poll::Ready(answer.unwrap_or(Err(CallError::Timeout)));
        }
        Poll::Pending
    }

    /// When it is given up, if there is a limit and a clock.
    #[cfg(feature = "blocking")]
    pub(crate) fn until(&self) -> Option<Instant> {
        self.limit.until()
    }

    /// The node whose clock counts, if the seat was ever started.
    #[cfg(feature = "blocking")]
    pub(crate) fn node(&self) -> Option<&Node> {
        self.to.node()
    }
}

impl<A: Callee, T: Send + 'static, F> Call<A, T, F> {
    /// What a bound call was told when its process ended holds, also if the next incarnation still has its request.
    #[inline]
    fn heed(&self, answer: &Result<T, CallError>) {
        if self.bond == Bond::Made
            && matches!(answer, Err(CallError::Exited(_)))
            && let Some(Asking(seat)) = self.to.seat()
        {
            seat.give_up(self.asked.number);
        }
    }
}

impl Bond {
    /// Makes the bond with whoever lives there, if anybody does.
    #[cold]
    fn make<T: Send + 'static>(&mut self, seat: &dyn AnySeat, slot: &Arc<Slot<T>>) {
        let Some(incarnation) = seat.incarnation() else { return };
        let slot = Arc::clone(slot) as Arc<dyn Settle>;
        let signal = Signal::Bound { call: BoundCall(Arc::downgrade(&slot)) };
        if seat.push_signal(incarnation, Box::new(signal)).is_ok() {
            *self = Self::Made;
        }
    }
}

impl<A: Callee, T: Send + 'static, F> Unpin for Call<A, T, F> {}

impl<A: Callee, T: Send + 'static, F: FnOnce(Reply<T>) -> A::Request> Future for Call<A, T, F> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let look = self.look(cx.waker());
        let this = &mut *self;
        if look.is_pending()
            && this.limit.is_limited()
            && let (Some(slot), Some(Asking(seat))) = (this.asked.slot(), this.to.seat())
        {
            this.limit.wake(seat.core(), cx.waker(), || Arc::clone(slot) as Arc<dyn Settle>);
        }
        look
    }
}

impl<A: Callee, T: Send + 'static, F> Drop for Call<A, T, F> {
    #[inline]
    fn drop(&mut self) {
        if self.limit.is_set()
            && let Some(Asking(seat)) = self.to.seat()
        {
            self.limit.end(seat.core());
        }
        if self.asked.slot.is_some() {
            self.leave();
        }
    }
}

impl<A: Callee, T: Send + 'static, F> Call<A, T, F> {
    /// Gives up, whoever waited.
    #[cold]
    fn leave(&mut self) {
        if let Some(Asking(seat)) = self.to.seat()
            && let Some(answer) = self.asked.give_up(seat)
        {
            self.heed(&answer);
        }
    }
}

impl<A: Callee, T: Send + 'static, F> fmt::Debug for Call<A, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("to", &self.to).field("bond", &self.bond).finish_non_exhaustive()
    }
}

/// A request that was sent, as far as its caller is concerned.
struct Asked<T> {
    /// Where the answer will be, while it is awaited.
    slot: Option<Arc<Slot<T>>>,
    /// Its number in the mailbox.
    number: u64,
}

impl<T: Send + 'static> Asked<T> {
    /// Nobody was asked yet.
    fn nobody() -> Self {
        Self { slot: None, number: 0 }
    }

    /// Sends a request, for a caller who waits for what is put into that slot.
    #[inline(always)]
    fn send<A: Callee>(
        to: &A,
        seat: &dyn AnySeat,
        until: Option<Instant>,
        slot: Arc<Slot<T>>,
        request: impl FnOnce(Reply<T>) -> A::Request,
    ) -> Result<Self, CallError> {
        let waits = match (until, seat.core().node()) {
            (Some(until), Some(node)) => node.caller(until),
            _ => Caller::NONE,
        };
        // The request holds the reply: whatever its drop says comes after this.
        let refused = || drop(slot.give_up());
        match to.send_call(request(Reply::new(Arc::clone(&slot))), waits, refused) {
            Ok(number) => Ok(Self { slot: Some(slot), number }),
            Err(why) => Err(CallError::of_refusal(why)),
        }
    }

    #[inline]
    fn slot(&self) -> Option<&Arc<Slot<T>>> {
        self.slot.as_ref()
    }

    /// The answer, once; or parks the caller.
    #[inline(always)]
    fn poll(&mut self, waker: &Waker) -> Look<T> {
        let Some(slot) = &self.slot else { return Poll::Pending };
        let look = slot.poll(waker);
        if look.is_ready() {
            self.slot = None;
        }
        look
    }

    /// Gives up; an answer that is there is returned. The seat is told if there is none.
    fn give_up(&mut self, seat: &dyn AnySeat) -> Option<Result<T, CallError>> {
        match self.slot.take()?.give_up() {
            Left::Answered(answer) => return Some(answer),
            Left::Waiting => seat.give_up(self.number),
            Left::Over => {}
        }
        None
    }
}

/// A request that is under way; awaiting it waits for the answer, without limit unless it is given one.
///
/// # Cancel safety
/// Dropped, the request is abandoned, as with a [`Call`]. Polled again after it was answered, it waits for ever.
#[must_use = "the request is abandoned when this is dropped"]
pub struct Pending<T: Send + 'static> {
    asked: Asked<T>,
    to: Arc<dyn AnySeat>,
    limit: Limit,
}

impl<T: Send + 'static> Pending<T> {
    pub(crate) fn send<A: Callee>(
        to: &A,
        seat: Arc<dyn AnySeat>,
        request: impl FnOnce(Reply<T>) -> A::Request,
    ) -> Self {
        let asked = match current::pid() {
            Some(caller) if seat.core().is_now(caller) => Err(CallError::CallingSelf),
            _ => Asked::send(to, &*seat, None, Slot::new(None, None), request),
        };
        // What failed is an answer as well.
        let failed = |why| Asked { slot: Some(Slot::answered(Err(why))), number: 0 };
        let asked = asked.unwrap_or_else(failed);
        Self { asked, to: seat, limit: Limit::none() }
    }

    /// Waits this long, counted from now. A seat that was not started yet has no clock: there it counts from the first start.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit.set(Some(limit));
        self.limited()
    }

    /// Waits no longer than the caller of `served` does.
    pub fn on_behalf_of<R: Send + 'static>(mut self, served: &Reply<R>) -> Self {
        self.limit.inherit(served.deadline());
        self.limited()
    }

    /// Tells whoever holds the reply.
    fn limited(mut self) -> Self {
        // It may have been looked at already: what would wake it by the time before says nothing of an earlier one.
        self.limit.end(self.to.core());
        self.limit.start(self.to.core());
        if let (Some(until), Some(slot)) = (self.limit.until(), self.asked.slot()) {
            slot.wait_until(until);
        }
        self
    }
}

impl<T: Send + 'static> Unpin for Pending<T> {}

impl<T: Send + 'static> Future for Pending<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let look = self.asked.poll(cx.waker());
        if look.is_ready() {
            return look;
        }
        let Self { asked, to, limit } = &mut *self;
        let Some(slot) = asked.slot() else { return Poll::Pending };
        if limit.is_limited() {
            let core = to.core();
            let slot = || Arc::clone(slot) as Arc<dyn Settle>;
            if limit.is_over(core, slot) {
                return Poll::Ready(asked.give_up(&**to).unwrap_or(Err(CallError::Timeout)));
            }
            limit.wake(core, cx.waker(), slot);
        }
        Poll::Pending
    }
}

impl<T: Send + 'static> Drop for Pending<T> {
    fn drop(&mut self) {
        self.limit.end(self.to.core());
        drop(self.asked.give_up(&*self.to));
    }
}

impl<T: Send + 'static> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
