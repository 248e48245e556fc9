//! What can be seen of the processes of a node, from outside and without their help.
//!
//! # Invariants
//! * Nobody is stopped or asked: a look at a process is a dozen loads and its state's lock, which only itself takes otherwise.
//! * One lock is held at a time, and the pid table's for one page of it at a time.
//! * The list is in the order of the slots, so under a simulation it depends on the run only.
//!
//! The looks are not one moment: a process may be in the list and have ended, and two that talk to each other are seen at
//! two times.
//!
//! # Not here
//! The numbers of a mailbox (`freeboard-mailbox`), and what ties a process to others (`ties.rs`).

use crate::node::Node;
use crate::ties::Ties;
use crate::wire::Peer;
use freeboard_signal::Pid;
use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

/// One process, as it was when it was looked at: [`Node::processes`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// Who it is.
    pub pid: Pid,
    /// The names that it holds.
    pub names: Vec<Arc<str>>,
    /// What it said it is for ([`Context::set_label`](crate::Context::set_label)).
    pub label: Option<Arc<str>>,
    /// Who started it, if a process did.
    pub parent: Option<Pid>,
    /// Who started it, and who started those, the parent first.
    pub ancestors: Vec<Pid>,
    /// The name of its messages' type.
    pub message_type: &'static str,
    /// What it is about.
    pub status: Status,
    /// How many messages wait for it.
    pub depth: usize,
    /// The most that ever did.
    pub high_water: usize,
    /// How long the oldest of them has waited: an estimate, as in [`MailboxStats`](crate::MailboxStats).
    pub oldest: Duration,
    /// How many messages it has received, on this seat.
    pub received: u64,
    /// How many were dropped there.
    pub dropped: u64,
    /// Whether it traps exits.
    pub trap_exit: bool,
    /// Its links, monitors, timers and names, counted.
    pub ties: Ties,
}

/// What a process is about.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its starter waits for it to be up.
    Starting,
    /// It runs, or waits for a message.
    Running,
    /// A handler of an actor has begun and not ended.
    Handling,
    /// Its end is decided, and it has not given way yet.
    Ending,
}

impl Node {
    /// Everybody who lives, in the order of their pids' slots.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim, Status};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let clerk = node.spawn(async |_cx: Context<u32>| std::future::pending().await);
    ///     node.register("clerk", &clerk).unwrap();
    ///     (0..3).for_each(|n| clerk.cast(n));
    ///     let all = node.processes();
    ///     assert_eq!(all.len(), 1);
    ///     assert_eq!((&*all[0].names[0], all[0].depth, all[0].status), ("clerk", 3, Status::Running));
    /// });
    /// ```
    ///
    /// # Cost
    /// Some 100 ns and an allocation or two per process, in the thread that asks. Nobody else waits for longer than one look:
    /// a process for a few loads under its own lock, a start for a copy of one page (1,024 slots) of the table.
    pub fn processes(&self) -> Vec<ProcessInfo> {
        self.living().map(|peer| ProcessInfo::of(&peer)).collect()
    }

    /// The `count` processes whose oldest message has waited the longest, the longest first; of equals the one with the most
    /// messages. Processes for which nothing waits are not among them.
    ///
    /// # Cost
    /// As [`processes`](Self::processes), without the lock and the allocations for those that are not among them.
    pub fn top(&self, count: usize) -> Vec<ProcessInfo> {
        // The least of those found so far is on top, and makes room.
        let mut found = BinaryHeap::new();
        for peer in self.living() {
            let stats = peer.seat.stats();
            if stats.depth == 0 {
                continue;
            }
            found.push(Reverse((stats.oldest, stats.depth, Reverse(peer.pid))));
            if found.len() > count {
                found.pop();
            }
        }
        let longest_first = found.into_sorted_vec().into_iter();
        longest_first.filter_map(|Reverse((.., Reverse(pid)))| Some(ProcessInfo::of(&self.peer(pid)?))).collect()
    }

    /// One look at that process, if it lives.
    pub fn process(&self, pid: Pid) -> Option<ProcessInfo> {
        let peer = self.peer(pid).filter(|peer| peer.seat.incarnation() == Some(pid.generation()))?;
        Some(ProcessInfo::of(&peer))
    }

    fn living(&self) -> impl Iterator<Item = Peer> {
        (0..).map_while(|page| self.living_in(page)).flatten()
    }
}

impl ProcessInfo {
    fn of(peer: &Peer) -> Self {
        let (seat, core) = (&peer.seat, peer.seat.core());
        let stats = seat.stats();
        let (is_doomed, is_handling) = (core.is_doomed(), core.is_handling());
        let mut info = Self {
            pid: peer.pid,
            names: Vec::new(),
            label: None,
            parent: None,
            ancestors: Vec::new(),
            message_type: seat.message_type(),
            status: Status::Ending,
            depth: stats.depth,
            high_water: stats.high_water,
            oldest: stats.oldest,
            received: stats.received,
            dropped: stats.dropped_in_all(),
            trap_exit: false,
            ties: Ties::default(),
        };
        // None if its end has begun meanwhile.
        let Some(mut life) = core.life_of(peer.pid.generation()) else { return info };
        let is_up =
            life.obligations.as_ref().is_none_or(|owed| owed.up || (owed.ack.is_none() && owed.supervision.is_none()));
        info.status = match (is_doomed, is_up, is_handling) {
            (true, ..) => Status::Ending,
            (_, false, _) => Status::Starting,
            (.., true) => Status::Handling,
            (.., false) => Status::Running,
        };
        info.label = life.label();
        info.trap_exit = life.trap_exit;
        info.parent = life.parent().map(|parent| parent.pid);
        let ancestors = life.ancestors();
        if let Some(rows) = life.rows_if_any() {
            info.ties = Ties::of(rows);
            info.names.clone_from(&rows.names);
        }
        drop(life);
        info.ancestors = ancestors.map_or_else(Vec::new, |ancestors| ancestors.to_vec());
        info
    }
}
