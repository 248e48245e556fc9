//! What a mailbox does when too much comes, or when it comes too late.
//!
//! ```text
//!   at the send:     coalesce ──► room? ──► reject | drop the oldest | drop the newest
//!   at the receive:  expired? ──► shed? ──► handed out
//! ```
//!
//! A [`Policy`] is a description and does nothing by itself; it is checked where it is put to use, by
//! [`Intake::limit`](crate::Intake::limit).
//!
//! # Invariants
//! * No rule changes the order of the messages of one sender: messages disappear, none moves.
//! * Signals, timers and messages through an alias are under no rule: not counted, never dropped.
//! * What a rule must ask the message (its key, its deadline) is asked before the lock is taken, once.
//!
//! # Not here
//! The queue that obeys (`policed.rs`), who has room (`room.rs`), and what becomes of a dropped message (`dropped.rs`).

use crate::Message;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{error::Error, fmt};

/// How much a mailbox takes, and what it drops.
///
/// The rules combine. Of two rules that would drop one message, the first in this order does: coalescing, capacity,
/// expiry, shedding.
///
/// ```
/// use freeboard_mailbox::{Intake, Policy, Refused};
///
/// let intake: Intake<u32, ()> = Intake::new();
/// intake.limit(Policy::bounded(2), std::time::Instant::now).expect("two is a capacity");
/// intake.push(1).expect("there is room");
/// intake.push(2).expect("there is room");
/// let refused = intake.push(3).expect_err("there is none");
/// assert_eq!(refused.message, 3);
/// assert!(matches!(refused.why, Refused::Full));
/// ```
///
/// # Deviation
/// OTP has no bounds: there a mailbox is unbounded, which is the default here too (OTP: E13).
pub struct Policy<M> {
    pub(crate) capacity: Option<usize>,
    pub(crate) overflow: Overflow,
    pub(crate) key: Option<KeyOf<M>>,
    pub(crate) expire_after: Option<Duration>,
    pub(crate) deadline: Option<DeadlineOf<M>>,
    pub(crate) shed: Option<(Duration, Duration)>,
    pub(crate) high_water: Option<usize>,
    pub(crate) tags: Option<Tags<M>>,
}

/// What happens to a message that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It goes back to its sender.
    Reject,
    /// The oldest message that the receiver has not looked at makes room for it.
    DropOldest,
    /// It is dropped.
    DropNewest,
}

/// A hash of tag and key; `None` for a message without a key.
pub(crate) type KeyOf<M> = fn(&M, &RandomState) -> Option<u128>;

type DeadlineOf<M> = Arc<dyn Fn(&M) -> Option<Instant> + Send + Sync>;

/// How messages are counted by tag.
pub(crate) struct Tags<M> {
    pub(crate) of: fn(&M) -> u32,
    pub(crate) names: &'static [&'static str],
}

impl<M> Policy<M> {
    /// No bound, as in OTP, and no other rule.
    pub fn unbounded() -> Self {
        Self {
            capacity: None,
            overflow: Overflow::Reject,
            key: None,
            expire_after: None,
            deadline: None,
            shed: None,
            high_water: None,
            tags: None,
        }
    }

    /// Room for so many messages. What finds none goes back to its sender, unless another rule is chosen.
    ///
    /// Messages that a selective receive left count too, although only the receiver can take them.
    pub fn bounded(capacity: usize) -> Self {
        Self { capacity: Some(capacity), ..Self::unbounded() }
    }

    /// A message that finds no room goes back to its sender, with [`Refused::Full`](crate::Refused::Full). The default.
    pub fn reject(self) -> Self {
        Self { overflow: Overflow::Reject, ..self }
    }

    /// A message that finds no room takes that of the oldest one.
    ///
    /// What the receiver has looked at and left is out of a sender's reach. If nothing else is there, the newcomer is
    /// dropped, and counted as [`Dropped::Newest`](crate::Dropped::Newest).
    pub fn drop_oldest(self) -> Self {
        Self { overflow: Overflow::DropOldest, ..self }
    }

    /// A message that finds no room is dropped; its sender does not hear of it.
    pub fn drop_newest(self) -> Self {
        Self { overflow: Overflow::DropNewest, ..self }
    }

