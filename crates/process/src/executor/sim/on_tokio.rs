//! The simulation as one task of a paused tokio runtime, for code that uses tokio's own time.
//!
//! ```text
//!   tokio, one thread, clock paused ── task: simulation ── its own order, by seed
//!                └─ nobody can run: the clock goes on to the next timer, tokio's or the simulation's
//! ```
//!
//! # Invariants
//! * There is one clock: the simulation's is tokio's, counted from the beginning of the run. It moves in milliseconds.
//! * The order of tasks that were started with `tokio::spawn` is tokio's, not the seed's.

use super::{Shared, Sim, stuck};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle},
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

/// A wait that ends then has waited for nothing.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Sim {
    /// Runs this simulation as a task of a tokio runtime of its own, with one thread and a paused clock, so that processes
    /// may use `tokio::time` and whatever is built on it.
    ///
    /// Virtual time then moves in milliseconds, as tokio's timers do. The order of what is started by `tokio::spawn` is not
    /// chosen by the seed, but it is the same in each run.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply, Sim};
    /// use std::time::Duration;
    ///
    /// Sim::seed(1).on_tokio().run(async |node: Node| {
    ///     let slow = node.spawn(async |mut cx: Context<Reply<()>>| {
    ///         let reply = cx.recv_message().await;
    ///         tokio::time::sleep(Duration::from_secs(3600)).await;
    ///         reply.send(());
    ///         Ok(())
    ///     });
    ///     // An hour of virtual time, at once.
    ///     slow.call(|reply| reply).forever().await.unwrap();
    /// });
    /// ```
    ///
    /// # Panics
    /// A run of it panics inside of a tokio runtime.
    pub fn on_tokio(mut self) -> Self {
        self.on_tokio = true;
        self
    }
}

/// Plays to the end inside of a tokio runtime; then ends what is left of the simulation there.
pub(super) fn block_on<T>(shared: &Arc<Shared>, seed: u64, play: impl FnMut() -> Option<T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O needs nothing from the system");
    let _inside = runtime.enter();
    let outer = {
        let mut state = shared.0.lock();
        let outer = Outer { began: Instant::now(), inner: state.now };
        state.outer = Some(outer);
        outer
    };
    let mut host = Host { shared, seed, play, outer, sleep: None };
    let result = runtime.block_on(unconstrained(poll_fn(|cx| host.poll(cx))));
    shared.end();
    result
}

/// One moment by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    began: Instant,
    inner: std::time::Instant,
}

impl Outer {
    /// The present time by tokio's clock, as the simulation counts. On a thread without a runtime it stands still.
    pub(super) fn now(&self) -> std::time::Instant {
        // Outside of the runtime tokio would read the machine's clock.
        let passed = Handle::try_current().map_or(Duration::ZERO, |_| self.began.elapsed());
        self.inner + passed
    }
}

/// The one task.
struct Host<'a, F> {
    shared: &'a Shared,
    seed: u64,
    play: F,
    outer: Outer,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<T, F: FnMut() -> Option<T>> Host<'_, F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        drop(self.shared.0.lock().host.take());
        loop {
            while self.is_due() {
                self.shared.jump();
            }
            if let Some(result) = (self.play)() {
                return Poll::Ready(result);
            }
            let next = self.shared.0.lock().sleepers.first_key_value().map(|((at, _), _)| *at);
            let after = next.map_or(NEVER, |at| at.saturating_duration_since(self.outer.inner));
            let mut sleep = Box::pin(sleep_until(self.outer.began + after));
            let rings = sleep.as_mut().poll(cx).is_ready();
            match (rings, next) {
                (true, None) => stuck(self.seed),
                (true, Some(_)) => continue,
                (false, _) => self.sleep = Some(sleep),
            }
            let mut state = self.shared.0.lock();
            if state.ready.is_empty() {
                state.host = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }

    /// Whether a sleeper is to be woken.
    fn is_due(&self) -> bool {
        let mut state = self.shared.0.lock();
        let now = state.now();
        state.sleepers.first_key_value().is_some_and(|((at, _), _)| *at <= now)
    }
}
