//! Row 7: what a neighbour notices while another process of its worker looks through a flood for the first time.
//!
//! Everything shares one worker. A ping is a call to a process that answers at once; its round trip includes whatever the
//! scheduler lets run in between, which is a slice of that first receive or two. The longest one of each round counts.
//!
//! The end of the flooded process, which frees all that it has not received, is measured apart and not judged.

use super::selective::{MILLION, Wanted, alone};
use crate::figure::Figure;
use crate::machine::{Stopwatch, on_worker, one_worker};
use crate::note::Note;
use crate::pairs::{Series, interleave};
use freeboard::prelude::*;
use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::sync::oneshot;

/// Row 7.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    let wanted = [Wanted::Ack, Wanted::Junk];
    let mut ends = [const { Vec::new() }; 2];
    let [plain, keyed] = interleave(rounds, |which| {
        let (search, end) = on_worker(&one_worker(), longest_pings(wanted[which], MILLION));
        ends[which].push(end);
        search
    });
    // The first round is not counted.
    let [plain_end, keyed_end] = ends.map(|mut ends| Series::of(ends.split_off(1)));
    let mut figures = Vec::new();
    for (case, search, end) in [("other tag", plain, plain_end), ("all keyed", keyed, keyed_end)] {
        figures.push(alone(&format!("first behind 1M, {case}: neighbour's ping"), "ms", &search, 2.0));
        figures.push(Figure::alone(7, &format!("end behind 1M, {case}: neighbour's ping"), "ms", &end, None));
    }
    figures
}

/// Milliseconds of the longest round trip while the receive goes on, and while its process ends.
async fn longest_pings(wanted: Wanted, depth: u64) -> (f64, f64) {
    let node = Node::new();
    let neighbour = node.spawn(async |mut cx: Context<Reply<()>>| {
        loop {
            cx.recv_message().await.send(());
        }
    });
    let ((begins, begun), (leave, may_end)) = (oneshot::channel(), oneshot::channel());
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let flooded = node.spawn(async move |mut cx: Context<Note>| {
        let me = cx.addr();
        (0..depth).for_each(|key| me.cast(Note::Junk(key)));
        assert!(begins.send(()).is_ok(), "the one who pings waits");
        let nothing = cx.recv_key(wanted.tag(), u64::MAX).after(Duration::ZERO).await;
        assert!(nothing.is_none(), "nobody has sent that key");
        over.store(true, Ordering::Release);
        may_end.await.map_err(|_| ExitReason::Killed)
    });
    begun.await.expect("the flooded process says when it begins");
    let (search, pings) = longest_until(&neighbour, || is_over.load(Ordering::Acquire)).await;
    assert!(pings > 1, "the receive gives way, so there is more than one ping");
    assert!(leave.send(()).is_ok(), "the flooded process waits for leave");
    let (end, _) = longest_until(&neighbour, || flooded.ended().is_some()).await;
    (search, end)
}

/// Milliseconds of the longest round trip until `is_over`, and how many there were; at least one.
async fn longest_until(neighbour: &Addr<Reply<()>>, is_over: impl Fn() -> bool) -> (f64, usize) {
    let (mut longest, mut pings) = (0.0_f64, 0);
    while pings == 0 || !is_over() {
        let clock = Stopwatch::start();
        neighbour.call(|reply| reply).forever().await.expect("the neighbour answers");
        longest = longest.max(clock.millis());
        pings += 1;
    }
    (longest, pings)
}
