//! How an incarnation comes to be, and how its start is acknowledged.
//!
//! ```text
//!   prepare: slot, pid ─► context ─► body boxed ─► launch: life in place, seat opened, task spawned
//!                                                     └─► init in the child's task ─► acknowledge ─► caller
//! ```
//!
//! Everything an observer could miss is in place before the seat opens: parent, links and monitors (OTP: A10). A start
//! that fails is told to its caller only when the child's exit protocol has run to its end (OTP: F4).
//!
//! # Not here
//! Who may start what and how often: `freeboard-supervisor`.

#[cfg(feature = "blocking")]
use crate::blocking::BlockingContext;
use crate::bulkhead::{Berth, Bulkhead};
use crate::context::{Context, Ended};
use crate::executor::Workers;
use crate::life::{Life, Obligations, Parent};
use crate::names::RegisterError;
use crate::node::Node;
#[cfg(feature = "blocking")]
use crate::own_thread::OwnThread;
use crate::reply::{CallError, Slot};
use crate::seat::{AnySeat, Seat, Sequel};
use crate::task::{Body, Task};
use crate::timer::Action;
use crate::wire::Peer;
use freeboard_mailbox::{Policy, PolicyError, Queue};
use freeboard_signal::{ExitReason, Pid, Ref};
use std::{error::Error, fmt, pin::Pin, sync::Arc, task::Poll};

/// Something a node or a supervisor can start.
pub trait Start: Send + Sized {
    /// What the starter gets: usually an address.
    type Handle;

    /// Starts it, with nobody as parent.
    fn start(self, node: &Node) -> impl Future<Output = Result<Self::Handle, StartError>> + Send;
}

/// Why a start failed. By the time anybody hears of it the child is gone (OTP: F4).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum StartError {
    /// `init` stopped, refused, panicked, or the child ended before it was up.
    Init(ExitReason),
    /// `init` chose not to run (OTP's `ignore`).
    Ignored,
    /// This spec was started before and is not restarted by hand.
    AlreadyStarted,
    /// Its name could not be registered, so `init` has not run (OTP: F6). [`RegisterError::Taken`] says who holds it.
    Name(RegisterError),
    /// The bulkhead of this name, on which it should run, is gone, so `init` has not run.
    Bulkhead(Arc<str>),
    /// The supervisor holds as many children as it may.
    MaxChildren,
    /// `init` took longer than the spec allows; the child was killed.
    Timeout,
    /// The supervisor is shutting down.
    ShuttingDown,
    /// The supervisor is not there: not started, or gone for this reason.
    SupervisorDown(ExitReason),
    /// The spec contradicts itself; the text names the field.
    Spec(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(reason) => write!(f, "the child's init failed: {reason}"),
            Self::Ignored => f.write_str("the child's init chose not to run"),
            Self::AlreadyStarted => f.write_str("this spec was started already; make a new one for another child"),
            Self::Name(error) => write!(f, "the child was not started: {error}"),
            Self::Bulkhead(name) => write!(
                f,
                "the child was not started: its bulkhead {name:?} is gone; keep the bulkhead as long as the tree that uses it"
            ),
            Self::MaxChildren => {
                f.write_str("the supervisor holds max_children children; raise the limit or wait for one to end")
            }
            Self::Timeout => f.write_str("the child's init took longer than start_timeout and was killed"),
            Self::ShuttingDown => f.write_str("the supervisor is shutting down and starts nothing any more"),
            Self::SupervisorDown(reason) => {
                write!(f, "the supervisor is not running ({reason}); start it, or wait for its restart")
            }
            Self::Spec(what) => write!(f, "the child spec is not valid: {what}"),
        }
    }
}

impl Error for StartError {}

/// Who watches over a supervised child. Called from the child's own task, and never with a lock of the process held.
pub trait Supervision: Send + Sync {
    /// `init` succeeded: the child is up.
    fn started(&self, pid: Pid);

    /// Whether the seat will get another incarnation after this end; asked once, before `ended`.
    fn comes_back(&self, pid: Pid, reason: &ExitReason) -> bool;

    /// Whether its spec is kept although it does not come back by itself: it may be started again by hand. Asked after
    /// [`comes_back`](Self::comes_back) has said no.
    fn keeps_spec(&self, pid: Pid, reason: &ExitReason) -> bool {
        let _ = (pid, reason);
        false
    }

