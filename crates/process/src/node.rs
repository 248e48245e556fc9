//! The runtime as a value: the pid table, the timers, the tokens, and the backend behind them.
//!
//! Invariant: no static holds state, so several nodes can live in one program and a test can have its own.

use crate::addr::Addr;
use crate::builder::NodeBuilder;
use crate::context::{Context, Ended};
use crate::dead_letters::DeadLetterHook;
use crate::executor::{Backend, Service};
use crate::seat::{AnySeat, Seat};
use crate::start::{self, Birth, Kin, Start, StartError};
use crate::sync::{AtomicU64, Ordering};
use crate::table::Table;
use crate::timer::{TimerService, Timers};
use crate::wire::Peer;
use freeboard_mailbox::{Policy, PolicyError};
use freeboard_signal::{ExitReason, Pid, Ref};
use std::{fmt, future::Future, sync::Arc, sync::Weak, time::Duration, time::Instant};

/// A runtime for processes. Cheap to clone; all clones are the same node.
///
/// ```
/// use freeboard_process::{Context, Node, Sim};
///
/// let answer = Sim::seed(1).run(async |node: Node| {
///     let doubler = node.spawn(async |mut cx: Context<(u32, freeboard_process::Reply<u32>)>| {
///         let (n, reply) = cx.recv_message().await;
///         reply.send(2 * n);
///         Ok(())
///     });
///     doubler.call(|reply| (21, reply)).await
/// });
/// assert_eq!(answer.unwrap(), 42);
/// ```
#[derive(Clone)]
pub struct Node(Arc<Inner>);

/// A node that does not keep itself alive.
#[derive(Clone)]
pub(crate) struct WeakNode(Weak<Inner>);

struct Inner {
    backend: Arc<dyn Backend>,
    table: Table,
    timers: Timers,
    refs: AtomicU64,
    /// When this node began, by its coarse clock.
    origin: Instant,
    dead_letters: Option<DeadLetterHook>,
}

impl Node {
    /// A node on the tokio runtime that this is called from.
    ///
    /// # Panics
    /// Outside of a tokio runtime: call it inside `block_on` or a task, or use [`Node::on`].
    #[cfg(feature = "tokio")]
    pub fn new() -> Self {
        Self::builder().start()
    }

    /// A node on this backend.
    pub fn on(backend: impl Backend) -> Self {
        Self::builder().on(backend)
    }

    /// A node with settings of its own.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// A node with these settings on this backend.
    pub(crate) fn build(settings: NodeBuilder, backend: impl Backend) -> Self {
        let id = backend.random() as u32; // the lower half of a random number
        let origin = backend.coarse();
        let node = Self(Arc::new(Inner {
            backend: Arc::new(backend),
            table: Table::new(id),
            timers: Timers::default(),
            refs: AtomicU64::new(0),
            origin,
            dead_letters: settings.dead_letters,
        }));
        let service: Service = Box::pin(TimerService::new(&node));
        node.0.backend.spawn_service(service);
        node
    }

