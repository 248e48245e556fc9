//! A mailbox: one order for messages and signals, and a selective receive whose cost does not depend on the backlog.
//!
//! ```text
//!   senders ─push─►┌────────────── Intake (shared, one short lock) ─────────────┐
//!   signals ─push─►│ fresh: in order of arrival, signals not yet applied        │
//!                  │ walked: signals applied, waiting for the receiver          │
//!                  └───────────────┬────────────────────────────────────────────┘
//!                                  │ the whole buffer is swapped out, never copied
//!                  ┌───────────────▼──── Inbox (the receiver's own, no lock) ───┐
//!                  │ index: looked at and left (oldest) │ buffer: in order      │
//!                  └────────────────────────────────────────────────────────────┘
//!   order of age:    index  <  buffer  <  walked  <  fresh
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
//! * Dropping a receive takes nothing out of its place.
//! * No user code runs under the intake's lock, and wakers are woken after it is released.
//!
//! # Not guaranteed
//! * An order between different senders beyond the order in which the lock let them in (OTP: D5).
//!
//! # Costs
//! | operation | cost |
//! |---|---|
//! | push | one short lock; no allocation but a chunk per 512 entries |
//! | plain receive | no lock until the swapped buffer is used up |
//! | receive by tag, key or monitor, warm | O(1) at any depth |
//! | the first of them behind a flood | one look at each message, in slices |
//! | receive with several clauses | as each of them alone; a guard looks at each message of its tag and key once |
//! | receive by predicate | one look at each message; a waiting receive looks at new ones only |
//!
//! # Not here
//! No executor, no clock, no process: the caller says which incarnation is alive, applies the signals and parks the task.

mod chunks;
mod error;
mod event;
mod inbox;
mod index;
mod intake;
mod message;
mod search;
pub mod sync;

pub use chunks::Chunks;
pub use error::{Refused, SendError};
pub use event::{Entry, Event};
pub use inbox::{Inbox, Step};
pub use intake::{Exchange, Intake, Leftover};
pub use message::{AsKey, Key, Message, Tag, tag_named};
pub use search::{Hint, Pattern, Search};
