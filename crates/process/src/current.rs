//! The one ambient value: which process is being polled on this thread.
//!
//! Set while a process is polled or its leftovers are dropped, empty otherwise. It lets a dropped `Reply` tell the truth
//! (a reply dropped by a process that is about to crash must not say "no reply"), and lets a call see that it would wait
//! for itself (OTP: F12). It is the only `thread_local!` of the workspace.
//!
//! # States
//! *Running*: dropped replies are parked here until the poll's verdict is known. *Ending(reason)*: they are answered with
//! the reason at once; by then names are released and the process's future is gone.

use crate::reply::Settle;
use freeboard_mailbox::sync::thread_local;
use freeboard_signal::{ExitReason, Pid};
use std::{cell::RefCell, sync::Arc};

thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro of this name knows no const")]
    static CURRENT: RefCell<Option<Frame>> = RefCell::new(None);
}

/// What is known of the process on this thread.
#[derive(Debug)]
struct Frame {
    pid: Pid,
    ending: Option<ExitReason>,
    parked: Parked,
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

/// Runs `work` as process `pid`, with the replies that still wait for its verdict; returns the result and all that wait
/// now.
pub(crate) fn run<T>(pid: Pid, waiting: Parked, work: impl FnOnce() -> T) -> (T, Parked) {
    within(Frame { pid, ending: None, parked: waiting }, work)
}

/// Runs `work`, which drops what a dead process left: replies in it are answered with `reason`.
pub(crate) fn run_ending<T>(pid: Pid, reason: &ExitReason, work: impl FnOnce() -> T) -> T {
    within(Frame { pid, ending: Some(reason.clone()), parked: Vec::new() }, work).0
}

/// The process being polled on this thread.
pub(crate) fn pid() -> Option<Pid> {
    CURRENT.with(|current| current.borrow().as_ref().map(|frame| frame.pid))
}

/// Called for each reply that is dropped unanswered.
pub(crate) fn dropped(reply: &Arc<impl Settle + 'static>) -> Dropped {
    let park = |current: &RefCell<Option<Frame>>| match current.borrow_mut().as_mut() {
        None => Dropped::Outside,
        Some(Frame { ending: Some(reason), .. }) => Dropped::Ending(reason.clone()),
        Some(frame) => {
            frame.parked.push(Arc::clone(reply) as Arc<dyn Settle>);
            Dropped::Parked
        }
    };
    // A thread that is itself going away runs no process any more.
    CURRENT.try_with(park).unwrap_or(Dropped::Outside)
}

/// The replies parked so far in this poll: a handler's verdict is known before the poll ends.
pub(crate) fn take_parked() -> Parked {
    CURRENT.with(|current| {
        current.borrow_mut().as_mut().map(|frame| std::mem::take(&mut frame.parked)).unwrap_or_default()
    })
}

/// Puts `frame` in place for the time of `work`, also if `work` unwinds.
fn within<T>(frame: Frame, work: impl FnOnce() -> T) -> (T, Parked) {
    /// Restores what was there before.
    struct Restore(Option<Frame>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            CURRENT.with(|current| *current.borrow_mut() = before);
        }
    }
    let restore = Restore(CURRENT.with(|current| current.borrow_mut().replace(frame)));
    let result = work();
    let parked = take_parked();
    drop(restore);
    (result, parked)
}
