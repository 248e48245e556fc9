//! The end of a seat: those who wait for it, as a future or as a monitor of the seat.
//!
//! ```text
//!   addr.closed() ────────► row: a waker   ─┐
//!                                           ├─ told once, in the last step of the exit protocol (`exit.rs`)
//!   cx.monitor_seat(&addr) ► row: a watcher ─┘
//! ```
//!
//! The rows belong to the seat, not to an incarnation: they are handed on at each start. To be reached without an incarnation,
//! a seat as such is a [`Peer`] whose pid has no generation; such a peer takes monitors and demonitors, and nothing else.
//!
//! # Invariants
//! * W1: a row is added under the lock under which the end is marked, so nobody waits for an end that was told already.
//! * W2: a row is removed in O(1) when its future is dropped, its monitor taken back, or its watcher dies.
//!
//! # Not here
//! Who closes a seat.

use crate::addr::Addr;
use crate::context::Context;
use crate::life::Map;
use crate::seat::{AnySeat, Core};
use crate::timer::Timer;
use crate::wire::{Peer, Signal};
use freeboard_monitor::Row;
use freeboard_signal::{ExitReason, Ref};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
    vec::IntoIter,
};

/// What belongs to a seat and outlasts its incarnations.
#[derive(Default)]
pub(crate) struct OfSeat {
    waiting: Map<u64, Waker>,
    numbers: u64,
    watchers: Map<Ref, Peer>,
    /// When the queue is given up that is kept for the next incarnation.
    pub(crate) expiry: Option<Timer>,
}

/// Those who are told that a seat is closed.
pub(crate) struct Told {
    waiting: IntoIter<Waker>,
    watchers: IntoIter<(Ref, Peer)>,
}

impl Told {
    /// Tells the next one; false when everybody was told.
    pub(crate) fn tell_next(&mut self, reason: &ExitReason) -> bool {
        if let Some(waker) = self.waiting.next() {
            waker.wake();
            return true;
        }
        let Some((monitor, watcher)) = self.watchers.next() else { return false };
        watcher.signal(Signal::Down { monitor, reason: reason.clone() });
        true
    }
}

impl Core {
    /// The seat is closed, and everything before the last step is done: marks it, and takes those who are to be told.
    pub(crate) fn take_waiting(&self) -> Option<Box<Told>> {
        let mut life = self.life.lock();
        self.mark_over();
        let of_seat = life.rows_if_any().and_then(|rows| rows.of_seat.take());
        drop(life);
        let OfSeat { waiting, watchers, expiry, .. } = *of_seat?;
        if let (Some(expiry), Some(node)) = (expiry, self.node()) {
            let _left = node.timers().cancel(expiry, expiry.at());
        }
        Some(Box::new(Told {
            waiting: waiting.into_values().collect::<Vec<_>>().into_iter(),
            watchers: watchers.into_iter().collect::<Vec<_>>().into_iter(),
        }))
    }

    /// Adds a watcher of the seat. Answers false, and adds none, if the end was told already.
    pub(crate) fn watch(&self, monitor: Ref, watcher: Peer) -> bool {
        let mut life = self.life.lock();
        if self.is_over() {
            return false;
        }
        life.of_seat().watchers.insert(monitor, watcher);
        true
    }

    /// Removes a watcher of the seat, if it is one.
    pub(crate) fn unwatch(&self, monitor: Ref) {
        let mut life = self.life.lock();
        let watcher = life.rows_if_any().and_then(|rows| rows.of_seat.as_mut()?.watchers.remove(&monitor));
        drop(life);
        drop(watcher);
    }

    /// Whether the end was told; if not, parks the waker under that number.
    fn wait(&self, place: &mut Option<u64>, waker: &Waker) -> bool {
        let mut life = self.life.lock();
        if self.is_over() {
            return true;
        }
        let of_seat = life.of_seat();
        let number = *place.get_or_insert_with(|| {
            of_seat.numbers += 1;
            of_seat.numbers
        });
        let replaced = match of_seat.waiting.get(&number) {
            Some(known) if known.will_wake(waker) => None,
            _ => of_seat.waiting.insert(number, waker.clone()),
        };
        drop(life);
        drop(replaced); // A waker is user code; it is dropped outside the lock.
        false
    }

