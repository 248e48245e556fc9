//! The runtime as a value: the pid table, the timers, the tokens, and the backend behind them.
//!
//! Invariant: no static holds state, so several nodes can live in one program and a test can have its own.

use crate::addr::Addr;
use crate::builder::{BuildError, NodeBuilder, Settings};
use crate::callers::Callers;
use crate::census::{Census, SpawnError};
use crate::context::{Context, Ended};
use crate::current;
use crate::dead_letters::DeadLetterHook;
use crate::executor::{Backend, Service};
use crate::named::Named;
use crate::names::{Names, RegisterError};
use crate::panic_location::{self, Recording};
use crate::reporter::Reporter;
use crate::seat::{AnySeat, Seat, present};
use crate::site::Site;
use crate::steward::Desk;
use crate::sync::{AtomicU64, Ordering};
use crate::table::Table;
use crate::task::quietly;
use crate::timer::{TimerService, Timers};
use crate::watchdog::{self, Watchdog};
use crate::wire::Peer;
use freeboard_mailbox::{Caller, Policy, PolicyError};
use freeboard_signal::{ExitReason, Pid, Ref};
use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

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
    names: Names,
    timers: Timers,
    callers: Callers,
    desk: Desk,
    refs: AtomicU64,
    /// When this node began, by its coarse clock.
    origin: Instant,
    census: Census,
    settings: Settings,
    /// Why a critical root ended, if that has stopped this node.
    failed: OnceLock<ExitReason>,
    watchdog: Option<Arc<Watchdog>>,
    /// Not 0 once somebody was told that a `terminate` did not run.
    skipped: AtomicU64,
    _recording: Option<Recording>,
    reporter: Arc<Reporter>,
    #[cfg(feature = "metrics")]
    tally: crate::metrics::Tally,
}

impl Node {
    /// A node on the tokio runtime that this is called from.
    ///
    /// # Panics
    /// Outside of a tokio runtime: call it inside `block_on` or a task, or use [`Node::on`].
    #[cfg(feature = "tokio")]
    pub fn new() -> Self {
        Self::builder().start().expect("a node with no settings of its own needs a runtime and nothing more")
    }

    /// A node on this backend.
    pub fn on(backend: impl Backend) -> Self {
        Self::builder().on(backend).expect("a node with no settings of its own can always be built")
    }

    /// A node with settings of its own.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// A node with these settings, which are valid, on this backend.
    pub(crate) fn build(settings: Settings, backend: Arc<dyn Backend>) -> Result<Self, BuildError> {
        let id = backend.random() as u32; // the lower half of a random number
        let recording = if settings.panic_locations { Some(panic_location::record(id)?) } else { None };
        let (watchdog, ticks) = settings.watchdog.map(Watchdog::new).unzip();
        let node = Self(Arc::new(Inner {
            table: Table::new(id),
            names: Names::default(),
            timers: Timers::default(),
            callers: Callers::default(),
            desk: Desk::default(),
            refs: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            origin: backend.coarse(),
            census: Census::new(settings.max_processes),
            failed: OnceLock::new(),
            watchdog,
            _recording: recording,
            reporter: Reporter::new(settings.crash_reports.clone(), backend.as_ref()),
            #[cfg(feature = "metrics")]
            tally: crate::metrics::Tally::default(),
            settings,
            backend,
        }));
        if let Some(ticks) = ticks {
            watchdog::start(&node, ticks)?;
        }
        let service: Service = Box::pin(TimerService::new(&node));
        node.0.backend.spawn_service(service);
        Ok(node)
    }

