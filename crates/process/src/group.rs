//! Groups of processes that are told things together.
//!
//! ```text
//!   cx ─ join(group) ─► table                    broadcast ─► the members of one moment, one send each, in one pass
//!   the end of a member: out of all its groups, before anybody hears of it
//! ```
//!
//! # Invariants
//! * A member is in a group until it has left as often as it has joined, or its end has begun (OTP: J11).
//! * A broadcast is a loop of sends by its caller, so what one caller sends to one member, by broadcasts or otherwise, is
//!   received in that order (OTP: D1, M6). The members are those of the moment at which it began.
//! * The sends run under no lock, and none of them waits. A member that refuses delays no other.
//!
//! # Not here
//! The table (`keyed.rs`). Sends spread over threads: the sender's pass is one push per member, and whoever cannot afford it
//! lets a process do it.

use crate::addr::Addr;
use crate::context::Context;
use crate::keyed::{KEYS_PER_PROCESS, Keyed, Owner, Rule, Unfit};
use crate::node::Node;
use freeboard_mailbox::{Refused, SendError};
use std::{borrow::Borrow, error::Error, fmt, hash::Hash, sync::Arc};

/// Named groups of processes that receive `M`. Cheap to clone; all clones are the same groups. Each value that is made anew
/// has groups of its own, as OTP's scopes (OTP: J12).
///
/// A group without members is no group. Members join by themselves; their end leaves for them.
///
/// `K`'s `Hash`, `Eq` and `Drop` run in the caller and under no lock; if they panic, nobody else notices.
///
/// ```
/// use freeboard_process::{Context, Groups, Node, Reply, Sim};
///
/// #[derive(Clone)]
/// enum Said { Hello(&'static str), Bye }
///
/// Sim::seed(1).run(async |node: Node| {
///     let rooms: Groups<&str, Said> = Groups::new(&node);
///     let guests: Vec<_> = (0..3).map(|_| {
///         let rooms = rooms.clone();
///         node.spawn(async move |mut cx: Context<Said>| {
///             rooms.join(&cx, "lobby")?;
///             let mut heard = Vec::new();
///             while let Said::Hello(who) = cx.recv_message().await { heard.push(who); }
///             assert_eq!(heard, ["anna", "bert"]);
///             Ok(())
///         })
///     }).collect();
///     # node.spawn(async |mut cx: Context<()>| Ok(cx.sleep(std::time::Duration::from_millis(1)).await)).closed().await;
///     assert_eq!(rooms.members("lobby").len(), 3);
///     for said in [Said::Hello("anna"), Said::Hello("bert"), Said::Bye] {
///         assert_eq!(rooms.broadcast("lobby", said).delivered, 3);
///     }
///     for guest in guests {
///         assert!(guest.closed().await.is_expected());
///     }
///     assert_eq!(rooms.groups(), [""; 0]);
/// });
/// ```
pub struct Groups<K, M: Send + 'static>(Arc<Keyed<K, M>>);

/// Why a process did not join.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// It has ended, or belongs to another node.
    NotRunning,
    /// It holds [`KEYS_PER_PROCESS`] keys and groups already.
    TooMany,
}

/// What a broadcast came to.
#[derive(Debug)]
pub struct Broadcast<M: Send + 'static> {
    /// How many members have it in their queue.
    pub delivered: usize,
    /// Who has not, and why: its mailbox is full and rejects, or it drains, or its end began in this moment.
    pub refused: Vec<(Addr<M>, Refused)>,
}

