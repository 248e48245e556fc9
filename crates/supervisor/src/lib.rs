//! Supervisors: who owns processes, starts them again, and takes them along when it ends.
//!
//! ```text
//!   spec ── start_child, run by the caller ──► row in the table ──► child process
//!                                                  ▲                    │
//!   supervisor process: restarts, shutdown ────────┴──── its end ◄──────┘
//! ```
//!
//! Decisions are pure and small: whether to restart (`restart.rs`), whether it was too often (`intensity.rs`), both asked
//! in `dynamic/server.rs`. The table (`dynamic/table.rs`) is where callers, children and the supervisor meet.
//!
//! ```
//! use freeboard_process::{Context, Node, Reply, Sim};
//! use freeboard_supervisor::{DynamicSupervisor, child_fn};
//!
//! Sim::seed(3).run(async |node: Node| {
//!     let sup = DynamicSupervisor::new().max_children(1_000).start(&node).await.unwrap();
//!     let echo = sup
//!         .start_child(child_fn(async |mut cx: Context<Reply<&str>>| loop {
//!             cx.recv_message().await.send("here");
//!         }))
//!         .await
//!         .unwrap();
//!     echo.kill();
//!     // The address survives the restart; a request that comes in between is refused, not lost in silence.
//!     while echo.call(|reply| reply).await.is_err() {}
//!     assert_eq!(sup.count_children().active, 1);
//! });
//! ```
//!
//! # Guarantees
//! * No message has to pass through the supervisor for a child to start, so a flood at the supervisor delays no start
//!   (deviation DEV-06).
//! * A child is its supervisor's from before it can run: dropping the caller's future loses nobody (OTP: A10).
//! * When the supervisor ends, in whatever way, its children end.
//!
//! # Not here
//! Static supervisors, partitions, pools.

mod child_spec;
mod dynamic;
mod intensity;
mod report;
mod restart;
mod sync;

#[cfg(feature = "blocking")]
pub use child_spec::child_thread;
pub use child_spec::{AnyChild, Child, ChildSpec, Shutdown, child, child_fn, child_once};
pub use dynamic::{ChildError, Counts, DynamicRef, DynamicSupervisor};
pub use freeboard_process::Queue;
pub use intensity::Window;
pub use restart::{Restart, Verdict};
