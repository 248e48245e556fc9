//! The forms of receive, by themselves, on one thread: what each costs behind a backlog, and without one.
//!
//! A warm figure is for one message pushed, swapped out and received while `depth` others stay, so depths can be compared
//! with each other. The others were looked at before, by a receive of the same kind. A cold figure is for each message of
//! a backlog that nobody has looked at.
//!
//! Not here: contention between senders (`intake.rs`), and the process around it (row 7 of the figures).

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use freeboard_benches::{ACK, JUNK, Note, Scan};
use freeboard_mailbox::{Entry, Event, Exchange, Hint, Inbox, Intake, Key, Pattern, Search, Step};
use freeboard_signal::{Down, ExitReason, Pid, Ref};
use std::{hint::black_box, time::Duration};

const DEPTHS: [u64; 4] = [0, 1_000, 100_000, 1_000_000];

/// Both halves of a mailbox, without signals.
struct Mailbox {
    intake: Intake<Note, ()>,
    inbox: Inbox<Note, ()>,
    /// The number of the newest message.
    number: u64,
}

impl Mailbox {
    /// A mailbox with `depth` junk messages, swapped out and not looked at.
    fn cold(depth: u64) -> Self {
        let mut mailbox = Self { intake: Intake::new(), inbox: Inbox::new(), number: 0 };
        (0..depth).for_each(|_| mailbox.send(Note::Junk));
        mailbox.refill();
        mailbox
    }

    /// The same after a receive that looked for all it can.
    fn warm(depth: u64) -> Self {
        let mut mailbox = Self::cold(depth);
        mailbox.expect_none(&mut Search::key(JUNK, Key::from(u64::MAX)));
        mailbox
    }

    fn send(&mut self, note: fn(u64) -> Note) {
        self.number += 1;
        self.intake.push(note(self.number)).expect("the intake is open");
    }

    fn refill(&mut self) -> Exchange {
        self.intake.exchange(self.inbox.spare(), None)
    }

    /// Sends one message, which is then in the buffer, and answers its number.
    fn deliver(&mut self, note: fn(u64) -> Note) -> u64 {
        self.send(note);
        self.refill();
        self.number
    }

    /// Receives what is there; what is not in the buffer yet is fetched.
    fn receive<P: Pattern<Note>>(&mut self, mut search: Search<P>) -> Event<Note> {
        loop {
            match self.inbox.step(&mut search, &mut { usize::MAX }) {
                Step::Found(event) => return event,
                Step::Empty => assert!(self.refill() != Exchange::Empty, "what was sent is found"),
                Step::Pause => unreachable!("the budget has no end"),
            }
        }
    }

    /// A plain receive, as `receive`.
    fn receive_oldest(&mut self) -> Event<Note> {
        loop {
            if let Some(event) = self.inbox.pop() {
                return event;
            }
            assert!(self.refill() != Exchange::Empty, "something was sent");
        }
    }

    fn expect_none<P: Pattern<Note>>(&mut self, search: &mut Search<P>) {
        let step = self.inbox.step(search, &mut { usize::MAX });
        assert!(matches!(step, Step::Empty), "nothing that was sent is wanted");
    }
}

/// Measures one form at each depth, in a warm mailbox of its own.
fn at_depths(group: &mut BenchmarkGroup<'_, WallTime>, form: &str, mut receive: impl FnMut(&mut Mailbox)) {
    for depth in DEPTHS {
        let mut mailbox = Mailbox::warm(depth);
        group.bench_function(BenchmarkId::new(form, depth), |bencher| bencher.iter(|| receive(&mut mailbox)));
    }
}

