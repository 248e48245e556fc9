//! The orderly end of a node: nobody starts any more, the roots are asked to stop, and what is left is killed.
//!
//! ```text
//!   Asking ──everybody gone──────────────────────────────► report
//!      └──the limit has passed──► Killing ──all gone, or grace over──► report, with what was left
//! ```
//!
//! A *root* is a process that nobody started who still lives. Each root gets the exit `Shutdown` from its node, as from a
//! parent; what stands below is stopped by its own parent, in the order that parent knows. When a parent ends and leaves a
//! process that it was not tied to, that process is a root by then, and is asked too.
//!
//! The work is done by a future of the node's own, so it goes on when whoever asked for it does not wait any more. It sleeps
//! until a process ends or a limit passes, and looks at nothing in between.
//!
//! # Invariants
//! * Every process that has entered the census before the shutdown is asked, or has a living parent (`census.rs` says why
//!   none is missed).
//! * The shutdown ends: at the latest when [`KILL_GRACE`] has passed after the limit.
//!
//! # Not here
//! In which order a supervisor stops its children: `freeboard-supervisor`.

use crate::current;
use crate::executor::Service;
use crate::life::Map;
use crate::node::Node;
use crate::task::quietly;
use crate::wire::Peer;
use freeboard_signal::{ExitReason, Pid};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How long a shutdown waits for the processes that it has killed. One that yields ends much sooner; one that does not is
/// left.
pub const KILL_GRACE: Duration = Duration::from_secs(1);

/// How many of the processes that were left a report names.
pub const LEFT_NAMED: usize = 64;

/// Pages of the table that a shutdown goes through before it gives way.
const PAGES_PER_POLL: usize = 4;

/// What a shutdown came to: [`Node::shutdown`].
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Processes that ended within the limit: by themselves, or stopped by their parents.
    pub ended: usize,
    /// Processes that the shutdown had to kill, and that are gone.
    pub killed: usize,
    /// Processes that are still there: they never gave way, or block a thread of their own.
    pub left: usize,
    /// Who they are, [`LEFT_NAMED`] of them at most.
    pub left_pids: Vec<Pid>,
    /// Timers that are still set; nobody is there to get their messages, unless something is left. The one that serves all
    /// callers who are no processes is among them until the last of their limits has passed.
    pub timers: usize,
    /// Names that are still held, by what is left or by a process that asked for the shutdown.
    pub names: usize,
}

impl ShutdownReport {
    /// Whether every process ended in time.
    pub fn is_orderly(&self) -> bool {
        self.killed == 0 && self.left == 0
    }
}

impl Node {
    /// Ends every process of this node in good order, and answers what became of them.
    ///
    /// From the first poll on the node starts nothing any more ([`spawn`](Self::spawn) says what becomes of that). Every
    /// process that no living process started gets the exit `Shutdown`, as from a parent: one that does not trap exits ends,
    /// an [`Actor`](crate::Actor) that does runs `terminate`, a supervisor stops its children first. When `within` has passed,
    /// whatever is left is killed; [`KILL_GRACE`](crate::KILL_GRACE) later the rest is given up and reported. A process that
    /// never gives way, or blocks a thread of its own, is left like that.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply, Sim};
    /// use std::time::Duration;
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     node.spawn(async |mut cx: Context<()>| Ok(cx.recv_message().await));
    ///     let deaf = node.spawn(async |mut cx: Context<Reply<()>>| {
    ///         cx.trap_exit(true);
    ///         loop {
    ///             cx.recv_message().await.send(()); // It leaves exits where they are.
    ///         }
    ///     });
    ///     deaf.call(|reply| reply).await.unwrap();
    ///     let report = node.shutdown(Duration::from_secs(5)).await;
    ///     assert_eq!((report.ended, report.killed, report.left), (1, 1, 0));
    ///     assert_eq!(deaf.ended().unwrap().to_string(), "killed");
    /// });
    /// ```
    ///
    /// | state of the node | what happens |
    /// |---|---|
    /// | running | it is shut down |
    /// | being shut down | the same report for all who ask; the earliest limit holds |
    /// | shut down | the same report, at once |
    /// | its runtime is gone | a report of what was left by that |
    ///
    /// A process of this node may ask too. It is neither asked to end, nor waited for, nor killed, and not in the report; but
    /// its own parent may stop it. The node itself, its clock and its dead letters stay as they are.
    ///
    /// # Cancel safety
    /// Dropped before its first poll, nothing has happened. Dropped later, the shutdown goes on.
    ///
    /// # Cost
    /// Two passes over the pid table at most, and a lock per process that ends meanwhile.
    pub async fn shutdown(&self, within: Duration) -> ShutdownReport {
        self.begin_shutdown(within, || {});
        poll_fn(|cx| self.census().report(cx.waker())).await
    }

