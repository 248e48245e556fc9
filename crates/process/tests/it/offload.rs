//! Blocking code whose result is awaited.

use crate::support::{Journal, Notes, ended, inside, pause, seeds, settle, step_aside, threads};
use freeboard_process::{Context, ExitReason, Node, Sim};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_result_comes_and_in_a_simulation_takes_no_time() {
    seeds(async |node| {
        let (sum, waited) = inside(&node, async |cx: Context<()>| {
            let start = cx.now();
            let sum = cx.blocking(|| (1..=10).sum::<u32>()).await;
            (sum, cx.now() - start)
        })
        .await;
        assert_eq!((sum, waited), (55, Duration::ZERO));
    });
}

#[test]
fn a_panic_of_the_closure_is_one_of_whoever_awaits_it() {
    seeds(async |node| {
        let process = node.spawn(async |cx: Context<()>| {
            cx.blocking(|| panic!("the disk is full")).await;
            Ok(())
        });
        assert_eq!(ended(&node, &process).await.to_string(), "panic: the disk is full");
        // Who does not await it does not hear of it.
        let process = node.spawn(async |mut cx: Context<()>| {
            let unheard = cx.blocking(|| panic!("the disk is full"));
            cx.sleep(MS).await;
            drop(unheard);
            Ok(())
        });
        assert!(matches!(ended(&node, &process).await, ExitReason::Normal));
    });
}

#[test]
fn it_begins_without_being_awaited_and_may_be_awaited_again() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        let (ran, result) = inside(&node, async move |mut cx: Context<()>| {
            let told = notes.clone();
            let mut work = cx.blocking(move || {
                told.note("ran");
                7
            });
            cx.sleep(MS).await;
            let ran = notes.len();
            let result = tokio::select! {
                biased;
                () = step_aside() => None,
                result = &mut work => Some(result),
            };
            (
                ran,
                match result {
                    Some(result) => result,
                    None => work.await,
                },
            )
        })
        .await;
        assert_eq!((ran, result), (1, 7));
    });
}

#[test]
fn a_closure_that_has_not_begun_when_its_process_ends_is_dropped_unrun() {
    let journal = Journal::new();
    for seed in 0..64 {
        let notes = journal.clone();
        Sim::seed(seed).run(async |node: Node| {
            let (dropped, ran) = (Notes(notes.clone(), "dropped"), notes.clone());
            let process = node.spawn(async move |cx: Context<()>| {
                let unawaited = cx.blocking(move || {
                    ran.note("ran");
                    drop(dropped);
                });
                drop(unawaited);
                Ok(())
            });
            ended(&node, &process).await;
            settle(&node).await;
        });
        assert_eq!(journal.take(), ["dropped"], "seed {seed}");
    }
}

#[test]
fn a_result_that_nobody_waits_for_is_dropped_and_its_panic_concerns_nobody() {
    struct Bomb(Journal<&'static str>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.note("dropped");
            panic!("in a destructor");
        }
    }
    threads(async |node| {
        let (journal, (go, gone)) = (Journal::new(), std::sync::mpsc::channel::<()>());
        let (over, waited) = std::sync::mpsc::channel::<()>();
        let notes = journal.clone();
        let process = node.spawn(async move |cx: Context<()>| {
            let (begun, began) = tokio::sync::oneshot::channel();
            let work = cx.blocking(move || {
                let _ = begun.send(());
                gone.recv().unwrap();
                let _over = over;
                Bomb(notes)
            });
            began.await.unwrap();
            drop(work);
            Ok(())
        });
        assert!(matches!(ended(&node, &process).await, ExitReason::Normal));
        go.send(()).unwrap();
        // The closure is over when its end of the channel is gone; the result is dropped right after.
        tokio::task::spawn_blocking(move || waited.recv().unwrap_err()).await.unwrap();
        while journal.len() == 0 {
            step_aside().await;
        }
        assert_eq!(journal.take(), ["dropped"]);
    });
}

#[test]
fn on_real_threads_others_go_on_meanwhile() {
    threads(async |node| {
        let (go, gone) = std::sync::mpsc::channel();
        let process = node.spawn(async move |cx: Context<()>| {
            // Four block at once, on two workers.
            let gates: Vec<_> = (0..3).map(|n| cx.blocking(move || n)).collect();
            let last = cx.blocking(move || gone.recv().unwrap());
            let mut sum: u32 = last.await;
            for gate in gates {
                sum += gate.await;
            }
            Err(ExitReason::ShutdownWith(sum.to_string().into()))
        });
        let free = inside(&node, async |mut cx: Context<()>| {
            cx.addr().cast(());
            cx.recv_message().await;
            true
        })
        .await;
        assert!(free);
        go.send(40).unwrap();
        assert_eq!(ended(&node, &process).await.to_string(), "shutdown: 43");
    });
}

#[test]
fn the_same_seed_brings_the_same_run() {
    Sim::seed(11).strict(async |node: Node| {
        let sum = inside(&node, async |cx: Context<()>| {
            let works: Vec<_> = (0..5).map(|n| cx.blocking(move || n)).collect();
            let mut sum = 0;
            for work in works {
                sum += work.await;
            }
            sum
        })
        .await;
        assert_eq!(sum, 10);
        pause(&node, MS).await;
    });
}
