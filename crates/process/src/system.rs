//! What a process is asked by others between two messages: to stop, to show its state, to be still for a while (OTP's system
//! messages).
//!
//! ```text
//!   addr.get_state ─► signal ─► its place in the queue ─► an actor serves it like a message, between two handlers
//!                                                        a raw process stops, and refuses the rest
//! ```
//!
//! # Invariants
//! * A request is served in its turn, after whatever its sender has sent before (OTP: D1, L6), and never in the middle of a
//!   handler: a receive there sets it aside.
//! * What a request does to the state it does whole or not at all; its panic is its sender's, not the actor's (OTP: L8).
//! * It is no event to the actor: no idle timeout is ended by it (OTP: F19).
//!
//! # Not here
//! Waiting for the end (`stop.rs`).

use crate::actor::Actor;
use crate::addr::Addr;
use crate::context::{Context, Ended};
use crate::current;
use crate::receive::Alarm;
use crate::reply::{CallError, Reply, Slot};
use crate::seat::present;
use crate::sync::Mutex;
use crate::task::{panic_reason, quietly};
use crate::wire::{Peer, Signal};
use freeboard_mailbox::{Asked, Event, Pattern, Search};
use freeboard_signal::ExitReason;
use std::{
    any::Any,
    error::Error,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

/// How long a request waits for its answer unless it says otherwise.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a request about an actor's state was not served.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum AskError {
    /// Its type does not say that it is [open](Actor::OPEN), or it is a raw process.
    NotOpen,
    /// The state is of another type than was asked for.
    OtherType,
    /// What was to be done to the state failed, or panicked; the state is as it was.
    Failed(ExitReason),
    /// The process ended before it came to it, or was gone already.
    Exited(ExitReason),
    /// It did not come to it in time; it may still.
    Timeout,
    /// A process asked itself.
    CallingSelf,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("the process does not let others look inside; set `OPEN` in its `Actor`"),
            Self::OtherType => f.write_str("the process has a state of another type; ask with the type of its actor"),
            Self::Failed(why) => write!(f, "what was to be done to the state failed ({why}); the state is as it was"),
            Self::Exited(reason) => write!(f, "the process has ended ({reason}); ask its successor"),
            Self::Timeout => f.write_str("the process did not come to it in time; its handler or its queue is long"),
            Self::CallingSelf => f.write_str("a process cannot ask itself; it has its state at hand"),
        }
    }
}

impl Error for AskError {}

/// Work on an actor's state, or word of why there is none.
type Work = Box<dyn FnOnce(Result<&mut dyn Any, AskError>) + Send>;

/// What a process is asked.
pub(crate) enum Request {
    /// To end with this reason.
    Stop(ExitReason),
    /// To let this be done to its state.
    Work(Work),
    /// To leave everything in its queue until further notice.
    Suspend(Reply<Result<(), AskError>>),
    Resume(Reply<Result<(), AskError>>),
}

impl Request {
    pub(crate) fn signal(self) -> Signal {
        Signal::Ask(Box::new(Asked(Box::new(Mutex::new(Some(self))))))
    }

    /// What was asked; mailboxes carry nothing else. The lock is there for the type: an event is `Sync`, work is not.
    fn of(asked: Asked) -> Option<Self> {
        asked.0.downcast_ref::<Mutex<Option<Self>>>()?.lock().take()
    }

    fn refuse(self) {
        match self {
            Self::Stop(_) => {}
            Self::Work(work) => work(Err(AskError::NotOpen)),
            Self::Suspend(reply) | Self::Resume(reply) => reply.send(Err(AskError::NotOpen)),
        }
    }
}

/// Serves what an actor was asked; while it is suspended, whatever it is asked next. `Err` ends it.
pub(crate) async fn serve<A: Actor>(state: &mut A, asked: Box<Asked>, cx: &mut Context<A::Msg>) -> Ended {
    let (mut next, mut suspended) = (Some(asked), false);
    loop {
        match next.take().and_then(|asked| Request::of(*asked)) {
            None => {}
            Some(Request::Stop(reason)) => return Err(reason),
            Some(request) if !A::OPEN => request.refuse(),
            Some(Request::Work(work)) => work(Ok(state)),
            Some(Request::Suspend(reply)) => {
                suspended = true;
                reply.send(Ok(()));
            }
            Some(Request::Resume(reply)) => {
                suspended = false;
                reply.send(Ok(()));
            }
        }
        if !suspended {
            return Ok(());
        }
        match cx.recv_while_suspended().await {
            Event::Asked(asked) => next = Some(asked),
            Event::Exit(exit) => return Err(exit.reason),
            _ => {}
        }
    }
}

