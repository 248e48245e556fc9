//! A source outside of a process whose items become its messages: what pipes and attached streams share.
//!
//! ```text
//!   source ◄─ polled by ─ a service of the node ── item ──► queue ── received ──► handled
//!                               ▲                                                    │
//!                               └──── woken when fewer than `window` wait ◄──────────┘
//! ```
//!
//! An item stands in the queue as the message of a timer does (`freeboard_mailbox::Timed`): it belongs to the incarnation,
//! is under no policy of the mailbox, and can be taken back wherever it is. So the feed can also ask what became of it.
//!
//! # Invariants
//! * A feed ends with its incarnation, at the latest in step 4 of the exit protocol: its source is dropped there, or by the
//!   worker that polls it in that moment, and nothing of it reaches a later incarnation.
//! * No more than `window` items wait, in the queue or left by selective receives; the source is not polled meanwhile.
//! * The source is polled and dropped, and messages are dropped, without a lock held.
//! * When a feed is taken back, nothing more of it is received.
//!
//! # Not here
//! What the sources are (`pipe.rs`, `attach.rs`).

use crate::context::Context;
use crate::current;
use crate::life::Map;
use crate::reply::CallError;
use crate::seat::Seat;
use crate::sync::Mutex;
use crate::task::quietly;
use freeboard_mailbox::Timed;
use freeboard_signal::{Pid, Ref};
use std::{
    any::Any,
    fmt,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context as TaskContext, Poll, Waker},
};

/// Where the messages come from. Polled no more once it has given its last one.
pub(crate) type Source<M> = Box<dyn FnMut(&mut TaskContext<'_>) -> Poll<Supply<M>> + Send>;

/// What a source gives.
pub(crate) enum Supply<M> {
    /// A message, after which others may come.
    More(M),
    /// The last one.
    Last(M),
}

/// Messages taken from a source before its service gives way to others.
const ITEMS_PER_POLL: usize = 32;

/// The feeds of one process, by their tokens.
pub(crate) type Feeds<M> = Map<Ref, Arc<Feed<M>>>;

/// One source of messages of one incarnation.
pub(crate) struct Feed<M: Send + 'static> {
    seat: Weak<Seat<M>>,
    of: Pid,
    name: Ref,
    window: usize,
    state: Mutex<State<M>>,
}

struct State<M> {
    /// Not there while it is polled, and when there is nothing to come.
    source: Option<Source<M>>,
    /// Nothing more will be queued.
    is_over: bool,
    /// What was queued and, as far as is known, not received yet.
    out: Vec<Arc<Timed<M>>>,
    service: Option<Waker>,
    /// Whether the service waits for room, and not for the source.
    is_full: bool,
}

/// A feed without its message type: what the exit protocol ends.
pub(crate) trait Errand: Send + Sync {
    /// Nothing more is queued; what is in the queue is the queue's. Drops the source, which is user code.
    fn end(&self);
}

/// What a service has to do next.
enum Turn<M> {
    Poll(Source<M>),
    Wait,
    Over,
}

impl<M: Send + 'static> Feed<M> {
    /// Takes the source out to be polled, if there is room for what it may give.
    fn begin(&self, waker: &Waker) -> Turn<M> {
        let mut state = self.state.lock();
        if state.is_over {
            return Turn::Over;
        }
        let replaced = match &state.service {
            Some(known) if known.will_wake(waker) => None,
            _ => state.service.replace(waker.clone()),
        };
        state.is_full = state.out.len() >= self.window;
        let source = if state.is_full { None } else { state.source.take() };
        drop(state);
        drop(replaced);
        source.map_or(Turn::Wait, Turn::Poll)
    }

    /// Puts the source back; it comes back if it is not wanted any more.
    fn put_back(&self, source: Source<M>) -> Result<(), Source<M>> {
        let mut state = self.state.lock();
        if state.is_over {
            return Err(source);
        }
        state.source = Some(source);
        Ok(())
    }

    /// Queues an item, unless the feed was taken back, or its process has ended.
    fn queue(&self, item: Timed<M>, is_last: bool) {
        let item = Arc::new(item);
        let mut state = self.state.lock();
        if state.is_over {
            drop(state);
            return quietly(|| drop(item));
        }
        state.out.push(Arc::clone(&item));
        state.is_over = is_last;
        drop(state);
        let Some(seat) = self.seat.upgrade() else { return };
        if let Err(message) = seat.intake.push_timed(self.of.generation(), &item) {
            quietly(|| message.into_iter().for_each(|message| seat.bury_unqueued(self.of, message)));
        }
        if is_last {
            forget(&seat, self.name);
        }
    }

    /// Forgets what was received since it was asked last; `is_left` says whether a receive has looked at an item and left it.
    /// Answers whether anything can still come, or be taken back.
    fn make_room(&self, is_left: impl Fn(Ref) -> bool) -> bool {
        let mut state = self.state.lock();
        state.out.retain(|item| item.is_set() || is_left(item.name()));
        let goes_on = !state.is_over || !state.out.is_empty();
        let has_room = state.is_full && state.out.len() < self.window;
        let wake = if has_room { state.service.take() } else { None };
        drop(state);
        if let Some(waker) = wake {
            waker.wake();
        }
        goes_on
    }

    /// What was queued and, as far as is known, not received.
    fn take_out(&self) -> Vec<Arc<Timed<M>>> {
        mem::take(&mut self.state.lock().out)
    }
}

