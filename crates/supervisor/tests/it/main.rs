//! Dynamic supervisors from outside: most of it simulated, over many seeds and in virtual time; a little on real threads;
//! and where one exact interleaving matters, a runtime that is moved by hand (`hand.rs`).

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect should panic")]

mod bulkhead;
mod closing;
mod hand;
mod intensity;
mod mailboxes;
mod max_children;
mod names;
mod nested;
mod node;
mod not_started;
mod ownership;
mod queues;
mod reports;
mod restarts;
mod shutdown;
mod start_child;
mod storms;
mod support;
mod terminate;
mod timeouts;
