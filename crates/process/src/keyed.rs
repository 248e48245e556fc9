//! Who holds which key: the table behind a [`Registry`](crate::Registry) and behind [`Groups`](crate::Groups).
//!
//! ```text
//!   add ──► row in the owner's Life ─┐ one step,              ┌─ Exiting: rows taken ─► entries removed
//!           entry in a shard ────────┘ under the owner's lock └─ before the seat closes and anybody is told
//!   owners ─► one shard, for a look and two reference counts; the keys are compared afterwards
//! ```
//!
//! # Invariants
//! * Entry and row are written under the owner's lock, and only while it lives; its end takes the rows under that lock. So no
//!   entry is left behind (OTP: J5), and who hears of the death finds none (OTP: A9).
//! * Keys are user code. A key is hashed before any lock is taken. The table is searched by hashes and by tokens, and the keys
//!   that have the same hash are compared after the lock was released; whoever writes does so only if no such key has come
//!   since, else he compares again. So a `Hash`, `Eq` or `Drop` that panics, waits, or uses this very table harms its caller
//!   alone. One that answers differently each time makes keys that are not found.
//! * A key's token is made with its entry and never given again, so it says on its own which entry a row belongs to. An
//!   owner is known by its number there ([`Roll`]): the end of one removes nobody who came after it (OTP: J3).
//! * Lock order: an owner's `Life`, then a shard. Nothing is dropped under either that may be the last of its kind.
//! * Order: owners of a key stand in the order in which they came, keys in the order in which they came to be. Neither
//!   depends on hashes.
//! * Bounded: a process holds at most [`KEYS_PER_PROCESS`] keys and groups.
//!
//! # Not here
//! What owners are for (`registry.rs`, `group.rs`).

use crate::addr::Addr;
use crate::context::Context;
use crate::life::{Life, Map};
use crate::node::Node;
use crate::roll::Roll;
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::task::quietly;
use foldhash::fast::FixedState;
use freeboard_signal::{Pid, Ref};
use hashbrown::hash_table::HashTable;
use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    sync::{Arc, Weak},
};

/// How many keys of registries and groups one process may hold, all of them together. Its end releases them in one step.
pub const KEYS_PER_PROCESS: usize = 8192;

/// Locks that the keys of one table are spread over.
const SHARDS: usize = if cfg!(freeboard_loom) { 1 } else { 32 };

/// The table.
pub(crate) struct Keyed<K, M: Send + 'static> {
    node: Node,
    hasher: FixedState,
    shards: Box<[Shard<K, M>]>,
}

/// A line of its own, so that readers of one do not slow down those of another.
#[repr(align(128))]
struct Shard<K, M: Send + 'static>(RwLock<HashTable<Slot<K, M>>>);

/// A key and its owners, at least one.
struct Slot<K, M: Send + 'static> {
    hash: u64,
    token: Ref,
    key: Arc<K>,
    owners: Roll<Owner<M>>,
}

/// One who holds a key.
pub(crate) struct Owner<M: Send + 'static> {
    pub(crate) pid: Pid,
    pub(crate) addr: Addr<M>,
}

/// What an owner knows of the keys it holds, by their tokens.
pub(crate) type Holdings = Map<Ref, Holding>;

/// One key that a process holds.
pub(crate) struct Holding {
    table: Weak<dyn Table>,
    hash: u64,
    /// Which of its owners this one is.
    number: u64,
    /// How often it has joined and not left.
    joins: u64,
}

/// What a second owner of a key is, and the same one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Refused, both.
    Unique,
    /// Welcome; refused.
    Duplicate,
    /// Welcome; counted.
    Counted,
}

/// Why a process did not get a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Taken(Pid),
    NotRunning,
    TooMany,
}

/// A table without its types: what the end of an owner needs of it.
pub(crate) trait Table: Send + Sync {
    /// Removes the entry of an owner whose end has begun.
    fn release(&self, hash: u64, token: Ref, number: u64);
}

/// The keys with one hash, compared with one that is sought.
#[derive(Default)]
struct Seen {
    same: Option<Ref>,
    others: Vec<Ref>,
}

/// What leaves the table, to be dropped when no lock is held.
type Left<K, M> = (Option<Owner<M>>, Option<Slot<K, M>>);

impl<M: Send + 'static> Owner<M> {
    /// Whether its end has not begun.
    pub(crate) fn is_in_force(&self) -> bool {
        self.addr.seat().core.is_living(self.pid.generation())
    }
}

