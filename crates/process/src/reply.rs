//! The answer to a call: a slot that is filled once, outside of every mailbox.
//!
//! ```text
//!   Waiting ──send──► Answered(value) ──caller polls──► Done
//!      │ ╲──dropped, refused, process ended──► Answered(error) ──► Done
//!      └──caller gives up──► Done          (a late answer vanishes: OTP F10)
//! ```
//!
//! # Invariants
//! * The first answer stays; a later one changes nothing.
//! * An answer that is in the slot when the caller looks is taken, also at its deadline (OTP: F11).
//! * No value is dropped and nobody is woken under the slot's lock.

use crate::current::{self, Fate};
use crate::sync::Mutex;
use freeboard_mailbox::Refused;
use freeboard_signal::ExitReason;
use std::{error::Error, fmt, mem, sync::Arc, task::Waker};

/// Why a call brought no value (OTP: F9).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum CallError {
    /// The process ended before it answered, or was gone already; this is its exit reason.
    Exited(ExitReason),
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

/// Where an answer is put, and the caller waits.
pub(crate) struct Slot<T>(Mutex<State<T>>);

enum State<T> {
    Waiting(Option<Waker>),
    Answered(Result<T, CallError>),
    Done,
}

/// A slot without its type: something that can be told why no value comes.
pub(crate) trait Settle: Send + Sync + fmt::Debug {
    fn settle(&self, why: CallError);
    /// Wakes the caller, to look at the clock.
    fn nudge(&self);
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Waiting(None))))
    }

    /// Answers, if nobody did and the caller still waits.
    pub(crate) fn answer(&self, answer: Result<T, CallError>) {
        let mut state = self.0.lock();
        match &mut *state {
            State::Waiting(waker) => {
                let waker = waker.take();
                *state = State::Answered(answer);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            State::Answered(_) | State::Done => {
                drop(state);
                drop(answer);
            }
        }
    }

    /// The answer, or parks the caller.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Result<T, CallError>> {
        let mut state = self.0.lock();
        match &mut *state {
            State::Waiting(parked) => {
                let replaced = match parked {
                    Some(same) if same.will_wake(waker) => None,
                    _ => parked.replace(waker.clone()),
                };
                drop(state);
                drop(replaced);
                None
            }
            State::Answered(_) => match mem::replace(&mut *state, State::Done) {
                State::Answered(answer) => Some(answer),
                State::Waiting(_) | State::Done => None,
            },
            State::Done => None,
        }
    }

    /// The caller gives up; an answer that came in the meantime is returned (OTP: F11).
    pub(crate) fn give_up(&self) -> Option<Result<T, CallError>> {
        let before = mem::replace(&mut *self.0.lock(), State::Done);
        match before {
            State::Answered(answer) => Some(answer),
            State::Waiting(_) | State::Done => None,
        }
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        matches!(*self.0.lock(), State::Done)
    }
}

impl<T: Send> Settle for Slot<T> {
    fn settle(&self, why: CallError) {
        self.answer(Err(why));
    }

    fn nudge(&self) {
        let waker = match &mut *self.0.lock() {
            State::Waiting(waker) => waker.take(),
            State::Answered(_) | State::Done => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

/// The right to answer one call.
///
/// A dropped `Reply` tells the truth: its caller hears [`CallError::NoReply`] if the process goes on, and
/// [`CallError::Exited`] with the reason if it was dropped because the process ended (OTP: F9, F16). A request that its
/// mailbox drops is [`CallError::Refused`] at once. "Goes on" is decided
/// when the running handler ends (an [`Actor`](crate::Actor)) or when the poll ends (a raw process). Outside of any
/// process a dropped reply answers `NoReply` at once.
#[must_use = "a reply must be sent, handed on, or dropped on purpose"]
pub struct Reply<T: Send + 'static>(Option<Arc<Slot<T>>>);

impl<T: Send + 'static> Reply<T> {
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

    /// Whether the caller has given up: the answer would reach nobody.
    pub fn is_abandoned(&self) -> bool {
        self.0.as_ref().is_some_and(|slot| slot.is_abandoned())
    }
}

impl<T: Send + 'static> Drop for Reply<T> {
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
