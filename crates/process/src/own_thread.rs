//! What the task of a process and the thread that runs its body share.
//!
//! ```text
//!   task                                thread
//!   first poll: starts it ────────────► body runs
//!   applies signals; doomed: rings ───► the receive under way, or the next, answers the reason
//!   woken, takes the end ◄───────────── body returned or panicked
//!   exit protocol
//! ```
//!
//! A task that is dropped meanwhile, because its runtime is, leaves what is left of it with the thread. The thread then
//! runs the exit protocol, when its body has returned: the drop waits for nobody, and nobody is told too early.
//!
//! # Invariants
//! * The exit protocol begins after the body has returned and what it held is dropped (OTP: A8).
//! * A process that is doomed before its first poll starts no thread.
//!
//! # Not here
//! What the thread can do while it runs (`blocking.rs`).

use crate::context::{Context, Ended};
use crate::current::{self, Parked};
use crate::seat::Core;
use crate::sync::Mutex;
use crate::task::{Task, panic_reason, quietly};
use crate::wire::Peer;
use freeboard_signal::ExitReason;
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Poll, Waker},
};

/// The task's side.
pub(crate) struct OwnThread {
    /// What the thread will run, until it is started.
    start: Option<Box<dyn FnOnce() + Send>>,
    tether: Arc<Tether>,
    /// The name of the body's type.
    name: &'static str,
}

/// What both sides hold.
pub(crate) struct Tether {
    /// Wakes the thread, if it waits for an event.
    bell: Waker,
    stage: Mutex<Stage>,
}

enum Stage {
    /// The body runs, or will.
    Running,
    /// It runs, and the task was dropped: this is the rest of it.
    Left(Box<Task>),
    /// It has returned; these are the replies it dropped and was not judged for.
    Over(Ended, Parked),
    /// The task knows.
    Known,
}

impl OwnThread {
    /// A body for the process `me`, which waits with `bell`. It is given its context on the thread.
    pub(crate) fn new<M: Send + 'static, B: FnOnce(Context<M>) -> Ended + Send + 'static>(
        cx: Context<M>,
        bell: Waker,
        name: &'static str,
        body: B,
    ) -> Self {
        let tether = Arc::new(Tether { bell, stage: Mutex::new(Stage::Running) });
        let (me, shared) = (cx.me(), Arc::clone(&tether));
        let start = move || {
            let work = || match catch_unwind(AssertUnwindSafe(|| body(cx))) {
                Ok(ended) => ended,
                Err(payload) => Err(panic_reason(payload)),
            };
            let turn = current::run_thread(me.pid, work);
            shared.end(&me, turn.result, turn.waiting.unwrap_or_default());
        };
        Self { start: Some(Box::new(start)), tether, name }
    }

    /// The name of what it runs.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the thread was started and its body has not returned.
    pub(crate) fn is_running(&self) -> bool {
        self.start.is_none() && matches!(*self.tether.stage.lock(), Stage::Running | Stage::Left(_))
    }

    /// Where the rest of the task can be left.
    pub(crate) fn tether(&self) -> Arc<Tether> {
        Arc::clone(&self.tether)
    }

    /// Starts the thread, passes on that the process is doomed, or answers how the body ended. The thread wakes the task
    /// when it has.
    pub(crate) fn poll(&mut self, core: &Core, me: &Peer) -> Poll<Ended> {
        if core.is_doomed() {
            self.tether.bell.wake_by_ref();
        } else if let Some(start) = self.start.take() {
            let name = format!("process-{}.{}", me.pid.slot(), me.pid.generation());
            let node = core.node().expect("a process that is polled was started on a node");
            if let Err(error) = node.backend().spawn_thread(name, start) {
                *self.tether.stage.lock() = Stage::Known;
                return Poll::Ready(Err(error.into()));
            }
        }
        let mut stage = self.tether.stage.lock();
        match mem::replace(&mut *stage, Stage::Known) {
            Stage::Over(ended, dropped) => {
                drop(stage);
                current::park(dropped);
                Poll::Ready(ended)
            }
            running => {
                *stage = running;
                Poll::Pending
            }
        }
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        let stage = mem::replace(&mut *self.tether.stage.lock(), Stage::Known);
        if let Stage::Over(_, dropped) = stage {
            current::park(dropped);
        }
    }
}

impl Tether {
    /// Leaves the rest of a dropped task with its thread. If that is over by now, the rest is dropped here, as any task.
    pub(crate) fn leave(&self, rest: Task) {
        let rest = Box::new(rest);
        let mut stage = self.stage.lock();
        if matches!(*stage, Stage::Running) {
            *stage = Stage::Left(rest);
            drop(stage);
            self.bell.wake_by_ref();
        } else {
            drop(stage);
            drop(rest);
        }
    }

    /// The body has returned.
    fn end(&self, me: &Peer, ended: Ended, dropped: Parked) {
        // Whoever still waits with a context that was moved out of the body is told.
        let reason = ended.clone().err().unwrap_or(ExitReason::Normal);
        me.seat.core().doom(reason);
        self.bell.wake_by_ref();
        let before = mem::replace(&mut *self.stage.lock(), Stage::Over(ended, dropped));
        match before {
            Stage::Left(task) => quietly(|| drop(task)),
            _ => me.seat.wake_task(),
        }
    }
}