    /// Of the messages with equal tag and key only the newest stays, in the newest one's own place. A message without a
    /// key is left alone.
    ///
    /// Since the newest keeps its place, the order of its sender holds. The other side of that: a key that is sent again
    /// faster than the queue is worked off waits until it is not. What the receiver has taken out or left is not replaced.
    /// Keys are compared by a keyed hash of 128 bits.
    pub fn coalesce(self) -> Self
    where
        M: Message,
    {
        Self { key: Some(hash_of_tag_and_key), tags: Some(self.tags.unwrap_or_else(tags)), ..self }
    }

    /// A message that was queued for this long, or longer, is dropped instead of received.
    pub fn expire_after(self, age: Duration) -> Self {
        Self { expire_after: Some(age), ..self }
    }

    /// A message whose deadline has come is dropped instead of received. The deadline is asked for once, when it is sent;
    /// one in the past is allowed. If the closure panics, that message has no deadline.
    pub fn expire_by(self, deadline: impl Fn(&M) -> Option<Instant> + Send + Sync + 'static) -> Self {
        Self { deadline: Some(Arc::new(deadline)), ..self }
    }

    /// While messages have waited longer than `target` for a whole `interval`, drops some of the oldest, more and more
    /// often: CoDel, a usual choice being 5 ms and 100 ms. The last message is never dropped.
    pub fn shed(self, target: Duration, interval: Duration) -> Self {
        Self { shed: Some((target, interval)), ..self }
    }

    /// Tells the [`Undertaker`](crate::Undertaker) when so many messages wait; again only after they were half of that.
    pub fn high_water(self, messages: usize) -> Self {
        Self { high_water: Some(messages), ..self }
    }

    /// Counts dropped messages by tag as well. Implied by [`coalesce`](Self::coalesce).
    pub fn count_tags(self) -> Self
    where
        M: Message,
    {
        Self { tags: Some(tags()), ..self }
    }

    /// The names of the tags by which it counts; empty if it does not.
    pub fn tag_names(&self) -> &'static [&'static str] {
        self.tags.as_ref().map_or(&[], |tags| tags.names)
    }

    /// Whether messages must stay within reach of their senders or of a clock: the second kind of queue.
    pub(crate) fn needs_a_policed_queue(&self) -> bool {
        let watched = self.expire_after.is_some() || self.deadline.is_some() || self.shed.is_some();
        self.capacity.is_some() || self.key.is_some() || watched
    }

    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        let zero = |time: Option<Duration>| time == Some(Duration::ZERO);
        if self.capacity == Some(0) {
            return Err(PolicyError::NoCapacity);
        }
        if self.capacity.is_none() && self.overflow != Overflow::Reject {
            return Err(PolicyError::NoBound);
        }
        if zero(self.expire_after) {
            return Err(PolicyError::NoLifetime);
        }
        if zero(self.shed.map(|(target, _)| target)) {
            return Err(PolicyError::NoTarget);
        }
        if self.shed.is_some_and(|(target, interval)| interval < target) {
            return Err(PolicyError::ShortInterval);
        }
        if self.high_water == Some(0) {
            return Err(PolicyError::NoHighWater);
        }
        Ok(())
    }
}

fn hash_of_tag_and_key<M: Message>(message: &M, secret: &RandomState) -> Option<u128> {
    let key = message.key()?;
    let tag = message.tag().number();
    let half = |half: u8| u128::from(secret.hash_one((half, tag, &key)));
    Some((half(0) << 64) | half(1))
}

fn tags<M: Message>() -> Tags<M> {
    Tags { of: |message| message.tag().number(), names: M::TAGS }
}

/// A policy at work: with the clock and the secret of one mailbox.
pub(crate) struct Policing<M> {
    pub(crate) policy: Policy<M>,
    pub(crate) is_policed: bool,
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    origin: Instant,
    secret: RandomState,
}

/// What the rules must know of a message. Times are nanoseconds since the mailbox got its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) key: Option<u128>,
    /// When it was sent.
    pub(crate) stamp: u64,
    /// When it is too late; [`NEVER`] if it never is.
    pub(crate) deadline: u64,
}

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

