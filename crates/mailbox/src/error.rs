//! Why a send was refused. The message always comes back.

use freeboard_signal::ExitReason;
use std::{error::Error, fmt};

/// A refused send: the message, and why.
pub struct SendError<M> {
    /// The message, untouched.
    pub message: M,
    /// Why it was refused.
    pub why: Refused,
}

/// Why a message was refused.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Refused {
    /// The seat is closed: its last incarnation ended for this reason and no other will come.
    Closed(ExitReason),
    /// Nobody sits there now; a restart is due.
    Vacant,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => {
                write!(f, "the process has ended for good ({reason}); drop this address and ask for a new one")
            }
            Self::Vacant => f.write_str("the process is being restarted; send again later"),
        }
    }
}

impl Error for Refused {}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("why", &self.why).finish_non_exhaustive()
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message refused: {}", self.why)
    }
}

impl<M> Error for SendError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.why)
    }
}
