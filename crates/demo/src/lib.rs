//! The outage, replayed: one storm of reconnecting sessions against three supervisors.
//!
//! The *flood* sends the same planned requests to a naive supervisor that scans its mailbox for each acknowledgement, to the
//! same supervisor with an indexed mailbox, and to Freeboard's own. It measures what a start costs on this machine, foretells
//! which of them will come back, runs them in real time, and judges each by its recorded timeline alone.
//!
//! How to read it, from the storm to the verdict:
//!
//! | what | where |
//! |---|---|
//! | who asks, and when | [`plan`], [`trace`] for a user's own storm, [`generator`] for the load |
//! | who serves | [`instance`]; [`naive`], [`freeboard_side`] |
//! | who is believed alive | [`ring`] |
//! | what is written down | [`recorder`] while it happens, [`timeline`] afterwards |
//! | what was foretold | [`calibrate`], [`predict`], [`scenario`] |
//! | what it was | [`verdict`](mod@verdict), [`outcome`] |
//! | how it runs | [`cli`], [`run`], [`stage`] |
//! | what is printed | [`report`], [`table`], [`text`], [`json`] |
//!
//! Everything that decides is a pure function of numbers; only `stage`, `calibrate` and the two kinds of instance touch
//! real time and threads. This crate is no part of the library: nothing depends on it.

pub mod calibrate;
pub mod cli;
pub mod freeboard_side;
pub mod generator;
pub mod instance;
mod interrupt;
pub mod json;
pub mod machine;
pub mod mix;
pub mod naive;
pub mod outcome;
pub mod plan;
pub mod predict;
pub mod recorder;
pub mod report;
pub mod request;
pub mod ring;
pub mod run;
pub mod scenario;
pub mod stage;
pub mod stopwatch;
pub mod table;
pub mod text;
pub mod timeline;
pub mod trace;
pub mod verdict;

pub use run::{flood, flood_main};
