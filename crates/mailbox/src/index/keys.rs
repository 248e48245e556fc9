//! From a name (a message's key, a monitor, a pid) to the list of slots that carry it.
//!
//! Invariants
//! * One group per name, and no empty groups.
//! * The map is in as many parts as it takes to have no more than [`PART`] groups in each on average. A part is divided in
//!   two when that is exceeded, and only one at a time (linear hashing), so no insertion moves more than about two
//!   thousand groups, however many there are, and the work of growing is spread evenly over the insertions.
//! * When there is a quarter of that, the newest part is merged back into the one it came from: memory goes back bit by
//!   bit while names leave, not all at once.
//! * Nothing ever iterates in the order of a hash.
//!
//! Numbers are hashed by a fixed function, since they are the runtime's or the program's own; bytes may come from
//! outside and are hashed with a random key.

use super::slab::NONE;
use crate::Key;
use freeboard_signal::{Pid, Ref};
use hashbrown::HashTable;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

/// Groups in a part, on average. The parts that are due next hold twice as many, which a table of 2,048 places takes.
const PART: usize = 700;

/// Room for groups in each part of a map that has several: it grows no more.
const ROOM: usize = 1_792;

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
    /// What came through this alias.
    Alias(Ref),
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
            Self::Int(number) => near(*number),
            Self::Bytes(bytes) => secret.hash_one(&**bytes),
            Self::Down(unique) | Self::Alias(unique) => fixed(unique),
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
            Key::Int(number) => near(halves(number)),
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
        if self.len > PART * self.parts.len() {
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
            self.give_back();
        } else if before == NONE {
            found.get_mut().head = after;
        } else {
            found.get_mut().tail = before;
        }
    }

    /// Adds a part, with what belongs there of the one that it is the other half of.
    fn divide(&mut self) {
        let from = origin(self.parts.len());
        let both = std::mem::replace(&mut self.parts[from], HashTable::with_capacity(ROOM));
        self.parts.push(HashTable::with_capacity(ROOM));
        both.into_iter().for_each(|group| self.place(group));
    }

    /// Gives back what no longer pays for its memory: the newest part, or an emptied map.
    fn give_back(&mut self) {
        if self.len == 0 && self.parts.len() == 1 {
            if self.parts[0].capacity() > KEPT {
                self.parts = Vec::new();
            }
        } else if self.parts.len() > 1
            && self.len < PART * self.parts.len() / 4
            && let Some(newest) = self.parts.pop()
        {
            newest.into_iter().for_each(|group| self.place(group));
        }
    }

    fn place(&mut self, group: Group) {
        let hash = group.name.hash(&self.secret);
        let part = self.part(hash);
        let secret = &self.secret;
        self.parts[part].insert_unique(hash, group, |group| group.name.hash(secret));
    }

    fn part(&self, hash: u64) -> usize {
        // Bits that the tables themselves do not use: they take the lowest and the seven highest.
        let bits = (hash >> 24) as usize;
        let parts = self.parts.len();
        let part = bits & (parts.next_power_of_two() - 1);
        // What belongs to a part that is not there yet is where that part will come from.
        if part < parts { part } else { origin(part) }
    }
}

/// The part whose other half this one is.
fn origin(part: usize) -> usize {
    part ^ (1 << part.ilog2())
}

fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

/// A hash that leaves 16 numbers in a row beside each other: keys are often counted up, and a run of them then costs one
/// look into far memory instead of 16. They share all but the lowest bits, which place them in a table, and the highest,
/// by which the table tells neighbours apart.
fn near([low, high]: [u64; 2]) -> u64 {
    let (run, place) = (low >> 4, low & 15);
    ((fixed(&[run, high]) & !15) | place) ^ (place << 57)
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
    fn names_are_found_over_every_division_and_memory_goes_back() {
        let mut names = Names::new();
        let count = 20_000_u32;
        let hashes: Vec<u64> = (0..count).map(|n| names.join(Key::from(n).into(), n).hash).collect();
        assert_eq!(names.parts.len(), (count as usize).div_ceil(PART));
        assert!((0..count).all(|n| names.find_key(n.into()) == Some(n)));
        assert_eq!(names.find_key(count.into()), None);
        for (n, hash) in hashes.into_iter().enumerate() {
            names.leave(n as u32, hash, NONE, NONE);
            assert_eq!(names.find_key((count - 1).into()).is_some(), names.len > 0);
            // No more memory than for four times of what is left.
            assert!(names.parts.len() <= 1 || names.parts.len() * PART / 4 <= names.len);
        }
        assert!(names.parts.is_empty() && names.len == 0);
    }

    #[test]
    fn no_insertion_moves_many_groups() {
        let mut names = Names::new();
        let (mut fullest, mut largest) = (0, 0);
        for n in 0..300_000_u32 {
            let parts = names.parts.len();
            let due = parts.checked_ilog2().map_or(0, |_| names.parts[origin_of_next(parts)].len());
            names.join(Key::from(n).into(), n);
            if names.parts.len() > parts && parts > 0 {
                assert_eq!(names.parts.len(), parts + 1, "one part at a time");
                fullest = fullest.max(due);
            }
        }
        names.parts.iter().for_each(|part| largest = largest.max(part.capacity()));
        assert!(fullest < 2 * ROOM, "{fullest} groups moved at once");
        assert!(largest <= 2 * ROOM, "a part has room for {largest}: it has grown more than once");
    }

    fn origin_of_next(parts: usize) -> usize {
        if parts == 0 { 0 } else { origin(parts) }
    }

    #[test]
    fn rising_numbers_spread_evenly() {
        let mut parts = [0_usize; 256];
        for n in 0..1_000_000_u128 {
            parts[(near(halves(n)) >> 24) as usize % 256] += 1;
        }
        let largest = parts.iter().max().copied().unwrap_or(0);
        assert!(largest < 4_800, "the fullest of 256 parts holds {largest} of a million");
    }
}
