//! A process seen from inside: who it is, what it may do to others, what it spawns.
//!
//! The receives are in `receive.rs`, the timers in `own_timers.rs`. Everything here runs in the process's own task,
//! so links and monitors take effect before the call returns (OTP: D6, D7), with no lock that anybody else waits for.
//!
//! # Not here
//! What the signals do on the other side (`life.rs`).

use crate::addr::Addr;
use crate::current;
use crate::executor::Workers;
use crate::feed::Feeds;
use crate::idle::Idle;
use crate::life::{Life, Link};
use crate::monitor::MonitorOptions;
use crate::node::Node;
use crate::own_timers::OwnTimers;
use crate::seat::{AnySeat, Seat};
use crate::site::Site;
use crate::start::{Birth, Kin, StartError, Work};
use crate::sync::MutexGuard;
use crate::target::Target;
use crate::wire::{Peer, Signal};
use freeboard_mailbox::{Asked, Inbox, Notice};
use freeboard_monitor::Row;
use freeboard_signal::{ExitReason, Pid, Ref};
use std::{collections::VecDeque, fmt, future::Future, sync::Arc, time::Instant};

/// How a process ends: `Ok(())` is the reason `Normal`, `?` makes any error a reason.
pub type Ended = Result<(), ExitReason>;

/// A process seen from inside. It is given to the process's body, by value.
///
/// Its receives belong to the process's own task. When the process has ended, a context that was moved elsewhere is
/// inert: receives wait for ever and signals go nowhere. What it had taken and not received is dropped, and callers in it
/// hear the exit reason: at once if a receive is waiting there, else when it is polled or dropped.
pub struct Context<M: Send + 'static> {
    pub(crate) seat: Arc<Seat<M>>,
    pub(crate) inbox: Inbox<M, Signal>,
    /// Received since this process last gave way to others, or was asked whether it should.
    pub(crate) served: u16,
    /// How often it was asked since then, and went on.
    pub(crate) rounds: u16,
    /// Received since the intake was last told.
    pub(crate) unnoted: u32,
    /// What most processes never use: an idle one pays a word for it.
    pub(crate) rare: Option<Box<Rare<M>>>,
    pid: Pid,
}

/// What most processes never use.
pub(crate) struct Rare<M: Send + 'static> {
    /// Messages from [`Context::then`], to be handled before the queue.
    pub(crate) next: VecDeque<M>,
    pub(crate) timers: OwnTimers<M>,
    pub(crate) idle: Option<Idle>,
    pub(crate) feeds: Feeds<M>,
    /// Why this actor stops when its handler is through, if it does.
    pub(crate) stops: Option<Box<ExitReason>>,
    /// What the runtime has asked in the middle of a handler, to be served when that is through.
    pub(crate) asked: VecDeque<Box<Asked>>,
}

impl<M: Send + 'static> Rare<M> {
    /// Whether an actor has nothing to do here before its queue.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.next.is_empty() && self.asked.is_empty() && self.stops.is_none()
    }
}

impl<M: Send + 'static> Default for Rare<M> {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            timers: OwnTimers::default(),
            idle: None,
            feeds: Feeds::default(),
            stops: None,
            asked: VecDeque::new(),
        }
    }
}

