//! What a mailbox keeps beside its queues: its policy, who gets what it drops, and what is counted.
//!
//! Nothing here is under the intake's lock. The books are made when they are first needed, since most mailboxes never are:
//! an intake without them is one pointer larger, no more.
//!
//! # Fields
//! | field | who | when |
//! |---|---|---|
//! | `policing`, `undertaker`, `by_tag` | set once, read by anybody | before the first start, as a rule |
//! | `dropped` | whoever dropped something | after the lock: read-modify-write |
//! | `gone` | the same | as soon as the message is out of the queue: read-modify-write |
//! | `oldest` | written under the intake's lock, read by anybody | statistics only |
//! | `queue` | chosen before the first start, as a rule; read when an incarnation ends | under its own lock, inside the intake's |
//! | `sorting` | written and read under the intake's lock | while the queue of a dead incarnation is sorted |

use super::Intake;
use crate::dropped::quietly;
use crate::policed::Victim;
use crate::policy::Policing;
use crate::stats::Causes;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::{Dropped, MailboxStats, Queue, Refused, SendError, Undertaker};
use std::sync::OnceLock;
use std::time::Duration;

/// See the header.
pub(super) struct Books<M> {
    pub(super) policing: OnceLock<Policing<M>>,
    undertaker: OnceLock<Box<dyn Undertaker<M>>>,
    dropped: Causes,
    by_tag: OnceLock<Box<[Causes]>>,
    /// Messages that were accepted and then dropped, before their receiver's end.
    gone: AtomicU64,
    /// When the oldest message under the rules was sent, by the policy's clock, and one more; 0 if there is none.
    oldest: AtomicU64,
    /// What becomes of the queue at a restart.
    pub(super) queue: Mutex<Queue>,
    /// So many entries are out to be sorted for the next incarnation, at most.
    pub(super) sorting: AtomicUsize,
}

/// A mailbox without a policy looks at its depth once per so many entries.
const FLOOD_STEP: u64 = 1024;

/// Whether too much waits in a mailbox without a policy.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// Whether a flood was announced and is not over.
    announced: bool,
    /// How many steps of [`FLOOD_STEP`] there were when it was looked for last; the lower half tells a change.
    steps: u16,
}

/// No time was told.
pub(super) const UNSET: u32 = 0;

/// No time was told, and none is to be told for the next message: the receiver has found nothing and is parked, so that
/// message wakes it. Only one that comes before the receiver does is worth a look at the clock.
const AWAITED: u32 = 1;

/// A time in milliseconds, with a wrap each 49 days, which an age survives.
pub(super) fn stamp(now: Option<Duration>) -> u32 {
    // Two more, so that no time is `UNSET` or `AWAITED`; those that would be are some milliseconds off.
    now.map_or(UNSET, |now| (now.as_millis() as u32).wrapping_add(AWAITED + 1).max(AWAITED + 1))
}

/// The stamp, if it is one.
fn known(since: u32) -> Option<u32> {
    (since > AWAITED).then_some(since)
}

impl<M> Books<M> {
    fn new() -> Self {
        Self {
            policing: OnceLock::new(),
            undertaker: OnceLock::new(),
            dropped: Causes::new(),
            by_tag: OnceLock::new(),
            gone: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
            queue: Mutex::new(Queue::default()),
            sorting: AtomicUsize::new(0),
        }
    }

    /// Puts a policy in force. Answers whether it is the first.
    pub(super) fn put_in_force(&self, policing: Policing<M>) -> bool {
        if let Some(tags) = &policing.policy.tags {
            let counters = tags.names.iter().map(|_| Causes::new()).collect();
            // Another policy in force would fail the next step.
            let _ = self.by_tag.set(counters);
        }
        self.policing.set(policing).is_ok()
    }

    pub(super) fn note_oldest(&self, stamp: Option<u64>) {
        self.oldest.store(stamp.map_or(0, |stamp| stamp.saturating_add(1)), Ordering::Relaxed);
    }

    fn tag(&self, message: &M) -> Option<u32> {
        self.policing.get().and_then(|policing| policing.tag(message))
    }

    fn count(&self, why: Dropped, tag: Option<u32>) {
        self.dropped.add(why);
        if let (Some(counters), Some(tag)) = (self.by_tag.get(), tag)
            && let Some(causes) = counters.get(tag as usize)
        {
            causes.add(why);
        }
    }
}

impl<M, S> Intake<M, S> {
    /// The books, made if there are none.
    pub(super) fn books(&self) -> &Books<M> {
        self.books.get_or_init(|| Box::new(Books::new()))
    }

    /// Says who gets what this mailbox drops. Answers whether it is the first to be named; the others are ignored.
    pub fn set_undertaker(&self, undertaker: Box<dyn Undertaker<M>>) -> bool {
        self.books().undertaker.set(undertaker).is_ok()
    }

