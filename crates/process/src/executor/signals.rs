//! The operating system's requests to stop, as one thing to poll: Ctrl-C everywhere, and SIGTERM on Unix.
//!
//! Invariant: nothing is decided here; `run.rs` does that.

use crate::node::Node;
use crate::run::RunError;
use crate::shutdown::ShutdownReport;
use std::{
    io,
    task::{Context, Poll},
    time::Duration,
};

/// Listens from the moment it is made.
struct Signals {
    #[cfg(unix)]
    sources: [tokio::signal::unix::Signal; 2],
    #[cfg(windows)]
    sources: [tokio::signal::windows::CtrlC; 1],
}

impl Signals {
    fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { sources: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?] })
        }
        #[cfg(windows)]
        Ok(Self { sources: [tokio::signal::windows::ctrl_c()?] })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let any = self.sources.iter_mut().any(|source| matches!(source.poll_recv(cx), Poll::Ready(Some(()))));
        if any { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Node {
    /// Runs until the program is told to stop by SIGTERM or Ctrl-C, then shuts the node down in good order, `within` this
    /// time: the last line of a service's `main`. A second signal ends the waiting. All else is [`run_until`](Self::run_until).
    ///
    /// ```no_run
    /// use freeboard_process::Node;
    /// use std::time::Duration;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let node = Node::owned(2)?;
    ///     // … start what it is there for …
    ///     let report = node.block_on(node.run_until_signal(Duration::from_secs(20)))?;
    ///     println!("{report:?}");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// An orchestrator kills a service that does not stop in time (Kubernetes after 30 s, unless told otherwise): give less,
    /// and a second for what has to be killed ([`KILL_GRACE`](crate::KILL_GRACE)). From the first call on, these signals do
    /// not end the program any more by themselves.
    ///
    /// # Errors
    /// As `run_until`; and [`Signals`](RunError::Signals) if the system refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one whose I/O driver is not enabled; an [`OwnedNode`](crate::OwnedNode)'s is.
    pub async fn run_until_signal(&self, within: Duration) -> Result<ShutdownReport, RunError> {
        let mut signals = Signals::listen().map_err(RunError::Signals)?;
        self.run_until(within, move |cx| signals.poll(cx)).await
    }
}
