//! Row 2, raw, with more senders than there are cores: how ours holds out against other queues, and against itself cut
//! into shards. Printed without bars: two cores do not decide it (`docs/adr/0006-the-intake-is-a-lock-and-a-swap.md`).

use crate::contention::{PRODUCERS, QUEUES};
use crate::figure::Figure;
use crate::pairs::{Series, interleave};

/// Messages in all, from however many threads.
const MESSAGES: u64 = 480_000;

/// Rounds; fewer than elsewhere, because nothing is judged and some of these queues take seconds when threads are many.
const ROUNDS: usize = 11;

/// Row 2.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    PRODUCERS.into_iter().flat_map(|producers| case(producers, rounds.min(ROUNDS))).collect()
}

fn case(producers: u64, rounds: usize) -> Vec<Figure> {
    let each = MESSAGES / producers;
    let nanos: [Series; QUEUES.len()] = interleave(rounds, |queue| {
        QUEUES[queue].contest(producers, each).as_secs_f64() * 1e9 / (each * producers) as f64
    });
    let [ours, ..] = &nanos;
    let others = QUEUES.iter().zip(&nanos).skip(1);
    let figure = |(queue, theirs)| {
        let case = format!("raw, {producers} threads -> 1, intake : {queue}");
        Figure::paired(2, &case, "ns", ours, theirs, None)
    };
    others.map(figure).collect()
}
