//! Tags and keys: what an indexed receive asks for.
//!
//! Invariant: a [`Tag`] is typed by its message, so tags of two enums cannot be mixed up; a number means something only
//! together with its type.

use std::{fmt, marker::PhantomData};

/// Which variant of `M` a message is; typed, so that tags of two enums cannot be mixed up.
pub struct Tag<M>(u32, PhantomData<fn(M)>);

impl<M> Tag<M> {
    /// The tag with this number, which is a place in [`Message::TAGS`].
    pub const fn new(number: u32) -> Self {
        Self(number, PhantomData)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl<M> Clone for Tag<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Tag<M> {}

impl<M> PartialEq for Tag<M> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M> Eq for Tag<M> {}

impl<M> fmt::Debug for Tag<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

/// What tells two messages of one tag apart: a request's number, a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key<'a> {
    /// A number.
    Int(u128),
    /// Bytes, compared as they are.
    Bytes(&'a [u8]),
}

impl From<u64> for Key<'static> {
    fn from(number: u64) -> Self {
        Key::Int(u128::from(number))
    }
}

impl From<u32> for Key<'static> {
    fn from(number: u32) -> Self {
        Key::Int(u128::from(number))
    }
}

impl From<u128> for Key<'static> {
    fn from(number: u128) -> Self {
        Key::Int(number)
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(text: &'a str) -> Self {
        Key::Bytes(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Key::Bytes(bytes)
    }
}

/// A message that an indexed receive can find: it says which variant it is and, where it has one, its key.
///
/// Plain receives and receives by predicate ask for nothing but `Send`; only the indexed forms need this.
/// The answers must not change while the message waits, and the two functions must not panic.
///
/// ```
/// use freeboard_mailbox::{Key, Message, Tag};
///
/// enum Voice { Ack { id: u64 }, Data(String) }
/// impl Message for Voice {
///     const TAGS: &'static [&'static str] = &["Ack", "Data"];
///     fn tag(&self) -> Tag<Self> {
///         match self { Voice::Ack { .. } => Tag::new(0), Voice::Data(_) => Tag::new(1) }
///     }
///     fn key(&self) -> Option<Key<'_>> {
///         match self { Voice::Ack { id } => Some((*id).into()), Voice::Data(_) => None }
///     }
/// }
/// assert_eq!(Voice::Ack { id: 7 }.key(), Some(Key::Int(7)));
/// assert_eq!(Voice::Data("x".into()).tag(), freeboard_mailbox::tag_named("Data"));
/// ```
pub trait Message: Send + Sized + 'static {
    /// The variants' names, in the order of their tags' numbers.
    const TAGS: &'static [&'static str];

    /// Which variant this is.
    fn tag(&self) -> Tag<Self>;

    /// What tells it apart from others of its tag.
    fn key(&self) -> Option<Key<'_>> {
        None
    }
}

/// The tag of the variant with this name, found while compiling where it is used in a `const`.
///
/// # Panics
/// If `M` has no variant of that name; in a `const` that is a compile error.
pub const fn tag_named<M: Message>(name: &str) -> Tag<M> {
    let wanted = name.as_bytes();
    let mut place = 0;
    while place < M::TAGS.len() {
        let known = M::TAGS[place].as_bytes();
        let mut at = 0;
        while at < known.len() && at < wanted.len() && known[at] == wanted[at] {
            at += 1;
        }
        if at == known.len() && at == wanted.len() {
            return Tag::new(place as u32);
        }
        place += 1;
    }
    panic!("this message has no variant of that name")
}
