//! The answer to a call: a slot that is filled once, outside of every mailbox.
//!
//! ```text
//!   Waiting ──send──► Answered(value) ──caller polls──► Done
//!      │ ╲──dropped, refused, process ended──► Answered(error) ──► Done
//!      └──caller gives up──► Done          (a late answer vanishes: OTP F10)
//! ```
//!
//! Whoever holds the `Reply` sees the other side too: until when the caller waits, and that it has given up.
//!
//! # Invariants
//! * The first answer stays; a later one changes nothing.
//! * An answer that is in the slot when the caller looks is taken, also at its deadline (OTP: F11).
//! * No value is dropped and nobody is woken under the slot's lock.

use crate::current::{self, Fate};
use crate::sync::Mutex;
use freeboard_mailbox::Refused;
use freeboard_signal::ExitReason;
use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

/// Why a call brought no value (OTP: F9).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum CallError {
    /// The process ended before it answered, or was gone already; this is its exit reason.
    Exited(ExitReason),
    /// No process was ever up there, so nobody has looked at the request: it was not started, or its first start failed. The
    /// reason is the one for which it ended, [`NoProc`](ExitReason::NoProc) if nothing was started.
    NotStarted(ExitReason),
    /// The request was not accepted.
    Refused(Refused),
    /// No answer in time. The request may still be served (OTP: F10).
    Timeout,
    /// The process went on without answering: it dropped or refused the reply.
    NoReply,
    /// A process called itself, which could never be answered (OTP: F12).
    CallingSelf,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(reason) => write!(f, "the process ended before it answered ({reason}); call its successor"),
            Self::NotStarted(reason) => {
                write!(f, "the process was never up ({reason}); see why its start failed, and call a new one")
            }
            Self::Refused(why) => write!(f, "the request was refused: {why}"),
            Self::Timeout => {
                f.write_str("no answer in time; the request may still be served, so repeat only what may run twice")
            }
            Self::NoReply => {
                f.write_str("the process goes on but dropped the reply; see why its handler did not answer")
            }
            Self::CallingSelf => f.write_str("a process cannot call itself; do the work here, or cast"),
        }
    }
}

impl Error for CallError {}

impl CallError {
    /// What a caller hears whose request was not accepted.
    pub(crate) fn of_refusal(why: Refused) -> Self {
        match why {
            Refused::Closed(reason) => Self::Exited(reason),
            Refused::NotStarted(reason) => Self::NotStarted(reason),
            other => Self::Refused(other),
        }
    }
}

/// Where an answer is put, and the caller waits.
pub(crate) struct Slot<T>(Mutex<Both<T>>);

/// What the two sides of a call know of each other.
struct Both<T> {
    state: State<T>,
    /// Until when the caller waits, if it has said so.
    until: Option<Instant>,
    /// Whoever holds the reply and waits for the caller to give up.
    holder: Option<Waker>,
}

enum State<T> {
    Waiting(Option<Waker>),
    Answered(Result<T, CallError>),
    Done,
}

/// How a call ended for a caller who gave up.
pub(crate) enum Left<T> {
    /// With an answer that came in the meantime (OTP: F11).
    Answered(Result<T, CallError>),
    /// Without one: whoever has the request may drop it.
    Waiting,
    /// It was over before.
    Over,
}

/// A slot without its type: something that can be told why no value comes.
pub(crate) trait Settle: Send + Sync + fmt::Debug {
    fn settle(&self, why: CallError);
    /// Wakes the caller, to look at the clock.
    fn nudge(&self);
    /// Whether the caller still waits for an answer.
    fn is_waiting(&self) -> bool;
}

