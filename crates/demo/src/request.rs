//! One caller's request for a connection: 64 bytes, as it lies in a mailbox.

use crate::stopwatch::SECOND;

/// A request counts as on time when it is answered this long after its planned moment.
pub const ON_TIME_US: u64 = 2 * SECOND;

/// Asks one instance to start the connection of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub session: u64,
    /// The guild of the call.
    pub guild: u64,
    /// The user behind the session.
    pub user: u64,
    /// The SFU to connect to.
    pub sfu: u64,
    /// The planned moment.
    pub asked_at_us: u64,
    /// Answers after this are late.
    pub deadline_us: u64,
    /// Where the answer goes: the row of the request in the plan.
    pub reply_to: usize,
    /// How often the caller asked before.
    pub attempt: u32,
}

impl Request {
    /// The request of `session`, planned as row `reply_to` for `asked_at_us`.
    #[must_use]
    pub fn new(session: u64, asked_at_us: u64, reply_to: usize, attempt: u32) -> Self {
        Self {
            session,
            guild: session / 8,
            user: session,
            sfu: session % 2_500,
            asked_at_us,
            deadline_us: asked_at_us + ON_TIME_US,
            reply_to,
            attempt,
        }
    }
}
