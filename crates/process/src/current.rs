//! The one ambient value: which process is being polled on this thread.
//!
//! Set while a process is polled, while its own thread runs, or while its leftovers are dropped; empty otherwise. It lets a
//! dropped `Reply` tell the truth (a reply dropped by a process that is about to crash must not say "no reply"), lets a call
//! see that it would wait for itself (OTP: F12), and gathers when the process's calls want to look at the clock, so that one
//! timer serves them all. It is the only `thread_local!` of the workspace.
//!
//! # States
//! *Running*: dropped replies are parked here until the poll's verdict is known. *Settled(answer)*: they are answered at
//! once. With the exit reason while a dead process's leftovers are dropped (by then names are released and its future is
//! gone); with the refusal while a mailbox drops what its policy does not keep; with "no reply" for what came through an alias
//! that had ended.

use crate::reply::{CallError, Settle};
use freeboard_mailbox::sync::thread_local;
use freeboard_signal::{ExitReason, Pid};
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro of this name knows no const")]
    static CURRENT: Ambient = Ambient {
        frame: RefCell::new(None),
        any_parked: Cell::new(false),
        showing: Cell::new(false),
        reading: Cell::new(Reading::Outside),
    };
}

/// The cell of one thread.
struct Ambient {
    frame: RefCell<Option<Frame>>,
    /// Whether the frame holds a reply: asked after each message, so it is a look without the borrow.
    any_parked: Cell<bool>,
    /// Whether a dead letter is being shown: what that costs in turn is not shown, or it might never end.
    showing: Cell<bool>,
    /// The coarse clock, as this poll has read it.
    reading: Cell<Reading>,
}

/// Whether a poll has read its node's coarse clock, which it does once at most. Nodes are told apart by their number.
#[derive(Clone, Copy)]
enum Reading {
    /// No process is being polled.
    Outside,
    Unread(u32),
    Read(u32, Duration),
}

/// What is known of the process on this thread.
#[derive(Debug)]
struct Frame {
    pid: Option<Pid>,
    settled: Option<CallError>,
    /// Whether this is the process's own thread, which may block.
    own_thread: bool,
    parked: Parked,
    /// The task's waker, by its identity: a call that is polled with this one is woken when the task is.
    waker: Option<WakerId>,
    /// The earliest time by which a call of this process wants to look at the clock.
    wake_by: Option<Instant>,
}

/// Which waker: two with the same identity wake the same task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WakerId(usize, usize);

impl WakerId {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
    }
}

/// Replies that were dropped during this poll.
pub(crate) type Parked = Vec<Arc<dyn Settle>>;

/// What becomes of a reply that is dropped right now.
pub(crate) enum Fate {
    /// Nobody is being polled: the caller hears "no reply" now.
    Outside,
    /// It waits for the verdict of the process.
    Parked,
    /// The caller hears this now.
    Settled(CallError),
}

/// One poll of a process, or a piece of it.
pub(crate) struct Turn<T> {
    /// What the work came to.
    pub(crate) result: T,
    /// Replies that still wait for the process's verdict.
    pub(crate) waiting: Parked,
    /// When the process wants to be woken, if nothing else does.
    pub(crate) wake_by: Option<Instant>,
}

/// Runs `work` as process `pid`, polled with `waker`, with the replies that wait for its verdict from before.
pub(crate) fn run<T>(pid: Pid, waker: Option<WakerId>, waiting: Parked, work: impl FnOnce() -> T) -> Turn<T> {
    let pid = Some(pid);
    within(Frame { pid, settled: None, own_thread: false, parked: waiting, waker, wake_by: None }, work)
}

/// Runs `work` on the own thread of process `pid`, which may block there.
#[cfg(feature = "blocking")]
pub(crate) fn run_thread<T>(pid: Pid, work: impl FnOnce() -> T) -> Turn<T> {
    let pid = Some(pid);
    within(Frame { pid, settled: None, own_thread: true, parked: Vec::new(), waker: None, wake_by: None }, work)
}

/// Runs `work`, which drops what a dead process left: replies in it are answered with `reason`.
pub(crate) fn run_ending<T>(pid: Pid, reason: &ExitReason, work: impl FnOnce() -> T) -> T {
    settled(Some(pid), false, CallError::Exited(reason.clone()), work)
}

/// Runs `work`, which drops messages that a mailbox does not keep: replies in them are answered with this, whoever is being
/// polled on this thread.
pub(crate) fn run_dropping<T>(answer: CallError, work: impl FnOnce() -> T) -> T {
    // A thread that is itself going away has no frame any more.
    let around = CURRENT.try_with(|current| {
        // A destructor may block where its dropper may.
        current.frame.borrow().as_ref().map_or((None, true), |frame| (frame.pid, frame.own_thread))
    });
    match around {
        Ok((pid, own_thread)) => settled(pid, own_thread, answer, work),
        Err(_) => work(),
    }
}

/// Runs `show`, which shows a dead letter and does not panic, unless one is being shown on this thread.
pub(crate) fn show_one(show: impl FnOnce()) {
    let set = |on| CURRENT.try_with(|current| current.showing.replace(on));
    // A thread that is itself going away has no cell any more, and so no guard.
    if let Ok(false) = set(true) {
        show();
        let _was_set = set(false);
    }
}

