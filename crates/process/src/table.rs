//! The pid table: slot → seat, and the one place that hands out generations.
//!
//! A slot belongs to a seat from its first start until the seat is dropped, which is when no address to it exists any
//! more. The generation of a slot only rises, over seats and incarnations alike, so a [`Pid`] never names two
//! incarnations (OTP: A11).
//!
//! One lock: a start and the drop of a seat take it once each. Look-ups take it too; messages never do.

use crate::seat::AnySeat;
use crate::sync::Mutex;
use crate::wire::Peer;
use freeboard_signal::Pid;
use std::sync::{Arc, Weak};

/// Slots per page: the table grows by pages, so that no start ever copies it.
const PAGE: usize = if cfg!(freeboard_loom) { 2 } else { 1024 };

/// The slot that stands for the node itself.
pub(crate) const NODE_SLOT: u32 = 0;

pub(crate) struct Table {
    node: u32,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    pages: Vec<Vec<Slot>>,
    free: Vec<u32>,
    /// Seats that hold a slot now.
    held: usize,
}

struct Slot {
    generation: u64,
    seat: Option<Weak<dyn AnySeat>>,
}

impl Table {
    pub(crate) fn new(node: u32) -> Self {
        let mut slots = Slots::default();
        let reserved = slots.claim();
        debug_assert_eq!(reserved, NODE_SLOT, "the first slot is the node's own");
        slots.held = 0;
        Self { node, slots: Mutex::new(slots) }
    }

    /// The identity of the node itself: the sender of what no process sent.
    pub(crate) fn node_pid(&self) -> Pid {
        Pid::new(self.node, NODE_SLOT, 0)
    }

    /// Gives a seat its slot; answers the identity of the first incarnation in it.
    pub(crate) fn claim(&self, seat: Weak<dyn AnySeat>) -> Pid {
        let mut slots = self.slots.lock();
        let slot = slots.claim();
        let entry = slots.at(slot);
        entry.seat = Some(seat);
        entry.generation += 1;
        Pid::new(self.node, slot, entry.generation)
    }

    /// The identity of the next incarnation in this slot.
    pub(crate) fn next_pid(&self, slot: u32) -> Pid {
        let mut slots = self.slots.lock();
        let entry = slots.at(slot);
        entry.generation += 1;
        Pid::new(self.node, slot, entry.generation)
    }

    /// The seat is dropped; its slot may go to another one.
    pub(crate) fn release(&self, slot: u32) {
        let mut slots = self.slots.lock();
        let seat = slots.at(slot).seat.take();
        slots.free.push(slot);
        slots.held -= 1;
        drop(slots);
        drop(seat);
    }

    /// How to reach that incarnation, if its seat still exists; it may be dead.
    pub(crate) fn peer(&self, pid: Pid) -> Option<Peer> {
        if pid.node() != self.node {
            return None;
        }
        let seat = {
            let slots = self.slots.lock();
            slots.get(pid.slot())?.seat.clone()
        };
        let seat: Arc<dyn AnySeat> = seat?.upgrade()?;
        Some(Peer { pid, seat })
    }

    /// The seats of that page with their slots; `None` beyond the last page.
    pub(crate) fn page(&self, page: usize) -> Option<Vec<(u32, Weak<dyn AnySeat>)>> {
        let slots = self.slots.lock();
        let first = u32::try_from(page * PAGE).ok()?;
        Some((first..).zip(slots.pages.get(page)?).filter_map(|(at, slot)| Some((at, slot.seat.clone()?))).collect())
    }

    /// The incarnation that was started last in that slot.
    pub(crate) fn latest(&self, slot: u32) -> Option<Pid> {
        Some(Pid::new(self.node, slot, self.slots.lock().get(slot)?.generation))
    }

    /// How many seats hold a slot.
    pub(crate) fn held(&self) -> usize {
        self.slots.lock().held
    }
}

impl Slots {
    fn claim(&mut self) -> u32 {
        self.held += 1;
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let full_pages = self.pages.len() - 1;
        let page = &mut self.pages[full_pages];
        page.push(Slot { generation: 0, seat: None });
        u32::try_from(full_pages * PAGE + page.len() - 1).expect("a node holds fewer than 2^32 seats at once")
    }

    fn get(&self, slot: u32) -> Option<&Slot> {
        let slot = slot as usize;
        self.pages.get(slot / PAGE)?.get(slot % PAGE)
    }

    fn at(&mut self, slot: u32) -> &mut Slot {
        let slot = slot as usize;
        &mut self.pages[slot / PAGE][slot % PAGE]
    }
}
