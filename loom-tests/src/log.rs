//! What a process saw, or which outcomes a model reached: a list that loom does not see.
//!
//! A process's panics are caught, so its body writes here and the model's own thread asserts. It adds no interleaving and
//! no ordering: read it after the writer was joined, or in the thread that polls the writer.
#![expect(clippy::disallowed_types, reason = "the list is outside the model: loom must not see it")]

use std::sync::{Arc, Mutex};

/// A shared list.
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone + PartialEq> Log<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Adds an entry.
    pub fn push(&self, entry: T) {
        self.0.lock().expect("nothing panics under this lock").push(entry);
    }

    /// Adds an entry unless it is there already: the outcomes of thousands of executions.
    pub fn note(&self, entry: T) {
        let mut entries = self.0.lock().expect("nothing panics under this lock");
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }

    /// Whether that entry is there.
    pub fn has(&self, entry: &T) -> bool {
        self.0.lock().expect("nothing panics under this lock").contains(entry)
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> Vec<T> {
        self.0.lock().expect("nothing panics under this lock").clone()
    }
}

impl<T: Clone + PartialEq> Default for Log<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