impl<K, M> Groups<K, M>
where
    K: Eq + Hash + Send + Sync + 'static,
    M: Send + 'static,
{
    /// No groups yet.
    pub fn new(node: &Node) -> Self {
        Self(Arc::new(Keyed::new(node)))
    }

    /// Makes this process a member, behind those who are. One that is a member already stays where it is, and has to leave
    /// once more.
    ///
    /// # Errors
    /// This process has ended, belongs to another node, or is in too many groups.
    ///
    /// # Cost
    /// This process's lock and that of one shard; an allocation for the group's name. If a broadcast is under way in that
    /// group, 256 members are copied.
    pub fn join(&self, cx: &Context<M>, group: K) -> Result<(), JoinError> {
        self.0.add(cx, &Arc::new(group), Rule::Counted).map_err(|unfit| match unfit {
            Unfit::TooMany => JoinError::TooMany,
            // Nobody stands in the way of a member.
            Unfit::NotRunning | Unfit::Taken(_) => JoinError::NotRunning,
        })
    }

    /// Takes one join back. Answers whether this process was a member; it still is if it has joined more often.
    pub fn leave<Q>(&self, cx: &Context<M>, group: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.withdraw(cx, group).is_some()
    }

    /// The members in the order in which they joined, each of them once; none of whom the end has begun.
    pub fn members<Q>(&self, group: &Q) -> Vec<Addr<M>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Some(members) = self.0.owners(group) else { return Vec::new() };
        members.iter().filter(|member| member.is_in_force()).map(|member| member.addr.clone()).collect()
    }

    /// Sends the message to every member once, however often it joined, in the order in which they joined; to the caller too
    /// if it is one. Never waits. Every member but the last gets a clone.
    ///
    /// What one caller sends is received in that order by every member. Of two callers at a time, one member may hear one
    /// first and another member the other.
    ///
    /// A member that refuses does not keep the others from getting it; what it refused is dropped, and the answer names it. If
    /// a clone panics, the members before have the message and the others have not.
    ///
    /// ```
    /// use freeboard_process::{Context, Groups, Node, Policy, Refused, Sim};
    /// # use std::time::Duration;
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let rooms: Groups<u8, u32> = Groups::new(&node);
    ///     let lazy = |rooms: Groups<u8, u32>| async move |cx: Context<u32>| {
    ///         rooms.join(&cx, 7)?;
    ///         std::future::pending().await
    ///     };
    ///     let full = node.spawn_with(Policy::bounded(1).reject(), lazy(rooms.clone())).unwrap();
    ///     let open = node.spawn(lazy(rooms.clone()));
    ///     # node.spawn(async |mut cx: Context<()>| Ok(cx.sleep(Duration::from_millis(1)).await)).closed().await;
    ///     assert_eq!(rooms.broadcast(&7, 1).delivered, 2);
    ///     let second = rooms.broadcast(&7, 2);
    ///     assert_eq!(second.delivered, 1);
    ///     assert!(matches!(&second.refused[..], [(who, Refused::Full)] if *who == full));
    ///     assert_eq!(open.depth(), 2);
    /// });
    /// ```
    ///
    /// # Cost
    /// One look at the table, then one clone and one [send](Addr::send) per member. Hundred thousand of them hold their
    /// worker for some milliseconds: who must answer meanwhile lets another process do it.
    pub fn broadcast<Q>(&self, group: &Q, message: M) -> Broadcast<M>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        M: Clone,
    {
        let mut done = Broadcast { delivered: 0, refused: Vec::new() };
        let Some(members) = self.0.owners(group) else { return done };
        let mut living = members.iter().filter(|member| member.is_in_force());
        let Some(mut member) = living.next() else { return done };
        for next in living {
            done.send(member, message.clone());
            member = next;
        }
        done.send(member, message);
        done
    }

    /// The groups that have members, in the order in which they came to be.
    pub fn groups(&self) -> Vec<K>
    where
        K: Clone,
    {
        self.0.keys().iter().map(|group| K::clone(group)).collect()
    }
}

impl<M: Send + 'static> Broadcast<M> {
    #[inline]
    fn send(&mut self, member: &Owner<M>, message: M) {
        match member.addr.send(message) {
            Ok(()) => self.delivered += 1,
            Err(SendError { why, .. }) => self.refused.push((member.addr.clone(), why)),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("the process has ended, or runs on another node; join while it runs"),
            Self::TooMany => write!(f, "the process holds {KEYS_PER_PROCESS} keys and groups; leave some"),
        }
    }
}

impl Error for JoinError {}

impl<K, M: Send + 'static> Clone for Groups<K, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, M: Send + 'static> fmt::Debug for Groups<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("groups", &self.0.len()).finish_non_exhaustive()
    }
}
