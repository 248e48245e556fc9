//! Crash reports: what they say, who reads them, and that nothing of theirs reaches the process that ended.

use crate::stepper::Stepper;
use crate::support::{Journal, Letter, Oops, oops, settle};
use freeboard_process::{
    Actor, Addr, Context, CrashReport, Ended, ExitReason, InitError, LABEL_BYTES, NEIGHBOURS, Node, NodeBuilder, Pid,
    Policy, REASON_BYTES, REPORTS_WAITING, Reply, SHOWN, STATE_BYTES, Sim,
};
use std::{error::Error, fmt, pin::Pin, sync::Arc};

/// Settings whose reports stand in a journal.
fn reporting() -> (Journal<CrashReport>, NodeBuilder) {
    let journal = Journal::new();
    let notes = journal.clone();
    (journal, Node::builder().crash_reports(move |report: &CrashReport| notes.note(report.clone())))
}

/// Runs a world and answers the reports that it gave.
fn reports_of<F: Future<Output = ()>>(world: impl FnOnce(Node) -> F) -> Vec<CrashReport> {
    let (journal, settings) = reporting();
    Sim::seed(7).run_with(settings, async |node| world(node).await);
    journal.take()
}

/// Waits for the end of a process.
async fn gone<M: Send + 'static>(addr: &Addr<M>) -> ExitReason {
    addr.closed().await
}

// OTP: L1, L3
#[test]
fn a_crash_is_reported_once_with_all_that_is_known_of_it() {
    let reports = reports_of(async |node: Node| {
        let parent = node.spawn(async |mut cx: Context<Reply<Addr<Letter>>>| {
            cx.trap_exit(true);
            let reply = cx.recv_message().await;
            let child = cx.spawn_link(async |mut cx: Context<Letter>| {
                cx.set_label("the one that fails");
                cx.trap_exit(true);
                cx.recv_message().await;
                Err(oops("it failed"))
            });
            reply.send(child);
            std::future::pending().await
        });
        let grandchild = parent.call(|reply| reply).await.unwrap();
        node.register("fragile", &grandchild).unwrap();
        settle(&node).await;
        (0..3).for_each(|id| grandchild.cast(Letter { id, tag: 0, key: 0 }));
        gone(&grandchild).await;
        // Whoever hears of it finds its report.
    });
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(report.label.as_deref(), Some("the one that fails"));
    assert_eq!(report.names, ["fragile".into()]);
    assert_eq!(report.reason.to_string(), "error: it failed");
    assert_eq!((report.by_signal, report.trap_exit, report.waiting), (false, true, 2));
    assert_eq!((report.ancestors.len(), report.links.len(), report.ties.links), (1, 1, 1));
    assert_eq!(report.ancestors, report.links);
    assert!(report.initial.contains("a_crash_is_reported_once"), "{}", report.initial);
    assert!(report.message_type.ends_with("Letter"), "{}", report.message_type);
    assert!(report.sample.iter().all(|what| what.ends_with("Letter")) && report.sample.len() == 2, "{report:?}");
    assert_eq!((report.state.as_deref(), report.location()), (None, None));
    let line = report.to_string();
    assert!(line.contains("(the one that fails)") && line.contains("2 messages waited"), "{line}");
}

// OTP: L1
#[test]
fn an_orderly_end_is_not_reported_and_one_by_a_signal_says_so() {
    let reports = reports_of(async |node: Node| {
        for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::ShutdownWith("done".into())] {
            gone(&node.spawn(async move |_cx: Context<()>| Err(reason))).await;
        }
        let waits = async |_cx: Context<()>| std::future::pending().await;
        let (killed, exited) = (node.spawn(waits), node.spawn(waits));
        settle(&node).await;
        killed.kill();
        gone(&killed).await;
        node.exit(exited.pid().unwrap(), oops("from outside"));
        gone(&exited).await;
    });
    let said: Vec<_> = reports.iter().map(|report| (report.by_signal, report.reason.to_string())).collect();
    assert_eq!(said, [(true, "killed".to_owned()), (true, "error: from outside".to_owned())]);
}

// OTP: L1
#[test]
fn the_sample_has_the_tags_of_a_mailbox_that_counts_by_them_and_is_bounded() {
    let reports = reports_of(async |node: Node| {
        let policy = Policy::unbounded().count_tags();
        let body = async |mut cx: Context<Letter>| {
            cx.recv_message().await;
            Err(oops("too much"))
        };
        let tagged = node.spawn_with(policy, body).unwrap();
        (0..100).for_each(|id| tagged.cast(Letter { id, tag: (id % 2) as u32, key: 0 }));
        gone(&tagged).await;
    });
    assert_eq!((reports.len(), reports[0].waiting, reports[0].sample.len()), (1, 99, SHOWN));
    assert_eq!(reports[0].sample[..3], ["Answer", "Junk", "Answer"]);
}

