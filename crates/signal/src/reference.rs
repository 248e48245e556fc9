//! A unique token: names a monitor, a link, later an alias.
//!
//! Invariant: no two live tokens of one node are equal; a node hands them out from one rising counter.

use std::fmt;

/// A token that is unique on its node: the name of a monitor, to be matched against [`Down::monitor`](crate::Down).
///
/// ```
/// use freeboard_signal::Ref;
///
/// assert_ne!(Ref::new(0, 1), Ref::new(0, 2));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref(u64, u64);

impl Ref {
    /// Puts a token together; used by the runtime that hands tokens out.
    pub const fn new(node: u64, number: u64) -> Self {
        Self(node, number)
    }

    /// The token's number on its node.
    pub const fn number(self) -> u64 {
        self.1
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#Ref<{}.{}>", self.0, self.1)
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
