//! Processes: what lives, who knows it, how it ends.
//!
//! ```text
//!   Node ─ spawn ─► Seat { Intake, Core { Life } } ◄─ Addr, Peer
//!                      ▲                                     the process's own task:
//!                      └── Task: signals ─► body ─► exit     Context, receives, links, monitors, timers
//! ```
//!
//! Read in this order: `seat.rs` (what an address names), `task.rs` (one poll), `life.rs` (what each signal does),
//! `exit.rs` (how a process ends), `receive.rs`, `reply.rs`.
//!
//! ```
//! use freeboard_process::{Context, ExitReason, Node, Reply, Sim};
//!
//! Sim::seed(7).run(async |node: Node| {
//!     // It does one job and ends with a reason of its own.
//!     let worker = node.spawn(async |mut cx: Context<&str>| {
//!         let job = cx.recv_message().await;
//!         Err(ExitReason::ShutdownWith(job.into()))
//!     });
//!     let watcher = node.spawn(async move |mut cx: Context<Reply<ExitReason>>| {
//!         let monitor = cx.monitor(&worker);
//!         worker.cast("rescale");
//!         let down = cx.recv_down(monitor).await;
//!         cx.recv_message().await.send(down.reason);
//!         Ok(())
//!     });
//!     let reason = watcher.call(|reply| reply).await.unwrap();
//!     assert_eq!(reason.to_string(), "shutdown: rescale");
//! });
//! ```
//!
//! # Guarantees
//! * A process ends once, with one reason, and every observer gets that reason (OTP: A1).
//! * Signals and messages of one sender are received in the order in which they were sent (OTP: D1, D2).
//! * Signals act whatever the process waits for (OTP: D10).
//! * When `unlink`, `demonitor` or `unalias` returns, nothing more comes of what it ended (OTP: D7).
//! * Every call is answered: by a value, or by why there is none (OTP: F9, F16).
//! * A name has one holder, and is free when anybody hears that its holder is gone (OTP: A9, J1). So it is with keys of
//!   registries and memberships in groups (OTP: J5, J11).
//!
//! # Not guaranteed
//! * An order between different senders (OTP: D5).
//! * That code which never yields can be stopped: kill acts at the next await, or at the next receive of a process on its
//!   own thread (OTP: A8).
//! * Anything about an error type that panics in its destructor: a reason is shared, and whoever drops it last meets that
//!   panic.
//! * Anything after a panic in a destructor *during unwinding*, `panic = "abort"` or a stack overflow: Rust lets no
//!   library catch these.

mod about;
mod actor;
mod addr;
mod alarm;
mod alias;
mod attach;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
pub mod bulkhead;
mod call;
mod callee;
mod callers;
mod census;
mod closing;
mod context;
mod critical;
mod current;
mod dead_letters;
mod deadline;
mod drain;
mod executor;
mod exit;
mod fan_out;
mod feed;
mod group;
mod idle;
mod keyed;
mod life;
#[cfg(feature = "metrics")]
mod metrics;
mod monitor;
mod named;
mod names;
mod node;
mod offload;
#[cfg(feature = "blocking")]
mod own_thread;
mod own_timers;
#[cfg(feature = "tokio")]
mod owned;
mod panic_location;
mod permit;
mod pipe;
mod process_info;
mod receive;
mod receive_macro;
mod recipient;
mod registry;
mod remains;
mod reply;
mod report;
mod reporter;
mod roll;
mod run;
mod seat;
mod shutdown;
mod site;
mod start;
mod steward;
mod stop;
#[doc(hidden)]
pub mod sync;
mod system;
mod table;
mod target;
mod task;
mod tasks;
mod ties;
mod timer;
mod watchdog;
mod wire;

pub use about::{ANCESTORS, LABEL_BYTES};
pub use actor::{Actor, InitError, run_actor};
pub use addr::{Addr, WeakAddr};
pub use alias::{Alias, AliasMode, AliasOptions};
pub use attach::ATTACH_WINDOW;
#[cfg(feature = "blocking")]
pub use blocking::BlockingContext;
pub use builder::{BuildError, NodeBuilder};
pub use bulkhead::{Beside, Bulkhead, BulkheadError};
pub use call::{CALL_TIMEOUT, Call, Pending};
pub use callee::Callee;
pub use census::SpawnError;
pub use closing::Closed;
pub use context::{Context, Ended};
pub use critical::{CRITICAL_LIMIT, Lasting, Starting};
pub use dead_letters::DeadLetter;
#[cfg(feature = "tokio")]
pub use executor::Tokio;
pub use executor::{Aim, Backend, Digest, FailedSeed, Service, Sim, Workers};
pub use fan_out::{FanOut, fan_out};
pub use freeboard_mailbox::{
    AsKey, Dropped, Event, Hint, Key, LANE_SHARE, MailboxStats, Marker, Message, NOTICE_SHARE, Policy, PolicyError,
    Queue, Refused, SendError, Tag, tag_named,
};
pub use freeboard_signal::{Absent, Clock, Down, DownSource, Downs, Exit, ExitReason, PanicInfo, Pid, Ref};
pub use group::{Broadcast, Groups, JoinError};
pub use keyed::KEYS_PER_PROCESS;
pub use monitor::MonitorOptions;
pub use named::Named;
pub use names::{NAME_BYTES, NAMES_PER_PROCESS, RegisterError};
pub use node::Node;
pub use offload::Blocking;
pub use own_timers::TimerKey;
#[cfg(feature = "tokio")]
pub use owned::OwnedNode;
pub use permit::{Permit, SendWait};
pub use process_info::{ProcessInfo, Status};
pub use receive::{After, Answer, Find, MESSAGES_PER_ROUND, Oldest, Receive};
pub use recipient::{Recipient, WeakRecipient};
pub use registry::{Registry, RegistryEvent};
pub use reply::{CallError, Outcome, Reply};
pub use report::{CrashReport, NEIGHBOURS, Neighbour, REASON_BYTES, SHOWN, STATE_BYTES};
pub use reporter::REPORTS_WAITING;
pub use run::RunError;
pub use shutdown::{KILL_GRACE, LEFT_NAMED, ShutdownReport};
pub use start::{Ack, Birth, Dependents, Launch, Launcher, Start, StartError, Supervision};
pub use stop::{Stop, StopError};
pub use system::{Ask, AskError};
pub use target::Target;
pub use task::Task;
pub use tasks::TaskHandle;
pub use ties::Ties;
pub use timer::Timer;
pub use wire::Peer;
