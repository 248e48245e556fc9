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
//! gone), or with "not started" if it never came up; with the refusal while a mailbox drops what its policy does not keep; with "no reply" for what came through an alias
//! that had ended.

use crate::reply::{CallError, Settle};
use crate::watchdog::Post;
use crate::wire::Peer;
use freeboard_mailbox::sync::thread_local;
use freeboard_signal::Pid;
use std::{
    cell::{Cell, RefCell},
    mem,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro of this name knows no const")]
    static CURRENT: Ambient = Ambient::default();
}

/// The cell of one thread. Plain cells, since a frame is put up and taken down at every poll; what is rare has a flag of its
/// own that tells that it is not there.
#[derive(Default)]
struct Ambient {
    /// Whether there is a frame. Without one, what follows says nothing.
    inside: Cell<bool>,
    pid: Cell<Option<Pid>>,
    /// Whether this is the process's own thread, or nobody's, which may block.
    own_thread: Cell<bool>,
    /// The task's waker, by its identity: a call that is polled with this one is woken when the task is.
    waker: Cell<Option<WakerId>>,
    /// The earliest time by which a call of this process wants to look at the clock.
    wake_by: Cell<Option<Instant>>,
    /// Until when the caller of the message at hand waits.
    deadline: Cell<Option<Instant>>,
    /// When a long turn was looked at for the first time.
    began: Cell<Option<Instant>>,
    /// The coarse clock, as this poll has read it.
    reading: Cell<Reading>,
    /// Replies that wait for the verdict, if there is any.
    parked: RefCell<Parked>,
    any_parked: Cell<bool>,
    /// What dropped replies are answered at once, if they are.
    settled: RefCell<Option<CallError>>,
    is_settled: Cell<bool>,
    /// Whether a dead letter is being shown: what that costs in turn is not shown, or it might never end.
    showing: Cell<bool>,
    /// The node polled last, if it has no watchdog.
    unwatched: Cell<Option<u32>>,
    /// Where the watchdogs of other nodes look for this thread.
    posts: RefCell<Vec<Posted>>,
    /// Where a process on this thread panicked, until its reason is made.
    panicked: Cell<Option<Box<(Pid, String)>>>,
}

/// This thread at one node's watchdog.
struct Posted {
    node: u32,
    post: Arc<Post>,
    polls: u32,
}

/// A poll that a watchdog knows of; it is over when this is dropped.
pub(crate) struct Watched {
    node: u32,
    before: u64,
}

/// Whether a poll has read its node's coarse clock, which it does once at most. Nodes are told apart by their number.
#[derive(Clone, Copy, Default)]
enum Reading {
    /// No process is being polled.
    #[default]
    Outside,
    Unread(u32),
    Read(u32, Duration),
}

/// What a frame is made of.
struct Frame {
    pid: Option<Pid>,
    own_thread: bool,
    waker: Option<WakerId>,
    wake_by: Option<Instant>,
    deadline: Option<Instant>,
    began: Option<Instant>,
    reading: Reading,
    parked: Option<Parked>,
    settled: Option<CallError>,
}

impl Ambient {
    /// Puts up a frame where there is none. What stood in the cells before says nothing.
    fn put_up(&self, pid: Option<Pid>, own_thread: bool, waker: Option<WakerId>, deadline: Option<Instant>) {
        self.inside.set(true);
        self.pid.set(pid);
        self.own_thread.set(own_thread);
        self.waker.set(waker);
        self.wake_by.set(None);
        self.deadline.set(deadline);
        self.began.set(None);
        // A thread of a process's own is in its frame for all its life, and has no waker of the task's.
        let polled = waker.and(pid);
        self.reading.set(polled.map_or(Reading::Outside, |pid| Reading::Unread(pid.node())));
    }

    /// Takes the frame down, but for what is rare.
    fn take_down(&self) {
        self.inside.set(false);
        self.pid.set(None);
        self.waker.set(None);
        self.reading.set(Reading::Outside);
    }

    /// Takes the frame down with all that is in it, for the time of another one.
    fn put_aside(&self) -> Frame {
        let frame = Frame {
            pid: self.pid.get(),
            own_thread: self.own_thread.get(),
            waker: self.waker.get(),
            wake_by: self.wake_by.get(),
            deadline: self.deadline.get(),
            began: self.began.get(),
            reading: self.reading.get(),
            parked: self.take_parked(),
            settled: self.take_settled(),
        };
        self.take_down();
        frame
    }

    /// Puts up again what was put aside.
    fn put_back(&self, frame: Frame) {
        self.put_up(frame.pid, frame.own_thread, frame.waker, frame.deadline);
        self.wake_by.set(frame.wake_by);
        self.began.set(frame.began);
        self.reading.set(frame.reading);
        self.park(frame.parked.unwrap_or_default());
        self.settle(frame.settled);
    }

