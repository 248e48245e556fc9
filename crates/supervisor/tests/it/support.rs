//! What the tests are made of: a child that does as it is told, callers that are processes, watchers, and virtual time.
//!
//! Nothing here waits for the wall clock. `quiet` lets everything that can run do so; `pass` lets virtual time go by.

use freeboard_process::sync::{AtomicUsize, Ordering};
use freeboard_process::{Actor, Addr, Context, Ended, ExitReason, InitError, Node, Reply, StartError, Target};
use freeboard_supervisor::{ChildSpec, DynamicRef, Shutdown, child, child_fn};
use std::{
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

/// What one `init` of a [`Probe`] does.
#[derive(Clone, Debug)]
pub(crate) enum Init {
    Up,
    /// Gives way that often first.
    Steps(usize),
    /// Lets that much time pass first.
    Takes(Duration),
    Hangs,
    Stops(ExitReason),
    Refuses(ExitReason),
    Ignores,
    Panics,
    /// The arguments cannot be made.
    NoArgs,
}

/// How a [`Probe`] ends when it is asked to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// By the signal.
    Plain,
    /// It traps exits, and its `terminate` takes that long.
    Slow(Duration),
    /// It traps exits, and its `terminate` never returns.
    Never,
    /// It traps exits, and its `terminate` panics.
    Breaks,
}

/// What a [`Probe`] is sent.
pub(crate) enum Msg {
    /// Which start of the spec this is, from zero.
    Ask(Reply<usize>),
    End(Ended),
    Panic,
    Unlink,
}

/// Counts who is inside, and remembers the most there ever were.
#[derive(Default, Debug)]
pub(crate) struct Gauge {
    now: AtomicUsize,
    high: AtomicUsize,
    total: AtomicUsize,
}

/// One that is inside.
pub(crate) struct Inside(Arc<Gauge>);

impl Gauge {
    pub(crate) fn enter(self: &Arc<Self>) -> Inside {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.high.fetch_max(now, Ordering::SeqCst);
        self.total.fetch_add(1, Ordering::SeqCst);
        Inside(Arc::clone(self))
    }

    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    pub(crate) fn high(&self) -> usize {
        self.high.load(Ordering::SeqCst)
    }

    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A child that does as it is told.
pub(crate) struct Probe {
    start: usize,
    manner: Manner,
    _inside: Inside,
}

pub(crate) struct Setup {
    start: usize,
    init: Init,
    manner: Manner,
    gauge: Arc<Gauge>,
}

impl Actor for Probe {
    type Msg = Msg;
    type Args = Setup;

    async fn init(setup: Setup, cx: &mut Context<Msg>) -> Result<Self, InitError> {
        let inside = setup.gauge.enter();
        cx.trap_exit(setup.manner != Manner::Plain);
        match setup.init {
            Init::Up => {}
            Init::Steps(steps) => {
                for _ in 0..steps {
                    give_way().await;
                }
            }
            Init::Takes(time) => {
                cx.recv_where(|_| false).after(time).await;
            }
            Init::Hangs => pending().await,
            Init::Stops(reason) => return Err(InitError::Stop(reason)),
            Init::Refuses(reason) => return Err(InitError::Refuse(reason)),
            Init::Ignores => return Err(InitError::Ignore),
            Init::Panics | Init::NoArgs => panic!("init was told to"),
        }
        Ok(Self { start: setup.start, manner: setup.manner, _inside: inside })
    }

    async fn handle(&mut self, msg: Msg, cx: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Ask(reply) => reply.send(self.start),
            Msg::End(Ok(())) => return Err(ExitReason::Normal),
            Msg::End(ended) => return ended,
            Msg::Panic => panic!("told to"),
            Msg::Unlink => {
                let parent = cx.parent().expect("a supervised child has a parent");
                cx.unlink(&parent);
            }
        }
        Ok(())
    }

    async fn terminate(&mut self, _: &ExitReason, cx: &mut Context<Msg>) {
        match self.manner {
            Manner::Plain => {}
            Manner::Slow(time) => {
                cx.recv_where(|_| false).after(time).await;
            }
            Manner::Never => pending().await,
            Manner::Breaks => panic!("terminate was told to"),
        }
    }
}

