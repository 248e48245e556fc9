//! The simulator: one thread, virtual time, and a seed that picks who runs next.
//!
//! ```text
//!   ready: [world, p3, p7]  ──seed picks──► poll ──► wakes push to ready
//!   nobody ready ──► the clock jumps to the earliest sleeper
//! ```
//!
//! Same seed, same run: the order of everything is drawn from the seed, time moves only when nobody can run, and nothing
//! here iterates over a randomly hashed map. User code keeps this up if it takes time, timers and randomness from its
//! context, starts no threads and does no real I/O, iterates over no randomly hashed map and uses no `select!` without
//! `biased`. [`Sim::strict`] runs a world twice and says where it does not.
//!
//! ```text
//!   sim.rs            the scheduler, its clock, its tasks         sim/strike.rs   a process struck at each of its polls
//!   sim/backing.rs    what a node and its bulkheads see of it
//!   sim/replay.rs     what a run did, as a digest, step by step   sim/explore.rs  many seeds
//!   sim/on_tokio.rs   the whole simulation as one task of a paused tokio (feature `sim-tokio`)
//! ```
//!
//! # Invariants
//! * Virtual time never goes back, and moves only when nobody is ready.
//! * A task is in `ready` at most once, and never polled inside its own poll.
//! * Watching a run changes nothing in it: a digest, a recording and an aim draw no random number.

mod backing;
mod explore;
#[cfg(feature = "sim-tokio")]
mod on_tokio;
mod replay;
mod strike;

pub use explore::FailedSeed;
pub use replay::Digest;
pub use strike::Aim;

use super::Service;
use crate::builder::NodeBuilder;
use crate::node::Node;
use crate::sync::Mutex;
use crate::wire::Peer;
use backing::{Backing, TaskWaker};
use replay::{Replay, Who};
use std::{
    collections::BTreeMap,
    fmt, mem,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

/// A simulated run.
///
/// ```
/// use freeboard_process::{Context, Node, Sim};
/// use std::time::Duration;
///
/// let waited = Sim::seed(42).run(async |node: Node| {
///     let start = node.now();
///     let sleeper = node.spawn(async |mut cx: Context<freeboard_process::Reply<()>>| {
///         let reply = cx.recv_message().await;
///         cx.sleep(Duration::from_secs(3600)).await;
///         reply.send(());
///         Ok(())
///     });
///     sleeper.call(|reply| reply).forever().await.unwrap();
///     node.now() - start
/// });
/// assert_eq!(waited, Duration::from_secs(3600)); // an hour of virtual time, at once
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sim {
    seed: u64,
    #[cfg(feature = "sim-tokio")]
    on_tokio: bool,
}

/// The task number of the world itself.
const WORLD: usize = 0;

struct Shared(Mutex<State>);

struct State {
    /// Who can run, in no particular order: the seed picks.
    ready: Vec<usize>,
    tasks: Vec<Slot>,
    free: Vec<usize>,
    sleepers: BTreeMap<(Instant, u64), Waker>,
    sleeps: u64,
    /// How many bulkheads were made.
    bulkheads: u64,
    now: Instant,
    random: u64,
    over: bool,
    replay: Option<Replay>,
    aim: Option<strike::Target>,
    /// Woken when somebody can run, if the simulation is itself a task.
    #[cfg(feature = "sim-tokio")]
    host: Option<Waker>,
    /// The other clock, that of the runtime in which the simulation is a task.
    #[cfg(feature = "sim-tokio")]
    outer: Option<on_tokio::Outer>,
}

/// One task: its future, except while it is polled.
struct Slot {
    future: Option<Service>,
    /// Which process it is, if it is one.
    process: Option<Peer>,
    /// Its bulkhead, by number.
    bulkhead: Bulkhead,
    queued: bool,
    waker: Waker,
}

/// The bulkhead of a task: a label here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bulkhead {
    None,
    Number(u64),
    /// It ended while the task was polled, which is the last time.
    Gone,
}

/// Whose turn it is.
enum Turn {
    World,
    /// A task whose future was taken out.
    Task {
        task: usize,
        future: Service,
        waker: Waker,
        strike: Option<strike::Blow>,
    },
    /// A task that is over.
    Nobody,
}