    fn park(&self, replies: Parked) {
        if !replies.is_empty() {
            self.any_parked.set(true);
            self.parked.borrow_mut().extend(replies);
        }
    }

    #[inline]
    fn take_parked(&self) -> Option<Parked> {
        if self.any_parked.replace(false) { Some(mem::take(&mut *self.parked.borrow_mut())) } else { None }
    }

    fn settle(&self, answer: Option<CallError>) {
        if answer.is_some() {
            self.is_settled.set(true);
            self.settled.replace(answer);
        }
    }

    fn take_settled(&self) -> Option<CallError> {
        if self.is_settled.replace(false) { self.settled.take() } else { None }
    }
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
    /// Replies that still wait for the process's verdict, if there are any.
    pub(crate) waiting: Option<Parked>,
    /// When the process wants to be woken, if nothing else does.
    pub(crate) wake_by: Option<Instant>,
}

/// Runs `work` as process `pid`, polled with `waker`, with the replies that wait for its verdict from before; it serves a call
/// whose caller waits until `deadline`, or none.
#[inline]
pub(crate) fn run<T>(
    pid: Pid,
    waker: Option<WakerId>,
    waiting: Option<Parked>,
    deadline: Option<Instant>,
    work: impl FnOnce() -> T,
) -> Turn<T> {
    within(Some(pid), false, waker, deadline, || {
        if let Some(waiting) = waiting {
            park(waiting);
        }
        work()
    })
}

/// Runs `work` on the own thread of process `pid`, which may block there.
#[cfg(feature = "blocking")]
pub(crate) fn run_thread<T>(pid: Pid, work: impl FnOnce() -> T) -> Turn<T> {
    within(Some(pid), true, None, None, work)
}

/// Runs `work`, which drops what a dead process left: replies in it are answered with this.
pub(crate) fn run_ending<T>(pid: Pid, answer: CallError, work: impl FnOnce() -> T) -> T {
    settled(Some(pid), false, answer, work)
}

