//! Registries and groups: what a look-up costs, alone and beside other readers, and what a broadcast costs per member,
//! against a loop of bare channel sends.
//!
//! Members and receivers of channels do not run meanwhile: what is measured is the sender's pass. Every pass has new
//! receivers, made outside of the measurement, so each gets its first message.

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use freeboard::prelude::*;
use std::{future::pending, hint::black_box, sync::Arc, thread, time::Duration, time::Instant};
use tokio::runtime::Runtime;
use tokio::sync::{Barrier, mpsc};

const KEYS: u64 = 10_000;
const MEMBERS: [u64; 3] = [100, 10_000, 100_000];

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("threads can be made")
}

/// A registry in which ten processes hold all keys.
fn registry(runtime: &Runtime) -> (Node, Registry<u64, ()>) {
    runtime.block_on(async {
        let node = Node::new();
        let all = Registry::unique(&node);
        // A process holds a bounded number of keys, so several hold them.
        for part in 0..10 {
            let (mine, ready) = (all.clone(), Arc::new(Barrier::new(2)));
            let done = Arc::clone(&ready);
            node.spawn(async move |cx: Context<()>| {
                for key in (part..KEYS).step_by(10) {
                    mine.register(&cx, key)?;
                }
                done.wait().await;
                pending().await
            });
            ready.wait().await;
        }
        (node, all)
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn lookup(criterion: &mut Criterion) {
    let runtime = runtime();
    let (_node, registry) = registry(&runtime);
    let mut group = criterion.benchmark_group("registry/lookup");
    group.throughput(Throughput::Elements(1));
    for readers in [1_u64, 2, 4] {
        group.bench_function(BenchmarkId::from_parameter(readers), |bencher| {
            bencher.iter_custom(|times| {
                let each = times.div_ceil(readers);
                let start = Instant::now();
                thread::scope(|scope| {
                    for reader in 0..readers {
                        let registry = &registry;
                        scope.spawn(move || {
                            for n in 0..each {
                                black_box(registry.lookup(&((reader * 7919 + n * 31) % KEYS)));
                            }
                        });
                    }
                });
                start.elapsed()
            });
        });
    }
    group.finish();
}

fn broadcast(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("group/broadcast");
    group.sampling_mode(SamplingMode::Flat);
    for members in MEMBERS {
        group.throughput(Throughput::Elements(members));
        let message: Arc<str> = "to all".into();
        group.bench_function(BenchmarkId::new("freeboard", members), |bencher| {
            bencher.iter_batched_ref(
                || members_of(members),
                |(_runtime, groups)| black_box(groups.broadcast(&0, Arc::clone(&message)).delivered),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("channels", members), |bencher| {
            bencher.iter_batched_ref(
                || (0..members).map(|_| channel()).collect::<Vec<_>>(),
                |channels| channels.iter().filter(|(to, _)| to.send(Arc::clone(&message)).is_ok()).count(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "it is what the broadcast is compared with")]
fn channel() -> (mpsc::UnboundedSender<Arc<str>>, mpsc::UnboundedReceiver<Arc<str>>) {
    mpsc::unbounded_channel()
}

/// That many members of one group, none of whom receives.
fn members_of(members: u64) -> (Runtime, Groups<u8, Arc<str>>) {
    let runtime = runtime();
    let groups = runtime.block_on(async {
        let node = Node::new();
        let groups = Groups::new(&node);
        let all = usize::try_from(members).expect("it is no larger than memory");
        let ready = Arc::new(Barrier::new(all + 1));
        for _ in 0..members {
            let (joins, ready) = (groups.clone(), Arc::clone(&ready));
            node.spawn(async move |cx: Context<Arc<str>>| {
                joins.join(&cx, 0)?;
                ready.wait().await;
                pending().await
            });
        }
        ready.wait().await;
        groups
    });
    (runtime, groups)
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
}

criterion_group! { name = benches; config = short(); targets = lookup, broadcast }
criterion_main!(benches);
