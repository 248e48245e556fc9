//! The blocking world: calls from plain threads, and processes that have a thread of their own.
//!
//! ```text
//!   plain thread ── call_blocking ──► process         the thread parks until the answer is there, or the limit passed
//!
//!   own thread: body, BlockingContext ◄── mailbox ◄── messages
//!        ▲ bell                             ▲
//!        └─────── task on the node ─────────┘         signals, links, monitors, exits: as for any process
//! ```
//!
//! # When to use which
//! A process that computes for long, or that waits in a library which knows no `await`, would hold a worker of the node;
//! on a thread of its own it holds nobody. A process that mostly waits for messages belongs on the node: there are
//! hundreds of thousands of those, and a few dozens of threads.
//!
//! For processes that do await, and must not wait for a worker that others hold, there are
//! [bulkheads](crate::bulkhead). The two meet where a process has its own thread and its task runs on a bulkhead
//! (`Bulkhead::spawn_thread`): the task starts the thread and applies its signals, so on the node itself it waits for
//! a worker like all the others there.
//!
//! # Cost
//! * A process on its own thread costs that thread (its stack, and the scheduler's attention) beside the ordinary process.
//! * A message that finds its thread asleep costs a wake of that thread; an answer to a caller costs another. So a request
//!   and its reply are two wakes across threads in the worst case, microseconds where an ordinary process takes a fraction
//!   of one. A thread that is behind is woken by nobody and takes its messages in batches, as every process does.
//! * A blocking call costs two allocations, one for the answer and one for the waker, and sets no timer.
//!
//! # Kill
//! A thread cannot be stopped from outside. A fatal signal ends the receive under way, or the next one, with the reason,
//! and `?` passes it on to the end of the body. **A thread that never receives cannot be stopped** (OTP: A8): the process
//! lives on until its body returns, and until then no link, monitor or caller is told that it ended. A supervisor waits for
//! it; a shutdown of the node gives it up one second after its limit and reports it as left.
//!
//! # Replies
//! A `Reply` that the body drops unanswered tells its caller at the next receive, or at the next blocking call, that the
//! process went on without an answer (`NoReply`); if the body ends before, the caller hears the exit reason. So the truth
//! is told as in a process on the node, where the next `await` that waits takes the place of the next receive. What is
//! dropped on a further thread, to which the body moved it, is answered `NoReply` at once.
//!
//! # Not here
//! How task and thread agree on the end (`own_thread.rs`).

use crate::addr::Addr;
use crate::bulkhead::Bulkhead;
use crate::call::Call;
use crate::callee::Callee;
use crate::context::{Context, Ended};
use crate::current;
use crate::node::Node;
use crate::own_thread::OwnThread;
use crate::permit::SendWait;
use crate::reply::{CallError, Reply};
use crate::seat::Seat;
use crate::site::Site;
use crate::start::{Birth, Kin, Work};
use crate::steward::Unpark;
use crossbeam_channel::{Receiver, Sender};
use freeboard_mailbox::{Event, SendError};
use freeboard_signal::{ExitReason, Pid};
use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

impl<M: Send + 'static> Addr<M> {
    /// Sends a request and blocks the calling thread until its answer is there, for five seconds at most:
    /// [`call`](Self::call) for threads that cannot await. Another limit: `addr.call(request).within(limit).blocking()`.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Panics
    /// See [`Call::blocking`].
    pub fn call_blocking<T: Send + 'static>(&self, request: impl FnOnce(Reply<T>) -> M) -> Result<T, CallError> {
        self.call(request).blocking()
    }
}

