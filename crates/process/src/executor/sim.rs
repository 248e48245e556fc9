//! The simulator: one thread, virtual time, and a seed that picks who runs next.
//!
//! ```text
//!   ready: [world, p3, p7]  ──seed picks──► poll ──► wakes push to ready
//!   nobody ready ──► the clock jumps to the earliest sleeper
//! ```
//!
//! Same seed, same run: the order of everything is drawn from the seed, time moves only when nobody can run, and nothing
//! here iterates over a randomly hashed map. User code keeps this up if it takes time, timers and randomness from its
//! context, starts no threads and does no real I/O.
//!
//! # Invariants
//! * Virtual time never goes back, and moves only when nobody is ready.
//! * A task is in `ready` at most once, and never polled inside its own poll.

use super::{Backend, Service};
use crate::builder::NodeBuilder;
use crate::node::Node;
use crate::sync::Mutex;
use crate::task::Task;
use freeboard_signal::Clock;
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    io, mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
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
    now: Instant,
    random: u64,
    over: bool,
}

/// One task: its future, except while it is polled.
struct Slot {
    future: Option<Service>,
    queued: bool,
    waker: Waker,
}

struct Backing(Arc<Shared>);

struct TaskWaker {
    shared: Arc<Shared>,
    task: usize,
}

impl Sim {
    /// A run with this seed.
    pub fn seed(seed: u64) -> Self {
        Self { seed }
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
    /// As [`run`](Self::run).
    pub fn run_with<T>(self, settings: NodeBuilder, world: impl AsyncFnOnce(Node) -> T) -> T {
        let shared = Arc::new(Shared(Mutex::new(State::new(self.seed))));
        let world_waker = Waker::from(Arc::new(TaskWaker { shared: Arc::clone(&shared), task: WORLD }));
        shared.0.lock().insert(|_| (None, world_waker.clone()));
        let node = settings.on(Backing(Arc::clone(&shared)));
        let mut world = pin!(world(node));
        let result = loop {
            match shared.next() {
                Some((WORLD, _)) => {
                    if let Poll::Ready(result) = world.as_mut().poll(&mut Context::from_waker(&world_waker)) {
                        break result;
                    }
                }
                Some((task, Some((mut future, waker)))) => {
                    let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                    shared.put_back(task, polled.is_pending().then_some(future));
                }
                Some((_, None)) => {}
                None => panic!(
                    "the simulation is stuck: the world waits, no process can run and no timer is set; seed {}",
                    self.seed
                ),
            }
        };
        shared.end();
        result
    }
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
            now: Instant::now(),
            random: seed,
            over: false,
        }
    }

    /// Adds a task, ready to run.
    fn insert(&mut self, make: impl FnOnce(usize) -> (Option<Service>, Waker)) {
        let task = self.free.pop().unwrap_or(self.tasks.len());
        let (future, waker) = make(task);
        let slot = Slot { future, queued: true, waker };
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
    /// Picks who runs next and takes its future out; moves the clock if nobody can run.
    fn next(&self) -> Option<(usize, Option<(Service, Waker)>)> {
        loop {
            let mut state = self.0.lock();
            if state.ready.is_empty() {
                let ((at, _), waker) = state.sleepers.pop_first()?;
                state.now = state.now.max(at);
                drop(state);
                waker.wake();
                continue;
            }
            let draw = state.draw();
            let pick = (draw % state.ready.len() as u64) as usize;
            let task = state.ready.swap_remove(pick);
            let slot = &mut state.tasks[task];
            slot.queued = false;
            let taken = slot.future.take().map(|future| (future, slot.waker.clone()));
            return Some((task, taken));
        }
    }

    fn put_back(&self, task: usize, future: Option<Service>) {
        let mut state = self.0.lock();
        if future.is_none() {
            // A wake of a finished task finds no future; the number is reused only when it is in no queue.
            state.ready.retain(|ready| *ready != task);
            state.free.push(task);
        }
        state.tasks[task].future = future;
    }

    fn wake(&self, task: usize) {
        let mut state = self.0.lock();
        if state.over || state.tasks.get(task).is_none_or(|slot| slot.queued) {
            return;
        }
        state.tasks[task].queued = true;
        state.ready.push(task);
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

impl Clock for Backing {
    fn now(&self) -> Instant {
        self.0.0.lock().now
    }
}

impl Backend for Backing {
    fn spawn(&self, task: Task) {
        self.spawn_service(Box::pin(task));
    }

    fn spawn_service(&self, service: Service) {
        let mut state = self.0.0.lock();
        if state.over {
            drop(state);
            drop(service);
            return;
        }
        let shared = Arc::clone(&self.0);
        state.insert(|task| (Some(service), Waker::from(Arc::new(TaskWaker { shared, task }))));
    }

    fn sleep_until(&self, at: Instant) -> Service {
        Box::pin(Sleep { shared: Arc::clone(&self.0), at, key: None })
    }

    fn random(&self) -> u64 {
        self.0.0.lock().draw()
    }

    fn spawn_thread(&self, _: String, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        drop(body);
        let why = "a simulation has no threads: spawn an ordinary process in it, or use a node on tokio";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn assert_may_block(&self) {
        panic!("a simulation has one thread, and a blocking call would stop it for good: await the call instead");
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.shared.wake(self.task);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.wake(self.task);
    }
}

/// A wait for virtual time.
struct Sleep {
    shared: Arc<Shared>,
    at: Instant,
    key: Option<(Instant, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.shared.0.lock();
        if state.now >= this.at {
            return Poll::Ready(());
        }
        let key = match this.key {
            Some(key) => key,
            None => {
                state.sleeps += 1;
                (this.at, state.sleeps)
            }
        };
        this.key = Some(key);
        let replaced = state.sleepers.insert(key, cx.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.shared.0.lock().sleepers.remove(&key);
            drop(waker);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}