fn warm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive/warm");
    at_depths(&mut group, "plain", |mailbox| {
        mailbox.send(Note::Junk);
        black_box(mailbox.receive_oldest());
    });
    at_depths(&mut group, "tag", |mailbox| {
        mailbox.deliver(Note::Ack);
        black_box(mailbox.receive(Search::tag(ACK)));
    });
    at_depths(&mut group, "key", |mailbox| {
        let number = mailbox.deliver(Note::Ack);
        black_box(mailbox.receive(Search::key(ACK, number.into())));
    });
    at_depths(&mut group, "key among its own tag", |mailbox| {
        let number = mailbox.deliver(Note::Junk);
        black_box(mailbox.receive(Search::key(JUNK, number.into())));
    });
    // One receive puts it into the index, the next finds it there.
    at_depths(&mut group, "key, left and found later", |mailbox| {
        let number = mailbox.deliver(Note::Junk);
        mailbox.expect_none(&mut Search::key(JUNK, u64::MAX.into()));
        black_box(mailbox.receive(Search::key(JUNK, number.into())));
    });
    at_depths(&mut group, "monitor", |mailbox| {
        mailbox.number += 1;
        let monitor = Ref::new(0, mailbox.number);
        let down = Down::direct(monitor, Pid::new(0, 1, 1), ExitReason::Normal);
        mailbox.inbox.spare().push(Entry::Event(Event::Down(Box::new(down))));
        black_box(mailbox.receive(Search::down(monitor)));
    });
    at_depths(&mut group, "three clauses", |mailbox| {
        let number = mailbox.deliver(Note::Ack);
        let hints = [Hint::Key(ACK, number.into()), Hint::Key(JUNK, u64::MAX.into()), Hint::Down(Ref::new(0, 1))];
        black_box(mailbox.receive(Search::any_of(hints, |_, _| true)));
    });
    // The depth stays: one selective receive, one plain one, and each has a message sent for it.
    at_depths(&mut group, "mix: by key, then the oldest", |mailbox| {
        mailbox.send(Note::Ack);
        let wanted = Key::from(mailbox.number);
        mailbox.send(Note::Junk);
        black_box((mailbox.receive(Search::key(ACK, wanted)), mailbox.receive_oldest()));
    });
    // A receive that waits, and is woken for nothing: it remembers how far it has looked.
    for depth in DEPTHS {
        let mut mailbox = Mailbox::warm(depth);
        let mut waiting = Search::message_where(|note: &Note| matches!(note, Note::Ack(_)));
        group.bench_function(BenchmarkId::new("predicate, nothing to see", depth), |bencher| {
            bencher.iter(|| mailbox.expect_none(&mut waiting));
        });
    }
    group.finish();
}

/// A predicate has to look at everything; so has a mailbox without an index, for whatever is waited for.
fn scanning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive/scanning");
    group.sampling_mode(SamplingMode::Flat);
    at_depths(&mut group, "predicate", |mailbox| {
        let number = mailbox.deliver(Note::Ack);
        black_box(mailbox.receive(Search::message_where(|note: &Note| note.is_ack(number))));
    });
    for depth in DEPTHS {
        let (mut queue, mut number) = (Scan::behind(depth), depth);
        group.bench_function(BenchmarkId::new("VecDeque", depth), |bencher| {
            bencher.iter(|| {
                number += 1;
                queue.send(Note::Ack(number));
                black_box(queue.receive_where(|note| note.is_ack(number)).expect("it was just sent"))
            });
        });
    }
    group.finish();
}

fn cold(criterion: &mut Criterion) {
    const DEPTH: u64 = 100_000;
    let mut group = criterion.benchmark_group("receive/cold");
    group.throughput(Throughput::Elements(DEPTH)).sampling_mode(SamplingMode::Flat);
    let mut first = |form, receive: fn(&mut Mailbox)| {
        group.bench_function(form, |bencher| {
            bencher.iter_batched_ref(|| Mailbox::cold(DEPTH), receive, BatchSize::PerIteration);
        });
    };
    first("tag", |mailbox| mailbox.expect_none(&mut Search::tag(ACK)));
    first("key, of another tag", |mailbox| mailbox.expect_none(&mut Search::key(ACK, 0_u64.into())));
    first("key, all of its tag", |mailbox| mailbox.expect_none(&mut Search::key(JUNK, u64::MAX.into())));
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
}

criterion_group! { name = benches; config = short(); targets = warm, scanning, cold }
criterion_main!(benches);
