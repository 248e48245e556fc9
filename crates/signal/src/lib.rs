//! The nouns every part of Freeboard speaks: who ([`Pid`]), which ([`Ref`]), why ([`ExitReason`]), and the two
//! notices of a death ([`Down`], [`Exit`]).
//!
//! ```text
//!   a process dies ──reason──►  linked processes   Exit { from, reason }
//!                         └──►  monitoring ones    Down { monitor, pid, reason, … }
//! ```
//!
//! ```
//! use freeboard_signal::ExitReason;
//!
//! // `?` turns any error into an abnormal reason; the three expected reasons restart no transient child.
//! let reason: ExitReason = "seven".parse::<u64>().unwrap_err().into();
//! assert!(!reason.is_expected());
//! assert!(ExitReason::Shutdown.is_expected());
//! ```
//!
//! # Invariants
//! This crate depends on `std` only, holds no lock, reads no clock and spawns nothing.
//!
//! # Not here
//! How a signal travels (`freeboard-mailbox`) and what receiving one does (`freeboard-process`).

mod clock;
mod down;
mod exit_reason;
mod pid;
mod reference;

pub use clock::Clock;
pub use down::{Down, DownSource, Downs, Exit};
pub use exit_reason::{Absent, Bare, ExitReason, PanicInfo};
pub use pid::Pid;
pub use reference::Ref;
