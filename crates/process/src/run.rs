//! Running a node until it is told to stop: by a signal, by a critical root that failed, or by anybody's shutdown.
//!
//! ```text
//!   Running ──signal──► Stopping ──shut down──► Ok(report)
//!      │                    └──signal──► Err(Interrupted): nobody waits any more
//!      └──shut down by others──► Ok(report), or Err(Failed) if a critical root did it
//! ```
//!
//! Invariant: which it is is decided by [`Run::on`], a pure state machine. What listens to the operating system is thin, and
//! stands in `executor/signals.rs`.

use crate::node::Node;
use crate::shutdown::ShutdownReport;
use freeboard_signal::ExitReason;
use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    io,
    task::{Context, Poll},
    time::Duration,
};

/// Why running a node ended in a way that a program should report.
#[non_exhaustive]
#[derive(Debug)]
pub enum RunError {
    /// A critical root ended for this reason, and the node has shut down because of it.
    Failed {
        /// The reason of that root's end.
        reason: ExitReason,
        /// What the shutdown came to.
        report: ShutdownReport,
    },
    /// A second signal came during the shutdown; it was not waited for, and goes on as long as the program does.
    Interrupted,
    /// The operating system's signals cannot be listened to; nothing was stopped.
    Signals(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { reason, .. } => {
                write!(f, "a critical part of the node failed ({reason}), and it shut down")
            }
            Self::Interrupted => {
                f.write_str("a second signal came while the node was shutting down, so nobody waits for its end")
            }
            Self::Signals(error) => write!(f, "signals cannot be listened to ({error}); use `run_until` without them"),
        }
    }
}

impl Error for RunError {}

/// What happens to a node that runs.
#[derive(Debug)]
enum Happened {
    /// Somebody outside wants it to stop.
    Signal,
    /// Its shutdown is over; there is a reason if a critical root has caused it.
    ShutDown(ShutdownReport, Option<ExitReason>),
}

/// What to do about it.
#[derive(Debug)]
enum Effect {
    ShutDown,
    Return(Result<ShutdownReport, RunError>),
}

/// The decisions of a run.
#[derive(Debug, Default)]
struct Run {
    is_stopping: bool,
}

impl Run {
    fn on(&mut self, happened: Happened) -> Effect {
        match happened {
            Happened::Signal if self.is_stopping => Effect::Return(Err(RunError::Interrupted)),
            Happened::Signal => {
                self.is_stopping = true;
                Effect::ShutDown
            }
            Happened::ShutDown(report, Some(reason)) => Effect::Return(Err(RunError::Failed { reason, report })),
            Happened::ShutDown(report, None) => Effect::Return(Ok(report)),
        }
    }
}

impl Node {
    /// Waits until this node has shut down: because `signal` was ready, because a [critical](crate::Starting::critical) root
    /// has failed, or because anybody called [`shutdown`](Self::shutdown). Each `Ready` of `signal` is one signal; the first
    /// shuts the node down in good order, `within` this time, the second ends the waiting.
    ///
    /// `run_until_signal` (feature `signal`) does this with the operating system's signals.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::{future::Future, pin::pin, time::Duration};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// let (stop, mut stopped) = tokio::sync::mpsc::channel::<()>(1);
    /// node.spawn(async move |mut cx: Context<()>| {
    ///     cx.sleep(Duration::from_secs(60)).await;
    ///     let _ = stop.send(()).await; // the button of an administrator
    ///     Ok(cx.recv_message().await)
    /// });
    /// let report = node.run_until(Duration::from_secs(10), |cx| stopped.poll_recv(cx).map(drop)).await.unwrap();
    /// assert!(report.is_orderly());
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`Failed`](RunError::Failed) and [`Interrupted`](RunError::Interrupted).
    ///
    /// # Cancel safety
    /// Dropped, the node runs on, or goes on to shut down if that has begun.
    pub fn run_until(
        &self,
        within: Duration,
        mut signal: impl FnMut(&mut Context<'_>) -> Poll<()> + Send,
    ) -> impl Future<Output = Result<ShutdownReport, RunError>> + Send {
        let mut run = Run::default();
        poll_fn(move |cx| {
            loop {
                // What is over is told, whatever comes at the same time.
                let happened = match self.census().report(cx.waker()) {
                    Poll::Ready(report) => Happened::ShutDown(report, self.failure()),
                    Poll::Pending => {
                        std::task::ready!(signal(cx));
                        Happened::Signal
                    }
                };
                match run.on(happened) {
                    Effect::ShutDown => self.begin_shutdown(within, || {}),
                    Effect::Return(result) => return Poll::Ready(result),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    //! Each order of events.
    use super::*;

    fn report() -> ShutdownReport {
        ShutdownReport::default()
    }

    #[test]
    fn the_first_signal_shuts_down_and_the_end_of_that_is_the_result() {
        let mut run = Run::default();
        assert!(matches!(run.on(Happened::Signal), Effect::ShutDown));
        assert!(matches!(run.on(Happened::ShutDown(report(), None)), Effect::Return(Ok(_))));
    }

    #[test]
    fn the_second_signal_ends_the_waiting() {
        let mut run = Run::default();
        assert!(matches!(run.on(Happened::Signal), Effect::ShutDown));
        assert!(matches!(run.on(Happened::Signal), Effect::Return(Err(RunError::Interrupted))));
    }

    #[test]
    fn a_shutdown_by_somebody_else_is_a_result_and_by_a_failure_an_error() {
        let over = |reason| Run::default().on(Happened::ShutDown(report(), reason));
        assert!(matches!(over(None), Effect::Return(Ok(_))));
        let failed = over(Some(ExitReason::Killed));
        assert!(matches!(failed, Effect::Return(Err(RunError::Failed { reason: ExitReason::Killed, .. }))));
    }

    #[test]
    fn a_failure_during_a_shutdown_that_was_asked_for_is_told() {
        let mut run = Run::default();
        assert!(matches!(run.on(Happened::Signal), Effect::ShutDown));
        let over = run.on(Happened::ShutDown(report(), Some(ExitReason::Killed)));
        assert!(matches!(over, Effect::Return(Err(RunError::Failed { .. }))));
    }
}
