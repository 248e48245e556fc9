//! A stream whose items become a process's messages, no faster than the process takes them.
//!
//! Invariant: the order of the stream is the order of its messages, and the end comes last.
//!
//! # Not here
//! The window itself, and how it all ends with the process (`feed.rs`).

use crate::context::Context;
use crate::feed::Supply;
use freeboard_signal::Ref;
use futures_core::Stream;
use std::task::{Poll, ready};

/// Items of an attached stream that may wait in the mailbox, unless [`Context::attach_window`] says otherwise.
pub const ATTACH_WINDOW: usize = 16;

impl<M: Send + 'static> Context<M> {
    /// Sends this process what `wrap` makes of each item of a stream, and at last what it makes of its end, which is `None`.
    /// The stream is held back: no more than [`ATTACH_WINDOW`](crate::ATTACH_WINDOW) of its items wait here, and it is not
    /// polled meanwhile.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// # use futures_core::Stream;
    /// # use std::{pin::Pin, task::{Context as Cx, Poll}};
    /// # struct Count(u32);
    /// # impl Stream for Count {
    /// #     type Item = u32;
    /// #     fn poll_next(mut self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<Option<u32>> {
    /// #         self.0 += 1;
    /// #         Poll::Ready((self.0 <= 3).then_some(self.0))
    /// #     }
    /// # }
    /// # fn frames() -> Count { Count(0) }
    ///
    /// enum Msg { Frame(u32), EndOfFilm }
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<Msg>| {
    ///     cx.attach(frames(), |frame| frame.map_or(Msg::EndOfFilm, Msg::Frame));
    ///     let mut seen = Vec::new();
    ///     while let Msg::Frame(n) = cx.recv_message().await {
    ///         seen.push(n);
    ///     }
    ///     # let _ = done.send(seen);
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), [1, 2, 3]);
    /// # });
    /// ```
    ///
    /// A stream of `Result`s gives its errors as items; whether one is the last is the stream's to say. The messages are
    /// ordinary ones, behind what is queued when the item comes, and under no policy of the mailbox: the window is their
    /// bound. An item that a selective receive has looked at and left counts as waiting.
    ///
    /// The stream belongs to this incarnation: it is dropped when the process ends, and a later incarnation hears nothing of
    /// it. Before that, [`detach`](Self::detach) takes it back, and then `wrap` is not told an end. A process that
    /// [drains](crate::Addr::drain) does not wait for it.
    ///
    /// # Panics
    /// If the stream or `wrap` panics, so does this process, when it has come to where the message would stand.
    ///
    /// # Cost
    /// One task of the runtime. For each item an allocation; and each time the process has used up what it took from its
    /// mailbox, a look at the items that waited, `window` at most.
    pub fn attach<S>(&mut self, stream: S, wrap: impl FnMut(Option<S::Item>) -> M + Send + 'static) -> Ref
    where
        S: Stream + Send + 'static,
    {
        self.attach_window(ATTACH_WINDOW, stream, wrap)
    }

    /// The same, with so many items that may wait at a time. A larger window saves wakes; what waits in it is memory, and is
    /// as old as it is deep.
    ///
    /// # Panics
    /// If the window is zero: nothing could ever come through. And as [`attach`](Self::attach).
    pub fn attach_window<S>(
        &mut self,
        window: usize,
        stream: S,
        mut wrap: impl FnMut(Option<S::Item>) -> M + Send + 'static,
    ) -> Ref
    where
        S: Stream + Send + 'static,
    {
        assert!(
            window > 0,
            "attach_window was given a window of zero, through which nothing could come; give it at least one, \
             or do not attach the stream"
        );
        let mut stream = Box::pin(stream);
        self.feed(
            window,
            Box::new(move |cx| {
                let item = ready!(stream.as_mut().poll_next(cx));
                let is_end = item.is_none();
                let message = wrap(item);
                Poll::Ready(if is_end { Supply::Last(message) } else { Supply::More(message) })
            }),
        )
    }
}
