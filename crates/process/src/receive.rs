//! Receiving: plain, in batches, by tag, by key, by monitor, by alias, by predicate, by clauses, since a mark, each with an
//! optional `after`.
//!
//! One poll of a receive: take over what was walked and goes ahead; look in what was taken out already; if there is nothing,
//! exchange the empty buffer for the intake's, walk it, look again; if that is empty too, park. A context that was moved to
//! another task leaves the walk to the process's own.
//!
//! # Invariants
//! * A receive that is dropped has taken nothing (cancel safe in every form).
//! * A match beats the timeout (OTP: E5): the clock is looked at only when the whole present queue was.
//! * What is held back for fairness is handed out before anything parks.
//! * A receive gives way after some 300 µs, by a clock that is read once per [`MESSAGES_PER_ROUND`] messages, and in the
//!   middle of a long search. A yield may wake another worker and move the process there, which costs as much as a hundred
//!   messages.
//!
//! # Not here
//! Which message is the oldest match: `freeboard-mailbox`. What clauses look like: `receive_macro.rs`.

use crate::context::Context;
use crate::current;
use crate::node::Node;
use crate::reply::CallError;
use crate::seat::AnySeat;
use crate::timer::{Action, Timer};
use crate::wire::Signal;
use freeboard_mailbox::{
    Caller, Dropped, Event, Exchange, Hint, Inbox, Key, Marker, Message, Pattern, Search, Step, Tag,
};
use freeboard_signal::{Down, Ref};
use std::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    pin::Pin,
    task::{Context as TaskContext, Poll, Waker},
    time::{Duration, Instant},
};

/// Messages a process handles before it is asked whether it should give way: it does if its turn has lasted 300 µs, or a
/// signal waits for it.
pub const MESSAGES_PER_ROUND: u16 = 256;

/// Rounds after which it gives way in any case.
const ROUNDS_PER_TURN: u16 = 16;

/// How long a process may go on before it gives way.
const TIME_PER_TURN: Duration = Duration::from_micros(300);

/// Messages a selective receive looks at before it looks at the clock: an index that grows makes some looks much dearer
/// than others.
const LOOKS_PER_SLICE: usize = 256;

/// Messages a selective receive looks at before it gives way.
const LOOKS_PER_TURN: usize = 4096;

/// How a receive looks for its event; implemented by what the receives of [`Context`] return.
pub trait Find<M> {
    /// Looks in the inbox, for `budget` looks at most.
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, budget: &mut usize) -> Step<M>;

    /// Whether the inbox holds something back for this receive until it is known that nothing newer waits (deviation
    /// DEV-16).
    fn is_held_back(&self, _: &Inbox<M, Signal>) -> bool {
        false
    }

    /// Takes what was held back: nothing newer waits.
    fn take_held_back(&mut self, _: &mut Inbox<M, Signal>) -> Option<Event<M>> {
        None
    }
}

/// What a receive answers; implemented by what the receives of [`Context`] return.
pub trait Answer<M: Send + 'static, T>: Find<M> {
    /// From the event that was found to what the receive answers.
    fn answer(&mut self, cx: &mut Context<M>, event: Event<M>) -> Option<T>;
}

/// Takes the oldest event, whatever it is.
#[derive(Debug)]
pub struct Oldest(());

impl<M> Find<M> for Oldest {
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, _: &mut usize) -> Step<M> {
        inbox.pop().map_or(Step::Empty, Step::Found)
    }

    fn is_held_back(&self, inbox: &Inbox<M, Signal>) -> bool {
        inbox.holds_notice()
    }

    fn take_held_back(&mut self, inbox: &mut Inbox<M, Signal>) -> Option<Event<M>> {
        inbox.pop_notice()
    }
}

impl<M: Send + 'static> Answer<M, Event<M>> for Oldest {
    fn answer(&mut self, _: &mut Context<M>, event: Event<M>) -> Option<Event<M>> {
        Some(event)
    }
}

impl<M, P: Pattern<M>> Find<M> for Search<P> {
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, budget: &mut usize) -> Step<M> {
        inbox.step(self, budget)
    }
}

impl<M: Send + 'static, P: Pattern<M>> Answer<M, M> for Search<P> {
    fn answer(&mut self, _: &mut Context<M>, event: Event<M>) -> Option<M> {
        event.message()
    }
}

