//! Receiving: plain, in batches, by tag, by key, by monitor, by predicate, by clauses, each with an optional `after`.
//!
//! One poll of a receive: look in what was taken out already; if there is nothing, exchange the empty buffer for the
//! intake's, apply the signals in it, look again; if that is empty too, park.
//!
//! # Invariants
//! * A receive that is dropped has taken nothing (cancel safe in every form).
//! * A match beats the timeout (OTP: E5): the clock is looked at only when the whole present queue was.
//! * A receive gives way after [`MESSAGES_PER_TURN`] messages, and in the middle of a long search.
//!
//! # Not here
//! Which message is the oldest match: `freeboard-mailbox`. What clauses look like: `receive_macro.rs`.

use crate::context::Context;
use crate::node::Node;
use crate::timer::{Action, Timer};
use crate::wire::Signal;
use freeboard_mailbox::{Event, Exchange, Hint, Inbox, Key, Message, Pattern, Search, Step, Tag};
use freeboard_signal::{Down, Ref};
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context as TaskContext, Poll, Waker},
    time::{Duration, Instant},
};

/// Messages a process handles before it gives way to the others of its worker.
pub const MESSAGES_PER_TURN: u32 = 256;

/// Messages a selective receive looks at before it looks at the clock, and how long it may go on before it gives way: an
/// index that grows makes some looks much dearer than others.
const LOOKS_PER_SLICE: usize = 256;
const TIME_PER_TURN: Duration = Duration::from_micros(300);

/// Messages a selective receive looks at before it gives way.
const LOOKS_PER_TURN: usize = 4096;

/// How a receive looks for its event; implemented by what the receives of [`Context`] return.
pub trait Find<M> {
    /// Looks in the inbox, for `budget` looks at most.
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, budget: &mut usize) -> Step<M>;

    /// Whether the parent's exit may be handed out instead, ahead of the queue (deviation DEV-04).
    fn takes_urgent(&mut self, exit: &Event<M>) -> bool;
}

/// Takes the oldest event, whatever it is.
#[derive(Debug)]
pub struct Oldest(());

impl<M> Find<M> for Oldest {
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, _: &mut usize) -> Step<M> {
        inbox.pop().map_or(Step::Empty, Step::Found)
    }

    fn takes_urgent(&mut self, _: &Event<M>) -> bool {
        true
    }
}

impl<M, P: Pattern<M>> Find<M> for Search<P> {
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, budget: &mut usize) -> Step<M> {
        inbox.step(self, budget)
    }

    fn takes_urgent(&mut self, exit: &Event<M>) -> bool {
        self.wants(exit)
    }
}

/// A receive under way: await it, or give it a limit with [`after`](Self::after).
///
/// # Cancel safety
/// If it is dropped, nothing was received: every message is still in its place.
#[must_use = "nothing is received until this is awaited"]
pub struct Receive<'a, M: Send + 'static, F, T> {
    cx: &'a mut Context<M>,
    find: F,
    finish: Finish<M, F, T>,
}

/// From the event that was found to what the receive answers.
type Finish<M, F, T> = fn(&mut Context<M>, &mut F, Event<M>) -> Option<T>;

/// Takes messages into a list.
struct Many<'v, M, P> {
    search: Search<P>,
    into: &'v mut Vec<M>,
    max: usize,
}

impl<M, P: Pattern<M>> Find<M> for Many<'_, M, P> {
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, budget: &mut usize) -> Step<M> {
        inbox.step(&mut self.search, budget)
    }

    fn takes_urgent(&mut self, _: &Event<M>) -> bool {
        false
    }
}

/// A receive with a time limit (OTP: E4, E5).
///
/// The limit runs from the first poll and is not restarted by messages that do not match. `None` means that it passed.
/// With a limit of zero the whole present queue is looked at once.
#[must_use = "nothing is received until this is awaited"]
pub struct After<'a, M: Send + 'static, F, T> {
    receive: Receive<'a, M, F, T>,
    limit: Duration,
    alarm: Option<Alarm>,
}

