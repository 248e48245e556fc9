//! What the tests share: journals, worlds over many seeds, and processes whose result the test gets.
//!
//! Invariant: an assertion that fails inside of a process would only end that process, so a test either asserts outside,
//! on what a [`Journal`] holds, or runs the process through [`inside`], which fails with it.

use freeboard_process::sync::Mutex;
use freeboard_process::{
    Addr, Birth, CallError, Context, Event, ExitReason, Launch, Launcher, Message, Node, Pending, Pid, Reply, Sim,
    StartError, Supervision, Tag, Ties,
};
use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// How many seeds a test tries where the order matters.
pub(crate) const SEEDS: u64 = 64;

/// What happened, in the order in which it happened.
pub(crate) struct Journal<E>(Arc<Mutex<Vec<E>>>);

impl<E> Journal<E> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    pub(crate) fn note(&self, event: E) {
        self.0.lock().push(event);
    }

    pub(crate) fn take(&self) -> Vec<E> {
        std::mem::take(&mut *self.0.lock())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<E> Clone for Journal<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Notes its name when it is dropped.
pub(crate) struct Notes<E: Clone>(pub(crate) Journal<E>, pub(crate) E);

impl<E: Clone> Drop for Notes<E> {
    fn drop(&mut self) {
        self.0.note(self.1.clone());
    }
}

/// An error of the tests' own.
#[derive(Debug)]
pub(crate) struct Oops(pub(crate) &'static str);

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Oops {}

/// The abnormal reason that displays as `error: {text}`.
pub(crate) fn oops(text: &'static str) -> ExitReason {
    Oops(text).into()
}

/// A numbered message with a tag and a key.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Letter {
    pub(crate) id: u64,
    pub(crate) tag: u32,
    pub(crate) key: u64,
}

impl Message for Letter {
    const TAGS: &'static [&'static str] = &["Junk", "Answer", "Other"];

    fn tag(&self) -> Tag<Self> {
        Tag::new(self.tag)
    }

    fn key(&self) -> Option<freeboard_process::Key<'_>> {
        Some(self.key.into())
    }
}

/// Says which seed failed, if it is dropped by a panic.
pub(crate) struct Culprit(pub(crate) u64);

impl Drop for Culprit {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the failing seed is {}", self.0);
        }
    }
}

/// Runs the world once for each seed.
pub(crate) fn seeds(world: impl AsyncFn(Node)) {
    for seed in 0..SEEDS {
        let _culprit = Culprit(seed);
        Sim::seed(seed).run(&world);
    }
}

/// Runs the world on real threads: a tokio runtime with two workers.
pub(crate) fn threads<T>(world: impl AsyncFnOnce(Node) -> T) -> T {
    runtime().block_on(async { world(Node::new()).await })
}

/// Runs the scene once for each seed, and many times over on real threads, on one node.
pub(crate) fn everywhere(scene: impl AsyncFn(&Node)) {
    seeds(async |node| scene(&node).await);
    threads(async |node| {
        for _ in 0..200 {
            scene(&node).await;
        }
    });
}

/// A tokio runtime with two workers.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// Gives way once.
pub(crate) async fn step_aside() {
    let mut been = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut been, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// In a simulation: returns when nobody can run any more, a millisecond of virtual time later.
pub(crate) async fn settle(node: &Node) {
    pause(node, Duration::from_millis(1)).await;
}

/// In a simulation: returns after that much virtual time.
pub(crate) async fn pause(node: &Node, time: Duration) {
    let clock = node.spawn(async move |mut cx: Context<Reply<()>>| {
        let reply = cx.recv_message().await;
        cx.sleep(time).await;
        reply.send(());
        Ok(())
    });
    clock.call(|reply| reply).forever().await.unwrap();
}

/// Watches that process from now on; the future answers its reason when it has ended.
pub(crate) async fn watch<M: Send + 'static>(node: &Node, addr: &Addr<M>) -> impl Future<Output = ExitReason> {
    let (target, addr) = (addr.clone(), addr.clone());
    let watcher = node.spawn(async move |mut cx: Context<Reply<()>>| {
        let monitor = cx.monitor(&target);
        cx.recv_message().await.send(());
        let _down = cx.recv_down(monitor).await;
        drop(target);
        cx.recv_message().await.send(());
        Ok(())
    });
    watcher.call(|reply| reply).forever().await.unwrap();
    async move {
        watcher.call(|reply| reply).forever().await.unwrap();
        addr.ended().unwrap()
    }
}

/// Waits for the end of that process and answers its reason.
pub(crate) async fn ended<M: Send + 'static>(node: &Node, addr: &Addr<M>) -> ExitReason {
    watch(node, addr).await.await
}