impl<M: Send + 'static, P: Pattern<M>> Answer<M, Event<M>> for Search<P> {
    fn answer(&mut self, _: &mut Context<M>, event: Event<M>) -> Option<Event<M>> {
        Some(event)
    }
}

impl<M: Send + 'static, P: Pattern<M>> Answer<M, (usize, Event<M>)> for Search<P> {
    fn answer(&mut self, _: &mut Context<M>, event: Event<M>) -> Option<(usize, Event<M>)> {
        Some((Search::clause::<M>(self), event))
    }
}

/// Takes the notice of one monitor.
struct OneDown<P>(Search<P>);

impl<M, P: Pattern<M>> Find<M> for OneDown<P> {
    fn find(&mut self, inbox: &mut Inbox<M, Signal>, budget: &mut usize) -> Step<M> {
        inbox.step(&mut self.0, budget)
    }
}

impl<M: Send + 'static, P: Pattern<M>> Answer<M, Down> for OneDown<P> {
    fn answer(&mut self, _: &mut Context<M>, event: Event<M>) -> Option<Down> {
        match event {
            Event::Down(down) => Some(*down),
            _ => None,
        }
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
    /// Whether it waits for what a draining mailbox still takes, such as a death notice.
    patient: bool,
    answers: PhantomData<fn() -> T>,
}

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
}

/// A receive with a time limit (OTP: E4, E5).
///
/// The limit runs from the first poll and is not restarted by messages that do not match. `None` means that it passed.
/// With a limit of zero the whole present queue is looked at once.
///
/// A match beats the limit, so the clock is asked when the whole queue was looked through, and not before: behind a backlog
/// that nobody has looked at yet, a receive that matches nothing lasts as long as one look at each message takes.
#[must_use = "nothing is received until this is awaited"]
pub struct After<'a, M: Send + 'static, F, T> {
    receive: Receive<'a, M, F, T>,
    limit: Duration,
    alarm: Option<Alarm>,
}

/// A wake at a given time, taken back when it is dropped.
pub(crate) struct Alarm {
    node: Node,
    until: Instant,
    set: Option<(Timer, Waker)>,
}

impl Alarm {
    pub(crate) fn new(node: Node, until: Instant) -> Self {
        Self { node, until, set: None }
    }

    /// Whether the time has come; if not, sees to it that `waker` is woken then.
    pub(crate) fn rings(&mut self, waker: &Waker) -> bool {
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

/// What an actor has to do next.
pub(crate) enum Next<T> {
    Event(T),
    /// Nothing has come for as long as it has said.
    Idle,
    /// Nothing can come any more.
    Drained,
}

/// What one look at mailbox and intake came to.
enum Look<T> {
    Got(T),
    /// The whole present queue was looked at; the task is parked.
    Parked,
    /// The same, and no sender can bring anything any more: the mailbox drains.
    Drained,
    /// There is more to look at; the task has woken itself to go on.
    Yielded,
}

impl<M: Send + 'static> Context<M> {
    /// Receives the oldest event of any kind.
    ///
    /// # Deviation
    /// The exit of the parent comes ahead of the queue (`docs/deviations.md`, DEV-04). While messages and death notices
    /// wait, one notice is handed out per four messages, never before what arrived earlier (DEV-16).
    ///
    /// # Cancel safety
    /// A dropped receive has taken nothing.
    ///
    /// # Cost
    /// No lock until the swapped buffer is used up; O(1).
    pub fn recv(&mut self) -> Receive<'_, M, Oldest, Event<M>> {
        self.receive(Oldest(()))
    }

