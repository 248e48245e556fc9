//! Rows 1 and 2, raw: the two halves of a mailbox between tasks, without any process around them.
//!
//! *Apart*, the receiver has a runtime with one worker for itself and the producer has another one, so both run at the same
//! time. *Together*, all share one runtime with two workers. One producer and its receiver then take turns instead: a wake
//! puts the receiver behind the producer on the producer's worker, so all is sent before anything is received, or each
//! batch is followed by a switch of tasks. What that costs is mostly the scheduler's, on both sides, and printed without a
//! bar. With four producers both workers are busy together, and that is judged.
//!
//! The receiver gives way after a fixed number of messages, more often than a busy process does; tokio's does so by itself.
#![expect(clippy::disallowed_methods, reason = "these tasks are the programs that are compared")]

use crate::figure::{Bar, Figure};
use crate::load::Tell;
use crate::machine::{Stopwatch, one_worker, two_workers};
use crate::pairs::interleave;
use freeboard::mailbox::{Event, Exchange, Inbox, Intake};
use std::{future::Future, future::poll_fn, sync::Arc, task::Poll};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Messages before the receiver gives way: after so many a process looks at the clock.
const TURN: u64 = 256;

/// Row 1.
pub(crate) fn one_to_one(rounds: usize) -> Vec<Figure> {
    let load = |yields| Tell { producers: 1, messages: 2_000_000, yields };
    let mut figures = case(1, "raw 1 -> 1, apart", load(None), Workers::Apart, Some(2.5), rounds);
    figures.extend(case(1, "raw 1 -> 1, together, never yields", load(None), Workers::Together, None, rounds));
    figures.extend(case(1, "raw 1 -> 1, together, yields each 128", load(Some(128)), Workers::Together, None, rounds));
    figures
}

/// Row 2.
pub(crate) fn four_to_one(rounds: usize) -> Vec<Figure> {
    let load = |yields| Tell { producers: 4, messages: 500_000, yields };
    let mut figures = case(2, "raw 4 -> 1, never yields", load(None), Workers::Together, Some(3.0), rounds);
    figures.extend(case(2, "raw 4 -> 1, yields each 128", load(Some(128)), Workers::Together, Some(3.0), rounds));
    figures
}

fn case(row: u8, name: &str, load: Tell, workers: Workers, bar: Option<f64>, rounds: usize) -> Vec<Figure> {
    let [ours, one, many] = interleave(rounds, |side| match side {
        0 => mailbox(load, workers),
        1 => channel(load, workers, one_by_one),
        _ => channel(load, workers, by_many),
    });
    let figure =
        |floor: &str, series, bar| Figure::paired(row, &format!("{name}: {floor}"), "msg/s", &ours, series, bar);
    vec![figure("recv", &one, bar.map(Bar::TimesAtLeast)), figure("recv_many", &many, None)]
}

/// Where the two ends run.
#[derive(Clone, Copy)]
enum Workers {
    /// Each on a runtime of its own with one worker.
    Apart,
    /// Both on one runtime with two workers.
    Together,
}

fn mailbox(load: Tell, workers: Workers) -> f64 {
    let intake = Arc::new(Intake::new());
    let to = Arc::clone(&intake);
    let send = move |number| assert!(to.push(number).is_ok(), "an intake is open until it is closed");
    rate(load, workers, send, received(intake, load.messages()))
}

async fn received(intake: Arc<Intake<u64, ()>>, messages: u64) -> u64 {
    let mut inbox = Inbox::new();
    let (mut sum, mut count, mut turn) = (0, 0, 0);
    poll_fn(|task| {
        loop {
            if turn == TURN {
                turn = 0;
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(event) = inbox.pop() {
                let Event::Message(number) = event else { unreachable!("nobody sent a notice") };
                sum += number;
                count += 1;
                turn += 1;
                if count == messages {
                    return Poll::Ready(sum);
                }
            } else if intake.exchange(inbox.spare(), Some(task.waker())) == Exchange::Empty {
                turn = 0;
                return Poll::Pending;
            }
        }
    })
    .await
}

fn channel<Fut>(load: Tell, workers: Workers, receive: impl FnOnce(UnboundedReceiver<u64>) -> Fut) -> f64
where
    Fut: Future<Output = u64> + Send + 'static,
{
    let (to, from): (UnboundedSender<u64>, _) = unbounded_channel();
    let send = move |number| assert!(to.send(number).is_ok(), "the receiver runs");
    rate(load, workers, send, receive(from))
}

async fn one_by_one(mut from: UnboundedReceiver<u64>) -> u64 {
    let mut sum = 0;
    while let Some(number) = from.recv().await {
        sum += number;
    }
    sum
}

async fn by_many(mut from: UnboundedReceiver<u64>) -> u64 {
    let (mut sum, mut batch) = (0, Vec::with_capacity(TURN as usize));
    while from.recv_many(&mut batch, TURN as usize).await > 0 {
        sum += batch.drain(..).sum::<u64>();
    }
    sum
}

/// Messages per second, from before the first send to the sum of all.
fn rate(
    load: Tell,
    workers: Workers,
    send: impl Fn(u64) + Clone + Send + 'static,
    receive: impl Future<Output = u64> + Send + 'static,
) -> f64 {
    let (here, there) = match workers {
        Workers::Apart => (one_worker(), Some(one_worker())),
        Workers::Together => (two_workers(), None),
    };
    let receiver = there.as_ref().unwrap_or(&here).spawn(receive);
    here.block_on(async {
        let clock = Stopwatch::start();
        // With one producer the load runs where it is asked for, which must be a worker.
        tokio::spawn(load.produce(send)).await.expect("a producer only sends");
        assert_eq!(receiver.await.expect("the receiver only receives"), load.sum());
        load.messages() as f64 / clock.seconds()
    })
}
