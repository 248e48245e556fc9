//! Plain receives: the oldest event whose turn it is.
//!
//! Invariants
//! * With nothing left and no lane, a message costs an addition more than to take it out of the buffer.
//! * A death notice that is held back is left in the index, where selective receives find it. Messages that pass it stay
//!   in their order, and so do the notices.
//! * One receive passes no more than [`PASSES`] notices, and it passes each of them once for all receives.
//!
//! Not here: the shares themselves (`lane`, `notices`).

use super::{Inbox, Left};
use crate::{Entry, Event, notices::PASSES};

impl<M, S> Inbox<M, S> {
    /// Takes the oldest event: a plain receive.
    ///
    /// `None` means that there is nothing here, or nothing but death notices of which none has its turn (deviation DEV-16);
    /// [`holds_notice`](Self::holds_notice) tells which. If there is nothing in the intake either, the next is
    /// [`pop_notice`](Self::pop_notice)'s.
    ///
    /// # Cost
    /// O(1); it passes up to 64 death notices to find a message, each notice once in its life.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Event<M>> {
        if self.is_used_up() { None } else { self.pop_any() }
    }

    /// Takes the oldest message, if that is all there is to do: nothing was left or put ahead, and no call waits in the
    /// buffer, so nobody is to be noted. `None` says nothing: [`pop`](Self::pop) may find something.
    #[inline(always)]
    pub fn pop_message(&mut self) -> Option<M> {
        if self.left.is_some() {
            return None;
        }
        match self.buffer.pop_plain(|entry| matches!(entry, Entry::Event(Event::Message(_))))? {
            Entry::Event(Event::Message(message)) => {
                self.share.message();
                Some(message)
            }
            _ => None,
        }
    }

    /// Whether nothing is here that a receive of any kind could find.
    #[inline]
    pub fn is_used_up(&self) -> bool {
        self.left.is_none() && self.buffer.is_empty()
    }

    fn pop_any(&mut self) -> Option<Event<M>> {
        if let Some(left) = &self.left
            && (left.lane.is_some() || !left.index.is_empty())
        {
            return self.pop_with_left();
        }
        match self.buffer.pop()? {
            Entry::Event(Event::Message(message)) => {
                self.share.message();
                self.note_caller();
                Some(Event::Message(message))
            }
            other => self.pop_from(other, PASSES),
        }
    }

    /// A plain receive where something was left, or put ahead.
    fn pop_with_left(&mut self) -> Option<Event<M>> {
        match self.lane() {
            None => self.pop_left(),
            Some(lane) if lane.goes_first() => lane.pop(),
            Some(lane) => {
                // Where the lane has had its share, a notice that is held back has its turn like any other.
                let gives_way = lane.gives_way();
                let event = self.pop_left().or_else(|| if gives_way { self.pop_notice() } else { None });
                let lane = self.lane()?;
                if event.is_none() {
                    return lane.pop();
                }
                lane.interrupt();
                event
            }
        }
    }

    /// Takes the oldest event whose turn it is of the index and the buffer.
    fn pop_left(&mut self) -> Option<Event<M>> {
        let mut passes = PASSES;
        let Some(left) = &mut self.left else { return self.pop_buffer(passes) };
        let index = &mut left.index;
        let Some(oldest) = index.first() else { return self.pop_buffer(passes) };
        let mut next = Some(oldest).filter(|&oldest| self.share.is_due() || !index.event(oldest).is_death_notice());
        while next.is_none() {
            let Some(slot) = index.work() else { return self.pop_buffer(passes) };
            if !index.event(slot).is_death_notice() {
                next = Some(slot);
            } else if passes == 0 {
                next = Some(oldest);
            } else {
                passes -= 1;
                index.pass_death_notice();
            }
        }
        let (event, caller) = left.take(next?);
        caller.into_iter().for_each(|caller| self.buffer.note_caller(caller));
        self.share.handed_out(&event);
        Some(event)
    }

    fn pop_buffer(&mut self, passes: usize) -> Option<Event<M>> {
        let oldest = self.buffer.pop()?;
        self.pop_from(oldest, passes)
    }

    /// Takes the oldest event from this entry on, which was just taken out of the buffer. A death notice whose turn it is
    /// not is left in the index.
    fn pop_from(&mut self, mut entry: Entry<M, S>, mut passes: usize) -> Option<Event<M>> {
        loop {
            match entry {
                Entry::Event(event) => {
                    // If one is due, none is held back: it would have been handed out instead.
                    if !event.is_death_notice() || self.share.is_due() {
                        self.note_caller();
                        self.share.handed_out(&event);
                        return Some(event);
                    }
                    let number = self.buffer.number() - 1;
                    self.left.get_or_insert_with(Left::new).index.push(number, event, None);
                    if passes == 0 {
                        return self.pop_notice();
                    }
                    passes -= 1;
                }
                Entry::Aliased(aliased) => {
                    self.share.message();
                    return Some(Event::Message(aliased.message));
                }
                Entry::Timed(timed) => {
                    if let Some(message) = timed.take() {
                        self.share.message();
                        return Some(Event::Message(message));
                    }
                }
                Entry::Own(message) => {
                    self.share.message();
                    return Some(Event::Message(*message));
                }
                Entry::Gone => {}
                Entry::Signal(_) => debug_assert!(false, "signals are applied before anything is received"),
            }
            entry = self.buffer.pop()?;
        }
    }

    /// Whether the oldest ordinary event is a death notice that [`pop`](Self::pop) has held back.
    pub fn holds_notice(&self) -> bool {
        self.left
            .as_ref()
            .is_some_and(|left| left.index.first().is_some_and(|oldest| left.index.event(oldest).is_death_notice()))
    }

    /// Takes the death notice that [`pop`](Self::pop) holds back, if it does: for a receiver who finds no message in the
    /// intake.
    pub fn pop_notice(&mut self) -> Option<Event<M>> {
        if !self.holds_notice() {
            return None;
        }
        let left = self.left.as_deref_mut()?;
        let event = left.index.pop()?;
        self.share.handed_out(&event);
        left.lane.iter_mut().for_each(|lane| lane.interrupt());
        Some(event)
    }
}
