//! What can be linked to, monitored and sent exit signals: an address or a pid.
//!
//! Invariant: a target is resolved once, when the request is made; a later restart does not move the request (OTP: C5).

use crate::addr::Addr;
use crate::node::Node;
use crate::seat::present;
use crate::wire::Peer;
use freeboard_signal::Pid;
use std::sync::Arc;

/// Anything that names a process now: a [`Pid`], an [`Addr`].
pub trait Target {
    /// The incarnation it names now, if there is one. A pid answers itself, dead or alive.
    fn resolve(&self, node: &Node) -> Option<Pid>;

    /// The same, with the way to reach it.
    #[doc(hidden)]
    fn peer(&self, node: &Node) -> Option<Peer> {
        node.peer(self.resolve(node)?)
    }

    /// Whether this names that peer, dead or alive.
    #[doc(hidden)]
    fn is(&self, peer: &Peer) -> bool;
}

impl Target for Pid {
    fn resolve(&self, _: &Node) -> Option<Pid> {
        Some(*self)
    }

    fn is(&self, peer: &Peer) -> bool {
        peer.pid == *self
    }
}

impl<M: Send + 'static> Target for Addr<M> {
    fn resolve(&self, _: &Node) -> Option<Pid> {
        self.pid()
    }

    fn peer(&self, _: &Node) -> Option<Peer> {
        present(self.seat())
    }

    fn is(&self, peer: &Peer) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&peer.seat), Arc::as_ptr(self.seat()))
    }
}