    /// The child's exit protocol is through with everything that others can see. `never_up` says why, if its start was
    /// not acknowledged. This is a ticket, not a link: a child cannot take it back (OTP: G36, deviation DEV-15).
    fn ended(&self, pid: Pid, reason: &ExitReason, never_up: Option<&StartError>);
}

/// Those who die with a process although it has no link row for them: a supervisor's children.
pub trait Dependents: Send + Sync {
    /// Takes everybody; from now on nobody can be added. Called once, when the process ends.
    fn take(&self, reason: &ExitReason) -> Vec<Peer>;
}

/// What a new incarnation is given by whoever starts it.
#[derive(Default)]
pub struct Birth {
    /// The starter; its death reaches the child through [`Dependents`], or through a link made here.
    pub parent: Option<Peer>,
    /// Who watches over it.
    pub supervision: Option<Arc<dyn Supervision>>,
    /// Where its start is acknowledged.
    pub ack: Option<Ack>,
    /// Who dies with it.
    pub dependents: Option<Arc<dyn Dependents>>,
}

/// Links and monitors that a new incarnation has from its first moment.
#[derive(Default)]
pub(crate) struct Kin {
    pub(crate) link: Option<(Peer, Ref)>,
    pub(crate) watcher: Option<(Ref, Peer)>,
}

/// The acknowledgement of one start: answered once, by the child when it is up, or at the end of its exit protocol.
#[derive(Clone)]
pub struct Ack(Arc<Slot<Result<(), StartError>>>);

impl Ack {
    /// A new one, unanswered.
    pub fn new() -> Self {
        Self(Slot::new(None, None))
    }

    /// The answer, or parks the task that asks; to be asked again until it comes, by one task at a time.
    pub fn poll(&self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), StartError>> {
        match self.0.poll(cx.waker()) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(answer)) => Poll::Ready(answer),
            Poll::Ready(Err(CallError::Exited(reason))) => Poll::Ready(Err(StartError::SupervisorDown(reason))),
            Poll::Ready(Err(other)) => Poll::Ready(Err(StartError::SupervisorDown(other.into()))),
        }
    }

    /// Answers, if nobody did.
    pub(crate) fn answer(&self, answer: Result<(), StartError>) {
        self.0.answer(Ok(answer));
    }

    /// Kills the child if it is not up by then; the answer is then [`StartError::Timeout`], after its death (OTP: F5).
    /// This holds whether or not anybody still waits.
    pub fn expire(node: &Node, child: &Peer, limit: std::time::Duration) {
        // The timer must not keep the seat of a child that has long ended.
        let (pid, seat) = (child.pid, Arc::downgrade(&child.seat));
        node.timers().at(node.later(limit), |_| {
            Action::Run(Box::new(move || {
                let Some(seat) = seat.upgrade() else { return };
                let child = Peer { pid, seat };
                let mut life = child.seat.core().life.lock();
                let late = child.seat.incarnation() == Some(child.pid.generation())
                    && life.obligations.as_ref().is_some_and(|owed| !owed.up);
                if let (true, Some(owed)) = (late, &mut life.obligations) {
                    owed.failure = Some(Box::new(StartError::Timeout));
                }
                drop(life);
                if late {
                    child.kill();
                }
            }))
        });
    }
}

impl Default for Ack {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ack")
    }
}

impl fmt::Debug for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Birth").field("parent", &self.parent).finish_non_exhaustive()
    }
}

/// An incarnation that has its identity and nothing else yet.
pub(crate) struct Ready<'a> {
    node: &'a Node,
    pub(crate) pid: Pid,
    /// Where it will run, if not on the node's backend.
    on: Option<Arc<dyn Workers>>,
}

/// What an incarnation runs.
pub(crate) enum Work {
    Body(Body),
    #[cfg(feature = "blocking")]
    Thread(OwnThread),
}

impl Work {
    fn task(self, me: Peer) -> Task {
        match self {
            Self::Body(body) => Task::new(me, body),
            #[cfg(feature = "blocking")]
            Self::Thread(thread) => Task::on_thread(me, thread),
        }
    }
}