impl Sim {
    /// A run with this seed.
    pub fn seed(seed: u64) -> Self {
        Self {
            seed,
            #[cfg(feature = "sim-tokio")]
            on_tokio: false,
        }
    }

    /// Runs `world` to its end, with a node of its own; then drops every process that is left, which ends it.
    ///
    /// # Panics
    /// If the world waits and nothing is left that could wake it.
    pub fn run<T>(self, world: impl AsyncFnOnce(Node) -> T) -> T {
        self.run_with(Node::builder(), world)
    }

    /// The same, on a node with these settings.
    ///
    /// # Panics
    /// As [`run`](Self::run), and if a setting is not valid.
    pub fn run_with<T>(self, settings: NodeBuilder, world: impl AsyncFnOnce(Node) -> T) -> T {
        self.drive(&Shared::new(self.seed), settings, world)
    }

    /// Runs the world in these surroundings; then ends everything that is left.
    fn drive<T>(self, shared: &Arc<Shared>, settings: NodeBuilder, world: impl AsyncFnOnce(Node) -> T) -> T {
        let waker = Waker::from(Arc::new(TaskWaker { shared: Arc::clone(shared), task: WORLD }));
        shared.0.lock().insert(|_| Slot {
            future: None,
            process: None,
            bulkhead: Bulkhead::None,
            queued: true,
            waker: waker.clone(),
        });
        let node = settings
            .on(Backing(Arc::clone(shared)))
            .unwrap_or_else(|error| panic!("the simulation has no node: {error}"));
        let mut world = pin!(world(node));
        // Lets everybody run who can, until the world is over.
        let mut play = || {
            while let Some(turn) = shared.next(self.seed) {
                match turn {
                    Turn::World => {
                        if let Poll::Ready(result) = world.as_mut().poll(&mut Context::from_waker(&waker)) {
                            return Some(result);
                        }
                    }
                    Turn::Task { task, mut future, waker, strike } => {
                        let goes_on = strike.is_none_or(|blow| blow.leaves_alive());
                        let pending = goes_on && future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
                        shared.put_back(task, if pending { Ok(future) } else { Err(future) });
                    }
                    Turn::Nobody => {}
                }
            }
            None
        };
        #[cfg(feature = "sim-tokio")]
        if self.on_tokio {
            return on_tokio::block_on(shared, self.seed, play);
        }
        let result = loop {
            if let Some(result) = play() {
                break result;
            }
            if !shared.jump() {
                stuck(self.seed);
            }
        };
        shared.end();
        result
    }
}

/// Nobody can run, and nobody ever will.
fn stuck(seed: u64) -> ! {
    panic!("the simulation is stuck: the world waits, no process can run and no timer is set; seed {seed}")
}

