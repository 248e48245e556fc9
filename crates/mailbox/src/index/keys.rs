//! From a name (a message's key, a monitor, a pid) to the list of slots that carry it.
//!
//! Invariants
//! * One group per name, and no empty groups.
//! * The map is in one part while it is small and in [`PARTS`] after that, so no insertion moves more than about 4,000
//!   groups while there are up to a million.
//! * Nothing ever iterates in the order of a hash.
//!
//! Numbers are hashed by a fixed function, since they are the runtime's or the program's own; bytes may come from
//! outside and are hashed with a random key.

use super::slab::NONE;
use crate::Key;
use freeboard_signal::{Pid, Ref};
use hashbrown::HashTable;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

/// Parts of a map that has outgrown a single one.
const PARTS: usize = 256;

/// Groups at which a map is divided.
const DIVIDE: usize = 4_096;

/// Room for groups that an emptied map may keep.
const KEPT: usize = 64;

/// An owned name under which a slot can be found.
#[derive(Debug, PartialEq, Eq)]
pub enum Name {
    /// A message's number; in halves, which align better.
    Int([u64; 2]),
    /// A message's bytes.
    Bytes(Box<[u8]>),
    /// The notice of this monitor.
    Down(Ref),
    /// A trapped exit signal from this process.
    Exit(Pid),
}

/// A group and the map's cost of one: 24 bytes of name, 8 of list.
const _: () = assert!(size_of::<Group>() == 32);

struct Group {
    name: Name,
    head: u32,
    tail: u32,
}

/// The groups of one tag, or of the notices.
pub(super) struct Names {
    parts: Vec<HashTable<Group>>,
    len: usize,
    secret: RandomState,
}

/// Where a slot was put: its hash is to be kept with it, its predecessor in the group is to be linked.
pub(super) struct Joined {
    pub(super) hash: u64,
    pub(super) before: u32,
}

impl Name {
    pub(crate) fn is(&self, key: Key<'_>) -> bool {
        match (self, key) {
            (Self::Int(mine), Key::Int(number)) => *mine == halves(number),
            (Self::Bytes(mine), Key::Bytes(bytes)) => **mine == *bytes,
            _ => false,
        }
    }

    fn hash(&self, secret: &RandomState) -> u64 {
        match self {
            Self::Int(number) => fixed(number),
            Self::Bytes(bytes) => secret.hash_one(&**bytes),
            Self::Down(monitor) => fixed(monitor),
            Self::Exit(from) => fixed(from),
        }
    }
}

impl From<Key<'_>> for Name {
    fn from(key: Key<'_>) -> Self {
        match key {
            Key::Int(number) => Self::Int(halves(number)),
            Key::Bytes(bytes) => Self::Bytes(bytes.into()),
        }
    }
}

impl Names {
    pub(super) fn new() -> Self {
        Self { parts: Vec::new(), len: 0, secret: RandomState::new() }
    }

    /// The oldest slot with this key.
    pub(super) fn find_key(&self, key: Key<'_>) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let hash = match key {
            Key::Int(number) => fixed(&halves(number)),
            Key::Bytes(bytes) => self.secret.hash_one(bytes),
        };
        self.parts[self.part(hash)].find(hash, |group| group.name.is(key)).map(|group| group.head)
    }

    /// The oldest slot with this name.
    pub(super) fn find(&self, name: &Name) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let hash = name.hash(&self.secret);
        self.parts[self.part(hash)].find(hash, |group| group.name == *name).map(|group| group.head)
    }

    /// Makes a slot the newest of its name.
    pub(super) fn join(&mut self, name: Name, slot: u32) -> Joined {
        let hash = name.hash(&self.secret);
        if self.parts.is_empty() {
            self.parts.push(HashTable::new());
        }
        let part = self.part(hash);
        let secret = &self.secret;
        if let Some(group) = self.parts[part].find_mut(hash, |group| group.name == name) {
            return Joined { hash, before: std::mem::replace(&mut group.tail, slot) };
        }
        self.parts[part].insert_unique(hash, Group { name, head: slot, tail: slot }, |group| group.name.hash(secret));
        self.len += 1;
        if self.parts.len() == 1 && self.len == DIVIDE {
            self.divide();
        }
        Joined { hash, before: NONE }
    }

    /// Takes a slot out of its group; `before` and `after` were its neighbours there.
    pub(super) fn leave(&mut self, slot: u32, hash: u64, before: u32, after: u32) {
        if before != NONE && after != NONE {
            return;
        }
        let part = self.part(hash);
        let Ok(mut found) = self.parts[part].find_entry(hash, |group| group.head == slot || group.tail == slot) else {
            unreachable!("a named slot is in its group");
        };
        if before == NONE && after == NONE {
            found.remove();
            self.len -= 1;
            if self.len == 0 && self.capacity() > KEPT {
                self.parts = Vec::new();
            }
        } else if before == NONE {
            found.get_mut().head = after;
        } else {
            found.get_mut().tail = before;
        }
    }

    fn divide(&mut self) {
        let whole = std::mem::take(&mut self.parts);
        self.parts.resize_with(PARTS, HashTable::new);
        for group in whole.into_iter().flatten() {
            let hash = group.name.hash(&self.secret);
            let part = self.part(hash);
            let secret = &self.secret;
            self.parts[part].insert_unique(hash, group, |group| group.name.hash(secret));
        }
    }

    fn part(&self, hash: u64) -> usize {
        // Bits that the tables themselves do not use: they take the lowest and the seven highest.
        if self.parts.len() == 1 { 0 } else { (hash >> 32) as usize % PARTS }
    }

    fn capacity(&self) -> usize {
        if self.parts.len() == 1 { self.parts[0].capacity() } else { usize::MAX }
    }
}

fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

fn fixed(value: &impl Hash) -> u64 {
    BuildHasherDefault::<Fold>::default().hash_one(value)
}

/// A hash for numbers: one wide multiplication per word, folded.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn write_u64(&mut self, word: u64) {
        // Odd constants without structure: the fractions of the square roots of 2 and 3.
        let wide = u128::from(word ^ self.0 ^ 0x6A09_E667_F3BC_C909) * 0xBB67_AE85_84CA_A73B;
        self.0 = (wide as u64) ^ ((wide >> 64) as u64);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    //! The division into parts, and how even it is.
    use super::*;

    #[test]
    fn names_are_found_over_the_division_and_memory_goes_back() {
        let mut names = Names::new();
        let count = 20_000_u32;
        let hashes: Vec<u64> = (0..count).map(|n| names.join(Key::from(n).into(), n).hash).collect();
        assert_eq!(names.parts.len(), PARTS);
        assert!((0..count).all(|n| names.find_key(n.into()) == Some(n)));
        assert_eq!(names.find_key(count.into()), None);
        for (n, hash) in hashes.into_iter().enumerate() {
            names.leave(n as u32, hash, NONE, NONE);
        }
        assert!(names.parts.is_empty() && names.len == 0);
    }

    #[test]
    fn rising_numbers_spread_evenly() {
        let mut parts = [0_usize; PARTS];
        for n in 0..1_000_000_u128 {
            parts[(fixed(&halves(n)) >> 32) as usize % PARTS] += 1;
        }
        let largest = parts.iter().max().copied().unwrap_or(0);
        assert!(largest < 4_500, "the fullest of {PARTS} parts holds {largest} of a million");
    }
}
