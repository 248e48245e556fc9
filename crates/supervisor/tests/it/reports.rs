//! What a supervisor reports: which events come of which ends, and that a subscriber that panics harms nobody.

use crate::support::{Init, Manner, Msg, broken, pass, probe, quiet};
use freeboard_process::{ExitReason, Node, Sim};
use freeboard_supervisor::{DynamicSupervisor, Restart, Shutdown, child_fn};
use std::{cell::RefCell, fmt, sync::OnceLock, time::Duration};
use tracing::{Event, Metadata, Subscriber, span};

thread_local! {
    /// What supervisors reported on this thread, while a test listens; `None` in it: panic instead.
    static HEARD: RefCell<Option<Ear>> = const { RefCell::new(None) };
}

struct Ear {
    events: Vec<String>,
    panics: bool,
}

/// The program's subscriber, since tracing asks one alone from whichever thread meets a call site first.
struct Router;

/// What supervisors report during `work`: level, message, and the reason if there is one.
fn heard(panics: bool, work: impl FnOnce()) -> Vec<String> {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(Router).unwrap());
    HEARD.set(Some(Ear { events: Vec::new(), panics }));
    work();
    HEARD.take().unwrap().events
}

impl Subscriber for Router {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("freeboard_supervisor")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = Vec::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn fmt::Debug| {
            if matches!(field.name(), "message" | "reason" | "restarted") {
                said.push(format!("{value:?}"));
            }
        });
        let panics = HEARD.with_borrow_mut(|heard| {
            heard.as_mut().is_some_and(|ear| {
                ear.events.push(format!("{} {}", event.metadata().level(), said.join(", ")));
                ear.panics
            })
        });
        assert!(!panics, "a subscriber panics");
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Without those that only say that somebody is up.
fn but_progress(events: Vec<String>) -> Vec<String> {
    events.into_iter().filter(|event| event != "INFO progress").collect()
}

// OTP: L4
#[test]
fn abnormal_ends_and_all_ends_of_a_permanent_child_are_reported() {
    let cases = [
        (Restart::Permanent, Ok(()), &["INFO child terminated, normal, true"][..]),
        (
            Restart::Permanent,
            Err(broken()),
            &["WARN child terminated, error: an error occurred when formatting an argument, true"],
        ),
        (Restart::Transient, Ok(()), &[]),
        (Restart::Temporary, Ok(()), &[]),
        (
            Restart::Temporary,
            Err(broken()),
            &["WARN child terminated, error: an error occurred when formatting an argument, false"],
        ),
    ];
    for (restart, ended, expected) in cases {
        let events = heard(false, || {
            Sim::seed(1).run(async move |node: Node| {
                let sup = DynamicSupervisor::new().start(&node).await.unwrap();
                let spec = probe(&Default::default(), Manner::Plain, |_| Init::Up).restart(restart);
                let child = sup.start_child(spec).await.unwrap();
                child.cast(Msg::End(ended));
                quiet(&node).await;
            });
        });
        let mut said = but_progress(events);
        said.iter_mut().for_each(|event| *event = sorted(event));
        let expected: Vec<_> = expected.iter().map(|event| sorted(event)).collect();
        assert_eq!(said, expected, "{restart:?}");
    }
}

/// Fields come in the order in which they are recorded, the message not always first.
fn sorted(event: &str) -> String {
    let (level, fields) = event.split_once(' ').unwrap();
    let mut fields: Vec<_> = fields.split(", ").collect();
    fields.sort_unstable();
    format!("{level} {}", fields.join(", "))
}

// OTP: L4
#[test]
fn failed_restarts_spent_budgets_and_progress_are_reported() {
    let events = heard(false, || {
        Sim::seed(1).run(async |node: Node| {
            let sup = DynamicSupervisor::new().intensity(2, Duration::from_secs(5)).start(&node).await.unwrap();
            // It comes up once.
            let plan = |start| if start == 0 { Init::Up } else { Init::Stops(broken()) };
            let spec = probe(&Default::default(), Manner::Plain, plan).restart(Restart::Permanent);
            let child = sup.start_child(spec).await.unwrap();
            child.kill();
            pass(&node, Duration::from_secs(1)).await;
            assert_eq!(sup.pid(), None);
        });
    });
    let count = |what: &str| events.iter().filter(|event| event.contains(what)).count();
    assert_eq!((count("INFO progress"), count("WARN child terminated") + count("WARN killed")), (1, 1), "{events:?}");
    assert_eq!((count("WARN start error"), count("ERROR restart intensity reached")), (2, 1), "{events:?}");
}

// OTP: L4
#[test]
fn a_shutdown_that_goes_wrong_is_reported_and_one_in_order_is_not() {
    let stopped = |manner, shutdown| {
        but_progress(heard(false, || {
            Sim::seed(1).run(async move |node: Node| {
                let sup = DynamicSupervisor::new().start(&node).await.unwrap();
                let spec = probe(&Default::default(), manner, |_| Init::Up).shutdown(shutdown);
                sup.start_child(spec).await.unwrap();
                sup.stop(ExitReason::Shutdown).await;
            });
        }))
    };
    let second = Shutdown::Timeout(Duration::from_secs(1));
    assert_eq!(stopped(Manner::Plain, second), [""; 0]);
    assert_eq!(stopped(Manner::Plain, Shutdown::BrutalKill), [""; 0]);
    for (manner, reason) in [(Manner::Never, "killed"), (Manner::Breaks, "panic: terminate was told to")] {
        let events = stopped(manner, second);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].starts_with("WARN") && events[0].contains("shutdown error") && events[0].contains(reason));
    }
    let terminated = heard(false, || {
        Sim::seed(1).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let child = sup.start_child(child_fn(async |_cx| std::future::pending::<freeboard_process::Ended>().await));
            let child: freeboard_process::Addr<()> = child.await.unwrap();
            sup.terminate_child(&child).await.unwrap();
        });
    });
    assert_eq!(but_progress(terminated), [""; 0]);
}

// OTP: L5
#[test]
fn a_subscriber_that_panics_stops_neither_supervisor_nor_child() {
    let events = heard(true, || {
        Sim::seed(1).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            let child = sup.start_child(probe(&Default::default(), Manner::Plain, |_| Init::Up)).await.unwrap();
            let first = child.pid();
            child.cast(Msg::Panic);
            quiet(&node).await;
            assert!(child.pid().is_some() && child.pid() != first && sup.count_children().active == 1);
        });
    });
    // Up, terminated, up again: each was tried.
    assert_eq!(events.len(), 3, "{events:?}");
}
