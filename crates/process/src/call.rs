//! Request and reply from the caller's side.
//!
//! A call is a send, a slot, and a deadline. The reply never passes through a mailbox, so a caller inside a flood waits
//! no longer than one outside (OTP: E8), and a late reply can surface nowhere (OTP: F10).
//!
//! # Not here
//! What happens when the reply is dropped (`reply.rs`).

use crate::addr::Addr;
use crate::current;
use crate::node::Node;
use crate::reply::{CallError, Reply, Settle, Slot};
use crate::seat::AnySeat;
use crate::timer::{Action, Timer};
use freeboard_mailbox::{Refused, SendError};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// How long a call waits unless it says otherwise (OTP: F8).
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A call that was not sent yet: awaiting it sends the request and waits for the answer.
///
/// # Cancel safety
/// Dropped before its first poll, nothing was sent. Dropped later, the request is under way and its answer goes nowhere.
#[must_use = "a call does nothing until awaited"]
pub struct Call<'a, M: Send + 'static, T: Send + 'static, F> {
    to: &'a Addr<M>,
    request: Option<F>,
    within: Option<Duration>,
    pending: Option<Pending<T>>,
}

impl<'a, M: Send + 'static, T: Send + 'static, F: FnOnce(Reply<T>) -> M> Call<'a, M, T, F> {
    pub(crate) fn new(to: &'a Addr<M>, request: F) -> Self {
        Self { to, request: Some(request), within: Some(CALL_TIMEOUT), pending: None }
    }

    /// Waits this long, counted from the first poll, instead of [`CALL_TIMEOUT`]. Zero asks for an answer that is there
    /// at once.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// Waits without limit. The call still ends when the process does.
    pub fn forever(mut self) -> Self {
        self.within = None;
        self
    }
}

impl<M: Send + 'static, T: Send + 'static, F> Unpin for Call<'_, M, T, F> {}

impl<M: Send + 'static, T: Send + 'static, F: FnOnce(Reply<T>) -> M> Future for Call<'_, M, T, F> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(request) = self.request.take() {
            let mut pending = Pending::send(self.to, request);
            pending.within = self.within;
            self.pending = Some(pending);
        }
        match &mut self.pending {
            Some(pending) => Pin::new(pending).poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<M: Send + 'static, T: Send + 'static, F> fmt::Debug for Call<'_, M, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("to", self.to).field("within", &self.within).finish_non_exhaustive()
    }
}

/// A request that is under way. Dropping it abandons the answer, not the request.
#[must_use = "the answer is lost unless this is awaited"]
pub struct Pending<T: Send + 'static> {
    state: Sent<T>,
    clock: Clock,
    within: Option<Duration>,
    timer: Option<Timer>,
}

/// Whose time a limit is measured in.
enum Clock {
    Of(Node),
    /// The seat was not started when the request was sent; its node is known when it is.
    Unstarted(Arc<dyn AnySeat>),
}

enum Sent<T> {
    UnderWay(Arc<Slot<T>>),
    Failed(Option<CallError>),
}

impl<T: Send + 'static> Pending<T> {
    pub(crate) fn send<M: Send + 'static>(to: &Addr<M>, request: impl FnOnce(Reply<T>) -> M) -> Self {
        let clock = match to.seat().core.node() {
            Some(node) => Clock::Of(node.clone()),
            None => Clock::Unstarted(Arc::clone(to.seat()) as Arc<dyn AnySeat>),
        };
        if current::pid().is_some_and(|caller| Some(caller) == to.pid()) {
            return Self { state: Sent::Failed(Some(CallError::CallingSelf)), clock, within: None, timer: None };
        }
        let slot = Slot::new();
        let state = match to.send(request(Reply::new(Arc::clone(&slot)))) {
            Ok(()) => Sent::UnderWay(slot),
            Err(SendError { message, why }) => {
                // The request holds the reply: whatever its drop says comes after this.
                slot.give_up();
                drop(message);
                Sent::Failed(Some(match why {
                    Refused::Closed(reason) => CallError::Exited(reason),
                    other => CallError::Refused(other),
                }))
            }
        };
        Self { state, clock, within: None, timer: None }
    }

    fn drop_timer(&mut self) {
        if let (Some(timer), Clock::Of(node)) = (self.timer.take(), &self.clock) {
            let _left = node.timers().cancel(timer, timer.at());
        }
    }
}

impl<T: Send + 'static> Future for Pending<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let slot = match &mut this.state {
            Sent::UnderWay(slot) => slot,
            Sent::Failed(why) => return why.take().map_or(Poll::Pending, |why| Poll::Ready(Err(why))),
        };
        if let Some(answer) = slot.poll(cx.waker()) {
            this.drop_timer();
            return Poll::Ready(answer);
        }
        let Some(limit) = this.within else { return Poll::Pending };
        if let Clock::Unstarted(seat) = &this.clock {
            // Without a clock the limit starts to run at the first start, which nudges this call. If there never is one,
            // the queue is dropped, and so the call answered.
            let mut life = seat.core().life.lock();
            let Some(node) = seat.core().node().cloned() else {
                life.rows().early_calls.push(Arc::clone(slot) as Arc<dyn Settle>);
                return Poll::Pending;
            };
            drop(life);
            this.clock = Clock::Of(node);
        }
        let Clock::Of(node) = &this.clock else { return Poll::Pending };
        match this.timer {
            None => {
                if limit.is_zero() {
                    return Poll::Ready(slot.give_up().unwrap_or(Err(CallError::Timeout)));
                }
                let nudge = Arc::clone(slot) as Arc<dyn Settle>;
                this.timer = Some(node.timers().at(node.later(limit), |_| Action::Nudge(nudge)));
                Poll::Pending
            }
            Some(timer) if node.now() >= timer.at() => Poll::Ready(slot.give_up().unwrap_or(Err(CallError::Timeout))),
            Some(_) => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Sent::UnderWay(slot) = &self.state {
            drop(slot.give_up());
        }
        self.drop_timer();
    }
}

impl<T: Send + 'static> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
