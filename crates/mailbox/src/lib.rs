//! A mailbox: one order for messages and signals, and a selective receive whose cost does not depend on the backlog.
//!
//! ```text
//!   senders ─push─►┌────────────── Intake (shared, one short lock) ─────────────┐
//!   signals ─push─►│ fresh: in order of arrival, signals not yet applied        │
//!                  │ walked: signals applied, waiting for the receiver          │
//!                  └───────────────┬────────────────────────────────────────────┘
//!                                  │ the whole buffer is swapped out, never copied
//!                  ┌───────────────▼──── Inbox (the receiver's own, no lock) ───┐
//!                  │ lane │ index: looked at and left (oldest) │ buffer: in order│
//!                  └────────────────────────────────────────────────────────────┘
//!   order of age:    index  <  buffer  <  walked  <  fresh;   the lane goes ahead of all of them
//! ```
//!
//! ```
//! use freeboard_mailbox::{Event, Inbox, Intake, Search, Step};
//!
//! let intake: Intake<u32, ()> = Intake::new();
//! let mut inbox = Inbox::new();
//! for n in [1, 2, 3] {
//!     intake.push(n).expect("open");
//! }
//! intake.exchange(inbox.spare(), None);
//! // A receive takes the oldest message it wants and leaves the others in their places.
//! let mut even = Search::message_where(|n: &u32| n % 2 == 0);
//! assert!(matches!(inbox.step(&mut even, &mut 100), Step::Found(Event::Message(2))));
//! assert!(matches!(inbox.pop(), Some(Event::Message(1))));
//! assert!(matches!(inbox.pop(), Some(Event::Message(3))));
//! ```
//!
//! # Guarantees
//! * Queue order is order of arrival, over messages and signals together (OTP: D1, D2, E1).
//! * A receive takes the oldest entry it wants; the rest stays where it is (OTP: E2, E3).
//! * Priority entries come ahead of all others, in their order; after [`LANE_SHARE`] in a row an ordinary one that waits
//!   has its turn (OTP: E15).
//! * A death notice never comes before what is older. Plain receives may hold it back while messages wait, of which they
//!   hand out [`NOTICE_SHARE`] for each notice (deviation DEV-16).
//! * Dropping a receive takes nothing out of its place.
//! * No code of a message's or a receiver's runs under the intake's lock. Wakers are woken and dropped after it is released;
//!   they may be cloned under it.
//!
//! # Not guaranteed
//! * An order between different senders beyond the order in which the lock let them in (OTP: D5).
//!
//! # Costs
//! | operation | cost |
//! |---|---|
//! | push | one short lock; no allocation but a chunk per 512 entries; no clock unless the queue turns non-empty |
//! | plain receive | no lock until the swapped buffer is used up |
//! | receive by tag, key, monitor or alias, warm | O(1) at any depth |
//! | receive since a mark | one look at each entry since; what is older in the buffer is moved across once |
//! | the first of them behind a flood | one look at each message, in slices |
//! | receive with several clauses | as each of them alone; a guard looks at each message of its tag and key once |
//! | receive by predicate | one look at each message; a waiting receive looks at new ones only |
//! | depth, statistics | some loads, no lock |
//!
//! # Bounded
//! A mailbox is unbounded, as in OTP, until its seat is given a [`Policy`] before its first start. Most rules need a second
//! kind of queue, from which entries are taken one by one under the lock, because a sender or a clock must reach each message:
//! a capacity, coalescing, expiry and shedding. A high-water mark and counting by tag do not.
//!
//! | operation | cost with the second kind of queue |
//! |---|---|
//! | push | one short lock, one reading of the policy's clock; a key is hashed and a deadline asked for before the lock |
//! | drop the oldest, coalesce, expire, shed | O(1) each; destructed and shown to the [`Undertaker`] after the lock |
//! | receive | one lock and one reading of the clock to take an entry, at most 32 are dropped on the way; one lock to [`settle`](Intake::settle) |
//! | wait for room | O(log n) of those who wait |
//! | memory | what is queued, whatever is coalesced; given back when the queue runs empty |
//!
//! Guaranteed:
//! * Every message ends once: received, returned to its sender, or dropped, and then counted by cause.
//! * No rule changes the order of one sender. Coalescing keeps the newest in the newest's own place.
//! * Signals, notices, timers and messages through an alias are not counted and never dropped.
//! * Room that comes free goes to whoever has waited longest for it; no send can barge in.
//! * A message that expires or is shed frees its room at once; its destructor runs in the thread that found it.
//!
//! Not guaranteed:
//! * That the bound is exact in memory: exempt entries have none, and a selective receive may hold what it left.
//! * That a message is dropped the moment it expires: it is when its turn comes, and counts until then.
//! * That a key which is renewed faster than the queue is worked off is ever received.
//! * A place in the queue for a permit: it holds room, and the message stands where it is sent.
//!
//! OTP has no bounds (OTP: E13): there a process that cannot keep up grows until its node runs out of memory, and what
//! others built against it are counters beside the mailbox, which senders must ask. Here the bound is where the messages
//! are, so there is no count to drift, and a refused sender still has its message.
//!
//! # Not here
//! No executor, no clock, no process: the caller says which incarnation is alive, applies the signals and parks the task.

mod calls;
mod chunks;
mod codel;
mod dropped;
mod error;
mod event;
mod inbox;
mod index;
mod intake;
mod lane;
mod marker;
mod message;
mod notices;
mod policed;
mod policy;
mod queue;
mod room;
mod search;
mod stats;
pub mod sync;
mod timed;

pub use calls::{Caller, KnownCall};
pub use chunks::Chunks;
pub use dropped::{Dropped, Undertaker};
pub use error::{Refused, SendError};
pub use event::{Aliased, Asked, Entry, Event, Notice};
pub use inbox::{Inbox, Step};
pub use intake::{Exchange, HIGH_WATER, Intake, Kept, Leftover};
pub use lane::LANE_SHARE;
pub use marker::Marker;
pub use message::{AsKey, Key, Message, Tag, tag_named};
pub use notices::NOTICE_SHARE;
pub use policy::{Policy, PolicyError};
pub use queue::Queue;
pub use room::Ticket;
pub use search::{Hint, Pattern, Search};
pub use stats::MailboxStats;
pub use timed::{Due, Stopped, Timed};