/// Runs `body` as a process and answers what it came to; fails if it ended otherwise.
pub(crate) async fn inside<M, T, F, Fut>(node: &Node, body: F) -> T
where
    M: Send + 'static,
    T: Send + 'static,
    F: FnOnce(Context<M>) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let out = Journal::new();
    let result = out.clone();
    let process = node.spawn(async move |cx: Context<M>| {
        result.note(body(cx).await);
        Ok(())
    });
    let reason = ended(node, &process).await;
    out.take().pop().unwrap_or_else(|| panic!("the process ended without a result: {reason}"))
}

/// A call under way, and the reply it waits for.
pub(crate) async fn asked(node: &Node) -> (Pending<()>, Reply<()>) {
    let (send, reply) = tokio::sync::oneshot::channel();
    let desk = node.spawn(async move |mut cx: Context<Reply<()>>| {
        drop(send.send(cx.recv_message().await));
        Ok(())
    });
    (desk.request(|reply| reply), reply.await.unwrap())
}

/// A process that waits until it is ended from outside.
pub(crate) fn idler(node: &Node) -> Addr<()> {
    node.spawn(async |_cx: Context<()>| std::future::pending().await)
}

/// A process that ends with the reason it is sent.
pub(crate) fn mortal(node: &Node) -> Addr<ExitReason> {
    node.spawn(async |mut cx: Context<ExitReason>| Err(cx.recv_message().await))
}

/// Sends that process its end and waits until it is over.
pub(crate) async fn end(node: &Node, mortal: &Addr<ExitReason>, reason: ExitReason) {
    mortal.cast(reason);
    ended(node, mortal).await;
}

/// A process that traps exits and notes every event it receives, in words, until it is ended from outside.
pub(crate) fn recorder(node: &Node, journal: &Journal<String>) -> Addr<&'static str> {
    let journal = journal.clone();
    node.spawn(async move |mut cx: Context<&'static str>| {
        cx.trap_exit(true);
        loop {
            let event = cx.recv().await;
            journal.note(words(&event));
        }
    })
}

/// An event in words, without the identities in it.
pub(crate) fn words(event: &Event<&'static str>) -> String {
    match event {
        Event::Message(message) => (*message).to_owned(),
        Event::Down(down) => format!("DOWN {}", down.reason),
        Event::Exit(exit) => format!("EXIT {}", exit.reason),
        other => format!("{other:?}"),
    }
}

/// What ties this process to others, without those who watch it.
pub(crate) fn own_ties<M: Send + 'static>(cx: &Context<M>) -> Ties {
    Ties { watchers: 0, ..cx.addr().ties() }
}

/// What is received until nothing comes for a second, in words.
pub(crate) async fn rest(cx: &mut Context<&'static str>) -> Vec<String> {
    let mut rest = Vec::new();
    while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
        rest.push(words(&event));
    }
    rest
}

/// Why a call failed, in words.
pub(crate) fn why<T>(answer: &Result<T, CallError>) -> String {
    match answer {
        Ok(_) => "answered".to_owned(),
        Err(CallError::Exited(reason)) => format!("exited: {reason}"),
        Err(CallError::NotStarted(reason)) => format!("not started: {reason}"),
        Err(other) => format!("{other:?}"),
    }
}

/// Watches over one seat and says that it comes back, as often as it ends.
pub(crate) struct Again;

impl Supervision for Again {
    fn started(&self, _: Pid) {}

    fn comes_back(&self, _: Pid, _: &ExitReason) -> bool {
        true
    }

    fn ended(&self, _: Pid, _: &ExitReason, _: Option<&StartError>) {}
}

/// Starts the next incarnation on that seat, which will come back once more.
pub(crate) fn incarnate<M: Send + 'static>(node: &Node, launcher: &Launcher<M>) -> Pid {
    let pid = launcher.prepare(node).unwrap().pid();
    let birth = Birth { supervision: Some(Arc::new(Again)), ..Birth::default() };
    assert!(launcher.launch(node, pid, birth));
    pid
}

/// A seat whose incarnations note every message.
pub(crate) fn noting(journal: &Journal<u32>) -> Launcher<u32> {
    let journal = journal.clone();
    Launcher::new(move |mut cx: Context<u32>| {
        let journal = journal.clone();
        Box::pin(async move {
            cx.acknowledge();
            loop {
                journal.note(cx.recv_message().await);
            }
        })
    })
}

/// A seat whose incarnations end at a zero.
pub(crate) fn until_zero() -> Launcher<u32> {
    Launcher::new(|mut cx: Context<u32>| {
        Box::pin(async move {
            cx.acknowledge();
            while cx.recv_message().await != 0 {}
            Ok(())
        })
    })
}

/// Numbers that depend on the seed only (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}
