//! Row 11: a hundred thousand processes monitor one target; from its kill to the last notice received. The watchers live
//! on, so their own ends are not in the figure.

use crate::figure::{Bar, Figure};
use crate::machine::{Countdown, Stopwatch, run};
use crate::{floor, pairs::interleave};
use freeboard::prelude::*;
use std::{future::pending, sync::Arc};

const WATCHERS: usize = 100_000;

/// Row 11.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    let [ours, floor] =
        interleave(rounds, |side| if side == 0 { run(fan_out()) } else { run(floor::fan_out(WATCHERS)) });
    vec![Figure::paired(11, "100k watchers hear of one end", "ms", &ours, &floor, Some(Bar::TimesAtMost(1.35)))]
}

async fn fan_out() -> f64 {
    let node = Node::new();
    let target = node.spawn(async |mut cx: Context<Reply<()>>| {
        loop {
            cx.recv_message().await.send(());
        }
    });
    let (ready, told) = (Countdown::from(WATCHERS), Countdown::from(WATCHERS));
    for _ in 0..WATCHERS {
        let (target, ready, told) = (target.clone(), Arc::clone(&ready), Arc::clone(&told));
        let _watcher = node.spawn(async move |mut cx: Context<()>| {
            let monitor = cx.monitor(&target);
            ready.one();
            let down = cx.recv_down(monitor).await;
            assert!(matches!(down.reason, ExitReason::Killed), "the target was killed");
            told.one();
            pending().await
        });
    }
    ready.finished().await;
    // A target that answers has taken note of all who asked before.
    target.call(|reply| reply).forever().await.expect("the target lives");
    let clock = Stopwatch::start();
    target.kill();
    told.finished().await;
    clock.millis()
}