impl<T> Slot<T> {
    /// A call whose caller waits until then, or without limit, and is woken with that waker.
    #[inline]
    pub(crate) fn new(until: Option<Instant>, waker: Option<Waker>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Both { state: State::Waiting(waker), until, holder: None })))
    }

    /// A call that is over already.
    pub(crate) fn answered(answer: Result<T, CallError>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Both { state: State::Answered(answer), until: None, holder: None })))
    }

    /// Answers, if nobody did and the caller still waits.
    pub(crate) fn answer(&self, answer: Result<T, CallError>) {
        let mut both = self.0.lock();
        match &mut both.state {
            State::Waiting(waker) => {
                let (caller, holder) = (waker.take(), both.holder.take());
                both.state = State::Answered(answer);
                drop(both);
                // Whoever holds the reply need not answer any more, if this came from elsewhere.
                if let Some(waker) = caller {
                    waker.wake();
                }
                if let Some(waker) = holder {
                    waker.wake();
                }
            }
            State::Answered(_) | State::Done => {
                drop(both);
                drop(answer);
            }
        }
    }

    /// The answer, or parks the caller.
    #[inline]
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<T, CallError>> {
        let mut both = self.0.lock();
        match &mut both.state {
            State::Waiting(parked) => {
                let replaced = match parked {
                    Some(same) if same.will_wake(waker) => None,
                    _ => parked.replace(waker.clone()),
                };
                drop(both);
                drop(replaced);
                Poll::Pending
            }
            State::Answered(_) => match mem::replace(&mut both.state, State::Done) {
                State::Answered(answer) => Poll::Ready(answer),
                State::Waiting(_) | State::Done => Poll::Pending,
            },
            State::Done => Poll::Pending,
        }
    }

    /// The caller gives up; an answer that came in the meantime is returned (OTP: F11).
    pub(crate) fn give_up(&self) -> Left<T> {
        let mut both = self.0.lock();
        let before = mem::replace(&mut both.state, State::Done);
        let holder = both.holder.take();
        drop(both);
        if let Some(waker) = holder {
            waker.wake();
        }
        match before {
            State::Answered(answer) => Left::Answered(answer),
            State::Waiting(_) => Left::Waiting,
            State::Done => Left::Over,
        }
    }

    /// Whether no answer has come, and the caller waits for one.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.0.lock().state, State::Waiting(_))
    }

    /// The caller waits until then, or until it had said before if that is earlier.
    pub(crate) fn wait_until(&self, until: Instant) {
        let mut both = self.0.lock();
        both.until = Some(both.until.map_or(until, |before| before.min(until)));
    }

    pub(crate) fn until(&self) -> Option<Instant> {
        self.0.lock().until
    }

    /// Whether the caller waits no more; if it does, parks whoever holds the reply until then.
    fn poll_abandoned(&self, waker: &Waker) -> bool {
        let mut both = self.0.lock();
        if !matches!(both.state, State::Waiting(_)) {
            return true;
        }
        let replaced = both.holder.replace(waker.clone());
        drop(both);
        drop(replaced);
        false
    }
}

impl<T: Send> Settle for Slot<T> {
    fn settle(&self, why: CallError) {
        self.answer(Err(why));
    }

    fn nudge(&self) {
        let waker = match &mut self.0.lock().state {
            State::Waiting(waker) => waker.take(),
            State::Answered(_) | State::Done => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn is_waiting(&self) -> bool {
        self.is_open()
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

/// The answer to a request that was sent with a [`Reply`] of one's own ([`Reply::pair`]).
///
/// # Cancel safety
/// Dropped, the answer goes nowhere, and [`Reply::is_abandoned`] says so; the request stays where it is. Polled again after it
/// was answered, it waits for ever.
#[must_use = "the answer is lost unless this is awaited"]
pub struct Outcome<T>(Arc<Slot<T>>);

impl<T> Future for Outcome<T> {
    type Output = Result<T, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx.waker())
    }
}

impl<T> Drop for Outcome<T> {
    fn drop(&mut self) {
        drop(self.0.give_up());
    }
}

impl<T> fmt::Debug for Outcome<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outcome")
    }
}

/// The right to answer one call.
///
/// A dropped `Reply` tells the truth: its caller hears [`CallError::NoReply`] if the process goes on, and
/// [`CallError::Exited`] with the reason if it was dropped because the process ended (OTP: F9, F16). A request that its
/// mailbox drops is [`CallError::Refused`] at once, and [`CallError::NotStarted`] if the process never came up. "Goes on" is decided
/// when the running handler ends (an [`Actor`](crate::Actor)) or when the poll ends (a raw process). Outside of any
/// process a dropped reply answers `NoReply` at once.
#[must_use = "a reply must be sent, handed on, or dropped on purpose"]
pub struct Reply<T: Send + 'static>(Option<Arc<Slot<T>>>);

