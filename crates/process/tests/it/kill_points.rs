//! A process is killed, or dropped by its runtime, after every number of polls that its scenario takes.
//!
//! Whenever it is struck: every caller is answered, each monitor fires once, and nothing is left: no timer and no seat, and no
//! link, monitor, alias, key or membership at those who live on.

mod beside;
mod calls;
mod keys;
mod receives;
mod starts;
mod ties;

const DROPPED: &str = "shutdown: the runtime of this process was dropped";

fn is_struck(reason: &str) -> bool {
    reason == "killed" || reason == DROPPED
}
