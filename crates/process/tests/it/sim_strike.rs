//! A simulation that strikes a process at each of its polls.

use crate::support::{Journal, Notes, idler, settle, step_aside};
use freeboard_process::{Aim, CallError, Context, Node, Reply, Sim};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[test]
fn a_process_is_struck_once_at_each_of_its_polls() {
    for seed in 0..20 {
        let (steps, reasons) = (Journal::new(), Journal::new());
        let runs = Sim::seed(seed).at_every_kill_point(async |node: Node, aim: Aim| {
            let mine = Journal::new();
            let journal = mine.clone();
            let victim = node.spawn(async move |_cx: Context<()>| {
                for step in 0..3 {
                    journal.note(step);
                    step_aside().await;
                }
                Ok(())
            });
            aim.at(&victim);
            settle(&node).await;
            steps.note(mine.take().len());
            reasons.note(victim.ended().expect("it has ended, in one way or another").to_string());
        });
        // It is polled four times; it is killed, and dropped, before each poll, and once not at all.
        assert_eq!(runs, 10, "seed {seed}");
        assert_eq!(steps.take(), [0, 1, 2, 3, 3, 0, 1, 2, 3, 3], "seed {seed}");
        let dropped = "shutdown: the runtime of this process was dropped";
        let expected = [["killed"; 4], [dropped; 4]].map(|struck| [&struck[..], &["normal"]].concat()).concat();
        assert_eq!(reasons.take(), expected, "seed {seed}");
    }
}

// OTP: F16
#[test]
fn callers_can_be_checked_at_every_kill_point_of_their_server() {
    let answers = Journal::new();
    let runs = Sim::seed(5).at_every_kill_point(async |node: Node, aim: Aim| {
        let server = node.spawn(async |mut cx: Context<Reply<u32>>| {
            for n in 0..3 {
                let reply = cx.recv_message().await;
                cx.sleep(Duration::from_secs(1)).await;
                reply.send(n);
            }
            Ok(())
        });
        aim.at(&server);
        for n in 0..3 {
            match server.call(|reply| reply).await {
                Ok(answer) => assert_eq!(answer, n),
                Err(CallError::Exited(_)) => break,
                Err(other) => panic!("{other:?}"),
            }
            answers.note(n);
        }
        settle(&node).await;
        assert_eq!(server.depth(), 0);
        assert!(node.timers_set() <= 1, "all callers that are no processes share one");
    });
    let answered = answers.len();
    assert!(runs > 12 && answered > runs && answered < 3 * runs, "{answered} answers in {runs} runs");
}

#[test]
fn a_failure_names_its_point_and_what_is_left_is_dropped() {
    let dropped = Journal::new();
    let run = AssertUnwindSafe(|| {
        Sim::seed(9).at_every_kill_point(async |node: Node, aim: Aim| {
            let held = Notes(dropped.clone(), ());
            let victim = node.spawn(async move |_cx: Context<()>| {
                let _held = held;
                step_aside().await;
                step_aside().await;
                Ok(())
            });
            aim.at(&victim);
            idler(&node);
            settle(&node).await;
            assert!(dropped.len() < 3, "the third run is one too many");
        })
    });
    let payload = catch_unwind(run).expect_err("it fails in the third run");
    let text = payload.downcast_ref::<String>().expect("a text with the point in it");
    assert!(text.contains("with seed 9 the world fails when its process is killed after 2 polls"), "{text}");
    assert!(text.contains("the third run is one too many"), "{text}");
}

#[test]
fn a_world_that_aims_at_nobody_is_told_so() {
    let run = AssertUnwindSafe(|| Sim::seed(1).at_every_kill_point(async |_node: Node, _aim: Aim| {}));
    let payload = catch_unwind(run).expect_err("there is nobody to strike");
    let text = payload.downcast_ref::<&str>().expect("a plain text");
    assert!(text.contains("call `aim.at(&process)` in it"), "{text}");
}
