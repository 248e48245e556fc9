//! Row 6: resident memory per actor, a million of them, with the handle that the caller keeps.
//!
//! Each sample is a process of its own: this program started again with [`FLAG`], because an allocator does not give
//! everything back. Fewer samples than elsewhere suffice; they hardly differ.
//!
//! # Not here
//! The other allocator: the bars depend on the one the program was built with (feature `mimalloc`).
#![expect(clippy::disallowed_methods, reason = "the second of rest is real")]

use super::children::{Counts, Idle, Nudge};
use crate::figure::{Bar, Figure};
use crate::machine::{Countdown, resident, run};
use crate::{floor, pairs::Series};
use freeboard::prelude::*;
use freeboard_process::run_actor;
use std::{env, future::Future, process::Command, sync::Arc, time::Duration};

/// How this program is told to be one sample.
pub(crate) const FLAG: &str = "--memory-of";

const ACTORS: usize = 1_000_000;

/// Samples of each case; each takes seconds.
const SAMPLES: usize = 3;

const CASES: [(&str, &str, Option<[f64; 2]>); 4] = [
    ("idle", "never messaged", Some([512.0, 600.0])),
    ("served", "2 messages each, 1 s of rest", Some([640.0, 700.0])),
    ("supervised", "child of a dynamic supervisor", Some([750.0, 850.0])),
    ("task", "a bare task (the floor)", None),
];

/// Row 6.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    if resident().is_none() {
        return Vec::new();
    }
    let (mimalloc, allocator) =
        (cfg!(feature = "mimalloc"), if cfg!(feature = "mimalloc") { "mimalloc" } else { "system" });
    let samples = CASES.map(|(name, ..)| Series::of((0..rounds.min(SAMPLES)).map(|_| sample(name)).collect()));
    let figures = CASES.iter().zip(&samples).map(|((_, what, bars), ours)| {
        let case = format!("{what}, {allocator} allocator");
        let bar = bars.map(|[with_mimalloc, without]| Bar::AtMost(if mimalloc { with_mimalloc } else { without }));
        match bar {
            Some(bar) => {
                let floor = samples.last().unwrap_or(ours);
                Figure::paired(6, &case, "bytes", ours, floor, Some(bar))
            }
            None => Figure::alone(6, &case, "bytes", ours, None),
        }
    });
    figures.collect()
}

/// Bytes per actor, as another process of this program finds them.
fn sample(case: &str) -> f64 {
    let program = env::current_exe().expect("a running program has a path");
    let output = Command::new(program).args([FLAG, case]).output().expect("this program can be started again");
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().unwrap_or_else(|_| panic!("the sample `{case}` said {said:?} and {output:?}"))
}

/// If this process was started as one sample, takes it and answers what to print; `Some(Err)` for an unknown case.
pub fn probe(arguments: &[String]) -> Option<Result<String, String>> {
    let [flag, case] = arguments else { return None };
    (flag == FLAG).then(|| match case.as_str() {
        "idle" => Ok(grown(actors(Served::No))),
        "served" => Ok(grown(actors(Served::AndRested))),
        "supervised" => Ok(grown(children())),
        "task" => Ok(grown(floor::idle(ACTORS))),
        other => Err(format!("there is no sample `{other}`")),
    })
}

/// By how much resident memory grows per actor while `fill` runs; what it returns is kept until then.
fn grown<H: Send + 'static>(fill: impl Future<Output = H> + Send + 'static) -> String {
    run(async {
        let before = resident().expect("asked before the sample was started");
        let handles = fill.await;
        let after = resident().expect("asked before the sample was started");
        drop(handles);
        (after.saturating_sub(before) as f64 / ACTORS as f64).to_string()
    })
}

/// Whether the actors have had anything to do.
#[derive(Clone, Copy, PartialEq)]
enum Served {
    No,
    AndRested,
}

async fn actors(served: Served) -> Vec<Addr<Nudge>> {
    let (node, up) = (Node::new(), Countdown::from(ACTORS));
    let mut actors = Vec::with_capacity(ACTORS);
    for _ in 0..ACTORS {
        let counts = Counts { up: Some(Arc::clone(&up)), ended: None };
        actors.push(node.spawn(|cx| run_actor::<Idle>(|| counts, cx)));
    }
    up.finished().await;
    if served == Served::AndRested {
        let count = Countdown::from(2 * ACTORS);
        for actor in actors.iter().chain(&actors) {
            actor.cast(Nudge::Served(Arc::clone(&count)));
        }
        count.finished().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    actors
}

async fn children() -> (DynamicRef, Vec<Addr<Nudge>>) {
    let supervisor = DynamicSupervisor::new().start(&Node::new()).await.expect("a supervisor starts");
    let mut children = Vec::with_capacity(ACTORS);
    for _ in 0..ACTORS {
        let child = supervisor.start_child(child::<Idle>(Counts::default)).await.expect("a child starts");
        children.push(child);
    }
    assert_eq!(supervisor.count_children().active, ACTORS);
    (supervisor, children)
}