impl<M: Send + 'static> Errand for Feed<M> {
    fn end(&self) {
        let mut state = self.state.lock();
        state.is_over = true;
        let (source, service) = (state.source.take(), state.service.take());
        drop(state);
        quietly(|| drop(source));
        if let Some(waker) = service {
            waker.wake();
        }
    }
}

/// The future that polls a source. It ends when nothing more will be queued.
struct FeedService<M: Send + 'static>(Arc<Feed<M>>);

impl<M: Send + 'static> Future for FeedService<M> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let feed = &self.0;
        for _ in 0..ITEMS_PER_POLL {
            let mut source = match feed.begin(cx.waker()) {
                Turn::Poll(source) => source,
                Turn::Wait => return Poll::Pending,
                Turn::Over => return Poll::Ready(()),
            };
            let supplied = catch_unwind(AssertUnwindSafe(|| source(cx)));
            let is_waiting = matches!(supplied, Ok(Poll::Pending));
            let rest = match supplied {
                Ok(Poll::Pending) => feed.put_back(source).err(),
                Ok(Poll::Ready(Supply::More(message))) => {
                    feed.queue(Timed::once(self.new_name(), message), false);
                    feed.put_back(source).err()
                }
                Ok(Poll::Ready(Supply::Last(message))) => {
                    feed.queue(Timed::once(self.new_name(), message), true);
                    Some(source)
                }
                Err(panic) => {
                    feed.queue(goes_on(self.new_name(), panic), true);
                    Some(source)
                }
            };
            if let Some(unwanted) = rest {
                quietly(|| drop(unwanted));
                return Poll::Ready(());
            }
            if is_waiting {
                return Poll::Pending;
            }
        }
        // A source that is always ready must not keep others waiting.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<M: Send + 'static> FeedService<M> {
    /// What an item is called in the receiver's index.
    fn new_name(&self) -> Ref {
        let seat = self.0.seat.upgrade();
        // Without a seat nobody will ever ask for it.
        seat.and_then(|seat| seat.core.node().map(|node| node.new_ref())).unwrap_or(self.0.name)
    }
}

impl<M: Send + 'static> Drop for FeedService<M> {
    fn drop(&mut self) {
        // The runtime went away: the process may live on for a moment, the source is dropped with its worker.
        self.0.end();
    }
}

/// A panic as an item: it goes on in the process that comes to it.
fn goes_on<M>(name: Ref, panic: Box<dyn Any + Send>) -> Timed<M> {
    let mut panic = Some(panic);
    Timed::ticks(name, move || resume_unwind(panic.take().unwrap_or_else(|| Box::new("a feed has panicked"))))
}

/// A feed that is over has no row any more.
fn forget<M>(seat: &Seat<M>, name: Ref) {
    let errand = seat.core.life.lock().rows_if_any().and_then(|rows| rows.feeds.remove(&name));
    drop(errand);
}

impl<M: Send + 'static> Context<M> {
    /// Starts a feed of this process, of which so many items may wait.
    pub(crate) fn feed(&mut self, window: usize, source: Source<M>) -> Ref {
        let name = self.node().new_ref();
        let state = State { source: Some(source), is_over: false, out: Vec::new(), service: None, is_full: false };
        let (seat, of) = (Arc::downgrade(&self.seat), self.pid());
        let feed = Arc::new(Feed { seat, of, name, window, state: Mutex::new(state) });
        {
            let Some(mut life) = self.life() else {
                feed.end();
                return name;
            };
            life.rows().feeds.insert(name, Arc::clone(&feed) as Arc<dyn Errand>);
        }
        self.rare.get_or_insert_default().feeds.insert(name, Arc::clone(&feed));
        self.node().backend().spawn_service(Box::pin(FeedService(feed)));
        name
    }

    /// Takes back what [`pipe`](Self::pipe) or [`attach`](Self::attach) has started: its future or stream is dropped, and what
    /// of it is queued will not be received any more. Answers whether anything could still have come; unknown ones are
    /// accepted.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    /// use std::time::Duration;
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<u8>| {
    ///     let lookup = cx.pipe(async { 7 }, |answer| answer);
    ///     cx.sleep(Duration::from_secs(1)).await; // the answer is queued by now
    ///     let had_it = cx.detach(lookup);
    ///     let nothing = cx.recv_message().after(Duration::from_secs(1)).await;
    ///     # let _ = done.send((had_it, nothing, cx.detach(lookup)));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (true, None, false));
    /// # });
    /// ```
    ///
    /// What is dropped in the queue is counted as that of a timer ([`Dropped::Timer`](crate::Dropped::Timer)); a caller in it
    /// hears `NoReply`.
    pub fn detach(&mut self, feed: Ref) -> bool {
        let Some(feed) = self.rare.as_mut().and_then(|rare| rare.feeds.remove(&feed)) else { return false };
        let was_over = feed.state.lock().is_over;
        current::run_dropping(CallError::NoReply, || feed.end());
        forget(&self.seat, feed.name);
        let mut waited = false;
        for item in feed.take_out() {
            waited |= self.withdraw(item.name(), Some(&item));
        }
        waited || !was_over
    }

    /// Lets the feeds know what was received. The buffer must be used up.
    #[cold]
    pub(crate) fn make_room(&mut self) {
        let Self { rare: Some(rare), inbox, .. } = self else { return };
        rare.feeds.retain(|_, feed| feed.make_room(|name| inbox.holds_timed(name)));
    }
}

impl<M: Send + 'static> fmt::Debug for Feed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("of", &self.of).field("name", &self.name).finish_non_exhaustive()
    }
}
