//! The watchdog at work: a process that holds its worker is reported, on real threads; nothing here waits for a time.

use crate::panics::stalls;
use crate::support::{ended, runtime, step_aside};
use crossbeam_channel::bounded;
use freeboard_process::{BlockingContext, Context, ExitReason, Node, Reply, Sim};
use std::time::Duration;

const THRESHOLD: Duration = Duration::from_millis(20);

#[test]
fn a_process_that_does_not_give_way_is_reported_with_its_pid() {
    let reports = stalls();
    let runtime = runtime();
    let node = Node::builder().watchdog(THRESHOLD).attach(runtime.handle().clone()).unwrap();
    let (release, held) = bounded::<()>(0);
    let (busy, second) = (held.clone(), held);
    // One that serves on the other worker meanwhile, in short polls, is none of it.
    let innocent = node.spawn(async |mut cx: Context<Reply<()>>| {
        loop {
            cx.recv_message().await.send(());
        }
    });
    let guilty = node.spawn(async move |mut cx: Context<()>| {
        let _released = busy.recv();
        step_aside().await;
        cx.recv_message().await;
        let _released = second.recv();
        Ok(())
    });
    let pid = guilty.pid().unwrap().to_string();
    let report = loop {
        innocent.call_blocking(|reply| reply).unwrap();
        match reports.try_recv() {
            // Other tests of this program have nodes of their own.
            Ok(report) if report.contains(&pid) => break report,
            _ => std::thread::yield_now(),
        }
    };
    let for_ms: u64 = report.split("for_ms=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(for_ms >= 20, "{report}");
    // It goes on, and is reported once more for another long poll.
    release.send(()).unwrap();
    guilty.cast(());
    let again = reports.iter().find(|report| report.contains(&pid)).unwrap();
    assert!(again.contains("for_ms="), "{again}");
    release.send(()).unwrap();
    assert!(matches!(runtime.block_on(ended(&node, &guilty)), ExitReason::Normal));
    let innocent = innocent.pid().unwrap().to_string();
    assert!(!reports.try_iter().any(|report| report.contains(&pid) || report.contains(&innocent)));
}

#[test]
fn a_process_on_its_own_thread_may_block_and_a_simulation_has_no_watchdog() {
    let reports = stalls();
    let runtime = runtime();
    let node = Node::builder().watchdog(Duration::from_millis(1)).attach(runtime.handle().clone()).unwrap();
    let (release, held) = bounded::<()>(0);
    let blocked = node.spawn_thread(move |_cx: BlockingContext<()>| Ok(held.recv()?));
    let (wait, hold) = bounded::<()>(0);
    let guilty = node.spawn(async move |_cx: Context<()>| Ok(hold.recv()?));
    let (innocent, guilty) = (blocked.pid().unwrap().to_string(), guilty.pid().unwrap().to_string());
    // Reported, as the thread is not, although that has blocked for as long.
    let first = reports.iter().find(|report| report.contains(&guilty) || report.contains(&innocent)).unwrap();
    assert!(first.contains(&guilty), "{first}");
    wait.send(()).unwrap();
    release.send(()).unwrap();
    let simulated = Sim::seed(1).run_with(Node::builder().watchdog(THRESHOLD), async |node: Node| {
        let process = node.spawn(async |_cx: Context<()>| Ok(()));
        ended(&node, &process).await.to_string()
    });
    assert_eq!(simulated, "normal");
}
