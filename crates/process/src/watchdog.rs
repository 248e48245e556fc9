//! The watchdog: finds processes that do not give way, by looking now and then at what each worker is doing.
//!
//! ```text
//!   poll begins: post ← slot and number of the poll       every 10 ms: the same poll at the same post?
//!   poll ends:   post ← 0                                  for longer than the threshold: one event
//! ```
//!
//! A clock that is read twice per poll would cost more than many a message, so the poll only says that it is there, in two
//! relaxed stores to a line that nobody else writes; the thread of the watchdog has the clock.
//!
//! # Invariants
//! * A poll is reported once.
//! * How long is said too low, by one interval at most, and never too high.
//! * The thread ends with the node.
//!
//! # Not here
//! Which post belongs to a thread (`current.rs`). A message's tag: to know it would cost a store per message.

use crate::builder::BuildError;
use crate::node::{Node, WeakNode};
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::task::quietly;
use freeboard_signal::Pid;
use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

/// How often the thread looks, unless the threshold asks for more.
const INTERVAL: Duration = Duration::from_millis(10);

/// What a worker thread is doing: the number of the poll above the slot of its process, or 0. A line of its own.
#[repr(align(128))]
#[derive(Debug)]
pub(crate) struct Post(AtomicU64);

impl Post {
    /// A poll of that process begins; answers what the thread was doing, if a poll runs inside another one's.
    pub(crate) fn begin(&self, poll: u32, slot: u32) -> u64 {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(u64::from(poll) << 32 | u64::from(slot), Ordering::Relaxed);
        before
    }

    /// The poll is over.
    pub(crate) fn end(&self, before: u64) {
        self.0.store(before, Ordering::Relaxed);
    }
}

/// A node's watchdog.
pub(crate) struct Watchdog {
    sampler: Mutex<Sampler>,
    interval: Duration,
    /// Dropped with the node, which ends the thread.
    _alive: Sender<()>,
}

/// The posts and what was seen there, as pure state.
struct Sampler {
    threshold: Duration,
    posts: Vec<(Arc<Post>, Seen)>,
}

/// What a post was doing at the last look.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Nothing,
    /// This, at that time for the first time.
    Doing(u64, Instant),
    /// This, and it was reported.
    Reported(u64),
}

/// A poll that has lasted too long.
#[derive(Debug, PartialEq, Eq)]
struct Stall {
    slot: u32,
    at_least: Duration,
}

impl Sampler {
    fn new(threshold: Duration) -> Self {
        Self { threshold, posts: Vec::new() }
    }

    /// A post for one more thread.
    fn post(&mut self) -> Arc<Post> {
        let post = Arc::new(Post(AtomicU64::new(0)));
        self.posts.push((Arc::clone(&post), Seen::Nothing));
        post
    }

    /// Looks at every post; answers the polls that have lasted too long and were not reported yet.
    fn look(&mut self, now: Instant) -> Vec<Stall> {
        // A thread that is gone has left its post to us alone.
        self.posts.retain(|(post, _)| Arc::strong_count(post) > 1);
        let threshold = self.threshold;
        let look = |(post, seen): &mut (Arc<Post>, Seen)| {
            let doing = post.0.load(Ordering::Relaxed);
            let next = match *seen {
                _ if doing == 0 => Seen::Nothing,
                Seen::Doing(known, since) if known == doing => {
                    let at_least = now.saturating_duration_since(since);
                    if at_least >= threshold {
                        *seen = Seen::Reported(doing);
                        return Some(Stall { slot: doing as u32, at_least }); // the lower half
                    }
                    return None;
                }
                Seen::Reported(known) if known == doing => return None,
                _ => Seen::Doing(doing, now),
            };
            *seen = next;
            None
        };
        self.posts.iter_mut().filter_map(look).collect()
    }
}

impl Watchdog {
    /// A watchdog with this threshold, and what its thread waits with.
    pub(crate) fn new(threshold: Duration) -> (Arc<Self>, Receiver<()>) {
        let (alive, ticks) = channel();
        let interval = INTERVAL.min(threshold / 2);
        (Arc::new(Self { sampler: Mutex::new(Sampler::new(threshold)), interval, _alive: alive }), ticks)
    }

