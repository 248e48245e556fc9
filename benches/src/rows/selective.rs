//! Row 7: receiving one message by its key, behind nothing, a hundred thousand and a million others.
//!
//! A process fills its own mailbox and then, again and again, sends itself one message and receives exactly that one. The
//! warm cases begin after one receive that looked at everything; the cold ones measure that receive itself, poll by poll.

use crate::figure::{Bar, Figure};
use crate::machine::{Stopwatch, on_worker, run, two_workers};
use crate::pairs::{Series, interleave};
use freeboard::prelude::*;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

enum Note {
    Junk(u64),
    Ack(u64),
}

const JUNK: Tag<Note> = Tag::new(0);
const ACK: Tag<Note> = Tag::new(1);

impl Message for Note {
    const TAGS: &'static [&'static str] = &["Junk", "Ack"];

    fn tag(&self) -> Tag<Self> {
        match self {
            Self::Junk(_) => JUNK,
            Self::Ack(_) => ACK,
        }
    }

    fn key(&self) -> Option<Key<'_>> {
        let (Self::Junk(key) | Self::Ack(key)) = self;
        Some((*key).into())
    }
}

/// What is awaited: a tag of its own, or one more of the kind that waits there already.
#[derive(Clone, Copy)]
enum Wanted {
    Ack,
    Junk,
}

impl Wanted {
    fn tag(self) -> Tag<Note> {
        match self {
            Self::Ack => ACK,
            Self::Junk => JUNK,
        }
    }

    fn message(self, key: u64) -> Note {
        match self {
            Self::Ack => Note::Ack(key),
            Self::Junk => Note::Junk(key),
        }
    }
}

const HUNDRED_THOUSAND: u64 = 100_000;
const MILLION: u64 = 1_000_000;

/// Row 7.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    let mut figures = warm(rounds);
    figures.extend(cold(rounds));
    figures
}

fn warm(rounds: usize) -> Vec<Figure> {
    const RECEIVES: u64 = 20_000;
    let runtime = two_workers();
    let processes =
        [(0, Wanted::Ack), (HUNDRED_THOUSAND, Wanted::Ack), (MILLION, Wanted::Ack), (MILLION, Wanted::Junk)]
            .map(|(depth, wanted)| Warm::start(&runtime, depth, wanted));
    let [none, some, many, own] = interleave(rounds, |which| processes[which].receive(&runtime, RECEIVES));
    let alone = |case: &str, ours: &Series, bar| {
        Figure::alone(7, &format!("by key, behind {case}"), "ns", ours, Some(Bar::AtMost(bar)))
    };
    vec![
        alone("0", &none, 60.0),
        alone("100k", &some, 60.0),
        alone("1M", &many, 60.0),
        Figure::paired(7, "by key, behind 1M : behind 0", "ns", &many, &none, Some(Bar::TimesAtMost(1.5))),
        alone("1M keys of its own tag", &own, 110.0),
    ]
}

/// Asks for so many receives, and where to put the nanoseconds that one took.
type Ask = (u64, oneshot::Sender<f64>);

/// A process with a backlog that it has looked through.
struct Warm {
    ask: mpsc::Sender<Ask>,
}

impl Warm {
    fn start(runtime: &Runtime, depth: u64, wanted: Wanted) -> Self {
        let (ask, asked) = mpsc::channel(1);
        let inside = async move { Node::new().spawn(move |cx| serve(cx, depth, wanted, asked)) };
        let process = on_worker(runtime, inside);
        assert!(process.pid().is_some(), "the process lives until it is asked no more");
        Self { ask }
    }

    fn receive(&self, runtime: &Runtime, receives: u64) -> f64 {
        let (answer, nanos) = oneshot::channel();
        let ask = self.ask.clone();
        on_worker(runtime, async move {
            assert!(ask.send((receives, answer)).await.is_ok(), "the process lives until it is asked no more");
            nanos.await.expect("the process answers")
        })
    }
}

async fn serve(mut cx: Context<Note>, depth: u64, wanted: Wanted, mut asked: mpsc::Receiver<Ask>) -> Ended {
    let me = cx.addr();
    (0..depth).for_each(|key| me.cast(Note::Junk(key)));
    let nothing = cx.recv_key(wanted.tag(), u64::MAX).after(Duration::ZERO).await;
    assert!(nothing.is_none(), "nobody has sent that key");
    let mut key = depth;
    while let Some((receives, answer)) = asked.recv().await {
        let inspected = cx.inspected();
        let clock = Stopwatch::start();
        for _ in 0..receives {
            key += 1;
            me.cast(wanted.message(key));
            let (Note::Junk(got) | Note::Ack(got)) = cx.recv_key(wanted.tag(), key).await;
            assert_eq!(got, key);
        }
        let nanos = clock.nanos() / receives as f64;
        assert_eq!(cx.inspected() - inspected, receives, "each receive looks at one message");
        answer.send(nanos).expect("the asker waits");
    }
    Ok(())
}

fn cold(rounds: usize) -> Vec<Figure> {
    let mut slices = [Vec::new(), Vec::new()];
    let [plain, keyed] = interleave(rounds, |which| {
        let wanted = [Wanted::Ack, Wanted::Junk][which];
        let (nanos, worst_millis) = run(first_receive(wanted));
        slices[which].push(worst_millis);
        nanos
    });
    // The round that is not counted has left a slice too.
    let [plain_slice, keyed_slice] = slices.map(|worst| Series::of(worst[1..].to_vec()));
    let alone = |case: &str, unit, ours: &Series, bar| {
        Figure::alone(7, &format!("first receive behind 1M, {case}"), unit, ours, Some(Bar::AtMost(bar)))
    };
    vec![
        alone("each", "ns", &plain, 60.0),
        alone("each, all keyed", "ns", &keyed, 250.0),
        alone("worst slice", "ms", &plain_slice, 1.0),
        alone("worst slice keyed", "ms", &keyed_slice, 1.0),
    ]
}

/// The receive that looks through a million messages: nanoseconds for each, and the longest poll in milliseconds.
async fn first_receive(wanted: Wanted) -> (f64, f64) {
    let (answer, measured) = oneshot::channel();
    let node = Node::new();
    let _process = node.spawn(async move |mut cx: Context<Note>| {
        let me = cx.addr();
        (0..MILLION).for_each(|key| me.cast(Note::Junk(key)));
        let mut receive = pin!(cx.recv_key(wanted.tag(), u64::MAX).after(Duration::ZERO));
        let (mut all, mut worst) = (0.0, 0.0_f64);
        let found = poll_fn(|task| {
            let clock = Stopwatch::start();
            let polled = receive.as_mut().poll(task);
            let nanos = clock.nanos();
            all += nanos;
            worst = worst.max(nanos);
            polled
        });
        assert!(found.await.is_none(), "nobody has sent that key");
        assert!(cx.inspected() >= MILLION, "everything that waits is looked at");
        answer.send((all / MILLION as f64, worst / 1e6)).expect("the asker waits");
        Ok(())
    });
    measured.await.expect("the process answers")
}
