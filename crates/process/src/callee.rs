//! Who can be called: an address, a recipient, a name.
//!
//! A [`Call`](crate::Call) is the same for each of them; they differ in what is sent, and in when it is known to whom.
//!
//! # Invariants
//! * Resolved once, when the request is sent; a call asks nobody twice.
//! * A request that is refused is dropped here, after the caller has left: so what its reply says reaches nobody.
//!
//! # Not here
//! The call (`call.rs`). A pid is no callee: nothing can be sent to it.

use crate::addr::Addr;
use crate::named::Named;
use crate::node::Node;
use crate::recipient::Recipient;
use crate::seat::{AnySeat, Seat};
use freeboard_mailbox::{Caller, Refused, SendError};
use std::fmt;

/// Whoever can be [called](crate::Call). Sealed: implemented here and nowhere else.
pub trait Callee: fmt::Debug + sealed::Sealed {
    /// What it is asked with.
    type Request;

    /// Finds out who is to be asked, if that is still open.
    #[doc(hidden)]
    fn resolve(&mut self) {}

    /// Who is asked, if that is known.
    #[doc(hidden)]
    fn seat(&self) -> Option<Asking<'_>>;

    /// The node whose settings and clock count, if that is known.
    #[doc(hidden)]
    fn node(&self) -> Option<&Node> {
        let Asking(seat) = self.seat()?;
        seat.core().node()
    }

    /// Queues the request; answers its number there. `refused` runs before a refused one is dropped.
    #[doc(hidden)]
    fn send_call(&self, request: Self::Request, caller: Caller, refused: impl FnOnce()) -> Result<u64, Refused>;
}

/// The seat that is asked. Opaque: what lies behind a call is nobody's business.
pub struct Asking<'a>(pub(crate) &'a dyn AnySeat);

mod sealed {
    pub trait Sealed {}
}

impl<M: Send + 'static> Seat<M> {
    /// Queues a call, as [`Callee::send_call`].
    #[inline]
    pub(crate) fn ask(&self, request: M, caller: Caller, refused: impl FnOnce()) -> Result<u64, Refused> {
        self.send_call(request, caller).map_err(|SendError { message, why }| {
            refused();
            drop(message);
            why
        })
    }
}

impl<M: Send + 'static> sealed::Sealed for &Addr<M> {}

impl<M: Send + 'static> Callee for &Addr<M> {
    type Request = M;

    #[inline]
    fn seat(&self) -> Option<Asking<'_>> {
        Some(Asking(&**Addr::seat(self)))
    }

    #[inline]
    fn send_call(&self, request: M, caller: Caller, refused: impl FnOnce()) -> Result<u64, Refused> {
        Addr::seat(self).ask(request, caller, refused)
    }
}

impl<S: Send + 'static> sealed::Sealed for &Recipient<S> {}

impl<S: Send + 'static> Callee for &Recipient<S> {
    type Request = S;

    fn seat(&self) -> Option<Asking<'_>> {
        Some(Asking(Recipient::seat(self)))
    }

    fn send_call(&self, request: S, caller: Caller, refused: impl FnOnce()) -> Result<u64, Refused> {
        let mut refused = Some(refused);
        self.ask(request, caller, &mut || refused.take().into_iter().for_each(|refused| refused()))
    }
}

/// A name, and whoever held it when the call was polled first.
pub(crate) struct Holder<'a, M: Send + 'static> {
    name: &'a Named<M>,
    addr: Option<Addr<M>>,
}

impl<'a, M: Send + 'static> Holder<'a, M> {
    pub(crate) fn of(name: &'a Named<M>) -> Self {
        Self { name, addr: None }
    }
}

impl<M: Send + 'static> sealed::Sealed for Holder<'_, M> {}

impl<M: Send + 'static> Callee for Holder<'_, M> {
    type Request = M;

    fn resolve(&mut self) {
        self.addr = self.name.addr();
    }

    fn seat(&self) -> Option<Asking<'_>> {
        Some(Asking(&**self.addr.as_ref()?.seat()))
    }

    fn node(&self) -> Option<&Node> {
        Some(self.name.node())
    }

    fn send_call(&self, request: M, caller: Caller, refused: impl FnOnce()) -> Result<u64, Refused> {
        match &self.addr {
            Some(addr) => addr.seat().ask(request, caller, refused),
            None => {
                refused();
                Err(Refused::Nobody)
            }
        }
    }
}

impl<M: Send + 'static> fmt::Debug for Holder<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}