impl<M: Send + 'static> Clone for Owner<M> {
    fn clone(&self) -> Self {
        Self { pid: self.pid, addr: self.addr.clone() }
    }
}

impl Seen {
    fn knows(&self, token: Ref) -> bool {
        self.same == Some(token) || self.others.contains(&token)
    }
}

impl<K, M> Keyed<K, M>
where
    K: Hash + Eq + Send + Sync + 'static,
    M: Send + 'static,
{
    pub(crate) fn new(node: &Node) -> Self {
        Self {
            node: node.clone(),
            // Another one in each run, unless it is simulated: keys that strangers choose are not made to collide.
            hasher: FixedState::with_seed(node.backend().random()),
            shards: (0..SHARDS).map(|_| Shard(RwLock::new(HashTable::new()))).collect(),
        }
    }

    /// Gives that process one more key.
    pub(crate) fn add(self: &Arc<Self>, cx: &Context<M>, key: &Arc<K>, rule: Rule) -> Result<(), Unfit> {
        if !cx.node().is(&self.node) {
            return Err(Unfit::NotRunning);
        }
        let hash = self.hash(&**key);
        let owner = Owner { pid: cx.pid(), addr: cx.addr() };
        loop {
            let seen = self.compare(hash, &**key);
            let Some(mut life) = cx.life() else { return Err(Unfit::NotRunning) };
            let entered = self.enter(&mut life, hash, key, &seen, &owner, rule);
            drop(life);
            // A dead owner whose place was taken goes here.
            if let Some(entered) = entered {
                return entered.map(drop);
            }
        }
    }

    /// Writes row and entry under the owner's lock. A dead owner of a unique key comes back; nothing does if a key has come
    /// that is not compared yet.
    fn enter(
        self: &Arc<Self>,
        life: &mut Life,
        hash: u64,
        key: &Arc<K>,
        seen: &Seen,
        owner: &Owner<M>,
        rule: Rule,
    ) -> Option<Result<Roll<Owner<M>>, Unfit>> {
        let mut shard = self.write(hash);
        if alike(&shard, hash).any(|slot| !seen.knows(slot.token)) {
            return None;
        }
        let slot = shard.find_mut(hash, |slot| Some(slot.token) == seen.same);
        let held = life.rows_if_any().and_then(|rows| rows.keys.as_deref_mut());
        let count = held.as_ref().map_or(0, |held| held.len());
        if let Some(slot) = &slot {
            if let Some(mine) = held.and_then(|held| held.get_mut(&slot.token)) {
                if rule != Rule::Counted {
                    return Some(Err(Unfit::Taken(owner.pid)));
                }
                mine.joins += 1;
                return Some(Ok(Roll::default()));
            }
            if rule == Rule::Unique
                && let Some(other) = slot.owners.iter().find(|owner| owner.is_in_force())
            {
                return Some(Err(Unfit::Taken(other.pid)));
            }
        }
        if count >= KEYS_PER_PROCESS {
            return Some(Err(Unfit::TooMany));
        }
        let mut replaced = Roll::default();
        let (token, number) = match slot {
            Some(slot) => {
                if rule == Rule::Unique {
                    replaced = slot.owners.take();
                }
                (slot.token, slot.owners.push(owner.clone()))
            }
            None => {
                let (token, mut owners) = (self.node.new_ref(), Roll::default());
                let number = owners.push(owner.clone());
                let slot = Slot { hash, token, key: Arc::clone(key), owners };
                shard.insert_unique(hash, slot, |slot| slot.hash);
                (token, number)
            }
        };
        let table: Weak<dyn Table> = Arc::<Self>::downgrade(self);
        life.rows().keys.get_or_insert_default().insert(token, Holding { table, hash, number, joins: 1 });
        Some(Ok(replaced))
    }

    /// Takes a key from that process, if it has it; of one that has joined several times, one join. Answers the key.
    pub(crate) fn withdraw<Q>(&self, cx: &Context<M>, key: &Q) -> Option<Arc<K>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let (token, key) = self.look(hash, key, |slot| slot.token)?;
        let mut life = cx.life()?;
        let held = life.rows_if_any()?.keys.as_deref_mut()?;
        let mine = held.get_mut(&token)?;
        mine.joins -= 1;
        if mine.joins == 0 {
            let number = mine.number;
            held.remove(&token);
            let left = self.remove(hash, token, number);
            drop(life);
            drop(left);
        }
        Some(key)
    }

    /// Who holds that key, dead ones that are not removed yet included.
    pub(crate) fn owners<Q>(&self, key: &Q) -> Option<Roll<Owner<M>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.look(self.hash(key), key, |slot| slot.owners.clone()).map(|(owners, _)| owners)
    }

    /// The keys that living processes hold, in the order in which they came to be.
    pub(crate) fn keys(&self) -> Vec<Arc<K>> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            let slots = shard.0.read();
            keys.extend(slots.iter().filter_map(|slot| {
                let held = slot.owners.iter().any(Owner::is_in_force);
                held.then(|| (slot.token, Arc::clone(&slot.key)))
            }));
        }
        keys.sort_unstable_by_key(|(token, _)| *token);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// Reads the slot of that key, and answers its key too.
    fn look<Q, T>(&self, hash: u64, key: &Q, read: impl Fn(&Slot<K, M>) -> T) -> Option<(T, Arc<K>)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut found = {
            let shard = self.read(hash);
            let mut alike = alike(&shard, hash).map(|slot| (read(slot), Arc::clone(&slot.key)));
            let first = alike.next();
            // Nothing is allocated for nothing, and two keys hardly ever have one hash.
            let others: Vec<_> = alike.collect();
            first.into_iter().chain(others)
        };
        found.find(|(_, there)| (**there).borrow() == key)
    }

    /// Compares that key with all that have its hash.
    fn compare(&self, hash: u64, key: &K) -> Seen {
        let there: Vec<_> = alike(&self.read(hash), hash).map(|slot| (slot.token, Arc::clone(&slot.key))).collect();
        let mut seen = Seen::default();
        for (token, there) in there {
            if seen.same.is_none() && *there == *key {
                seen.same = Some(token);
            } else {
                seen.others.push(token);
            }
        }
        seen
    }
}

