//! A name as an address: whoever holds it when it is used.
//!
//! Every use is one look-up and then what [`Addr`] does, so what one sender sends by name and by address arrives in its
//! order while the name stays where it is (OTP: D4).
//!
//! # Not here
//! The table (`names.rs`).

use crate::addr::Addr;
use crate::call::Call;
use crate::callee::{Callee, Holder};
use crate::node::Node;
use crate::reply::Reply;
use crate::timer::{Action, Timer};
use freeboard_mailbox::{Refused, SendError};
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

/// A name at which messages of this type are received: [`Node::named`]. Cheap to clone. It keeps no process alive and need
/// not be held by anybody.
///
/// | the name is held by | `send` | `cast` | `call` |
/// |---|---|---|---|
/// | a process with this message type | as [`Addr::send`] | as [`Addr::cast`] | as [`Addr::call`] |
/// | nobody, or a process with another message type | refused: nobody | dropped | exited: no such process |
///
/// ```
/// use freeboard_process::{Context, Node, Refused, Reply, Sim};
///
/// Sim::seed(1).run(async |node: Node| {
///     let clerk = node.named::<Reply<u32>>("clerk");
///     assert!(clerk.call(|reply| reply).await.is_err(), "nobody is there yet");
///     node.spawn_named("clerk", async |mut cx: Context<Reply<u32>>| {
///         cx.recv_message().await.send(42);
///         Ok(())
///     })
///     .unwrap();
///     assert_eq!(clerk.call(|reply| reply).await.unwrap(), 42);
///
///     let stranger = node.named::<&str>("nobody");
///     assert!(matches!(stranger.send("hello").unwrap_err().why, Refused::Nobody));
/// });
/// ```
pub struct Named<M: Send + 'static> {
    node: Node,
    name: Arc<str>,
    of: PhantomData<fn(M)>,
}

impl<M: Send + 'static> Named<M> {
    pub(crate) fn new(node: Node, name: Arc<str>) -> Self {
        Self { node, name, of: PhantomData }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of whoever holds the name now, as [`Node::whereis`].
    pub fn addr(&self) -> Option<Addr<M>> {
        self.node.whereis(&self.name)
    }

    /// Sends a message to whoever holds the name now. Never waits.
    ///
    /// # Errors
    /// [`Refused::Nobody`] if there is nobody (OTP: A13), else as [`Addr::send`]; the message comes back.
    ///
    /// # Cost
    /// That of [`Addr::send`], a hash of the name, and the lock of one shard of the table.
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        match self.addr() {
            Some(addr) => addr.send(message),
            None => Err(SendError { message, why: Refused::Nobody }),
        }
    }

    /// Sends a message and does not ask what becomes of it (OTP: F14).
    pub fn cast(&self, message: M) {
        drop(self.send(message));
    }

    /// Sends a request to whoever holds the name when this is polled first, and waits for the answer as
    /// [`Addr::call`], with the limit that is set on it.
    ///
    /// # Errors
    /// [`CallError::Exited`](crate::CallError::Exited) with `NoProc` if there is nobody (OTP: F9), else as [`Addr::call`].
    ///
    /// # Cancel safety
    /// As [`Addr::call`].
    pub fn call<T: Send + 'static, F: FnOnce(Reply<T>) -> M>(
        &self,
        request: F,
    ) -> Call<impl Callee<Request = M> + '_, T, F> {
        Call::new(Holder::of(self), request)
    }

    /// Sends `message` after that time to whoever holds the name by then. It does not end with whoever holds it now, nor
    /// with who set it (OTP: A14); [`Context::cancel`](crate::Context::cancel) takes it back.
    pub fn send_after(&self, after: Duration, message: M) -> Timer {
        // A timer must not keep the node that keeps the timer.
        let (node, name) = (self.node.downgrade(), Arc::clone(&self.name));
        let fire = move || {
            if let Some(node) = node.upgrade() {
                Self::new(node, name).cast(message);
            }
        };
        self.node.timers().at(self.node.later(after), |_| Action::Run(Box::new(fire)))
    }
}

impl<M: Send + 'static> Clone for Named<M> {
    fn clone(&self) -> Self {
        Self::new(self.node.clone(), Arc::clone(&self.name))
    }
}

impl<M: Send + 'static> fmt::Debug for Named<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Named({:?})", self.name)
    }
}
