//! Monitors as pure state: one row at the watcher, one entry at the target.
//!
//! ```text
//!   watcher                                   target
//!   ┌ Watching ───────────────┐   Monitor     ┌ Watchers ────────────┐
//!   │ Ref → who, tag, name    │ ────────────► │ Ref → whom to tell   │
//!   └─────────▲───────────────┘   Demonitor   └───────┬──────────────┘
//!             │ the row is taken once                 │ at death
//!             └───────────────────────────────────────┘ Down
//! ```
//!
//! The watcher's row is the monitor: whoever takes it, the arriving notice or `demonitor`, has decided what the watcher
//! sees. Both happen in the watcher's own task, so they need no lock between them (OTP: C2, C6).
//!
//! ```
//! use freeboard_monitor::{Row, Watching};
//! use freeboard_signal::{Pid, Ref};
//!
//! let (monitor, target) = (Ref::new(0, 1), Pid::new(0, 7, 1));
//! let mut watching = Watching::default();
//! watching.insert(monitor, Row { pid: target, peer: (), name: None, tag: None, priority: false });
//! assert!(watching.take(monitor).is_some(), "the notice or demonitor, whichever comes first");
//! assert!(watching.take(monitor).is_none(), "the other one finds nothing");
//! ```
//!
//! # Invariants
//! * A monitor fires at most once: its row is taken once (OTP: C2).
//! * Monitors stack: `k` monitors of one target are `k` rows and `k` entries (OTP: C1).
//! * Iteration order is a function of the operations only, never of a random seed.
//!
//! # Not here
//! How the two halves reach one another, and the coalescing flavour; this crate knows no process and no mailbox.

mod watchers;
mod watching;

pub use watchers::Watchers;
pub use watching::{Row, Watching};

use foldhash::fast::FixedState;

/// A map whose iteration order depends on the operations only.
type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;
