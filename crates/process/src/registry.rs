//! Registries: processes by keys of any type, and who is told of that.
//!
//! ```text
//!   cx ─ register(key) ─► table ─► listeners: Registered      the end of an owner: out of the table, and nobody is told
//!   anybody ─ lookup, dispatch ─► table
//! ```
//!
//! # Invariants
//! * What a name is, a key is: held by an incarnation, free before anybody hears of its end (OTP: A9), never seen at a dead
//!   owner (OTP: J4), replaced at once where one stands (OTP: J3).
//! * Notices about one process are sent by that process, in its order. Those about different ones have none.
//! * No user code runs under a lock, that of listeners' conversions included; theirs is caught, so that it ends no owner.
//!
//! # Not here
//! The table (`keyed.rs`). Keyed locks, starting whoever is not there.

use crate::addr::Addr;
use crate::context::Context;
use crate::keyed::{Keyed, Owner, Rule, Unfit};
use crate::names::RegisterError;
use crate::node::Node;
use crate::recipient::Recipient;
use crate::sync::Mutex;
use crate::task::quietly;
use freeboard_mailbox::Refused;
use freeboard_signal::Pid;
use std::{borrow::Borrow, fmt, hash::Hash, sync::Arc};

/// Processes that receive `M`, by keys: one owner per key ([`unique`](Self::unique)), or many
/// ([`duplicate`](Self::duplicate)). Cheap to clone; all clones are the same registry. It is a value: whoever shall use it is
/// given it.
///
/// A process registers itself. Its end releases its keys, before anybody hears of it; a next incarnation registers anew.
/// Dropping the last clone ends the registry, and no process.
///
/// `K`'s `Hash`, `Eq`, `Clone` and `Drop` run in the caller and under no lock; if they panic, nobody else notices.
///
/// ```
/// use freeboard_process::{Context, ExitReason, Node, RegisterError, Registry, Sim};
///
/// Sim::seed(1).run(async |node: Node| {
///     let rooms: Registry<String, &str> = Registry::unique(&node);
///     let host = async |room: &'static str| {
///         let rooms = rooms.clone();
///         let host = node.spawn(async move |mut cx: Context<&str>| {
///             rooms.register(&cx, room.to_owned())?;
///             cx.recv_message().await;
///             Ok(())
///         });
///         # node.spawn(async |_cx: Context<()>| Ok(())).closed().await;
///         host
///     };
///     let (first, second) = (host("lobby").await, host("lobby").await);
///     // One of two has the key. The other one was told by whom it is taken, and ended for that.
///     let owner = rooms.lookup("lobby").unwrap();
///     assert!(owner == first || owner == second);
///     let other = if owner == first { second } else { first };
///     let ExitReason::Error(why) = other.closed().await else { panic!("an error is the reason") };
///     assert_eq!(why.downcast_ref(), Some(&RegisterError::Taken { owner: owner.pid().unwrap() }));
///
///     owner.cast("close");
///     owner.closed().await;
///     assert!(rooms.lookup("lobby").is_none());
/// });
/// ```
pub struct Registry<K: Send + 'static, M: Send + 'static> {
    table: Arc<Keyed<K, M>>,
    rule: Rule,
    listeners: Arc<Listeners<K>>,
}

/// What listeners of a registry are told ([`Registry::listen`]).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryEvent<K> {
    /// This process holds that key from now on.
    Registered {
        /// The key.
        key: K,
        /// Who holds it.
        owner: Pid,
    },
    /// This process has given that key back. Its death is not told in this way.
    Unregistered {
        /// The key.
        key: K,
        /// Who held it.
        owner: Pid,
    },
}

/// In the order in which they came.
struct Listeners<K: Send + 'static>(Mutex<Arc<Vec<Recipient<RegistryEvent<K>>>>>);

