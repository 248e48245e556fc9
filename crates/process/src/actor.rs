//! The behaviour on top of a process: state, and a handler for each kind of event (OTP's gen_server).
//!
//! ```text
//!   init ─ok─► acknowledge ─► loop { then-messages first, else the oldest event } ─► handler ─Err─► terminate ─► end
//! ```
//!
//! # Invariants
//! * A continuation set by a handler runs before anything that is queued, also before what came during init (OTP: F22).
//! * `terminate` runs when a handler fails or panics, and when the parent's exit is received by an actor that traps exits
//!   (OTP: F27, F28). It does not run when the actor is killed or ended by an exit signal that it does not trap.
//!
//! # Not here
//! Timeouts of the behaviour, stop from outside with a reason, system messages.

use crate::context::{Context, Ended};
use crate::current;
use crate::reply::CallError;
use crate::start::StartError;
use crate::task::panic_reason;
use freeboard_mailbox::Event;
use freeboard_signal::{Down, Downs, Exit, ExitReason};
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
};

/// How an actor's `init` may end without a state (OTP: F2).
#[non_exhaustive]
#[derive(Debug)]
pub enum InitError {
    /// The start fails, and the process ends for this reason.
    Stop(ExitReason),
    /// The start fails with this reason, quietly: the process ends `Normal`.
    Refuse(ExitReason),
    /// The child chose not to run; the process ends `Normal`.
    Ignore,
}

/// Any error stops the start.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for InitError {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}

/// A process with a state: what each event does to it.
///
/// ```
/// use freeboard_process::{Actor, Context, Ended, InitError, Reply};
///
/// struct Counter { total: u64 }
/// enum Msg { Add(u64), Get(Reply<u64>) }
///
/// impl Actor for Counter {
///     type Msg = Msg;
///     type Args = u64;
///     async fn init(start: u64, _: &mut Context<Msg>) -> Result<Self, InitError> {
///         Ok(Counter { total: start })
///     }
///     async fn handle(&mut self, msg: Msg, _: &mut Context<Msg>) -> Ended {
///         match msg {
///             Msg::Add(n) => self.total += n,
///             Msg::Get(reply) => reply.send(self.total),
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Actor: Sized + Send + 'static {
    /// What it is sent.
    type Msg: Send + 'static;
    /// What `init` builds the state from.
    type Args: Send + 'static;

    /// Builds the state. Whoever started the actor waits for this (OTP: F1).
    fn init(args: Self::Args, cx: &mut Context<Self::Msg>) -> impl Future<Output = Result<Self, InitError>> + Send;

    /// Handles one message. `Err` ends the actor with that reason; use `Err(ExitReason::Normal)` to stop.
    fn handle(&mut self, msg: Self::Msg, cx: &mut Context<Self::Msg>) -> impl Future<Output = Ended> + Send;

    /// Handles the end of a monitored process. Without an implementation the notice is logged and dropped.
    fn handle_down(&mut self, down: Down, cx: &mut Context<Self::Msg>) -> impl Future<Output = Ended> + Send {
        tracing::debug!(pid = %cx.pid(), monitor = %down.monitor, "unhandled Down dropped");
        async { Ok(()) }
    }

    /// Handles several notices at once; one by one unless implemented.
    fn handle_downs(&mut self, downs: Downs, cx: &mut Context<Self::Msg>) -> impl Future<Output = Ended> + Send {
        async move {
            for down in downs {
                self.handle_down(down, cx).await?;
            }
            Ok(())
        }
    }

    /// Handles a trapped exit signal of anybody but the parent. Without an implementation it is logged and dropped.
    fn handle_exit(&mut self, exit: Exit, cx: &mut Context<Self::Msg>) -> impl Future<Output = Ended> + Send {
        tracing::debug!(pid = %cx.pid(), from = %exit.from, "unhandled Exit dropped");
        async { Ok(()) }
    }

    /// Cleans up. Runs only when the actor ends by its own handlers, or traps exits and its parent's exit is received.
    fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self::Msg>) -> impl Future<Output = ()> + Send {
        let _ = (reason, cx);
        async {}
    }
}

/// Makes a handler's future and runs it to its end, with panics in both turned into the reason.
macro_rules! guarded {
    ($make:expr) => {
        match made(|| $make) {
            Ok(handler) => caught(pin!(handler)).await,
            Err(reason) => Err(reason),
        }
    };
}

/// Makes a handler's future: one that is no `async fn` runs user code here already.
fn made<F>(make: impl FnOnce() -> F) -> Result<F, ExitReason> {
    catch_unwind(AssertUnwindSafe(make)).map_err(panic_reason)
}

/// The life of an actor: what a child spec runs as a process's body. `args` runs here, in the actor's own task.
///
/// A function that returns a block, not an `async fn`: the arguments of an `async fn` are stored twice, and this future is
/// what an idle actor costs.
#[expect(clippy::manual_async_fn, reason = "see above: half the memory of an idle actor")]
pub fn run_actor<A: Actor>(
    args: impl FnOnce() -> A::Args + Send,
    mut cx: Context<A::Msg>,
) -> impl Future<Output = Ended> + Send {
    async move {
        let mut state = match A::init(args(), &mut cx).await {
            Ok(state) => state,
            Err(InitError::Stop(reason)) => return Err(reason),
            Err(InitError::Refuse(reason)) => {
                cx.fail_start(StartError::Init(reason));
                return Ok(());
            }
            Err(InitError::Ignore) => {
                cx.fail_start(StartError::Ignored);
                return Ok(());
            }
        };
        cx.acknowledge();
        let reason = loop {
            let event = match cx.next.as_mut().and_then(|next| next.pop_front()) {
                Some(message) => Event::Message(message),
                None => cx.recv().await,
            };
            if let Event::Exit(exit) = &event
                && cx.parent() == Some(exit.from)
            {
                break exit.reason.clone();
            }
            // Replies that this handler drops wait for its verdict: `Err` is answered by the exit protocol, with the reason.
            cx.seat.core.set_handling(true);
            let verdict = match event {
                Event::Message(message) => guarded!(state.handle(message, &mut cx)),
                Event::Down(down) => guarded!(state.handle_down(*down, &mut cx)),
                Event::Downs(downs) => guarded!(state.handle_downs(*downs, &mut cx)),
                Event::Exit(exit) => guarded!(state.handle_exit(*exit, &mut cx)),
                _ => Ok(()),
            };
            match verdict {
                Ok(()) => {
                    cx.seat.core.set_handling(false);
                    current::take_parked().into_iter().for_each(|reply| reply.settle(CallError::NoReply));
                }
                Err(reason) => break reason,
            }
        };
        cx.seat.core.set_handling(true);
        // A terminate that fails gives the reason (OTP: F30).
        guarded!(state.terminate(&reason, &mut cx))?;
        Err(reason)
    }
}

/// What a caught piece of user code came to.
trait Outcome {
    /// As the end of a handler.
    fn ended(self) -> Ended;
}

impl Outcome for Ended {
    fn ended(self) -> Ended {
        self
    }
}

impl Outcome for () {
    fn ended(self) -> Ended {
        Ok(())
    }
}

/// Runs a handler, polled in its place, with its panics turned into the reason.
async fn caught<T: Outcome>(mut handler: Pin<&mut impl Future<Output = T>>) -> Ended {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
        Ok(poll) => poll.map(T::ended),
        Err(payload) => Poll::Ready(Err(panic_reason(payload))),
    })
    .await
}
