//! What a supervisor needs to know of a child, and the seat that comes with it.
//!
//! A spec owns its seat, so the child's address exists before the child and stays valid across restarts. A spec is not
//! `Clone` and is started once.
//!
//! # Defaults
//! | field | default | OTP |
//! |---|---|---|
//! | `restart` | `Permanent`; `child_once`: `Temporary`, and nothing else | G7 |
//! | `shutdown` | 5 s; a supervisor: without limit | G7 |
//! | `start_timeout` | the node's: none | |
//! | `mailbox` | unbounded | E13 |
//! | `name` | none | F6 |
//! | `queue` across a restart | `Drop` | F16, D6 |
//! | `on` | the node's own workers | |
//!
//! # Not here
//! When a child is restarted (`restart.rs`) and by whom.

use crate::restart::Restart;
use crate::sync::Mutex;
#[cfg(feature = "blocking")]
use freeboard_process::BlockingContext;
use freeboard_process::{
    Ack, Actor, Addr, Birth, Bulkhead, Context, Dependents, Ended, Launch, Launcher, Node, Policy, Queue, Start,
    StartError, run_actor,
};
use freeboard_signal::ExitReason;
use std::{fmt, future::Future, future::poll_fn, sync::Arc, time::Duration};

/// How long a child may take to end when its supervisor asks it to (OTP: G33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It is not asked but killed.
    BrutalKill,
    /// It is asked, and killed after this time.
    Timeout(Duration),
    /// It is asked, and waited for.
    Infinity,
}

impl From<Duration> for Shutdown {
    fn from(limit: Duration) -> Self {
        Self::Timeout(limit)
    }
}

/// Whatever a supervisor can own: typed outside, erased inside.
pub trait Child: Send + 'static {
    /// What the outside holds: an address, a supervisor's handle. It exists before the child does.
    type Handle: Clone + Send + Sync + 'static;

    /// The handle.
    fn handle(&self) -> Self::Handle;

    /// The child without its type.
    fn erase(self) -> AnyChild;
}

/// A child without its type.
pub struct AnyChild {
    pub(crate) launch: Arc<dyn Launch>,
    pub(crate) terms: Terms,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) dependents: Option<Arc<dyn Dependents>>,
    pub(crate) id: Option<String>,
    pub(crate) once: bool,
}

/// What a supervisor keeps of every child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) is_supervisor: bool,
}

impl AnyChild {
    /// Contradictions that the types do not exclude, found in the caller (OTP: G8, H2).
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.once && self.terms.restart != Restart::Temporary {
            let id = self.id.as_deref().unwrap_or("without id");
            return Err(StartError::Spec(format!(
                "restart of child {id:?}: child_once has arguments for one start only, so it must be Temporary"
            )));
        }
        Ok(())
    }

    /// How long its start may take on that node. A supervisor has its children to start, and no limit unless it says so.
    pub(crate) fn start_limit(&self, node: &Node) -> Option<Duration> {
        self.start_timeout.or_else(|| if self.terms.is_supervisor { None } else { node.start_timeout() })
    }

    /// Starts this with nobody as parent.
    pub(crate) async fn start_root(self, node: &Node) -> Result<(), StartError> {
        self.check()?;
        let peer = self.launch.prepare(node)?;
        let ack = Ack::new();
        let birth = Birth { ack: Some(ack.clone()), dependents: self.dependents.clone(), ..Birth::default() };
        if !self.launch.launch(node, peer.pid(), birth) {
            return Err(StartError::AlreadyStarted);
        }
        if let Some(limit) = self.start_limit(node) {
            Ack::expire(node, &peer, limit);
        }
        poll_fn(|cx| ack.poll(cx)).await
    }
}

impl Child for AnyChild {
    type Handle = ();

    fn handle(&self) {}

    fn erase(self) -> AnyChild {
        self
    }
}

impl fmt::Debug for AnyChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyChild").field("id", &self.id).field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// A process to be started and kept: its seat, how to start it, and on what terms.
///
/// ```
/// use freeboard_process::{Actor, Context, Ended, InitError, Node, Reply, Sim};
/// use freeboard_supervisor::{DynamicSupervisor, Restart, child};
/// use std::time::Duration;
///
/// struct Counter(u64);
/// enum Msg { Add(u64), Get(Reply<u64>) }
/// impl Actor for Counter {
///     type Msg = Msg;
///     type Args = u64;
///     async fn init(start: u64, _: &mut Context<Msg>) -> Result<Self, InitError> { Ok(Counter(start)) }
///     async fn handle(&mut self, msg: Msg, _: &mut Context<Msg>) -> Ended {
///         match msg {
///             Msg::Add(n) => self.0 += n,
///             Msg::Get(reply) => reply.send(self.0),
///         }
///         Ok(())
///     }
/// }
///
/// Sim::seed(1).run(async |node: Node| {
///     let counter = child::<Counter>(|| 40).restart(Restart::Transient).shutdown(Duration::from_secs(5));
///     let addr = counter.addr();
///     addr.cast(Msg::Add(2)); // before the start: it waits in the seat's queue
///     let sup = DynamicSupervisor::new().start(&node).await.unwrap();
///     sup.start_child(counter).await.unwrap();
///     assert_eq!(addr.call(Msg::Get).await.unwrap(), 42);
/// });
/// ```
pub struct ChildSpec<M: Send + 'static> {
    launcher: Launcher<M>,
    terms: Terms,
    start_timeout: Option<Duration>,
    id: Option<String>,
    once: bool,
}