impl State {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by the real clock; only distances count"
    )]
    fn new(seed: u64) -> Self {
        Self {
            ready: Vec::new(),
            tasks: Vec::new(),
            free: Vec::new(),
            sleepers: BTreeMap::new(),
            sleeps: 0,
            bulkheads: 0,
            now: Instant::now(),
            random: seed,
            over: false,
            replay: None,
            aim: None,
            #[cfg(feature = "sim-tokio")]
            host: None,
            #[cfg(feature = "sim-tokio")]
            outer: None,
        }
    }

    /// The present virtual time.
    fn now(&mut self) -> Instant {
        #[cfg(feature = "sim-tokio")]
        if let Some(outer) = &self.outer {
            self.now = self.now.max(outer.now());
        }
        self.now
    }

    /// Adds a task, ready to run.
    fn insert(&mut self, make: impl FnOnce(usize) -> Slot) {
        let task = self.free.pop().unwrap_or(self.tasks.len());
        let slot = make(task);
        if let Some(replay) = &mut self.replay {
            replay.woke(task);
        }
        if task == self.tasks.len() {
            self.tasks.push(slot);
        } else {
            self.tasks[task] = slot;
        }
        self.ready.push(task);
    }

    /// The next number of the seed's sequence (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Shared {
    fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::new(seed))))
    }

    /// Picks who runs next and takes its future out; `None` if nobody can run.
    ///
    /// # Panics
    /// If this run is to be the same as another one and is not.
    fn next(&self, seed: u64) -> Option<Turn> {
        let mut guard = self.0.lock();
        let state = &mut *guard;
        if state.ready.is_empty() {
            return None;
        }
        let draw = state.draw();
        let pick = (draw % state.ready.len() as u64) as usize;
        let task = state.ready.swap_remove(pick);
        let now = state.now();
        let slot = &mut state.tasks[task];
        slot.queued = false;
        if let Some(replay) = &mut state.replay {
            let (who, entries) = match &slot.process {
                Some(peer) => (Who::Process(peer.pid), peer.seat.entries()),
                None if task == WORLD => (Who::World, 0),
                None => (Who::Service, 0),
            };
            if let Err(parting) = replay.begin(who, now, entries) {
                drop(guard);
                panic!("{}", parting.of_seed(seed));
            }
        }
        if task == WORLD {
            return Some(Turn::World);
        }
        let Some(future) = slot.future.take() else { return Some(Turn::Nobody) };
        let strike = match (&mut state.aim, &slot.process) {
            (Some(aim), Some(peer)) => aim.blow(peer),
            _ => None,
        };
        Some(Turn::Task { task, future, waker: slot.waker.clone(), strike })
    }

    /// Moves the clock to the next sleeper and wakes it; answers false if nobody sleeps.
    fn jump(&self) -> bool {
        let mut state = self.0.lock();
        let Some(((at, _), waker)) = state.sleepers.pop_first() else { return false };
        state.now = state.now.max(at);
        drop(state);
        waker.wake();
        true
    }

    /// Puts the future of a task back that waits, or drops that of one that is over.
    fn put_back(&self, task: usize, future: Result<Service, Service>) {
        let over = match future {
            Ok(future) => {
                let slot = &mut self.0.lock().tasks[task];
                if slot.bulkhead != Bulkhead::Gone {
                    slot.future = Some(future);
                    return;
                }
                future
            }
            Err(over) => over,
        };
        // Its destructor may be user code, and a process that is not over yet ends here.
        drop(over);
        let mut state = self.0.lock();
        // A wake of a finished task finds no future; the number is reused only when it is in no queue.
        state.ready.retain(|ready| *ready != task);
        state.free.push(task);
        state.tasks[task].bulkhead = Bulkhead::None;
        let process = state.tasks[task].process.take();
        drop(state);
        drop(process);
    }

    /// Drops the tasks of a bulkhead that is gone, in the order of their numbers; each process ends by that. One that is
    /// polled just now ends after that poll.
    fn strand(&self, bulkhead: u64) {
        let mut stranded = Vec::new();
        for (task, slot) in self.0.lock().tasks.iter_mut().enumerate() {
            if slot.bulkhead == Bulkhead::Number(bulkhead) {
                slot.bulkhead = Bulkhead::Gone;
                stranded.extend(slot.future.take().map(|future| (task, future)));
            }
        }
        stranded.into_iter().for_each(|(task, future)| self.put_back(task, Err(future)));
    }

    fn wake(&self, task: usize) {
        let mut state = self.0.lock();
        if state.over {
            return;
        }
        if let Some(replay) = &mut state.replay {
            replay.woke(task);
        }
        if state.tasks.get(task).is_none_or(|slot| slot.queued) {
            return;
        }
        state.tasks[task].queued = true;
        state.ready.push(task);
        #[cfg(feature = "sim-tokio")]
        if let Some(host) = state.host.clone() {
            drop(state);
            host.wake();
        }
    }

    /// Drops everything that is left; each process runs its exit protocol in its `Drop`.
    fn end(&self) {
        self.0.lock().over = true;
        loop {
            let mut state = self.0.lock();
            let (tasks, sleepers) = (mem::take(&mut state.tasks), mem::take(&mut state.sleepers));
            drop(state);
            if tasks.is_empty() && sleepers.is_empty() {
                return;
            }
            drop((tasks, sleepers));
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}
