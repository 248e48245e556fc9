//! The "before": a supervisor that starts one child at a time and looks through its mailbox for each acknowledgement.
//!
//! This is what OTP's own supervisor does, written once and without any artificial delay: [`serial`] is generic over
//! the mailbox, [`queue`] is what it asks of one, and the three mailboxes differ only in how an acknowledgement is found:
//! [`linked`] walks nodes the senders allocated (as OTP's), [`contiguous`] walks one array, and [`indexed`] is a Freeboard
//! mailbox that finds it by key.

pub mod contiguous;
mod gate;
pub mod indexed;
pub mod linked;
pub mod queue;
pub mod serial;