    /// Begins a shutdown, or puts its limit forward; whoever is the first does `if_first` before anything else happens.
    pub(crate) fn begin_shutdown(&self, within: Duration, if_first: impl FnOnce()) {
        let asked_by = current::pid().filter(|pid| pid.node() == self.pid().node());
        if self.census().stop(self.later(within), asked_by) {
            if_first();
            self.serve(Box::pin(Shutdown::new(self)));
        }
    }

    /// Whether the node was told to shut down.
    pub fn is_shutting_down(&self) -> bool {
        self.census().is_stopping()
    }
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing, until a process ends or that time comes.
    Wait(Instant),
    /// Kill whatever is left.
    Kill,
    /// It is over.
    Over,
}

/// The decisions of a shutdown, as a pure state machine. `P` is how to reach a process.
struct Course<P> {
    phase: Phase,
    /// Processes whose parent lives and has them in no supervision, by that parent.
    tended: Map<Pid, Vec<P>>,
}

#[derive(Clone, Copy)]
enum Phase {
    Asking,
    Killing { until: Instant, killed: usize },
}

impl<P> Course<P> {
    fn new() -> Self {
        Self { phase: Phase::Asking, tended: Map::default() }
    }

    /// Takes down a process that its parent may have to stop first.
    fn tend(&mut self, parent: Pid, child: P) {
        self.tended.entry(parent).or_default().push(child);
    }

    /// Who is a root now that this process is gone.
    fn departed(&mut self, parent: Pid) -> Vec<P> {
        self.tended.remove(&parent).unwrap_or_default()
    }

    /// Who is a root because its parent does not live.
    fn orphans(&mut self, lives: impl Fn(Pid) -> bool) -> Vec<P> {
        self.tended.extract_if(|parent, _| !lives(*parent)).flat_map(|(_, children)| children).collect()
    }

    /// What to do at this time, when so many live.
    fn step(&mut self, now: Instant, until: Instant, living: usize) -> Step {
        match self.phase {
            _ if living == 0 => Step::Over,
            Phase::Asking if now < until => Step::Wait(until),
            Phase::Asking => {
                self.phase = Phase::Killing { until: now + KILL_GRACE, killed: living };
                Step::Kill
            }
            Phase::Killing { until, .. } if now < until => Step::Wait(until),
            Phase::Killing { .. } => Step::Over,
        }
    }

    /// How many of so many have ended by themselves, and how many had to be killed, when so many are left.
    fn sums(&self, began_with: usize, left: usize) -> (usize, usize) {
        let killed = match self.phase {
            Phase::Asking => left,
            Phase::Killing { killed, .. } => killed,
        };
        (began_with.saturating_sub(killed), killed.saturating_sub(left))
    }
}

/// The future that shuts a node down.
pub(crate) struct Shutdown {
    node: Node,
    course: Course<Peer>,
    /// The next page of the table to go through.
    page: Option<usize>,
    sleep: Option<(Instant, Service)>,
    is_over: bool,
}

impl Shutdown {
    pub(crate) fn new(node: &Node) -> Self {
        Self { node: node.clone(), course: Course::new(), page: Some(0), sleep: None, is_over: false }
    }

    /// Goes through some pages of the table; answers whether it is through.
    fn look_through(&mut self) -> bool {
        for _ in 0..PAGES_PER_POLL {
            let Some(page) = self.page else { return true };
            match self.node.living_in(page) {
                Some(living) => {
                    living.into_iter().for_each(|peer| self.find(peer));
                    self.page = Some(page + 1);
                }
                None => {
                    self.page = None;
                    let node = self.node.clone();
                    self.course.orphans(|parent| node.is_alive(parent)).iter().for_each(|orphan| self.ask(orphan));
                }
            }
        }
        self.page.is_none()
    }

    /// A living process.
    fn find(&mut self, peer: Peer) {
        if self.node.census().is_spared(peer.pid) {
            return;
        }
        if let Phase::Killing { .. } = self.course.phase {
            return peer.kill();
        }
        let parent = peer.seat.core().life_of(peer.pid.generation()).and_then(|mut life| {
            let parent = life.parent()?;
            Some((parent.pid, parent.linked))
        });
        match parent {
            None => self.ask(&peer),
            // Its supervisor stops it, or takes it along.
            Some((_, true)) => {}
            Some((parent, false)) => self.course.tend(parent, peer),
        }
    }

