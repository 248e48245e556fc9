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
use crate::timer::{Action, Timer};
use freeboard_mailbox::{Refused, SendError};
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
    /// Whether its seat knows that it waits for a clock.
    is_early: bool,
    pending: Option<Pending<T>>,
}

impl<'a, M: Send + 'static, T: Send + 'static, F: FnOnce(Reply<T>) -> M> Call<'a, M, T, F> {
    pub(crate) fn new(to: &'a Addr<M>, request: F) -> Self {
        Self {
            to,
            request: Some(request),
            within: Some(CALL_TIMEOUT),
            until: None,
            timer: None,
            is_early: false,
            pending: None,
        }
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

/// What one look at a call came to.
pub(crate) enum Look<T> {
    Answer(Result<T, CallError>),
    /// Nothing yet. It is given up at that time, if there is a limit and a clock.
    Waits(Option<Instant>),
}

impl<'a, M: Send + 'static, T: Send + 'static, F: FnOnce(Reply<T>) -> M> Call<'a, M, T, F> {
    /// Looks for the answer, and sends the request the first time; `waker` is woken when it comes, not when the limit
    /// passes.
    pub(crate) fn look(&mut self, waker: &Waker) -> Look<T> {
        if let Some(request) = self.request.take() {
            self.pending = Some(Pending::send(self.to, request));
        }
        let Some(pending) = &mut self.pending else { return Look::Waits(None) };
        if let Poll::Ready(answer) = Pin::new(pending).poll(&mut Context::from_waker(waker)) {
            return Look::Answer(answer);
        }
        let Some(limit) = self.within else { return Look::Waits(None) };
        let Some(node) = self.node() else { return Look::Waits(None) };
        let now = node.now();
        let until = *self.until.get_or_insert_with(|| node.later_than(now, limit));
        if now < until {
            return Look::Waits(Some(until));
        }
        // An answer that came in the meantime is taken (OTP: F11).
        let answer = self.pending.as_mut().and_then(Pending::give_up);
        Look::Answer(answer.unwrap_or(Err(CallError::Timeout)))
    }

    /// The node whose clock counts. A seat that was never started has none: the limit starts to run at its first start,
    /// which nudges this call. If there never is one, the queue is dropped, and so the call answered.
    pub(crate) fn node(&mut self) -> Option<&'a Node> {
        let core = &self.to.seat().core;
        if core.node().is_none() && !self.is_early {
            let slot = self.pending.as_ref().and_then(Pending::settle);
            let mut life = core.life.lock();
            if let (None, Some(slot)) = (core.node(), slot) {
                life.rows().early_calls.push(slot);
                self.is_early = true;
            }
        }
        core.node()
    }

    /// Sees to it that this call is polled again by then.
    fn wake_by(&mut self, until: Instant, waker: &Waker) {
        // A process's alarm serves all of its calls. A short limit wants to be exact, and a call outside of a process, or
        // inside a set of futures with wakers of its own, must be woken itself.
        let exact = self.within.is_some_and(|limit| limit < EXACT) || !current::wake_by(until, waker);
        if exact && self.timer.is_none() {
            let slot = self.pending.as_ref().and_then(Pending::settle);
            self.timer = self.node().zip(slot).map(|(node, slot)| node.timers().at(until, |_| Action::Nudge(slot)));
        }
    }
}

impl<M: Send + 'static, T: Send + 'static, F> Unpin for Call<'_, M, T, F> {}

impl<M: Send + 'static, T: Send + 'static, F: FnOnce(Reply<T>) -> M> Future for Call<'_, M, T, F> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.look(cx.waker()) {
            Look::Answer(answer) => return Poll::Ready(answer),
            Look::Waits(Some(until)) => self.wake_by(until, cx.waker()),
            Look::Waits(None) => {}
        }
        Poll::Pending
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
