//! Payloads that notice when they are lost.
//!
//! A [`Tracked`] value fails its model in two ways: if it is still alive when the execution has ended (loom reports a
//! leak), and through [`Drops`], with which a model asserts how many were dropped by a certain point. Neither adds an
//! interleaving: the count is a plain atomic that loom does not see.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Makes tracked values and counts how many of them were dropped. One per execution.
#[derive(Debug, Default, Clone)]
pub struct Drops(Arc<AtomicUsize>);

impl Drops {
    /// Counts from zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wraps a value, so that its drop is counted and its loss fails the model.
    ///
    /// # Panics
    /// Outside [`model`](crate::model).
    #[track_caller]
    pub fn track<T>(&self, value: T) -> Tracked<T> {
        Tracked { value: loom::alloc::Track::new(value), drops: self.clone() }
    }

    /// How many values made here have been dropped.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A payload whose loss fails the model and whose drop is counted; otherwise it is the value it holds.
pub struct Tracked<T> {
    value: loom::alloc::Track<T>,
    drops: Drops,
}

impl<T> Deref for Tracked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.get_ref()
    }
}

impl<T> Drop for Tracked<T> {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<T: fmt::Debug> fmt::Debug for Tracked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracked").field(&**self).finish()
    }
}
