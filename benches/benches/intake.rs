//! The intake: what a message costs from its sender to the receiver's own buffer, and what more senders make of it.
//!
//! *Alone*, one thread pushes a batch, swaps it out and takes it: no lock is contended and nobody is woken. The contest
//! has threads that send all at once to one that receives, through ours and through other queues.

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use freeboard_benches::{PRODUCERS, QUEUES};
use freeboard_mailbox::{Inbox, Intake};
use std::{hint::black_box, time::Duration};

fn alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("intake/alone");
    for batch in [1, 256, 10_000] {
        let (intake, mut inbox) = (Intake::<u64, ()>::new(), Inbox::new());
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter(|| {
                (0..batch).for_each(|number| intake.push(number).expect("it is open"));
                intake.exchange(inbox.spare(), None);
                while let Some(event) = inbox.pop() {
                    black_box(event);
                }
            });
        });
    }
    group.finish();
}

fn contest(criterion: &mut Criterion) {
    const MESSAGES: u64 = 96_000;
    let mut group = criterion.benchmark_group("intake/threads");
    group.throughput(Throughput::Elements(MESSAGES)).sampling_mode(SamplingMode::Flat);
    for producers in PRODUCERS {
        for queue in QUEUES {
            group.bench_function(BenchmarkId::new(queue.to_string(), producers), |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| queue.contest(producers, MESSAGES / producers)).sum());
            });
        }
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
}

criterion_group! { name = benches; config = short(); targets = alone, contest }
criterion_main!(benches);