impl<K, M: Send + 'static> Keyed<K, M> {
    /// How many keys are held, those of processes that are ending included.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.read().len()).sum()
    }

    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Removes an owner's entry, and the key if it was the last.
    fn remove(&self, hash: u64, token: Ref, number: u64) -> Left<K, M> {
        let mut shard = self.write(hash);
        let Ok(mut slot) = shard.find_entry(hash, |slot| slot.token == token) else { return (None, None) };
        let owner = slot.get_mut().owners.remove(number);
        let empty = slot.get().owners.is_empty();
        (owner, empty.then(|| slot.remove().0))
    }

    fn read(&self, hash: u64) -> RwLockReadGuard<'_, HashTable<Slot<K, M>>> {
        self.shard(hash).read()
    }

    fn write(&self, hash: u64) -> RwLockWriteGuard<'_, HashTable<Slot<K, M>>> {
        self.shard(hash).write()
    }

    /// Chosen by bits that the table inside does not use.
    fn shard(&self, hash: u64) -> &RwLock<HashTable<Slot<K, M>>> {
        &self.shards[(hash >> 32) as usize % SHARDS].0
    }
}

/// The slots whose keys have that hash.
fn alike<K, M: Send + 'static>(shard: &HashTable<Slot<K, M>>, hash: u64) -> impl Iterator<Item = &Slot<K, M>> {
    shard.iter_hash(hash).filter(move |slot| slot.hash == hash)
}

impl<K: Send + Sync, M: Send + 'static> Table for Keyed<K, M> {
    fn release(&self, hash: u64, token: Ref, number: u64) {
        drop(self.remove(hash, token, number));
    }
}

/// Nobody can use the table any more: its owners forget what they held there.
impl<K, M: Send + 'static> Drop for Keyed<K, M> {
    fn drop(&mut self) {
        for shard in &mut self.shards {
            for slot in shard.0.get_mut().iter() {
                for owner in slot.owners.iter() {
                    let life = owner.addr.seat().core.life_of(owner.pid.generation());
                    if let Some(mut life) = life
                        && let Some(held) = life.rows_if_any().and_then(|rows| rows.keys.as_deref_mut())
                    {
                        held.remove(&slot.token);
                    }
                }
            }
        }
    }
}

