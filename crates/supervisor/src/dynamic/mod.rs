//! The dynamic supervisor: children of one kind or many, started on demand, known by their pids.
//!
//! ```text
//!   start_child (in the caller):  check ─► admit ─► row ─► spawn ─► wait for the child's own acknowledgement
//! ```
//!
//! OTP's start runs inside the supervisor, so one slow `init`, or a long mailbox, delays everybody; that was the
//! bottleneck of the outage this library answers. Here the caller does the work and the supervisor's process is asked
//! for nothing (deviation DEV-06). What remains in its process has to be in one order: restarts, terminations, shutdown.
//!
//! # Who owns a child when
//! * From its row on, the supervisor: dropping the caller's future changes nothing.
//! * A failed `init` is told to the caller after the child's exit protocol, its row already gone (OTP: F4).
//! * If the supervisor dies meanwhile, the child dies with it and the caller hears `SupervisorDown`; if it is shutting
//!   down, `ShuttingDown`.

mod server;
mod table;

use crate::child_spec::{AnyChild, Child, Shutdown, Terms};
use crate::restart::Restart;
use freeboard_process::{
    Ack, Addr, Birth, Bulkhead, Dependents, Lasting, Launcher, Node, Reply, Start, StartError, Target,
};
use freeboard_signal::{ExitReason, Pid};
use server::Request;
use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
    time::Duration,
};
use table::Table;

/// A supervisor whose children are started one by one while it runs. Only one_for_one: children do not depend on one
/// another (OTP: H1).
///
/// Defaults: no limit on children; 3 restarts within 5 s, then it ends with `Shutdown` and takes all children along
/// (OTP: H6).
pub struct DynamicSupervisor {
    launcher: Launcher<Request>,
    handle: DynamicRef,
    limits: Limits,
    id: Option<String>,
    restart: Restart,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_children: usize,
    restarts: u32,
    period: Duration,
}

/// The handle of a dynamic supervisor: valid before its start and across its restarts. Cheap to clone.
#[derive(Clone)]
pub struct DynamicRef {
    addr: Addr<Request>,
    table: Arc<Table>,
}

/// How many children there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Children tracked, in whatever state.
    pub specs: usize,
    /// Those that are not being restarted.
    pub active: usize,
    /// Those that are supervisors.
    pub supervisors: usize,
    /// Those that are not.
    pub workers: usize,
}

/// Why a child was not ended.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildError {
    /// It is no child of this supervisor, or is dead already (OTP: H10).
    NotFound,
    /// The supervisor is ending all of its children anyway.
    ShuttingDown,
    /// The supervisor is not running.
    SupervisorDown,
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no living child of this supervisor; ask the supervisor that started it",
            Self::ShuttingDown => "the supervisor is ending all of its children already; wait for its end",
            Self::SupervisorDown => "the supervisor is not running, and so are its children",
        })
    }
}

impl Error for ChildError {}

impl Default for DynamicSupervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl DynamicSupervisor {
    /// A supervisor with the defaults.
    pub fn new() -> Self {
        let limits = Limits { max_children: usize::MAX / 4, restarts: 3, period: Duration::from_secs(5) };
        let mut handle = None;
        let launcher = Launcher::with_addr(|addr| {
            let table = Arc::new(Table::new(limits, addr.clone()));
            handle = Some(DynamicRef { addr, table: Arc::clone(&table) });
            move |cx| Box::pin(server::serve(cx, Arc::clone(&table))) as _
        });
        let handle = handle.expect("with_addr calls its argument");
        Self { launcher, handle, limits, id: None, restart: Restart::default() }
    }

    /// At most this many children, those being restarted included; zero is legal (OTP: H4).
    pub fn max_children(mut self, children: usize) -> Self {
        self.limits.max_children = children.min(usize::MAX / 4);
        self
    }

    /// At most this many restarts of any children within any such period (OTP: G18). Zero makes the first one fatal.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.limits.restarts = restarts;
        self.limits.period = period;
        self
    }

    /// The name that the supervisor holds while it runs, as [`ChildSpec::name`](crate::ChildSpec::name).
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.launcher = self.launcher.name(name);
        self
    }

    /// The bulkhead on whose threads the supervisor itself runs, as [`ChildSpec::on`](crate::ChildSpec::on). Its children run
    /// where their own specs say.
    pub fn on(mut self, bulkhead: &Bulkhead) -> Self {
        self.launcher = self.launcher.on(bulkhead);
        self
    }

    /// An identifier for reports and errors.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// When this supervisor is itself started again by its own one.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Starts it with nobody as parent.
    ///
    /// # Errors
    /// It was killed before it was up.
    pub async fn start(self, node: &Node) -> Result<DynamicRef, StartError> {
        node.start(self).await
    }
}

impl Child for DynamicSupervisor {
    type Handle = DynamicRef;

    fn handle(&self) -> DynamicRef {
        self.handle.clone()
    }

    fn erase(self) -> AnyChild {
        self.handle.table.configure(self.limits);
        AnyChild {
            launch: Arc::new(self.launcher),
            terms: Terms { restart: self.restart, shutdown: Shutdown::Infinity, is_supervisor: true },
            start_timeout: None,
            dependents: Some(Arc::clone(&self.handle.table) as Arc<dyn Dependents>),
            id: self.id,
            once: false,
        }
    }
}

impl Start for DynamicSupervisor {
    type Handle = DynamicRef;

    async fn start(self, node: &Node) -> Result<DynamicRef, StartError> {
        let handle = self.handle();
        self.erase().start_root(node).await?;
        Ok(handle)
    }
}

