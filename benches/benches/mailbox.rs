//! The mailbox by itself, on one thread: what a message costs, and what a selective receive costs behind a backlog.
//!
//! A warm figure is for one message pushed, swapped out and received while `depth` others stay, so depths can be compared
//! with each other and with `push_pop`. What is not measured: contention between senders, and the process around it.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use freeboard_mailbox::{Entry, Event, Inbox, Intake, Key, Message, Pattern, Search, Step, Tag};
use freeboard_signal::{Down, ExitReason, Pid, Ref};
use std::{collections::VecDeque, hint::black_box};

const DEPTHS: [u64; 3] = [0, 1_000, 100_000];

/// A message of two variants, each with a number as its key.
#[derive(Clone, Copy)]
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
        match self {
            Self::Junk(number) | Self::Ack(number) => Some((*number).into()),
        }
    }
}

fn is_ack(note: &Note) -> bool {
    matches!(note, Note::Ack(_))
}

/// Both halves of a mailbox, without signals.
struct Mailbox {
    intake: Intake<Note, ()>,
    inbox: Inbox<Note, ()>,
}

impl Mailbox {
    /// A mailbox with `depth` junk messages, swapped out and not looked at.
    fn cold(depth: u64) -> Self {
        let mut mailbox = Self { intake: Intake::new(), inbox: Inbox::new() };
        (0..depth).for_each(|number| mailbox.send(Note::Junk(number)));
        mailbox.refill();
        mailbox
    }

    /// The same after a receive that looked for all it can.
    fn warm(depth: u64) -> Self {
        let mut mailbox = Self::cold(depth);
        mailbox.expect_none(Search::key(JUNK, Key::from(u64::MAX)));
        mailbox
    }

    fn send(&self, note: Note) {
        self.intake.push(note).expect("the intake is open");
    }

    fn refill(&mut self) {
        self.intake.exchange(self.inbox.spare(), None);
    }

    fn receive<P: Pattern<Note>>(&mut self, mut search: Search<P>) -> Event<Note> {
        let mut unlimited = usize::MAX;
        match self.inbox.step(&mut search, &mut unlimited) {
            Step::Found(event) => event,
            other => panic!("what was sent is found, not {other:?}"),
        }
    }

    fn expect_none<P: Pattern<Note>>(&mut self, mut search: Search<P>) {
        let mut unlimited = usize::MAX;
        let step = self.inbox.step(&mut search, &mut unlimited);
        assert!(matches!(step, Step::Empty), "nothing that was sent is wanted");
    }
}

fn push_pop(criterion: &mut Criterion) {
    const BATCH: u64 = 1_000;
    let mut group = criterion.benchmark_group("mailbox/push_pop");
    group.throughput(Throughput::Elements(BATCH));
    let mut mailbox = Mailbox::cold(0);
    group.bench_function("no index", |bencher| {
        bencher.iter(|| {
            (0..BATCH).for_each(|number| mailbox.send(Note::Junk(number)));
            mailbox.refill();
            while let Some(event) = mailbox.inbox.pop() {
                black_box(event);
            }
        });
    });
    let mut used = Mailbox::warm(1_000);
    while used.inbox.pop().is_some() {}
    group.bench_function("emptied index", |bencher| {
        bencher.iter(|| {
            (0..BATCH).for_each(|number| used.send(Note::Junk(number)));
            used.refill();
            while let Some(event) = used.inbox.pop() {
                black_box(event);
            }
        });
    });
    group.finish();
}

fn warm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox/warm");
    for depth in DEPTHS {
        let mut mailbox = Mailbox::warm(depth);
        let mut number = depth;
        group.bench_function(BenchmarkId::new("tag", depth), |bencher| {
            bencher.iter(|| {
                mailbox.send(Note::Ack(1));
                mailbox.refill();
                black_box(mailbox.receive(Search::tag(ACK)))
            });
        });
        group.bench_function(BenchmarkId::new("key", depth), |bencher| {
            bencher.iter(|| {
                number += 1;
                mailbox.send(Note::Ack(number));
                mailbox.refill();
                black_box(mailbox.receive(Search::key(ACK, number.into())))
            });
        });
        group.bench_function(BenchmarkId::new("key among its own tag", depth), |bencher| {
            bencher.iter(|| {
                number += 1;
                mailbox.send(Note::Junk(number));
                mailbox.refill();
                black_box(mailbox.receive(Search::key(JUNK, number.into())))
            });
        });
        group.bench_function(BenchmarkId::new("monitor", depth), |bencher| {
            bencher.iter(|| {
                number += 1;
                let monitor = Ref::new(0, number);
                let down = Down::direct(monitor, Pid::new(0, 1, 1), ExitReason::Normal);
                mailbox.inbox.spare().push(Entry::Event(Event::Down(Box::new(down))));
                black_box(mailbox.receive(Search::down(monitor)))
            });
        });
        // One receive puts it into the index, the next finds it there.
        group.bench_function(BenchmarkId::new("key, left and found later", depth), |bencher| {
            bencher.iter(|| {
                number += 1;
                mailbox.send(Note::Junk(number));
                mailbox.refill();
                mailbox.expect_none(Search::key(JUNK, u64::MAX.into()));
                black_box(mailbox.receive(Search::key(JUNK, number.into())))
            });
        });
        group.bench_function(BenchmarkId::new("predicate", depth), |bencher| {
            bencher.iter(|| {
                mailbox.send(Note::Ack(1));
                mailbox.refill();
                black_box(mailbox.receive(Search::message_where(is_ack)))
            });
        });
    }
    group.finish();
}

fn cold(criterion: &mut Criterion) {
    const DEPTH: u64 = 100_000;
    let mut group = criterion.benchmark_group("mailbox/cold");
    group.throughput(Throughput::Elements(DEPTH)).sample_size(20);
    group.bench_function("first by tag", |bencher| {
        let first = |mailbox: &mut Mailbox| mailbox.expect_none(Search::tag(ACK));
        bencher.iter_batched_ref(|| Mailbox::cold(DEPTH), first, BatchSize::PerIteration);
    });
    group.bench_function("first by key, of another tag", |bencher| {
        let first = |mailbox: &mut Mailbox| mailbox.expect_none(Search::key(ACK, 0_u64.into()));
        bencher.iter_batched_ref(|| Mailbox::cold(DEPTH), first, BatchSize::PerIteration);
    });
    group.bench_function("first by key, all of its tag", |bencher| {
        let first = |mailbox: &mut Mailbox| mailbox.expect_none(Search::key(JUNK, u64::MAX.into()));
        bencher.iter_batched_ref(|| Mailbox::cold(DEPTH), first, BatchSize::PerIteration);
    });
    group.finish();
}

/// What everybody does without an index: look from the head, take it out, close the gap.
fn scan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox/scanned VecDeque");
    for depth in DEPTHS {
        let mut queue: VecDeque<Note> = (0..depth).map(Note::Junk).collect();
        group.bench_function(BenchmarkId::from_parameter(depth), |bencher| {
            bencher.iter(|| {
                queue.push_back(Note::Ack(1));
                let place = queue.iter().position(is_ack).expect("it was just pushed");
                black_box(queue.remove(place))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, push_pop, warm, cold, scan);
criterion_main!(benches);