/// Gives a seat its slot, and its next incarnation an identity.
pub(crate) fn prepare<'a, M: Send + 'static>(node: &'a Node, seat: &Arc<Seat<M>>) -> Result<Ready<'a>, StartError> {
    // With its slot a seat gets its first identity, so that a spawn takes the table's lock once.
    let mut first = None;
    let slot = seat.core.settle(node, || {
        let weak = Arc::downgrade(seat);
        first.insert(node.claim(weak)).slot()
    });
    let slot = slot.ok_or_else(|| StartError::Spec("its address belongs to another node".to_owned()))?;
    Ok(Ready { node, pid: first.unwrap_or_else(|| node.next_pid(slot)), on: None })
}

impl Ready<'_> {
    pub(crate) fn context<M: Send + 'static>(&self, seat: &Arc<Seat<M>>) -> Context<M> {
        Context::new(Arc::clone(seat), self.pid)
    }

    /// The same, to run on these workers.
    pub(crate) fn on(mut self, workers: Option<Arc<dyn Workers>>) -> Self {
        self.on = workers;
        self
    }

    /// Puts everything in place, opens the seat and spawns the task. Answers false if the seat is closed for good or
    /// somebody lives there.
    pub(crate) fn launch<M: Send + 'static>(self, seat: &Arc<Seat<M>>, work: Work, birth: Birth, kin: Kin) -> bool {
        let placed = self.place(seat, birth, kin, work);
        placed.map(|task| self.spawn(task)).is_some()
    }

    /// The same, for a process that is counted already and has no kin.
    pub(crate) fn launch_counted<M: Send + 'static>(self, seat: &Arc<Seat<M>>, work: Work) {
        let placed = self.place(seat, Birth::default(), Kin::default(), work);
        if let Some(task) = placed {
            self.spawn(task.counted());
        }
    }

    fn spawn(&self, task: Task) {
        task.launch(self.node, self.on.as_deref());
    }

    /// The same, for a start that has failed: the process ends in here without having run, and its starter is told why.
    fn launch_failed<M: Send + 'static>(self, seat: &Arc<Seat<M>>, work: Work, birth: Birth, why: StartError) -> bool {
        let placed = self.place(seat, birth, Kin::default(), work);
        placed.map(|task| task.fail(why)).is_some()
    }

    /// The same, for a process that holds a name from before it runs (OTP: F6). If it cannot have that name, it ends in here
    /// without having run; its starter, if it has one, is told by the acknowledgement.
    pub(crate) fn launch_named<M: Send + 'static>(
        self,
        name: Arc<str>,
        seat: &Arc<Seat<M>>,
        work: Work,
        birth: Birth,
    ) -> Result<bool, RegisterError> {
        let Some(task) = self.place(seat, birth, Kin::default(), work) else { return Ok(false) };
        if let Err(error) = self.node.names().register(name, &self.peer(seat)) {
            task.fail(StartError::Name(error));
            return Err(error);
        }
        self.spawn(task);
        Ok(true)
    }

    /// Puts everything in place and opens the seat: the task, not yet spawned.
    fn place<M: Send + 'static>(&self, seat: &Arc<Seat<M>>, birth: Birth, kin: Kin, work: Work) -> Option<Task> {
        // Or this would replace the state of whoever lives there. Starts on one seat do not race: its owner makes them.
        if !seat.intake.may_open() {
            return None;
        }
        let Birth { parent, supervision, ack, dependents } = birth;
        // One that owes nobody an acknowledgement is up from the beginning.
        let mut life = Life::default();
        life.was_up = supervision.is_none() && ack.is_none();
        if parent.is_some() || supervision.is_some() || ack.is_some() {
            let ancestors = parent.as_ref().map(Peer::heirs);
            let parent = parent.map(|parent| Parent { pid: parent.pid, linked: supervision.is_some() });
            let owed = Obligations { parent, supervision, ack, up: false, failure: None, ancestors, about: None };
            life.obligations = Some(Box::new(owed));
        }
        if dependents.is_some() {
            life.rows().dependents = dependents;
        }
        if let Some((peer, link)) = kin.link {
            life.rows().add_link(peer, link);
        }
        if let Some((monitor, watcher)) = kin.watcher {
            life.rows().watchers.insert(monitor, watcher);
        }
        if self.node.dead_letters().is_some() {
            seat.show_dead_letters(&[]);
        }
        seat.core.begin(self.pid.generation(), life);
        if !seat.open(self.pid.generation()) {
            return None;
        }
        seat.core.nudge_early();
        Some(work.task(self.peer(seat)))
    }

    fn peer<M: Send + 'static>(&self, seat: &Arc<Seat<M>>) -> Peer {
        Peer { pid: self.pid, seat: Arc::clone(seat) as Arc<dyn AnySeat> }
    }
}

