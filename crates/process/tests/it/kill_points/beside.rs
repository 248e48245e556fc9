//! What runs beside a process that is struck: it ends with it, or learns of its end, and nothing is left.

use super::is_struck;
use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, Notes, step_aside};
use freeboard_process::{Context, ExitReason, Node, TaskHandle};
use futures_core::Stream;
use std::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

/// Gives an item at every second poll; notes its drop.
struct Flicker {
    n: u32,
    _here: Notes<&'static str>,
}

impl Stream for Flicker {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<u32>> {
        self.n += 1;
        if self.n % 2 == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready((self.n < 12).then_some(self.n))
    }
}

/// Waits for some turns; notes its drop.
async fn toil(here: Notes<&'static str>, turns: usize) -> u32 {
    for _ in 0..turns {
        step_aside().await;
    }
    drop(here);
    7
}

/// Each piece of work that began, and each that is gone, by name.
#[derive(Clone)]
struct Works {
    begun: Journal<&'static str>,
    gone: Journal<&'static str>,
}

impl Works {
    fn new() -> Self {
        Self { begun: Journal::new(), gone: Journal::new() }
    }

    fn begin(&self, name: &'static str) -> Notes<&'static str> {
        self.begun.note(name);
        Notes(self.gone.clone(), name)
    }

    /// Whether nothing is left of what was begun.
    fn check(&self, at: &str) {
        let (mut begun, mut gone) = (self.begun.take(), self.gone.take());
        begun.sort_unstable();
        gone.sort_unstable();
        assert_eq!(begun, gone, "{at}");
    }
}

/// The scenario of one victim; `None` is the end of its scenario.
fn scenario<F, Fut>(body: F)
where
    F: Fn(Context<Option<u32>>, Works) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
{
    at_every_point(|node: &Node, stepper| {
        let works = Works::new();
        let (inside, checked, body) = (works.clone(), works, body.clone());
        Plan::new(
            stepper,
            || node.spawn(move |cx| body(cx, inside)),
            |_| {},
            move |at, reason| {
                assert!(is_struck(&reason) || reason == "normal", "{at}: {reason}");
                checked.check(at);
            },
        )
    });
}

// OTP: A14
#[test]
fn a_pipe_ends_with_its_process_wherever_that_is_struck() {
    scenario(async |mut cx, works| {
        cx.pipe(toil(works.begin("first"), 3), Some);
        let taken = cx.pipe(toil(works.begin("taken back"), 2), Some);
        step_aside().await;
        cx.pipe(toil(works.begin("second"), 1), Some);
        cx.detach(taken);
        for _ in 0..2 {
            cx.recv_message().await;
        }
        cx.pipe(toil(works.begin("last"), 9), Some);
        step_aside().await;
        Ok(())
    });
}

#[test]
fn a_stream_ends_with_its_process_wherever_that_is_struck() {
    scenario(async |mut cx, works| {
        let stream = |name| Flicker { n: 0, _here: works.begin(name) };
        cx.attach_window(2, stream("first"), |item| item);
        let taken = cx.attach_window(1, stream("taken back"), |item| item.map(|n| 100 + n));
        cx.recv_where(|item| *item > Some(100)).await;
        cx.detach(taken);
        while cx.recv_message().await.is_some() {}
        cx.attach(stream("last"), |item| item);
        cx.sleep(Duration::from_millis(1)).await;
        Ok(())
    });
}

// OTP: B3
#[test]
fn a_task_ends_with_its_owner_wherever_that_is_struck() {
    scenario(async |mut cx, works| {
        let tasks = [cx.task(toil(works.begin("first"), 3)), cx.task_nolink(toil(works.begin("second"), 5))];
        let dropped = cx.task(toil(works.begin("dropped"), 9));
        step_aside().await;
        drop(dropped);
        for task in tasks {
            assert_eq!(task.await.map_err(|reason| reason.to_string()), Ok(7));
        }
        cx.task(toil(works.begin("stopped"), 9)).shutdown().await;
        Ok(())
    });
}

// OTP: B3, F16
#[test]
fn whoever_awaits_a_task_hears_of_its_end_wherever_it_is_struck() {
    at_every_point(|node, stepper| {
        let heard = Journal::new();
        let notes = heard.clone();
        let (send, handle) = tokio::sync::oneshot::channel::<TaskHandle<u32>>();
        let awaits = async move |mut cx: Context<()>| {
            if let Ok(task) = handle.await {
                notes.note(task.await.map_err(|reason| reason.to_string()));
            }
            // It lives on, to be looked at.
            cx.recv_message().await;
            Ok(())
        };
        let watcher = node.spawn(awaits);
        let works = Works::new();
        let work = works.clone();
        Plan::new(
            stepper,
            || {
                node.spawn(async move |mut cx: Context<()>| {
                    cx.trap_exit(true);
                    let _there = send.send(cx.task(toil(work.begin("task"), 4)));
                    cx.recv().after(Duration::from_millis(1)).await;
                    Ok(())
                })
            },
            |_| {},
            move |at, reason| {
                let has_begun = works.begun.len() > 0;
                works.check(at);
                let heard = heard.take();
                let expected = match heard.as_slice() {
                    // The owner was struck before it had started anything.
                    [] => !has_begun && is_struck(&reason),
                    [Ok(7)] => true,
                    [Err(why)] => is_struck(why),
                    _ => false,
                };
                assert!(expected, "{at}: {heard:?}");
            },
        )
        .survived_by(&watcher)
    });
}

#[test]
fn blocking_code_is_over_or_dropped_wherever_its_process_is_struck() {
    scenario(async |mut cx, works| {
        let closure = |name| {
            let here = works.begin(name);
            move || drop(here)
        };
        let early = cx.blocking(closure("awaited late"));
        cx.blocking(closure("awaited")).await;
        step_aside().await;
        early.await;
        let unheard = cx.blocking(closure("dropped"));
        step_aside().await;
        drop(unheard);
        cx.sleep(Duration::from_millis(1)).await;
        Ok(())
    });
}
