//! Work as a process of its own, whose result is awaited.

use crate::support::{Journal, Notes, ended, idler, inside, oops, own_ties, pause, seeds, settle, step_aside, threads};
use freeboard_process::{Context, Event, ExitReason, Node, Reply, Sim, TaskHandle, Ties};
use std::{future::pending, time::Duration};

const MS: Duration = Duration::from_millis(1);

/// The result in words.
fn words<T: std::fmt::Debug>(result: Result<T, ExitReason>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(reason) => reason.to_string(),
    }
}

#[test]
fn a_task_gives_its_result_and_is_a_process_meanwhile() {
    seeds(async |node| {
        let (result, was_alive, is_alive) = inside(&node, async |mut cx: Context<()>| {
            let clock = cx.node().clone();
            let task = cx.task(async move { pause(&clock, 5 * MS).await });
            let (pid, node) = (task.pid(), cx.node().clone());
            let was_alive = node.is_alive(pid);
            let result = words(task.await);
            cx.sleep(MS).await;
            (result, was_alive, node.is_alive(pid))
        })
        .await;
        assert_eq!((result.as_str(), was_alive, is_alive), ("()", true, false));
    });
}

// OTP: B3, B4
#[test]
fn a_linked_task_takes_its_owner_along_when_it_crashes() {
    seeds(async |node| {
        let owner = node.spawn(async |mut cx: Context<()>| {
            let task = cx.task(async { panic!("no route") });
            cx.recv_message().await;
            drop(task);
            Ok(())
        });
        assert_eq!(ended(&node, &owner).await.to_string(), "panic: no route");
        // One that waits for it may see the answer before the signal, and ends with the same reason.
        let owner = node.spawn(async |mut cx: Context<()>| cx.task(async { panic!("no route") }).await);
        assert_eq!(ended(&node, &owner).await.to_string(), "panic: no route");
    });
}

// OTP: B6
#[test]
fn an_owner_that_traps_exits_hears_of_each_end_and_gets_the_reason() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<()>| {
            cx.trap_exit(true);
            let mut heard = Vec::new();
            for fails in [true, false] {
                let task = cx.task(async move { assert!(!fails, "it fails") });
                heard.push(words(task.await));
                if let Event::Exit(exit) = cx.recv().await {
                    heard.push(format!("EXIT {}", exit.reason));
                }
            }
            heard
        })
        .await;
        assert_eq!(heard, ["panic: it fails", "EXIT panic: it fails", "()", "EXIT normal"]);
    });
}

// OTP: B3, B4
#[test]
fn a_linked_task_ends_with_its_owner_even_if_its_handle_is_elsewhere() {
    seeds(async |node| {
        let journal = Journal::new();
        let (send, handle) = tokio::sync::oneshot::channel();
        let notes = Notes(journal.clone(), "dropped");
        let owner = node.spawn(async move |mut cx: Context<ExitReason>| {
            let task = cx.task(async move {
                let _notes = notes;
                pending::<u8>().await
            });
            let _ = send.send(task);
            Err(cx.recv_message().await)
        });
        let task = handle.await.unwrap();
        settle(&node).await;
        owner.cast(oops("the owner"));
        assert_eq!(words(task.await), "error: the owner");
        assert_eq!(journal.take(), ["dropped"]);
    });
}

#[test]
fn a_task_that_is_not_linked_tells_why_it_ended_and_touches_nobody() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<()>| {
            let panics = cx.task_nolink(async { panic!("it fails") });
            let killed = cx.task_nolink(pending::<()>());
            let told = cx.task_nolink(pending::<()>());
            let works = cx.task_nolink(async { 7 });
            cx.node().kill(killed.pid());
            let other = told.pid();
            cx.exit(&other, oops("stop"));
            let heard = [words(panics.await), words(killed.await), words(told.await), words(works.await)];
            (heard, own_ties(&cx))
        })
        .await;
        let expected = ["panic: it fails", "killed", "error: stop", "7"].map(str::to_owned);
        assert_eq!(heard, (expected, Ties::default()));
    });
}

#[test]
fn dropping_the_handle_ends_the_task_and_nobody_else() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        let (alive, linked, ties) = inside(&node, async move |mut cx: Context<()>| {
            let note = |name| Notes(notes.clone(), name);
            let work = |note: Notes<&'static str>| async move {
                let _note = note;
                pending::<()>().await
            };
            let (linked, alone) = (cx.task(work(note("linked"))), cx.task_nolink(work(note("alone"))));
            let pids = [linked.pid(), alone.pid()];
            let monitor = cx.monitor(&pids[0]);
            cx.sleep(MS).await;
            drop((linked, alone));
            let down = cx.recv_down(monitor).await;
            cx.sleep(MS).await;
            (pids.map(|pid| cx.node().is_alive(pid)), down.reason.to_string(), own_ties(&cx))
        })
        .await;
        assert_eq!((alive, linked.as_str(), ties), ([false; 2], "shutdown", Ties::default()));
        let mut dropped = journal.take();
        dropped.sort_unstable();
        assert_eq!(dropped, ["alone", "linked"]);
    });
}

#[test]
fn a_handle_that_is_dropped_at_once_leaves_work_that_never_ran() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        inside(&node, async move |mut cx: Context<()>| {
            drop(cx.task(async move { notes.note("ran") }));
            cx.sleep(MS).await;
        })
        .await;
        assert_eq!(journal.len(), 0);
    });
}