/// Removes what a process held whose end has begun.
pub(crate) fn release(holdings: Holdings) {
    for (token, Holding { table, hash, number, .. }) in holdings {
        // The last owner of a key drops it, and the last user of a table drops all of them: that is user code.
        quietly(|| {
            if let Some(table) = table.upgrade() {
                table.release(hash, token, number);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    //! States that nobody outside can bring about: an end that has begun and released nothing, and a lock that is held.
    use super::*;
    use crate::executor::Sim;
    use crate::seat::Seat;

    type Names = Arc<Keyed<u32, ()>>;

    /// A process in name only, on a seat of that node.
    fn process(node: &Node, number: u64) -> Context<()> {
        let seat = Seat::<()>::new();
        let weak: Weak<dyn crate::seat::AnySeat> = Arc::<Seat<()>>::downgrade(&seat);
        let slot = seat.core.settle(node, || node.claim(weak).slot()).unwrap();
        incarnation(&seat, node.pid_in(slot, number))
    }

    fn incarnation(seat: &Arc<Seat<()>>, pid: Pid) -> Context<()> {
        seat.core.begin(pid.generation(), Life::default());
        Context::new(Arc::clone(seat), pid)
    }

    fn world(test: impl AsyncFnOnce(Node, Names)) {
        Sim::seed(1).run(async |node: Node| {
            let table = Arc::new(Keyed::new(&node));
            test(node, table).await;
        });
    }

    fn owners(table: &Names, key: u32) -> Vec<Pid> {
        let owners = table.owners(&key).unwrap_or_default();
        owners.iter().filter(|owner| owner.is_in_force()).map(|owner| owner.pid).collect()
    }

    fn add(table: &Names, cx: &Context<()>, key: u32, rule: Rule) -> Result<(), Unfit> {
        table.add(cx, &Arc::new(key), rule)
    }

    // OTP: J3, J4
    #[test]
    fn a_dead_owner_is_not_seen_and_stands_in_nobodys_way() {
        world(async |node, table| {
            let (dead, living) = (process(&node, 1), process(&node, 1));
            add(&table, &dead, 7, Rule::Unique).unwrap();
            assert_eq!(add(&table, &living, 7, Rule::Unique), Err(Unfit::Taken(dead.pid())));
            dead.seat.core.end();
            assert_eq!((owners(&table, 7), table.len()), (vec![], 1));
            assert!(table.keys().is_empty());
            add(&table, &living, 7, Rule::Unique).unwrap();
            // Its end comes to its rows now, and finds another one's key.
            let rows = dead.seat.core.life.lock().take_rows().unwrap();
            release(*rows.keys.unwrap());
            assert_eq!((owners(&table, 7), table.len()), (vec![living.pid()], 1));
            assert_eq!(table.withdraw(&living, &7).as_deref(), Some(&7));
            assert_eq!(table.len(), 0);
        });
    }

    #[test]
    fn the_next_incarnation_does_not_inherit_a_key() {
        for rule in [Rule::Unique, Rule::Duplicate, Rule::Counted] {
            world(async move |node, table| {
                let first = process(&node, 1);
                add(&table, &first, 7, rule).unwrap();
                let seat = Arc::clone(&first.seat);
                let rows = seat.core.life.lock().take_rows().unwrap();
                let second = incarnation(&seat, node.pid_in(first.pid().slot(), 2));
                assert_eq!(owners(&table, 7), []);
                assert_eq!(add(&table, &first, 8, rule), Err(Unfit::NotRunning), "its context is inert");
                assert_eq!(table.withdraw(&second, &7), None);
                add(&table, &second, 7, rule).unwrap();
                release(*rows.keys.unwrap());
                assert_eq!(owners(&table, 7), [second.pid()]);
            });
        }
    }

    /// Were there one lock for all keys, or did a look wait for an owner, this would not return.
    // OTP: J14, J7, M10
    #[test]
    fn a_look_up_waits_for_no_other_key() {
        world(async |node, table| {
            let owner = process(&node, 1);
            (0..200).for_each(|key| add(&table, &owner, key, Rule::Unique).unwrap());
            let shard = |key: u32| std::ptr::from_ref(table.shard(table.hash(&key)));
            let held = table.write(table.hash(&0_u32));
            let elsewhere: Vec<u32> = (0..200).filter(|key| shard(*key) != shard(0)).collect();
            assert!(elsewhere.len() > 150, "the keys are spread: {}", elsewhere.len());
            let busy = owner.seat.core.life.lock();
            assert!(elsewhere.iter().all(|key| owners(&table, *key) == [owner.pid()]));
            drop(held);
            // Those who look at one key do not wait for each other either.
            let reads = table.read(table.hash(&0_u32));
            assert_eq!(owners(&table, 0), [owner.pid()]);
            drop((busy, reads));
        });
    }
}
