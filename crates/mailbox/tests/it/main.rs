//! The mailbox from outside: its selective receive, what that costs, and both against a scanning oracle.

mod backlog;
mod oracle;
mod selective;
mod support;