impl<K, M> Registry<K, M>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    /// A registry in which a key has one owner.
    pub fn unique(node: &Node) -> Self {
        Self::new(node, Rule::Unique)
    }

    /// A registry in which a key may have many owners, each of them once.
    pub fn duplicate(node: &Node) -> Self {
        Self::new(node, Rule::Duplicate)
    }

    fn new(node: &Node, rule: Rule) -> Self {
        Self { table: Arc::new(Keyed::new(node)), rule, listeners: Arc::default() }
    }

    /// Gives the key to this process, and tells the listeners. Of several that register one key at a time in a unique
    /// registry exactly one gets it, and the others hear who. An owner whose end has begun stands in nobody's way (OTP: J3).
    ///
    /// # Errors
    /// [`Taken`](RegisterError::Taken) by a living process: in a duplicate registry only ever by this one;
    /// [`NotRunning`](RegisterError::NotRunning) if this process has ended or belongs to another node;
    /// [`TooMany`](RegisterError::TooMany) if it holds [`KEYS_PER_PROCESS`](crate::KEYS_PER_PROCESS) keys and groups.
    ///
    /// # Cost
    /// This process's lock and that of one shard; an allocation for the key, and one for the process's first.
    pub fn register(&self, cx: &Context<M>, key: K) -> Result<(), RegisterError> {
        let key = Arc::new(key);
        self.table.add(cx, &key, self.rule)?;
        self.listeners.tell(&key, |key| RegistryEvent::Registered { key, owner: cx.pid() });
        Ok(())
    }

    /// Gives the key back, and tells the listeners. Answers whether this process held it; another one's is left alone.
    pub fn unregister<Q>(&self, cx: &Context<M>, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let key = self.table.withdraw(cx, key);
        if let Some(key) = &key {
            self.listeners.tell(key, |key| RegistryEvent::Unregistered { key, owner: cx.pid() });
        }
        key.is_some()
    }

    /// The address of whoever holds the key, never of a process whose end has begun (OTP: J4). In a duplicate registry it is
    /// the one that has held it longest.
    ///
    /// # Cost
    /// A hash, a shared lock of one of 32 shards for a look, two reference counts and a comparison.
    pub fn lookup<Q>(&self, key: &Q) -> Option<Addr<M>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.table.owners(key)?.into_first(Owner::is_in_force)?.addr)
    }

    /// Who holds the key, as [`lookup`](Self::lookup).
    pub fn owner<Q>(&self, key: &Q) -> Option<Pid>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.table.owners(key)?.into_first(Owner::is_in_force)?.pid)
    }

    /// Calls `each` with the address of every owner of the key, in the order in which they registered, in the caller and
    /// under no lock (OTP: J6). Answers how many there were. Who registers meanwhile is not among them.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Registry, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let topics: Registry<&str, u32> = Registry::duplicate(&node);
    ///     let fans: Vec<_> = (0..3).map(|_| {
    ///         let topics = topics.clone();
    ///         node.spawn(async move |mut cx: Context<u32>| {
    ///             topics.register(&cx, "prices")?;
    ///             assert_eq!(cx.recv_message().await, 7);
    ///             Ok(())
    ///         })
    ///     }).collect();
    ///     # node.spawn(async |mut cx: Context<()>| Ok(cx.sleep(std::time::Duration::from_millis(1)).await)).closed().await;
    ///     assert_eq!(topics.dispatch("prices", |fan| fan.cast(7)), 3);
    ///     for fan in fans {
    ///         assert!(fan.closed().await.is_expected());
    ///     }
    ///     assert_eq!(topics.dispatch("prices", |fan| fan.cast(8)), 0);
    /// });
    /// ```
    pub fn dispatch<Q>(&self, key: &Q, mut each: impl FnMut(&Addr<M>)) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Some(owners) = self.table.owners(key) else { return 0 };
        owners.iter().filter(|owner| owner.is_in_force()).map(|owner| each(&owner.addr)).count()
    }

    /// The keys that are held, in the order in which they came to be.
    pub fn keys(&self) -> Vec<K> {
        self.table.keys().iter().map(|key| K::clone(key)).collect()
    }

    /// Tells that address of every registration from now on, and of every key that is given back; not of keys that end with
    /// their owner (OTP: J9): who wants to know that monitors the owner. Listening twice is listening once; answers whether
    /// it is new.
    ///
    /// A notice is sent by the process it is about, before its `register` or `unregister` returns, in the order in which the
    /// listeners came. Like any message it may be refused: one for a full mailbox is lost to that listener, and counted
    /// there; a listener that is closed for good is forgotten. One that restarts goes on listening.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Registry, RegistryEvent, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let rooms: Registry<&str, ()> = Registry::unique(&node);
    ///     let listener = node.spawn(async |mut cx: Context<RegistryEvent<&str>>| {
    ///         assert!(matches!(cx.recv_message().await, RegistryEvent::Registered { key: "lobby", .. }));
    ///         assert!(matches!(cx.recv_message().await, RegistryEvent::Unregistered { key: "lobby", .. }));
    ///         Ok(())
    ///     });
    ///     rooms.listen(&listener.recipient());
    ///     node.spawn(async move |cx: Context<()>| {
    ///         rooms.register(&cx, "lobby")?;
    ///         assert!(rooms.unregister(&cx, "lobby"));
    ///         Ok(())
    ///     });
    ///     assert!(listener.closed().await.is_expected());
    /// });
    /// ```
    pub fn listen(&self, listener: &Recipient<RegistryEvent<K>>) -> bool {
        let before = {
            let mut all = self.listeners.0.lock();
            if all.contains(listener) {
                return false;
            }
            let more = all.iter().chain([listener]).cloned().collect();
            std::mem::replace(&mut *all, Arc::new(more))
        };
        drop(before);
        true
    }

    /// Tells that address no more. Answers whether it listened. What was sent before is still received.
    pub fn unlisten(&self, listener: &Recipient<RegistryEvent<K>>) -> bool {
        self.listeners.remove(|there| there == listener)
    }
}

