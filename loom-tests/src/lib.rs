//! The runner of the models in `tests/`, one file per protocol.
//!
//! A model is an ordinary test that hands its body to `model`; loom then runs the body once for every way in which its
//! threads can interleave (up to a number of preemptions). `cargo xtask loom` builds all this with `--cfg freeboard_loom`;
//! without that flag the package is empty, so that an ordinary build never sees loom.
//!
//! ```text
//!   runner   model(name, body)          driver   Driver, Park: poll a future, wait for its wake
//!   manual   node, Spawned: a backend   log      Log: what a process saw, outside the model
//!   tracked  Drops, Tracked: payloads that notice when they are lost
//! ```
//!
//! What a model here must do, beside asserting its invariants: carry `Tracked` payloads, so that a lost message is a
//! leak and fails; end with at least two executions, so that it cannot hold by exploring nothing; and have a seeded bug
//! under `bugs/` that makes it fail (`cargo xtask loom --seeded`).

#[cfg(freeboard_loom)]
mod driver;
#[cfg(freeboard_loom)]
mod log;
#[cfg(freeboard_loom)]
mod manual;
#[cfg(freeboard_loom)]
mod runner;
#[cfg(freeboard_loom)]
mod tracked;

#[cfg(freeboard_loom)]
pub use driver::{Driver, Park, block_on};
#[cfg(freeboard_loom)]
pub use log::Log;
#[cfg(freeboard_loom)]
pub use manual::{Spawned, node};
#[cfg(freeboard_loom)]
pub use runner::model;
#[cfg(freeboard_loom)]
pub use tracked::{Drops, Tracked};