    /// Counts a message as dropped, and hands it to the undertaker, or destructs it quietly.
    ///
    /// The mailbox does this for what its policy drops. For the receiver's runtime it is the way to drop what came through
    /// an alias that is not active any more ([`Dropped::Alias`]), what a timer had queued before it was taken back
    /// ([`Dropped::Timer`]), and what was left when the process ended ([`Dropped::Exited`], [`Dropped::Returned`]). Not to be
    /// called under a lock.
    pub fn bury(&self, message: M, why: Dropped) {
        if !matches!(why, Dropped::Exited | Dropped::Returned) {
            // What its receiver's end left over does not wait any more.
            self.lose(1);
        }
        self.bury_lost(Victim { message, why, number: None });
    }

    /// The same for the message of a timer that found nobody to be queued for: it counts as one that came.
    pub fn bury_unqueued(&self, message: M) {
        let shared = self.shared.lock();
        self.count_arrival();
        drop(shared);
        self.bury(message, Dropped::Timer);
    }

    /// The name of a message's tag, if its policy counts by tags.
    pub fn tag_name(&self, message: &M) -> Option<&'static str> {
        self.books.get()?.policing.get()?.tag_name(message)
    }

    /// Counts ticks as dropped that had a place in the queue and were never made.
    pub fn bury_unmade(&self, ticks: u64, why: Dropped) {
        if why != Dropped::Exited {
            self.lose(ticks as usize);
        }
        (0..ticks).for_each(|_| self.books().count(why, None));
    }

    /// Accepted messages do not wait any more, although nobody received them.
    pub(super) fn lose(&self, messages: usize) {
        if messages > 0 {
            self.books().gone.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    /// The rest of it, for a message that was counted as lost under the lock.
    pub(super) fn bury_lost(&self, Victim { message, why, .. }: Victim<M>) {
        let books = self.books();
        let tag = books.tag(&message);
        books.count(why, tag);
        quietly(|| match books.undertaker.get() {
            Some(undertaker) => undertaker.bury(message, why, tag),
            None => drop(message),
        });
    }

    /// Shows a message that goes back, and counts it if a rule did this: for the receiver's runtime too, when room that a
    /// sender waited for did not come.
    pub fn refuse(&self, message: M, why: Refused) -> SendError<M> {
        let by_rule = matches!(why, Refused::Full | Refused::Draining);
        if let Some(books) = if by_rule { Some(self.books()) } else { self.books.get().map(|books| &**books) } {
            let tag = books.tag(&message);
            if by_rule {
                books.count(Dropped::Rejected, tag);
            }
            if let Some(undertaker) = books.undertaker.get() {
                quietly(|| undertaker.refused(&message, &why, tag));
            }
        }
        SendError { message, why }
    }

    /// Counts what a rule sends back before it is a message.
    pub(super) fn count_refusal(&self, why: &Refused) {
        if matches!(why, Refused::Full | Refused::Draining) {
            self.books().count(Dropped::Rejected, None);
        }
    }

    /// Tells the undertaker of a high-water mark that was reached.
    pub(super) fn announce(&self, high_water: Option<usize>) {
        if let Some(waiting) = high_water
            && let Some(undertaker) = self.books.get().and_then(|books| books.undertaker.get())
        {
            quietly(|| undertaker.high_water(waiting));
        }
    }

    /// The consumer's count of messages that it has received.
    pub fn note_handled(&self, messages: u64) {
        let before = self.handled.load(Ordering::Relaxed);
        self.handled.store(before + messages, Ordering::Relaxed);
    }

    /// How many messages the consumer has said it received, over all incarnations.
    pub fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// The consumer's count of messages that selective receives have looked at, since it last said so.
    pub fn note_inspected(&self, messages: u64) {
        if messages > 0 {
            let before = self.inspected.load(Ordering::Relaxed);
            self.inspected.store(before + messages, Ordering::Relaxed);
        }
    }

    /// What was [noted](Self::note_inspected) so far, over all incarnations.
    pub fn inspected(&self) -> u64 {
        self.inspected.load(Ordering::Relaxed)
    }

    /// Messages that wait, read without the lock. May lag behind by what the receiver handled since it last noted it.
    pub fn depth(&self) -> usize {
        let gone = self.books.get().map_or(0, |books| books.gone.load(Ordering::Relaxed));
        let over = self.handled.load(Ordering::Relaxed).saturating_add(gone);
        let arrived = self.arrived.load(Ordering::Relaxed);
        usize::try_from(arrived.saturating_sub(over)).unwrap_or(usize::MAX)
    }

    /// This mailbox's numbers. `now` is asked for the age of the oldest message, and must go by the clock that
    /// [`push_at`](Self::push_at) is given; a mailbox with a policy goes by the policy's clock.
    ///
    /// # Cost
    /// A dozen loads, no lock; but one lock when messages wait whose age nobody has counted so far.
    pub fn stats(&self, now: impl FnOnce() -> Option<Duration>) -> MailboxStats {
        let mut stats = MailboxStats::default();
        stats.depth = self.depth();
        let seen = usize::try_from(self.high_water.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        stats.high_water = seen.max(stats.depth);
        stats.inspected = self.inspected.load(Ordering::Relaxed);
        if let Some(books) = self.books.get() {
            stats.set_dropped(&books.dropped);
        }
        // What was left at the end of an incarnation counts as handled, since nobody waits for it.
        let handled = self.handled.load(Ordering::Relaxed);
        stats.received = handled.saturating_sub(stats.dropped(Dropped::Exited) + stats.dropped(Dropped::Returned));
        if stats.depth > 0 {
            stats.oldest = self.oldest(now);
        }
        stats
    }

    fn oldest(&self, now: impl FnOnce() -> Option<Duration>) -> Duration {
        if let Some(books) = self.books.get()
            && let Some(policing) = books.policing.get().filter(|policing| policing.is_policed)
        {
            let oldest = books.oldest.load(Ordering::Relaxed).checked_sub(1);
            return oldest.map_or(Duration::ZERO, |oldest| Duration::from_nanos(policing.now().saturating_sub(oldest)));
        }
        let now = stamp(now());
        if now == UNSET {
            return Duration::ZERO;
        }
        let known = [&self.since, &self.taken].map(|since| since.load(Ordering::Relaxed)).map(known);
        match known.into_iter().flatten().map(|since| now.wrapping_sub(since)).max() {
            Some(age) => Duration::from_millis(u64::from(age)),
            None => {
                self.begin_to_age(now);
                Duration::ZERO
            }
        }
    }

    /// Counts the age of what waits from now on, if nobody does: of a message that woke its receiver.
    #[cold]
    fn begin_to_age(&self, now: u32) {
        let shared = self.shared.lock();
        // With the receiver, if it is not here any more.
        let since = if shared.fresh.is_empty() { &self.taken } else { &self.since };
        if self.depth() > 0 && known(since.load(Ordering::Relaxed)).is_none() {
            since.store(now, Ordering::Relaxed);
        }
    }

    /// After a message was appended; `since` was read from the clock, if it was asked. Under the lock.
    #[inline]
    pub(super) fn note_push(&self, since: u32) {
        if since != UNSET {
            self.since.store(since, Ordering::Relaxed);
        } else if self.since.load(Ordering::Relaxed) == AWAITED {
            self.since.store(UNSET, Ordering::Relaxed);
        }
    }

    /// How many messages of a tag were dropped for this cause. Zero if the policy does not count by tags.
    pub fn dropped_of(&self, tag: u32, why: Dropped) -> u64 {
        let counters = self.books.get().and_then(|books| books.by_tag.get());
        counters.and_then(|counters| counters.get(tag as usize)).map_or(0, |causes| causes.of(why))
    }

    /// Before so many entries go to the receiver, when more wait than at any time until then. Under the lock.
    pub(super) fn note_exchange(&self, entries: u64) {
        let depth = self.note_depth();
        // What selective receives left is older than what goes to the receiver now.
        let nothing_left = depth as u64 <= entries;
        if nothing_left {
            self.taken.store(self.since.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.since.store(UNSET, Ordering::Relaxed);
    }

    /// When the receiver finds nothing, and whether it waits for more. Under the lock.
    pub(super) fn note_empty(&self, parks: bool) {
        if self.depth() == 0 {
            self.taken.store(UNSET, Ordering::Relaxed);
            self.since.store(if parks { AWAITED } else { UNSET }, Ordering::Relaxed);
        }
    }

    /// When the queue is taken at the end: how many waited. Under the lock.
    pub(super) fn note_close(&self) -> u64 {
        self.note_depth();
        // Whatever was accepted is received, dropped or returned by now.
        let waiting = self.depth() as u64;
        self.handled.store(self.handled.load(Ordering::Relaxed) + waiting, Ordering::Relaxed);
        self.taken.store(UNSET, Ordering::Relaxed);
        self.since.store(UNSET, Ordering::Relaxed);
        if let Some(books) = self.books.get() {
            books.note_oldest(None);
        }
        waiting
    }

    /// How many wait, if a flood of `mark` and more begins now that so many were pushed. Under the lock.
    pub(super) fn look_for_flood(&self, pushed: u64, flood: &mut Flood, mark: &dyn Fn() -> usize) -> Option<usize> {
        let steps = (pushed / FLOOD_STEP) as u16;
        let is_due = std::mem::replace(&mut flood.steps, steps) != steps;
        if is_due { self.begins_a_flood(&mut flood.announced, mark()) } else { None }
    }

    #[cold]
    fn begins_a_flood(&self, flooded: &mut bool, mark: usize) -> Option<usize> {
        let depth = self.note_depth();
        *flooded = *flooded && depth > mark / 2;
        let begins = !*flooded && depth >= mark;
        *flooded = *flooded || begins;
        begins.then_some(depth)
    }

    /// The depth, which goes into the high-water mark. Under the lock.
    pub(super) fn note_depth(&self) -> usize {
        let depth = self.depth();
        let most = u32::try_from(depth).unwrap_or(u32::MAX);
        if most > self.high_water.load(Ordering::Relaxed) {
            self.high_water.store(most, Ordering::Relaxed);
        }
        depth
    }
}