/// A probe whose `n`-th start, from zero, does `plan(n)`.
pub(crate) fn probe(
    gauge: &Arc<Gauge>,
    manner: Manner,
    plan: impl Fn(usize) -> Init + Send + Sync + 'static,
) -> ChildSpec<Msg> {
    let gauge = Arc::clone(gauge);
    let starts = AtomicUsize::new(0);
    child::<Probe>(move || {
        let start = starts.fetch_add(1, Ordering::SeqCst);
        let init = plan(start);
        assert!(!matches!(init, Init::NoArgs), "the factory was told to");
        Setup { start, init, manner, gauge: Arc::clone(&gauge) }
    })
}

/// A probe that comes up at once, always, and ends by the signal.
pub(crate) fn worker() -> ChildSpec<Msg> {
    probe(&Arc::default(), Manner::Plain, |_| Init::Up)
}

/// A raw child that traps exits and ignores them.
pub(crate) fn deaf(shutdown: impl Into<Shutdown>) -> ChildSpec<Msg> {
    child_fn(async |mut cx: Context<Msg>| {
        cx.trap_exit(true);
        loop {
            cx.recv().await;
        }
    })
    .shutdown(shutdown)
}

/// A process that is nobody's child and does nothing.
pub(crate) fn bystander(node: &Node) -> Addr<()> {
    node.spawn(async |mut cx: Context<()>| {
        cx.recv_message().await;
        Ok(())
    })
}

/// An abnormal reason.
pub(crate) fn broken() -> ExitReason {
    std::fmt::Error.into()
}

/// The outcome of a start, as text that can be compared.
pub(crate) fn outcome<T>(result: &Result<T, StartError>) -> String {
    match result {
        Ok(_) => "up".to_owned(),
        Err(StartError::Init(reason)) => format!("init {reason}"),
        Err(StartError::SupervisorDown(reason)) => format!("down {reason}"),
        Err(other) => format!("{other:?}"),
    }
}

/// Gives way once.
pub(crate) async fn give_way() {
    let mut gone = false;
    poll_fn(|task| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets virtual time go by.
pub(crate) async fn pass(node: &Node, time: Duration) {
    let clock = node.spawn(async move |mut cx: Context<Reply<()>>| {
        let reply = cx.recv_message().await;
        cx.recv_message().after(time).await;
        reply.send(());
        Ok(())
    });
    clock.call(|reply| reply).forever().await.unwrap();
}

/// Waits until nobody can run any more: virtual time moves only then.
pub(crate) async fn quiet(node: &Node) {
    pass(node, Duration::from_nanos(1)).await;
}

/// One poll.
pub(crate) async fn poll_once<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|task| {
        Poll::Ready(match future.as_mut().poll(task) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Work done by a process of its own; its result can be asked for.
pub(crate) struct Caller<T: Send + 'static>(Addr<Reply<T>>);

impl<T: Send + 'static> Caller<T> {
    pub(crate) fn new(node: &Node, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(node.spawn(async move |mut cx: Context<Reply<T>>| {
            let result = work.await;
            cx.recv_message().await.send(result);
            Ok(())
        }))
    }

    pub(crate) async fn result(self) -> T {
        self.0.call(|reply| reply).forever().await.unwrap()
    }

    pub(crate) fn kill(&self) {
        self.0.kill();
    }
}

/// Has a process of its own stop the supervisor.
pub(crate) fn stop_later(node: &Node, sup: &DynamicRef, reason: ExitReason) {
    let sup = sup.clone();
    drop(node.spawn(async move |_: Context<()>| {
        sup.stop(reason).await;
        Ok(())
    }));
}

/// The death of a process: why, and when.
type Death = (ExitReason, Instant);

/// A monitor that is in place.
pub(crate) struct Watch(Addr<Reply<Option<Death>>>);

impl Watch {
    pub(crate) async fn on(node: &Node, target: impl Target + Send + Sync + 'static) -> Self {
        let watcher = node.spawn(async move |mut cx: Context<Reply<Option<Death>>>| {
            let monitor = cx.monitor(&target);
            cx.recv_message().await.send(None);
            let down = cx.recv_down(monitor).await;
            let death = (down.reason, cx.now());
            cx.recv_message().await.send(Some(death));
            Ok(())
        });
        assert!(watcher.call(|reply| reply).forever().await.unwrap().is_none());
        Self(watcher)
    }

    /// Waits for the death.
    pub(crate) async fn death(self) -> (String, Instant) {
        let (reason, at) = self.0.call(|reply| reply).forever().await.unwrap().expect("the second answer is the death");
        (reason.to_string(), at)
    }
}