    /// Asks a root to stop.
    fn ask(&self, root: &Peer) {
        root.parent_exit(self.node.pid(), ExitReason::Shutdown);
    }

    fn conclude(&mut self) {
        self.is_over = true;
        // It may be one of the timers that are counted below.
        self.sleep = None;
        let (began_with, left) = self.node.census().remaining();
        let (ended, killed) = self.course.sums(began_with, left);
        let left_pids = if left == 0 { Vec::new() } else { self.left() };
        let (timers, names) = (self.node.timers().len(), self.node.names_held());
        let report = ShutdownReport { ended, killed, left, left_pids, timers, names };
        let (node, is_orderly) = (self.node.pid(), report.is_orderly());
        self.node.census().conclude(report);
        quietly(|| {
            if is_orderly {
                tracing::debug!(%node, ended, "node shut down");
            } else {
                tracing::warn!(%node, ended, killed, left, "node shut down, and not all of its processes in order");
            }
        });
    }

    /// Some of those that live on.
    fn left(&self) -> Vec<Pid> {
        let pages = (0..).map_while(|page| self.node.living_in(page)).flatten();
        pages.map(|peer| peer.pid).filter(|pid| !self.node.census().is_spared(*pid)).take(LEFT_NAMED).collect()
    }

    /// Waits until that time; answers whether it has come.
    fn sleep(&mut self, at: Instant, cx: &mut Context<'_>) -> bool {
        if self.sleep.as_ref().is_none_or(|(until, _)| *until != at) {
            self.sleep = Some((at, self.node.sleep_until(at)));
        }
        let woken = self.sleep.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        if woken {
            self.sleep = None;
        }
        woken
    }
}

impl Future for Shutdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            if !this.look_through() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some(news) = this.node.census().news(cx.waker()) else { break };
            for parent in news.departed {
                this.course.departed(parent).iter().for_each(|orphan| this.ask(orphan));
            }
            match this.course.step(this.node.now(), news.until, news.living) {
                Step::Wait(at) => {
                    if !this.sleep(at, cx) {
                        return Poll::Pending;
                    }
                }
                Step::Kill => this.page = Some(0),
                Step::Over => break,
            }
        }
        this.conclude();
        Poll::Ready(())
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        // The runtime went away, and its processes with it: whoever waits still hears what is left.
        if !self.is_over {
            self.conclude();
        }
    }
}

#[cfg(test)]
mod tests {
    //! The course of a shutdown, decision by decision.
    use super::*;
    use crate::Sim;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn noon() -> Instant {
        Sim::seed(0).run(async |node: Node| node.now())
    }

    #[test]
    fn a_shutdown_with_nobody_left_is_over_at_once() {
        let mut course = Course::<Pid>::new();
        assert_eq!(course.step(noon(), noon() + secs(5), 0), Step::Over);
        assert_eq!(course.sums(7, 0), (7, 0));
    }

    #[test]
    fn it_waits_to_the_limit_then_kills_once_then_waits_for_the_grace() {
        let (start, mut course) = (noon(), Course::<Pid>::new());
        let until = start + secs(5);
        assert_eq!(course.step(start, until, 3), Step::Wait(until));
        assert_eq!(course.step(until, until, 2), Step::Kill);
        let grace = until + KILL_GRACE;
        assert_eq!(course.step(until, until, 2), Step::Wait(grace));
        assert_eq!(course.step(grace, until, 1), Step::Over);
        assert_eq!(course.sums(3, 1), (1, 1));
    }

    #[test]
    fn the_last_end_ends_the_wait_in_each_phase() {
        let (start, mut course) = (noon(), Course::<Pid>::new());
        assert_eq!(course.step(start, start, 2), Step::Kill);
        assert_eq!(course.step(start, start, 0), Step::Over);
        assert_eq!(course.sums(5, 0), (3, 2));
    }

    #[test]
    fn a_child_is_a_root_once_its_parent_is_gone_and_only_once() {
        let (parent, other) = (Pid::new(0, 1, 1), Pid::new(0, 2, 1));
        let mut course = Course::new();
        course.tend(parent, "first");
        course.tend(parent, "second");
        course.tend(other, "third");
        assert_eq!(course.departed(Pid::new(0, 3, 1)), [""; 0]);
        assert_eq!(course.departed(parent), ["first", "second"]);
        assert_eq!(course.departed(parent), [""; 0]);
        assert_eq!(course.orphans(|pid| pid == other), [""; 0]);
        assert_eq!(course.orphans(|_| false), ["third"]);
    }
}