// OTP: L2
#[test]
fn neighbours_are_those_that_end_with_it_and_no_more_than_fifteen() {
    let (outsider, reports) = {
        let journal = Journal::new();
        let notes = journal.clone();
        let reports = reports_of(async move |node: Node| {
            let trapping = node.spawn(async |mut cx: Context<()>| {
                cx.trap_exit(true);
                std::future::pending().await
            });
            notes.note(trapping.pid().unwrap());
            settle(&node).await;
            // A chain: each links to the one before.
            let mut last: Addr<()> = trapping;
            for _ in 0..20 {
                let before = last.clone();
                last = node.spawn(async move |mut cx: Context<()>| {
                    cx.set_label("in the chain");
                    cx.link(&before);
                    cx.recv_message().await;
                    Err(oops("the chain breaks"))
                });
                settle(&node).await;
            }
            last.cast(());
            gone(&last).await;
            settle(&node).await;
        });
        (journal.take()[0], reports)
    };
    let first = &reports[0];
    assert_eq!(first.neighbours.len(), NEIGHBOURS);
    assert!(first.neighbours.iter().all(|one| one.label.as_deref() == Some("in the chain") && one.pid != outsider));
    assert_eq!(first.neighbours[0].pid, first.links[0], "the nearest comes first");
    // They end by the link, and their reports say so.
    assert_eq!(reports.iter().filter(|report| !report.by_signal).count(), 1);
    let last = reports.iter().find(|report| report.links.contains(&outsider)).unwrap();
    assert!(last.neighbours.is_empty(), "{last:?}");
}

/// What an actor of these tests does.
enum Do {
    Fail,
    Panic,
    Stop,
}

/// Its hook shows its secret in a form of its choice.
struct Keeper(fn() -> Option<String>);

impl Actor for Keeper {
    type Msg = Do;
    type Args = fn() -> Option<String>;

    async fn init(show: Self::Args, _: &mut Context<Do>) -> Result<Self, InitError> {
        Ok(Self(show))
    }

    async fn handle(&mut self, what: Do, _: &mut Context<Do>) -> Ended {
        match what {
            Do::Fail => Err(oops("a handler fails")),
            Do::Panic => panic!("a handler panics"),
            Do::Stop => Err(ExitReason::Normal),
        }
    }

    fn report(&self) -> Option<String> {
        (self.0)()
    }
}

fn keeper_that_shows(show: fn() -> Option<String>, what: Do) -> Vec<CrashReport> {
    reports_of(async move |node: Node| {
        let keeper = node.spawn(move |cx| freeboard_process::run_actor::<Keeper>(move || show, cx));
        keeper.cast(what);
        gone(&keeper).await;
    })
}

// OTP: F32, L9
#[test]
fn the_state_is_shown_as_the_actor_wants_it_and_hidden_if_that_fails() {
    let shown = keeper_that_shows(|| Some("token: ***".to_owned()), Do::Fail);
    assert_eq!(shown[0].state.as_deref(), Some("token: ***"));
    assert!(shown[0].initial.ends_with("crash_reports::Keeper"), "{}", shown[0].initial);
    let after_a_panic = keeper_that_shows(|| Some("still here".to_owned()), Do::Panic);
    assert_eq!(after_a_panic[0].state.as_deref(), Some("still here"));
    let hidden = keeper_that_shows(|| panic!("token: 1234"), Do::Fail);
    assert_eq!((hidden.len(), hidden[0].state.as_deref()), (1, None));
    assert_eq!(hidden[0].reason.to_string(), "error: a handler fails");
    assert!(!format!("{:?} {}", hidden[0], hidden[0]).contains("1234"));
    assert!(keeper_that_shows(|| Some("quiet".to_owned()), Do::Stop).is_empty());
}

/// An error whose text has no end, or panics.
#[derive(Debug)]
struct Endless(bool);

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(!self.0, "a Display panics");
        loop {
            f.write_str("and so on ")?;
        }
    }
}

impl Error for Endless {}

// OTP: L5
#[test]
fn nothing_in_a_report_is_without_bounds() {
    let reports = reports_of(async |node: Node| {
        for panics in [false, true] {
            let hub = node.spawn(async move |mut cx: Context<()>| {
                cx.set_label("ä".repeat(1_000));
                cx.recv_message().await;
                Err(Endless(panics).into())
            });
            for n in 0..50 {
                let other = hub.clone();
                node.register(&format!("hub {n}"), &hub).unwrap();
                node.spawn(async move |mut cx: Context<()>| {
                    cx.trap_exit(true);
                    cx.link(&other);
                    std::future::pending().await
                });
            }
            settle(&node).await;
            hub.cast(());
            gone(&hub).await;
        }
    });
    assert_eq!(reports.len(), 2);
    for report in &reports {
        assert_eq!((report.ties.links, report.links.len()), (50, SHOWN));
        assert_eq!((report.ties.names, report.names.len()), (50, SHOWN));
        assert!(report.label.as_ref().unwrap().len() <= LABEL_BYTES);
        // Its text ends, whatever the error's does.
        assert!(report.to_string().len() < REASON_BYTES + 2 * LABEL_BYTES);
    }
    assert!(reports[1].to_string().contains("its Display panics"), "{}", reports[1]);
    let long = keeper_that_shows(|| Some("x".repeat(1 << 20)), Do::Fail);
    assert!(long[0].state.as_ref().unwrap().len() <= STATE_BYTES);
}

