//! The children of one dynamic supervisor: where callers, children and the supervisor meet.
//!
//! ```text
//!   caller      admit ─► insert(Starting) ─► launch ─► launched ─► wait for the ack
//!   child       started: Starting → Running           ended: row removed, or Restarting and told to the supervisor
//!   supervisor  open · restart · close, then waits until the table is empty
//! ```
//!
//! # Fields
//! | field | who | when |
//! |---|---|---|
//! | `admission` | callers add, whoever removes a row subtracts, the supervisor opens and closes | compare-exchange on {closed, tracked} |
//! | `shards` | everybody | under the shard's lock; a seat always maps to the same shard |
//! | `ends` | children push, the supervisor takes | under its lock |
//!
//! # Invariants
//! * T1: a row is inserted only if its shard is not closed, and closing visits each shard under its lock. So at the end of
//!   `close` every admitted child is either in the list that was returned, or its insert is refused.
//! * T2: a child whose row was listed before its seat was open misses the signal that was sent then; its starter looks
//!   again after the launch (`launched`) and sends it. So no child outlives its supervisor's end.
//! * T3: a row leaves the table once, and `tracked` falls by one with it.
//! * T4: no signal is sent, no child launched and nothing of a spec dropped under a lock of the table.
//!
//! # Not here
//! Whether a restart is allowed: that is the supervisor's own decision, in order, in `server.rs`.

use crate::child_spec::{AnyChild, Terms};
use crate::report;
use crate::restart::Verdict;
use crate::sync::{AtomicUsize, Mutex, Ordering};
use foldhash::fast::FixedState;
use freeboard_process::{Addr, Dependents, Launch, Node, Peer, StartError, Supervision};
use freeboard_signal::{ExitReason, Pid};
use std::{collections::VecDeque, sync::Arc};

/// Locks the rows are spread over.
const SHARDS: usize = if cfg!(freeboard_loom) { 1 } else { 8 };

/// Bit 0 of `admission`: closed. The rest counts the children tracked.
const CLOSED: usize = 1;
const ONE: usize = 2;

type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// All children of one supervisor, over all its incarnations.
pub(crate) struct Table {
    limits: Mutex<super::Limits>,
    /// A copy of the limit, for a look without the lock.
    max_children: AtomicUsize,
    admission: AtomicUsize,
    shards: Box<[Mutex<Shard>]>,
    ends: Mutex<VecDeque<End>>,
    owner: Mutex<Option<Owner>>,
    /// Who is told that `ends` is no longer empty, or that the closed table is.
    bell: Addr<super::server::Request>,
}

/// The incarnation of the supervisor that owns the table now.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) peer: Peer,
    pub(crate) node: Node,
}

#[derive(Default)]
struct Shard {
    closed: Option<Closed>,
    /// The incarnation of the supervisor that opened the table last. A row of an earlier one is on its way out.
    owner: Option<Pid>,
    /// By the slot of the child's seat, which its incarnations share.
    rows: Map<u32, Row>,
}

/// Why nothing can be added any more.
#[derive(Clone, Debug)]
enum Closed {
    /// The supervisor is stopping its children in order.
    Stopping,
    /// The supervisor is gone.
    Gone(ExitReason),
}

struct Row {
    peer: Peer,
    /// The incarnation of the supervisor that it is a child of.
    owner: Pid,
    phase: Phase,
    terms: Terms,
    /// How to start it again; `None` for temporary children, of which nothing is kept (OTP: H7).
    launch: Option<Arc<dyn Launch>>,
    dependents: Option<Arc<dyn Dependents>>,
    /// How long a restart may take.
    start_timeout: Option<std::time::Duration>,
}

enum Phase {
    Starting,
    Running,
    /// Kept under its old pid until the next incarnation is up (OTP: H8).
    Restarting(Option<Peer>),
    /// The supervisor was asked to end this incarnation.
    Terminating(Peer),
}

/// Something the supervisor has to decide, or to tell.
#[derive(Debug)]
pub(crate) enum End {
    /// A child that wants to be started again.
    Ended(Pid, ExitReason),
    /// A restart that did not come up.
    RestartFailed(Pid, StartError),
    /// A child that was to be ended has ended.
    Terminated(Pid),
}

