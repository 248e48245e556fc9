//! Roots that a node cannot do without, and waiting for the end of a node.

use crate::support::{Journal, ended, idler, oops, seeds, settle};
use freeboard_process::{
    Ack, Addr, Birth, Context, ExitReason, Launch, Launcher, Node, RunError, ShutdownReport, Start, StartError,
};
use std::{future::poll_fn, task::Poll, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// A root that ends with the reason it is sent; one whose start fails if it is to.
struct Root {
    launcher: Launcher<ExitReason>,
}

impl Root {
    fn new(starts: bool) -> Self {
        let body = move |mut cx: Context<ExitReason>| {
            Box::pin(async move {
                if !starts {
                    return Err(oops("no disk"));
                }
                cx.acknowledge();
                Err(cx.recv_message().await)
            })
        };
        Self { launcher: Launcher::new(body) }
    }
}

impl Start for Root {
    type Handle = Addr<ExitReason>;

    async fn start(self, node: &Node) -> Result<Addr<ExitReason>, StartError> {
        let (ack, peer) = (Ack::new(), self.launcher.prepare(node)?);
        self.launcher.launch(node, peer.pid(), Birth { ack: Some(ack.clone()), ..Birth::default() });
        poll_fn(|cx| ack.poll(cx)).await?;
        Ok(self.launcher.addr())
    }
}

/// Waits for the end of the node, without signals.
async fn run(node: &Node) -> Result<ShutdownReport, RunError> {
    node.run_until(SECOND, |_| Poll::Pending).await
}

#[test]
fn a_critical_root_that_fails_takes_the_node_along_in_good_order() {
    seeds(async |node| {
        let bystander = idler(&node);
        let root = node.start(Root::new(true)).critical().await.unwrap();
        root.cast(oops("disk full"));
        let Err(RunError::Failed { reason, report }) = run(&node).await else { panic!("it must fail") };
        assert_eq!((reason.to_string().as_str(), report.is_orderly()), ("error: disk full", true));
        assert!(matches!(bystander.ended(), Some(ExitReason::Shutdown)));
        assert_eq!(node.failure().unwrap().to_string(), "error: disk full");
    });
}

#[test]
fn a_critical_root_that_is_killed_fails_and_one_that_ends_normal_does_not() {
    seeds(async |node| {
        let root = node.start(Root::new(true)).critical().await.unwrap();
        root.cast(ExitReason::Normal);
        ended(&node, &root).await;
        settle(&node).await;
        assert!(!node.is_shutting_down() && node.failure().is_none());
        let ordinary = node.start(Root::new(true)).await.unwrap();
        ordinary.kill();
        settle(&node).await;
        assert!(!node.is_shutting_down());
        let root = node.start(Root::new(true)).critical().await.unwrap();
        root.kill();
        assert!(matches!(run(&node).await, Err(RunError::Failed { reason: ExitReason::Killed, .. })));
    });
}

/// As a supervisor does that has restarted too often.
#[test]
fn a_critical_root_that_gives_up_fails() {
    seeds(async |node| {
        let root = node.start(Root::new(true)).critical().await.unwrap();
        root.cast(ExitReason::Shutdown);
        assert!(matches!(run(&node).await, Err(RunError::Failed { reason: ExitReason::Shutdown, .. })));
    });
}

#[test]
fn a_critical_root_whose_start_fails_stops_nothing() {
    seeds(async |node| {
        let failed = node.start(Root::new(false)).critical().await;
        assert!(matches!(failed, Err(StartError::Init(_))));
        settle(&node).await;
        assert!(!node.is_shutting_down());
    });
}

#[test]
fn the_limit_of_a_failure_holds_for_everybody_else() {
    seeds(async |node| {
        let deaf = node.spawn(async |mut cx: Context<()>| {
            cx.trap_exit(true);
            loop {
                cx.recv_message().await;
            }
        });
        settle(&node).await;
        let root = node.start(Root::new(true)).critical_within(3 * SECOND).await.unwrap();
        let start = node.now();
        root.cast(oops("disk full"));
        let Err(RunError::Failed { report, .. }) = run(&node).await else { panic!("it must fail") };
        assert_eq!((report.killed, node.now() - start), (1, 3 * SECOND));
        assert!(matches!(deaf.ended(), Some(ExitReason::Killed)));
    });
}

#[test]
fn during_a_shutdown_the_end_of_a_critical_root_is_no_failure() {
    seeds(async |node| {
        let root = node.start(Root::new(true)).critical().await.unwrap();
        let mut signals = 1;
        let report = node
            .run_until(SECOND, |_| {
                if signals == 0 {
                    return Poll::Pending;
                }
                signals -= 1;
                root.cast(oops("in the way"));
                Poll::Ready(())
            })
            .await;
        assert!(report.unwrap().is_orderly());
        assert!(node.failure().is_none());
    });
}

#[test]
fn a_second_signal_ends_the_waiting_and_the_shutdown_goes_on() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            cx.recv().await;
            cx.sleep(SECOND / 2).await;
            notes.note("cleaned up");
            Ok(())
        });
        settle(&node).await;
        let (send, mut signals) = tokio::sync::mpsc::channel(2);
        (0..2).for_each(|_| send.try_send(()).unwrap());
        let start = node.now();
        let end = node.run_until(SECOND, |cx| signals.poll_recv(cx).map(drop)).await;
        assert!(matches!(end, Err(RunError::Interrupted)));
        assert_eq!((node.now() - start, journal.len()), (Duration::ZERO, 0));
        // Whoever asks now is told when it is over.
        assert!(run(&node).await.unwrap().is_orderly());
        assert_eq!(journal.take(), ["cleaned up"]);
    });
}

#[test]
fn a_run_ends_with_a_shutdown_by_anybody_and_at_once_if_that_is_over() {
    seeds(async |node| {
        let clerk = node.clone();
        node.spawn(async move |mut cx: Context<()>| {
            cx.sleep(SECOND).await;
            clerk.shutdown(SECOND).await;
            Ok(())
        });
        let start = node.now();
        assert!(run(&node).await.unwrap().is_orderly());
        assert_eq!(node.now() - start, SECOND);
        assert!(run(&node).await.unwrap().is_orderly());
    });
}

#[test]
fn a_start_that_is_dropped_before_its_first_poll_has_started_nothing() {
    seeds(async |node| {
        drop(node.start(Root::new(true)));
        drop(node.start(Root::new(true)).critical());
        assert_eq!(node.process_count(), 0);
    });
}
