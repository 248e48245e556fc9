//! The settings of a node, and how it comes to be on a backend.

use crate::dead_letters::{DeadLetter, DeadLetterHook};
use crate::executor::Backend;
use crate::node::Node;
use std::{fmt, sync::Arc};

/// A node that is not there yet: [`Node::builder`].
///
/// ```
/// use freeboard_process::{Context, DeadLetter, Node, Sim, sync::Mutex};
/// use std::sync::Arc;
///
/// let lost = Arc::new(Mutex::new(Vec::new()));
/// let seen = Arc::clone(&lost);
/// let settings = Node::builder().dead_letters(move |letter: &DeadLetter<'_>| {
///     seen.lock().push(format!("{:?}: {:?}", letter.cause, letter.message.downcast_ref::<u32>()));
/// });
/// Sim::seed(1).run_with(settings, async |node: Node| {
///     let deaf = node.spawn(async |_cx: Context<u32>| std::future::pending().await);
///     deaf.cast(7);
///     deaf.kill();
/// });
/// assert_eq!(*lost.lock(), ["Exited: Some(7)"]);
/// ```
#[derive(Default, Clone)]
#[must_use = "settings do nothing until a node is made of them"]
pub struct NodeBuilder {
    pub(crate) dead_letters: Option<DeadLetterHook>,
}

impl NodeBuilder {
    /// Shows every message that was sent and that nobody will receive to this hook: dropped by a mailbox's policy, refused
    /// by its bound or because it drains, sent through an alias that had ended, or left behind by a process that ended.
    ///
    /// It runs in the thread that caused the drop, outside of every lock, and should be quick. It may send; what that costs in
    /// turn, as in a full mailbox, is counted and not shown. Its panics are caught: what is observed does not fail with its
    /// observer. Without a hook nothing is computed for one.
    pub fn dead_letters(mut self, hook: impl Fn(&DeadLetter<'_>) + Send + Sync + 'static) -> Self {
        self.dead_letters = Some(Arc::new(hook));
        self
    }

    /// The node, on this backend.
    pub fn on(self, backend: impl Backend) -> Node {
        Node::build(self, backend)
    }

    /// The node, on the tokio runtime that this is called from.
    ///
    /// # Panics
    /// Outside of a tokio runtime: call it inside `block_on` or a task, or use [`on`](Self::on).
    #[cfg(feature = "tokio")]
    pub fn start(self) -> Node {
        self.on(crate::executor::Tokio::current())
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder").field("dead_letters", &self.dead_letters.is_some()).finish()
    }
}