    /// Starts a process that nobody watches yet. It runs `body` with its context; what `body` returns is its exit
    /// reason.
    ///
    /// # Cost
    /// Three allocations: the seat, the boxed body, the backend's task.
    pub fn spawn<M, F, Fut>(&self, body: F) -> Addr<M>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.populate(Seat::new(), body)
    }

    /// The same, with a mailbox that obeys this policy.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Policy, Refused, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let slow = node.spawn_with(Policy::bounded(1), async |_cx: Context<u32>| std::future::pending().await).unwrap();
    ///     slow.send(1).unwrap();
    ///     assert!(matches!(slow.send(2).unwrap_err().why, Refused::Full));
    /// });
    /// ```
    ///
    /// # Errors
    /// The policy contradicts itself; nothing was started.
    pub fn spawn_with<M, F, Fut>(&self, policy: Policy<M>, body: F) -> Result<Addr<M>, PolicyError>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let seat = Seat::new();
        seat.police(self, policy)?;
        Ok(self.populate(seat, body))
    }

    /// Starts the first incarnation of a seat.
    fn populate<M, F, Fut>(&self, seat: Arc<Seat<M>>, body: F) -> Addr<M>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let ready = start::prepare(self, &seat).expect("a fresh seat can be started");
        let body = Box::pin(body(ready.context(&seat)));
        ready.launch(&seat, body, Birth::default(), Kin::default());
        Addr::new(seat)
    }

    /// Starts whatever can be started: a child spec, a supervisor. Returns when it is up.
    ///
    /// # Errors
    /// Its start failed; whatever it had started is gone again by then.
    ///
    /// # Cancel safety
    /// Dropping the future does not undo the start.
    pub async fn start<S: Start>(&self, spec: S) -> Result<S::Handle, StartError> {
        spec.start(self).await
    }

    /// Sends an exit signal to one incarnation (OTP: B7). Nothing happens if it is gone.
    pub fn exit(&self, pid: Pid, reason: ExitReason) {
        if let Some(peer) = self.0.table.peer(pid) {
            peer.exit(crate::current::pid().unwrap_or(self.pid()), reason);
        }
    }

    /// Kills one incarnation (OTP: A5). Nothing happens if it is gone.
    pub fn kill(&self, pid: Pid) {
        if let Some(peer) = self.0.table.peer(pid) {
            peer.kill();
        }
    }

    /// Whether that incarnation lives: it was started and has not released what it held.
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.0.table.peer(pid).is_some_and(|peer| peer.seat.incarnation() == Some(pid.generation()))
    }

    /// The node's own identity: the sender of what no process sent.
    pub fn pid(&self) -> Pid {
        self.0.table.node_pid()
    }

    /// The present instant on this node's clock.
    pub fn now(&self) -> Instant {
        self.0.backend.now()
    }

    /// A cheaper reading of this node's clock, which may lag behind [`now`](Self::now) by some milliseconds.
    pub fn coarse(&self) -> Instant {
        self.0.backend.coarse()
    }

    /// The instant that lies `after` from now; what lies beyond any clock comes in a hundred years.
    pub(crate) fn later(&self, after: Duration) -> Instant {
        self.later_than(self.now(), after)
    }

    /// The same, counted from a reading of this node's clock.
    pub(crate) fn later_than(&self, now: Instant, after: Duration) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        now + after.min(CENTURY)
    }

    /// How many seats exist that were ever started: living processes, and dead ones that an address still names.
    pub fn seats(&self) -> usize {
        self.0.table.held()
    }

    /// How long this node has been there, by its coarse clock.
    pub(crate) fn uptime(&self) -> Duration {
        self.coarse().saturating_duration_since(self.0.origin)
    }

    /// Who wants to see the messages that nobody receives.
    pub(crate) fn dead_letters(&self) -> Option<&DeadLetterHook> {
        self.0.dead_letters.as_ref()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.0.backend
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.0.timers
    }

    pub(crate) fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.0))
    }

    pub(crate) fn new_ref(&self) -> Ref {
        Ref::new(u64::from(self.pid().node()), self.0.refs.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn claim(&self, seat: Weak<dyn AnySeat>) -> u32 {
        self.0.table.claim(seat)
    }

    pub(crate) fn next_pid(&self, slot: u32) -> Pid {
        self.0.table.next_pid(slot)
    }

    pub(crate) fn pid_in(&self, slot: u32, incarnation: u64) -> Pid {
        Pid::new(self.pid().node(), slot, incarnation)
    }

    pub(crate) fn release(&self, slot: u32) {
        self.0.table.release(slot);
    }

    pub(crate) fn peer(&self, pid: Pid) -> Option<Peer> {
        self.0.table.peer(pid)
    }
}

#[cfg(feature = "tokio")]
impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}

impl WeakNode {
    pub(crate) fn upgrade(&self) -> Option<Node> {
        self.0.upgrade().map(Node)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.timers.close();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("pid", &self.pid()).field("seats", &self.seats()).finish_non_exhaustive()
    }
}