impl<T: Send + 'static> Reply<T> {
    /// A reply and the future of its answer: for a request that is to be served even if nobody waits for it any more, and
    /// whose waiting nothing but the answer ends. A [call](crate::Addr::call) is neither: it has a limit, and is dropped
    /// where it waits when its caller gives up.
    ///
    /// ```
    /// use freeboard_process::{CallError, Context, Node, Reply, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// let server = node.spawn(async |mut cx: Context<(u32, Reply<u32>)>| {
    ///     loop {
    ///         let (n, reply) = cx.recv_message().await;
    ///         reply.send(n + 1);
    ///     }
    /// });
    /// let (reply, answer) = Reply::pair();
    /// server.send((1, reply)).unwrap();
    /// assert_eq!(answer.await.unwrap(), 2);
    /// let (reply, answer) = Reply::<u32>::pair();
    /// drop(reply);
    /// assert!(matches!(answer.await, Err(CallError::NoReply)));
    /// # });
    /// ```
    pub fn pair() -> (Self, Outcome<T>) {
        let slot = Slot::new(None, None);
        (Self::new(Arc::clone(&slot)), Outcome(slot))
    }

    pub(crate) fn new(slot: Arc<Slot<T>>) -> Self {
        Self(Some(slot))
    }

    /// Answers the call. If the caller has given up, the value is dropped.
    pub fn send(mut self, value: T) {
        if let Some(slot) = self.0.take() {
            slot.answer(Ok(value));
        }
    }

    /// Answers [`CallError::NoReply`] now, instead of when the handler is done.
    pub fn refuse(mut self) {
        if let Some(slot) = self.0.take() {
            slot.answer(Err(CallError::NoReply));
        }
    }

    /// Until when the caller waits; `None` without limit. An answer that comes later may still be taken (OTP: F11).
    ///
    /// For work that outlives the handler, [`Call::on_behalf_of`](crate::Call::on_behalf_of) hands it on.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|slot| slot.until())
    }

    /// Whether the caller waits no more, so that the answer would reach nobody: it has given up, or was told otherwise that
    /// none will come (a [bound](crate::Call::bound) call whose process has ended).
    pub fn is_abandoned(&self) -> bool {
        self.0.as_ref().is_some_and(|slot| !slot.is_waiting())
    }

    /// Waits until the caller waits no more.
    ///
    /// ```
    /// use freeboard_process::{CallError, Context, Node, Reply, Sim};
    /// use std::time::Duration;
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let (done, given_up) = tokio::sync::oneshot::channel();
    ///     let slow = node.spawn(async |mut cx: Context<Reply<u8>>| {
    ///         let mut reply = cx.recv_message().await;
    ///         reply.abandoned().await;
    ///         let _ = done.send(reply.is_abandoned());
    ///         Ok(())
    ///     });
    ///     let answer = slow.call(|reply| reply).within(Duration::from_millis(20)).await;
    ///     assert!(matches!(answer, Err(CallError::Timeout)));
    ///     assert!(given_up.await.unwrap());
    /// });
    /// ```
    ///
    /// # Cancel safety
    /// Dropped, it leaves nothing behind.
    pub fn abandoned(&mut self) -> impl Future<Output = ()> + Send + Unpin + use<'_, T> {
        poll_fn(|cx| match &self.0 {
            Some(slot) if !slot.poll_abandoned(cx.waker()) => Poll::Pending,
            _ => Poll::Ready(()),
        })
    }
}

impl<T: Send + 'static> Drop for Reply<T> {
    #[inline]
    fn drop(&mut self) {
        let Some(slot) = self.0.take() else { return };
        match current::dropped(&slot) {
            Fate::Parked => {}
            Fate::Outside => slot.answer(Err(CallError::NoReply)),
            Fate::Settled(answer) => slot.answer(Err(answer)),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}