impl<M: Send + 'static> Context<M> {
    /// Called by a receive that met a request: a handler has it served when it is through, a raw process is its own server.
    #[cold]
    pub(crate) fn set_aside(&mut self, asked: Box<Asked>) {
        if self.seat.core.is_handling() {
            self.rare.get_or_insert_default().asked.push_back(asked);
            return;
        }
        match Request::of(*asked) {
            Some(Request::Stop(reason)) => self.stop(reason),
            Some(request) => request.refuse(),
            None => {}
        }
    }

    /// What an actor does next, before it looks into its queue: why it stops, or an event.
    #[inline]
    pub(crate) fn next_aside(&mut self) -> Option<Result<Event<M>, ExitReason>> {
        let rare = self.rare.as_mut()?;
        if let Some(reason) = rare.stops.take() {
            return Some(Err(*reason));
        }
        let next = rare.next.pop_front().map(Event::Message);
        next.or_else(|| rare.asked.pop_front().map(Event::Asked)).map(Ok)
    }
}

/// A receive of a suspended actor: what the runtime asks, and the parent's exit.
struct WhileSuspended<'a, M: Send + 'static, P>(&'a mut Context<M>, Search<P>);

impl<M: Send + 'static> Context<M> {
    /// Receives what concerns a suspended actor, and leaves everything else in its place (OTP: L7).
    fn recv_while_suspended(&mut self) -> WhileSuspended<'_, M, impl Pattern<M> + use<M>> {
        let parent = self.parent();
        let search = Search::event_where(move |event: &Event<M>| match event {
            Event::Asked(_) => true,
            Event::Exit(exit) => Some(exit.from) == parent,
            _ => false,
        });
        WhileSuspended(self, search)
    }
}

impl<M: Send + 'static, P: Pattern<M>> Future for WhileSuspended<'_, M, P> {
    type Output = Event<M>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Event<M>> {
        let Self(cx, search) = &mut *self;
        cx.poll_look(search, task)
    }
}

impl<M: Send + 'static, P> Unpin for WhileSuspended<'_, M, P> {}
/// A request about an actor's state that is not served yet: awaiting it sends it and waits for the answer, five seconds
/// unless it says otherwise.
///
/// # Cancel safety
/// Dropped before its first poll, nothing was asked. Dropped later, it may still be served.
#[must_use = "nothing is asked until this is awaited"]
pub struct Ask<T: Send + 'static> {
    to: Option<Peer>,
    request: Option<Request>,
    answer: Arc<Slot<Result<T, AskError>>>,
    within: Duration,
    alarm: Option<Alarm>,
}

impl<T: Send + 'static> Ask<T> {
    fn new<M: Send + 'static>(addr: &Addr<M>, request: impl FnOnce(Reply<Result<T, AskError>>) -> Request) -> Self {
        let answer = Slot::new(None, None);
        let request = request(Reply::new(Arc::clone(&answer)));
        Self { to: present(addr.seat()), request: Some(request), answer, within: ASK_TIMEOUT, alarm: None }
    }

    /// Waits this long, counted from the first poll, instead of five seconds.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// Sends the request, once; answers why it could not be sent.
    fn send(&mut self) -> Option<AskError> {
        let request = self.request.take()?;
        let gone = || AskError::Exited(ExitReason::NoProc);
        let Some(to) = &self.to else { return Some(gone()) };
        if current::pid() == Some(to.pid) {
            return Some(AskError::CallingSelf);
        }
        if let Some(node) = to.seat.core().node() {
            self.alarm = Some(Alarm::new(node.clone(), node.later(self.within)));
        }
        if to.signal(request.signal()) { None } else { Some(gone()) }
    }
}

