//! Rows 8 and 9: callers that all ask one dynamic supervisor for a child at the same moment.
//!
//! The children are temporary, as in a pool of connections: each caller gets one, and nothing of its spec is kept.

use super::children::{Counts, Idle, Slow};
use crate::figure::{Bar, Figure};
use crate::machine::run;
use crate::{floor, load, pairs::interleave};
use freeboard::prelude::*;
use std::time::Duration;

/// Row 8.
pub(crate) fn at_once(rounds: usize) -> Vec<Figure> {
    const CALLERS: usize = 100_000;
    let [ours, floor] = interleave(rounds, |side| {
        if side == 0 {
            run(storm(CALLERS, || child::<Idle>(Counts::default)))
        } else {
            run(floor::storm(CALLERS, None))
        }
    });
    vec![Figure::paired(8, "100k callers start a child at once", "ms", &ours, &floor, Some(Bar::TimesAtMost(1.5)))]
}

/// Row 9.
pub(crate) fn slow_init(rounds: usize) -> Vec<Figure> {
    const CALLERS: usize = 5_000;
    const INIT: Duration = Duration::from_millis(1);
    let [ours, floor] = interleave(rounds, |side| {
        if side == 0 { run(storm(CALLERS, || child::<Slow>(|| INIT))) } else { run(floor::storm(CALLERS, Some(INIT))) }
    });
    vec![Figure::paired(9, "5k callers, init waits 1 ms", "ms", &ours, &floor, Some(Bar::TimesAtMost(1.4)))]
}

async fn storm<M: Send + 'static>(callers: usize, spec: impl Fn() -> ChildSpec<M> + Send + Sync + 'static) -> f64 {
    let supervisor = DynamicSupervisor::new().start(&Node::new()).await.expect("a supervisor starts");
    let starter = supervisor.clone();
    let start = move || {
        let started = starter.start_child(spec().restart(Restart::Temporary));
        async { drop(started.await.expect("a child starts")) }
    };
    let time = load::storm(callers, start).await;
    assert_eq!(supervisor.count_children().active, callers);
    time.as_secs_f64() * 1e3
}