/// Builds what an incarnation runs; does no more than that, because it runs in the starter.
type MakeWork<M> = dyn Fn(Context<M>) -> Work + Send + Sync;

/// A seat and how to fill it, for those who start children: a supervisor launches through this, again and again.
pub struct Launcher<M: Send + 'static> {
    seat: Arc<Seat<M>>,
    work: Box<MakeWork<M>>,
    /// Not there for most.
    extras: Option<Box<Extras<M>>>,
}

/// What is asked of few starts.
struct Extras<M> {
    /// Put to use by the first start; from then on the seat has it.
    policy: Option<Policy<M>>,
    /// What each incarnation is registered as.
    name: Option<Arc<str>>,
    /// Where each runs, if not on the node's backend.
    on: Option<Berth>,
}

impl<M> Default for Extras<M> {
    fn default() -> Self {
        Self { policy: None, name: None, on: None }
    }
}

impl<M: Send + 'static> Launcher<M> {
    /// A new seat whose incarnations run what `body` builds. `body` itself runs in the starter and must do no more than
    /// build the future.
    pub fn new<Fut>(body: impl Fn(Context<M>) -> Pin<Box<Fut>> + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Ended> + Send + 'static,
    {
        Self::making(Seat::new(), body)
    }

    /// The same, for a body that needs the seat's own address.
    pub fn with_addr<B, Fut>(make: impl FnOnce(crate::Addr<M>) -> B) -> Self
    where
        B: Fn(Context<M>) -> Pin<Box<Fut>> + Send + Sync + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let seat = Seat::new();
        let body = make(crate::Addr::new(Arc::clone(&seat)));
        Self::making(seat, body)
    }

    fn making<Fut>(seat: Arc<Seat<M>>, body: impl Fn(Context<M>) -> Pin<Box<Fut>> + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Ended> + Send + 'static,
    {
        Self { seat, work: Box::new(move |cx| Work::Body(body(cx))), extras: None }
    }

    /// A new seat whose incarnations run `body`, each on a thread of its own: [`Node::spawn_thread`] says what that means.
    #[cfg(feature = "blocking")]
    pub fn thread(body: impl Fn(BlockingContext<M>) -> Ended + Send + Sync + 'static) -> Self {
        let body = Arc::new(body);
        let work = move |cx| {
            let body = Arc::clone(&body);
            Work::Thread(crate::blocking::on_thread(cx, move |cx| body(cx)))
        };
        Self { seat: Seat::new(), work: Box::new(work), extras: None }
    }

    /// Each incarnation runs on that bulkhead (its task does, if it has a thread of its own). The bulkhead is not kept: a start
    /// after it is gone fails with [`StartError::Bulkhead`].
    pub fn on(mut self, bulkhead: &Bulkhead) -> Self {
        self.extras.get_or_insert_default().on = Some(bulkhead.berth());
        self
    }

    /// The policy of the mailbox, from the first start on, for every incarnation. A contradiction in it fails the start.
    pub fn mailbox(mut self, policy: Policy<M>) -> Self {
        self.extras.get_or_insert_default().policy = Some(policy);
        self
    }

    /// The name that each incarnation holds from before it runs. One that is taken fails the start (OTP: F6).
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.extras.get_or_insert_default().name = Some(name.into());
        self
    }

    /// What becomes of the queue when an incarnation ends and another one is to come.
    pub fn queue(self, queue: Queue) -> Self {
        self.seat.intake.set_queue(queue);
        self
    }

    /// Puts the policy to use, if that was not done at an earlier start.
    fn police(&self, node: &Node) -> Result<(), StartError> {
        let Some(policy) = self.extras.as_ref().and_then(|extras| extras.policy.as_ref()) else { return Ok(()) };
        match self.seat.police(node, policy.clone()) {
            Ok(()) | Err(PolicyError::Limited | PolicyError::Started) => Ok(()),
            Err(error) => Err(StartError::Spec(format!("mailbox: {error}"))),
        }
    }

    fn berth(&self) -> Option<&Berth> {
        self.extras.as_ref()?.on.as_ref()
    }

    /// The address of the seat: valid before the first start and across restarts.
    pub fn addr(&self) -> crate::Addr<M> {
        crate::Addr::new(Arc::clone(&self.seat))
    }

    /// Nobody lives there, and nobody is about to.
    fn leave(&self, sequel: Sequel, reason: &ExitReason) {
        if self.seat.core.node().is_some_and(|node| node.dead_letters().is_some()) {
            // It has a node, and may never have got so far as to be opened there.
            self.seat.show_dead_letters(&[]);
        }
        crate::exit::leave_vacant(&(Arc::clone(&self.seat) as Arc<dyn AnySeat>), sequel, reason);
    }
}