impl<T: Send + 'static> Future for Ask<T> {
    type Output = Result<T, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        if let Some(why) = self.send() {
            return Poll::Ready(Err(why));
        }
        if let Poll::Ready(answer) = self.answer.poll(cx.waker()) {
            return Poll::Ready(match answer {
                Ok(answer) => answer,
                Err(CallError::Exited(reason) | CallError::NotStarted(reason)) => Err(AskError::Exited(reason)),
                Err(_) => Err(AskError::NotOpen),
            });
        }
        let is_late = self.alarm.as_mut().is_some_and(|alarm| alarm.rings(cx.waker()));
        if is_late { Poll::Ready(Err(AskError::Timeout)) } else { Poll::Pending }
    }
}

impl<T: Send + 'static> Unpin for Ask<T> {}

impl<T: Send + 'static> fmt::Debug for Ask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("to", &self.to).field("within", &self.within).finish_non_exhaustive()
    }
}

impl<M: Send + 'static> Addr<M> {
    /// Looks at the state of the actor that lives here, between two of its handlers (OTP: L6). For actors that are
    /// [open](Actor::OPEN).
    ///
    /// ```
    /// use freeboard_process::{Actor, AskError, Context, Ended, InitError, Node, Sim, run_actor};
    ///
    /// struct Total(u64);
    /// impl Actor for Total {
    ///     type Msg = u64;
    ///     type Args = ();
    ///     const OPEN: bool = true;
    ///     async fn init((): (), _: &mut Context<u64>) -> Result<Self, InitError> {
    ///         Ok(Total(0))
    ///     }
    ///     async fn handle(&mut self, n: u64, _: &mut Context<u64>) -> Ended {
    ///         self.0 += n;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// let total = node.spawn(|cx| run_actor::<Total>(|| (), cx));
    /// total.cast(1);
    /// total.suspend().await.unwrap();
    /// total.cast(2);
    /// assert_eq!(total.get_state(|total: &Total| total.0).await.unwrap(), 1);
    /// total.replace_state(|old: &Total| Ok::<_, AskError>(Total(old.0 * 10))).await.unwrap();
    /// total.resume().await.unwrap();
    /// assert_eq!(total.get_state(|total: &Total| total.0).await.unwrap(), 12);
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`AskError`] tells; nobody lives here: `Exited(NoProc)`. If `look` panics, that is `Failed`, and the actor goes on.
    pub fn get_state<A: Actor<Msg = M>, T: Send + 'static>(
        &self,
        look: impl FnOnce(&A) -> T + Send + 'static,
    ) -> Ask<T> {
        self.work(move |state: &mut A| Ok(look(state)))
    }

    /// Puts another state in the place of the one that the actor has, between two of its handlers (OTP: L6). If `change`
    /// fails or panics, the state stays as it is (OTP: L8).
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub fn replace_state<A: Actor<Msg = M>, E: Into<ExitReason> + 'static>(
        &self,
        change: impl FnOnce(&A) -> Result<A, E> + Send + 'static,
    ) -> Ask<()> {
        self.work(move |state: &mut A| {
            let old = std::mem::replace(state, change(state).map_err(Into::into)?);
            // It is replaced, whatever becomes of the old one.
            quietly(|| drop(old));
            Ok(())
        })
    }

    /// Suspends the actor that lives here: from when this answers, its messages wait in their places, and so do notices
    /// (OTP: L7). It still serves requests like this one, still stops with its parent, and still ends by a signal that it
    /// does not trap. For actors that are [open](Actor::OPEN). Suspended twice is suspended once.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub fn suspend(&self) -> Ask<()> {
        Ask::new(self, Request::Suspend)
    }

    /// Lets a suspended actor go on, with what is oldest (OTP: L7).
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub fn resume(&self) -> Ask<()> {
        Ask::new(self, Request::Resume)
    }

    fn work<A: Actor<Msg = M>, T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut A) -> Result<T, ExitReason> + Send + 'static,
    ) -> Ask<T> {
        Ask::new(self, |reply| {
            Request::Work(Box::new(move |state| {
                let state = state.and_then(|state| state.downcast_mut::<A>().ok_or(AskError::OtherType));
                let answer = state.and_then(|state| {
                    let done = catch_unwind(AssertUnwindSafe(|| work(state)));
                    done.unwrap_or_else(|panic| Err(panic_reason(panic))).map_err(AskError::Failed)
                });
                reply.send(answer);
            }))
        })
    }
}