/// What ending a child comes to.
#[derive(Debug)]
pub(crate) enum Terminate {
    /// It was asked to end; it may take this long.
    Asked(Peer, crate::Shutdown),
    /// It was between two incarnations, and is forgotten.
    Forgotten,
    /// No such child.
    Unknown,
}

impl Table {
    /// A table that is closed until its supervisor opens it.
    pub(crate) fn new(limits: super::Limits, bell: Addr<super::server::Request>) -> Self {
        let never = || Shard { closed: Some(Closed::Gone(ExitReason::NoProc)), owner: None, rows: Map::default() };
        Self {
            limits: Mutex::new(limits),
            max_children: AtomicUsize::new(limits.max_children),
            admission: AtomicUsize::new(CLOSED),
            shards: (0..SHARDS).map(|_| Mutex::new(never())).collect(),
            ends: Mutex::new(VecDeque::new()),
            owner: Mutex::new(None),
            bell,
        }
    }

    /// Sets the limits; before the first start.
    pub(crate) fn configure(&self, limits: super::Limits) {
        *self.limits.lock() = limits;
        self.max_children.store(limits.max_children, Ordering::Release);
    }

    pub(crate) fn limits(&self) -> super::Limits {
        *self.limits.lock()
    }

    /// The supervisor is up: children may be added.
    pub(crate) fn open(&self, owner: Owner) {
        let pid = owner.peer.pid();
        *self.owner.lock() = Some(owner);
        for shard in &self.shards {
            let mut shard = shard.lock();
            (shard.closed, shard.owner) = (None, Some(pid));
        }
        self.admission.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// Counts one more child, if there is room (OTP: H4: restarting children count, zero is legal).
    pub(crate) fn admit(&self) -> Result<Admitted<'_>, StartError> {
        let mut seen = self.admission.load(Ordering::Acquire);
        loop {
            if seen & CLOSED != 0 {
                return Err(self.why_closed());
            }
            if seen / ONE >= self.max_children.load(Ordering::Acquire) {
                return Err(StartError::MaxChildren);
            }
            match self.admission.compare_exchange_weak(seen, seen + ONE, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Admitted { table: self }),
                Err(changed) => seen = changed,
            }
        }
    }

    /// Adds the row of a child that is about to start. From here on the table keeps it.
    ///
    /// # Errors
    /// The table was closed after the child was admitted.
    pub(crate) fn insert(
        &self,
        owner: Pid,
        peer: &Peer,
        child: &AnyChild,
        admitted: Admitted<'_>,
    ) -> Result<(), StartError> {
        let keep = child.terms.restart != crate::Restart::Temporary;
        let row = Row {
            peer: peer.clone(),
            owner,
            phase: Phase::Starting,
            terms: child.terms,
            launch: keep.then(|| Arc::clone(&child.launch)),
            dependents: if keep { child.dependents.clone() } else { None },
            start_timeout: child.start_timeout,
        };
        let mut shard = self.shard(peer.pid()).lock();
        if !shard.is_open_for(owner) {
            let error = shard.why_closed();
            drop(shard);
            drop(row);
            return Err(error);
        }
        shard.rows.insert(peer.pid().slot(), row);
        drop(shard);
        admitted.keep();
        Ok(())
    }

    /// The child's seat is open: if the table was closed meanwhile, the signal that it may have missed is sent now (T2). It
    /// is the one that its terms ask for: a child that is to be killed at once has no deadline after which it would be.
    pub(crate) fn launched(&self, owner: Pid, peer: &Peer, shutdown: crate::Shutdown) {
        let shard = self.shard(peer.pid()).lock();
        let (same, closed) = (shard.owner == Some(owner), shard.closed.clone());
        drop(shard);
        match closed {
            None if same => {}
            Some(Closed::Stopping) if same && shutdown == crate::Shutdown::BrutalKill => peer.kill(),
            Some(Closed::Stopping) if same => peer.exit(owner, ExitReason::Shutdown),
            Some(Closed::Gone(reason)) if same => peer.parent_exit(owner, reason),
            // Its supervisor is gone and another incarnation is there.
            _ => peer.parent_exit(owner, ExitReason::Killed),
        }
    }

    /// Closes the table; everybody in it is returned with the terms of their end.
    pub(crate) fn close(&self) -> Vec<(Peer, crate::Shutdown)> {
        self.shut(&Closed::Stopping)
    }

    /// Closes shard by shard; children between two incarnations are forgotten, the others are returned (T1).
    fn shut(&self, why: &Closed) -> Vec<(Peer, crate::Shutdown)> {
        self.admission.fetch_or(CLOSED, Ordering::AcqRel);
        let mut children = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.closed = Some(why.clone());
            let between: Vec<Row> = shard.rows.extract_if(|_, row| row.is_between()).map(|(_, row)| row).collect();
            children.extend(shard.rows.values().map(|row| (row.living().clone(), row.terms.shutdown)));
            drop(shard);
            for row in between {
                self.forget(row);
            }
        }
        children
    }

    /// Starts the next incarnation of a child; `None` if there is none to come.
    pub(crate) fn restart(self: &Arc<Self>, pid: Pid) -> Option<Result<(), StartError>> {
        let owner = self.owner()?;
        let (launch, dependents, limit) = {
            let shard = self.shard(pid).lock();
            let row = shard.rows.get(&pid.slot()).filter(|row| row.is_due(pid))?;
            (row.launch.clone()?, row.dependents.clone(), row.start_timeout)
        };
        let peer = match launch.prepare(&owner.node) {
            Ok(peer) => peer,
            Err(error) => return Some(Err(error)),
        };
        if let Some(row) = self.shard(pid).lock().rows.get_mut(&pid.slot()) {
            row.phase = Phase::Restarting(Some(peer.clone()));
        }
        let birth = freeboard_process::Birth {
            parent: Some(owner.peer),
            supervision: Some(Arc::new(Again { table: Arc::clone(self), old: pid })),
            dependents,
            ..freeboard_process::Birth::default()
        };
        if !launch.launch(&owner.node, peer.pid(), birth) {
            return Some(Err(StartError::AlreadyStarted));
        }
        if let Some(limit) = limit {
            freeboard_process::Ack::expire(&owner.node, &peer, limit);
        }
        Some(Ok(()))
    }

    /// Marks a child as to be ended by the supervisor.
    pub(crate) fn terminate(&self, pid: Pid) -> Terminate {
        let mut shard = self.shard(pid).lock();
        let Some(row) = shard.rows.get_mut(&pid.slot()).filter(|row| row.is(pid)) else { return Terminate::Unknown };
        if row.is_between() {
            let row = shard.rows.remove(&pid.slot());
            drop(shard);
            row.map_or(Terminate::Unknown, |row| {
                self.forget(row);
                Terminate::Forgotten
            })
        } else {
            let child = row.living().clone();
            row.phase = Phase::Terminating(child.clone());
            Terminate::Asked(child, row.terms.shutdown)
        }
    }

    /// Whether a restart of this child is due.
    pub(crate) fn is_due(&self, pid: Pid) -> bool {
        self.shard(pid).lock().rows.get(&pid.slot()).is_some_and(|row| row.is_due(pid))
    }

    /// Forgets a child that will not be started again.
    pub(crate) fn give_up(&self, pid: Pid) {
        let row = self.shard(pid).lock().rows.remove(&pid.slot());
        if let Some(row) = row {
            self.forget(row);
        }
    }

    /// The oldest end that waits for the supervisor.
    pub(crate) fn next_end(&self) -> Option<End> {
        self.ends.lock().pop_front()
    }

    /// Children tracked: starting, running, restarting.
    pub(crate) fn tracked(&self) -> usize {
        self.admission.load(Ordering::Acquire) / ONE
    }

    /// What a start that did not come up is told: one that the supervisor's own end cut short is not the child's failure.
    pub(crate) fn failure(&self, owner: Pid, reason: ExitReason) -> StartError {
        let shard = self.shards[0].lock();
        match &shard.closed {
            _ if shard.owner != Some(owner) => StartError::SupervisorDown(reason),
            Some(closed) => closed.error(),
            None => StartError::Init(reason),
        }
    }

    pub(crate) fn why_closed(&self) -> StartError {
        let closed = self.shards[0].lock().closed.clone();
        closed.map_or(StartError::ShuttingDown, |closed| closed.error())
    }

    pub(crate) fn owner(&self) -> Option<Owner> {
        self.owner.lock().clone()
    }

    /// Counts by looking at each row.
    pub(crate) fn counts(&self) -> super::Counts {
        let mut counts = super::Counts::default();
        for shard in &self.shards {
            for row in shard.lock().rows.values() {
                counts.specs += 1;
                counts.active += usize::from(!matches!(row.phase, Phase::Restarting(_)));
                counts.supervisors += usize::from(row.terms.is_supervisor);
                counts.workers += usize::from(!row.terms.is_supervisor);
            }
        }
        counts
    }

    /// A row left the table (T3). The last one out of a closed table rings the bell.
    fn forget(&self, row: Row) {
        drop(row);
        self.leave();
    }

    /// A row left for good: whoever asked for its end is told.
    fn settle(&self, pid: Pid, row: Option<Row>) {
        let Some(row) = row else { return };
        let asked = matches!(row.phase, Phase::Terminating(_));
        self.forget(row);
        if asked {
            self.report(End::Terminated(pid));
        }
    }

    fn leave(&self) {
        let before = self.admission.fetch_sub(ONE, Ordering::AcqRel);
        if before == (ONE | CLOSED) {
            self.bell.cast(super::server::Request::Ends);
        }
    }

    /// Tells the supervisor; it is rung for once until it has looked.
    fn report(&self, end: End) {
        let mut ends = self.ends.lock();
        let first = ends.is_empty();
        ends.push_back(end);
        drop(ends);
        if first {
            self.bell.cast(super::server::Request::Ends);
        }
    }

    fn shard(&self, pid: Pid) -> &Mutex<Shard> {
        &self.shards[pid.slot() as usize % SHARDS]
    }
}

