//! The settings of a node, and how it comes to be on a backend.
//!
//! Invariant: a node is built of valid settings, or not at all; what is wrong with them is said in words, and nothing
//! panics.
//!
//! # What is no setting
//! How long a process runs before it gives way (300 µs, or 4,096 messages), the shares of priority entries and notices, the
//! steps of an exit protocol, and the grace of a shutdown after its kills are constants. They follow from what a wake and a
//! clock cost, a wrong value of any of them shows only under load, and no two processes of a node could differ in them with
//! sense. The bounds of one mailbox are its [`Policy`](crate::Policy)'s.

use crate::call::CALL_TIMEOUT;
use crate::dead_letters::{DeadLetter, DeadLetterHook};
use crate::executor::Backend;
use crate::node::Node;
use crate::report::{CrashHook, CrashReport};
use freeboard_mailbox::HIGH_WATER;
use std::{error::Error, fmt, io, sync::Arc, time::Duration};

/// A node that is not there yet: [`Node::builder`].
///
/// | setting | unless given | may be |
/// |---|---|---|
/// | [`call_timeout`](Self::call_timeout) | 5 s | above zero |
/// | [`start_timeout`](Self::start_timeout) | none | above zero |
/// | [`high_water`](Self::high_water) | 65,536 | 1,024 and more |
/// | [`max_processes`](Self::max_processes) | 4,294,967,294 | 1 to that |
/// | [`dead_letters`](Self::dead_letters) | no hook | |
/// | [`crash_reports`](Self::crash_reports) | no hook | |
/// | [`panic_locations`](Self::panic_locations) | off | |
/// | [`watchdog`](Self::watchdog) | off | 1 ms and more |
///
/// ```
/// use freeboard_process::{Context, DeadLetter, Node, Sim, sync::Mutex};
/// use std::sync::Arc;
///
/// let lost = Arc::new(Mutex::new(Vec::new()));
/// let seen = Arc::clone(&lost);
/// let settings = Node::builder().dead_letters(move |letter: &DeadLetter<'_>| {
///     seen.lock().push(format!("{:?}: {:?}", letter.cause, letter.message.downcast_ref::<u32>()));
/// });
/// Sim::seed(1).run_with(settings, async |node: Node| {
///     let deaf = node.spawn(async |_cx: Context<u32>| std::future::pending().await);
///     deaf.cast(7);
///     deaf.kill();
/// });
/// assert_eq!(*lost.lock(), ["Exited: Some(7)"]);
/// ```
#[derive(Default, Clone)]
#[must_use = "settings do nothing until a node is made of them"]
pub struct NodeBuilder(Settings);

/// What a node was built with.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) call_timeout: Duration,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) high_water: usize,
    pub(crate) max_processes: usize,
    pub(crate) dead_letters: Option<DeadLetterHook>,
    pub(crate) crash_reports: Option<CrashHook>,
    pub(crate) panic_locations: bool,
    pub(crate) watchdog: Option<Duration>,
}

/// The slots of a pid table, without the one that is the node's own.
const MAX_PROCESSES: usize = u32::MAX as usize - 1;
/// More threads than any machine has to give, and fewer than tokio refuses.
pub(crate) const MAX_THREADS: usize = 32_768;
/// A mark is looked for once per so many messages.
const LEAST_HIGH_WATER: usize = 1_024;
/// Below this, being interrupted by the system would look like not giving way.
const LEAST_WATCHDOG: Duration = Duration::from_millis(1);

impl Default for Settings {
    fn default() -> Self {
        Self {
            call_timeout: CALL_TIMEOUT,
            start_timeout: None,
            high_water: HIGH_WATER,
            max_processes: MAX_PROCESSES,
            dead_letters: None,
            crash_reports: None,
            panic_locations: false,
            watchdog: None,
        }
    }
}

