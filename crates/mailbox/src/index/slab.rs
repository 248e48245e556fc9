//! Slots in chunks: a slot never moves, and no insertion copies more than half of the first chunk.
//!
//! Invariants
//! * `open` holds exactly the chunks with room, each once; what is not in it is full.
//! * A chunk without anything in it owns no memory, except `spare` and, while the slab is small, the first.
//!
//! Deliberately without generations: a slot's user knows from elsewhere that it is still in use.

/// No slot: the end of a list.
pub(crate) const NONE: u32 = u32::MAX;

/// Slots per chunk.
const CHUNK: usize = 512;

/// What the first chunk keeps when the slab runs empty.
const KEPT: usize = 32;

/// A store of slots with stable numbers.
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with room; the last one is used next.
    open: Vec<u32>,
    /// An empty chunk that kept its memory, so that a slab on the edge of a chunk does not allocate at each step.
    spare: Option<u32>,
    len: usize,
}

struct Chunk<T> {
    places: Vec<Place<T>>,
    used: usize,
    free: u32,
}

enum Place<T> {
    Used(T),
    /// Free; the next free place of the chunk.
    Free(u32),
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), open: Vec::new(), spare: None, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Stores a value in a free slot.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let number = match self.open.last() {
            Some(&number) => number,
            None => {
                // The first chunk grows as needed, since most indexes stay small; the others come whole.
                let places = if self.chunks.is_empty() { Vec::new() } else { Vec::with_capacity(CHUNK) };
                let number = self.chunks.len() as u32;
                self.chunks.push(Chunk { places, used: 0, free: NONE });
                self.open.push(number);
                number
            }
        };
        if self.spare == Some(number) {
            self.spare = None;
        }
        let chunk = &mut self.chunks[number as usize];
        let place = chunk.insert(value);
        if chunk.used == CHUNK {
            self.open.pop();
        }
        self.len += 1;
        number * CHUNK as u32 + place
    }

    /// Takes the value out of a slot in use.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) -> T {
        let (number, place) = split(slot);
        let chunk = &mut self.chunks[number];
        if chunk.used == CHUNK {
            self.open.push(number as u32);
        }
        let value = chunk.remove(place);
        let ran_empty = chunk.used == 0;
        self.len -= 1;
        if self.len == 0 {
            self.give_back();
        } else if ran_empty {
            match self.spare {
                Some(_) => self.chunks[number] = Chunk { places: Vec::new(), used: 0, free: NONE },
                None => self.spare = Some(number as u32),
            }
        }
        value
    }

    #[inline]
    pub(crate) fn at(&self, slot: u32) -> &T {
        self.get(slot).expect("a linked slot is in use")
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut T {
        let (number, place) = split(slot);
        match &mut self.chunks[number].places[place] {
            Place::Used(value) => value,
            Place::Free(_) => unreachable!("a linked slot is in use"),
        }
    }

    /// The value in a slot that may have been freed since.
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let (number, place) = split(slot);
        match self.chunks.get(number)?.places.get(place)? {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    /// Makes an empty slab as good as new, but for a small first chunk.
    fn give_back(&mut self) {
        self.chunks.truncate(1);
        self.chunks[0].places.clear();
        self.chunks[0].places.shrink_to(KEPT);
        self.chunks[0].free = NONE;
        self.open.clear();
        self.open.shrink_to(KEPT);
        self.open.push(0);
        self.spare = None;
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.places.capacity()).sum()
    }
}

impl<T> Chunk<T> {
    #[inline]
    fn insert(&mut self, value: T) -> u32 {
        self.used += 1;
        let place = self.free;
        if place == NONE {
            self.places.push(Place::Used(value));
            return (self.places.len() - 1) as u32;
        }
        if let Place::Free(next) = std::mem::replace(&mut self.places[place as usize], Place::Used(value)) {
            self.free = next;
        }
        place
    }

    fn remove(&mut self, place: usize) -> T {
        match std::mem::replace(&mut self.places[place], Place::Free(self.free)) {
            Place::Used(value) => {
                self.free = place as u32;
                self.used -= 1;
                value
            }
            Place::Free(_) => unreachable!("only a slot in use is removed"),
        }
    }
}

fn split(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    //! Memory follows what is stored.
    use super::*;

    #[test]
    fn an_emptied_slab_keeps_a_small_chunk_only() {
        let mut slab = Slab::new();
        let slots: Vec<u32> = (0..10_000).map(|n| slab.insert(n)).collect();
        assert!(slab.capacity() >= 10_000);
        for (n, slot) in slots.into_iter().enumerate() {
            assert_eq!(slab.remove(slot), n);
        }
        assert!(slab.len() == 0 && slab.capacity() <= KEPT);
        let slot = slab.insert(7);
        assert_eq!((*slab.at(slot), slab.get(slot + 1)), (7, None));
    }

    #[test]
    fn emptied_chunks_give_their_memory_back_while_others_are_in_use() {
        let mut slab = Slab::new();
        let slots: Vec<u32> = (0..CHUNK * 20).map(|n| slab.insert(n)).collect();
        for &slot in &slots[..CHUNK * 19] {
            slab.remove(slot);
        }
        // The last chunk is in use and one is spare.
        assert_eq!(slab.capacity(), CHUNK * 2);
        let again: Vec<u32> = (0..CHUNK * 3).map(|n| slab.insert(n)).collect();
        assert!(again.iter().enumerate().all(|(n, &slot)| *slab.at(slot) == n));
        assert!(slots[CHUNK * 19..].iter().enumerate().all(|(n, &slot)| *slab.at(slot) == CHUNK * 19 + n));
        assert_eq!(slab.len(), CHUNK * 4);
    }
}
