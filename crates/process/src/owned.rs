//! A node with a runtime of its own: for `main`, and for programs that are not async otherwise.
//!
//! Invariant: the runtime ends with this value, from whichever thread it is dropped, also inside of another runtime.

use crate::builder::{BuildError, MAX_THREADS, NodeBuilder};
use crate::node::Node;
use crate::shutdown::ShutdownReport;
use std::{fmt, future::Future, ops::Deref, time::Duration};
use tokio::runtime::Runtime;

/// A [`Node`] and the tokio runtime that it alone is on.
///
/// It is used as the node, by `Deref`; clones of that are ordinary handles, which do not keep the runtime. When this is
/// dropped, the runtime is shut down in the background: nobody is waited for, each process ends at its next `await`, and its
/// observers on other nodes, or on [bulkheads](crate::bulkhead), are told. To end in good order: [`stop`](Self::stop).
///
/// ```
/// use freeboard_process::{Context, Node, Reply};
/// use std::time::Duration;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let node = Node::owned(2)?;
///     let doubler = node.spawn(async |mut cx: Context<(u32, Reply<u32>)>| {
///         loop {
///             let (n, reply) = cx.recv_message().await;
///             reply.send(2 * n);
///         }
///     });
///     assert_eq!(node.block_on(async { doubler.call(|reply| (21, reply)).await })?, 42);
///     assert!(node.stop(Duration::from_secs(5)).is_orderly());
///     Ok(())
/// }
/// ```
pub struct OwnedNode {
    node: Node,
    /// There until the drop.
    runtime: Option<Runtime>,
}

impl OwnedNode {
    pub(crate) fn build(settings: NodeBuilder, threads: usize) -> Result<Self, BuildError> {
        if !(1..=MAX_THREADS).contains(&threads) {
            let (name, allowed) = ("own_runtime", "1 to 32,768 threads");
            return Err(BuildError::Setting { name, given: threads.to_string(), allowed });
        }
        let runtime = crate::executor::runtime("freeboard-worker", threads).map_err(BuildError::Thread)?;
        match settings.attach(runtime.handle().clone()) {
            Ok(node) => Ok(Self { node, runtime: Some(runtime) }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Runs this future on the calling thread, inside the runtime, until it is ready.
    ///
    /// # Panics
    /// Inside of a tokio runtime, this one or another: await the future there.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().expect("the runtime is there until the drop").block_on(future)
    }

    /// [Shuts the node down](Node::shutdown), and then its runtime. What is left in spite of that is not waited for.
    ///
    /// # Panics
    /// As [`block_on`](Self::block_on): inside of a runtime, await `shutdown` and drop this.
    pub fn stop(self, within: Duration) -> ShutdownReport {
        self.block_on(self.node.shutdown(within))
    }
}

impl Node {
    /// A node with a tokio runtime of its own that has so many worker threads. With settings:
    /// [`NodeBuilder::own_runtime`].
    ///
    /// # Errors
    /// Zero threads, or more than the system has to give.
    pub fn owned(threads: usize) -> Result<OwnedNode, BuildError> {
        Self::builder().own_runtime(threads)
    }
}

impl Deref for OwnedNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Drop for OwnedNode {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting here would block whoever drops this, and panic inside of another runtime.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for OwnedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedNode").field(&self.node).finish()
    }
}
