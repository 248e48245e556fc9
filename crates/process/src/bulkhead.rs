//! Bulkheads: threads apart from those of the node, for processes that must not wait for the others.
//!
//! ```text
//!   node ─┬─ its backend ──── workers ──── the data plane: may hold every one of them
//!         ├─ bulkhead "control" ── workers of its own ──── answers all the same
//!         └─ steward: one thread, keeps the node's timers from the first bulkhead on
//! ```
//!
//! Everything else stays one node: pids, names, links, monitors, calls, timers, the limit of processes and the shutdown do not
//! ask on which threads a process runs.
//!
//! # When to use one
//! When a few processes must answer although many others saturate the workers: heartbeats, leases, health checks, the
//! supervisor of whatever floods. Not to make something faster: **a call across the boundary costs two wakes of a parked
//! thread**, some 20 µs each on a small virtual machine, where two processes that share a worker exchange a request and a
//! reply in well under one. Processes that talk to one another belong on the same side. Work that computes, or waits in a
//! library that knows no `await`, belongs on a thread of its own (`Node::spawn_thread`).
//!
//! Threads are not cores: a bulkhead guarantees that a thread is there, and the system's scheduler has to give it a core.
//!
//! # Kill
//! A kill acts at the victim's next `await`, on a bulkhead as anywhere. **Code that never yields cannot be stopped** (OTP:
//! A8): it holds its thread of the bulkhead, its process lives on, and nobody is told of an end that has not come. Others on
//! the same bulkhead run on its remaining threads, if it has more than one; those elsewhere do not notice.
//! A body that returns before it waits again ends with what it returns: nothing of the kill is seen then.
//! A [`shutdown`](crate::Node::shutdown) kills it when the limit has passed, gives up one second later, and reports it as `left`.
//! Threads that are held then do not keep the program from ending.
//!
//! # The end of a bulkhead
//! | | what happens |
//! |---|---|
//! | [`Bulkhead`] dropped | its threads end in the background; each process there ends at its next `await` that waits, with the reason `ShutdownWith("the runtime of this process was dropped")`, and its observers are told. The drop waits for nobody |
//! | … every thread of it held by code that does not yield | as above, but nobody there ends before one of them yields |
//! | … by a process that runs on it | the same; that process ends at its next `await` |
//! | … with a process on its own thread, spawned there | its next receive answers that reason |
//! | a start or restart of a spec that is `on` it, afterwards | fails with [`StartError::Bulkhead`](crate::StartError::Bulkhead). A restart that fails counts, so a supervisor soon gives up: drop a bulkhead after the tree that uses it |
//! | the node's own runtime dropped, the bulkhead not | its processes go on, and so do their timers |
//! | [`Node::shutdown`](crate::Node::shutdown) | covers the processes of all bulkheads; the threads stay until the `Bulkhead` is dropped |
//!
//! # In a simulation
//! A bulkhead is a label there: its processes are scheduled with all others by the one seed, and end when it is dropped. So code that uses one
//! runs unchanged; that nobody waits for a worker is not simulated, as nobody holds one.
//!
//! # Not here
//! The timers' own thread (`steward.rs`), and a process on a thread of its own (`blocking.rs`).

use crate::addr::Addr;
use crate::builder::MAX_THREADS;
use crate::census::SpawnError;
use crate::context::{Context, Ended};
use crate::executor::Workers;
use crate::names::RegisterError;
use crate::node::Node;
use crate::site::Site;
use freeboard_mailbox::{Policy, PolicyError};
use freeboard_signal::Ref;
use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    sync::{Arc, Weak},
};

/// Threads of their own for some processes of a node: [`Node::bulkhead`].
///
/// It is the owner: when it is dropped, its threads end, and every process on them at its next `await`. So keep it as long as
/// the processes; what is to be shared is put into an `Arc`. What it costs and when to use one, what kill can and cannot do
/// there, and how it ends: [`bulkhead`](crate::bulkhead).
pub struct Bulkhead {
    node: Node,
    name: Arc<str>,
    threads: usize,
    workers: Arc<dyn Workers>,
}

/// A bulkhead as a spec knows it, which does not keep it.
#[derive(Clone)]
pub(crate) struct Berth {
    pub(crate) name: Arc<str>,
    pub(crate) home: Node,
    pub(crate) workers: Weak<dyn Workers>,
}

/// Why there is no such bulkhead. Nothing was started.
#[non_exhaustive]
#[derive(Debug)]
pub enum BulkheadError {
    /// It cannot have so many threads.
    Threads(usize),
    /// It cannot have this name.
    Name(String),
    /// The operating system has no thread to give.
    Thread(io::Error),
    /// The node's backend has no workers apart from its own.
    Unsupported,
}

impl fmt::Display for BulkheadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(given) => {
                write!(
                    f,
                    "a bulkhead cannot have {given} threads; give it 1 to 32,768, and no more than the machine has cores to spare"
                )
            }
            Self::Name(name) => {
                write!(f, "{name:?} is no name for threads; give the bulkhead one without NUL, not empty")
            }
            Self::Thread(error) => write!(f, "the system gave no thread: {error}; free some, or raise its limit"),
            Self::Unsupported => f.write_str(
                "this node's backend has no workers apart from its own; build the node on tokio, or implement \
                 `Backend::workers`",
            ),
        }
    }
}

