//! The task of one process: a hand-written future around the user's.
//!
//! One poll: apply waiting signals, poll the body with panics caught, settle the replies that were dropped meanwhile,
//! and when the body is done or a fatal signal was applied, run the exit protocol (`exit.rs`).
//!
//! ```text
//!   Running ──body done, panicked, or doomed──► Exiting ──protocol through──► Over
//!   OnThread ──body done or panicked───────────────┘
//! ```
//!
//! A body that runs on a thread of its own (`own_thread.rs`) cannot be dropped here: a doomed process waits for its end.
//!
//! # Invariants
//! * Signals are applied at each poll, whatever the body waits for (OTP: D10): one load when there are none.
//! * The task's waker is registered at the first poll, before the body could park anything.
//! * Dropping the task is an exit path too: the protocol then runs at once, without awaiting or spawning; while the body
//!   runs on its own thread, that thread runs it when the body has returned.
//!
//! # Not here
//! The body's type: it is boxed once, at spawn, so this type is the same for every process.

use crate::alarm::Alarm;
use crate::context::Ended;
use crate::current::{self, Parked, WakerId};
use crate::executor::Workers;
use crate::exit::Exiting;
use crate::node::Node;
#[cfg(feature = "blocking")]
use crate::own_thread::OwnThread;
use crate::reply::CallError;
use crate::start::StartError;
use crate::wire::Peer;
use freeboard_signal::ExitReason;
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// The user's part of a process.
pub(crate) type Body = Pin<Box<dyn Run>>;

/// What a body is: any future that ends as a process does.
pub(crate) trait Run: Future<Output = Ended> + Send {
    /// The name of its type, for reports: known to whoever calls it, so that no process keeps it.
    fn name(&self) -> &'static str;
}

impl<F: Future<Output = Ended> + Send> Run for F {
    fn name(&self) -> &'static str {
        std::any::type_name::<F>()
    }
}

/// A process as a future: what a [`Backend`](crate::Backend) runs.
pub struct Task {
    me: Peer,
    state: State,
    registered: bool,
    /// Whether the node counts this process: it has entered, and not left.
    counted: bool,
    rare: Option<Box<Rare>>,
}

/// What most processes never need, so that an idle one is small.
#[derive(Default)]
struct Rare {
    /// Replies dropped by a handler that is still running.
    waiting: Option<Parked>,
    /// When its calls want to look at the clock.
    alarm: Alarm,
}

enum State {
    Running(Body),
    #[cfg(feature = "blocking")]
    OnThread(Box<OwnThread>),
    Exiting(Box<Exiting>),
    Over,
}

impl Task {
    pub(crate) fn new(me: Peer, body: Body) -> Self {
        Self { me, state: State::Running(body), registered: false, counted: false, rare: None }
    }

    /// The task of a process whose body runs on a thread of its own.
    #[cfg(feature = "blocking")]
    pub(crate) fn on_thread(me: Peer, thread: OwnThread) -> Self {
        Self { me, state: State::OnThread(Box::new(thread)), registered: false, counted: false, rare: None }
    }

    /// The same task, of a process for which there is a place already.
    pub(crate) fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Lets the process run, on these workers or else on its node's backend, or ends it here if its node takes no more.
    pub(crate) fn launch(mut self, node: &Node, on: Option<&dyn Workers>) {
        let admitted = if self.counted { node.census().confirm() } else { node.census().enter() };
        match admitted {
            Ok(()) => {
                self.counted = true;
                #[cfg(feature = "metrics")]
                node.tally().started();
                tracing::trace!(pid = %self.me.pid, "process started");
                match on {
                    Some(workers) => workers.spawn(self),
                    None => node.backend().spawn(self),
                }
            }
            Err(refusal) => self.end(refusal.into_reason()),
        }
    }

    /// Runs the exit protocol to its end; the body has not run.
    fn end(&mut self, reason: ExitReason) {
        self.begin_exit(reason);
        while matches!(self.state, State::Exiting(_)) {
            self.go_on();
        }
    }

    /// Ends a process that was never polled, here and now; its starter hears of this failure.
    pub(crate) fn fail(self, failure: StartError) {
        let mut life = self.me.seat.core().life.lock();
        let _first = life.end(ExitReason::Normal);
        if let Some(owed) = &mut life.obligations {
            owed.failure = Some(Box::new(failure));
        }
        drop(life);
        drop(self);
    }

    /// Which process this is.
    pub(crate) fn peer(&self) -> Peer {
        self.me.clone()
    }

    /// Whether the body was not left yet.
    fn is_running(&self) -> bool {
        !matches!(self.state, State::Exiting(_) | State::Over)
    }

    /// Whether the body runs on a thread of its own now.
    #[cfg(feature = "blocking")]
    fn is_on_thread(&self) -> bool {
        matches!(&self.state, State::OnThread(thread) if thread.is_running())
    }

    #[cfg(not(feature = "blocking"))]
    fn is_on_thread(&self) -> bool {
        false
    }

