//! The identity of one incarnation of a process.
//!
//! Invariant: a `Pid` is never used twice (OTP: A11). A slot may be used again after its seat is gone, its generation
//! never is: the pid table hands generations out in rising order, per slot.

use std::fmt;

/// Names one incarnation of a process: it is never reused, so it can never come to mean somebody else.
///
/// `Copy`, 16 bytes, ordered and hashable. It compares by node, then slot, then generation; the order carries no meaning
/// beyond being total and stable.
///
/// ```
/// use freeboard_signal::Pid;
///
/// let first = Pid::new(0, 7, 1);
/// let restarted = Pid::new(0, 7, 2);
/// assert_ne!(first, restarted);
/// assert_eq!(first.to_string(), "<0.7.1>");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid {
    node: u32,
    slot: u32,
    generation: u64,
}

const _: () = assert!(size_of::<Pid>() == 16);

impl Pid {
    /// Puts an identity together; used by the runtime that hands identities out.
    pub const fn new(node: u32, slot: u32, generation: u64) -> Self {
        Self { node, slot, generation }
    }

    /// The node that the process lives on.
    pub const fn node(self) -> u32 {
        self.node
    }

    /// The seat's place in its node's table. Slot 0 is the node itself.
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// Which incarnation of the seat: rises with each start.
    pub const fn generation(self) -> u64 {
        self.generation
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}.{}.{}>", self.node, self.slot, self.generation)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
