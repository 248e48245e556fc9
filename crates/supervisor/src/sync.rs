//! Locks and atomics of this crate: the shim of the crates below.

pub(crate) use freeboard_process::sync::{AtomicUsize, Mutex, Ordering};