#[test]
fn a_detached_task_goes_on_and_its_link_stays() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        let owner = node.spawn(async move |mut cx: Context<()>| {
            let clock = cx.node().clone();
            let clock_too = clock.clone();
            cx.task_nolink(async move {
                pause(&clock, MS).await;
                notes.note("worked");
            })
            .detach();
            cx.task(async move {
                pause(&clock_too, 5 * MS).await;
                panic!("late");
            })
            .detach();
            pending().await
        });
        assert_eq!(ended(&node, &owner).await.to_string(), "panic: late");
        assert_eq!(journal.take(), ["worked"]);
    });
}

#[test]
fn waiting_with_a_limit_leaves_the_task_and_its_result_in_place() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<()>| {
            let clock = cx.node().clone();
            let mut task = cx.task(async move {
                pause(&clock, 10 * MS).await;
                7
            });
            let start = cx.now();
            let early = task.within(4 * MS).await.is_none();
            let waited = cx.now() - start;
            // A wait that is dropped has taken nothing.
            {
                let mut wait = std::pin::pin!(task.within(MS));
                std::future::poll_fn(|cx| {
                    let _ = wait.as_mut().poll(cx);
                    std::task::Poll::Ready(())
                })
                .await;
            }
            cx.sleep(10 * MS).await;
            let finished = task.is_finished();
            // What is there by then is taken, whatever the limit.
            let late = task.within(Duration::ZERO).await.map(words);
            let over = task.within(MS).await.is_none();
            (early, waited, finished, late, over, cx.node().timers_set())
        })
        .await;
        assert_eq!(heard, (true, 4 * MS, true, Some("7".to_owned()), true, 0));
    });
}

#[test]
fn a_task_in_a_select_loses_nothing_when_the_other_side_wins() {
    seeds(async |node| {
        let (rounds, result) = inside(&node, async |mut cx: Context<()>| {
            let clock = cx.node().clone();
            let mut task = cx.task(async move {
                pause(&clock, 10 * MS).await;
                7
            });
            let mut rounds = 0;
            loop {
                tokio::select! {
                    biased;
                    result = &mut task => return (rounds, words(result)),
                    () = cx.sleep(3 * MS) => rounds += 1,
                }
            }
        })
        .await;
        assert_eq!((rounds, result.as_str()), (3, "7"));
    });
}

#[test]
fn a_shutdown_answers_the_result_that_came_first_and_waits_for_the_end() {
    seeds(async |node| {
        let answers = inside(&node, async |mut cx: Context<()>| {
            let ready = cx.task(async { 7 });
            let crashed = cx.task_nolink(async { panic!("it fails") });
            let endless = cx.task(pending::<()>());
            cx.sleep(MS).await;
            let pid = endless.pid();
            let answers = (
                ready.shutdown().await.map(words),
                crashed.shutdown().await.map(words::<()>),
                endless.shutdown().await.map(words),
            );
            (answers, cx.node().is_alive(pid), own_ties(&cx))
        })
        .await;
        let expected = (Some("7".to_owned()), Some("panic: it fails".to_owned()), None);
        assert_eq!(answers, (expected, false, Ties::default()));
    });
}

#[test]
fn a_node_that_shuts_down_starts_no_task_and_the_handle_says_so() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        node.spawn(async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            cx.recv().await;
            let late: TaskHandle<u8> = cx.task_nolink(async { 7 });
            notes.note(words(late.await));
            Ok(())
        });
        settle(&node).await;
        assert!(node.shutdown(Duration::from_secs(1)).await.is_orderly());
        assert_eq!(journal.take(), ["shutdown: the node is shutting down and starts nothing any more"]);
    });
}

// OTP: A10
#[test]
fn a_task_has_its_owner_as_parent_and_can_be_awaited_by_anybody() {
    seeds(async |node| {
        let other = idler(&node);
        let (send, handle) = tokio::sync::oneshot::channel();
        let owner = node.spawn(async move |mut cx: Context<Reply<()>>| {
            let clock = cx.node().clone();
            let _ = send.send(cx.task(async move {
                pause(&clock, MS).await;
                7
            }));
            cx.recv_message().await.send(());
            Ok(())
        });
        let task: TaskHandle<i32> = handle.await.unwrap();
        assert_eq!(words(task.await), "7");
        owner.call(|reply| reply).await.unwrap();
        other.kill();
    });
}

#[test]
fn the_same_seed_brings_the_same_run() {
    Sim::seed(11).strict(async |node: Node| {
        let sum = inside(&node, async |mut cx: Context<()>| {
            let tasks: Vec<_> = (0..5).map(|n| cx.task(async move { n })).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            sum
        })
        .await;
        assert_eq!(sum, 10);
    });
}

#[test]
fn on_real_threads_a_thousand_tasks_answer() {
    threads(async |node| {
        let sum = inside(&node, async |mut cx: Context<()>| {
            let tasks: Vec<_> = (0..1_000_u64)
                .map(|n| {
                    cx.task(async move {
                        step_aside().await;
                        n
                    })
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            sum
        })
        .await;
        assert_eq!(sum, 499_500);
    });
}
