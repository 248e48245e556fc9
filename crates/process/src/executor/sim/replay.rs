//! What a run did, as a digest; and the proof that it does it again.
//!
//! A step is one poll: of whom, at which virtual time, with how many messages and signals received so far, and whom it
//! woke, in which order. The digest is a hash over all steps. A strict run records the steps of a first run, compares the
//! second with them while it goes on, and stops where they part.
//!
//! Invariant: everything in a step depends on the seed and on what the processes do, on nothing else.
//!
//! # Not here
//! What the messages say: two runs may differ in that and take the same steps.

use super::{Shared, Sim};
use crate::node::Node;
use freeboard_signal::Pid;
use std::{
    fmt,
    thread::{self, ThreadId},
    time::{Duration, Instant},
    vec::IntoIter,
};

/// A hash over all that a run did: the order of its polls, the virtual time of each, who was polled, what had come for
/// them, and whom they woke. Two runs of one seed have the same one, or something in them does not depend on the seed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

/// Who was polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    World,
    /// A task of the node's own.
    Service,
    Process(Pid),
}

/// One poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    who: Who,
    /// Counted from the beginning of the run.
    at: Duration,
    /// Messages and signals that had come for it.
    entries: u64,
    /// How many it woke or started, and which, in order.
    wakes: u64,
    woke: u64,
}

/// The steps of a run under way.
pub(super) struct Replay {
    began: Instant,
    thread: ThreadId,
    step: Option<Step>,
    count: u64,
    digest: u64,
    log: Log,
    /// Somebody on another thread has woken a task.
    is_disturbed: bool,
}

/// What is kept of the steps besides the digest.
enum Log {
    Nothing,
    Steps(Vec<Step>),
    /// The steps that another run took and this one has yet to take.
    Compare(IntoIter<Step>),
}

/// Where two runs part, or what made the second one useless.
pub(super) enum Parting {
    Steps { number: u64, first: Option<Step>, second: Option<Step> },
    Disturbed { number: u64 },
}

impl Sim {
    /// Runs `world` as [`run`](Self::run) does, and answers the digest of the run too: the same for the same seed, another
    /// one for nearly every other seed in which an order matters.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// let talk = async |node: Node| {
    ///     for _ in 0..10 {
    ///         node.spawn(async |_cx: Context<()>| Ok(())).cast(());
    ///     }
    ///     let last = node.spawn(async |mut cx: Context<freeboard_process::Reply<()>>| Ok(cx.recv_message().await.send(())));
    ///     last.call(|reply| reply).await.unwrap();
    /// };
    /// let ((), digest) = Sim::seed(1).run_digest(talk);
    /// assert_eq!(digest, Sim::seed(1).run_digest(talk).1);
    /// assert_ne!(digest, Sim::seed(2).run_digest(talk).1);
    /// ```
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_digest<T>(self, world: impl AsyncFnOnce(Node) -> T) -> (T, Digest) {
        let (result, replay) = self.watched(Log::Nothing, world);
        (result, Digest(replay.digest))
    }

    /// Runs `world` twice and fails if the two runs are not the same, step by step: something in it does not depend on the
    /// seed alone, so a failure that it shows once would not show again. Answers what the second run answered.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::collections::BTreeMap;
    ///
    /// Sim::seed(1).strict(async |node: Node| {
    ///     let worker = async |mut cx: Context<()>| Ok(cx.recv_message().await);
    ///     let workers: BTreeMap<u32, _> = (0..20).map(|n| (n, node.spawn(worker))).collect();
    ///     // With a `HashMap` whoever comes first here would do so by chance, and this would fail.
    ///     workers.values().for_each(|worker| worker.cast(()));
    /// });
    /// ```
    ///
    /// # Panics
    /// As [`run`](Self::run); if the runs part, with the number of the step, the virtual time and the process; and if
    /// another thread has woken somebody.
    pub fn strict<T>(self, world: impl AsyncFn(Node) -> T) -> T {
        let (_, first) = self.watched(Log::Steps(Vec::new()), &world);
        if first.is_disturbed {
            panic!("{}", Parting::Disturbed { number: first.count }.of_seed(self.seed));
        }
        let (result, mut second) = self.watched(Log::Compare(first.into_steps()), &world);
        if let Err(parting) = second.finish() {
            panic!("{}", parting.of_seed(self.seed));
        }
        result
    }

    /// A run whose steps are watched.
    fn watched<T>(self, log: Log, world: impl AsyncFnOnce(Node) -> T) -> (T, Replay) {
        let shared = Shared::new(self.seed);
        {
            let mut state = shared.0.lock();
            let (began, thread) = (state.now, thread::current().id());
            state.replay = Some(Replay { began, thread, step: None, count: 0, digest: 0, log, is_disturbed: false });
        }
        let result = self.drive(&shared, Node::builder(), world);
        let mut replay = shared.0.lock().replay.take().expect("it was put there, and nobody else takes it");
        // The last step of a run that is compared is closed by whoever asks for the result.
        if !matches!(replay.log, Log::Compare(_)) {
            let _same = replay.close();
        }
        (result, replay)
    }
}

