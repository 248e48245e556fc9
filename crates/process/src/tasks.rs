//! Tasks: one piece of work as a process of its own, whose result is awaited.
//!
//! ```text
//!   cx.task ──────────► process, linked ──┐
//!                                         ├─ result, or why there is none ─► TaskHandle
//!   cx.task_nolink ───► process, alone ───┘
//!                            ▲ drop of the handle: let go of the owner, end
//! ```
//!
//! The result travels as the answer to a call does (`reply.rs`): in a slot of its own, past every mailbox, so nothing stands
//! in anybody's queue and a late one reaches nobody. The task's process holds the reply, so whatever ends it answers.
//!
//! # Invariants
//! * A handle is answered once: with the result, or with the reason for which the task's process ended.
//! * Who ends a task by letting go of its handle is not touched by that end: the task takes its link back first.
//!
//! # Not here
//! Supervisors of tasks (OTP: H16).

use crate::addr::Addr;
use crate::context::{Context, Ended};
use crate::life::Life;
use crate::node::Node;
use crate::receive::Alarm;
use crate::reply::{CallError, Left, Reply, Slot};
use crate::start::Kin;
use crate::wire::Peer;
use freeboard_signal::{ExitReason, Pid};
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

impl<M: Send + 'static> Context<M> {
    /// Runs `work` in a process of its own that is linked to this one (OTP's `Task.async`): if it crashes, so does this
    /// process, and the other way round. Awaiting the handle gives the result; `?` on it ends this process with the task's
    /// reason, as OTP's `await` does.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<()>| {
    ///     let left = cx.task(async { 40 });
    ///     let right = cx.task(async { 2 }); // both run by now
    ///     let sum = left.await? + right.await?;
    ///     # let _ = done.send(sum);
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), 42);
    /// # });
    /// ```
    ///
    /// A process that traps exits hears of the task's end as an exit, besides what the handle says; of a task that has done its
    /// work too.
    ///
    /// # Cost
    /// That of a process, and one allocation for the result.
    pub fn task<T: Send + 'static>(&mut self, work: impl Future<Output = T> + Send + 'static) -> TaskHandle<T> {
        let token = self.node().new_ref();
        let kin = Kin { link: Some((self.me(), token)), watcher: None };
        self.start_task(work, kin, |life, child| {
            life.rows().add_link(child, token);
        })
    }

    /// Runs `work` in a process of its own that is not linked to this one (OTP's `Task.Supervisor.async_nolink`, without the
    /// supervisor): awaiting the handle gives the result, or the reason for which the task has ended without one.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<()>| {
    ///     let risky = cx.task_nolink(async { "seven".parse::<u32>().unwrap() });
    ///     let why = risky.await.unwrap_err(); // this process goes on
    ///     # let _ = done.send(why.to_string());
    ///     Ok(())
    /// });
    /// # assert!(heard.await.unwrap().contains("ParseIntError"));
    /// # });
    /// ```
    pub fn task_nolink<T: Send + 'static>(&mut self, work: impl Future<Output = T> + Send + 'static) -> TaskHandle<T> {
        self.start_task(work, Kin::default(), |_, _| {})
    }

    fn start_task<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
        kin: Kin,
        row: impl FnOnce(&mut Life, Peer),
    ) -> TaskHandle<T> {
        let slot = Slot::new(None, None);
        let reply = Reply::new(Arc::clone(&slot));
        let addr = self.spawn_with(None, move |cx| perform(work, reply, cx), kin, row);
        TaskHandle::new(self.node(), addr, slot)
    }
}

/// The life of a task.
async fn perform<T: Send + 'static>(
    work: impl Future<Output = T> + Send,
    mut reply: Reply<T>,
    mut cx: Context<()>,
) -> Ended {
    let result = {
        let (mut work, mut abandoned) = (pin!(work), pin!(reply.abandoned()));
        poll_fn(|cx| match abandoned.as_mut().poll(cx) {
            // Nobody can take the result any more, so the work is dropped where it waits.
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(cx).map(Some),
        })
        .await
    };
    match result {
        Some(result) => {
            reply.send(result);
            Ok(())
        }
        None => {
            // Whoever let go of it goes on: the link is taken back before the end is told over it.
            if let Some(owner) = cx.parent() {
                cx.unlink(&owner);
            }
            Err(ExitReason::Shutdown)
        }
    }
}