impl Shard {
    /// Whether children of this incarnation of the supervisor may be added and restarted.
    fn is_open_for(&self, owner: Pid) -> bool {
        self.closed.is_none() && self.owner == Some(owner)
    }

    fn why_closed(&self) -> StartError {
        self.closed.as_ref().map_or(StartError::SupervisorDown(ExitReason::Killed), Closed::error)
    }
}

impl Row {
    /// Whether nobody lives there: the restart has not been tried yet.
    fn is_between(&self) -> bool {
        matches!(self.phase, Phase::Restarting(None))
    }

    /// Whether a restart after the end of that incarnation is due.
    fn is_due(&self, pid: Pid) -> bool {
        self.is_between() && self.peer.pid() == pid
    }

    /// Whether that names this child: the incarnation it is listed under, or the one that is to follow.
    fn is(&self, pid: Pid) -> bool {
        self.peer.pid() == pid || self.living().pid() == pid
    }

    /// Reports that it has ended and is not started again.
    fn report_end(&self, pid: Pid, reason: &ExitReason, closed: Option<&Closed>) {
        match (&self.phase, closed) {
            (Phase::Terminating(_), _) | (_, Some(Closed::Stopping)) => {
                report::shut_down(self.owner, pid, reason, self.terms.shutdown);
            }
            // A start that fails is told to whoever asked for it; without a supervisor there is nobody who reports.
            (Phase::Running, None) if !reason.is_expected() => {
                report::child_terminated(self.owner, pid, reason, false);
            }
            _ => {}
        }
    }

