//! Row 10: starting children while a million other requests wait at their supervisor.
//!
//! Both workers are held until everything is queued, so the supervisor has looked at nothing when the clock starts. The
//! junk is requests to end a child that does not exist. *Ahead* of the starts it is queued first, *behind* them last.
#![expect(clippy::disallowed_methods, reason = "callers are plain tasks: the outside world")]

use super::children::{Counts, Idle};
use crate::figure::{Bar, Figure};
use crate::machine::{Countdown, Held, Stopwatch, run_held};
use crate::{floor, pairs::interleave};
use freeboard::prelude::*;
use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context as TaskContext, Waker},
};

/// What is queued, in which order.
#[derive(Clone, Copy)]
pub(crate) struct Junk {
    pub(crate) messages: usize,
    pub(crate) starts: usize,
    ahead: bool,
}

impl Junk {
    /// Queues both, in the order that is asked for.
    pub(crate) fn order(self, junk: impl FnOnce(), starts: impl FnOnce()) {
        if self.ahead {
            junk();
            starts();
        } else {
            starts();
            junk();
        }
    }
}

/// Row 10.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    [("behind", false), ("ahead of", true)]
        .map(|(place, ahead)| {
            let junk = Junk { messages: 1_000_000, starts: 1_000, ahead };
            let [ours, floor] = interleave(rounds, |side| {
                if side == 0 {
                    run_held(move |held| starts(junk, held))
                } else {
                    run_held(move |held| floor::starts_in_junk(junk, held))
                }
            });
            let case = format!("a start, 1M junk {place} it");
            Figure::paired(10, &case, "us", &ours, &floor, Some(Bar::AtMost(3.0)))
        })
        .to_vec()
}

async fn starts(junk: Junk, held: Held) -> f64 {
    let supervisor = DynamicSupervisor::new().start(&Node::new()).await.expect("a supervisor starts");
    let stranger = supervisor.pid().expect("it runs");
    let up = Countdown::from(junk.starts);
    let send_junk = || {
        let mut nobody = TaskContext::from_waker(Waker::noop());
        for _ in 0..junk.messages {
            // The first poll sends the request; the answer is not waited for.
            let request = pin!(supervisor.terminate_child(&stranger));
            assert!(request.poll(&mut nobody).is_pending(), "the supervisor is held");
        }
    };
    let call = || {
        for _ in 0..junk.starts {
            let (supervisor, up) = (supervisor.clone(), Arc::clone(&up));
            tokio::spawn(async move {
                let spec = child::<Idle>(Counts::default).restart(Restart::Temporary);
                drop(supervisor.start_child(spec).await.expect("a child starts"));
                up.one();
            });
        }
    };
    junk.order(send_junk, call);
    assert!(supervisor.depth() >= junk.messages, "the supervisor is held");
    let clock = Stopwatch::start();
    held.release();
    up.finished().await;
    let micros = clock.micros() / junk.starts as f64;
    assert_eq!(supervisor.count_children().active, junk.starts);
    micros
}
