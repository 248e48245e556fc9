//! The numbers of a node, as a recorder of the `metrics` facade gets them.

use crate::support::{oops, settle};
use freeboard_process::{Context, ExitReason, Node, Policy, Sim, sync::Mutex};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::{collections::BTreeMap, future::pending, sync::Arc};

/// The last value of each metric, by its name and its label that is not the node.
#[derive(Clone, Default)]
struct Last(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell(Last, String);

impl Cell {
    fn set(&self, value: f64) {
        self.0.0.lock().insert(self.1.clone(), value);
    }
}

impl CounterFn for Cell {
    fn increment(&self, _: u64) {
        self.set(f64::NAN);
    }

    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {
        self.set(f64::NAN);
    }

    fn decrement(&self, _: f64) {
        self.set(f64::NAN);
    }

    fn set(&self, value: f64) {
        Cell::set(self, value);
    }
}

impl Last {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels = key.labels().filter(|label| label.key() != "node").map(|label| format!(" {}", label.value()));
        Arc::new(Cell(self.clone(), format!("{}{}", key.name(), labels.collect::<String>())))
    }
}

impl Recorder for Last {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn starts_ends_and_drops_are_published_and_outlive_their_seats() {
    let last = Last::default();
    let recorder = last.clone();
    let published = Sim::seed(1).run(async move |node: Node| {
        let crowded =
            node.spawn_with(Policy::bounded(2).drop_oldest(), async |_cx: Context<()>| pending().await).unwrap();
        (0..5).for_each(|_| crowded.cast(()));
        for reason in [ExitReason::Normal, ExitReason::Shutdown, oops("it failed")] {
            node.spawn(async move |_cx: Context<()>| Err(reason));
        }
        let victim = node.spawn(async |_cx: Context<()>| pending().await);
        settle(&node).await;
        victim.kill();
        settle(&node).await;
        let publish = || {
            metrics::with_local_recorder(&recorder, || node.publish_metrics());
            std::mem::take(&mut *last.0.lock())
        };
        let while_there = publish();
        crowded.kill();
        crowded.closed().await;
        drop(crowded);
        settle(&node).await;
        (while_there, publish())
    });
    let of = |key: &str| (published.0[key], published.1[key]);
    // Each `settle` is a process too, and ends in order.
    assert_eq!(of("freeboard_processes_started_total"), (7.0, 8.0));
    assert_eq!(of("freeboard_processes_ended_total orderly"), (4.0, 5.0));
    assert_eq!(of("freeboard_processes_ended_total crashed"), (1.0, 1.0));
    assert_eq!(of("freeboard_processes_ended_total signal"), (1.0, 2.0));
    assert_eq!(of("freeboard_processes"), (1.0, 0.0));
    assert_eq!(of("freeboard_messages_dropped_total oldest"), (3.0, 3.0));
    assert_eq!(of("freeboard_messages_dropped_total exited"), (0.0, 2.0));
    assert_eq!(of("freeboard_crash_reports_lost_total"), (0.0, 0.0));
}
