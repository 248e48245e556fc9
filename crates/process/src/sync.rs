//! Locks and atomics: the mailbox's shim under this crate's name, so that one switch turns every crate's into loom's.

pub use freeboard_mailbox::sync::{
    AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
