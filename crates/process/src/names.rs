//! The names of a node: who holds one now.
//!
//! ```text
//!   register ─► row in the owner's Life ─┐ one step,              ┌─ Exiting: rows taken ─► entries removed
//!               entry in a shard ────────┘ under the owner's lock └─ before the seat closes and anybody is told
//!   whereis, send, monitor ─► one shard, for as long as a look takes
//! ```
//!
//! A name belongs to an incarnation, not to a seat: it ends with that incarnation, and the next one registers it anew. What
//! survives restarts is an [`Addr`](crate::Addr).
//!
//! # Invariants
//! * Entry and row are written under the owner's lock, and only while it lives; its end takes the rows under that lock. So
//!   an entry whose owner has ended is about to be removed, and none is left behind (OTP: J1).
//! * Entries are removed before the seat closes: who hears of the death, or finds the process not alive, can have the name
//!   at once (OTP: A9, A15).
//! * An owner counts as dead from the first step of its end. A look-up does not see it any more (OTP: J4), and a
//!   registration takes its place (OTP: J3); the end removes only what is its own.
//! * Lock order: an owner's `Life`, then a shard. No lock is taken under a shard's, and no user code runs there: what leaves
//!   the table is dropped afterwards.
//! * Bounded: a name has at most [`NAME_BYTES`] bytes, and a process at most [`NAMES_PER_PROCESS`] names.
//!
//! # Not here
//! Names as addresses (`named.rs`) and as targets (`target.rs`). Keys of other types, several owners of one key, listeners
//! (`registry.rs`).

use crate::life::Life;
use crate::sync::{Mutex, MutexGuard};
use crate::wire::Peer;
use foldhash::fast::FixedState;
use freeboard_signal::Pid;
use hashbrown::hash_table::{Entry as Place, HashTable};
use std::{error::Error, fmt, hash::BuildHasher, sync::Arc};

/// The longest name, in bytes.
pub const NAME_BYTES: usize = 255;

/// How many names one process may hold. Its end releases them all in one step.
pub const NAMES_PER_PROCESS: usize = 1024;

/// Locks that the names are spread over.
const SHARDS: usize = if cfg!(freeboard_loom) { 1 } else { 16 };

/// Why a name, or a key of a registry, was not registered.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// A living process holds it, maybe the very one that asks.
    Taken {
        /// That process.
        owner: Pid,
    },
    /// Nobody lives at that address on this node: not started, ended, or between two incarnations.
    NotRunning,
    /// The process holds [`NAMES_PER_PROCESS`] names, or [`KEYS_PER_PROCESS`](crate::KEYS_PER_PROCESS) keys, already.
    TooMany,
    /// The name is empty, or longer than [`NAME_BYTES`].
    Invalid,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { owner } => write!(f, "it is taken by {owner}; use that one, or wait for its end"),
            Self::NotRunning => f.write_str("nobody runs there on this node; register a process after its start"),
            Self::TooMany => f.write_str("the process holds as many as it may; unregister some"),
            Self::Invalid => write!(f, "a name has 1 to {NAME_BYTES} bytes; choose a shorter one"),
        }
    }
}

impl Error for RegisterError {}

/// The table of one node.
pub(crate) struct Names {
    hasher: FixedState,
    shards: Box<[Mutex<Shard>]>,
}

type Shard = HashTable<Held>;

/// A name and its owner.
struct Held {
    name: Arc<str>,
    owner: Peer,
}

impl Default for Names {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new())).collect();
        Self { hasher: FixedState::default(), shards }
    }
}