impl Replay {
    /// A poll begins, which ends the one before.
    pub(super) fn begin(&mut self, who: Who, now: Instant, entries: u64) -> Result<(), Box<Parting>> {
        self.close()?;
        let at = now.saturating_duration_since(self.began);
        self.step = Some(Step { who, at, entries, wakes: 0, woke: 0 });
        Ok(())
    }

    /// The present poll wakes or starts that task. What happens on other threads belongs to no step.
    pub(super) fn woke(&mut self, task: usize) {
        if thread::current().id() != self.thread {
            self.is_disturbed = true;
        } else if let Some(step) = &mut self.step {
            step.wakes += 1;
            step.woke = mixed(step.woke, task as u64);
        }
    }

    /// The present poll is over.
    fn close(&mut self) -> Result<(), Box<Parting>> {
        let Some(step) = self.step.take() else { return Ok(()) };
        self.count += 1;
        self.digest = step.numbers().into_iter().fold(self.digest, mixed);
        match &mut self.log {
            Log::Nothing => {}
            Log::Steps(steps) => steps.push(step),
            Log::Compare(first) => {
                if self.is_disturbed {
                    return Err(Box::new(Parting::Disturbed { number: self.count }));
                }
                let first = first.next();
                if first != Some(step) {
                    let number = self.count;
                    return Err(Box::new(Parting::Steps { number, first, second: Some(step) }));
                }
            }
        }
        Ok(())
    }

    /// The steps that were kept.
    fn into_steps(self) -> IntoIter<Step> {
        match self.log {
            Log::Nothing => Vec::new().into_iter(),
            Log::Steps(steps) => steps.into_iter(),
            Log::Compare(steps) => steps,
        }
    }

    /// The run is over; the other one must be too.
    fn finish(&mut self) -> Result<(), Box<Parting>> {
        self.close()?;
        let Log::Compare(first) = &mut self.log else { return Ok(()) };
        let first = first.next();
        let number = self.count + 1;
        if first.is_none() { Ok(()) } else { Err(Box::new(Parting::Steps { number, first, second: None })) }
    }
}

impl Step {
    fn numbers(&self) -> [u64; 7] {
        let who = match self.who {
            Who::World => [1, 0, 0],
            Who::Service => [2, 0, 0],
            Who::Process(pid) => [3, u64::from(pid.node()) << 32 | u64::from(pid.slot()), pid.generation()],
        };
        let at = u64::try_from(self.at.as_nanos()).unwrap_or(u64::MAX);
        [who[0], who[1], who[2], at, self.entries, self.wakes, self.woke]
    }
}

/// One more number in a hash (SplitMix64's finish).
fn mixed(hash: u64, number: u64) -> u64 {
    let mut z = hash.rotate_left(5) ^ number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Parting {
    /// What to tell whoever ran that seed.
    pub(super) fn of_seed(&self, seed: u64) -> String {
        let text = match self {
            Self::Disturbed { number } => {
                return format!(
                    "the simulation of seed {seed} was disturbed before step {number}: another thread has woken a task; \
                     a world that is to replay starts no threads and does no real I/O"
                );
            }
            Self::Steps { first: Some(first), second: Some(second), .. } => match second.unlike(first) {
                Some(how) => format!("at {:?} {} {how}", second.at, second.who),
                None => format!("at {:?} {} runs, and at {:?} {} did", second.at, second.who, first.at, first.who),
            },
            Self::Steps { first: Some(first), .. } => {
                format!("the second one is over, and at {:?} {} ran in the first", first.at, first.who)
            }
            Self::Steps { second: Some(second), .. } => {
                format!("at {:?} {} runs, and the first was over", second.at, second.who)
            }
            Self::Steps { .. } => "both are over".to_owned(),
        };
        let number = match self {
            Self::Steps { number, .. } | Self::Disturbed { number } => number,
        };
        format!(
            "two runs of seed {seed} part at step {number}: {text}; this does not come from the seed: look for an iteration \
             over a randomly hashed map, a `select!` without `biased`, real time, threads and real I/O"
        )
    }
}

impl Step {
    /// How this step differs from the other one, if the same one was polled at the same time.
    fn unlike(&self, first: &Self) -> Option<String> {
        if (self.who, self.at) != (first.who, first.at) {
            return None;
        }
        Some(if self.entries != first.entries {
            format!(
                "has been sent {} messages and signals by now, and {} in the first run",
                self.entries, first.entries
            )
        } else if self.wakes != first.wakes {
            format!("wakes {} tasks, and {} in the first run", self.wakes, first.wakes)
        } else {
            format!("wakes {} tasks, and others or in another order in the first run", self.wakes)
        })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("the world"),
            Self::Service => f.write_str("the node's timer"),
            Self::Process(pid) => write!(f, "process {pid}"),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