/// A wake at a given time, taken back when it is dropped.
struct Alarm {
    node: Node,
    until: Instant,
    set: Option<(Timer, Waker)>,
}

impl Alarm {
    fn new(node: Node, until: Instant) -> Self {
        Self { node, until, set: None }
    }

    /// Whether the time has come; if not, sees to it that `waker` is woken then.
    fn rings(&mut self, waker: &Waker) -> bool {
        if self.node.now() >= self.until {
            return true;
        }
        if self.set.as_ref().is_none_or(|(_, set)| !set.will_wake(waker)) {
            self.cancel();
            let wake = waker.clone();
            let timer = self.node.timers().at(self.until, |_| Action::Wake(wake));
            self.set = Some((timer, waker.clone()));
        }
        false
    }

    fn cancel(&mut self) {
        if let Some((timer, _)) = self.set.take() {
            let _left = self.node.timers().cancel(timer, timer.at());
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// What one look at mailbox and intake came to.
enum Look<T> {
    Got(T),
    /// The whole present queue was looked at; the task is parked.
    Parked,
    /// There is more to look at; the task has woken itself to go on.
    Yielded,
}

impl<M: Send + 'static> Context<M> {
    /// Receives the oldest event of any kind.
    ///
    /// The exit of the parent comes ahead of the queue (`docs/deviations.md`, DEV-04).
    ///
    /// # Cancel safety
    /// A dropped receive has taken nothing.
    ///
    /// # Cost
    /// No lock until the swapped buffer is used up; O(1).
    pub fn recv(&mut self) -> Receive<'_, M, Oldest, Event<M>> {
        Receive { cx: self, find: Oldest(()), finish: event }
    }

    /// Receives the oldest message and leaves notices where they are.
    pub fn recv_message(&mut self) -> Receive<'_, M, impl Find<M> + use<M>, M> {
        Receive { cx: self, find: Search::any_message(), finish: message }
    }