fn settled<T>(pid: Option<Pid>, own_thread: bool, answer: CallError, work: impl FnOnce() -> T) -> T {
    let settled = Some(answer);
    within(Frame { pid, settled, own_thread, parked: Vec::new(), waker: None, wake_by: None }, work).result
}

/// Whether this thread may be blocked: no process is being polled on it.
#[cfg(feature = "blocking")]
pub(crate) fn may_block() -> bool {
    CURRENT.with(|current| current.frame.borrow().as_ref().is_none_or(|frame| frame.own_thread))
}

/// What `read` says, or what it said before in this poll, if a process of that node is being polled.
pub(crate) fn reading(node: u32, read: impl FnOnce() -> Duration) -> Duration {
    CURRENT
        .try_with(|current| match current.reading.get() {
            Reading::Read(known, time) if known == node => time,
            Reading::Unread(known) if known == node => {
                let time = read();
                current.reading.set(Reading::Read(node, time));
                time
            }
            _ => read(),
        })
        .unwrap_or_default()
}

/// The process being polled on this thread.
pub(crate) fn pid() -> Option<Pid> {
    CURRENT.with(|current| current.frame.borrow().as_ref().and_then(|frame| frame.pid))
}

/// Whether this thread polls the task of that process. Its own thread, if it has one, does not.
pub(crate) fn is_polled(pid: Pid) -> bool {
    CURRENT.with(|current| {
        current.frame.borrow().as_ref().is_some_and(|frame| frame.pid == Some(pid) && !frame.own_thread)
    })
}

/// Sees to it that the process on this thread is polled again by then. Answers false if there is none, or if `waker` is
/// not its task's: then a poll of the task would not reach whoever asks.
pub(crate) fn wake_by(until: Instant, waker: &Waker) -> bool {
    CURRENT.with(|current| match current.frame.borrow_mut().as_mut() {
        Some(frame) if frame.waker == Some(WakerId::of(waker)) => {
            frame.wake_by = Some(frame.wake_by.map_or(until, |before| before.min(until)));
            true
        }
        _ => false,
    })
}

/// Called for each reply that is dropped unanswered.
pub(crate) fn dropped(reply: &Arc<impl Settle + 'static>) -> Fate {
    let park = |current: &Ambient| match current.frame.borrow_mut().as_mut() {
        None => Fate::Outside,
        Some(Frame { settled: Some(answer), .. }) => Fate::Settled(answer.clone()),
        Some(frame) => {
            frame.parked.push(Arc::clone(reply) as Arc<dyn Settle>);
            current.any_parked.set(true);
            Fate::Parked
        }
    };
    // A thread that is itself going away runs no process any more.
    CURRENT.try_with(park).unwrap_or(Fate::Outside)
}

/// Parks replies that the process dropped on its own thread, for its task, which is being polled or left here.
#[cfg(feature = "blocking")]
pub(crate) fn park(replies: Parked) {
    CURRENT.with(|current| {
        current.any_parked.set(current.any_parked.get() || !replies.is_empty());
        if let Some(frame) = current.frame.borrow_mut().as_mut() {
            frame.parked.extend(replies);
        }
    });
}

/// The replies parked so far in this poll: a handler's verdict is known before the poll ends.
pub(crate) fn take_parked() -> Parked {
    CURRENT.with(|current| {
        if !current.any_parked.replace(false) {
            return Vec::new();
        }
        current.frame.borrow_mut().as_mut().map(|frame| std::mem::take(&mut frame.parked)).unwrap_or_default()
    })
}

/// Puts `frame` in place for the time of `work`, also if `work` unwinds.
fn within<T>(frame: Frame, work: impl FnOnce() -> T) -> Turn<T> {
    /// Restores what was there before.
    struct Restore(Option<Frame>);
    impl Drop for Restore {
        fn drop(&mut self) {
            drop(swap(self.0.take()));
        }
    }
    let restore = Restore(swap(Some(frame)));
    let result = work();
    let (waiting, wake_by) = CURRENT.with(|current| match current.frame.borrow_mut().as_mut() {
        Some(frame) => (std::mem::take(&mut frame.parked), frame.wake_by),
        None => (Vec::new(), None),
    });
    drop(restore);
    Turn { result, waiting, wake_by }
}

/// Exchanges the frame of this thread; what was there is returned, to be dropped without the borrow.
fn swap(frame: Option<Frame>) -> Option<Frame> {
    CURRENT.with(|current| {
        current.any_parked.set(frame.as_ref().is_some_and(|frame| !frame.parked.is_empty()));
        // A thread of a process's own is in its frame for all its life, and has no waker of the task's.
        let polled = frame.as_ref().filter(|frame| frame.waker.is_some()).and_then(|frame| frame.pid);
        current.reading.set(polled.map_or(Reading::Outside, |pid| Reading::Unread(pid.node())));
        std::mem::replace(&mut *current.frame.borrow_mut(), frame)
    })
}
