//! Stopping a process: from inside, with an answer as its last word, and from outside, with the true end awaited.
//!
//! ```text
//!   addr.stop(reason) ─► its place in the queue ─► terminate(reason) ─► exit protocol ─► Ok, or what it ended with
//! ```
//!
//! # Invariants
//! * A stop is served in its turn, between two handlers: what was sent before is handled before.
//! * It is answered by the exit protocol, so when its name is free and its state is dropped (OTP: F31).
//! * A stop that is not waited for any more is still served.
//!
//! # Not here
//! Exit signals, which do not wait for their turn (`Addr::exit`, `Addr::kill`), and draining (`drain.rs`).

use crate::addr::Addr;
use crate::context::{Context, Ended};
use crate::current;
use crate::node::Node;
use crate::receive::Alarm;
use crate::reply::{CallError, Reply, Settle, Slot};
use crate::seat::present;
use crate::sync::Mutex;
use crate::system::Request;
use crate::target::Target;
use crate::task::quietly;
use crate::wire::{BoundCall, Peer, Signal};
use freeboard_signal::ExitReason;
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

/// Why a stop did not come to what it was to come to (OTP: F31).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum StopError {
    /// It ended with another reason: this one.
    Other(ExitReason),
    /// Nobody lives there.
    NoProc,
    /// It did not end in time. It will, when it comes to it.
    Timeout,
    /// A process would wait for its own end.
    CallingSelf,
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(reason) => write!(f, "the process ended, but for another reason ({reason}); look what that is"),
            Self::NoProc => f.write_str("nobody lives there; there is nothing to stop"),
            Self::Timeout => f.write_str("the process has not ended in time; wait longer, or kill it"),
            Self::CallingSelf => {
                f.write_str("a process cannot wait for its own end; use `Context::stop`, or return an error")
            }
        }
    }
}

impl Error for StopError {}

/// A stop that was not asked for yet: awaiting it asks, and waits for the end.
///
/// # Cancel safety
/// Dropped before its first poll, nothing was asked. Dropped later, the process stops all the same.
#[must_use = "nobody is asked to stop until this is awaited"]
pub struct Stop {
    to: Option<Peer>,
    /// Until it was asked.
    reason: ExitReason,
    asked: bool,
    end: Arc<Slot<Infallible>>,
    within: Option<Duration>,
    alarm: Option<Alarm>,
}

impl Stop {
    fn new(to: Option<Peer>, reason: ExitReason) -> Self {
        Self { to, reason: reason.into_cause(), asked: false, end: Slot::new(None, None), within: None, alarm: None }
    }

    /// Waits no longer than this, counted from the first poll; without it, as long as it takes.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// Asks, and is told of the end from here on.
    fn ask(&mut self) -> Result<(), StopError> {
        let to = self.to.as_ref().ok_or(StopError::NoProc)?;
        if current::pid() == Some(to.pid) {
            return Err(StopError::CallingSelf);
        }
        if let (Some(limit), Some(node)) = (self.within, to.seat.core().node()) {
            self.alarm = Some(Alarm::new(node.clone(), node.later(limit)));
        }
        let end = Arc::clone(&self.end) as Arc<dyn Settle>;
        if !to.signal(Signal::Bound { call: BoundCall(Arc::downgrade(&end)) }) {
            return Err(StopError::NoProc);
        }
        // If it has ended meanwhile, that is what this hears.
        to.signal(Request::Stop(self.reason.clone()).signal());
        Ok(())
    }
}