/// An actor as a child. `args` runs in the *child's* task at each start, so a panic in it is a failed start (OTP: G5).
pub fn child<A: Actor>(args: impl Fn() -> A::Args + Send + Sync + 'static) -> ChildSpec<A::Msg> {
    let args = Arc::new(args);
    ChildSpec::new(Launcher::new(move |cx| {
        let args = Arc::clone(&args);
        Box::pin(run_actor::<A>(move || args(), cx))
    }))
}

/// An actor whose arguments exist once, such as a socket: always `Temporary`, and nothing of it is kept (OTP: G52, H7).
pub fn child_once<A: Actor>(args: A::Args) -> ChildSpec<A::Msg> {
    let args = Mutex::new(Some(args));
    let mut spec = ChildSpec::new(Launcher::new(move |cx| {
        let args = args.lock().take();
        Box::pin(async move {
            match args {
                Some(args) => run_actor::<A>(move || args, cx).await,
                None => Err(ExitReason::ShutdownWith("a child_once was started twice".into())),
            }
        })
    }));
    spec.once = true;
    spec.terms.restart = Restart::Temporary;
    spec
}

/// A raw process as a child. It counts as up when it first runs.
pub fn child_fn<M, F, Fut>(body: F) -> ChildSpec<M>
where
    M: Send + 'static,
    F: Fn(Context<M>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Ended> + Send + 'static,
{
    let body = Arc::new(body);
    ChildSpec::new(Launcher::new(move |mut cx: Context<M>| {
        let body = Arc::clone(&body);
        Box::pin(async move {
            cx.acknowledge();
            body(cx).await
        })
    }))
}

/// A raw process as a child, each incarnation on a thread of its own: what
/// [`Node::spawn_thread`](freeboard_process::Node::spawn_thread) is to a spawn. It counts as up when its thread runs; one that
/// the system does not give, and a simulation has none to give, is a failed start.
///
/// ```
/// use freeboard_process::{BlockingContext, Node, Reply};
/// use freeboard_supervisor::{DynamicSupervisor, child_thread};
///
/// # let node = Node::owned(1).unwrap();
/// # node.block_on(async {
/// let parser = child_thread(|mut cx: BlockingContext<(String, Reply<u64>)>| {
///     loop {
///         let (text, reply) = cx.recv_message()?; // an exit that its supervisor sends ends it here
///         reply.send(text.parse()?);              // a bad text ends it too, and it is started again
///     }
/// });
/// let sup = DynamicSupervisor::new().start(&node).await.unwrap();
/// let parser = sup.start_child(parser).await.unwrap();
/// assert_eq!(parser.call(|reply| ("42".to_owned(), reply)).await.unwrap(), 42);
/// # });
/// # assert!(node.stop(std::time::Duration::from_secs(60)).is_orderly());
/// ```
///
/// # Kill
/// An exit or a kill ends its present receive, or its next one; **a thread that never receives cannot be stopped** (OTP: A8).
/// Its supervisor waits for its real end, whatever `shutdown` says: two incarnations never run side by side. So a
/// supervisor that ends is held up by such a child. The shutdown of a node is not: at its limit it kills the supervisor, and it
/// reports the child as left.
#[cfg(feature = "blocking")]
pub fn child_thread<M: Send + 'static>(
    body: impl Fn(BlockingContext<M>) -> Ended + Send + Sync + 'static,
) -> ChildSpec<M> {
    ChildSpec::new(Launcher::thread(move |mut cx: BlockingContext<M>| {
        cx.context().acknowledge();
        body(cx)
    }))
}

