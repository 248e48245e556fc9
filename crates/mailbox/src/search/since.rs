//! A search that begins at a mark (OTP: E8, E9, E17).
//!
//! Invariants
//! * Nothing older than the mark is looked at; each entry since is looked at once, from old to new, by what the inner
//!   search wants. The lists by tag and key are of no use here: what they list is mostly older.
//! * Older arrivals on the way across are left in the index as they are. They cost budget and no look.
//! * The way from the newest entry in the index back to the mark is paid for as well.

use super::{Look, Looked, Part, Search, Test};
use crate::{Event, Marker, inbox::Meter, index::Index};
use freeboard_signal::Ref;

/// Looks for something that came after a mark.
#[derive(Debug)]
pub struct Since<P> {
    pattern: P,
    marker: Marker,
    lane: Place,
    queue: Place,
}

/// How far a part was looked at; events by their slot and their arrival number.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Nothing yet. The way back to the mark has led to this event, if it was begun.
    Back(Option<(u32, u64)>),
    /// Everything up to this event.
    Seen(u32, u64),
}

impl<P> Search<P> {
    /// Looks only at what came since that mark, each once, for what `self` wants (OTP: E8). Priority entries that were put
    /// ahead since then are among it, wherever they stand (OTP: E17). A second mark replaces the first.
    ///
    /// # Cost
    /// One look at each entry since the mark. Whatever is older in the buffer is moved across once.
    pub fn since(self, marker: Marker) -> Search<Since<P>> {
        let start = Place::Back(None);
        Search::new(Since { pattern: self.pattern, marker, lane: start, queue: start })
    }
}

impl<M, P: Look<M>> Look<M> for Since<P> {
    fn look(&mut self, part: Part, index: &mut Index<M>, meter: &mut Meter<'_>) -> Looked {
        let Self { pattern, marker, lane, queue } = self;
        let (place, mark) = match part {
            Part::Lane => (lane, marker.lane),
            Part::Queue => (queue, marker.queue),
        };
        let Some(start) = place.start(index, mark, meter) else { return Looked::Pause };
        let mut at = start;
        while let Some(slot) = at {
            if !meter.take() {
                return Looked::Pause;
            }
            if let Test::Hit = pattern.test(index.event(slot), index.alias(slot)) {
                return Looked::At(slot);
            }
            *place = Place::Seen(slot, index.arrival(slot));
            at = index.after(slot);
        }
        Looked::Nowhere
    }

    fn test(&mut self, event: &Event<M>, alias: Option<Ref>) -> Test {
        // Tags and keys can be learnt only in order, and what is older was not asked for its own.
        match self.pattern.test(event, alias) {
            Test::Hit => Test::Hit,
            Test::Miss | Test::Tagged(_) | Test::Keyed(..) => Test::Miss,
        }
    }

    fn left(&mut self, index: &Index<M>, slot: u32) {
        self.queue = Place::Seen(slot, index.arrival(slot));
    }

    fn clause(&self) -> usize {
        self.pattern.clause()
    }

    fn skips(&self, number: u64) -> bool {
        number < self.marker.queue
    }
}

impl Place {
    /// The oldest event that is to be looked at, if any; `None` if the budget ran out on the way to it.
    fn start<M>(&mut self, index: &Index<M>, mark: u64, meter: &mut Meter<'_>) -> Option<Option<u32>> {
        let reached = match *self {
            Self::Seen(slot, arrival) => return Some(index.after_arrival(slot, arrival)),
            Self::Back(reached) => reached,
        };
        // Another receive may have taken what the way had led to; it is gone again then.
        let mut oldest = reached.filter(|&(slot, arrival)| index.holds(slot, arrival)).map(|(slot, _)| slot);
        loop {
            let before = oldest.map_or_else(|| index.last(), |slot| index.before(slot));
            let Some(slot) = before.filter(|&slot| index.arrival(slot) >= mark) else { return Some(oldest) };
            if !meter.pay() {
                return None;
            }
            *self = Self::Back(Some((slot, index.arrival(slot))));
            oldest = Some(slot);
        }
    }
}
