//! One slab, the order of age through it, and the lists that make tags, keys and notices findable.
//!
//! Invariants
//! * Arrival numbers rise along the order, and are never used twice in the life of an index.
//! * Messages in front of `untagged` are in their tag's list, those behind are in none.
//! * Messages in front of their tag's `unkeyed` are in the list of their key, if they have one, those behind are not.
//! * In front of `messages` there are notices only, and in front of `work` death notices only.
//! * Lists of equal tag, key or name are in the order of age.

use super::{
    aliases::Aliases,
    keys::{Name, Names},
    slab::{NONE, Slab},
};
use crate::{Event, Key};
use freeboard_signal::Ref;
use std::fmt;

/// What was looked at and left.
pub struct Index<M> {
    slab: Slab<Slot<M>>,
    order: List,
    messages: u32,
    work: u32,
    untagged: u32,
    tags: Vec<Tagged>,
    notices: Names,
    aliases: Option<Box<Aliases>>,
    /// How many of the events are no messages.
    others: usize,
    next: u64,
}

struct Slot<M> {
    arrival: u64,
    event: Event<M>,
    order: Links,
    peers: Links,
    namesakes: Links,
    /// The hash of its name, if it is `named`.
    hash: u64,
    /// The number of its tag, or [`NONE`].
    tag: u32,
    named: bool,
    aliased: bool,
}

const _: () = assert!(size_of::<Slot<u64>>() == 64);

#[derive(Clone, Copy)]
struct Links {
    before: u32,
    after: u32,
}

const LOOSE: Links = Links { before: NONE, after: NONE };

#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

/// The messages of one tag.
struct Tagged {
    list: List,
    unkeyed: u32,
    names: Option<Box<Names>>,
}