    /// Starts a process that nobody watches yet. It runs `body` with its context; what `body` returns is its exit
    /// reason.
    ///
    /// A node that [shuts down](Self::shutdown), or runs as many processes as it [may](NodeBuilder::max_processes), starts
    /// nothing: the process then ends at once, its body dropped without having run, and the address tells why
    /// ([`Addr::ended`]). So it does in every other way to start a process, and its links and monitors are told as of any
    /// end. [`try_spawn`](Self::try_spawn) asks first.
    ///
    /// # Cost
    /// Three allocations: the seat, the boxed body, the backend's task.
    pub fn spawn<M, F, Fut>(&self, body: F) -> Addr<M>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.site().spawn(body)
    }

    /// The same, if there is a place for it.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim, SpawnError};
    ///
    /// Sim::seed(1).run_with(Node::builder().max_processes(1), async |node: Node| {
    ///     let clerk = async |mut cx: Context<()>| Ok(cx.recv_message().await);
    ///     let first = node.try_spawn(clerk).ok().unwrap();
    ///     let (_clerk, why) = node.try_spawn(clerk).unwrap_err();
    ///     assert_eq!(why, SpawnError::TooMany { limit: 1 });
    ///     # drop(first);
    /// });
    /// ```
    ///
    /// # Errors
    /// There is none, or the node shuts down: nothing was started, and the body comes back. A shutdown that begins during the
    /// call may end the process at once instead, as in [`spawn`](Self::spawn).
    pub fn try_spawn<M, F, Fut>(&self, body: F) -> Result<Addr<M>, (F, SpawnError)>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.site().try_spawn(body)
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
        self.site().spawn_with(policy, body)
    }

    /// The same, for a process that holds this name from before it first runs (OTP: F6).
    ///
    /// # Errors
    /// It cannot have the name; it was not started.
    pub fn spawn_named<M, F, Fut>(&self, name: impl Into<Arc<str>>, body: F) -> Result<Addr<M>, RegisterError>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.site().spawn_named(name.into(), body)
    }

    fn site(&self) -> Site<'_> {
        Site::new(self, None)
    }

    /// How many processes there are: those that were started and whose end nobody was told of yet.
    pub fn process_count(&self) -> usize {
        self.0.census.living()
    }

    /// Gives the process that lives at that address a name, until it ends or the name is [taken back](Self::unregister)
    /// (OTP: J1). A process may hold several names; a name has one holder.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, RegisterError, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let clerk = node.spawn(async |mut cx: Context<()>| Ok(cx.recv_message().await));
    ///     node.register("clerk", &clerk).unwrap();
    ///     assert_eq!(node.whereis("clerk"), Some(clerk.clone()));
    ///     let owner = clerk.pid().unwrap();
    ///     assert_eq!(node.register("clerk", &clerk), Err(RegisterError::Taken { owner }));
    /// });
    /// ```
    ///
    /// # Errors
    /// [`Taken`](RegisterError::Taken) by a living process, this one included; a holder that has ended is replaced at once
    /// (OTP: J3). [`NotRunning`](RegisterError::NotRunning) if the seat is not started, vacant or closed, or belongs to
    /// another node. [`TooMany`](RegisterError::TooMany) and [`Invalid`](RegisterError::Invalid) beyond the bounds.
    ///
    /// # Cost
    /// The locks of that process and of one shard of the table; nobody is waited for (OTP: J2).
    pub fn register<M: Send + 'static>(&self, name: &str, addr: &Addr<M>) -> Result<(), RegisterError> {
        let is_here = addr.seat().core.node().is_some_and(|home| home.is(self));
        let owner = present(addr.seat()).filter(|_| is_here).ok_or(RegisterError::NotRunning)?;
        self.0.names.register(name.into(), &owner)
    }

    /// Takes a name from whoever holds it; answers who that was.
    pub fn unregister(&self, name: &str) -> Option<Pid> {
        self.0.names.unregister(name)
    }

    /// The address of the process that holds this name, if it lives (OTP: J4) and receives messages of this type. To whom a
    /// name belongs, whatever the type, [`Target::resolve`](crate::Target::resolve) answers.
    ///
    /// The address is that of the seat: it stays valid when the process is restarted, whoever holds the name then.
    ///
    /// # Cost
    /// A hash of the name and the lock of one of sixteen shards for the time of a look (OTP: J14). No process is asked.
    pub fn whereis<M: Send + 'static>(&self, name: &str) -> Option<Addr<M>> {
        let seat = self.0.names.owner(name)?.seat.into_any();
        seat.downcast::<Seat<M>>().ok().map(Addr::new)
    }

    /// A name as an address, looked up at each use.
    pub fn named<M: Send + 'static>(&self, name: impl Into<Arc<str>>) -> Named<M> {
        Named::new(self.clone(), name.into())
    }

    /// How many names are held.
    pub fn names_held(&self) -> usize {
        self.0.names.len()
    }

    /// Sends an exit signal to one incarnation (OTP: B7). Nothing happens if it is gone, or another node's.
    pub fn exit(&self, pid: Pid, reason: ExitReason) {
        if let Some(peer) = self.0.table.peer(pid) {
            peer.exit(current::pid().unwrap_or(self.pid()), reason);
        }
    }

    /// Kills one incarnation (OTP: A5). Nothing happens if it is gone, or another node's.
    pub fn kill(&self, pid: Pid) {
        if let Some(peer) = self.0.table.peer(pid) {
            peer.kill();
        }
    }

    /// Whether that incarnation lives: it was started and has not released what it held. So the names of one that does not
    /// are free (OTP: A15).
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

    /// By how much [`coarse`](Self::coarse) may lag.
    pub(crate) fn lag(&self) -> Duration {
        self.0.backend.lag()
    }

    /// An actor with a `terminate` of its own was ended by an exit signal that it does not trap. Told once.
    #[cold]
    pub(crate) fn warn_of_skipped_terminate(&self, pid: Option<Pid>) {
        if self.0.skipped.swap(1, Ordering::Relaxed) == 0 {
            quietly(|| {
                tracing::warn!(
                    pid = pid.map(tracing::field::display),
                    "an exit signal ended an actor that does not trap exits, so its `terminate` did not run; \
                     call `cx.trap_exit(true)` in its `init` if it must (told once per node)"
                );
            });
        }
    }

    /// The same, read once in a poll of a process.
    pub(crate) fn coarse_of_poll(&self) -> Instant {
        self.0.origin + crate::current::reading(self.pid().node(), || self.uptime())
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

    /// How many timers are set: of messages, of receives and sleeps with a limit, and one per process that makes calls.
    pub fn timers_set(&self) -> usize {
        self.0.timers.len()
    }

    /// How long this node has been there, by its coarse clock.
    pub(crate) fn uptime(&self) -> Duration {
        self.uptime_at(self.coarse())
    }

    /// The same at another time.
    pub(crate) fn uptime_at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.0.origin)
    }

    /// A time as mailboxes count it: nanoseconds since this node began.
    pub(crate) fn caller(&self, until: Instant) -> Caller {
        let since = until.saturating_duration_since(self.0.origin).as_nanos();
        // Neither "given up" nor "without limit", and one bit is left for others.
        Caller(u64::try_from(since).unwrap_or(u64::MAX).clamp(Caller::GAVE_UP.0 + 1, u64::MAX >> 1))
    }

    /// The other way round.
    pub(crate) fn instant(&self, Caller(since): Caller) -> Instant {
        self.0.origin + Duration::from_nanos(since)
    }

    /// Who wants to see the messages that nobody receives.
    pub(crate) fn dead_letters(&self) -> Option<&DeadLetterHook> {
        self.0.settings.dead_letters.as_ref()
    }

    /// How long a call waits unless it says otherwise.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.0.settings.call_timeout
    }

    /// How long the start of a child may take whose spec says nothing; for those who start children.
    pub fn start_timeout(&self) -> Option<Duration> {
        self.0.settings.start_timeout
    }

    /// At how many waiting messages a mailbox without a policy warns.
    pub(crate) fn high_water(&self) -> usize {
        self.0.settings.high_water
    }

    /// How many crash reports were lost because too many waited to be emitted ([`REPORTS_WAITING`](crate::REPORTS_WAITING)).
    pub fn reports_lost(&self) -> u64 {
        self.0.reporter.lost()
    }

    pub(crate) fn reporter(&self) -> &Arc<Reporter> {
        &self.0.reporter
    }

    pub(crate) fn census(&self) -> &Census {
        &self.0.census
    }

    pub(crate) fn failed(&self) -> &OnceLock<ExitReason> {
        &self.0.failed
    }

    pub(crate) fn watchdog(&self) -> Option<&Arc<Watchdog>> {
        self.0.watchdog.as_ref()
    }

    /// Who lives in that page of the table; `None` beyond the last.
    pub(crate) fn living_in(&self, page: usize) -> Option<Vec<Peer>> {
        let living = |(slot, seat): (u32, Weak<dyn AnySeat>)| {
            let seat = seat.upgrade()?;
            Some(Peer { pid: self.pid_in(slot, seat.incarnation()?), seat })
        };
        Some(self.0.table.page(page)?.into_iter().filter_map(living).collect())
    }

    /// Every seat that was ever started and is still there.
    #[cfg(feature = "metrics")]
    pub(crate) fn all_seats(&self) -> impl Iterator<Item = Arc<dyn AnySeat>> {
        (0..).map_while(|page| self.0.table.page(page)).flatten().filter_map(|(_, seat)| seat.upgrade())
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn tally(&self) -> &crate::metrics::Tally {
        &self.0.tally
    }

    /// The incarnation that was started last in that slot.
    pub(crate) fn latest(&self, slot: u32) -> Option<Pid> {
        self.0.table.latest(slot)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.0.backend
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.0.callers
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
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

    pub(crate) fn claim(&self, seat: Weak<dyn AnySeat>) -> Pid {
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