    /// Receives the oldest message and leaves notices where they are.
    pub fn recv_message(&mut self) -> Receive<'_, M, Search<impl Pattern<M> + use<M>>, M> {
        self.receive(Search::any_message())
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
    ) -> Receive<'_, M, impl Answer<M, usize> + use<'v, M>, usize> {
        assert!(max > 0, "recv_many was given room for no message; give it a `max` of 1 or more");
        self.receive(Many { search: Search::any_message(), into, max })
    }

    /// Receives the oldest message that `pick` wants (OTP: E2); the others stay in their places (OTP: E3).
    ///
    /// # Cost
    /// Each queued message is looked at once; while it waits, new arrivals only.
    pub fn recv_where<P: FnMut(&M) -> bool + Send>(
        &mut self,
        pick: P,
    ) -> Receive<'_, M, Search<impl Pattern<M> + use<M, P>>, M> {
        self.receive(Search::message_where(pick))
    }

    /// Receives the oldest event that `pick` wants, of any kind.
    pub fn recv_event_where<P: FnMut(&Event<M>) -> bool + Send>(
        &mut self,
        mut pick: P,
    ) -> Receive<'_, M, Search<impl Pattern<M> + use<M, P>>, Event<M>> {
        self.receive(Search::event_where(move |event| matches!(event, Event::Asked(_)) || pick(event)))
    }

    /// Receives the oldest message with this tag.
    ///
    /// # Cost
    /// O(1) at any depth once the queue is indexed; the first time each queued message is asked for its tag, in slices.
    pub fn recv_tag(&mut self, tag: Tag<M>) -> Receive<'_, M, Search<impl Pattern<M> + use<M>>, M>
    where
        M: Message,
    {
        self.receive(Search::tag(tag))
    }

    /// Receives the oldest message with this tag and key.
    ///
    /// # Cost
    /// As [`recv_tag`](Self::recv_tag), and a look at the key of each queued message of the tag, once.
    pub fn recv_key<'k, K: Into<Key<'k>>>(
        &mut self,
        tag: Tag<M>,
        key: K,
    ) -> Receive<'_, M, Search<impl Pattern<M> + use<'k, M, K>>, M>
    where
        M: Message,
    {
        self.receive(Search::key(tag, key.into()))
    }

    /// Receives the oldest message that came through this [alias](crate::Alias), past everything else, at O(1): how a
    /// request is matched with its answer. Waits for ever if the alias ends and none was accepted before.
    pub fn recv_alias(&mut self, alias: Ref) -> Receive<'_, M, Search<impl Pattern<M> + use<M>>, M> {
        self.receive(Search::alias(alias)).patient()
    }

    /// Receives the notice of this monitor, past everything else, at O(1).
    pub fn recv_down(&mut self, monitor: Ref) -> Receive<'_, M, impl Answer<M, Down> + use<M>, Down> {
        self.receive(OneDown(Search::down(monitor))).patient()
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
    ) -> Receive<'_, M, Search<impl Pattern<M> + use<'k, M, A, N>>, (usize, Event<M>)>
    where
        M: Message,
        A: FnMut(usize, &Event<M>) -> bool + Send,
    {
        let patient = hints.iter().all(|hint| matches!(hint, Hint::Down(_) | Hint::Exit(_) | Hint::Alias(_)));
        Receive { patient, ..self.receive(Search::any_of(hints, accept)) }
    }

    fn receive<F: Answer<M, T>, T>(&mut self, find: F) -> Receive<'_, M, F, T> {
        Receive { cx: self, find, patient: false, answers: PhantomData }
    }

    /// Marks this moment: a receive [since](Receive::since) it looks at nothing that had arrived before (OTP: E8).
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async |mut cx: Context<u32>| {
    ///     let me = cx.addr();
    ///     (0..10_000).for_each(|n| me.cast(n));
    ///     let mark = cx.marker();
    ///     me.cast(7);
    ///     // Found behind ten thousand others, one of which it would have wanted, with a single look.
    ///     let seven = cx.recv_where(|n| *n == 7).since(mark).await;
    ///     let looks = cx.inspected();
    ///     let oldest = cx.recv_message().await;
    ///     # let _ = done.send((seven, looks, oldest));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), (7, 1, 0));
    /// # });
    /// ```
    pub fn marker(&mut self) -> Marker {
        // What waits ahead of the queue is there already, and so is what only has to be walked to go there.
        if self.seat.intake.has_signals() && current::is_polled(self.pid()) {
            self.seat.walk();
        }
        self.take_ahead();
        self.inbox.marker(self.seat.intake.marker())
    }

    /// Takes over the priority entries that were walked since the last receive.
    pub(crate) fn take_ahead(&mut self) {
        if self.seat.core.lower_ahead(self.pid().generation()) {
            self.inbox.put_ahead(self.seat.intake.take_ahead());
        }
    }

    /// Waits for that time and receives nothing (OTP: E6).
    pub async fn sleep(&mut self, time: Duration) {
        let mut alarm = Alarm::new(self.node().clone(), self.node().later(time));
        poll_fn(|task| if alarm.rings(task.waker()) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// The oldest message, if an actor has nothing to do but to handle it: most messages of a busy one come this way.
    #[inline(always)]
    pub(crate) fn message_at_hand(&mut self) -> Option<M> {
        let is_plain = self.served < MESSAGES_PER_ROUND
            && self.seat.core.is_calm(self.pid().generation())
            && self.rare.as_ref().is_none_or(|rare| rare.is_at_rest())
            && !self.seat.intake.is_policed();
        let message = if is_plain { self.inbox.pop_message()? } else { return None };
        self.served += 1;
        self.unnoted += 1;
        Some(message)
    }

    /// The oldest event, where an actor waits and nothing else is to be seen to: what it comes to nearly always. Parks
    /// `waker` if nothing waits. `None` says nothing: a whole look is to follow.
    #[inline]
    pub(crate) fn poll_plain(&mut self, waker: &Waker) -> Option<Poll<Event<M>>> {
        if self.served >= MESSAGES_PER_ROUND || !self.seat.core.is_calm(self.pid().generation()) {
            return None;
        }
        if self.inbox.is_used_up() {
            match self.refill(Some(waker)) {
                Exchange::Fresh(0) => {}
                Exchange::Empty if self.rare.is_none() => {
                    (self.served, self.rounds) = (0, 0);
                    return Some(Poll::Pending);
                }
                _ => return None,
            }
        }
        if self.inbox.wants_refill() || self.seat.intake.is_policed() {
            return None;
        }
        let event = self.inbox.pop()?;
        self.take_on(event).map(Poll::Ready)
    }

    /// Takes on what was found, with its caller; `None` if that one has given up.
    #[inline]
    fn take_on(&mut self, event: Event<M>) -> Option<Event<M>> {
        match self.inbox.take_caller() {
            Caller::NONE => {}
            Caller::GAVE_UP => {
                self.drop_abandoned(event);
                return None;
            }
            caller => self.serve(caller),
        }
        self.served += 1;
        self.unnoted += u32::from(matches!(event, Event::Message(_)));
        Some(event)
    }

    /// Until when the caller waits whose call this process serves: from the moment its message is handed out until the next
    /// receive, or for an [`Actor`](crate::Actor) until its handler's end. `None` if it serves a plain message, or a call
    /// without limit; so it does after [`recv_many`](Self::recv_many), which hands out several at once.
    ///
    /// Calls that this process makes meanwhile end then at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let core = &self.seat.core;
        if core.is_living(self.pid().generation()) { core.served_until() } else { None }
    }

    fn serve(&mut self, caller: Caller) {
        self.seat.core.serve(caller);
        current::serve(self.pid(), self.seat.core.served_until());
    }

    /// A handler is through, and so is what it served.
    pub(crate) fn end_handler(&mut self) {
        if self.seat.core.end_handler() {
            current::serve(self.pid(), None);
        }
    }

    /// Drops a call whose caller has given up (deviation DEV-03).
    #[cold]
    fn drop_abandoned(&mut self, event: Event<M>) {
        if let Event::Message(message) = event {
            // What its drop says to the caller reaches nobody; what else it holds need not wait for a verdict.
            current::run_dropping(CallError::NoReply, || self.seat.intake.bury(message, Dropped::Abandoned));
        }
        if self.seat.intake.is_policed() {
            self.note();
            self.seat.intake.settle(self.inbox.held());
        }
    }

    /// One look as a poll, for whom the runtime's own events are events like any other.
    pub(crate) fn poll_look(&mut self, find: &mut impl Find<M>, task: &mut TaskContext<'_>) -> Poll<Event<M>> {
        match self.look(find, task) {
            Look::Got(event) => Poll::Ready(event),
            Look::Parked | Look::Drained | Look::Yielded => Poll::Pending,
        }
    }

    /// One look, which parks if there is nothing.
    fn look(&mut self, find: &mut impl Find<M>, task: &mut TaskContext<'_>) -> Look<Event<M>> {
        if self.seat.core.is_serving() {
            self.serve(Caller::NONE);
        }
        if self.served >= MESSAGES_PER_ROUND && self.ends_turn() {
            task.waker().wake_by_ref();
            return Look::Yielded;
        }
        let looked = self.look_for(find, &mut { LOOKS_PER_TURN }, Some(task.waker()));
        if let Look::Parked | Look::Drained = looked {
            (self.served, self.rounds) = (0, 0);
        }
        looked
    }

    /// After a round: whether it is the others' turn.
    #[cold]
    fn ends_turn(&mut self) -> bool {
        self.rounds += self.served / MESSAGES_PER_ROUND;
        self.served = 0;
        let ends = self.rounds >= ROUNDS_PER_TURN
            || self.seat.intake.has_signals()
            || current::turn_lasts(self.now()) >= TIME_PER_TURN;
        if ends {
            self.rounds = 0;
        }
        ends
    }

    /// Looks in what was taken out first, then in the intake. Without a waker it neither parks nor comes back.
    fn look_for(&mut self, find: &mut impl Find<M>, budget: &mut usize, waker: Option<&Waker>) -> Look<Event<M>> {
        let mut until = None;
        loop {
            if !self.seat.core.is_calm(self.pid().generation()) {
                // A context that outlived its process receives nothing any more: the seat may be another one's by now.
                if !self.seat.core.is_living(self.pid().generation()) {
                    let rest = std::mem::take(&mut self.inbox);
                    self.bury(rest);
                    return Look::Parked;
                }
                // Nor does a process after a fatal signal; its task ends when this poll is over.
                if self.seat.core.is_doomed() {
                    let is_left = current::pid() != Some(self.pid());
                    return if is_left { Look::Parked } else { Look::Yielded };
                }
                self.take_ahead();
                if self.seat.core.lower_given_up(self.pid().generation()) {
                    self.inbox.give_up(self.seat.intake.take_given_up());
                }
            }
            if self.inbox.wants_refill() && matches!(self.refill(None), Exchange::Walked | Exchange::Fresh(_)) {
                continue;
            }
            let slice = LOOKS_PER_SLICE.min(*budget);
            let mut left = slice;
            let found = find.find(&mut self.inbox, &mut left);
            *budget -= slice - left;
            match found {
                Step::Found(event) => {
                    let Some(event) = self.take_on(event) else {
                        *budget = budget.saturating_sub(1);
                        if *budget == 0 {
                            return Self::give_way(waker);
                        }
                        continue;
                    };
                    if self.seat.intake.is_policed() {
                        self.note();
                        self.seat.intake.settle(self.inbox.held());
                    }
                    return Look::Got(event);
                }
                Step::Pause
                    if *budget > 0 && self.now() < *until.get_or_insert_with(|| self.node().later(TIME_PER_TURN)) =>
                {
                    continue;
                }
                Step::Pause => return Self::give_way(waker),
                Step::Empty => {}
            }
            // Something that is held back is handed out if nothing newer waits; then there is nothing to park for.
            let held_back = find.is_held_back(&self.inbox);
            match self.refill(waker.filter(|_| !held_back)) {
                Exchange::Walked | Exchange::Fresh(_) => {}
                // It has ended in this very moment, which can happen to a context elsewhere only: the next round says so.
                Exchange::Unwalked if !self.seat.core.is_living(self.pid().generation()) => {}
                Exchange::Dropped(passed) if passed < *budget => *budget -= passed,
                Exchange::Dropped(_) => {
                    *budget = 0;
                    return Self::give_way(waker);
                }
                Exchange::Empty | Exchange::Unwalked | Exchange::Drained if held_back => {
                    let Some(event) = find.take_held_back(&mut self.inbox) else { return Look::Parked };
                    self.served += 1;
                    return Look::Got(event);
                }
                Exchange::Empty => return Look::Parked,
                Exchange::Drained => return Look::Drained,
                // The process's own task has been woken to walk it, and wakes this receive when it has.
                Exchange::Unwalked => return Look::Yielded,
            }
        }
    }

    /// Others have their turn before the look goes on.
    fn give_way(waker: Option<&Waker>) -> Look<Event<M>> {
        if let Some(waker) = waker {
            waker.wake_by_ref();
        }
        Look::Yielded
    }

    /// Tells the intake what was received and looked at, for those who ask from outside.
    fn note(&mut self) {
        self.seat.intake.note_handled(u64::from(std::mem::take(&mut self.unnoted)));
        self.seat.intake.note_inspected(self.inbox.take_inspected());
        let passed = self.inbox.take_passed_ticks();
        if passed > 0 {
            self.seat.intake.bury_unmade(passed, Dropped::Timer);
        }
        if self.rare.as_ref().is_some_and(|rare| !rare.feeds.is_empty()) {
            self.make_room();
        }
    }

    /// Exchanges the buffer, which is used up, for what the intake holds, or parks `waker` there.
    fn refill(&mut self, waker: Option<&Waker>) -> Exchange {
        self.note();
        let pid = self.pid();
        let own_task = current::is_polled(pid);
        let buffer = self.inbox.spare();
        let exchanged = if own_task {
            self.seat.intake.exchange(buffer, waker)
        } else {
            self.seat.intake.exchange_walked(pid.generation(), buffer, waker)
        };
        if matches!(exchanged, Exchange::Fresh(signals) if signals > 0) {
            self.seat.apply(buffer);
        }
        exchanged
    }
}

impl<M: Send + 'static, P: Pattern<M>> Answer<M, usize> for Many<'_, M, P> {
    /// Takes the first, and what else is there.
    fn answer(&mut self, cx: &mut Context<M>, first: Event<M>) -> Option<usize> {
        let mut budget = LOOKS_PER_TURN;
        let mut found = first;
        let before = self.into.len();
        while let Event::Message(message) = found {
            self.into.push(message);
            if self.into.len() - before == self.max {
                break;
            }
            match cx.look_for(&mut self.search, &mut budget, None) {
                Look::Got(event) => found = event,
                Look::Parked | Look::Drained | Look::Yielded => break,
            }
        }
        // Whom of several would it serve?
        cx.serve(Caller::NONE);
        Some(self.into.len() - before)
    }
}

impl<'a, M: Send + 'static, P: Pattern<M>, T> Receive<'a, M, Search<P>, T> {
    /// Looks only at what arrived since that [mark](Context::marker), and at each of it once (OTP: E8). Several marks may be
    /// in use, and what one receive leaves stays in its place for all others (OTP: E9). A second mark replaces the first.
    ///
    /// # Cost
    /// What was queued before the mark is passed unlooked-at, once for all receives.
    pub fn since(self, marker: Marker) -> Receive<'a, M, Search<impl Pattern<M> + use<M, P, T>>, T> {
        Receive { cx: self.cx, find: self.find.since(marker), patient: self.patient, answers: PhantomData }
    }
}