impl<M> Index<M> {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            order: EMPTY,
            messages: NONE,
            work: NONE,
            untagged: NONE,
            tags: Vec::new(),
            notices: Names::new(),
            aliases: None,
            others: 0,
            next: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.head == NONE
    }

    /// How many of the events are messages.
    pub(crate) fn messages_len(&self) -> usize {
        self.slab.len() - self.others
    }

    /// A number higher than that of anything that was ever here.
    pub(crate) fn next_arrival(&self) -> u64 {
        self.next
    }

    /// Adds the newest event, of which nothing is known yet. Notices are findable at once, and so is what came through an
    /// alias.
    pub(crate) fn push(&mut self, number: u64, event: Event<M>, alias: Option<Ref>) -> u32 {
        let name = match &event {
            Event::Message(_) | Event::Downs(_) | Event::Asked(_) => None,
            Event::Down(down) => Some(Name::Down(down.monitor)),
            Event::Exit(exit) => Some(Name::Exit(exit.from)),
        };
        let is_message = matches!(event, Event::Message(_));
        let may_wait = !is_message && event.is_death_notice();
        // The order is that of the pushes, whatever the numbers: a buffer may have been filled by hand.
        let arrival = number.max(self.next);
        let slot = self.slab.insert(Slot {
            arrival,
            event,
            order: self.order.behind(),
            peers: LOOSE,
            namesakes: LOOSE,
            hash: 0,
            tag: NONE,
            named: false,
            aliased: alias.is_some(),
        });
        self.next = arrival + 1;
        self.order.append(&mut self.slab, slot, |slot| &mut slot.order);
        first(&mut self.messages, slot);
        if !may_wait {
            first(&mut self.work, slot);
        }
        if is_message {
            first(&mut self.untagged, slot);
        } else {
            self.others += 1;
        }
        if let Some(name) = name {
            self.slab.join(&mut self.notices, name, slot);
        }
        if let Some(alias) = alias {
            self.aliases.get_or_insert_with(|| Box::new(Aliases::new())).join(alias, slot);
        }
        slot
    }

    /// Takes an event out of its place, wherever that is.
    pub(crate) fn remove(&mut self, slot: u32) -> Event<M> {
        // Taken out first: what follows touches its neighbours only.
        let Slot { event, order, peers, namesakes, hash, tag, named, aliased, .. } = self.slab.remove(slot);
        self.slab.relink(order, |slot| &mut slot.order);
        self.order.close(order);
        skip(&mut self.messages, slot, order.after);
        skip(&mut self.work, slot, order.after);
        skip(&mut self.untagged, slot, order.after);
        let names = if tag == NONE {
            Some(&mut self.notices)
        } else {
            let tagged = &mut self.tags[tag as usize];
            self.slab.relink(peers, |slot| &mut slot.peers);
            tagged.list.close(peers);
            skip(&mut tagged.unkeyed, slot, peers.after);
            tagged.names.as_deref_mut()
        };
        if named && let Some(names) = names {
            self.slab.relink(namesakes, |slot| &mut slot.namesakes);
            names.leave(slot, hash, namesakes.before, namesakes.after);
        }
        if aliased && let Some(aliases) = &mut self.aliases {
            aliases.leave(slot);
        }
        if !matches!(event, Event::Message(_)) {
            self.others -= 1;
        }
        event
    }

    /// Takes the oldest event, and says through which alias it came.
    pub(crate) fn pop_aliased(&mut self) -> Option<(Event<M>, Option<Ref>)> {
        let oldest = self.first()?;
        let alias = self.alias(oldest);
        Some((self.remove(oldest), alias))
    }

    /// Takes the oldest event.
    pub(crate) fn pop(&mut self) -> Option<Event<M>> {
        if self.is_empty() { None } else { Some(self.remove(self.order.head)) }
    }

    pub(crate) fn event(&self, slot: u32) -> &Event<M> {
        &self.slab.at(slot).event
    }

    pub(crate) fn arrival(&self, slot: u32) -> u64 {
        self.slab.at(slot).arrival
    }

    /// The oldest event.
    pub(crate) fn first(&self) -> Option<u32> {
        some(self.order.head)
    }

    /// The newest event.
    pub(crate) fn last(&self) -> Option<u32> {
        some(self.order.tail)
    }

    /// The one before in order of age.
    pub(crate) fn before(&self, slot: u32) -> Option<u32> {
        some(self.slab.at(slot).order.before)
    }

    /// The next in order of age.
    pub(crate) fn after(&self, slot: u32) -> Option<u32> {
        some(self.slab.at(slot).order.after)
    }

    /// The oldest event that arrived after this one, which may have left its slot since.
    pub(crate) fn after_arrival(&self, slot: u32, arrival: u64) -> Option<u32> {
        if self.holds(slot, arrival) {
            return self.after(slot);
        }
        let mut found = NONE;
        let mut at = self.order.tail;
        while at != NONE && self.arrival(at) > arrival {
            found = at;
            at = self.slab.at(at).order.before;
        }
        some(found)
    }

    /// Where the first message may be: everything older is a notice.
    pub(crate) fn messages(&self) -> Option<u32> {
        some(self.messages)
    }

    /// Notes that what [`messages`](Self::messages) answered is a notice.
    pub(crate) fn pass_notice(&mut self) {
        self.messages = self.slab.at(self.messages).order.after;
    }

    /// Where the first event may be that is no death notice.
    pub(crate) fn work(&self) -> Option<u32> {
        some(self.work)
    }

    /// Notes that what [`work`](Self::work) answered is a death notice.
    pub(crate) fn pass_death_notice(&mut self) {
        self.work = self.slab.at(self.work).order.after;
    }

    /// The oldest message that came through this alias.
    pub(crate) fn aliased(&self, alias: Ref) -> Option<u32> {
        self.aliases.as_ref()?.find(alias)
    }

    /// The next message that came through the same alias.
    pub(crate) fn after_aliased(&self, slot: u32) -> Option<u32> {
        some(self.aliases.as_ref()?.after(slot))
    }

    /// The alias through which this came, if it did.
    pub(crate) fn alias(&self, slot: u32) -> Option<Ref> {
        self.aliases.as_ref().filter(|_| self.slab.at(slot).aliased).map(|aliases| aliases.of(slot))
    }

    /// The oldest notice of this name.
    pub(crate) fn notice(&self, name: &Name) -> Option<u32> {
        self.notices.find(name)
    }

    /// The oldest known message of a tag.
    pub(crate) fn tagged(&self, tag: u32) -> Option<u32> {
        some(self.tags.get(tag as usize)?.list.head)
    }

    /// The oldest known message of a tag with this key.
    pub(crate) fn keyed(&self, tag: u32, key: Key<'_>) -> Option<u32> {
        self.tags.get(tag as usize)?.names.as_ref()?.find_key(key)
    }

    /// The oldest event that may be a message whose tag is not known.
    pub(crate) fn untagged(&self) -> Option<u32> {
        some(self.untagged)
    }

    /// Notes the tag of the message that [`untagged`](Self::untagged) answered; `None` if it is no message.
    pub(crate) fn learn_tag(&mut self, tag: Option<u32>) {
        let slot = self.untagged;
        let own = self.slab.at_mut(slot);
        self.untagged = own.order.after;
        let Some(tag) = tag else { return };
        let needed = tag as usize + 1;
        if self.tags.len() < needed {
            self.tags.resize_with(needed, || Tagged { list: EMPTY, unkeyed: NONE, names: None });
        }
        let tagged = &mut self.tags[tag as usize];
        own.tag = tag;
        own.peers = tagged.list.behind();
        tagged.list.append(&mut self.slab, slot, |slot| &mut slot.peers);
        first(&mut tagged.unkeyed, slot);
    }

    /// Whether the event of this arrival is still in this slot.
    pub(crate) fn holds(&self, slot: u32, arrival: u64) -> bool {
        self.slab.get(slot).is_some_and(|known| known.arrival == arrival)
    }

    /// The next message of the same tag.
    pub(crate) fn after_peer(&self, slot: u32) -> Option<u32> {
        some(self.slab.at(slot).peers.after)
    }

    /// The next of the same tag and key, or of the same notice's name.
    pub(crate) fn after_namesake(&self, slot: u32) -> Option<u32> {
        some(self.slab.at(slot).namesakes.after)
    }

    /// The oldest known message of a tag whose key is not known.
    pub(crate) fn unkeyed(&self, tag: u32) -> Option<u32> {
        some(self.tags.get(tag as usize)?.unkeyed)
    }

    /// Notes the key of the message that [`unkeyed`](Self::unkeyed) answered; `None` if it has none.
    pub(crate) fn learn_key(&mut self, tag: u32, key: Option<Name>) {
        let tagged = &mut self.tags[tag as usize];
        let slot = tagged.unkeyed;
        tagged.unkeyed = self.slab.at(slot).peers.after;
        if let Some(name) = key {
            let names = tagged.names.get_or_insert_with(|| Box::new(Names::new()));
            self.slab.join(names, name, slot);
        }
    }
}