impl<M: Send + 'static> ChildSpec<M> {
    fn new(launcher: Launcher<M>) -> Self {
        let shutdown = Shutdown::Timeout(Duration::from_secs(5));
        let terms = Terms { restart: Restart::default(), shutdown, is_supervisor: false };
        Self { launcher, terms, start_timeout: None, id: None, once: false }
    }

    /// An identifier for reports and errors. A dynamic supervisor knows its children by pid and accepts duplicates (OTP: H1).
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The name that the child holds from before its `init`, at each incarnation (OTP: F6). It is free again before anybody
    /// hears that the child ended, or that its start failed (OTP: F7).
    ///
    /// A name that is taken fails the start with [`StartError::Name`], which says by whom; `init` does not run. A restart
    /// that finds it taken counts as one that failed.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.launcher = self.launcher.name(name);
        self
    }

    /// When it is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.terms.restart = restart;
        self
    }

    /// How long it may take to end.
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.terms.shutdown = shutdown.into();
        self
    }

    /// How long `init` may take; then the child is killed and its start fails (OTP: F5). Unless it is said here, the node's
    /// `start_timeout` holds.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.start_timeout = Some(limit);
        self
    }

    /// The policy of the child's mailbox, for every incarnation. Messages that are sent before the first start obey it from
    /// that start on.
    ///
    /// A policy that contradicts itself fails the start, with [`StartError::Spec`].
    pub fn mailbox(mut self, policy: Policy<M>) -> Self {
        self.launcher = self.launcher.mailbox(policy);
        self
    }

    /// What becomes of the child's queue when the child ends and is to be started again; [`Queue::Drop`] unless it is said
    /// here. When it will not be started again, the queue is dropped and its callers hear the exit reason.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply, Sim};
    /// use freeboard_supervisor::{DynamicSupervisor, Queue, child_fn};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     // It ends at each request, after it has answered.
    ///     let fragile = child_fn(async |mut cx: Context<Reply<u64>>| {
    ///         cx.recv_message().await.send(cx.pid().generation());
    ///         Ok(())
    ///     });
    ///     let sup = DynamicSupervisor::new().start(&node).await.unwrap();
    ///     let addr = sup.start_child(fragile.queue(Queue::keep())).await.unwrap();
    ///     let (first, second) = (addr.request(|reply| reply), addr.request(|reply| reply));
    ///     assert!(first.await.unwrap() < second.await.unwrap());
    /// });
    /// ```
    ///
    /// # Deviation
    /// In OTP the queue of a process always ends with it; with [`Queue::Keep`] it does not (`docs/deviations.md`, DEV-01).
    pub fn queue(mut self, queue: Queue) -> Self {
        self.launcher = self.launcher.queue(queue);
        self
    }

    /// The threads on which the child runs, at each incarnation: those of a bulkhead instead of the node's own. Where
    /// its supervisor runs is not asked, and is not inherited; but it is the supervisor's process that restarts, so put it on
    /// the bulkhead too if restarts must not wait for the node's workers. What it costs: [`bulkhead`](freeboard_process::bulkhead).
    ///
    /// The spec does not keep the bulkhead. A start after that is gone fails with [`StartError::Bulkhead`], and `init` does not
    /// run; a restart that finds it gone counts as one that failed. A bulkhead of another node fails the start with
    /// [`StartError::Spec`].
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply, Sim};
    /// use freeboard_supervisor::{DynamicSupervisor, child_fn};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let control = node.bulkhead("control", 1).unwrap();
    ///     let health = child_fn(async |mut cx: Context<Reply<&'static str>>| {
    ///         loop {
    ///             cx.recv_message().await.send("well");
    ///         }
    ///     });
    ///     let sup = DynamicSupervisor::new().on(&control).start(&node).await.unwrap();
    ///     let health = sup.start_child(health.on(&control)).await.unwrap();
    ///     assert_eq!(health.call(|reply| reply).await.unwrap(), "well");
    /// });
    /// ```
    pub fn on(mut self, bulkhead: &Bulkhead) -> Self {
        self.launcher = self.launcher.on(bulkhead);
        self
    }

    /// The child's address: valid now, and across restarts.
    ///
    /// What is sent before the first start waits for it. If that start fails, or this is dropped, the callers among them hear
    /// [`NotStarted`](freeboard_process::CallError::NotStarted) at once, and so does whoever comes later.
    ///
    /// ```
    /// use freeboard_process::{CallError, Context, Node, Refused, Reply, Sim};
    /// use freeboard_supervisor::child_fn;
    ///
    /// Sim::seed(1).run(async |_: Node| {
    ///     let spec = child_fn(async |_cx: Context<Reply<u8>>| Ok(()));
    ///     let addr = spec.addr();
    ///     let early = addr.request(|reply| reply);
    ///     drop(spec);
    ///     assert!(matches!(early.await, Err(CallError::NotStarted(_))));
    ///     let late = addr.send(Reply::pair().0).unwrap_err();
    ///     assert!(matches!(late.why, Refused::NotStarted(_)));
    /// });
    /// ```
    pub fn addr(&self) -> Addr<M> {
        self.launcher.addr()
    }
}

impl<M: Send + 'static> Child for ChildSpec<M> {
    type Handle = Addr<M>;

    fn handle(&self) -> Addr<M> {
        self.addr()
    }

    fn erase(self) -> AnyChild {
        AnyChild {
            launch: Arc::new(self.launcher),
            terms: self.terms,
            start_timeout: self.start_timeout,
            dependents: None,
            id: self.id,
            once: self.once,
        }
    }
}

impl<M: Send + 'static> Start for ChildSpec<M> {
    type Handle = Addr<M>;

    async fn start(self, node: &Node) -> Result<Addr<M>, StartError> {
        let addr = self.addr();
        self.erase().start_root(node).await?;
        Ok(addr)
    }
}

impl<M: Send + 'static> fmt::Debug for ChildSpec<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("id", &self.id).field("terms", &self.terms).finish_non_exhaustive()
    }
}