/// Runs `work`, which drops messages that a mailbox does not keep: replies in them are answered with this, whoever is being
/// polled on this thread.
pub(crate) fn run_dropping<T>(answer: CallError, work: impl FnOnce() -> T) -> T {
    // A thread that is itself going away has no frame any more.
    let around = CURRENT.try_with(|current| {
        // A destructor may block where its dropper may.
        if current.inside.get() { (current.pid.get(), current.own_thread.get()) } else { (None, true) }
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
    let work = || {
        CURRENT.with(|current| current.settle(Some(answer)));
        work()
    };
    within(pid, own_thread, None, None, work).result
}

/// Tells the watchdog of that process's node, if it has one, that a poll begins.
pub(crate) fn watch(me: &Peer) -> Option<Watched> {
    let node = me.pid.node();
    CURRENT.with(|current| {
        if current.unwatched.get() == Some(node) {
            return None;
        }
        let mut posts = current.posts.borrow_mut();
        let at = match posts.iter().position(|posted| posted.node == node) {
            Some(at) => at,
            None => {
                let Some(watchdog) = me.seat.core().node()?.watchdog() else {
                    current.unwatched.set(Some(node));
                    return None;
                };
                // Of a node that is gone nobody looks any more.
                posts.retain(|posted| Arc::strong_count(&posted.post) > 1);
                posts.push(Posted { node, post: watchdog.post(), polls: 0 });
                posts.len() - 1
            }
        };
        let posted = &mut posts[at];
        posted.polls = posted.polls.wrapping_add(1);
        Some(Watched { node, before: posted.post.begin(posted.polls, me.pid.slot()) })
    })
}

impl Drop for Watched {
    fn drop(&mut self) {
        let end = |current: &Ambient| {
            if let Some(posted) = current.posts.borrow().iter().find(|posted| posted.node == self.node) {
                posted.post.end(self.before);
            }
        };
        // A thread that is itself going away has left its posts.
        let _gone = CURRENT.try_with(end);
    }
}

/// Notes where the process on this thread panics, if it is one of that node. Called by the panic hook, anywhere.
pub(crate) fn note_panic(node: u32, location: &std::panic::Location<'_>) {
    let note = |current: &Ambient| {
        if let Some(pid) = current.pid.get().filter(|pid| current.inside.get() && pid.node() == node) {
            current.panicked.set(Some(Box::new((pid, location.to_string()))));
        }
    };
    let _gone = CURRENT.try_with(note);
}

/// Where the process on this thread panicked, if its node wants to know; empty otherwise.
pub(crate) fn take_panic_location() -> String {
    let (noted, pid) = (CURRENT.with(|current| current.panicked.take()), pid());
    noted.filter(|noted| Some(noted.0) == pid).map(|noted| noted.1).unwrap_or_default()
}

/// Whether this thread may be blocked: no process is being polled on it.
#[cfg(feature = "blocking")]
pub(crate) fn may_block() -> bool {
    CURRENT.with(|current| !current.inside.get() || current.own_thread.get())
}

/// How long the turn of the process on this thread has lasted by `now`, counted from the first time this was asked.
pub(crate) fn turn_lasts(now: Instant) -> Duration {
    CURRENT.with(|current| {
        if !current.inside.get() {
            return Duration::ZERO;
        }
        let began = current.began.get().unwrap_or(now);
        current.began.set(Some(began));
        now.saturating_duration_since(began)
    })
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
    CURRENT.with(|current| current.pid.get())
}

/// The process being polled on this thread, and until when the caller waits whom it serves.
pub(crate) fn serving() -> Option<(Pid, Option<Instant>)> {
    CURRENT.with(|current| current.pid.get().map(|pid| (pid, current.deadline.get())))
}

/// Says whom that process serves from here on, if it is the one on this thread.
pub(crate) fn serve(pid: Pid, deadline: Option<Instant>) {
    CURRENT.with(|current| {
        if current.pid.get() == Some(pid) {
            current.deadline.set(deadline);
        }
    });
}

/// Whether this thread polls the task of that process. Its own thread, if it has one, does not.
pub(crate) fn is_polled(pid: Pid) -> bool {
    CURRENT.with(|current| current.pid.get() == Some(pid) && !current.own_thread.get())
}

/// Sees to it that the process on this thread is polled again by then. Answers false if there is none, or if `waker` is
/// not its task's: then a poll of the task would not reach whoever asks.
pub(crate) fn wake_by(until: Instant, waker: &Waker) -> bool {
    CURRENT.with(|current| {
        let is_its_own = current.waker.get() == Some(WakerId::of(waker));
        if is_its_own {
            current.wake_by.set(Some(current.wake_by.get().map_or(until, |before| before.min(until))));
        }
        is_its_own
    })
}

/// Called for each reply that is dropped unanswered.
pub(crate) fn dropped(reply: &Arc<impl Settle + 'static>) -> Fate {
    let park = |current: &Ambient| {
        if !current.inside.get() {
            return Fate::Outside;
        }
        if current.is_settled.get()
            && let Some(answer) = &*current.settled.borrow()
        {
            return Fate::Settled(answer.clone());
        }
        current.any_parked.set(true);
        current.parked.borrow_mut().push(Arc::clone(reply) as Arc<dyn Settle>);
        Fate::Parked
    };
    // A thread that is itself going away runs no process any more.
    CURRENT.try_with(park).unwrap_or(Fate::Outside)
}

/// Parks replies for the verdict of the process that is being polled or left here: such as it dropped in an earlier poll, or
/// on its own thread.
pub(crate) fn park(replies: Parked) {
    CURRENT.with(|current| {
        if current.inside.get() {
            current.park(replies);
        }
    });
}

/// The replies parked so far in this poll, if there are any: a handler's verdict is known before the poll ends.
pub(crate) fn take_parked() -> Option<Parked> {
    CURRENT.with(Ambient::take_parked)
}

/// Puts up a frame for the time of `work`, also if `work` unwinds.
#[inline]
fn within<T>(
    pid: Option<Pid>,
    own_thread: bool,
    waker: Option<WakerId>,
    deadline: Option<Instant>,
    work: impl FnOnce() -> T,
) -> Turn<T> {
    /// Takes the frame down, and puts up what was there before. In a box: it is rare that there was anything.
    struct Restore(Option<Box<Frame>>);
    impl Drop for Restore {
        #[inline]
        fn drop(&mut self) {
            CURRENT.with(|current| {
                if self.0.is_some() || current.any_parked.get() || current.is_settled.get() {
                    clear_away(current, self.0.take());
                } else {
                    current.take_down();
                }
            });
        }
    }
    /// The same where something is left in the frame, or stood there before. What is left is dropped last: it is user data.
    #[cold]
    fn clear_away(current: &Ambient, around: Option<Box<Frame>>) {
        let _left = (current.take_parked(), current.take_settled());
        current.take_down();
        if let Some(around) = around {
            current.put_back(*around);
        }
    }
    let around = CURRENT.with(|current| {
        let around = if current.inside.get() { Some(Box::new(current.put_aside())) } else { None };
        current.put_up(pid, own_thread, waker, deadline);
        around
    });
    let restore = Restore(around);
    let result = work();
    let (waiting, wake_by) = CURRENT.with(|current| (current.take_parked(), current.wake_by.get()));
    drop(restore);
    Turn { result, waiting, wake_by }
}