/// A task that was started by [`Context::task`] or [`Context::task_nolink`]: the future of its result.
///
/// `Err` holds the reason for which its process ended without one: [`Panic`](ExitReason::Panic) if the work panicked,
/// [`Killed`](ExitReason::Killed) if somebody killed it, what came over a link, or
/// [`SpawnError`](crate::SpawnError)'s reason if the node starts nothing any more.
///
/// **Dropping the handle ends the task** at its next `await`, with the reason `Shutdown`, and touches nobody else: the link to
/// its owner is taken back first. So a task does not outlive whoever waits for it; [`detach`](Self::detach) lets it go on.
///
/// # Cancel safety
/// `&mut handle` may be awaited in a `select!` and again later: the result stays until it is taken. Polled again after it was
/// taken, it waits for ever.
#[must_use = "dropping the handle ends the task; await it, or `detach` it"]
pub struct TaskHandle<T> {
    node: Node,
    addr: Addr<()>,
    pid: Pid,
    /// Not there once the result was taken, or will not be asked for.
    slot: Option<Arc<Slot<T>>>,
}

impl<T> TaskHandle<T> {
    fn new(node: &Node, addr: Addr<()>, slot: Arc<Slot<T>>) -> Self {
        // A task that was refused has ended by now, and its slot says why.
        let pid = addr.pid().unwrap_or_else(|| node.pid());
        Self { node: node.clone(), addr, pid, slot: Some(slot) }
    }

    /// The identity of the task's process: to link to, to monitor, to kill.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the result, or the reason why there is none, has come and waits to be taken, or the task is over.
    pub fn is_finished(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| !slot.is_open())
    }

    /// Waits for the result, no longer than that (OTP's `Task.yield`); `None` says that the time has passed. The task goes on
    /// then, and may be awaited again.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::time::Duration;
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<()>| {
    ///     let second = Duration::from_secs(1);
    ///     let (send, wait) = tokio::sync::oneshot::channel();
    ///     let mut task = cx.task(async { wait.await.unwrap_or(0) });
    ///     let early = task.within(second).await.transpose()?;
    ///     let _ = send.send(7);
    ///     let late = task.within(second).await.transpose()?;
    ///     # let _ = done.send((early, late));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (None, Some(7)));
    /// # });
    /// ```
    ///
    /// # Cancel safety
    /// Dropped, it has taken nothing.
    pub fn within(&mut self, limit: Duration) -> impl Future<Output = Option<Result<T, ExitReason>>> + Send + '_
    where
        T: Send,
    {
        let until = self.node.later(limit);
        let mut alarm = Alarm::new(self.node.clone(), until);
        poll_fn(move |cx| match Pin::new(&mut *self).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            // A result that is there by then was taken.
            Poll::Pending if alarm.rings(cx.waker()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
    }

    /// Ends the task and waits until it is over (OTP's `Task.shutdown`): its result, or the reason why there is none, if that
    /// came first; `None` if it was cut off.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<()>| {
    ///     let endless = cx.task(std::future::pending::<u8>());
    ///     let pid = endless.pid();
    ///     let cut_off = endless.shutdown().await.is_none();
    ///     # let _ = done.send((cut_off, cx.node().is_alive(pid)));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (true, false));
    /// # });
    /// ```
    ///
    /// The work is dropped at its next `await`; until then this waits, however long it takes.
    ///
    /// # Cancel safety
    /// Dropped, the task ends all the same, unless this was never polled: then as if the handle had been dropped.
    pub async fn shutdown(mut self) -> Option<Result<T, ExitReason>> {
        let left = self.slot.take().map(|slot| slot.give_up());
        self.addr.closed().await;
        match left {
            Some(Left::Answered(answer)) => Some(answer.map_err(reason)),
            Some(Left::Waiting | Left::Over) | None => None,
        }
    }

    /// Lets the task go on; nobody gets its result. A link to its owner stays.
    pub fn detach(mut self) {
        self.slot = None;
    }
}

impl<T> Unpin for TaskHandle<T> {}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, ExitReason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Some(slot) = &self.slot else { return Poll::Pending };
        let answer = ready!(slot.poll(cx.waker()));
        self.slot = None;
        Poll::Ready(answer.map_err(reason))
    }
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            drop(slot.give_up());
        }
    }
}

/// Why there is no result.
fn reason(why: CallError) -> ExitReason {
    match why {
        CallError::Exited(reason) | CallError::NotStarted(reason) => reason,
        other => other.into(),
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskHandle").field(&self.pid).finish()
    }
}