    /// The incarnation that lives, or is about to.
    fn living(&self) -> &Peer {
        match &self.phase {
            Phase::Restarting(Some(next)) | Phase::Terminating(next) => next,
            _ => &self.peer,
        }
    }
}

impl Closed {
    fn error(&self) -> StartError {
        match self {
            Self::Stopping => StartError::ShuttingDown,
            Self::Gone(reason) => StartError::SupervisorDown(reason.clone()),
        }
    }
}

/// Room for one child, given back unless a row was made of it.
pub(crate) struct Admitted<'a> {
    table: &'a Table,
}

impl Admitted<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.table.leave();
    }
}

impl Supervision for Table {
    fn started(&self, pid: Pid) {
        let mut shard = self.shard(pid).lock();
        let starting = |row: &&mut Row| matches!(row.phase, Phase::Starting);
        let Some(row) = shard.rows.get_mut(&pid.slot()).filter(starting) else { return };
        row.phase = Phase::Running;
        let owner = row.owner;
        drop(shard);
        report::progress(owner, pid);
    }

    fn comes_back(&self, pid: Pid, reason: &ExitReason) -> bool {
        let shard = self.shard(pid).lock();
        shard.rows.get(&pid.slot()).is_some_and(|row| {
            shard.is_open_for(row.owner)
                && matches!(row.phase, Phase::Running)
                && row.terms.restart.after(reason) == Verdict::Restart
        })
    }

