//! Measures this machine: s(q), the cost of one start with q messages queued, and the cost of one Freeboard start.
//!
//! It runs the very code of the naive supervisor, on three mailboxes filled in turn at random, as the instances' are in a
//! run: on one mailbox alone a walk would find its nodes in order and look up to forty times cheaper than it is. Each
//! point is the 20th percentile of its starts, so that what else runs on the machine does not count as ours.
//! The result holds for this machine, now.

use std::future::Future;

use tokio::runtime::Runtime;

use crate::freeboard_side;
use crate::instance::{INSTANCES, QueueKind};
use crate::machine::{Ticks, WORKERS};
use crate::mix::mix;
use crate::naive::queue::{Desk, Door, Inbox, Mail, counted};
use crate::naive::serial::start_child;
use crate::naive::{contiguous, linked};
use crate::predict::{Curve, Point};
use crate::request::Request;
use crate::stopwatch::{MILLI, Stopwatch};

/// The depths at which a start is measured.
pub const DEPTHS: [u64; 7] = [0, 1_000, 3_000, 10_000, 30_000, 60_000, 100_000];
/// Time for one depth, apart from filling the mailboxes.
const BUDGET_US: u64 = 90 * MILLI;
const STARTS_MIN: usize = 5;
const STARTS_MAX: usize = 2_000;
/// Freeboard starts measured.
const FREEBOARD_STARTS: u64 = 4_000;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// s(q) of the scanning supervisor.
    pub curve: Curve,
    /// Processor time of one Freeboard start, in microseconds.
    pub freeboard_us: f64,
    /// Cores that other programs left alone meanwhile.
    pub cores_left: f64,
}

/// Measures both on `runtime`; takes about a second.
#[must_use]
pub fn calibrate(runtime: &Runtime, kind: QueueKind) -> Calibration {
    let before = Ticks::now();
    let points = match kind {
        QueueKind::Linked => on_a_worker(runtime, scan_points(linked::mailbox)),
        QueueKind::Contiguous => on_a_worker(runtime, scan_points(contiguous::mailbox)),
    };
    let core_us =
        freeboard_side::start_many(runtime, FREEBOARD_STARTS) as f64 * WORKERS.min(crate::machine::cores()) as f64;
    let cores = crate::machine::cores();
    let cores_left = before.zip(Ticks::now()).map_or(cores as f64, |(before, now)| now.cores_left(&before, cores));
    Calibration { curve: Curve::new(points), freeboard_us: core_us / FREEBOARD_STARTS as f64, cores_left }
}

/// Runs `work` as a task, as the supervisors are, and not on the calling thread: there each wake would cross threads.
fn on_a_worker<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(runtime.spawn(work)).expect("the measurement does not panic and nobody aborts it")
}

async fn scan_points<Q: Inbox + 'static>(mailbox: fn() -> (Q::Post, Q)) -> Vec<Point> {
    let mut boxes: Vec<(Door<Q::Post>, Desk<Q>)> = (0..INSTANCES)
        .map(|_| {
            let (post, inbox) = mailbox();
            counted(post, inbox)
        })
        .collect();
    let mut filled = 0;
    let mut pid = 0;
    let mut points = Vec::with_capacity(DEPTHS.len());
    for depth in DEPTHS {
        fill(&boxes, depth, &mut filled);
        let (door, desk) = &mut boxes[0];
        // The first start fetches the new messages, which happens once per message and not once per start.
        start_child(desk, door, 0, None).await;
        let clock = Stopwatch::start();
        let mut costs = Vec::new();
        while costs.len() < STARTS_MIN || (costs.len() < STARTS_MAX && clock.now_us() < BUDGET_US) {
            let before = Stopwatch::start();
            pid += 1;
            start_child(desk, door, pid, None).await;
            costs.push(before.now_ns());
        }
        costs.sort_unstable();
        points.push(Point { depth, us: costs[costs.len() / 5] as f64 / 1_000.0 });
    }
    points
}

/// Adds messages to all boxes, in an order no prefetcher can guess, until the first one holds `depth`.
fn fill<Q: Inbox>(boxes: &[(Door<Q::Post>, Desk<Q>)], depth: u64, filled: &mut u64) {
    while boxes[0].0.depth().requests < depth {
        *filled += 1;
        let member = usize::try_from(mix(*filled) % boxes.len() as u64).expect("an index below a length fits");
        boxes[member].0.post(Mail::Start(Request::new(*filled, 0, 0, 0)));
    }
}
