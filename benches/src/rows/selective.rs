//! Row 7: receiving one message by its tag or key, behind nothing, a thousand, a hundred thousand and a million others.
//!
//! A process fills its own mailbox and then, again and again, sends itself one message and receives exactly that one. The
//! warm cases begin after one receive that looked at everything; the cold ones measure that receive itself, poll by poll.
//!
//! With `FREEBOARD_DEEP` set in the environment, everything is measured behind ten millions as well, which takes a few
//! gigabytes.

use crate::figure::{Bar, Figure};
use crate::machine::{Stopwatch, on_worker, run, two_workers};
use crate::note::{ACK, JUNK, Note};
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

/// What is awaited: a tag of its own, or one more of the kind that waits there already.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Ack,
    Junk,
}

impl Wanted {
    pub(super) fn tag(self) -> Tag<Note> {
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

const THOUSAND: u64 = 1_000;
pub(super) const MILLION: u64 = 1_000_000;

/// Row 7.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    let mut figures = warm(rounds);
    figures.extend(cold(rounds, MILLION, "1M"));
    if std::env::var_os("FREEBOARD_DEEP").is_some() {
        figures.extend(deep(rounds));
        figures.extend(cold(rounds, 10 * MILLION, "10M"));
    }
    figures
}

/// How a message is awaited.
#[derive(Clone, Copy)]
pub(super) enum By {
    Tag,
    Key,
    /// By its key; then one junk message is sent, and the oldest is received, whatever it is. So the depth stays.
    KeyThenOldest,
}

pub(super) fn alone(case: &str, unit: &'static str, ours: &Series, bar: f64) -> Figure {
    Figure::alone(7, case, unit, ours, Some(Bar::AtMost(bar)))
}

const RECEIVES: u64 = 20_000;

fn warm(rounds: usize) -> Vec<Figure> {
    let runtime = two_workers();
    let start = |depth, wanted, by| Warm::start(&runtime, depth, wanted, by);
    let processes = [
        start(0, Wanted::Ack, By::Key),
        start(THOUSAND, Wanted::Ack, By::Key),
        start(100 * THOUSAND, Wanted::Ack, By::Key),
        start(MILLION, Wanted::Ack, By::Key),
        start(MILLION, Wanted::Ack, By::Tag),
        start(MILLION, Wanted::Junk, By::Key),
    ];
    let [none, few, some, many, tag, own] = interleave(rounds, |which| processes[which].receive(&runtime, RECEIVES));
    vec![
        alone("by key, behind 0", "ns", &none, 60.0),
        alone("by key, behind 1k", "ns", &few, 60.0),
        alone("by key, behind 100k", "ns", &some, 60.0),
        alone("by key, behind 1M", "ns", &many, 60.0),
        alone("by tag, behind 1M", "ns", &tag, 60.0),
        Figure::paired(7, "by key, behind 1M : behind 0", "ns", &many, &none, Some(Bar::TimesAtMost(1.5))),
        alone("by key, behind 1M keys of its own tag", "ns", &own, 110.0),
    ]
}

fn deep(rounds: usize) -> Vec<Figure> {
    let runtime = two_workers();
    let processes = [0, 10 * MILLION].map(|depth| Warm::start(&runtime, depth, Wanted::Ack, By::Key));
    let [none, many] = interleave(rounds, |which| processes[which].receive(&runtime, RECEIVES));
    vec![
        alone("by key, behind 10M", "ns", &many, 60.0),
        Figure::paired(7, "by key, behind 10M : behind 0", "ns", &many, &none, Some(Bar::TimesAtMost(1.5))),
    ]
}

/// Asks for so many receives, and where to put the nanoseconds that one took.
type Ask = (u64, oneshot::Sender<f64>);

/// A process with a backlog that it has looked through.
pub(super) struct Warm {
    ask: mpsc::Sender<Ask>,
}

impl Warm {
    pub(super) fn start(runtime: &Runtime, depth: u64, wanted: Wanted, by: By) -> Self {
        let (ask, asked) = mpsc::channel(1);
        let inside = async move { Node::new().spawn(move |cx| serve(cx, depth, (wanted, by), asked)) };
        let process = on_worker(runtime, inside);
        assert!(process.pid().is_some(), "the process lives until it is asked no more");
        Self { ask }
    }

