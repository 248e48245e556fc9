//! The coarse clock beside the exact one.

use crate::support::{pause, runtime};
use freeboard_process::{Clock, Node, Sim, Tokio};
use std::time::Duration;

#[test]
fn the_coarse_clock_is_never_ahead_of_the_exact_one_and_never_goes_back() {
    let backend = Tokio::on(runtime().handle().clone());
    let mut before = backend.coarse();
    for _ in 0..10_000 {
        let coarse = backend.coarse();
        assert!(before <= coarse, "it went back by {:?}", before - coarse);
        assert!(coarse <= backend.now());
        before = coarse;
    }
}

#[test]
fn a_simulation_has_one_clock() {
    let run = async |node: Node| {
        let (now, coarse) = (node.now(), node.coarse());
        pause(&node, Duration::from_secs(7)).await;
        (coarse == now, node.coarse() - coarse)
    };
    assert_eq!(Sim::seed(1).run(run), (true, Duration::from_secs(7)));
}