impl<M> fmt::Debug for Index<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<M> Slab<Slot<M>> {
    /// Ties the neighbours of a slot that has left to one another.
    fn relink(&mut self, left: Links, links: fn(&mut Slot<M>) -> &mut Links) {
        if left.before != NONE {
            links(self.at_mut(left.before)).after = left.after;
        }
        if left.after != NONE {
            links(self.at_mut(left.after)).before = left.before;
        }
    }

    /// Puts a slot behind its namesakes.
    fn join(&mut self, names: &mut Names, name: Name, slot: u32) {
        let joined = names.join(name, slot);
        let own = self.at_mut(slot);
        own.named = true;
        own.hash = joined.hash;
        own.namesakes.before = joined.before;
        if joined.before != NONE {
            self.at_mut(joined.before).namesakes.after = slot;
        }
    }
}

const EMPTY: List = List { head: NONE, tail: NONE };

impl List {
    /// The links of what is to be appended.
    fn behind(&self) -> Links {
        Links { before: self.tail, after: NONE }
    }

    /// Makes a slot the last, which has the links of one [`behind`](Self::behind).
    fn append<M>(&mut self, slab: &mut Slab<Slot<M>>, slot: u32, links: fn(&mut Slot<M>) -> &mut Links) {
        if self.tail == NONE {
            self.head = slot;
        } else {
            links(slab.at_mut(self.tail)).after = slot;
        }
        self.tail = slot;
    }

    /// Closes the gap that a slot with these links left.
    fn close(&mut self, links: Links) {
        if links.before == NONE {
            self.head = links.after;
        }
        if links.after == NONE {
            self.tail = links.before;
        }
    }
}

/// A cursor at the end now stands before what was appended.
fn first(cursor: &mut u32, appended: u32) {
    if *cursor == NONE {
        *cursor = appended;
    }
}

/// A cursor on a slot that leaves moves on.
fn skip(cursor: &mut u32, leaving: u32, after: u32) {
    if *cursor == leaving {
        *cursor = after;
    }
}

fn some(slot: u32) -> Option<u32> {
    if slot == NONE { None } else { Some(slot) }
}