/// Why a node was not built. Nothing was started.
#[non_exhaustive]
#[derive(Debug)]
pub enum BuildError {
    /// This setting cannot have this value.
    Setting {
        /// The builder's method.
        name: &'static str,
        /// What it was given.
        given: String,
        /// What it may be given.
        allowed: &'static str,
    },
    /// There is no runtime here to be on.
    NoRuntime,
    /// The panic hook cannot be set by a thread that panics.
    Panicking,
    /// The operating system has no thread to give, for a runtime or the watchdog.
    Thread(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { name, given, allowed } => write!(f, "{name}({given}) is no valid setting; give it {allowed}"),
            Self::NoRuntime => f.write_str(
                "there is no tokio runtime here; build the node inside of one, give it a handle (`attach`), or let it own one \
                 (`own_runtime`)",
            ),
            Self::Panicking => {
                f.write_str("this thread panics and cannot set the panic hook; build the node before, or elsewhere")
            }
            Self::Thread(error) => write!(f, "the system gave no thread: {error}; free some, or raise its limit"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), BuildError> {
        let rules = [
            (!self.call_timeout.is_zero(), "call_timeout", format!("{:?}", self.call_timeout), "more than zero"),
            (
                self.start_timeout.is_none_or(|limit| !limit.is_zero()),
                "start_timeout",
                format!("{:?}", self.start_timeout.unwrap_or_default()),
                "more than zero",
            ),
            (self.high_water >= LEAST_HIGH_WATER, "high_water", self.high_water.to_string(), "1,024 messages or more"),
            (
                (1..=MAX_PROCESSES).contains(&self.max_processes),
                "max_processes",
                self.max_processes.to_string(),
                "1 to 4,294,967,294 processes",
            ),
            (
                self.watchdog.is_none_or(|threshold| threshold >= LEAST_WATCHDOG),
                "watchdog",
                format!("{:?}", self.watchdog.unwrap_or_default()),
                "a millisecond or more",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, name, given, allowed)) => Err(BuildError::Setting { name, given, allowed }),
        }
    }
}

