//! What can be linked to, monitored and sent exit signals: an address, a pid or a name.
//!
//! Invariant: a target is resolved once, when the request is made; a later restart does not move the request (OTP: C5).

use crate::addr::Addr;
use crate::node::Node;
use crate::seat::present;
use crate::wire::Peer;
use freeboard_signal::Pid;
use std::sync::Arc;

/// Anything that names a process now: a [`Pid`], an [`Addr`], a registered name (`str`).
pub trait Target {
    /// The incarnation it names now, if there is one. A pid answers itself, dead or alive.
    fn resolve(&self, node: &Node) -> Option<Pid>;

    /// The same, with the way to reach it.
    #[doc(hidden)]
    fn peer(&self, node: &Node) -> Option<Peer> {
        node.peer(self.resolve(node)?)
    }

    /// Whether this names that peer, dead or alive; `now` is what it resolves to.
    #[doc(hidden)]
    fn is(&self, peer: &Peer, now: Option<Pid>) -> bool;

    /// Whom this names if nobody is there.
    #[doc(hidden)]
    fn absent(&self) -> Option<Pid> {
        None
    }

    /// The name, if it is one: a `Down` of it carries it (OTP: C4).
    #[doc(hidden)]
    fn name(&self) -> Option<Arc<str>> {
        None
    }
}

impl Target for Pid {
    fn resolve(&self, _: &Node) -> Option<Pid> {
        Some(*self)
    }

    fn is(&self, peer: &Peer, _: Option<Pid>) -> bool {
        peer.pid == *self
    }

    fn absent(&self) -> Option<Pid> {
        Some(*self)
    }
}

impl<M: Send + 'static> Target for Addr<M> {
    fn resolve(&self, _: &Node) -> Option<Pid> {
        self.pid()
    }

    fn peer(&self, _: &Node) -> Option<Peer> {
        present(self.seat())
    }

    fn is(&self, peer: &Peer, _: Option<Pid>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&peer.seat), Arc::as_ptr(self.seat()))
    }
}

/// Whoever holds this name now, whatever its message type. A name that nobody holds is a target that is gone.
impl Target for str {
    fn resolve(&self, node: &Node) -> Option<Pid> {
        node.names().pid(self)
    }

    fn peer(&self, node: &Node) -> Option<Peer> {
        node.names().owner(self)
    }

    fn is(&self, peer: &Peer, now: Option<Pid>) -> bool {
        now == Some(peer.pid)
    }

    fn name(&self) -> Option<Arc<str>> {
        Some(self.into())
    }
}