    fn ended(&self, pid: Pid, reason: &ExitReason, _: Option<&StartError>) {
        let mut shard = self.shard(pid).lock();
        let Shard { closed, owner, rows } = &mut *shard;
        let Some(row) = rows.get_mut(&pid.slot()) else { return };
        let again = closed.is_none()
            && *owner == Some(row.owner)
            && matches!(row.phase, Phase::Running)
            && row.terms.restart.after(reason) == Verdict::Restart;
        if again {
            row.phase = Phase::Restarting(None);
            drop(shard);
            self.report(End::Ended(pid, reason.clone()));
            return;
        }
        let (row, closed) = (rows.remove(&pid.slot()), closed.clone());
        drop(shard);
        if let Some(row) = &row {
            row.report_end(pid, reason, closed.as_ref());
        }
        self.settle(pid, row);
    }
}

/// Watches over the next incarnation of a child until it is up; its row still has the old pid.
struct Again {
    table: Arc<Table>,
    old: Pid,
}

impl Supervision for Again {
    fn started(&self, pid: Pid) {
        let mut shard = self.table.shard(pid).lock();
        // One that is being terminated meanwhile stays where those who wait for its end look for it.
        let is_due = |row: &&mut Row| matches!(row.phase, Phase::Restarting(Some(_)));
        if let Some(row) = shard.rows.get_mut(&pid.slot()).filter(|row| is_due(row)) {
            row.peer = row.living().clone();
            row.phase = Phase::Running;
            let owner = row.owner;
            drop(shard);
            report::progress(owner, pid);
        }
    }

    fn comes_back(&self, pid: Pid, reason: &ExitReason) -> bool {
        let shard = self.table.shard(pid).lock();
        match shard.rows.get(&pid.slot()).filter(|row| row.peer.pid() == self.old) {
            // It never came up: another attempt follows, unless somebody decided otherwise.
            Some(row) => shard.is_open_for(row.owner) && matches!(row.phase, Phase::Restarting(_)),
            None => {
                drop(shard);
                self.table.comes_back(pid, reason)
            }
        }
    }

    fn ended(&self, pid: Pid, reason: &ExitReason, never_up: Option<&StartError>) {
        let mut shard = self.table.shard(pid).lock();
        let Shard { closed, owner, rows } = &mut *shard;
        let Some(row) = rows.get_mut(&pid.slot()).filter(|row| row.peer.pid() == self.old) else {
            drop(shard);
            return self.table.ended(pid, reason, never_up);
        };
        let error = never_up.cloned().unwrap_or_else(|| StartError::Init(reason.clone()));
        // An init that ignores ends the matter (OTP: H9).
        let is_open = closed.is_none() && *owner == Some(row.owner);
        let again = is_open && matches!(row.phase, Phase::Restarting(_)) && !matches!(error, StartError::Ignored);
        if again {
            row.phase = Phase::Restarting(None);
            drop(shard);
            self.table.report(End::RestartFailed(self.old, error));
            return;
        }
        let row = rows.remove(&pid.slot());
        drop(shard);
        self.table.settle(pid, row);
    }
}

impl Dependents for Table {
    fn take(&self, reason: &ExitReason) -> Vec<Peer> {
        let children = self.shut(&Closed::Gone(reason.clone()));
        self.ends.lock().clear();
        children.into_iter().map(|(child, _)| child).collect()
    }
}