/// A [`Launcher`] without its message type.
pub trait Launch: Send + Sync {
    /// Gives the next incarnation its identity.
    ///
    /// # Errors
    /// The seat belongs to another node.
    fn prepare(&self, node: &Node) -> Result<Peer, StartError>;

    /// Starts that incarnation. Answers false if the seat is closed for good or somebody lives there. A name that it cannot
    /// have is a failed start, told like one of its `init`: by the acknowledgement, and to the supervision.
    fn launch(&self, node: &Node, pid: Pid, birth: Birth) -> bool;

    /// Closes the seat for good: no further incarnation will come. Queued messages are dropped, callers hear `reason`; it says
    /// [`NotStarted`](CallError::NotStarted) if nobody was ever up there. For a seat on which nobody lives.
    fn close(&self, reason: &ExitReason);

    /// The next incarnation is not due any more, but may be started by hand: until then the seat is closed to senders.
    /// Queued messages are dropped, callers hear `reason`, as with [`close`](Self::close). For a seat on which nobody lives.
    fn stop(&self, reason: &ExitReason);
}

impl<M: Send + 'static> fmt::Debug for Launcher<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher").field("addr", &self.addr()).finish_non_exhaustive()
    }
}

impl<M: Send + 'static> Drop for Launcher<M> {
    fn drop(&mut self) {
        // Nobody can start this seat any more. If nobody lives there, whoever waits for it hears of it now; if somebody
        // does, the end of that incarnation closes the seat. One that is closed already is being closed by such an end,
        // which tells them when everybody else was told.
        if self.seat.intake.incarnation().is_none() && self.seat.intake.closed().is_none() {
            Launch::close(self, &self.seat.core.last_end().reason);
        }
    }
}

impl<M: Send + 'static> Launch for Launcher<M> {
    fn prepare(&self, node: &Node) -> Result<Peer, StartError> {
        if let Some(berth) = self.berth()
            && !berth.home.is(node)
        {
            return Err(StartError::Spec(format!("on: bulkhead {:?} belongs to another node", berth.name)));
        }
        let ready = prepare(node, &self.seat)?;
        self.police(node)?;
        Ok(Peer { pid: ready.pid, seat: Arc::clone(&self.seat) as Arc<dyn AnySeat> })
    }

    fn launch(&self, node: &Node, pid: Pid, birth: Birth) -> bool {
        let berth = self.berth();
        let workers = berth.and_then(|berth| berth.workers.upgrade());
        let stranded = berth.filter(|_| workers.is_none());
        let ready = Ready { node, pid, on: workers };
        let work = (self.work)(ready.context(&self.seat));
        // The starter hears of a bulkhead that is gone, or a name that is taken, by the acknowledgement, as of a failed init.
        if let Some(Berth { name, .. }) = stranded {
            return ready.launch_failed(&self.seat, work, birth, StartError::Bulkhead(Arc::clone(name)));
        }
        match self.extras.as_ref().and_then(|extras| extras.name.as_ref()) {
            None => ready.launch(&self.seat, work, birth, Kin::default()),
            Some(name) => ready.launch_named(Arc::clone(name), &self.seat, work, birth).unwrap_or(true),
        }
    }

    fn close(&self, reason: &ExitReason) {
        self.leave(Sequel::Over, reason);
    }

    fn stop(&self, reason: &ExitReason) {
        self.leave(Sequel::Stopped, reason);
    }
}
