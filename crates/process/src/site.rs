//! Where a process is started: on the backend of its node, or on the threads of a bulkhead.
//!
//! The ways to start one are the same in both places, so they are written once, here; `Node` and `Bulkhead` document them.
//!
//! Invariant: a place is needed for the start only. An incarnation that runs does not know where, and pays nothing for it.

use crate::addr::Addr;
use crate::census::SpawnError;
use crate::context::{Context, Ended};
use crate::executor::Workers;
use crate::names::RegisterError;
use crate::node::Node;
use crate::seat::Seat;
use crate::start::{self, Birth, Kin, Ready, Work};
use freeboard_mailbox::{Policy, PolicyError};
use std::{future::Future, sync::Arc};

/// A node, and the workers on which it shall start processes if they are not its backend's.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    node: &'a Node,
    on: Option<&'a Arc<dyn Workers>>,
}

impl<'a> Site<'a> {
    pub(crate) fn new(node: &'a Node, on: Option<&'a Arc<dyn Workers>>) -> Self {
        Self { node, on }
    }

    /// The identity of the first incarnation of a seat that nobody else knows yet.
    pub(crate) fn prepare<M: Send + 'static>(self, seat: &Arc<Seat<M>>) -> Ready<'a> {
        start::prepare(self.node, seat).expect("a fresh seat can be started").on(self.on.cloned())
    }

    pub(crate) fn spawn<M, F, Fut>(self, body: F) -> Addr<M>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.populate(Seat::new(), body)
    }

    pub(crate) fn try_spawn<M, F, Fut>(self, body: F) -> Result<Addr<M>, (F, SpawnError)>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        if let Err(why) = self.node.census().enter() {
            return Err((body, why));
        }
        let seat = Seat::new();
        let ready = self.prepare(&seat);
        let place = self.node.census().place(ready.pid);
        // The user's code, which may panic.
        let body = Box::pin(body(ready.context(&seat)));
        place.keep();
        ready.launch_counted(&seat, Work::Body(body));
        Ok(Addr::new(seat))
    }

    pub(crate) fn spawn_with<M, F, Fut>(self, policy: Policy<M>, body: F) -> Result<Addr<M>, PolicyError>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let seat = Seat::new();
        seat.police(self.node, policy)?;
        Ok(self.populate(seat, body))
    }

    pub(crate) fn spawn_named<M, F, Fut>(self, name: Arc<str>, body: F) -> Result<Addr<M>, RegisterError>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let seat = Seat::new();
        let ready = self.prepare(&seat);
        let body = Box::pin(body(ready.context(&seat)));
        ready.launch_named(name, &seat, Work::Body(body), Birth::default())?;
        Ok(Addr::new(seat))
    }

    /// Starts the first incarnation of a seat.
    fn populate<M, F, Fut>(self, seat: Arc<Seat<M>>, body: F) -> Addr<M>
    where
        M: Send + 'static,
        F: FnOnce(Context<M>) -> Fut + Send + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let ready = self.prepare(&seat);
        let body = Box::pin(body(ready.context(&seat)));
        ready.launch(&seat, Work::Body(body), Birth::default(), Kin::default());
        Addr::new(seat)
    }
}