impl Error for BulkheadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

impl Node {
    /// Starts so many threads for processes that must not wait for the others. They are called `name-1`, `name-2` and so on;
    /// two bulkheads may have one name.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::owned(1)?;
    /// let control = node.bulkhead("control", 1)?;
    /// let health = control.spawn(async |mut cx: Context<Reply<String>>| {
    ///     loop {
    ///         let reply = cx.recv_message().await;
    ///         reply.send(std::thread::current().name().unwrap_or_default().to_owned());
    ///     }
    /// });
    /// assert_eq!(health.call_blocking(|reply| reply)?, "control-1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Zero threads or more than there can be, a name that is empty or holds a NUL, a system without threads to give, a backend
    /// without workers to give.
    ///
    /// # Cost
    /// The threads. With the first bulkhead the node's timers move to a thread of their own, so that they are in time whatever
    /// holds the workers: each time that the earliest timer changes that thread is woken, where one of the node's workers
    /// was before. It ends with the node's last handle.
    pub fn bulkhead(&self, name: &str, threads: usize) -> Result<Bulkhead, BulkheadError> {
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(BulkheadError::Threads(threads));
        }
        if name.is_empty() || name.contains('\0') {
            return Err(BulkheadError::Name(name.to_owned()));
        }
        let no_threads = |error: io::Error| match error.kind() {
            io::ErrorKind::Unsupported => BulkheadError::Unsupported,
            _ => BulkheadError::Thread(error),
        };
        let workers = self.backend().workers(name, threads).map_err(no_threads)?;
        self.hire_steward().map_err(BulkheadError::Thread)?;
        Ok(Bulkhead { node: self.clone(), name: name.into(), threads, workers })
    }
}

impl Bulkhead {
    /// What its threads are called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The node whose processes run here.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// As [`Node::spawn`], for a process that runs here. What it spawns in turn runs on the node, unless it says otherwise
    /// ([`Context::on`]).
    ///
    /// # Cost
    /// As on the node; the process itself is no larger.
    pub fn spawn<M, F, Fut>(&self, body: F) -> Addr<M>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.site().spawn(body)
    }

    /// As [`Node::try_spawn`], for a process that runs here.
    ///
    /// # Errors
    /// There is no place for it, or the node shuts down: nothing was started, and the body comes back.
    pub fn try_spawn<M, F, Fut>(&self, body: F) -> Result<Addr<M>, (F, SpawnError)>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.site().try_spawn(body)
    }

    /// As [`Node::spawn_with`], for a process that runs here.
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

    /// As [`Node::spawn_named`], for a process that runs here.
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

    pub(crate) fn site(&self) -> Site<'_> {
        Site::new(&self.node, Some(&self.workers))
    }

    pub(crate) fn berth(&self) -> Berth {
        Berth { name: Arc::clone(&self.name), home: self.node.clone(), workers: Arc::downgrade(&self.workers) }
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").field("name", &self.name).field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl fmt::Debug for Berth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Berth").field(&self.name).finish()
    }
}

/// A process that starts others on a bulkhead: [`Context::on`].
#[derive(Debug)]
pub struct Beside<'a, M: Send + 'static> {
    cx: &'a mut Context<M>,
    bulkhead: &'a Bulkhead,
}

impl<M: Send + 'static> Context<M> {
    /// For starting processes on that bulkhead: `cx.on(&control).spawn_link(body)`. Where this process itself runs does not
    /// matter, and is not inherited.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let control = node.bulkhead("control", 1).unwrap();
    ///     # let (done, heard) = tokio::sync::oneshot::channel();
    ///     node.spawn(async move |mut cx: Context<()>| {
    ///         let (_clerk, monitor) = cx.on(&control).spawn_monitor(async |_cx: Context<()>| Ok(()));
    ///         let down = cx.recv_down(monitor).await;
    ///         # let _ = done.send(down.reason.to_string());
    ///         Ok(())
    ///     });
    ///     # assert_eq!(heard.await.unwrap(), "normal");
    /// });
    /// ```
    ///
    /// # Panics
    /// If the bulkhead belongs to another node: processes are linked and known by pid within one.
    pub fn on<'a>(&'a mut self, bulkhead: &'a Bulkhead) -> Beside<'a, M> {
        assert!(
            bulkhead.node.is(self.node()),
            "bulkhead {:?} belongs to another node; make one with this node's `bulkhead`",
            bulkhead.name()
        );
        Beside { cx: self, bulkhead }
    }
}

impl<M: Send + 'static> Beside<'_, M> {
    /// As [`Context::spawn_link`], for a process that runs on the bulkhead.
    pub fn spawn_link<N, F, Fut>(self, body: F) -> Addr<N>
    where
        N: Send + 'static,
        F: FnOnce(Context<N>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.cx.spawn_link_on(Some(&self.bulkhead.workers), body)
    }

    /// As [`Context::spawn_monitor`], for a process that runs on the bulkhead.
    pub fn spawn_monitor<N, F, Fut>(self, body: F) -> (Addr<N>, Ref)
    where
        N: Send + 'static,
        F: FnOnce(Context<N>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.cx.spawn_monitor_on(Some(&self.bulkhead.workers), body)
    }
}
