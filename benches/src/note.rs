//! The message of whatever measures selective receives: two variants, each with a number as its key.
//!
//! Written by hand, not derived, so that its cost is in sight.

use freeboard::prelude::*;

/// A message that is waited for, or one that is in the way.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    /// What the backlog is made of.
    Junk(u64),
    /// What is usually waited for.
    Ack(u64),
}

/// The tag of [`Note::Junk`].
pub const JUNK: Tag<Note> = Tag::new(0);

/// The tag of [`Note::Ack`].
pub const ACK: Tag<Note> = Tag::new(1);

impl Note {
    /// The number that it carries.
    pub fn number(self) -> u64 {
        let (Self::Junk(number) | Self::Ack(number)) = self;
        number
    }

    /// Whether this is the acknowledgement with that number.
    pub fn is_ack(&self, number: u64) -> bool {
        matches!(self, Self::Ack(own) if *own == number)
    }
}

impl Message for Note {
    const TAGS: &'static [&'static str] = &["Junk", "Ack"];

    fn tag(&self) -> Tag<Self> {
        match self {
            Self::Junk(_) => JUNK,
            Self::Ack(_) => ACK,
        }
    }

    fn key(&self) -> Option<Key<'_>> {
        Some(self.number().into())
    }
}
