//! Tags and keys: what an indexed receive asks for.
//!
//! Invariant: a [`Tag`] is typed by its message, so tags of two enums cannot be mixed up; a number means something only
//! together with its type.

use freeboard_signal::{Pid, Ref};
use std::{fmt, marker::PhantomData, sync::Arc};

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

/// What can be a message's key: numbers by value, text and bytes by reference. Used by `#[derive(Message)]`.
///
/// ```
/// use freeboard_mailbox::{AsKey, Key};
///
/// assert_eq!(7_u32.as_key(), Key::Int(7));
/// assert_eq!(String::from("sfu").as_key(), Key::Bytes(b"sfu"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a message",
    label = "not a key",
    note = "keys are unsigned numbers, text, bytes, `Ref` and `Pid`, also behind `&`, `Box` and `Arc`"
)]
pub trait AsKey {
    /// The key, borrowed from the message.
    fn as_key(&self) -> Key<'_>;
}

macro_rules! numbers {
    ($($number:ty),*) => { $(impl AsKey for $number {
        fn as_key(&self) -> Key<'_> {
            Key::Int(u128::from(*self))
        }
    })* };
}
numbers!(u8, u16, u32, u64, u128);

/// A reference is a key by its number: it is unique on its node.
impl AsKey for Ref {
    fn as_key(&self) -> Key<'_> {
        Key::Int(u128::from(self.number()))
    }
}

/// A pid is a key as a whole: node, slot and generation.
impl AsKey for Pid {
    fn as_key(&self) -> Key<'_> {
        let seat = (u128::from(self.node()) << 32) | u128::from(self.slot());
        Key::Int((seat << 64) | u128::from(self.generation()))
    }
}

impl AsKey for str {
    fn as_key(&self) -> Key<'_> {
        Key::Bytes(self.as_bytes())
    }
}

impl AsKey for String {
    fn as_key(&self) -> Key<'_> {
        self.as_str().as_key()
    }
}

impl AsKey for [u8] {
    fn as_key(&self) -> Key<'_> {
        Key::Bytes(self)
    }
}

impl AsKey for Vec<u8> {
    fn as_key(&self) -> Key<'_> {
        Key::Bytes(self)
    }
}

impl<const N: usize> AsKey for [u8; N] {
    fn as_key(&self) -> Key<'_> {
        Key::Bytes(self)
    }
}

impl<T: AsKey + ?Sized> AsKey for &T {
    fn as_key(&self) -> Key<'_> {
        (**self).as_key()
    }
}

impl<T: AsKey + ?Sized> AsKey for Box<T> {
    fn as_key(&self) -> Key<'_> {
        (**self).as_key()
    }
}

impl<T: AsKey + ?Sized> AsKey for Arc<T> {
    fn as_key(&self) -> Key<'_> {
        (**self).as_key()
    }
}

/// What is asked for by reference: `recv_key(TAG, &name)`.
impl<'a, T: AsKey + ?Sized> From<&'a T> for Key<'a> {
    fn from(value: &'a T) -> Self {
        value.as_key()
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
/// If `M` has no variant of that name; in a `const` that is a compile error:
///
/// ```compile_fail,E0080
/// # use freeboard_mailbox::{Message, Tag, tag_named};
/// # struct Ping;
/// # impl Message for Ping {
/// #     const TAGS: &'static [&'static str] = &["Ping"];
/// #     fn tag(&self) -> Tag<Self> { Tag::new(0) }
/// # }
/// const PONG: Tag<Ping> = tag_named("Pong");
/// ```
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
