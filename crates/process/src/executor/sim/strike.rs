//! A process struck at each of its polls, one per run: whatever it waits for when it ends, the world must hold.
//!
//! ```text
//!   run 0: victim polled ✗          run 1: polled, polled ✗         …   until it is over before its turn to be struck
//! ```
//!
//! Invariant: all runs of one seed are the same up to the blow.

use super::{Shared, Sim};
use crate::node::Node;
use crate::target::Target as Named;
use crate::task::panic_reason;
use crate::wire::Peer;
use freeboard_signal::Pid;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Which process is struck, in a run of [`Sim::at_every_kill_point`].
pub struct Aim(Arc<Shared>, Node);

/// The victim of a run, and when it is struck.
pub(super) struct Target {
    victim: Option<Pid>,
    how: Strike,
    /// Polls that it is left.
    left: u64,
    /// Whether it was struck.
    hit: bool,
}

/// In which way.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Kill,
    Drop,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "killed",
            Self::Drop => "dropped",
        })
    }
}

/// What is done to the task that is about to be polled.
pub(super) struct Blow(Option<Peer>);

impl Blow {
    /// Kills the process, which finds out when it is polled; or answers false: its task is dropped unpolled.
    pub(super) fn leaves_alive(&self) -> bool {
        self.0.as_ref().map(Peer::kill).is_some()
    }
}

impl Target {
    /// That process is about to be polled.
    pub(super) fn blow(&mut self, peer: &Peer) -> Option<Blow> {
        if self.hit || self.victim != Some(peer.pid) {
            return None;
        }
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        self.hit = true;
        Some(Blow(match self.how {
            Strike::Kill => Some(peer.clone()),
            Strike::Drop => None,
        }))
    }
}

impl Sim {
    /// Runs `world` again and again, and strikes one of its processes one poll later each time: it is killed before its
    /// first poll, before its second, and so on, until it ends before its turn comes; then the same with its task dropped, as
    /// by a runtime that goes away. The world says which process by [`Aim::at`], and asserts what must hold. Answers how
    /// many runs there were.
    ///
    /// Every point at which a process can be ended is a place where it waits, so this goes through all of them.
    ///
    /// ```
    /// use freeboard_process::{Aim, CallError, Context, Node, Reply, Sim};
    /// use std::time::Duration;
    ///
    /// let runs = Sim::seed(1).at_every_kill_point(async |node: Node, aim: Aim| {
    ///     let server = node.spawn(async |mut cx: Context<Reply<u32>>| {
    ///         let reply = cx.recv_message().await;
    ///         cx.sleep(Duration::from_secs(1)).await;
    ///         reply.send(7);
    ///         Ok(())
    ///     });
    ///     aim.at(&server);
    ///     // Whenever it ends, its caller learns of it.
    ///     let answer = server.call(|reply| reply).forever().await;
    ///     assert!(matches!(answer, Ok(7) | Err(CallError::Exited(_))));
    /// });
    /// assert!(runs >= 6, "{runs}");
    /// ```
    ///
    /// # Panics
    /// As [`run`](Self::run), with the number of polls after which the blow came; and if the world has aimed at nobody.
    pub fn at_every_kill_point(self, world: impl AsyncFn(Node, Aim)) -> usize {
        let mut runs = 0;
        for how in [Strike::Kill, Strike::Drop] {
            for left in 0.. {
                let shared = Shared::new(self.seed);
                shared.0.lock().aim = Some(Target { victim: None, how, left, hit: false });
                let run = AssertUnwindSafe(|| {
                    self.drive(&shared, Node::builder(), async |node: Node| {
                        let aim = Aim(Arc::clone(&shared), node.clone());
                        world(node, aim).await;
                    });
                });
                if let Err(payload) = catch_unwind(run) {
                    let (seed, why) = (self.seed, panic_reason(payload));
                    panic!("with seed {seed} the world fails when its process is {how} after {left} polls ({why})");
                }
                runs += 1;
                let aim = shared.0.lock().aim.take().expect("it was put there, and nobody else takes it");
                assert!(aim.victim.is_some(), "the world must aim at a process: call `aim.at(&process)` in it");
                if !aim.hit {
                    break;
                }
            }
        }
        runs
    }
}

impl Aim {
    /// Strikes this process, counted from its next poll on. A later aim takes the place of an earlier one.
    ///
    /// # Panics
    /// If nobody lives there.
    pub fn at(&self, target: &(impl Named + ?Sized)) {
        let pid = target.resolve(&self.1).expect("the process to be struck must live");
        if let Some(aim) = &mut self.0.0.lock().aim {
            aim.victim = Some(pid);
        }
    }
}

impl fmt::Debug for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aim")
    }
}