impl<A: Callee, T: Send + 'static, F: FnOnce(Reply<T>) -> A::Request> Call<A, T, F> {
    /// Sends the request and blocks the calling thread until the answer is there or the limit has passed. An answer that
    /// is there by then is taken (OTP: F11).
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    /// # let node = runtime.block_on(async { Node::new() });
    /// let doubler = node.spawn(async |mut cx: Context<(u32, Reply<u32>)>| {
    ///     loop {
    ///         let (n, reply) = cx.recv_message().await;
    ///         reply.send(2 * n);
    ///     }
    /// });
    /// // On any plain thread, `main` for one:
    /// assert_eq!(doubler.call_blocking(|reply| (21, reply)).unwrap(), 42);
    /// assert_eq!(doubler.call(|reply| (4, reply)).within(Duration::from_secs(1)).blocking().unwrap(), 8);
    /// ```
    ///
    /// On a process's own thread it does not end with the process; `cx.wait(|_| addr.call(request))` does.
    ///
    /// # Errors
    /// As the awaited call.
    ///
    /// # Panics
    /// Where it would stop others, or wait for itself: inside the poll of a process, or of any task that tokio runs; and for
    /// a process of a simulation, which has one thread. Await the call there.
    pub fn blocking(mut self) -> Result<T, CallError> {
        assert_may_block();
        if let Some(node) = self.node() {
            node.backend().assert_may_block();
        }
        settle_dropped();
        let waker = Unpark::this_thread();
        loop {
            match self.look(&waker) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => {
                    let Some(until) = self.until() else {
                        thread::park();
                        continue;
                    };
                    let now = self.node().map(Node::now);
                    thread::park_timeout(now.map_or(Duration::ZERO, |now| until.saturating_duration_since(now)));
                }
            }
        }
    }
}

impl<M: Send + 'static> SendWait<'_, M> {
    /// Blocks the calling thread until there is room and the message is sent, or the time is over:
    /// [`send_wait`](Addr::send_wait) for threads that cannot await.
    ///
    /// # Errors
    /// As the awaited send.
    ///
    /// # Panics
    /// As [`Call::blocking`].
    pub fn blocking(mut self) -> Result<(), SendError<M>> {
        assert_may_block();
        let node = self.to.seat().core.node();
        if let Some(node) = node {
            node.backend().assert_may_block();
        }
        settle_dropped();
        let waker = Unpark::this_thread();
        loop {
            match Pin::new(&mut self).poll(&mut std::task::Context::from_waker(&waker)) {
                Poll::Ready(sent) => return sent,
                // The node's timer may be gone with its runtime; its clock is not.
                Poll::Pending => {
                    let left = node.map(|node| self.by.saturating_duration_since(node.now()));
                    thread::park_timeout(left.unwrap_or_default());
                }
            }
        }
    }
}

impl Node {
    /// Starts a process whose body runs on an operating system's thread of its own and may block it. In every other respect
    /// it is a process: pid, links, monitors, kill, exit reasons, caught panics.
    ///
    /// ```
    /// use freeboard_process::{BlockingContext, Event, Node};
    ///
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    /// # let node = runtime.block_on(async { Node::new() });
    /// let (frames, camera) = crossbeam_channel::bounded::<u32>(4);
    /// let (send, sums) = crossbeam_channel::bounded(1);
    /// let adder = node.spawn_thread(move |mut cx: BlockingContext<&str>| {
    ///     let (ready, mut sum) = (cx.ready(), 0);
    ///     loop {
    ///         // Everything that is here first; then both sources at once.
    ///         while let Some(event) = cx.try_recv()? {
    ///             if let Event::Message("report") = event {
    ///                 let _nobody = send.send(sum);
    ///             }
    ///         }
    ///         crossbeam_channel::select! {
    ///             recv(ready) -> _ => {}
    ///             recv(camera) -> frame => sum += frame?,      // a camera that is gone ends the process with that error
    ///         }
    ///     }
    /// });
    /// for frame in [1, 2, 3] {
    ///     frames.send(frame).unwrap();
    /// }
    /// # while !frames.is_empty() { std::thread::yield_now(); }
    /// adder.cast("report");
    /// assert_eq!(sums.recv().unwrap(), 6);
    /// drop(frames);
    /// # while adder.ended().is_none() { std::thread::yield_now(); }
    /// # assert!(adder.ended().unwrap().to_string().contains("disconnected"));
    /// ```
    ///
    /// The thread starts with the first poll of the process, so not at all if the process was killed before. If the system
    /// has no thread to give, the process ends with that error; so it does in a simulation, which has none.
    ///
    /// # Kill
    /// A fatal signal ends the body's present receive, or its next one, with `Err(reason)`, which `?` passes on. A thread
    /// that never receives cannot be stopped (OTP: A8); links and monitors are told when the body has really returned.
    ///
    /// When the node's runtime is dropped, its processes end. Dropping it does not wait for this thread: the next receive
    /// answers the reason, and the thread tells the observers when its body has returned. So the program may end before the
    /// body does; to have it finish, wait for its `Down` before the runtime is dropped.
    ///
    /// # Cost
    /// A thread. What a message costs, and when a thread is worth it: [`blocking`](crate::blocking).
    pub fn spawn_thread<M: Send + 'static>(
        &self,
        body: impl FnOnce(BlockingContext<M>) -> Ended + Send + 'static,
    ) -> Addr<M> {
        Site::new(self, None).spawn_thread(body)
    }
}

