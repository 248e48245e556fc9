//! The mailbox from outside: its selective receive, what that costs, and both against a scanning oracle.

mod alias;
mod backlog;
mod lane;
mod marker;
mod model;
mod notices;
mod oracle;
mod overload;
mod policies;
mod policy;
mod reserve;
mod selective;
mod stats;
mod support;
mod timed;
mod walk;
