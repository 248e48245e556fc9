//! Row 5: actors spawned until all have run their init, then stopped until all have dropped their state.
//!
//! The floor spawns, runs and frees empty tasks; ours stay, each with its mailbox, until they are stopped.

use super::children::{Counts, Idle, Nudge};
use crate::figure::{Bar, Figure};
use crate::machine::{Countdown, Stopwatch, run};
use crate::{floor, pairs::interleave};
use freeboard::prelude::*;
use freeboard_process::run_actor;
use std::sync::Arc;

const ACTORS: usize = 50_000;

/// Row 5.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    let [spawned, floor] =
        interleave(rounds, |side| if side == 0 { run(spawn_and_stop()).0 } else { run(floor::spawn(ACTORS)) });
    let [stopped] = interleave(rounds, |_| run(spawn_and_stop()).1);
    vec![
        Figure::paired(5, "spawn + init, 50k actors", "per s", &spawned, &floor, Some(Bar::TimesAtLeast(0.7))),
        Figure::alone(5, "stop, 50k actors", "per s", &stopped, Some(Bar::AtLeast(1.8e6))),
    ]
}

/// Both, per second.
async fn spawn_and_stop() -> (f64, f64) {
    let node = Node::new();
    let (up, ended) = (Countdown::from(ACTORS), Countdown::from(ACTORS));
    let counts = Counts { up: Some(Arc::clone(&up)), ended: Some(Arc::clone(&ended)) };
    let mut actors: Vec<Addr<Nudge>> = Vec::with_capacity(ACTORS);
    let clock = Stopwatch::start();
    for _ in 0..ACTORS {
        let counts = counts.clone();
        actors.push(node.spawn(|cx| run_actor::<Idle>(|| counts, cx)));
    }
    up.finished().await;
    let spawned = ACTORS as f64 / clock.seconds();
    let clock = Stopwatch::start();
    for actor in &actors {
        actor.exit(ExitReason::Shutdown);
    }
    ended.finished().await;
    let stopped = ACTORS as f64 / clock.seconds();
    let sent = actors.iter().filter(|actor| actor.send(Nudge::Served(Arc::clone(&up))).is_ok()).count();
    assert!(sent <= 2, "all have ended but those whose last poll is under way on the two workers, not {sent}");
    (spawned, stopped)
}
