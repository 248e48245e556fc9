//! Processes from outside: what OTP owes to whoever watches, links, calls and kills, item by item.
//!
//! Most tests run in the simulator, over many seeds where an order matters; the rest on a hand-driven backend
//! (`stepper.rs`), where a test says which task is polled or dropped next, and on real worker threads.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

mod abandoned;
mod actor;
mod addr;
mod after;
mod alias;
mod attach;
mod blocking;
mod builder;
mod bulkhead;
mod calls;
mod clock;
mod closing;
mod crash_reports;
mod critical;
mod dead_letters;
mod deadline;
mod demonitor;
mod drain;
mod exit_reasons;
mod fan_out;
mod foreign_task;
mod group;
mod idle;
mod intervals;
mod keyed_timers;
mod kill_points;
mod lane;
mod links;
mod links_crossed;
mod marker;
#[cfg(feature = "metrics")]
mod metrics;
mod monitor_alias;
mod monitors;
mod names;
mod node;
mod not_started;
mod notices;
mod offload;
mod order;
mod own_thread;
mod panics;
mod permits;
mod pipe;
mod policies;
mod process_info;
mod puppet;
mod queue;
mod receive;
mod recipient;
mod registry;
mod reply;
mod runtime_drop;
mod seats;
mod select;
mod send_sync;
mod shutdown;
mod sim_replay;
mod sim_strike;
mod soak;
mod spawn;
mod stats;
mod stepper;
mod stop;
mod strike;
mod support;
mod system;
mod tasks;
mod timers;
mod trap_exit;
mod watchdog;
