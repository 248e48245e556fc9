//! What a node starts: awaited, or marked as something that the node cannot do without.
//!
//! Invariant: the first critical root that fails decides why the node stopped, and only if nobody had stopped it before.
//!
//! # Not here
//! How the node stops (`shutdown.rs`), and who waits for that (`run.rs`).

use crate::addr::Addr;
use crate::node::Node;
use crate::start::{Start, StartError};
use crate::task::quietly;
use freeboard_signal::ExitReason;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// How long a node that lost a critical root gives everybody else to end, unless [`Starting::critical_within`] says
/// otherwise: well below the half minute that an orchestrator gives a service.
pub const CRITICAL_LIMIT: Duration = Duration::from_secs(20);

/// A handle of something that was started, and ends for good some time.
pub trait Lasting {
    /// Waits until it will never run again; the reason of its last end.
    fn over(&self) -> impl Future<Output = ExitReason> + Send + 'static;
}

impl<M: Send + 'static> Lasting for Addr<M> {
    fn over(&self) -> impl Future<Output = ExitReason> + Send + 'static {
        self.closed()
    }
}

impl Node {
    /// Starts whatever can be started: a child spec, a supervisor. It is up when the returned future is ready; with
    /// [`critical`](Starting::critical) the node does not outlive it.
    ///
    /// # Errors
    /// Its start failed; whatever it had started is gone again by then.
    ///
    /// # Cancel safety
    /// Dropped before its first poll, nothing was started. Dropped later, the start is not undone.
    pub fn start<'a, S: Start + 'a>(&'a self, spec: S) -> Starting<'a, S> {
        Starting { node: self, spec: Some(spec), under_way: None }
    }

    /// The reason of the critical root whose end has stopped this node, if one did.
    pub fn failure(&self) -> Option<ExitReason> {
        self.failed().get().cloned()
    }

    /// A critical root has ended for this reason.
    fn fail(&self, reason: ExitReason, within: Duration) {
        if matches!(reason, ExitReason::Normal) {
            return;
        }
        self.begin_shutdown(within, || {
            quietly(|| tracing::error!(node = %self.pid(), %reason, "a critical root failed; the node shuts down"));
            let _first = self.failed().set(reason);
        });
    }
}

/// A start under way: [`Node::start`].
#[must_use = "nothing is started until this is awaited"]
pub struct Starting<'a, S: Start> {
    node: &'a Node,
    spec: Option<S>,
    under_way: Option<UnderWay<'a, S>>,
}

type UnderWay<'a, S> = Pin<Box<dyn Future<Output = Result<<S as Start>::Handle, StartError>> + Send + 'a>>;

impl<'a, S: Start + 'a> Starting<'a, S> {
    /// The node cannot do without it: if it ends for good, for any reason but `Normal`, the node shuts down in good order,
    /// within [`CRITICAL_LIMIT`], and [`Node::run_until`] answers an error with that reason. So OTP treats a `transient`
    /// application. `Shutdown` counts as well, since that is how a supervisor ends that has given up (OTP: H6): to stop such a
    /// root on purpose, shut the node down, or end it with `Normal`.
    ///
    /// ```
    /// use freeboard_process::{Node, Sim};
    /// use std::{task::Poll, time::Duration};
    /// # use freeboard_process::{Ack, Addr, Birth, Context, Launch, Launcher, Start, StartError};
    /// # use std::future::poll_fn;
    /// # struct Spec(Launcher<u8>);
    /// # fn child_fn(body: impl AsyncFn(Context<u8>)) -> Spec {
    /// #     Spec(Launcher::new(|mut cx| Box::pin(async move {
    /// #         cx.acknowledge();
    /// #         cx.recv_message().await;
    /// #         panic!("out of disks")
    /// #     })))
    /// # }
    /// # impl Start for Spec {
    /// #     type Handle = Addr<u8>;
    /// #     async fn start(self, node: &Node) -> Result<Addr<u8>, StartError> {
    /// #         let (ack, peer) = (Ack::new(), self.0.prepare(node)?);
    /// #         self.0.launch(node, peer.pid(), Birth { ack: Some(ack.clone()), ..Birth::default() });
    /// #         poll_fn(|cx| ack.poll(cx)).await?;
    /// #         Ok(self.0.addr())
    /// #     }
    /// # }
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// let storage = child_fn(async |_cx| panic!("out of disks"));
    /// let storage = node.start(storage).critical().await.unwrap();
    /// storage.cast(1);
    /// let end = node.run_until(Duration::from_secs(5), |_| Poll::Pending).await;
    /// assert_eq!(end.unwrap_err().to_string(), "a critical part of the node failed (panic: out of disks), and it shut down");
    /// # });
    /// ```
    ///
    /// A root that is restarted has not ended for good. If the node is being shut down when it ends, nothing is added to that.
    ///
    /// # Errors
    /// Its start failed: nothing is critical then, and the node goes on.
    ///
    /// # Cancel safety
    /// Dropped after its first poll, the start is not undone, and what was started may not be critical: await it.
    pub async fn critical(self) -> Result<S::Handle, StartError>
    where
        S::Handle: Lasting + Send,
    {
        self.critical_within(CRITICAL_LIMIT).await
    }

    /// The same, with so much time for everybody else to end in.
    ///
    /// # Errors
    /// As [`critical`](Self::critical).
    pub async fn critical_within(self, limit: Duration) -> Result<S::Handle, StartError>
    where
        S::Handle: Lasting + Send,
    {
        let node = self.node.clone();
        let handle = self.await?;
        let over = handle.over();
        node.clone().backend().spawn_service(Box::pin(async move {
            let reason = over.await;
            node.fail(reason, limit);
        }));
        Ok(handle)
    }
}

impl<'a, S: Start> Unpin for Starting<'a, S> {}

impl<'a, S: Start + 'a> Future for Starting<'a, S> {
    type Output = Result<S::Handle, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { node, spec, under_way } = &mut *self;
        if let Some(spec) = spec.take() {
            *under_way = Some(Box::pin(spec.start(node)));
        }
        let Some(start) = under_way else { return Poll::Pending };
        let answer = std::task::ready!(start.as_mut().poll(cx));
        *under_way = None;
        Poll::Ready(answer)
    }
}

impl<S: Start> fmt::Debug for Starting<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Starting")
    }
}