// OTP: L5
#[test]
fn a_hook_that_panics_stops_nobody() {
    let journal = Journal::new();
    let notes = journal.clone();
    let settings = Node::builder().crash_reports(move |report: &CrashReport| {
        notes.note(report.pid);
        panic!("a hook panics");
    });
    let heard = Sim::seed(1).run_with(settings, async |node: Node| {
        let mut heard = Vec::new();
        for _ in 0..2 {
            heard.push(gone(&node.spawn(async |_cx: Context<()>| Err(oops("it failed")))).await.to_string());
        }
        heard
    });
    assert_eq!(heard, ["error: it failed", "error: it failed"]);
    assert_eq!(journal.len(), 2);
}

// OTP: L5
#[test]
fn of_a_flood_a_bounded_part_waits_and_the_rest_is_counted() {
    const CRASHES: usize = 10_000;
    let (journal, settings) = reporting();
    let (stepper, node) = Stepper::with(settings);
    let first = stepper.tasks();
    for _ in 0..CRASHES {
        node.spawn(async |_cx: Context<()>| Err(Oops("it failed").into()));
    }
    // Every process ends, although nobody emits a report meanwhile.
    for task in first..first + CRASHES {
        while stepper.is_there(task) {
            stepper.poll(task);
        }
    }
    assert_eq!((node.process_count(), journal.len()), (0, 0));
    stepper.settle();
    assert_eq!(journal.len(), REPORTS_WAITING);
    assert_eq!(node.reports_lost(), (CRASHES - REPORTS_WAITING) as u64);
    // The oldest were kept, in their order; and the next one finds room.
    let pids: Vec<_> = journal.take().iter().map(|report| report.pid.slot()).collect();
    assert!(pids.is_sorted());
    node.spawn(async |_cx: Context<()>| Err(oops("one more")));
    stepper.settle();
    assert_eq!((journal.len(), node.reports_lost()), (1, (CRASHES - REPORTS_WAITING) as u64));
}

// OTP: L5
#[test]
fn what_waits_is_emitted_when_the_node_goes_away_and_after_its_service_was_dropped() {
    let (journal, settings) = reporting();
    let (stepper, node) = Stepper::with(settings);
    let crash = |text| {
        let task = stepper.tasks();
        node.spawn(async move |_cx: Context<()>| Err(oops(text)));
        while stepper.is_there(task) {
            stepper.poll(task);
        }
        task + 1
    };
    let service = crash("first");
    stepper.drop_task(service);
    crash("second");
    stepper.settle();
    assert_eq!(journal.len(), 2, "the next service has taken both");
    crash("third");
    assert_eq!(journal.len(), 2);
    stepper.finish();
    assert_eq!(journal.len(), 2);
    drop(node);
    assert_eq!(journal.take().last().unwrap().reason.to_string(), "error: third");
}

// OTP: L3
#[test]
fn ancestors_are_bounded_and_shared_and_the_parent_comes_first() {
    type Line = Arc<Journal<(Pid, Vec<Pid>)>>;
    /// Starts a line of descendants, each of whom tells who its ancestors are.
    fn descend(mut cx: Context<()>, left: usize, journal: Line) -> Pin<Box<dyn Future<Output = Ended> + Send>> {
        Box::pin(async move {
            journal.note((cx.pid(), cx.ancestors()));
            if left > 0 {
                cx.spawn_link(move |cx| descend(cx, left - 1, journal));
            }
            std::future::pending().await
        })
    }
    let journal = Arc::new(Journal::new());
    let notes = Arc::clone(&journal);
    Sim::seed(1).run(async move |node: Node| {
        node.spawn(move |cx| descend(cx, 20, notes));
        settle(&node).await;
    });
    let line = journal.take();
    assert_eq!(line.len(), 21);
    let pids: Vec<_> = line.iter().map(|(pid, _)| *pid).collect();
    for (depth, (_, ancestors)) in line.iter().enumerate() {
        let expected: Vec<_> = pids[..depth].iter().rev().take(freeboard_process::ANCESTORS).copied().collect();
        assert_eq!(*ancestors, expected);
    }
}