    /// Nanoseconds for one of so many receives, or for a pair of them, each with its send.
    pub(super) fn receive(&self, runtime: &Runtime, receives: u64) -> f64 {
        let (answer, nanos) = oneshot::channel();
        let ask = self.ask.clone();
        on_worker(runtime, async move {
            assert!(ask.send((receives, answer)).await.is_ok(), "the process lives until it is asked no more");
            nanos.await.expect("the process answers")
        })
    }
}

async fn serve(mut cx: Context<Note>, depth: u64, (wanted, by): (Wanted, By), mut asked: mpsc::Receiver<Ask>) -> Ended {
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
            let got = match by {
                By::Tag => cx.recv_tag(wanted.tag()).await,
                By::Key | By::KeyThenOldest => cx.recv_key(wanted.tag(), key).await,
            };
            assert_eq!(got.number(), key);
            if let By::KeyThenOldest = by {
                me.cast(Note::Junk(key));
                assert!(matches!(cx.recv().await, Event::Message(Note::Junk(_))), "the oldest is junk");
            }
        }
        let nanos = clock.nanos() / receives as f64;
        let looks = cx.inspected() - inspected;
        match by {
            By::Tag | By::Key => assert_eq!(looks, receives, "each receive looks at one message"),
            // The other one is the junk that came in between.
            By::KeyThenOldest => assert!(looks <= 2 * receives, "{looks} looks for {receives} receives by key"),
        }
        answer.send(nanos).expect("the asker waits");
    }
    Ok(())
}

fn cold(rounds: usize, depth: u64, behind: &str) -> Vec<Figure> {
    let mut slices = [const { (Vec::new(), Vec::new()) }; 2];
    let [plain, keyed] = interleave(rounds, |which| {
        let wanted = [Wanted::Ack, Wanted::Junk][which];
        let (nanos, mut millis) = run(first_receive(wanted, depth));
        millis.sort_by(f64::total_cmp);
        // The slice that one in a thousand is longer than; of fewer than a thousand, the longest.
        let rare = millis.len() / 1_000;
        slices[which].0.push(millis[millis.len() - 1 - rare]);
        slices[which].1.push(millis[millis.len() - 1]);
        nanos
    });
    let mut figures = Vec::new();
    for (case, each, bar, (rare, worst)) in
        [("other tag", plain, 60.0, &slices[0]), ("all keyed", keyed, 250.0, &slices[1])]
    {
        // The round that is not counted has left its slices too.
        let [rare, worst] = [rare, worst].map(|slices| Series::of(slices[1..].to_vec()));
        let case = |what: &str| format!("first behind {behind}, {case}: {what}");
        figures.push(alone(&case("each"), "ns", &each, bar));
        figures.push(alone(&case("p99.9 of slices"), "ms", &rare, 1.0));
        figures.push(Figure::alone(7, &case("worst slice"), "ms", &worst, None));
    }
    figures
}

/// The receive that looks through a flood: nanoseconds for each message, and milliseconds for each poll.
async fn first_receive(wanted: Wanted, depth: u64) -> (f64, Vec<f64>) {
    let (answer, measured) = oneshot::channel();
    let node = Node::new();
    let _process = node.spawn(async move |mut cx: Context<Note>| {
        let me = cx.addr();
        (0..depth).for_each(|key| me.cast(Note::Junk(key)));
        let mut millis = Vec::with_capacity(depth as usize / 64);
        let mut receive = pin!(cx.recv_key(wanted.tag(), u64::MAX).after(Duration::ZERO));
        let found = poll_fn(|task| {
            let clock = Stopwatch::start();
            let polled = receive.as_mut().poll(task);
            millis.push(clock.millis());
            polled
        });
        assert!(found.await.is_none(), "nobody has sent that key");
        assert!(cx.inspected() >= depth, "everything that waits is looked at");
        let nanos = millis.iter().sum::<f64>() * 1e6 / depth as f64;
        assert!(answer.send((nanos, millis)).is_ok(), "the asker waits");
        Ok(())
    });
    measured.await.expect("the process answers")
}