    /// Receives messages into a list, oldest first, and leaves notices where they are: waits for the first, and takes with
    /// it what is there, `max` at most. Answers how many it took.
    ///
    /// With `.after(Duration::ZERO)` it takes what is there and does not wait.
    ///
    /// # Panics
    /// If `max` is 0: it would wait for a message and could not take it.
    ///
    /// # Cancel safety
    /// A dropped receive has taken nothing: what it takes, it answers in the same poll.
    ///
    /// # Cost
    /// One look per message. One call takes about 4,096 messages at most, and counts as that many receives when it comes to
    /// giving way.
    pub fn recv_many<'v>(
        &mut self,
        into: &'v mut Vec<M>,
        max: usize,
    ) -> Receive<'_, M, impl Find<M> + use<'v, M>, usize> {
        assert!(max > 0, "recv_many was given room for no message; give it a `max` of 1 or more");
        let find = Many { search: Search::any_message(), into, max };
        Receive { cx: self, find, finish: Many::take_present }
    }

    /// Receives the oldest message that `pick` wants (OTP: E2); the others stay in their places (OTP: E3).
    ///
    /// # Cost
    /// Each queued message is looked at once; while it waits, new arrivals only.
    pub fn recv_where<P: FnMut(&M) -> bool + Send>(&mut self, pick: P) -> Receive<'_, M, impl Find<M> + use<M, P>, M> {
        Receive { cx: self, find: Search::message_where(pick), finish: message }
    }

    /// Receives the oldest event that `pick` wants, of any kind.
    pub fn recv_event_where<P: FnMut(&Event<M>) -> bool + Send>(
        &mut self,
        pick: P,
    ) -> Receive<'_, M, impl Find<M> + use<M, P>, Event<M>> {
        Receive { cx: self, find: Search::event_where(pick), finish: event }
    }

    /// Receives the oldest message with this tag.
    ///
    /// # Cost
    /// O(1) at any depth once the queue is indexed; the first time each queued message is asked for its tag, in slices.
    pub fn recv_tag(&mut self, tag: Tag<M>) -> Receive<'_, M, impl Find<M> + use<M>, M>
    where
        M: Message,
    {
        Receive { cx: self, find: Search::tag(tag), finish: message }
    }

    /// Receives the oldest message with this tag and key.
    ///
    /// # Cost
    /// As [`recv_tag`](Self::recv_tag), and a look at the key of each queued message of the tag, once.
    pub fn recv_key<'k, K: Into<Key<'k>>>(
        &mut self,
        tag: Tag<M>,
        key: K,
    ) -> Receive<'_, M, impl Find<M> + use<'k, M, K>, M>
    where
        M: Message,
    {
        Receive { cx: self, find: Search::key(tag, key.into()), finish: message }
    }

    /// Receives the notice of this monitor, past everything else, at O(1).
    pub fn recv_down(&mut self, monitor: Ref) -> Receive<'_, M, impl Find<M> + use<M>, Down> {
        Receive { cx: self, find: Search::down(monitor), finish: down }
    }

    /// Receives the oldest event that one of several clauses accepts, and answers which (OTP: E2). What
    /// [`receive!`](macro@crate::receive) expands to.
    ///
    /// `accept` is given the number of a clause and an event that the clause's hint names, each pair at most once.
    ///
    /// # Cost
    /// Each clause as [`recv_tag`](Self::recv_tag) or [`recv_key`](Self::recv_key); one that does not accept everything its
    /// hint names looks at each of those once.
    #[doc(hidden)]
    pub fn select<'k, A, const N: usize>(
        &mut self,
        hints: [Hint<'k, M>; N],
        accept: A,
    ) -> Receive<'_, M, impl Find<M> + use<'k, M, A, N>, (usize, Event<M>)>
    where
        M: Message,
        A: FnMut(usize, &Event<M>) -> bool + Send,
    {
        let find = Search::any_of(hints, accept);
        Receive { cx: self, find, finish: |_, search, event| Some((search.clause(), event)) }
    }

    /// Waits for that time and receives nothing (OTP: E6).
    pub async fn sleep(&mut self, time: Duration) {
        let mut alarm = Alarm::new(self.node().clone(), self.node().later(time));
        poll_fn(|task| if alarm.rings(task.waker()) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// One look, which parks if there is nothing.
    fn look(&mut self, find: &mut impl Find<M>, task: &mut TaskContext<'_>) -> Look<Event<M>> {
        if self.served >= MESSAGES_PER_TURN {
            self.served = 0;
            task.waker().wake_by_ref();
            return Look::Yielded;
        }
        let looked = self.look_for(find, &mut { LOOKS_PER_TURN }, Some(task.waker()));
        if let Look::Parked = looked {
            self.served = 0;
        }
        looked
    }

    /// Looks in what was taken out first, then in the intake. Without a waker it neither parks nor comes back.
    fn look_for(&mut self, find: &mut impl Find<M>, budget: &mut usize, waker: Option<&Waker>) -> Look<Event<M>> {
        let mut until = None;
        loop {
            // After a fatal signal this process receives nothing any more; its task ends when this poll is over. Nor does a
            // context that outlived its process: the seat may be another one's by now.
            if self.seat.core.is_doomed() || !self.seat.core.is_living(self.pid().generation()) {
                return Look::Yielded;
            }
            if let Some(exit) = self.seat.core.take_urgent() {
                let event = Event::Exit(Box::new(exit));
                if find.takes_urgent(&event) {
                    return Look::Got(event);
                }
                if let Event::Exit(exit) = event {
                    self.seat.core.put_back_urgent(*exit);
                }
            }
            let slice = LOOKS_PER_SLICE.min(*budget);
            let mut left = slice;
            let found = find.find(&mut self.inbox, &mut left);
            *budget -= slice - left;
            match found {
                Step::Found(event) => {
                    self.served += 1;
                    self.unnoted += u32::from(matches!(event, Event::Message(_)));
                    return Look::Got(event);
                }
                Step::Pause
                    if *budget > 0 && self.now() < *until.get_or_insert_with(|| self.node().later(TIME_PER_TURN)) =>
                {
                    continue;
                }
                Step::Pause => {
                    if let Some(waker) = waker {
                        waker.wake_by_ref();
                    }
                    return Look::Yielded;
                }
                Step::Empty => {}
            }
            self.seat.intake.note_handled(u64::from(std::mem::take(&mut self.unnoted)));
            let buffer = self.inbox.spare();
            match self.seat.intake.exchange(buffer, waker) {
                Exchange::Walked | Exchange::Fresh(0) => {}
                Exchange::Fresh(_) => self.seat.apply(buffer),
                Exchange::Empty => return Look::Parked,
            }
        }
    }
}

impl<M: Send + 'static, P: Pattern<M>> Many<'_, M, P> {
    /// Takes the first, and what else is there.
    fn take_present(cx: &mut Context<M>, many: &mut Self, first: Event<M>) -> Option<usize> {
        let mut budget = LOOKS_PER_TURN;
        let mut found = first;
        let before = many.into.len();
        while let Event::Message(message) = found {
            many.into.push(message);
            if many.into.len() - before == many.max {
                break;
            }
            match cx.look_for(&mut many.search, &mut budget, None) {
                Look::Got(event) => found = event,
                Look::Parked | Look::Yielded => break,
            }
        }
        Some(many.into.len() - before)
    }
}

fn event<M: Send + 'static, F>(_: &mut Context<M>, _: &mut F, event: Event<M>) -> Option<Event<M>> {
    Some(event)
}