impl Bulkhead {
    /// As [`Node::spawn_thread`], for a process whose task runs here. The task starts the thread and applies its signals, so
    /// it can be killed, linked and watched although the node's own workers are all held.
    pub fn spawn_thread<M: Send + 'static>(
        &self,
        body: impl FnOnce(BlockingContext<M>) -> Ended + Send + 'static,
    ) -> Addr<M> {
        self.site().spawn_thread(body)
    }
}

impl Site<'_> {
    fn spawn_thread<M: Send + 'static>(
        self,
        body: impl FnOnce(BlockingContext<M>) -> Ended + Send + 'static,
    ) -> Addr<M> {
        let seat = Seat::new();
        let ready = self.prepare(&seat);
        let thread = on_thread(ready.context(&seat), body);
        ready.launch(&seat, Work::Thread(thread), Birth::default(), Kin::default());
        Addr::new(seat)
    }
}

/// A body for a thread of its own, with what its context waits with.
pub(crate) fn on_thread<M: Send + 'static>(
    cx: Context<M>,
    body: impl FnOnce(BlockingContext<M>) -> Ended + Send + 'static,
) -> OwnThread {
    let (ring, rung) = crossbeam_channel::bounded(1);
    let bell = Waker::from(Arc::new(Bell(ring)));
    let name = std::any::type_name_of_val(&body);
    let (seat, node, waker) = (Arc::clone(&cx.seat), cx.node().clone(), bell.clone());
    OwnThread::new(cx, bell, name, move |cx| body(BlockingContext { cx, seat, node, bell: waker, rung }))
}

/// A process on its own thread, seen from inside: a [`Context`] whose receives block.
///
/// Every receive answers `Err(reason)` once the process must end, which takes precedence over whatever is queued; `?` then
/// ends the body. What is returned instead changes nothing: the first fatal signal gives the reason.
///
/// # Panics
/// A receive panics inside the poll of a process, to which this was moved: use a [`Context`] there.
pub struct BlockingContext<M: Send + 'static> {
    cx: Context<M>,
    /// Where and by which clock it waits, while a receive borrows the context.
    seat: Arc<Seat<M>>,
    node: Node,
    /// Wakes whoever waits here: the receives park it in the mailbox, and the task rings it when the process must end.
    bell: Waker,
    rung: Receiver<()>,
}

