//! The rows: one file for each kind of work, each measuring ours against its floor.
//!
//! | row | what | file |
//! |---|---|---|
//! | 1, 2 | tell, one and four producers | `tell.rs` |
//! | 1, 2 | the same without processes: mailbox and channel alone | `raw.rs` |
//! | 2 | the same from 1 to 32 threads, against other queues | `contention.rs` |
//! | 3, 4 | call, one and 64 callers | `call.rs` |
//! | 5 | spawn and stop | `spawn.rs` |
//! | 6 | memory | `memory.rs` |
//! | 7 | selective receive | `selective.rs` |
//! | 7 | the same against a mailbox that is scanned | `scan.rs` |
//! | 7 | what a neighbour notices of it | `neighbour.rs` |
//! | 8, 9 | many callers start a child at once | `storm.rs` |
//! | 10 | a start beside a flooded supervisor | `junk.rs` |
//! | 11 | one target, many watchers | `fan_out.rs` |
//! | 13 | crash and restart | `restart.rs` |
//!
//! # Not here
//! Rows 12 (one watcher, many targets) and 14 (many crashes at once).

mod call;
mod children;
mod contention;
mod fan_out;
pub(crate) mod junk;
mod memory;
mod neighbour;
mod raw;
mod restart;
mod scan;
mod selective;
mod spawn;
mod storm;
mod tell;

pub use memory::probe as memory_probe;

use crate::figure::Figure;

/// A row that can be measured.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number.
    pub number: u8,
    /// Measures it in that many rounds.
    pub measure: fn(rounds: usize) -> Vec<Figure>,
    /// Whether it measures time, so that a busy machine makes it void.
    pub is_timed: bool,
}

/// Every row there is.
pub const ROWS: &[Row] = &[
    timed(1, tell::one_to_one),
    timed(1, raw::one_to_one),
    timed(2, tell::four_to_one),
    timed(2, raw::four_to_one),
    timed(2, contention::measure),
    timed(3, call::one_caller),
    timed(4, call::many_callers),
    timed(5, spawn::measure),
    untimed(6, memory::measure),
    timed(7, selective::measure),
    timed(7, scan::measure),
    timed(7, neighbour::measure),
    timed(8, storm::at_once),
    timed(9, storm::slow_init),
    timed(10, junk::measure),
    timed(11, fan_out::measure),
    timed(13, restart::measure),
];

const fn timed(number: u8, measure: fn(usize) -> Vec<Figure>) -> Row {
    Row { number, measure, is_timed: true }
}

const fn untimed(number: u8, measure: fn(usize) -> Vec<Figure>) -> Row {
    Row { number, measure, is_timed: false }
}
