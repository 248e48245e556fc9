//! Rows 1 and 2: messages to one actor, which sums them; from before the first send to the sum of all.
//!
//! A producer that never yields keeps a worker for itself, so the receiver may not run before it is through; one that
//! yields every 128 messages is how a task behaves that does anything else besides. Both are judged.

use crate::figure::{Bar, Figure};
use crate::load::Tell;
use crate::machine::{Stopwatch, run};
use crate::sum::{Msg, Sum};
use crate::{floor, pairs::interleave};
use freeboard::prelude::*;
use freeboard_process::run_actor;

/// Row 1.
pub(crate) fn one_to_one(rounds: usize) -> Vec<Figure> {
    let load = Tell { producers: 1, messages: 2_000_000, yields: None };
    cases(1, "tell 1 -> 1", load, Bar::TimesAtLeast(2.0), rounds)
}

/// Row 2.
pub(crate) fn four_to_one(rounds: usize) -> Vec<Figure> {
    let load = Tell { producers: 4, messages: 500_000, yields: None };
    cases(2, "tell 4 -> 1", load, Bar::TimesAtLeast(3.0), rounds)
}

fn cases(row: u8, name: &str, load: Tell, bar: Bar, rounds: usize) -> Vec<Figure> {
    [("never yields", None), ("yields each 128", Some(128))]
        .map(|(how, yields)| {
            let load = Tell { yields, ..load };
            let [ours, floor] =
                interleave(rounds, |side| if side == 0 { run(tell(load)) } else { run(floor::tell(load)) });
            Figure::paired(row, &format!("{name}, {how}"), "msg/s", &ours, &floor, Some(bar))
        })
        .to_vec()
}

async fn tell(load: Tell) -> f64 {
    let node = Node::new();
    let sum = node.spawn(|cx| run_actor::<Sum>(|| (), cx));
    let clock = Stopwatch::start();
    let to = sum.clone();
    load.produce(move |number| assert!(to.send(Msg::Add(number)).is_ok(), "the actor runs")).await;
    assert_eq!(sum.call(Msg::Get).forever().await.expect("the actor answers"), load.sum());
    load.messages() as f64 / clock.seconds()
}