fn message<M: Send + 'static, F>(_: &mut Context<M>, _: &mut F, event: Event<M>) -> Option<M> {
    event.message()
}

fn down<M: Send + 'static, F>(_: &mut Context<M>, _: &mut F, event: Event<M>) -> Option<Down> {
    match event {
        Event::Down(down) => Some(*down),
        _ => None,
    }
}

impl<'a, M: Send + 'static, F: Find<M>, T> Receive<'a, M, F, T> {
    /// Waits no longer than that, counted from the first poll.
    pub fn after(self, limit: Duration) -> After<'a, M, F, T> {
        After { receive: self, limit, alarm: None }
    }

    fn look(&mut self, task: &mut TaskContext<'_>) -> Look<T> {
        loop {
            match self.cx.look(&mut self.find, task) {
                Look::Got(event) => {
                    if let Some(wanted) = (self.finish)(self.cx, &mut self.find, event) {
                        return Look::Got(wanted);
                    }
                }
                Look::Parked => return Look::Parked,
                Look::Yielded => return Look::Yielded,
            }
        }
    }
}

impl<M: Send + 'static, F, T> Unpin for Receive<'_, M, F, T> {}
impl<M: Send + 'static, F, T> Unpin for After<'_, M, F, T> {}

impl<M: Send + 'static, F: Find<M>, T> Future for Receive<'_, M, F, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<T> {
        match self.look(task) {
            Look::Got(wanted) => Poll::Ready(wanted),
            Look::Parked | Look::Yielded => Poll::Pending,
        }
    }
}

impl<M: Send + 'static, F: Find<M>, T> Future for After<'_, M, F, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if this.alarm.is_none() && !this.limit.is_zero() {
            let node = this.receive.cx.node().clone();
            let until = node.later(this.limit);
            this.alarm = Some(Alarm::new(node, until));
        }
        match this.receive.look(task) {
            Look::Got(wanted) => Poll::Ready(Some(wanted)),
            Look::Yielded => Poll::Pending,
            Look::Parked => match &mut this.alarm {
                Some(alarm) => {
                    if alarm.rings(task.waker()) {
                        Poll::Ready(None)
                    } else {
                        Poll::Pending
                    }
                }
                None => Poll::Ready(None),
            },
        }
    }
}

impl<M: Send + 'static, F, T> fmt::Debug for Receive<'_, M, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receive")
    }
}

impl<M: Send + 'static, F, T> fmt::Debug for After<'_, M, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("After").field("limit", &self.limit).finish_non_exhaustive()
    }
}
