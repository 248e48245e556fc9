//! Freeboard: Erlang/OTP's supervision primitives for Rust services, built to stay up in a flood.
//!
//! ```text
//!   messages ─► mailbox ─► process ─► supervisor        one dependency, one prelude
//! ```
//!
//! ```
//! use freeboard::prelude::*;
//!
//! struct Counter(u64);
//! enum Msg { Add(u64), Get(Reply<u64>) }
//!
//! impl Actor for Counter {
//!     type Msg = Msg;
//!     type Args = u64;
//!     async fn init(start: u64, _: &mut Context<Msg>) -> Result<Self, InitError> { Ok(Counter(start)) }
//!     async fn handle(&mut self, msg: Msg, _: &mut Context<Msg>) -> Ended {
//!         match msg {
//!             Msg::Add(n) => self.0 += n,
//!             Msg::Get(reply) => reply.send(self.0),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
//! # runtime.block_on(async {
//! let node = Node::new();                                   // on the running tokio runtime
//! let counters = DynamicSupervisor::new().start(&node).await?;
//! let counter = counters.start_child(child::<Counter>(|| 40)).await?;
//! counter.cast(Msg::Add(2));
//! assert_eq!(counter.call(Msg::Get).await?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })
//! # }
//! ```
//!
//! The crates behind this one, lowest first: `freeboard-signal`, `freeboard-mailbox`, `freeboard-derive`,
//! `freeboard-monitor`, `freeboard-process`, `freeboard-supervisor`. This crate holds re-exports only.

pub use freeboard_mailbox as mailbox;
pub use freeboard_process as process;
pub use freeboard_signal as signal;
pub use freeboard_supervisor as supervisor;

/// Everything a service needs day to day.
///
/// ```
/// use freeboard::prelude::*;
/// use std::time::Duration;
///
/// #[derive(Message)]
/// enum Voice { Ack { #[key] id: u64, who: String }, Data(String), Stop }
///
/// # Sim::seed(1).run(async |node: Node| {
/// # let (done, heard) = tokio::sync::oneshot::channel();
/// node.spawn(async |mut cx: Context<Voice>| {
///     cx.addr().cast(Voice::Data("hm".into()));
///     cx.addr().cast(Voice::Ack { id: 7, who: "sfu".into() });
///     let wanted = 7_u64;
///     let who = receive! { cx;
///         Voice::Ack { who, .. } [wanted] => who,
///         Voice::Data(text) if text.len() > 3 => text,
///         Voice::Stop => return Ok(());
///         after Duration::from_secs(1) => return Err(ExitReason::Shutdown)
///     };
///     # let _ = done.send(who);
///     Ok(())
/// });
/// # assert_eq!(heard.await.unwrap(), "sfu");
/// # });
/// ```
pub mod prelude {
    pub use freeboard_derive::Message;
    pub use freeboard_mailbox::{
        Dropped, Event, Key, MailboxStats, Message, Policy, Refused, SendError, Tag, tag_named,
    };
    #[cfg(feature = "blocking")]
    pub use freeboard_process::BlockingContext;
    #[cfg(feature = "tokio")]
    pub use freeboard_process::OwnedNode;
    pub use freeboard_process::{
        Actor, Addr, Alias, Broadcast, Bulkhead, CallError, Context, CrashReport, DeadLetter, Ended, Groups, InitError,
        JoinError, Named, Node, Permit, ProcessInfo, Recipient, RegisterError, Registry, RegistryEvent, Reply,
        RunError, ShutdownReport, Sim, SpawnError, StartError, TaskHandle, Timer, TimerKey, WeakAddr, WeakRecipient,
        receive,
    };
    pub use freeboard_signal::{Down, Exit, ExitReason, Pid, Ref};
    #[cfg(feature = "blocking")]
    pub use freeboard_supervisor::child_thread;
    pub use freeboard_supervisor::{
        Child, ChildSpec, DynamicRef, DynamicSupervisor, Queue, Restart, Shutdown, child, child_fn, child_once,
    };
}