    /// A post for the thread that asks.
    pub(crate) fn post(&self) -> Arc<Post> {
        self.sampler.lock().post()
    }
}

/// Starts the thread of a node's watchdog.
pub(crate) fn start(node: &Node, ticks: Receiver<()>) -> Result<(), BuildError> {
    let Some(watchdog) = node.watchdog() else { return Ok(()) };
    let (interval, weak) = (watchdog.interval, node.downgrade());
    let thread = Box::new(move || watch(&weak, &ticks, interval));
    match node.backend().spawn_thread("freeboard-watchdog".to_owned(), thread) {
        // A simulation has no threads; nor does it have a worker that could be held.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        started => started.map_err(BuildError::Thread),
    }
}

/// The life of the thread: it looks, until the node is gone.
fn watch(node: &WeakNode, ticks: &Receiver<()>, interval: Duration) {
    while let Err(RecvTimeoutError::Timeout) = ticks.recv_timeout(interval) {
        let Some(node) = node.upgrade() else { return };
        let Some(watchdog) = node.watchdog() else { return };
        let stalls = watchdog.sampler.lock().look(node.now());
        for stall in stalls {
            if let Some(pid) = node.latest(stall.slot) {
                report(pid, stall.at_least);
            }
        }
    }
}

fn report(pid: Pid, at_least: Duration) {
    let for_ms = u64::try_from(at_least.as_millis()).unwrap_or(u64::MAX);
    quietly(|| tracing::warn!(%pid, for_ms, "a process does not give way and holds its worker"));
}

#[cfg(test)]
mod tests {
    //! The sampler, look by look.
    use super::*;
    use crate::Sim;

    const LONG: Duration = Duration::from_millis(100);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sampler() -> (Sampler, Instant) {
        (Sampler::new(LONG), Sim::seed(0).run(async |node: Node| node.now()))
    }

    #[test]
    fn a_poll_that_lasts_is_reported_once_and_the_next_one_again() {
        let (mut sampler, start) = sampler();
        let post = sampler.post();
        let before = post.begin(1, 7);
        assert_eq!(sampler.look(start), []);
        assert_eq!(sampler.look(start + ms(99)), []);
        assert_eq!(sampler.look(start + ms(110)), [Stall { slot: 7, at_least: ms(110) }]);
        assert_eq!(sampler.look(start + ms(300)), []);
        post.end(before);
        assert_eq!(sampler.look(start + ms(310)), []);
        post.begin(2, 7);
        assert_eq!(sampler.look(start + ms(320)), []);
        assert_eq!(sampler.look(start + ms(420)), [Stall { slot: 7, at_least: LONG }]);
    }

    #[test]
    fn many_short_polls_of_one_process_are_no_long_one() {
        let (mut sampler, start) = sampler();
        let post = sampler.post();
        for poll in 1..100 {
            let before = post.begin(poll, 7);
            assert_eq!(sampler.look(start + ms(10 * u64::from(poll))), []);
            post.end(before);
        }
    }

    #[test]
    fn a_poll_inside_another_one_gives_the_outer_one_its_post_back() {
        let (mut sampler, start) = sampler();
        let post = sampler.post();
        let nobody = post.begin(1, 7);
        assert_eq!(sampler.look(start), []);
        let outer = post.begin(2, 8);
        assert_eq!(sampler.look(start + ms(50)), []);
        assert_eq!(sampler.look(start + ms(150)), [Stall { slot: 8, at_least: LONG }]);
        post.end(outer);
        assert_eq!(sampler.look(start + ms(160)), []);
        assert_eq!(sampler.look(start + ms(260)), [Stall { slot: 7, at_least: LONG }]);
        post.end(nobody);
        assert_eq!(sampler.look(start + ms(400)), []);
    }

    #[test]
    fn each_thread_has_its_own_post_and_a_thread_that_is_gone_has_none() {
        let (mut sampler, start) = sampler();
        let (one, two) = (sampler.post(), sampler.post());
        one.begin(1, 7);
        two.begin(1, 8);
        assert_eq!(sampler.look(start), []);
        drop(two);
        assert_eq!(sampler.look(start + LONG), [Stall { slot: 7, at_least: LONG }]);
        assert_eq!(sampler.posts.len(), 1);
    }
}
