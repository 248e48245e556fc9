//! Row 7: receiving one message behind a million others, against a mailbox without an index, which is scanned.
//!
//! The message that is waited for is the newest, as a reply is. *By key* it is all that is received. In the *mix*, each
//! receive by key is followed by a plain one, and each has a send of its own before it, so the depth stays at a million:
//! what is judged is half of such a pair, and the rate of the pairs.
//!
//! The scan does few receives per round, because each takes a millisecond or so.

use super::selective::{By, MILLION, Wanted, Warm, alone};
use crate::figure::{Bar, Figure};
use crate::floor::Scan;
use crate::machine::{Stopwatch, on_worker, two_workers};
use crate::note::Note;
use crate::pairs::{Series, interleave};
use tokio::runtime::Runtime;

const RECEIVES: u64 = 20_000;
const SCANS: u64 = 4;

/// How many times as many receives an index must allow for.
const BAR: Bar = Bar::TimesAtLeast(5_000.0);

/// Row 7.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    let runtime = two_workers();
    let [by_key, mix] = [By::Key, By::KeyThenOldest].map(|by| Warm::start(&runtime, MILLION, Wanted::Ack, by));
    let mut scanned = Scanned::start(MILLION);
    let mut halves = Vec::with_capacity(rounds + 1);
    let [ours, scan, ours_mixed, scan_mixed] = interleave(rounds, |which| match which {
        0 => per_second(by_key.receive(&runtime, RECEIVES)),
        1 => per_second(scanned.receive(&runtime, By::Key)),
        2 => {
            let pair = mix.receive(&runtime, RECEIVES);
            halves.push(pair / 2.0);
            per_second(pair)
        }
        _ => per_second(scanned.receive(&runtime, By::KeyThenOldest)),
    });
    // The first round is not counted.
    let half = Series::of(halves.split_off(1));
    let against = |case: &str, unit, ours, scan| Figure::paired(7, case, unit, ours, scan, Some(BAR));
    vec![
        against("by key, behind 1M : scanned", "recv/s", &ours, &scan),
        alone("mix behind 1M, each receive", "ns", &half, 60.0),
        against("mix behind 1M : scanned", "pairs/s", &ours_mixed, &scan_mixed),
    ]
}

fn per_second(nanos: f64) -> f64 {
    1e9 / nanos
}

/// The scanned mailbox, on its way between this thread and a worker.
struct Scanned {
    queue: Option<Scan>,
    number: u64,
}

impl Scanned {
    fn start(depth: u64) -> Self {
        Self { queue: Some(Scan::behind(depth)), number: depth }
    }

    /// Nanoseconds for one receive, or for a pair of them, each with its send.
    fn receive(&mut self, runtime: &Runtime, by: By) -> f64 {
        let mut queue = self.queue.take().expect("it is put back after each round");
        let first = self.number + 1;
        self.number += SCANS;
        let (nanos, queue) = on_worker(runtime, async move {
            let clock = Stopwatch::start();
            for number in first..first + SCANS {
                queue.send(Note::Ack(number));
                let got = queue.receive_where(|note| note.is_ack(number)).expect("it was just sent");
                assert_eq!(got.number(), number);
                if let By::KeyThenOldest = by {
                    queue.send(Note::Junk(number));
                    assert!(matches!(queue.receive(), Some(Note::Junk(_))), "the oldest is junk");
                }
            }
            (clock.nanos() / SCANS as f64, queue)
        });
        self.queue = Some(queue);
        nanos
    }
}
