//! A future outside of a process whose result becomes its message.
//!
//! Invariant: the process goes on meanwhile; it gets one message, or ends with the future's panic.
//!
//! # Not here
//! Who polls the future, and how it ends with the process (`feed.rs`). Work whose failure is to be handled is a task
//! (`tasks.rs`).

use crate::context::Context;
use crate::feed::Supply;
use freeboard_signal::Ref;
use std::{
    future::Future,
    task::{Poll, ready},
};

impl<M: Send + 'static> Context<M> {
    /// Runs `work` beside this process, and sends this process what `wrap` makes of its result: so it can wait for something
    /// and handle other messages in the meantime.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::time::Duration;
    ///
    /// enum Msg { Ping, Loaded { id: u32, value: String } }
    ///
    /// async fn load() -> String {
    ///     "from afar".to_owned()
    /// }
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// let cache = node.spawn(async |mut cx: Context<Msg>| {
    ///     let id = 7;
    ///     cx.pipe(load(), move |value| Msg::Loaded { id, value });
    ///     loop {
    ///         match cx.recv_message().await {
    ///             Msg::Ping => {} // it is not kept waiting
    ///             Msg::Loaded { id, value } => {
    ///                 # let _ = done.send((id, value));
    ///                 return Ok(());
    ///             }
    ///         }
    ///     }
    /// });
    /// cache.cast(Msg::Ping);
    /// # assert_eq!(heard.await.unwrap(), (7, "from afar".to_owned()));
    /// # });
    /// ```
    ///
    /// The message is an ordinary one, behind what is queued when the work is done, and under no policy of the mailbox. The
    /// work belongs to this incarnation: it is dropped when the process ends, and a later incarnation hears nothing of it.
    /// Before that, [`detach`](Self::detach) takes it back. A process that [drains](crate::Addr::drain) does not wait for it.
    ///
    /// It runs as a task of its own on the node's runtime, outside of the process: links, names and the deadline of the call
    /// being served are the process's and not its. In a context that outlived its process it is dropped at once.
    ///
    /// # Panics
    /// If the work or `wrap` panics, so does this process, when it comes to where the message would stand. So nobody waits for
    /// a message that cannot come. Where a failure is to be handled, use [`task_nolink`](Self::task_nolink).
    ///
    /// # Cost
    /// Some allocations and one task of the runtime.
    pub fn pipe<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
        wrap: impl FnOnce(T) -> M + Send + 'static,
    ) -> Ref {
        let (mut work, mut wrap) = (Box::pin(work), Some(wrap));
        self.feed(
            1,
            Box::new(move |cx| {
                let result = ready!(work.as_mut().poll(cx));
                let wrap = wrap.take().expect("a source is not polled after its last message");
                Poll::Ready(Supply::Last(wrap(result)))
            }),
        )
    }
}
