//! Who holds a key: entries in the order in which they came, changed in place, or read as they were at one moment.
//!
//! ```text
//!   One ─ number, value                        most keys have one owner: no allocation
//!   Many ─ Arc ─► [ Arc ─► [0 1 2 …]  Arc ─► [256 258 …]  … ]      a copy is one reference count
//! ```
//!
//! # Invariants
//! * An entry is known by its number. Numbers grow and are never given twice, so entries are found by bisection and their
//!   order is that of the joins, whoever left in between.
//! * A copy does not change any more. A change after a copy copies the spine and one chunk; without one it is in place.
//! * What is removed is handed to the caller, and a chunk that is copied leaves all its values in the copy: no change here
//!   drops the last of any value, so one may be made under a lock.
//!
//! # Not here
//! Who the entries are, locks.

use std::sync::Arc;

/// Entries that are copied at most when one of them changes while somebody reads.
const CHUNK: usize = 256;

/// An ordered list of entries.
#[derive(Clone)]
pub(crate) struct Roll<T> {
    entries: Entries<T>,
    next: u64,
}

#[derive(Clone)]
enum Entries<T> {
    None,
    One(u64, T),
    Many(Arc<Vec<Arc<Chunk<T>>>>),
}

/// Entries by rising number, at least one of them.
type Chunk<T> = Vec<(u64, T)>;

impl<T> Default for Roll<T> {
    fn default() -> Self {
        Self { entries: Entries::None, next: 0 }
    }
}

impl<T: Clone> Roll<T> {
    /// Adds an entry behind all others; answers its number.
    pub(crate) fn push(&mut self, value: T) -> u64 {
        let number = self.next;
        self.next += 1;
        self.entries = match std::mem::replace(&mut self.entries, Entries::None) {
            Entries::None => Entries::One(number, value),
            Entries::One(first, before) => {
                Entries::Many(Arc::new(vec![Arc::new(vec![(first, before), (number, value)])]))
            }
            Entries::Many(mut chunks) => {
                let spine = Arc::make_mut(&mut chunks);
                match spine.last_mut().filter(|chunk| chunk.len() < CHUNK) {
                    Some(chunk) => Arc::make_mut(chunk).push((number, value)),
                    None => spine.push(Arc::new(vec![(number, value)])),
                }
                Entries::Many(chunks)
            }
        };
        number
    }

    /// Takes an entry out, if it is there.
    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        match &mut self.entries {
            Entries::None => None,
            Entries::One(there, _) if *there != number => None,
            Entries::One(..) => match std::mem::replace(&mut self.entries, Entries::None) {
                Entries::One(_, value) => Some(value),
                Entries::None | Entries::Many(_) => None,
            },
            Entries::Many(chunks) => {
                let place = chunks.partition_point(|chunk| chunk[0].0 <= number).checked_sub(1)?;
                let within = chunks[place].binary_search_by_key(&number, |(number, _)| *number).ok()?;
                let spine = Arc::make_mut(chunks);
                let (_, value) = Arc::make_mut(&mut spine[place]).remove(within);
                if spine[place].is_empty() {
                    spine.remove(place);
                }
                if spine.is_empty() {
                    self.entries = Entries::None;
                }
                Some(value)
            }
        }
    }

    /// Takes all entries out, to be dropped by the caller.
    pub(crate) fn take(&mut self) -> Self {
        Self { entries: std::mem::replace(&mut self.entries, Entries::None), next: self.next }
    }

    /// The oldest entry that `fits`.
    pub(crate) fn into_first(self, fits: impl Fn(&T) -> bool) -> Option<T> {
        match self.entries {
            Entries::One(_, value) => fits(&value).then_some(value),
            _ => self.iter().find(|value| fits(value)).cloned(),
        }
    }

    /// The entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (one, many) = match &self.entries {
            Entries::None => (None, &[][..]),
            Entries::One(_, value) => (Some(value), &[][..]),
            Entries::Many(chunks) => (None, &chunks[..]),
        };
        one.into_iter().chain(many.iter().flat_map(|chunk| chunk.iter().map(|(_, value)| value)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.entries, Entries::None)
    }
}

#[cfg(test)]
mod tests {
    //! Against a plain list, with copies read later.
    use super::*;

    fn values(roll: &Roll<u64>) -> Vec<u64> {
        roll.iter().copied().collect()
    }

    // OTP: J11
    #[test]
    fn entries_keep_the_order_in_which_they_came_whoever_leaves() {
        let (mut roll, mut list, mut copies) = (Roll::default(), Vec::new(), Vec::new());
        let mut dice = 7_u64;
        for step in 0..20_000_u64 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chance = (dice >> 33) % 100;
            // It grows to several chunks, and shrinks to nothing.
            let joins = if (step / 2500) % 2 == 0 { 80 } else { 20 };
            if chance < joins {
                list.push((roll.push(step), step));
            } else if !list.is_empty() {
                let place = usize::try_from((dice >> 20) % list.len() as u64).unwrap();
                let (number, value) = list.remove(place);
                assert_eq!(roll.remove(number), Some(value));
                assert_eq!(roll.remove(number), None, "once");
            }
            if step % 500 == 0 {
                copies.push((roll.clone(), list.clone()));
            }
            assert_eq!(roll.is_empty(), list.is_empty());
        }
        copies.push((roll, list));
        for (copy, list) in copies {
            assert_eq!(values(&copy), list.iter().map(|(_, value)| *value).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_number_is_given_twice() {
        let mut roll = Roll::default();
        assert_eq!((roll.push('a'), roll.push('b'), roll.remove(1)), (0, 1, Some('b')));
        assert_eq!((roll.push('c'), roll.remove(0), roll.remove(2)), (2, Some('a'), Some('c')));
        assert!(roll.is_empty());
        assert_eq!((roll.push('d'), roll.clone().into_first(|_| true)), (3, Some('d')));
        roll.push('e');
        assert_eq!(roll.clone().into_first(|value| *value == 'e'), Some('e'));
        assert_eq!((roll.take().iter().count(), roll.iter().count()), (2, 0));
    }

    /// A value that is dropped under a lock of the caller must not be the last of its kind.
    #[test]
    fn what_a_copy_shares_is_still_there_when_the_copy_is_gone() {
        let values: Vec<Arc<u64>> = (0..600).map(Arc::new).collect();
        let mut roll = Roll::default();
        for value in &values {
            roll.push(Arc::clone(value));
        }
        let copy = roll.clone();
        let taken: Vec<_> = (0..600).step_by(3).filter_map(|number| roll.remove(number)).collect();
        drop(copy);
        assert_eq!(taken.len(), 200);
        assert!(values.iter().all(|value| Arc::strong_count(value) == 2));
    }
}
