//! A backend driven by hand: the test says when a task is polled, when one is dropped, and when time passes.
//!
//! Tasks run in the order in which they were woken. The node's own timer service is task 0; the processes follow in the
//! order of their spawns.

use freeboard_process::sync::Mutex;
use freeboard_process::{Backend, Clock, Node, NodeBuilder, Service, Sim, Task};
use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Wake, Waker},
    time::{Duration, Instant},
};

#[derive(Clone)]
pub(crate) struct Stepper(Arc<Shared>);

struct Shared(Mutex<State>);

struct State {
    tasks: Vec<Slot>,
    ready: VecDeque<usize>,
    sleepers: BTreeMap<(Instant, u64), Waker>,
    sleeps: u64,
    /// How often the clock was read.
    reads: u64,
    now: Instant,
}

struct Slot {
    future: Option<Service>,
    waker: Waker,
    ready: bool,
}

struct TaskWaker {
    shared: Arc<Shared>,
    task: usize,
}

struct Sleep {
    shared: Arc<Shared>,
    key: (Instant, u64),
}

impl Stepper {
    pub(crate) fn new() -> (Self, Node) {
        Self::with(Node::builder())
    }

    /// The same, for a node with settings.
    pub(crate) fn with(settings: NodeBuilder) -> (Self, Node) {
        let now = Sim::seed(0).run(async |node: Node| node.now());
        let state =
            State { tasks: Vec::new(), ready: VecDeque::new(), sleepers: BTreeMap::new(), sleeps: 0, reads: 0, now };
        let stepper = Self(Arc::new(Shared(Mutex::new(state))));
        let node = settings.on(stepper.clone()).unwrap();
        (stepper, node)
    }

    /// Whether that task is not over.
    pub(crate) fn is_there(&self, task: usize) -> bool {
        self.0.0.lock().tasks[task].future.is_some()
    }

    /// How many tasks were spawned: the number of the next one.
    pub(crate) fn tasks(&self) -> usize {
        self.0.0.lock().tasks.len()
    }

    /// Polls the task that waits longest; answers false if none can run.
    pub(crate) fn step(&self) -> bool {
        let Some(task) = self.0.0.lock().ready.pop_front() else { return false };
        self.poll(task);
        true
    }

    /// Polls that task, woken or not.
    pub(crate) fn poll(&self, task: usize) {
        let (future, waker) = {
            let mut state = self.0.0.lock();
            let slot = &mut state.tasks[task];
            slot.ready = false;
            (slot.future.take(), slot.waker.clone())
        };
        let Some(mut future) = future else { return };
        if future.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_pending() {
            self.0.0.lock().tasks[task].future = Some(future);
        }
    }

    /// Polls until nobody can run.
    pub(crate) fn settle(&self) {
        while self.step() {}
    }

    /// Moves the clock to the next sleeper and wakes it; answers false if nobody sleeps.
    pub(crate) fn jump(&self) -> bool {
        let Some(((at, _), waker)) = ({ self.0.0.lock().sleepers.pop_first() }) else { return false };
        {
            let mut state = self.0.0.lock();
            state.now = state.now.max(at);
        }
        waker.wake();
        true
    }

    /// Moves the clock without waking anybody.
    pub(crate) fn pass(&self, time: Duration) {
        self.0.0.lock().now += time;
    }

    /// Polls and lets time pass until neither gets anywhere; at most `polls` times. Answers how often it polled.
    pub(crate) fn run(&self, polls: usize) -> usize {
        let mut polled = 0;
        while polled < polls {
            if self.step() {
                polled += 1;
            } else if !self.jump() {
                break;
            }
        }
        polled
    }

    /// Drops a task without a poll, as a runtime does that goes away. A task that is over, or being polled, stays.
    pub(crate) fn drop_task(&self, task: usize) {
        let future = self.0.0.lock().tasks[task].future.take();
        drop(future);
    }

    /// How many sleeps were asked for, and how often the clock was read.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.0.0.lock();
        (state.sleeps, state.reads)
    }

    /// Whether any timer of that node is set that is not due.
    pub(crate) fn has_timers(&self, node: &Node) -> bool {
        self.settle();
        while self.is_due() {
            self.jump();
            self.settle();
        }
        node.timers_set() > 0
    }

    /// Whether a sleeper should have been woken by now.
    fn is_due(&self) -> bool {
        let state = self.0.0.lock();
        state.sleepers.first_key_value().is_some_and(|((at, _), _)| *at <= state.now)
    }

    /// Drops everything that is left.
    pub(crate) fn finish(&self) {
        for task in 0..self.tasks() {
            self.drop_task(task);
        }
    }
}

impl Clock for Stepper {
    fn now(&self) -> Instant {
        let mut state = self.0.0.lock();
        state.reads += 1;
        state.now
    }
}

impl Backend for Stepper {
    fn spawn(&self, task: Task) {
        self.spawn_service(Box::pin(task));
    }

    fn spawn_service(&self, service: Service) {
        let mut state = self.0.0.lock();
        let task = state.tasks.len();
        let waker = Waker::from(Arc::new(TaskWaker { shared: Arc::clone(&self.0), task }));
        state.tasks.push(Slot { future: Some(service), waker, ready: true });
        state.ready.push_back(task);
    }

    fn sleep_until(&self, at: Instant) -> Service {
        let mut state = self.0.0.lock();
        state.sleeps += 1;
        Box::pin(Sleep { shared: Arc::clone(&self.0), key: (at, state.sleeps) })
    }

    fn random(&self) -> u64 {
        7
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.spawn_service(Box::pin(async move { work() }));
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut state = self.shared.0.lock();
        let slot = &mut state.tasks[self.task];
        if !std::mem::replace(&mut slot.ready, true) {
            state.ready.push_back(self.task);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut state = self.shared.0.lock();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        let replaced = state.sleepers.insert(self.key, cx.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.shared.0.lock().sleepers.remove(&self.key);
        drop(waker);
    }
}
