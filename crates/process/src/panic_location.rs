//! Where a process panicked, for nodes that ask for it.
//!
//! Rust tells it to the panic hook alone. The hook of a node notes it in the thread's cell, if a process of that node is on
//! the thread, and passes every panic on to the hook that was there before.
//!
//! # Not here
//! Who takes the note: `task.rs`, when it makes the exit reason.

use crate::builder::BuildError;
use crate::current;
use std::{panic, sync::Arc, thread};

/// As long as this is there, the hook of its node notes something.
pub(crate) struct Recording(#[expect(dead_code, reason = "that it is there is all it says")] Arc<()>);

/// Notes, from now on, where processes of that node panic.
pub(crate) fn record(node: u32) -> Result<Recording, BuildError> {
    if thread::panicking() {
        return Err(BuildError::Panicking);
    }
    let recording = Arc::new(());
    let asked_for = Arc::downgrade(&recording);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // A simulation's node may have the number of an earlier one's.
        if let (Some(location), 1..) = (info.location(), asked_for.strong_count()) {
            current::note_panic(node, location);
        }
        before(info);
    }));
    Ok(Recording(recording))
}
