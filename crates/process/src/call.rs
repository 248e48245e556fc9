//! Request and reply from the caller's side.
//!
//! A call is a send, a slot, and a deadline. The reply never passes through a mailbox, so a caller inside a flood waits
//! no longer than one outside (OTP: E8), and a late reply can surface nowhere (OTP: F10).
//!
//! # Not here
//! What happens when the reply is dropped (`reply.rs`).

use crate::addr::Addr;
use crate::current;
use crate::reply::{CallError, Reply, Settle, Slot};
use crate::timer::{Action, Timer};
use freeboard_mailbox::{Refused, SendError};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How long a call waits unless it says otherwise (OTP: F8).
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits below this get a timer of their own; longer ones share their process's alarm.
const EXACT: Duration = Duration::from_millis(50);

/// A call that was not sent yet: awaiting it sends the request and waits for the answer.
///
/// # Cancel safety
/// Dropped before its first poll, nothing was sent. Dropped later, the request is under way and its answer goes nowhere.
///
/// # Cost
/// One allocation, for the answer; a process's calls share one timer, so none of them sets its own unless its limit is
/// below 50 ms.
#[must_use = "a call does nothing until awaited"]
pub struct Call<'a, M: Send + 'static, T: Send + 'static, F> {
    to: &'a Addr<M>,
    request: Option<F>,
    within: Option<Duration>,
    until: Option<Instant>,
    timer: Option<Timer>,
    pending: Option<Pending<T>>,
}

impl<'a, M: Send + 'static, T: Send + 'static, F: FnOnce(Reply<T>) -> M> Call<'a, M, T, F> {
    pub(crate) fn new(to: &'a Addr<M>, request: F) -> Self {
        Self { to, request: Some(request), within: Some(CALL_TIMEOUT), until: None, timer: None, pending: None }
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

impl<M: Send + 'static, T: Send + 'static, F> Call<'_, M, T, F> {
    /// Whether the limit has passed; if not, sees to it that this call is polled again by then.
    fn is_late(&mut self, limit: Duration, cx: &mut Context<'_>) -> bool {
        let (core, Some(pending)) = (&self.to.seat().core, &self.pending) else { return false };
        let Some(node) = core.node() else {
            // A seat that was never started has no clock: the limit starts to run at its first start, which nudges this
            // call. If there never is one, the queue is dropped, and so the call answered.
            let mut life = core.life.lock();
            if core.node().is_none() {
                life.rows().early_calls.extend(pending.settle());
                return false;
            }
            drop(life);
            return self.is_late(limit, cx);
        };
        let now = node.now();
        let until = *self.until.get_or_insert_with(|| node.later_than(now, limit));
        if now >= until {
            return true;
        }
        // A process's alarm serves all of its calls. A short limit wants to be exact, and a call outside of a process, or
        // inside a set of futures with wakers of its own, must be woken itself.
        let exact = limit < EXACT || !current::wake_by(until, cx.waker());
        if exact && self.timer.is_none() {
            self.timer = pending.settle().map(|slot| node.timers().at(until, |_| Action::Nudge(slot)));
        }
        false
    }
}

impl<M: Send + 'static, T: Send + 'static, F> Unpin for Call<'_, M, T, F> {}

impl<M: Send + 'static, T: Send + 'static, F: FnOnce(Reply<T>) -> M> Future for Call<'_, M, T, F> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(request) = this.request.take() {
            this.pending = Some(Pending::send(this.to, request));
        }
        let Some(pending) = &mut this.pending else { return Poll::Pending };
        if let Poll::Ready(answer) = Pin::new(pending).poll(cx) {
            return Poll::Ready(answer);
        }
        let limit = this.within;
        if limit.is_none_or(|limit| !this.is_late(limit, cx)) {
            return Poll::Pending;
        }
        // An answer that came in the meantime is taken (OTP: F11).
        let answer = this.pending.as_mut().and_then(Pending::give_up);
        Poll::Ready(answer.unwrap_or(Err(CallError::Timeout)))
    }
}

impl<M: Send + 'static, T: Send + 'static, F> Drop for Call<'_, M, T, F> {
    fn drop(&mut self) {
        if let (Some(timer), Some(node)) = (self.timer.take(), self.to.seat().core.node()) {
            let _left = node.timers().cancel(timer, timer.at());
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
pub struct Pending<T: Send + 'static>(Sent<T>);

enum Sent<T> {
    UnderWay(Arc<Slot<T>>),
    Failed(CallError),
    Over,
}

impl<T: Send + 'static> Pending<T> {
    pub(crate) fn send<M: Send + 'static>(to: &Addr<M>, request: impl FnOnce(Reply<T>) -> M) -> Self {
        if current::pid().is_some_and(|caller| to.seat().core.is_now(caller)) {
            return Self(Sent::Failed(CallError::CallingSelf));
        }
        let slot = Slot::new();
        match to.send(request(Reply::new(Arc::clone(&slot)))) {
            Ok(()) => Self(Sent::UnderWay(slot)),
            Err(SendError { message, why }) => {
                // The request holds the reply: whatever its drop says comes after this.
                slot.give_up();
                drop(message);
                Self(Sent::Failed(match why {
                    Refused::Closed(reason) => CallError::Exited(reason),
                    other => CallError::Refused(other),
                }))
            }
        }
    }

    /// The slot without its type, while the answer is awaited.
    fn settle(&self) -> Option<Arc<dyn Settle>> {
        match &self.0 {
            Sent::UnderWay(slot) => Some(Arc::clone(slot) as Arc<dyn Settle>),
            Sent::Failed(_) | Sent::Over => None,
        }
    }

    /// Gives up; an answer that is there is returned.
    fn give_up(&mut self) -> Option<Result<T, CallError>> {
        match std::mem::replace(&mut self.0, Sent::Over) {
            Sent::UnderWay(slot) => slot.give_up(),
            Sent::Failed(why) => Some(Err(why)),
            Sent::Over => None,
        }
    }
}

impl<T: Send + 'static> Unpin for Pending<T> {}

impl<T: Send + 'static> Future for Pending<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &self.0 {
            Sent::UnderWay(slot) => slot.poll(cx.waker()),
            Sent::Failed(_) => self.give_up(),
            Sent::Over => None,
        };
        match answer {
            Some(answer) => {
                self.0 = Sent::Over;
                Poll::Ready(answer)
            }
            None => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> Drop for Pending<T> {
    fn drop(&mut self) {
        drop(self.give_up());
    }
}

impl<T: Send + 'static> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