impl Future for Stop {
    type Output = Result<(), StopError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        if !std::mem::replace(&mut self.asked, true) {
            self.ask()?;
        }
        if let Poll::Ready(Err(CallError::Exited(reason) | CallError::NotStarted(reason))) = self.end.poll(cx.waker()) {
            return Poll::Ready(if is_same(&reason, &self.reason) { Ok(()) } else { Err(StopError::Other(reason)) });
        }
        let is_late = self.alarm.as_mut().is_some_and(|alarm| alarm.rings(cx.waker()));
        if is_late { Poll::Ready(Err(StopError::Timeout)) } else { Poll::Pending }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("to", &self.to).field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Whether one reason is the other, or a copy of it.
fn is_same(one: &ExitReason, other: &ExitReason) -> bool {
    use ExitReason::{Error, Killed, Normal, Panic, Shutdown, ShutdownWith};
    match (one, other) {
        (Normal, Normal) | (Shutdown, Shutdown) | (Killed, Killed) => true,
        (ShutdownWith(one), ShutdownWith(other)) => one == other,
        (Error(one), Error(other)) => Arc::ptr_eq(one, other),
        (Panic(one), Panic(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

impl<M: Send + 'static> Addr<M> {
    /// Stops the process that lives here, in its turn, and waits for its end (OTP: F31). An actor runs `terminate`; a raw
    /// process ends at the plain receive that comes to it.
    ///
    /// ```
    /// use freeboard_process::{Context, ExitReason, Node, Sim, StopError};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// let worker = node.spawn(async |mut cx: Context<u32>| {
    ///     loop {
    ///         if cx.recv_message().await == 0 {
    ///             return Err("a zero".parse::<u32>().unwrap_err().into());
    ///         }
    ///     }
    /// });
    /// # // `recv_message` leaves a stop where it is, so this one ends by the zero.
    /// let (stopped, _) = tokio::join!(worker.stop(ExitReason::Shutdown), async { worker.cast(0) });
    /// assert!(matches!(stopped, Err(StopError::Other(ExitReason::Error(_)))));
    /// assert!(matches!(worker.stop(ExitReason::Shutdown).await, Err(StopError::NoProc)));
    /// # });
    /// ```
    ///
    /// # Errors
    /// It ended for another reason, which is in the error; nobody lives here; a process would stop itself; it took longer
    /// than [`within`](Stop::within), and then it stops when it comes to it.
    pub fn stop(&self, reason: ExitReason) -> Stop {
        Stop::new(present(self.seat()), reason)
    }
}

impl Node {
    /// Stops whoever this names now, as [`Addr::stop`]: a pid, a name, an address of any type.
    ///
    /// # Errors
    /// As [`Addr::stop`].
    pub fn stop(&self, target: &(impl Target + ?Sized), reason: ExitReason) -> Stop {
        Stop::new(target.peer(self), reason)
    }
}

impl<M: Send + 'static> Context<M> {
    /// Ends this process with `reason`: an actor when the present handler has returned, after its
    /// [`terminate`](crate::Actor::terminate); a raw process, or an actor in its `init`, at its next await. The first call
    /// counts, and a handler that returns an error after it ends the actor with that error.
    pub fn stop(&mut self, reason: ExitReason) {
        let core = &self.seat.core;
        if !core.is_living(self.pid().generation()) {
            return;
        }
        if core.is_handling() {
            self.rare.get_or_insert_default().stops.get_or_insert_with(|| Box::new(reason));
        } else {
            core.finish(self.pid().generation(), reason);
            self.seat.intake.wake_task();
        }
    }

    /// Ends an actor with `reason`, and answers `reply` with `value` when it is over: after
    /// [`terminate`](crate::Actor::terminate), also if that fails, and when its name is free (OTP: F29). To be returned from a
    /// handler.
    ///
    /// ```
    /// use freeboard_process::{Actor, Context, Ended, ExitReason, InitError, Node, Reply, Sim, run_actor};
    ///
    /// struct Till(u64);
    /// impl Actor for Till {
    ///     type Msg = Reply<u64>;
    ///     type Args = ();
    ///     async fn init((): (), _: &mut Context<Reply<u64>>) -> Result<Self, InitError> {
    ///         Ok(Till(7))
    ///     }
    ///     async fn handle(&mut self, close: Reply<u64>, cx: &mut Context<Reply<u64>>) -> Ended {
    ///         cx.stop_with_reply(close, self.0, ExitReason::Normal)
    ///     }
    /// }
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// let till = node.spawn(|cx| run_actor::<Till>(|| (), cx));
    /// assert_eq!(till.call(|reply| reply).await.unwrap(), 7);
    /// assert!(till.ended().is_some());
    /// # });
    /// ```
    ///
    /// # Errors
    /// Always, with `reason`: so the handler ends the actor.
    pub fn stop_with_reply<T: Send + 'static>(&mut self, reply: Reply<T>, value: T, reason: ExitReason) -> Ended {
        let last = Arc::new(LastWord(Mutex::new(Some((reply, value)))));
        match self.life() {
            Some(mut life) => life.rows().last_words.push(last),
            None => last.speak(),
        }
        Err(reason)
    }
}

/// An answer that is given when its process is over.
pub(crate) struct LastWord<T: Send + 'static>(Mutex<Option<(Reply<T>, T)>>);

impl<T: Send + 'static> LastWord<T> {
    fn speak(&self) {
        let word = self.0.lock().take();
        // A caller that has gone leaves the value here, and its destructor is the user's.
        quietly(|| {
            if let Some((reply, value)) = word {
                reply.send(value);
            }
        });
    }
}

impl<T: Send + 'static> Settle for LastWord<T> {
    fn settle(&self, _: CallError) {
        self.speak();
    }

    fn nudge(&self) {}

    fn is_waiting(&self) -> bool {
        self.0.lock().is_some()
    }
}

impl<T: Send + 'static> fmt::Debug for LastWord<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastWord")
    }
}