impl<M: Send + 'static> BlockingContext<M> {
    /// Waits for the oldest event of any kind.
    ///
    /// # Errors
    /// The process must end, for this reason.
    pub fn recv(&mut self) -> Result<Event<M>, ExitReason> {
        self.wait(Context::recv)
    }

    /// Waits for the oldest message and leaves notices where they are.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_message(&mut self) -> Result<M, ExitReason> {
        self.wait(Context::recv_message)
    }

    /// Takes the oldest event, if there is one, and does not wait. After `None`, [`ready`](Self::ready) becomes readable
    /// with the next event. What stands behind a signal that the task has not applied yet counts as not there.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<Event<M>>, ExitReason> {
        self.wait_for(Patience::None, |cx| cx.recv().patient())
    }

    /// Waits for the oldest event, no longer than that; `None` says that the time has passed. An event that is there by then
    /// is taken (OTP: E5).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Option<Event<M>>, ExitReason> {
        let until = self.node.later(limit);
        if let Some(event) = self.wait_for(Patience::Until(until), |cx| cx.recv().patient())? {
            return Ok(Some(event));
        }
        // What arrived in time may stand behind a signal that the task is just applying.
        self.wait(|cx| cx.recv().after(Duration::ZERO))
    }

    /// Blocks on any receive of the inner context, or on whatever else can be awaited, and ends with the process.
    ///
    /// ```no_run
    /// # use freeboard_process::{Addr, BlockingContext, Ended, Reply};
    /// # use std::time::Duration;
    /// # fn body(mut cx: BlockingContext<u64>, server: Addr<Reply<u64>>) -> Ended {
    /// let even = cx.wait(|cx| cx.recv_where(|n| n % 2 == 0))?;
    /// let soon = cx.wait(|cx| cx.recv_message().after(Duration::from_millis(10)))?;
    /// let answer = cx.wait(|_| server.call(|reply| reply))??;      // the process's end, the call's failure
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Self::recv); what was awaited is dropped.
    pub fn wait<'a, F: Future + 'a>(
        &'a mut self,
        receive: impl FnOnce(&'a mut Context<M>) -> F,
    ) -> Result<F::Output, ExitReason> {
        let answer = self.wait_for(Patience::Endless, receive)?;
        Ok(answer.expect("without a limit it waits until there is something"))
    }

    /// A channel that is readable when this process should look into its mailbox: for `crossbeam_channel::select!` beside
    /// other channels, as in the example of [`Node::spawn_thread`].
    ///
    /// * After [`try_recv`](Self::try_recv) answered `None`, it becomes readable with the next arrival, or when the process
    ///   must end; then `try_recv` answers the event, or the reason. So take everything with `try_recv` before selecting.
    /// * A reading may be spurious, and one reading may stand for many arrivals: it holds one token at most.
    /// * The receives use up the token as well, so only the thread that receives should read it.
    pub fn ready(&self) -> Receiver<()> {
        self.rung.clone()
    }

    /// The context, for links, monitors, timers and spawns. Its receives do not block: see [`wait`](Self::wait).
    pub fn context(&mut self) -> &mut Context<M> {
        &mut self.cx
    }

    /// This process's identity.
    pub fn pid(&self) -> Pid {
        self.cx.pid()
    }

    /// The address of this process.
    pub fn addr(&self) -> Addr<M> {
        self.cx.addr()
    }

    /// The node this process runs on.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Blocks on what `receive` makes; `None` if that is not ready in time.
    fn wait_for<'a, F: Future + 'a>(
        &'a mut self,
        patience: Patience,
        receive: impl FnOnce(&'a mut Context<M>) -> F,
    ) -> Result<Option<F::Output>, ExitReason> {
        assert_may_block();
        let Self { cx, seat, node, bell, rung } = self;
        let incarnation = cx.pid().generation();
        if let Some(reason) = seat.core.must_end(incarnation) {
            return Err(reason);
        }
        settle_dropped();
        let mut receive = pin!(receive(cx));
        let mut task = std::task::Context::from_waker(bell);
        loop {
            if let Poll::Ready(answer) = receive.as_mut().poll(&mut task) {
                return Ok(Some(answer));
            }
            if let Some(reason) = seat.core.must_end(incarnation) {
                return Err(reason);
            }
            // The receive is parked, or has rung the bell to be polled again.
            let rung = match patience {
                Patience::Endless => rung.recv().is_ok(),
                Patience::None => rung.try_recv().is_ok(),
                Patience::Until(until) => {
                    let left = until.saturating_duration_since(node.now());
                    rung.recv_timeout(left).is_ok() || node.now() < until
                }
            };
            if !rung {
                return Ok(None);
            }
        }
    }
}

/// How long a receive waits.
#[derive(Clone, Copy)]
enum Patience {
    None,
    Until(Instant),
    Endless,
}

/// The waker of a process's own thread: a token in a channel that holds one.
struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Full: it rings already. Closed: nobody will look any more.
        let _rings_already = self.0.try_send(());
    }
}

fn assert_may_block() {
    assert!(
        current::may_block(),
        "a blocking call or receive inside the poll of a process would stop its worker, and may wait for itself; \
         await it, or give the process a thread of its own (Node::spawn_thread)"
    );
}

/// The process on this thread, if there is one, goes on: whoever waits for a reply that it dropped is told.
fn settle_dropped() {
    current::take_parked().into_iter().flatten().for_each(|reply| reply.settle(CallError::NoReply));
}

impl<M: Send + 'static> fmt::Debug for BlockingContext<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingContext").field("pid", &self.pid()).finish_non_exhaustive()
    }
}
