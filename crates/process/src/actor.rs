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
//! When an actor is idle (`idle.rs`), how it is stopped from outside (`stop.rs`), what else it is asked (`system.rs`).

use crate::context::{Context, Ended};
use crate::current;
use crate::receive::Next;
use crate::reply::CallError;
use crate::start::StartError;
use crate::system;
use crate::task::panic_reason;
use freeboard_mailbox::Event;
use freeboard_signal::{Down, Downs, Exit, ExitReason};
use std::{
    future::Future,
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

    /// Whether others may look at the state, replace it, and suspend the actor: [`Addr::get_state`](crate::Addr::get_state)
    /// and its kin. Not unless it says so.
    const OPEN: bool = false;

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

    /// Handles that nothing has come for as long as [`Context::idle_timeout`] was told (OTP: F19). Without an implementation it
    /// is logged and dropped.
    fn handle_timeout(&mut self, cx: &mut Context<Self::Msg>) -> impl Future<Output = Ended> + Send {
        tracing::debug!(pid = %cx.pid(), "unhandled idle timeout dropped");
        async { Ok(()) }
    }

    /// Cleans up. Runs only when the actor ends by its own handlers or is [stopped](crate::Addr::stop), or traps exits and its
    /// parent's exit is received (OTP: F27).
    ///
    /// So an actor that is to clean up when its supervisor or its node shuts it down must say `cx.trap_exit(true)` in its
    /// `init`. One that has a `terminate` of its own and does not is ended without it; the first time this happens on a node,
    /// a `tracing` event warns.
    fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self::Msg>) -> impl Future<Output = ()> + Send {
        let _ = (reason, cx);
        async {}
    }

    /// What a [`CrashReport`](crate::CrashReport) may show of the state: nothing, unless this is implemented (OTP: F32). Asked
    /// once, after `terminate`, if a handler has failed and somebody reads the report. Leave out what is secret; what is longer
    /// than [`STATE_BYTES`](crate::STATE_BYTES) is cut. If this panics, the state stays hidden.
    fn report(&self) -> Option<String> {
        None
    }
}

/// The life of an actor: what a child spec runs as a process's body. `args` runs here, in the actor's own task.
///
/// This future is what an idle actor costs, so it holds the handler of a message and nothing larger: the arguments of an
/// `async fn` would be stored twice, and what is rare is boxed when it comes.
#[expect(clippy::manual_async_fn, reason = "see above: it would be twice as large")]
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
        if has_own_terminate::<A>()
            && let Some(mut life) = cx.life()
        {
            life.cleans_up = true;
        }
        cx.acknowledge();
        // What init received it serves no longer.
        cx.end_handler();
        let reason = loop {
            // `None` is an idle timeout.
            let event = if let Some(message) = cx.message_at_hand() {
                Some(Event::Message(message))
            } else if let Some(next) = cx.next_aside() {
                match next {
                    Ok(event) => Some(event),
                    Err(reason) => break reason,
                }
            } else {
                match cx.recv_or_drained().await {
                    Next::Event(event) => Some(event),
                    Next::Idle => None,
                    Next::Drained => break ExitReason::Normal,
                }
            };
            // Replies that this handler drops wait for its verdict: `Err` is answered by the exit protocol, with the reason.
            cx.seat.core.set_handling(true);
            // Each branch moves the whole event, or it would be kept beside the handler.
            let verdict = if let Some(Event::Message(_)) = event {
                let mut handler = pin!(None);
                // A handler that is no `async fn` runs user code here already.
                let make = || handler.set(event.and_then(Event::message).map(|message| state.handle(message, &mut cx)));
                if let Err(reason) = caught(make) { Err(reason) } else { Caught(handler.as_mut().as_pin_mut()).await }
            } else {
                Caught(Some(on_notice(&mut state, event, &mut cx))).await
            };
            match verdict {
                Ok(()) => {
                    cx.end_handler();
                    if let Some(parked) = current::take_parked() {
                        parked.into_iter().for_each(|reply| reply.settle(CallError::NoReply));
                    }
                }
                Err(reason) => break reason,
            }
        };
        let reason = reason.into_cause();
        cx.end_handler();
        cx.seat.core.set_handling(true);
        // A terminate that fails gives the reason (OTP: F30).
        let ended = Caught(Some(end(&mut state, &reason, &mut cx))).await.and(Err(reason));
        cx.note_state(&ended, || state.report());
        ended
    }
}

/// Whether the actor has a `terminate` of its own. Two futures of one function have one name; a name that changes costs or
/// brings a warning in a log, and nothing else.
fn has_own_terminate<A: Actor>() -> bool {
    fn name<'a, A: Actor, F: Future<Output = ()>>(
        _: impl FnOnce(&'a mut A, &'a ExitReason, &'a mut Context<A::Msg>) -> F,
    ) -> &'static str {
        std::any::type_name::<F>()
    }
    /// An actor that leaves it at what is provided.
    struct Plain;
    impl Actor for Plain {
        type Msg = ();
        type Args = ();
        async fn init((): (), _: &mut Context<()>) -> Result<Self, InitError> {
            Ok(Self)
        }
        async fn handle(&mut self, (): (), _: &mut Context<()>) -> Ended {
            Ok(())
        }
    }
    name(A::terminate) != name(Plain::terminate)
}

/// What a process rarely does: in a box, so that it costs an idle actor nothing.
type Rare<'a> = Pin<Box<dyn Future<Output = Ended> + Send + 'a>>;

/// Handles what is no message, or an idle timeout. The parent's exit ends the actor.
fn on_notice<'a, A: Actor>(state: &'a mut A, notice: Option<Event<A::Msg>>, cx: &'a mut Context<A::Msg>) -> Rare<'a> {
    Box::pin(async move {
        let notice = match notice {
            None => return state.handle_timeout(cx).await,
            // No notice: it leaves an idle timeout as it is (OTP: F19).
            Some(Event::Asked(asked)) => return system::serve(state, asked, cx).await,
            Some(notice) => notice,
        };
        cx.note_notice();
        match notice {
            Event::Down(down) => state.handle_down(*down, cx).await,
            Event::Downs(downs) => state.handle_downs(*downs, cx).await,
            Event::Exit(exit) if cx.parent() == Some(exit.from) => Err(exit.reason),
            Event::Exit(exit) => state.handle_exit(*exit, cx).await,
            _ => Ok(()),
        }
    })
}

/// Lets the actor clean up.
fn end<'a, A: Actor>(state: &'a mut A, reason: &'a ExitReason, cx: &'a mut Context<A::Msg>) -> Rare<'a> {
    Box::pin(async move {
        state.terminate(reason, cx).await;
        Ok(())
    })
}

/// Runs a piece of user code with its panic turned into the reason.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, ExitReason> {
    catch_unwind(AssertUnwindSafe(work)).map_err(panic_reason)
}

/// Runs a handler, if there is one, to its end, with its panics turned into the reason.
struct Caught<F>(Option<F>);

impl<F: Future<Output = Ended> + Unpin> Future for Caught<F> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Ended> {
        let Some(handler) = &mut self.0 else { return Poll::Ready(Ok(())) };
        caught(|| Pin::new(handler).poll(cx)).unwrap_or_else(|reason| Poll::Ready(Err(reason)))
    }
}
