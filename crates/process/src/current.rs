//! The one ambient value: which process is being polled on this thread.
//!
//! Set while a process is polled or its leftovers are dropped, empty otherwise. It lets a dropped `Reply` tell the truth
//! (a reply dropped by a process that is about to crash must not say "no reply"), lets a call see that it would wait for
//! itself (OTP: F12), and gathers when the process's calls want to look at the clock, so that one timer serves them all. It is the only `thread_local!` of the workspace.
//!
//! # States
//! *Running*: dropped replies are parked here until the poll's verdict is known. *Ending(reason)*: they are answered with
//! the reason at once; by then names are released and the process's future is gone.

use crate::reply::Settle;
use freeboard_mailbox::sync::thread_local;
use freeboard_signal::{ExitReason, Pid};
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    task::Waker,
    time::Instant,
};

thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro of this name knows no const")]
    static CURRENT: Ambient = Ambient { frame: RefCell::new(None), any_parked: Cell::new(false) };
}

/// The cell of one thread.
struct Ambient {
    frame: RefCell<Option<Frame>>,
    /// Whether the frame holds a reply: asked after each message, so it is a look without the borrow.
    any_parked: Cell<bool>,
}

/// What is known of the process on this thread.
#[derive(Debug)]
struct Frame {
    pid: Pid,
    ending: Option<ExitReason>,
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
pub(crate) enum Dropped {
    /// Nobody is being polled: the caller hears "no reply" now.
    Outside,
    /// It waits for the verdict of the process.
    Parked,
    /// The process is ending for this reason.
    Ending(ExitReason),
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
    within(Frame { pid, ending: None, parked: waiting, waker, wake_by: None }, work)
}

/// Runs `work`, which drops what a dead process left: replies in it are answered with `reason`.
pub(crate) fn run_ending<T>(pid: Pid, reason: &ExitReason, work: impl FnOnce() -> T) -> T {
    let ending = Some(reason.clone());
    within(Frame { pid, ending, parked: Vec::new(), waker: None, wake_by: None }, work).result
}

/// The process being polled on this thread.
pub(crate) fn pid() -> Option<Pid> {
    CURRENT.with(|current| current.frame.borrow().as_ref().map(|frame| frame.pid))
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
pub(crate) fn dropped(reply: &Arc<impl Settle + 'static>) -> Dropped {
    let park = |current: &Ambient| match current.frame.borrow_mut().as_mut() {
        None => Dropped::Outside,
        Some(Frame { ending: Some(reason), .. }) => Dropped::Ending(reason.clone()),
        Some(frame) => {
            frame.parked.push(Arc::clone(reply) as Arc<dyn Settle>);
            current.any_parked.set(true);
            Dropped::Parked
        }
    };
    // A thread that is itself going away runs no process any more.
    CURRENT.try_with(park).unwrap_or(Dropped::Outside)
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
        std::mem::replace(&mut *current.frame.borrow_mut(), frame)
    })
}