    fn forget(&self, place: u64) {
        let mut life = self.life.lock();
        let waker = life.rows_if_any().and_then(|rows| rows.of_seat.as_mut()?.waiting.remove(&place));
        drop(life);
        drop(waker);
    }
}

impl<M: Send + 'static> Addr<M> {
    /// Waits until no incarnation will ever live here again; the reason of the last one's end, or why there was none.
    ///
    /// A restart does not end this wait. A seat that is closed answers at once; one that was never started waits for its
    /// first incarnation like any other, and hears `NoProc` if its spec is dropped; a call, or a send, then says
    /// [`NotStarted`](crate::CallError::NotStarted). By then the process is gone: its callers
    /// are answered, those who watch it are told, and its supervisor has let go of it.
    ///
    /// ```
    /// use freeboard_process::{Context, ExitReason, Node, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let worker = node.spawn(async |mut cx: Context<u8>| Ok(drop(cx.recv_message().await)));
    ///     worker.cast(1);
    ///     assert!(matches!(worker.closed().await, ExitReason::Normal));
    ///     assert!(worker.send(2).is_err());
    /// });
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it leaves nothing behind.
    ///
    /// # Cost
    /// O(1), and one row at the seat while it waits.
    pub fn closed(&self) -> Closed<M> {
        Closed { addr: self.clone(), place: None }
    }
}

/// Waits for the end of a seat: [`Addr::closed`].
#[must_use = "nothing is waited for until this is awaited"]
pub struct Closed<M: Send + 'static> {
    addr: Addr<M>,
    place: Option<u64>,
}

impl<M: Send + 'static> Future for Closed<M> {
    type Output = ExitReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<ExitReason> {
        let Self { addr, place } = &mut *self;
        if !addr.seat().core.wait(place, cx.waker()) {
            return Poll::Pending;
        }
        *place = None;
        Poll::Ready(addr.ended().unwrap_or(ExitReason::NoProc))
    }
}

impl<M: Send + 'static> Drop for Closed<M> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.addr.seat().core.forget(place);
        }
    }
}

impl<M: Send + 'static> fmt::Debug for Closed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Closed").field(&self.addr).finish()
    }
}

impl<M: Send + 'static> Context<M> {
    /// Watches a seat instead of an incarnation: one `Down` when no incarnation will ever live there again, none at a
    /// restart. [`demonitor`](Self::demonitor) and [`demonitor_flush`](Self::demonitor_flush) take it back.
    ///
    /// The `Down` carries the reason of the last incarnation's end; its `pid` is the incarnation that lived there when this
    /// was called, or the node's own if there was none. A seat that is closed already answers at once with that reason.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Reply, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let worker = node.spawn(async |mut cx: Context<u8>| Ok(drop(cx.recv_message().await)));
    ///     let watcher = node.spawn(async move |mut cx: Context<Reply<String>>| {
    ///         let monitor = cx.monitor_seat(&worker);
    ///         worker.cast(1);
    ///         let down = cx.recv_down(monitor).await;
    ///         cx.recv_message().await.send(down.reason.to_string());
    ///         Ok(())
    ///     });
    ///     assert_eq!(watcher.call(|reply| reply).await.unwrap(), "normal");
    /// });
    /// ```
    pub fn monitor_seat<N: Send + 'static>(&mut self, addr: &Addr<N>) -> Ref {
        let monitor = self.node().new_ref();
        let pid = addr.pid().unwrap_or_else(|| self.node().pid());
        // The node's own pid has no generation.
        let peer = Peer { pid: self.node().pid(), seat: Arc::clone(addr.seat()) as Arc<dyn AnySeat> };
        let row = Row { pid, peer: peer.clone(), name: None, tag: None, priority: false };
        {
            let Some(mut life) = self.life() else { return monitor };
            life.rows().watching.insert(monitor, row);
        }
        let me = self.me();
        if !peer.signal(Signal::Monitor { monitor, watcher: me.clone() }) {
            let reason = addr.ended().unwrap_or(ExitReason::NoProc);
            me.signal(Signal::Down { monitor, reason });
        }
        monitor
    }
}