impl<K: Send + 'static, M: Send + 'static> Registry<K, M> {
    /// How many keys are held, those of processes that are ending included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nobody holds a key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Clone + Send + 'static> Listeners<K> {
    /// Sends that to all of them, from the process it is about.
    fn tell(&self, key: &Arc<K>, event: impl Fn(K) -> RegistryEvent<K>) {
        let all = Arc::clone(&self.0.lock());
        let mut closed = Vec::new();
        for (place, listener) in all.iter().enumerate() {
            // Its conversion is not the owner's business, nor is its end.
            quietly(|| match listener.send(event(K::clone(key))) {
                Err(refused) if matches!(refused.why, Refused::Closed(_)) => closed.push(place),
                _ => {}
            });
        }
        for place in closed {
            self.remove(|there| *there == all[place]);
        }
    }

    fn remove(&self, which: impl Fn(&Recipient<RegistryEvent<K>>) -> bool) -> bool {
        let before = {
            let mut all = self.0.lock();
            if !all.iter().any(&which) {
                return false;
            }
            let rest = all.iter().filter(|there| !which(there)).cloned().collect();
            std::mem::replace(&mut *all, Arc::new(rest))
        };
        // It may be the last to hold that seat.
        drop(before);
        true
    }
}

impl<K: Send + 'static> Default for Listeners<K> {
    fn default() -> Self {
        Self(Mutex::new(Arc::default()))
    }
}

impl From<Unfit> for RegisterError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Taken(owner) => Self::Taken { owner },
            Unfit::NotRunning => Self::NotRunning,
            Unfit::TooMany => Self::TooMany,
        }
    }
}

impl<K: Send + 'static, M: Send + 'static> Clone for Registry<K, M> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table), rule: self.rule, listeners: Arc::clone(&self.listeners) }
    }
}

impl<K: Send + 'static, M: Send + 'static> fmt::Debug for Registry<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("keys", &self.len()).finish_non_exhaustive()
    }
}
