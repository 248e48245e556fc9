//! From an alias to the messages that came through it, oldest first.
//!
//! Few messages come through an alias, so their links stand apart from the slots, in small chunks that are there only
//! where such a message is.
//!
//! Invariants
//! * There is a link for each slot that was joined and did not leave, and its chunk counts it.
//! * A chunk without links owns no memory.

use super::{
    keys::{Name, Names},
    slab::NONE,
};
use freeboard_signal::Ref;

/// Links per chunk.
const CHUNK: usize = 64;

/// Room for chunks that an emptied list of them may keep.
const KEPT: usize = 32;

/// The slots of all aliases.
pub(super) struct Aliases {
    names: Names,
    chunks: Vec<Option<Box<Chunk>>>,
}

struct Chunk {
    used: usize,
    links: [Link; CHUNK],
}

/// The alias of a slot, and its neighbours there.
#[derive(Clone, Copy)]
struct Link {
    alias: Ref,
    hash: u64,
    before: u32,
    after: u32,
}

const LOOSE: Link = Link { alias: Ref::new(0, 0), hash: 0, before: NONE, after: NONE };

impl Aliases {
    pub(super) fn new() -> Self {
        Self { names: Names::new(), chunks: Vec::new() }
    }

    /// The oldest slot of this alias.
    pub(super) fn find(&self, alias: Ref) -> Option<u32> {
        self.names.find(&Name::Alias(alias))
    }

    /// The alias that a slot was joined under.
    pub(super) fn of(&self, slot: u32) -> Ref {
        self.chunk(slot).links[place(slot)].alias
    }

    /// The next slot of the same alias.
    pub(super) fn after(&self, slot: u32) -> u32 {
        self.chunk(slot).links[place(slot)].after
    }

    /// Makes a slot the newest of its alias.
    pub(super) fn join(&mut self, alias: Ref, slot: u32) {
        let joined = self.names.join(Name::Alias(alias), slot);
        let number = slot as usize / CHUNK;
        if self.chunks.len() <= number {
            self.chunks.resize_with(number + 1, || None);
        }
        let chunk = self.chunks[number].get_or_insert_with(|| Box::new(Chunk { used: 0, links: [LOOSE; CHUNK] }));
        chunk.used += 1;
        chunk.links[place(slot)] = Link { alias, hash: joined.hash, before: joined.before, after: NONE };
        if joined.before != NONE {
            self.link_mut(joined.before).after = slot;
        }
    }

    /// Takes a slot out of its alias's list.
    pub(super) fn leave(&mut self, slot: u32) {
        let Link { hash, before, after, .. } = *self.link_mut(slot);
        if before != NONE {
            self.link_mut(before).after = after;
        }
        if after != NONE {
            self.link_mut(after).before = before;
        }
        self.names.leave(slot, hash, before, after);
        let chunk = self.chunk_mut(slot);
        chunk.used -= 1;
        if chunk.used == 0 {
            self.chunks[slot as usize / CHUNK] = None;
            while let Some(None) = self.chunks.last() {
                self.chunks.pop();
            }
            if self.chunks.is_empty() {
                self.chunks.shrink_to(KEPT);
            }
        }
    }

    fn link_mut(&mut self, slot: u32) -> &mut Link {
        &mut self.chunk_mut(slot).links[place(slot)]
    }

    fn chunk(&self, slot: u32) -> &Chunk {
        self.chunks[slot as usize / CHUNK].as_deref().expect("a joined slot has a link")
    }

    fn chunk_mut(&mut self, slot: u32) -> &mut Chunk {
        self.chunks[slot as usize / CHUNK].as_deref_mut().expect("a joined slot has a link")
    }
}

fn place(slot: u32) -> usize {
    slot as usize % CHUNK
}

#[cfg(test)]
mod tests {
    //! Memory follows what is queued.
    use super::*;

    #[test]
    fn what_left_leaves_nothing_behind() {
        let mut aliases = Aliases::new();
        let alias = |slot: u32| Ref::new(0, u64::from(slot % 1_000));
        (0..100_000).for_each(|slot| aliases.join(alias(slot), slot));
        assert_eq!(aliases.chunks.iter().flatten().count(), 100_000_usize.div_ceil(CHUNK));
        // The odd ones from the middle, then the even ones from the oldest on.
        for slot in (1..100_000).step_by(2).chain((0..100_000).step_by(2)) {
            assert_eq!(aliases.of(slot), alias(slot));
            aliases.leave(slot);
            let next = (slot % 2 == 0 && slot + 1_000 < 100_000).then_some(slot + 1_000);
            assert!(slot % 2 == 1 || aliases.find(alias(slot)) == next);
        }
        assert!(aliases.chunks.is_empty() && aliases.chunks.capacity() <= KEPT);
        assert_eq!(aliases.find(alias(0)), None);
    }
}