impl NodeBuilder {
    /// How long a call to a process of this node waits unless it says otherwise (OTP: F8); [`CALL_TIMEOUT`] if not set. A call
    /// to a seat that was never started has no node to ask, and waits for [`CALL_TIMEOUT`].
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.0.call_timeout = limit;
        self
    }

    /// How long the start of a child may take whose spec says nothing (OTP: F5); without limit if not set, as in OTP.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.0.start_timeout = Some(limit);
        self
    }

    /// At how many waiting messages a mailbox without a policy warns by a `tracing` event, once until they were half of that.
    /// It is looked for once per 1,024 messages that were sent; a policy has a mark of its own, of any size.
    pub fn high_water(mut self, messages: usize) -> Self {
        self.0.high_water = messages;
        self
    }

    /// How many processes the node runs at once (OTP's `+P`). One more is not started: it ends at once with
    /// [`SpawnError::TooMany`](crate::SpawnError::TooMany) as its reason, and [`Node::try_spawn`] gives its body back.
    ///
    /// A process that ends makes room when its queue is dropped, before anybody is told, so whoever is told can start another.
    pub fn max_processes(mut self, processes: usize) -> Self {
        self.0.max_processes = processes;
        self
    }

    /// Shows every message that was sent and that nobody will receive to this hook: dropped by a mailbox's policy, refused
    /// by its bound or because it drains, sent through an alias that had ended, or left behind by a process that ended.
    ///
    /// It runs in the thread that caused the drop, outside of every lock, and should be quick. It may send; what that costs in
    /// turn, as in a full mailbox, is counted and not shown. Its panics are caught: what is observed does not fail with its
    /// observer. Without a hook nothing is computed for one.
    pub fn dead_letters(mut self, hook: impl Fn(&DeadLetter<'_>) + Send + Sync + 'static) -> Self {
        self.0.dead_letters = Some(Arc::new(hook));
        self
    }

    /// Shows the report of every abnormal end to this hook (OTP: L1), beside the event.
    ///
    /// It runs in a task of the node's own, one report at a time, and not where the process ended; a hook that blocks holds
    /// that task and a worker, and no process. When more than [`REPORTS_WAITING`](crate::REPORTS_WAITING) wait for it, the
    /// rest are counted ([`Node::reports_lost`]) and dropped. Its panics are caught. A hook that holds the node keeps it alive
    /// for ever. In a simulation the report is shown at once, before anybody hears of the death, so a test finds it.
    ///
    /// ```
    /// use freeboard_process::{Context, CrashReport, Node, Sim, sync::Mutex};
    /// use std::sync::Arc;
    ///
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let reports = Arc::clone(&seen);
    /// let settings = Node::builder().crash_reports(move |report: &CrashReport| {
    ///     reports.lock().push((report.waiting, report.reason.to_string()));
    /// });
    /// Sim::seed(1).run_with(settings, async |node: Node| {
    ///     let clumsy = node.spawn(async |mut cx: Context<u32>| -> freeboard_process::Ended {
    ///         panic!("{} is too much", cx.recv_message().await)
    ///     });
    ///     (7..10).for_each(|n| clumsy.cast(n));
    ///     clumsy.closed().await;
    /// });
    /// assert_eq!(*seen.lock(), [(2, "panic: 7 is too much".to_owned())]);
    /// ```
    pub fn crash_reports(mut self, hook: impl Fn(&CrashReport) + Send + Sync + 'static) -> Self {
        self.0.crash_reports = Some(Arc::new(hook));
        self
    }

    /// Records where processes of this node panic: [`PanicInfo::location`](crate::PanicInfo::location) is empty otherwise.
    ///
    /// Rust tells the location to the panic hook only, and the program has one hook. So building the node puts a hook in
    /// front of the present one, which is still called for every panic; each such node adds one, which stays when the node is
    /// gone and does nothing then. Build such nodes early, while nobody else changes the hook: the standard library cannot exchange it in one step.
    pub fn panic_locations(mut self, on: bool) -> Self {
        self.0.panic_locations = on;
        self
    }

    /// Reports a process that does not give way for this long by a `tracing` event (warn), once per poll: which process, and
    /// for how long at least. 100 ms is a good start. A process on a thread of its own may block, and is not watched.
    ///
    /// # Cost
    /// Two relaxed stores per poll, and a thread that looks at every worker each 10 ms (or half of the threshold, if that is
    /// less). The thread ends with the node's last handle, seats included. A simulation has no threads, and no watchdog.
    pub fn watchdog(mut self, threshold: Duration) -> Self {
        self.0.watchdog = Some(threshold);
        self
    }

    /// The node, on this backend.
    ///
    /// # Errors
    /// A setting is not valid, or something that was set needs a thread, and there is none.
    pub fn on(self, backend: impl Backend) -> Result<Node, BuildError> {
        self.0.check()?;
        Node::build(self.0, Arc::new(backend))
    }

    /// The node, on the tokio runtime that this is called from.
    ///
    /// # Errors
    /// As [`on`](Self::on), and outside of a tokio runtime.
    #[cfg(feature = "tokio")]
    pub fn start(self) -> Result<Node, BuildError> {
        let handle = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        self.attach(handle)
    }

    /// The node, on the tokio runtime behind this handle. Its time driver must be enabled.
    ///
    /// # Errors
    /// As [`on`](Self::on).
    #[cfg(feature = "tokio")]
    pub fn attach(self, runtime: tokio::runtime::Handle) -> Result<Node, BuildError> {
        self.on(crate::executor::Tokio::on(runtime))
    }

    /// The node, on a runtime of its own with so many worker threads.
    ///
    /// # Errors
    /// As [`on`](Self::on); and zero threads, or more than the system has to give.
    #[cfg(feature = "tokio")]
    pub fn own_runtime(self, threads: usize) -> Result<crate::OwnedNode, BuildError> {
        crate::OwnedNode::build(self, threads)
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            call_timeout,
            start_timeout,
            high_water,
            max_processes,
            dead_letters,
            crash_reports,
            panic_locations,
            watchdog,
        } = &self.0;
        f.debug_struct("NodeBuilder")
            .field("call_timeout", call_timeout)
            .field("start_timeout", start_timeout)
            .field("high_water", high_water)
            .field("max_processes", max_processes)
            .field("dead_letters", &dead_letters.is_some())
            .field("crash_reports", &crash_reports.is_some())
            .field("panic_locations", panic_locations)
            .field("watchdog", watchdog)
            .finish()
    }
}
