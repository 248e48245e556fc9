//! Many seeds: the same world in many orders.

use super::Sim;
use crate::node::Node;
use crate::task::panic_reason;
use freeboard_signal::ExitReason;
use std::{
    error::Error,
    fmt,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The first seed with which a world failed.
#[derive(Clone, Debug)]
pub struct FailedSeed {
    /// The seed: `Sim::seed(seed).run(world)` fails again in the same way.
    pub seed: u64,
    /// The panic of the world.
    pub why: ExitReason,
}

impl Sim {
    /// Runs `world` once for each of these seeds.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply, Sim};
    ///
    /// let world = async |node: Node| {
    ///     let first = node.spawn(async |mut cx: Context<Reply<u32>>| Ok(cx.recv_message().await.send(1)));
    ///     assert_eq!(first.call(|reply| reply).await.unwrap(), 1);
    /// };
    /// Sim::explore(0..100, world).unwrap();
    /// ```
    ///
    /// # Errors
    /// The first seed whose run panics.
    pub fn explore(seeds: Range<u64>, world: impl AsyncFn(Node)) -> Result<(), FailedSeed> {
        for seed in seeds {
            let run = AssertUnwindSafe(|| Self::seed(seed).run(&world));
            if let Err(payload) = catch_unwind(run) {
                return Err(FailedSeed { seed, why: panic_reason(payload) });
            }
        }
        Ok(())
    }
}

impl fmt::Display for FailedSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, why } = self;
        write!(f, "the world fails with seed {seed} ({why}); run it again with `Sim::seed({seed})`")
    }
}

impl Error for FailedSeed {}