impl<M> Policing<M> {
    pub(crate) fn new(policy: Policy<M>, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let origin = clock();
        let is_policed = policy.needs_a_policed_queue();
        Self { policy, is_policed, clock: Box::new(clock), origin, secret: RandomState::new() }
    }

    /// The present, by this mailbox's clock.
    pub(crate) fn now(&self) -> u64 {
        self.since_origin((self.clock)())
    }

    fn since_origin(&self, time: Instant) -> u64 {
        nanoseconds(time.saturating_duration_since(self.origin))
    }

    /// Asks a message what the rules want to know. A panic of its code leaves that rule without an answer, so that the
    /// message goes on as if the rule did not concern it.
    pub(crate) fn meta(&self, message: &M) -> Meta {
        let stamp = self.now();
        let key = self.policy.key.and_then(|key_of| asked(|| key_of(message, &self.secret)));
        let by_age = self.policy.expire_after.map_or(NEVER, |age| stamp.saturating_add(nanoseconds(age)));
        let by_itself = self.policy.deadline.as_ref().and_then(|deadline_of| asked(|| deadline_of(message)));
        let deadline = by_age.min(by_itself.map_or(NEVER, |deadline| self.since_origin(deadline)));
        Meta { key, stamp, deadline }
    }

    /// The number of its tag, if the policy counts by tags.
    pub(crate) fn tag(&self, message: &M) -> Option<u32> {
        let tags = self.policy.tags.as_ref()?;
        asked(|| Some((tags.of)(message)))
    }

    /// The name of its tag.
    pub(crate) fn tag_name(&self, message: &M) -> Option<&'static str> {
        self.policy.tag_names().get(self.tag(message)? as usize).copied()
    }
}

/// The answer of user code; none if it panics.
fn asked<T>(question: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(question)).unwrap_or_else(|payload| {
        crate::dropped::quietly(|| drop(payload));
        None
    })
}

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}

/// Why a policy cannot be put to use.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// The capacity is zero.
    NoCapacity,
    /// A rule for what finds no room, but no bound.
    NoBound,
    /// The age at which messages expire is zero.
    NoLifetime,
    /// The time that shedding aims at is zero.
    NoTarget,
    /// The interval of shedding is shorter than what it aims at, or zero.
    ShortInterval,
    /// The high-water mark is zero.
    NoHighWater,
    /// The seat was started already, or is closed.
    Started,
    /// The mailbox has a policy already.
    Limited,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCapacity => "a capacity of zero takes no message; give room for at least one",
            Self::NoBound => "dropping the oldest or the newest needs a bound; begin with `Policy::bounded`",
            Self::NoLifetime => "messages that expire at the age of zero are never received; give a longer age",
            Self::NoTarget => "shedding needs a time to aim at; give a target above zero",
            Self::ShortInterval => "the interval of shedding must be at least as long as its target; give a longer one",
            Self::NoHighWater => "a high-water mark of zero is always reached; give at least one",
            Self::Started => "the process was started already; set the policy before its first start",
            Self::Limited => "the mailbox has a policy already; put all rules into one",
        })
    }
}

impl Error for PolicyError {}

impl<M> Clone for Tags<M> {
    fn clone(&self) -> Self {
        Self { of: self.of, names: self.names }
    }
}

impl<M> Clone for Policy<M> {
    fn clone(&self) -> Self {
        Self {
            capacity: self.capacity,
            overflow: self.overflow,
            key: self.key,
            expire_after: self.expire_after,
            deadline: self.deadline.clone(),
            shed: self.shed,
            high_water: self.high_water,
            tags: self.tags.clone(),
        }
    }
}

impl<M> Default for Policy<M> {
    fn default() -> Self {
        Self::unbounded()
    }
}

impl<M> fmt::Debug for Policy<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .field("coalesce", &self.key.is_some())
            .field("expire_after", &self.expire_after)
            .field("expire_by", &self.deadline.is_some())
            .field("shed", &self.shed)
            .field("high_water", &self.high_water)
            .field("count_tags", &self.tags.is_some())
            .finish()
    }
}