impl<M: Send + 'static> Context<M> {
    pub(crate) fn new(seat: Arc<Seat<M>>, pid: Pid) -> Self {
        Self { seat, inbox: Inbox::new(), served: 0, rounds: 0, unnoted: 0, rare: None, pid }
    }

    /// The node this process runs on.
    pub fn node(&self) -> &Node {
        self.seat.core.node().expect("a context is made for a seat that was started")
    }

    /// This incarnation's identity.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The address of this process's seat.
    pub fn addr(&self) -> Addr<M> {
        Addr::new(Arc::clone(&self.seat))
    }

    /// Who started this process, if a process or a supervisor did. When the node stops, it takes the place of a parent that
    /// is not there.
    pub fn parent(&self) -> Option<Pid> {
        self.life()?.parent().map(|parent| parent.pid)
    }

    /// This incarnation's state; `None` when it has ended, and the seat may be another one's.
    pub(crate) fn life(&self) -> Option<MutexGuard<'_, Life>> {
        self.seat.core.life_of(self.pid.generation())
    }

    /// The present instant on the node's clock.
    pub fn now(&self) -> Instant {
        self.node().now()
    }

    /// Messages that selective receives have looked at so far, those of earlier incarnations on this seat included.
    pub fn inspected(&self) -> u64 {
        self.seat.intake.inspected() + self.inbox.inspected()
    }

    /// Chooses whether exit signals become events (OTP: B6) or end this process (OTP: B4). Answers what it was before.
    ///
    /// The choice counts when a signal is received, not when it was sent (OTP: B9).
    pub fn trap_exit(&mut self, on: bool) -> bool {
        self.life().is_some_and(|mut life| std::mem::replace(&mut life.trap_exit, on))
    }

    /// Links this process and the target: when one ends, the other gets an exit signal (OTP: B1–B3). Linking twice is one
    /// link; linking to oneself does nothing (OTP: B2).
    ///
    /// A target that is gone answers with an exit signal `NoProc`. If that ends this process, it died of an
    /// [`Absent`](crate::Absent) error (OTP: A7).
    ///
    /// # Deviation
    /// OTP raises an error in a caller that does not trap exits; here the signal comes in both cases
    /// (`docs/deviations.md`, DEV-07).
    pub fn link(&mut self, target: &(impl Target + ?Sized)) {
        self.link_marked(target, false);
    }

    /// As [`link`](Self::link), and the exit message that this process gets over the link, if it traps exits, goes ahead of
    /// ordinary messages (OTP: B15). Of a link that stands already it is asked from now on; linking again without it takes
    /// it back. The other side is not concerned.
    pub fn link_priority(&mut self, target: &(impl Target + ?Sized)) {
        self.link_marked(target, true);
    }

    fn link_marked(&mut self, target: &(impl Target + ?Sized), priority: bool) {
        let peer = self.peer_or_absent(target);
        if peer.pid == self.pid {
            return;
        }
        let token = {
            let Some(mut life) = self.life() else { return };
            let rows = life.rows();
            if let Some(link) = rows.links.get_mut(&peer.pid) {
                link.priority = priority;
                return;
            }
            let token = self.node().new_ref();
            rows.add_link(peer.clone(), token).priority = priority;
            token
        };
        let me = self.me();
        if self.is_absent(&peer) || !peer.signal(Signal::Link { link: token, peer: me.clone() }) {
            me.signal(Signal::LinkExit { from: peer.pid, links: vec![token], reason: ExitReason::NoProc });
        }
    }

    /// Removes the link to the target, if there is one. When this returns, no exit of that link will arrive any more; one
    /// that is queued already stays (OTP: B11).
    pub fn unlink(&mut self, target: &(impl Target + ?Sized)) {
        let _was_linked = self.take_link(target);
    }

    /// Removes the link, and answers whether there was one.
    fn take_link(&mut self, target: &(impl Target + ?Sized)) -> bool {
        let now = target.resolve(self.node());
        let (removed, mut was_linked): (Vec<Link>, bool) = {
            let Some(mut life) = self.life() else { return false };
            let mut was_linked = false;
            if let Some(parent) = life.parent()
                && now == Some(parent.pid)
            {
                was_linked = std::mem::replace(&mut parent.linked, false);
            }
            let Some(rows) = life.rows_if_any() else { return was_linked };
            let links = rows.links.extract_if(|_, link| target.is(&link.peer, now)).map(|(_, link)| link).collect();
            (links, was_linked)
        };
        was_linked |= !removed.is_empty();
        for link in removed {
            link.peer.signal(Signal::Unlink { from: self.pid, links: link.tokens });
        }
        was_linked
    }

    /// Removes the link to the target, and the oldest exit of it that is queued already, if this process traps exits: what
    /// OTP's supervisors do before they forget a child (OTP: B11). Answers whether the link was in force; `false` also means
    /// that an exit was removed. The exit is known by the identity it came from, so name one that may have ended by its
    /// [`Pid`]: an address or a name of it names nobody by then, and removes no exit.
    ///
    /// ```
    /// use freeboard_process::{Context, ExitReason, Node, Sim};
    /// use std::time::Duration;
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<()>| {
    ///     cx.trap_exit(true);
    ///     let child = cx.spawn_link(async |_cx: Context<()>| Err(ExitReason::Shutdown));
    ///     let child = child.pid().unwrap();
    ///     // The child ends, and its exit is queued.
    ///     cx.sleep(Duration::from_millis(1)).await;
    ///     let was_linked = cx.unlink_flush(&child);
    ///     let nothing = cx.recv().after(Duration::ZERO).await;
    ///     # let _ = done.send((was_linked, nothing.is_none()));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (false, true));
    /// # });
    /// ```
    pub fn unlink_flush(&mut self, target: &(impl Target + ?Sized)) -> bool {
        // Whom it names may be gone by the time the link is looked up, so it is asked first.
        let pid = target.resolve(self.node());
        let was_linked = self.take_link(target);
        if let (false, Some(pid)) = (was_linked, pid) {
            self.flush(Notice::Exit(pid));
        }
        was_linked
    }

    /// Watches the target: its end, or its absence, arrives as one `Down` that carries the returned token (OTP: C1–C5).
    ///
    /// The request is ahead of whatever this process sends to the target afterwards (OTP: D6).
    pub fn monitor(&mut self, target: &(impl Target + ?Sized)) -> Ref {
        self.monitor_with(target, &MonitorOptions::new())
    }

    /// Takes a monitor back. When this returns, its `Down` will not be queued any more; one that is queued stays
    /// (OTP: C6). Answers whether the monitor was in force; unknown ones are accepted. An alias of the monitor ends with it,
    /// unless it was made to last ([`AliasMode::Explicit`](crate::AliasMode::Explicit)).
    pub fn demonitor(&mut self, monitor: Ref) -> bool {
        let row = self.life().and_then(|mut life| life.rows_if_any().and_then(|rows| rows.take_monitor(monitor)));
        let Some(row) = row else { return false };
        if row.peer.pid != self.pid {
            row.peer.signal(Signal::Demonitor { monitor });
        }
        true
    }

    /// Takes a monitor back, and its `Down` too if that is queued already (OTP: C7). Answers whether the monitor was in
    /// force; `false` also means that a `Down` was removed.
    pub fn demonitor_flush(&mut self, monitor: Ref) -> bool {
        if self.demonitor(monitor) {
            return true;
        }
        self.flush(Notice::Down(monitor));
        false
    }

    /// Takes a notice out of the queue, wherever it is; answers whether it was there.
    fn flush(&mut self, notice: Notice) -> bool {
        self.take_ahead();
        self.inbox.flush(notice) || self.seat.intake.flush(notice)
    }

    /// Sends an exit signal to the target (OTP: B7). Nobody there: nothing happens.
    pub fn exit(&mut self, target: &(impl Target + ?Sized), reason: ExitReason) {
        if let Some(peer) = target.peer(self.node()) {
            peer.exit(self.pid, reason);
        }
    }

    /// Starts a process that is linked to this one from its first moment (OTP: A10).
    pub fn spawn_link<N, F, Fut>(&mut self, body: F) -> Addr<N>
    where
        N: Send + 'static,
        F: FnOnce(Context<N>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.spawn_link_on(None, body)
    }

    pub(crate) fn spawn_link_on<N, F, Fut>(&mut self, on: Option<&Arc<dyn Workers>>, body: F) -> Addr<N>
    where
        N: Send + 'static,
        F: FnOnce(Context<N>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let token = self.node().new_ref();
        let kin = Kin { link: Some((self.me(), token)), watcher: None };
        self.spawn_with(on, body, kin, |life, child| {
            life.rows().add_link(child, token);
        })
    }

    /// Starts a process that this one monitors from its first moment (OTP: A10).
    pub fn spawn_monitor<N, F, Fut>(&mut self, body: F) -> (Addr<N>, Ref)
    where
        N: Send + 'static,
        F: FnOnce(Context<N>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.spawn_monitor_on(None, body)
    }

    pub(crate) fn spawn_monitor_on<N, F, Fut>(&mut self, on: Option<&Arc<dyn Workers>>, body: F) -> (Addr<N>, Ref)
    where
        N: Send + 'static,
        F: FnOnce(Context<N>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let monitor = self.node().new_ref();
        let kin = Kin { link: None, watcher: Some((monitor, self.me())) };
        let addr = self.spawn_with(on, body, kin, |life, child| {
            let row = Row { pid: child.pid, peer: child, name: None, tag: None, priority: false };
            life.rows().watching.insert(monitor, row);
        });
        (addr, monitor)
    }

    /// Starts a process; `row` is written here before the child can run, so none of its signals can come too early.
    pub(crate) fn spawn_with<N, F, Fut>(
        &mut self,
        on: Option<&Arc<dyn Workers>>,
        body: F,
        kin: Kin,
        row: impl FnOnce(&mut Life, Peer),
    ) -> Addr<N>
    where
        N: Send + 'static,
        F: FnOnce(Context<N>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let seat = Seat::new();
        let ready = Site::new(self.node(), on).prepare(&seat);
        let child = Peer { pid: ready.pid, seat: Arc::clone(&seat) as Arc<dyn AnySeat> };
        let body = Box::pin(body(ready.context(&seat)));
        if let Some(mut life) = self.life() {
            row(&mut life, child);
        }
        let birth = Birth { parent: Some(self.me()), ..Birth::default() };
        ready.launch(&seat, Work::Body(body), birth, kin);
        Addr::new(seat)
    }

    /// Puts a message in front of the queue: an [`Actor`](crate::Actor) handles it directly after the present handler,
    /// before anything that waits (OTP: F22). Several keep their order.
    pub fn then(&mut self, message: M) {
        self.rare.get_or_insert_default().next.push_back(message);
    }

    /// Tells whoever started this process that it is up (OTP: F1). An [`Actor`](crate::Actor) does so when its `init` is
    /// through; a raw child does it itself, or its spec does. Later calls change nothing.
    pub fn acknowledge(&mut self) {
        let up = self.life().and_then(|mut life| life.come_up());
        if let Some(up) = up {
            up.tell(self.pid);
        }
    }

    /// Says what the starter shall hear when this process ends before it was up.
    pub(crate) fn fail_start(&mut self, failure: StartError) {
        // What it may replace is dropped when the lock is released.
        let mut failure = Some(Box::new(failure));
        if let Some(mut life) = self.life()
            && let Some(owed) = &mut life.obligations
        {
            std::mem::swap(&mut owed.failure, &mut failure);
        }
    }

    pub(crate) fn me(&self) -> Peer {
        Peer { pid: self.pid, seat: Arc::clone(&self.seat) as Arc<dyn AnySeat> }
    }

    /// How to reach this process, for those who start children in its name.
    pub fn peer(&self) -> Peer {
        self.me()
    }

    /// The target, or a stand-in that answers nothing: the identity asked for, or the node's if there is none.
    pub(crate) fn peer_or_absent(&self, target: &(impl Target + ?Sized)) -> Peer {
        target.peer(self.node()).unwrap_or_else(|| {
            let pid = target.absent().unwrap_or_else(|| self.node().pid());
            Peer { pid, seat: Arc::clone(&self.seat) as Arc<dyn AnySeat> }
        })
    }

    pub(crate) fn is_absent(&self, peer: &Peer) -> bool {
        peer.pid != self.pid && std::ptr::addr_eq(Arc::as_ptr(&peer.seat), Arc::as_ptr(&self.seat))
    }

    /// Drops what this receiver had taken when its process ended without it. Whoever waits for an answer hears why.
    pub(crate) fn bury(&self, mut rest: Inbox<M, Signal>) {
        if rest.is_empty() {
            return;
        }
        current::run_ending(self.pid, self.seat.core.last_end().answer(), || {
            while let Some(entry) = rest.take_next() {
                self.seat.bury(entry);
            }
        });
    }
}

impl<M: Send + 'static> Drop for Context<M> {
    fn drop(&mut self) {
        self.seat.intake.note_inspected(self.inbox.take_inspected());
        if self.seat.core.is_living(self.pid.generation()) {
            self.seat.intake.note_handled(u64::from(std::mem::take(&mut self.unnoted)));
        }
        if self.inbox.is_empty() {
            return;
        }
        // What this receiver took and did not use goes back to the seat, where the exit protocol drops it in its turn.
        if let Some(late) = self.seat.intake.give_back(self.pid.generation(), std::mem::take(&mut self.inbox)) {
            self.bury(late);
        }
    }
}

impl<M: Send + 'static> fmt::Debug for Context<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("pid", &self.pid).finish_non_exhaustive()
    }
}