impl<'a, M: Send + 'static, F: Answer<M, T>, T> Receive<'a, M, F, T> {
    /// Waits no longer than that, counted from the first poll.
    pub fn after(self, limit: Duration) -> After<'a, M, F, T> {
        After { receive: self, limit, alarm: None }
    }

    /// For a receive that waits for what a draining mailbox still takes, or that has a limit of another kind.
    pub(crate) fn patient(self) -> Self {
        Self { patient: true, ..self }
    }

    fn look(&mut self, task: &mut TaskContext<'_>) -> Look<T> {
        loop {
            match self.cx.look(&mut self.find, task) {
                // The runtime's own, which no receive answers.
                Look::Got(Event::Asked(asked)) => self.cx.set_aside(asked),
                Look::Got(event) => {
                    if let Some(wanted) = self.find.answer(self.cx, event) {
                        return Look::Got(wanted);
                    }
                }
                Look::Parked => return Look::Parked,
                Look::Drained => return Look::Drained,
                Look::Yielded => return Look::Yielded,
            }
        }
    }
}

impl<M: Send + 'static> Receive<'_, M, Oldest, Event<M>> {
    /// What an actor has to do next; it serves itself what the runtime asks.
    #[inline]
    pub(crate) fn poll_actor(&mut self, task: &mut TaskContext<'_>) -> Poll<Next<Event<M>>> {
        if let Some(event) = self.cx.poll_plain(task.waker()) {
            return event.map(Next::Event);
        }
        match self.cx.look(&mut self.find, task) {
            Look::Got(event) => Poll::Ready(Next::Event(event)),
            Look::Drained if self.cx.holds_nothing() => Poll::Ready(Next::Drained),
            Look::Parked if self.cx.is_idle(task.waker()) => Poll::Ready(Next::Idle),
            Look::Parked | Look::Drained | Look::Yielded => Poll::Pending,
        }
    }
}

impl<M: Send + 'static, F, T> Unpin for Receive<'_, M, F, T> {}
impl<M: Send + 'static, F, T> Unpin for After<'_, M, F, T> {}

impl<M: Send + 'static, F: Answer<M, T>, T> Future for Receive<'_, M, F, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<T> {
        match self.look(task) {
            Look::Got(wanted) => Poll::Ready(wanted),
            Look::Parked | Look::Yielded => Poll::Pending,
            Look::Drained => {
                if !self.patient {
                    self.cx.end_drained();
                }
                Poll::Pending
            }
        }
    }
}

impl<M: Send + 'static, F: Answer<M, T>, T> Future for After<'_, M, F, T> {
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
            Look::Parked | Look::Drained => match &mut this.alarm {
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
