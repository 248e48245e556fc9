//! Blocking code, run where it stops nobody, with its result awaited.
//!
//! Invariant: the closure runs outside of every process, and its result reaches whoever still waits for it, or nobody.
//!
//! # Not here
//! Processes that block all the time (`blocking.rs`): they have a thread of their own.

use crate::context::Context;
use crate::reply::{Outcome, Reply};
use crate::task::quietly;
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
    thread,
};

impl<M: Send + 'static> Context<M> {
    /// Runs a closure that may block on a thread that is there for this, and gives its result: for a file, a library that
    /// knows no `await`, a computation that takes long.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<()>| {
    ///     let manifest = cx.blocking(|| std::fs::read_to_string("Cargo.toml")).await?;
    ///     # let _ = done.send(manifest.contains("freeboard-process"));
    ///     Ok(())
    /// });
    /// # assert!(heard.await.unwrap());
    /// # });
    /// ```
    ///
    /// It begins now, awaited or not. On tokio it runs on the runtime's blocking threads; on a backend without such threads
    /// on a thread of its own; in a simulation as a task of its own, at a moment that the seed picks, and takes no time.
    ///
    /// # Kill
    /// **A closure that has begun cannot be stopped.** When the process ends, its result is dropped when it comes, and nobody
    /// waits for it; a shutdown of the node does not either, but a tokio runtime waits for it when that is dropped. One
    /// that has not begun by then is not run any more.
    ///
    /// # Panics
    /// When it is awaited: with the closure's panic, if it panicked; or because the runtime is shutting down, or has no
    /// thread, and never ran the closure.
    ///
    /// # Cancel safety
    /// `&mut` it may be awaited in a `select!` and again later. Dropped, the result is lost, and a closure that has not begun is
    /// not run. Polled again after it was ready, it waits for ever.
    ///
    /// # Cost
    /// Two allocations, a wake of another thread, and one back: tens of microseconds. Not for what takes less.
    pub fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
        let (reply, outcome) = Reply::<thread::Result<T>>::pair();
        let perform = move || {
            if !reply.is_abandoned() {
                let result = catch_unwind(AssertUnwindSafe(work));
                reply.send(result);
            }
        };
        // What nobody waits for any more is dropped in there, and its destructor may panic.
        self.node().backend().run_blocking(Box::new(move || quietly(perform)));
        Blocking(outcome)
    }
}

/// The result of a closure that may block: [`Context::blocking`].
#[must_use = "the result is lost unless this is awaited, and a closure that has not begun is not run"]
pub struct Blocking<T: Send + 'static>(Outcome<thread::Result<T>>);

impl<T: Send + 'static> Future for Blocking<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(Ok(result)) => Poll::Ready(result),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => panic!(
                "the closure given to `blocking` was never run: the runtime is shutting down, or has no thread for it"
            ),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocking")
    }
}