impl Names {
    /// Gives that process one more name.
    pub(crate) fn register(&self, name: Arc<str>, owner: &Peer) -> Result<(), RegisterError> {
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err(RegisterError::Invalid);
        }
        let life = owner.seat.core().life_of(owner.pid.generation());
        let Some(mut life) = life else { return Err(RegisterError::NotRunning) };
        if life.rows_if_any().is_some_and(|rows| rows.names.len() >= NAMES_PER_PROCESS) {
            return Err(RegisterError::TooMany);
        }
        let replaced = self.insert(&name, owner)?;
        life.rows().names.push(name);
        drop(life);
        // It may be the last to hold its seat.
        drop(replaced);
        Ok(())
    }

    /// Writes the entry; a dead owner that stood there comes back.
    fn insert(&self, name: &Arc<str>, owner: &Peer) -> Result<Option<Held>, RegisterError> {
        let hash = self.hash(name);
        let held = Held { name: Arc::clone(name), owner: owner.clone() };
        match self.shard(hash).entry(hash, |there| there.name == *name, |there| self.hash(&there.name)) {
            Place::Occupied(there) if there.get().is_in_force() => {
                Err(RegisterError::Taken { owner: there.get().owner.pid })
            }
            Place::Occupied(mut dead) => Ok(Some(std::mem::replace(dead.get_mut(), held))),
            Place::Vacant(free) => {
                free.insert(held);
                Ok(None)
            }
        }
    }

    /// Takes a name from whoever holds it; answers who that was.
    pub(crate) fn unregister(&self, name: &str) -> Option<Pid> {
        loop {
            // Entry and row go together, so the owner is found first and asked again under its lock.
            let owner = self.owner(name)?;
            let Some(mut life) = owner.seat.core().life_of(owner.pid.generation()) else { continue };
            let Some(held) = self.remove(name, owner.pid) else { continue };
            forget(&mut life, name);
            drop(life);
            drop(held);
            return Some(owner.pid);
        }
    }

    /// Removes what a process held whose end has begun.
    pub(crate) fn release(&self, owner: Pid, names: Vec<Arc<str>>) {
        for name in names {
            drop(self.remove(&name, owner));
        }
    }

    /// Who holds that name.
    pub(crate) fn owner(&self, name: &str) -> Option<Peer> {
        self.look(name, Peer::clone)
    }

    /// Who holds that name, without the way to reach it.
    pub(crate) fn pid(&self, name: &str) -> Option<Pid> {
        self.look(name, Peer::pid)
    }

    /// How many names are held, those of processes that are ending included.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn look<T>(&self, name: &str, answer: impl FnOnce(&Peer) -> T) -> Option<T> {
        let hash = self.hash(name);
        let shard = self.shard(hash);
        let held = shard.find(hash, |held| *held.name == *name)?;
        held.is_in_force().then(|| answer(&held.owner))
    }

    /// Removes an entry if it is that owner's; to be dropped by the caller when he holds no lock.
    fn remove(&self, name: &str, owner: Pid) -> Option<Held> {
        let hash = self.hash(name);
        let mut shard = self.shard(hash);
        let held = shard.find_entry(hash, |held| *held.name == *name && held.owner.pid == owner).ok()?;
        Some(held.remove().0)
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    /// Chosen by bits that the table inside does not use.
    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        self.shards[(hash >> 32) as usize % SHARDS].lock()
    }
}

impl Held {
    /// Whether its owner's end has not begun.
    fn is_in_force(&self) -> bool {
        self.owner.seat.core().is_living(self.owner.pid.generation())
    }
}

/// Removes the owner's row.
fn forget(life: &mut Life, name: &str) {
    if let Some(rows) = life.rows_if_any()
        && let Some(place) = rows.names.iter().position(|held| **held == *name)
    {
        rows.names.swap_remove(place);
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("held", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    //! States that nobody outside can bring about: an end that has begun and released nothing, and a lock that is held.
    use super::*;
    use crate::seat::{AnySeat, Seat};

    /// A process in name only.
    fn peer(number: u64) -> Peer {
        let seat = Seat::<u32>::new();
        seat.core.begin(number, Life::default());
        Peer { pid: Pid::new(0, 1, number), seat: seat as Arc<dyn AnySeat> }
    }

    // OTP: J3, J4
    #[test]
    fn a_dead_owner_is_not_seen_and_stands_in_nobodys_way() {
        let names = Names::default();
        let (dead, living) = (peer(1), peer(2));
        names.register("n".into(), &dead).unwrap();
        dead.seat.core().end();
        assert_eq!((names.pid("n"), names.owner("n").is_none(), names.len()), (None, true, 1));
        assert_eq!(names.unregister("n"), None);
        names.register("n".into(), &living).unwrap();
        assert_eq!(names.pid("n"), Some(living.pid));
        // Its end comes to its rows now, and finds another one's name.
        names.release(dead.pid, vec!["n".into()]);
        assert_eq!((names.pid("n"), names.len()), (Some(living.pid), 1));
    }

    #[test]
    fn the_next_incarnation_does_not_inherit_the_name() {
        let names = Names::default();
        let first = peer(1);
        names.register("n".into(), &first).unwrap();
        first.seat.core().begin(2, Life::default());
        assert_eq!(names.pid("n"), None);
        let second = Peer { pid: Pid::new(0, 1, 2), ..first };
        names.register("n".into(), &second).unwrap();
        assert_eq!(names.pid("n"), Some(second.pid));
    }

    /// Were there one lock for all names, this would not return.
    // OTP: J14, M10
    #[test]
    fn a_look_up_waits_for_no_other_name() {
        let names = Names::default();
        let owner = peer(1);
        let all: Vec<Arc<str>> = (0..64).map(|n| n.to_string().into()).collect();
        for name in &all {
            names.register(Arc::clone(name), &owner).unwrap();
        }
        let place = |name: &str| (names.hash(name) >> 32) as usize % SHARDS;
        let held = names.shards[place(&all[0])].lock();
        let elsewhere: Vec<_> = all.iter().filter(|name| place(name) != place(&all[0])).collect();
        assert!(elsewhere.len() > 32, "the names are spread: {}", elsewhere.len());
        assert!(elsewhere.iter().all(|name| names.pid(name) == Some(owner.pid)));
        // Nor for its owner, whatever that does.
        let busy = owner.seat.core().life.lock();
        assert_eq!(names.pid(elsewhere[0]), Some(owner.pid));
        drop((held, busy));
    }
}
