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
    /// The seat is closed, and no process was ever up there: it was not started, or its first start failed. The reason is the
    /// one for which it ended, [`NoProc`](ExitReason::NoProc) if nothing was started.
    NotStarted(ExitReason),
    /// Nobody sits there now; a restart is due.
    Vacant,
    /// There is no room, and the mailbox rejects what finds none.
    Full,
    /// A newer message with the same tag and key took its place. Told to callers; a send that does this succeeds.
    Coalesced,
    /// It waited too long, or its deadline came. Told to callers.
    Expired,
    /// Too much had waited for too long, and it was one of those to go. Told to callers.
    Shed,
    /// The mailbox takes nothing new; what it holds is still received.
    Draining,
    /// It was sent to a name, and nobody who receives such messages holds it.
    Nobody,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => {
                write!(f, "the process has ended for good ({reason}); drop this address and ask for a new one")
            }
            Self::NotStarted(reason) => {
                write!(f, "the process was never up ({reason}); see why its start failed, and start a new one")
            }
            Self::Vacant => f.write_str("the process is being restarted; send again later"),
            Self::Full => f.write_str("the mailbox is full; send again later, or wait for room"),
            Self::Coalesced => {
                f.write_str("a newer message with the same key took its place; ask again if you still need to")
            }
            Self::Expired => {
                f.write_str("the message was not received in time; the process is overloaded, ask again later")
            }
            Self::Shed => f.write_str("the process sheds load; ask again later, and less often"),
            Self::Draining => {
                f.write_str("the process finishes what it has and takes nothing new; ask for another one")
            }
            Self::Nobody => {
                f.write_str("nobody with this message type holds the name; register it, or start its process")
            }
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