impl DynamicRef {
    /// Starts a child: runs in the caller, waits for the child's `init`, and answers its handle.
    ///
    /// | supervisor | answer |
    /// |---|---|
    /// | running | the handle, once the child is up |
    /// | running, `max_children` reached | `MaxChildren`, before anything was started |
    /// | shutting down | `ShuttingDown` |
    /// | not started, dead, being restarted | `SupervisorDown` |
    ///
    /// # Errors
    /// Besides the above: `Init`, `Ignored`, `Timeout` from the child itself, when it is gone again; `Spec` for a
    /// contradiction in the spec, found before anything was done (OTP: H2).
    ///
    /// # Cancel safety
    /// Dropped before its first poll, nothing was started. Dropped later, the start goes on, and the child stays the
    /// supervisor's.
    ///
    /// # Cost
    /// Independent of what waits at the supervisor: its mailbox is not involved. One compare-exchange, one shard lock, one
    /// spawn, one acknowledgement.
    ///
    /// # Deviation
    /// OTP runs this inside the supervisor, one start at a time (`docs/deviations.md`, DEV-06); `ignore` and start errors
    /// are typed (DEV-12).
    pub fn start_child<C: Child>(
        &self,
        spec: C,
    ) -> impl Future<Output = Result<C::Handle, StartError>> + Send + use<C> {
        let handle = spec.handle();
        let (child, table) = (spec.erase(), Arc::clone(&self.table));
        async move {
            // The spec is used up here, so that what waits for the answer is small.
            let started = start(&table, child)?;
            match poll_fn(|cx| started.ack.poll(cx)).await {
                Ok(()) => Ok(handle),
                Err(StartError::Init(reason)) => Err(table.failure(started.parent, reason)),
                Err(error) => Err(error),
            }
        }
    }

    /// Ends one child, as its spec's `shutdown` says, and waits for its end. It is not started again and costs no
    /// restart. A child that is between two incarnations is forgotten.
    ///
    /// It has no limit, and the request is carried out although the future is dropped after its first poll (OTP: G49).
    ///
    /// # Errors
    /// `NotFound` for strangers and for those already dead (OTP: H10).
    pub async fn terminate_child(&self, child: &(impl Target + ?Sized)) -> Result<(), ChildError> {
        let owner = self.table.owner().ok_or(ChildError::SupervisorDown)?;
        let pid = child.resolve(&owner.node).ok_or(ChildError::NotFound)?;
        let (reply, answer) = Reply::pair();
        if self.addr.send(Request::Terminate(pid, reply)).is_err() {
            return Err(ChildError::SupervisorDown);
        }
        answer.await.unwrap_or(Err(ChildError::SupervisorDown))
    }

    /// Counts the children by looking at each.
    pub fn count_children(&self) -> Counts {
        self.table.counts()
    }

    /// Children tracked, those being restarted included; one load.
    pub fn tracked(&self) -> usize {
        self.table.tracked()
    }

    /// Messages that wait at the supervisor's own process.
    pub fn depth(&self) -> usize {
        self.addr.depth()
    }

    /// The incarnation of the supervisor that runs now.
    pub fn pid(&self) -> Option<Pid> {
        self.addr.pid()
    }

    /// Ends all children, each within its own limit, then the supervisor, with this reason. Returns when it is gone; also
    /// if it was gone already.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the stopping.
    pub async fn stop(&self, reason: ExitReason) {
        // The answer is the end itself.
        let (reply, ended) = Reply::<()>::pair();
        if self.addr.send(Request::Stop(reason, reply)).is_ok() {
            let _ended = ended.await;
        }
    }

    /// Kills the supervisor: no shutdown runs; its children get an exit signal from it (OTP: G41).
    pub fn kill(&self) {
        self.addr.kill();
    }
}

impl Lasting for DynamicRef {
    fn over(&self) -> impl Future<Output = ExitReason> + Send + 'static {
        self.addr.closed()
    }
}

/// A start that is under way.
struct Started {
    ack: Ack,
    /// The incarnation of the supervisor that the child belongs to.
    parent: Pid,
}

/// One start, in the caller, up to where the child's own task has the word.
fn start(table: &Arc<Table>, mut child: AnyChild) -> Result<Started, StartError> {
    child.check()?;
    let admitted = table.admit()?;
    let Some(owner) = table.owner() else { return Err(StartError::SupervisorDown(ExitReason::NoProc)) };
    let peer = child.launch.prepare(&owner.node)?;
    let parent = owner.peer.pid();
    child.start_timeout = child.start_limit(&owner.node);
    table.insert(parent, &peer, &child, admitted)?;
    let ack = Ack::new();
    let birth = Birth {
        parent: Some(owner.peer),
        supervision: Some(Arc::clone(table) as _),
        ack: Some(ack.clone()),
        dependents: child.dependents.clone(),
    };
    if !child.launch.launch(&owner.node, peer.pid(), birth) {
        table.give_up(peer.pid());
        return Err(StartError::AlreadyStarted);
    }
    table.launched(parent, &peer, child.terms.shutdown);
    if let Some(limit) = child.start_timeout {
        Ack::expire(&owner.node, &peer, limit);
    }
    // What is needed for a restart is in the row; of a temporary child nothing is kept while it starts.
    Ok(Started { ack, parent })
}

impl fmt::Debug for DynamicSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicSupervisor").field("id", &self.id).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl fmt::Debug for DynamicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicRef").field("pid", &self.pid()).field("tracked", &self.tracked()).finish_non_exhaustive()
    }
}
