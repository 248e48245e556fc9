//! Where senders leave messages for the one task that reads them.
//!
//! A bag behind a short lock, and the reader's waker. The reader takes the whole bag at once; it is woken when the bag turns
//! non-empty, after the lock is released. What a bag is, the two scanning mailboxes decide.

use std::future::poll_fn;
use std::mem;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// Something senders put messages into.
pub(super) trait Bag: Default {
    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;
}

/// A bag and the reader who may be waiting for it.
#[derive(Debug, Default)]
pub(super) struct Gate<B> {
    inside: Mutex<(B, Option<Waker>)>,
}

impl<B: Bag> Gate<B> {
    /// Puts something into the bag and wakes the reader if it waits.
    pub(super) fn push(&self, put: impl FnOnce(&mut B)) {
        let waker = {
            let mut inside = self.inside.lock();
            put(&mut inside.0);
            inside.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until something is in the bag and takes all of it.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing.
    pub(super) async fn take(&self) -> B {
        poll_fn(|context| {
            let mut inside = self.inside.lock();
            if inside.0.is_empty() {
                inside.1 = Some(context.waker().clone());
                Poll::Pending
            } else {
                inside.1 = None;
                Poll::Ready(mem::take(&mut inside.0))
            }
        })
        .await
    }
}