    /// One poll of the body; the reason if the process must end now.
    fn run(&mut self, cx: &mut Context<'_>) -> Option<ExitReason> {
        if !self.is_running() {
            return None;
        }
        if !self.registered {
            self.me.seat.register_task(cx.waker());
            self.registered = true;
        }
        let core = self.me.seat.core();
        let (seat, state) = (&self.me.seat, &mut self.state);
        let waker = WakerId::of(cx.waker());
        let work = || {
            // A signal may carry user data, whose destructor runs here.
            if seat.has_signals() {
                seat.walk();
            }
            match state {
                State::Running(body) if !core.is_doomed() => body.as_mut().poll(cx),
                #[cfg(feature = "blocking")]
                State::OnThread(thread) => thread.poll(core, &self.me),
                _ => Poll::Pending,
            }
        };
        let waiting = self.rare.as_mut().and_then(|rare| rare.waiting.take());
        let turn = current::run(self.me.pid, Some(waker), waiting, core.served_until(), || {
            catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Poll::Ready(Err(panic_reason(panic))))
        });
        if let Some(until) = turn.wake_by {
            self.rare.get_or_insert_default().alarm.set(&self.me, until);
        }
        let reason = match turn.result {
            Poll::Ready(Ok(())) => Some(ExitReason::Normal),
            Poll::Ready(Err(reason)) => Some(reason),
            Poll::Pending if core.is_doomed() && !self.is_on_thread() => core.life.lock().doom(),
            Poll::Pending => None,
        };
        if let Some(waiting) = turn.waiting {
            if reason.is_none() && !core.is_handling() {
                // The verdict: this process goes on.
                waiting.into_iter().for_each(|reply| reply.settle(CallError::NoReply));
            } else {
                self.rare.get_or_insert_default().waiting = Some(waiting);
            }
        }
        reason
    }

    /// Leaves the running state: the body is dropped, the exit protocol begins.
    fn begin_exit(&mut self, reason: ExitReason) {
        if !self.is_running() {
            return;
        }
        let body = std::mem::replace(&mut self.state, State::Over);
        let name = match &body {
            // The box is a future too, with a name of its own.
            State::Running(body) => body.as_ref().get_ref().name(),
            #[cfg(feature = "blocking")]
            State::OnThread(thread) => thread.name(),
            State::Exiting(_) | State::Over => "",
        };
        let Rare { waiting, alarm } = self.rare.take().map(|rare| *rare).unwrap_or_default();
        drop(alarm);
        // A destructor that panics here is not unwinding, so it can be caught.
        let turn = current::run(self.me.pid, None, waiting, None, || quietly(|| drop(body)));
        let parked = turn.waiting.unwrap_or_default();
        let counted = std::mem::take(&mut self.counted);
        self.exit(Exiting::new(&self.me, reason, parked, counted, name));
    }

    /// The first batch of the exit protocol. Most are through with it, and need no block of their own.
    fn exit(&mut self, mut exiting: Exiting) {
        if !exiting.step_caught(&self.me) {
            self.state = State::Exiting(Box::new(exiting));
            return;
        }
        // The reason may be user data, and this may be the last to hold it.
        quietly(|| drop(exiting));
    }

    /// The next batch, if the protocol is under way.
    fn go_on(&mut self) {
        if let State::Exiting(exiting) = &mut self.state
            && exiting.step_caught(&self.me)
        {
            let over = std::mem::replace(&mut self.state, State::Over);
            quietly(|| drop(over));
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _watched = current::watch(&self.me);
        match self.run(cx) {
            Some(reason) => self.begin_exit(reason),
            None => self.go_on(),
        }
        match self.state {
            State::Running(_) => Poll::Pending,
            #[cfg(feature = "blocking")]
            State::OnThread(_) => Poll::Pending,
            State::Exiting(_) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            State::Over => Poll::Ready(()),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if matches!(self.state, State::Over) {
            return;
        }
        // The runtime went away without a poll: whoever watches still learns of it.
        let reason = ExitReason::ShutdownWith("the runtime of this process was dropped".into());
        #[cfg(feature = "blocking")]
        if let State::OnThread(thread) = &self.state
            && thread.is_running()
        {
            // Not before the thread's body has returned: the thread ends the process then.
            let tether = thread.tether();
            self.me.seat.core().doom(reason);
            let state = std::mem::replace(&mut self.state, State::Over);
            let counted = std::mem::take(&mut self.counted);
            let rest =
                Self { me: self.me.clone(), state, registered: self.registered, counted, rare: self.rare.take() };
            tether.leave(rest);
            return;
        }
        self.end(reason);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.me.pid).finish()
    }
}

/// The reason for a panic that was just caught on the process's thread. Its payload is user data: dropping it may panic in
/// turn.
pub(crate) fn panic_reason(payload: Box<dyn std::any::Any + Send>) -> ExitReason {
    let reason = ExitReason::from_panic(payload.as_ref(), current::take_panic_location());
    quietly(|| drop(payload));
    reason
}

/// Runs user code whose panic concerns nobody; a payload whose destructor panics in turn is leaked.
pub(crate) fn quietly(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work))
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(again);
    }
}
