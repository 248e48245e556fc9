//! Rows 1 and 2: messages to one actor, which sums them; from before the first send to the sum of all.
//!
//! A producer that never yields keeps a worker for itself, so the receiver may not run before it is through; one that
//! yields every 128 messages is how a task behaves that does anything else besides. Both are judged. A single producer
//! and its actor share a worker then, on both sides, because a wake puts the receiver behind its waker: nothing overlaps,
//! and what is compared is the number of instructions. *Apart*, each has a runtime with one worker for itself, so both run
//! at the same time; that is judged too.

use crate::figure::{Bar, Figure};
use crate::load::Tell;
use crate::machine::{Stopwatch, on_worker, one_worker, run};
use crate::sum::{Msg, Sum};
use crate::{floor, pairs::interleave};
use freeboard::prelude::*;
use freeboard_process::run_actor;
use std::future::Future;
use tokio::runtime::Handle;

/// Row 1.
pub(crate) fn one_to_one(rounds: usize) -> Vec<Figure> {
    let load = Tell { producers: 1, messages: 2_000_000, yields: None };
    let bar = Bar::TimesAtLeast(2.0);
    let mut figures = cases(1, "tell 1 -> 1", load, bar, rounds);
    let [ours, floor] = interleave(rounds, |side| if side == 0 { apart(load, tell) } else { apart(load, floor::tell) });
    figures.push(Figure::paired(1, "tell 1 -> 1, apart", "msg/s", &ours, &floor, Some(bar)));
    figures
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
                interleave(rounds, |side| if side == 0 { together(load, tell) } else { together(load, floor::tell) });
            Figure::paired(row, &format!("{name}, {how}"), "msg/s", &ours, &floor, Some(bar))
        })
        .to_vec()
}

/// All on one runtime with two workers.
fn together<Fut: Future<Output = f64> + Send + 'static>(
    load: Tell,
    tell: impl FnOnce(Handle, Tell) -> Fut + Send + 'static,
) -> f64 {
    run(async move { tell(Handle::current(), load).await })
}

/// The receiver on another runtime, with a worker each.
fn apart<Fut: Future<Output = f64> + Send + 'static>(load: Tell, tell: impl FnOnce(Handle, Tell) -> Fut) -> f64 {
    let (here, there) = (one_worker(), one_worker());
    on_worker(&here, tell(there.handle().clone(), load))
}

/// Messages per second; the actor runs on that runtime.
async fn tell(on: Handle, load: Tell) -> f64 {
    let sum = {
        let _inside = on.enter();
        Node::new().spawn(|cx| run_actor::<Sum>(|| (), cx))
    };
    let clock = Stopwatch::start();
    let to = sum.clone();
    load.produce(move |number| assert!(to.send(Msg::Add(number)).is_ok(), "the actor runs")).await;
    assert_eq!(sum.call(Msg::Get).forever().await.expect("the actor answers"), load.sum());
    load.messages() as f64 / clock.seconds()
}
