//! Rows 3 and 4: request and reply, with the default limit of five seconds and without one.
//!
//! Both are also measured on one worker that is kept on one core: there the wakes between cores drop out and what is left
//! is the path itself. The same bars are put to it.

use crate::figure::{Bar, Figure};
use crate::machine::{CAN_PIN, Stopwatch, run, run_pinned};
use crate::{floor, load, pairs::interleave};
use freeboard::prelude::*;
use freeboard_process::{CALL_TIMEOUT, run_actor};
use std::{future::Future, time::Duration};

struct Next;

struct Ask(u64, Reply<u64>);

impl Actor for Next {
    type Msg = Ask;
    type Args = ();

    async fn init((): (), _: &mut Context<Ask>) -> Result<Self, InitError> {
        Ok(Self)
    }

    async fn handle(&mut self, Ask(number, reply): Ask, _: &mut Context<Ask>) -> Ended {
        reply.send(number + 1);
        Ok(())
    }
}

/// How long a call may take.
#[derive(Clone, Copy)]
enum Limit {
    Default,
    None,
}

/// Where the load runs: its name, and whether one core has to do.
const PLACES: [(&str, bool); 2] = [("2 workers", false), ("1 core", true)];

/// Row 3.
pub(crate) fn one_caller(rounds: usize) -> Vec<Figure> {
    const CALLS: u64 = 100_000;
    let mut figures = Vec::new();
    for (place, pinned) in places() {
        let [default, forever, floor, floor_within] = interleave(rounds, |variant| match variant {
            0 => on(pinned, call(CALLS, Limit::Default)),
            1 => on(pinned, call(CALLS, Limit::None)),
            2 => on(pinned, floor::call(CALLS)),
            _ => on(pinned, floor::call_within(CALL_TIMEOUT, CALLS)),
        });
        let figure = |case: &str, ours, floor, bar| {
            let case = format!("call, {case}, {place}");
            Figure::paired(3, &case, "ns", ours, floor, Some(Bar::TimesAtMost(bar)))
        };
        figures.extend([
            figure("5 s : floor within 5 s", &default, &floor_within, 0.65),
            figure("5 s : floor", &default, &floor, 1.05),
            figure("forever : floor", &forever, &floor, 0.95),
        ]);
    }
    figures
}

/// Row 4.
pub(crate) fn many_callers(rounds: usize) -> Vec<Figure> {
    const CALLERS: u64 = 64;
    const CALLS_EACH: u64 = 3_000;
    let mut figures = Vec::new();
    for (place, pinned) in places() {
        let [default, forever, floor] = interleave(rounds, |variant| match variant {
            0 => on(pinned, calls_at_once(CALLERS, CALLS_EACH, Limit::Default)),
            1 => on(pinned, calls_at_once(CALLERS, CALLS_EACH, Limit::None)),
            _ => on(pinned, floor::calls_at_once(CALLERS, CALLS_EACH)),
        });
        let figure = |case: &str, ours| {
            let case = format!("64 callers, {case}, {place}");
            Figure::paired(4, &case, "calls/s", ours, &floor, Some(Bar::TimesAtLeast(0.95)))
        };
        figures.extend([figure("5 s", &default), figure("forever", &forever)]);
    }
    figures
}

fn places() -> impl Iterator<Item = (&'static str, bool)> {
    PLACES.into_iter().filter(|(_, pinned)| CAN_PIN || !pinned)
}

fn on(pinned: bool, load: impl Future<Output = f64> + Send + 'static) -> f64 {
    if pinned { run_pinned(load) } else { run(load) }
}

/// One caller, one call after the other.
async fn ask(to: Addr<Ask>, calls: u64, limit: Limit) {
    for number in 0..calls {
        let call = to.call(|reply| Ask(number, reply));
        let answer = match limit {
            Limit::Default => call.await,
            Limit::None => call.forever().await,
        };
        assert_eq!(answer.expect("the actor answers"), number + 1);
    }
}

async fn call(calls: u64, limit: Limit) -> f64 {
    let node = Node::new();
    let to = node.spawn(|cx| run_actor::<Next>(|| (), cx));
    let clock = Stopwatch::start();
    ask(to, calls, limit).await;
    clock.nanos() / calls as f64
}

async fn calls_at_once(callers: u64, calls_each: u64, limit: Limit) -> f64 {
    let node = Node::new();
    let to = node.spawn(|cx| run_actor::<Next>(|| (), cx));
    load::at_once(callers, calls_each, |calls| ask(to.clone(), calls, limit)).await
}

const _: () = assert!(CALL_TIMEOUT.as_secs() == Duration::from_secs(5).as_secs(), "the cases say 5 s");
