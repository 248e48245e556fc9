//! The index: what selective receives looked at and left, in order, findable by tag, key and monitor.
//!
//! ```text
//!   order   ●──●──●──●──●──●──●──●          oldest ─► newest, linked through the slots
//!   tags       0: ●─────●──●   1: ●──●      one list per tag; behind `untagged` nothing has been asked for its tag
//!   keys            0/7: ●──●               one list per key, only for tags that were awaited by key; behind `unkeyed`
//!                                           nothing has been asked for its key
//!   notices    Down r ─► ●   Exit p ─► ●    kept from the start
//!   aliases         r ─► ●──●               kept from the start
//! ```
//!
//! The part of the order in front of a cursor is known, the part behind it is not; a receive moves the cursor on as far
//! as it needs, and nobody ever looks at the same message for the same thing twice. So `M` needs to be no
//! [`Message`](crate::Message) until somebody receives by tag.
//!
//! # Modules
//! * `store`: the lists and cursors over one slab.
//! * `slab`: slots in chunks that are never copied.
//! * `aliases`: the lists of the few messages that came through an alias.
//! * `keys`: hash maps in parts, so that no insertion moves more than a few thousand entries.
//!
//! # Not here
//! Which messages a receive wants (`search`), and the budget it may spend (`inbox`).

mod aliases;
mod keys;
pub(crate) mod slab;
mod store;

pub(crate) use keys::Name;
pub(crate) use store::Index;
