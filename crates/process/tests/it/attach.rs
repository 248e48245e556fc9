//! A stream whose items become messages, no faster than its process takes them.

use crate::support::{Journal, Notes, ended, inside, own_ties, pause, seeds, settle, threads};
use freeboard_process::{ATTACH_WINDOW, Context, Dropped, ExitReason, Node, Policy, Sim, Ties};
use futures_core::Stream;
use std::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

/// Counts from one to an end, always ready; notes each poll, and its drop.
struct Count {
    next: u32,
    last: u32,
    polls: Journal<u32>,
    _note: Option<Notes<u32>>,
}

impl Count {
    fn to(last: u32) -> (Self, Journal<u32>) {
        let polls = Journal::new();
        (Self { next: 0, last, polls: polls.clone(), _note: None }, polls)
    }
}

impl Stream for Count {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u32>> {
        self.next += 1;
        self.polls.note(self.next);
        Poll::Ready((self.next <= self.last).then_some(self.next))
    }
}

/// One item per millisecond.
struct Beat(Node, u32, Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Stream for Beat {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<u32>> {
        let node = self.0.clone();
        let wait = self.2.get_or_insert_with(|| Box::pin(async move { pause(&node, MS).await }));
        if wait.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.2 = None;
        self.1 += 1;
        Poll::Ready(Some(self.1))
    }
}

/// A stream made of a function.
struct By<F>(F);

impl<F: FnMut() -> Poll<Option<Result<u32, &'static str>>> + Unpin> Stream for By<F> {
    type Item = Result<u32, &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        (self.0)()
    }
}

#[test]
fn items_come_in_order_and_the_end_comes_last() {
    seeds(async |node| {
        let (heard, ties) = inside(&node, async |mut cx: Context<Option<u32>>| {
            cx.attach(Count::to(100).0, |item| item);
            let mut heard = Vec::new();
            while let Some(n) = cx.recv_message().await {
                heard.push(n);
            }
            (heard, own_ties(&cx))
        })
        .await;
        assert_eq!((heard, ties), ((1..=100).collect(), Ties::default()));
    });
}

#[test]
fn no_more_than_the_window_waits_and_the_stream_is_not_polled_meanwhile() {
    for window in [1, 3, ATTACH_WINDOW] {
        seeds(async |node| {
            let (stream, polls) = Count::to(1_000);
            let process = node.spawn(async move |mut cx: Context<Option<u32>>| {
                cx.attach_window(window, stream, |item| item);
                loop {
                    cx.sleep(10 * MS).await;
                    cx.recv_message().await;
                }
            });
            pause(&node, 5 * MS).await;
            assert_eq!((process.depth(), polls.len()), (window, window));
            // What was taken makes room, as soon as the process looks for more.
            pause(&node, MS * 10 * (u32::try_from(window).unwrap() + 2)).await;
            let (taken, polled) = (usize::try_from(process.stats().received).unwrap(), polls.len());
            assert!(process.depth() <= window, "{}", process.depth());
            assert!(polled > window && polled <= window + taken, "{polled} polls, {taken} taken");
            process.kill();
        });
    }
}

#[test]
fn items_that_a_selective_receive_leaves_count_as_waiting() {
    seeds(async |node| {
        let (stream, polls) = Count::to(1_000);
        let seen = polls.clone();
        let (before, after, heard) = inside(&node, async move |mut cx: Context<Option<u32>>| {
            cx.attach_window(4, stream, |item| item);
            let mut before = Vec::new();
            for _ in 0..3 {
                let none = cx.recv_where(|item| *item == Some(999)).after(10 * MS).await;
                before.push((none, seen.len()));
            }
            let mut heard = Vec::new();
            for _ in 0..4 {
                heard.push(cx.recv_message().await);
            }
            cx.recv_where(|item| *item == Some(999)).after(10 * MS).await;
            (before, seen.len(), heard)
        })
        .await;
        assert_eq!(before, [(None, 4); 3]);
        assert_eq!(heard, [1, 2, 3, 4].map(Some));
        assert_eq!(after, 8);
    });
}

#[test]
fn a_stream_that_is_always_ready_does_not_keep_others_waiting() {
    seeds(async |node| {
        let (stream, _) = Count::to(u32::MAX);
        let eater = node.spawn(async move |mut cx: Context<Option<u32>>| {
            cx.attach_window(100_000, stream, |item| item);
            loop {
                cx.recv_message().await;
            }
        });
        // In a simulation time passes only when nobody can run, so others are counted by turns.
        let turns = inside(&node, async |mut cx: Context<u32>| {
            let mut turns = 0;
            for n in 0..50 {
                cx.addr().cast(n);
                turns += u32::from(cx.recv_message().await == n);
            }
            turns
        })
        .await;
        assert_eq!(turns, 50);
        eater.kill();
    });
}

#[test]
fn a_stream_that_is_never_ready_is_dropped_with_its_process() {
    seeds(async |node| {
        let journal = Journal::new();
        let note = Notes(journal.clone(), 1);
        let process = node.spawn(async move |mut cx: Context<Option<Result<u32, &str>>>| {
            cx.attach(
                By(move || {
                    let _here = &note;
                    Poll::Pending
                }),
                |item| item,
            );
            cx.recv_message().await;
            Ok(())
        });
        settle(&node).await;
        assert_eq!((journal.len(), process.ties()), (0, Ties { feeds: 1, ..Ties::default() }));
        process.kill();
        assert!(matches!(ended(&node, &process).await, ExitReason::Killed));
        assert_eq!(journal.take(), [1]);
    });
}

#[test]
fn errors_are_items_and_the_stream_says_which_is_the_last() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<Option<Result<u32, &'static str>>>| {
            let mut items = vec![Some(Ok(1)), Some(Err("bad frame")), Some(Ok(2)), None].into_iter();
            cx.attach(By(move || Poll::Ready(items.next().flatten())), |item| item);
            let mut heard = Vec::new();
            loop {
                heard.push(cx.recv_message().await);
                if let Some(None) = heard.last() {
                    return heard;
                }
            }
        })
        .await;
        assert_eq!(heard, [Some(Ok(1)), Some(Err("bad frame")), Some(Ok(2)), None]);
    });
}

#[test]
fn a_stream_that_panics_ends_its_process_after_the_items_before_and_so_does_its_wrap() {
    seeds(async |node| {
        let heard = Journal::new();
        let notes = heard.clone();
        let process = node.spawn(async move |mut cx: Context<Option<Result<u32, &'static str>>>| {
            let mut n = 0;
            cx.attach(
                By(move || {
                    n += 1;
                    assert!(n < 3, "the camera is gone");
                    Poll::Ready(Some(Ok(n)))
                }),
                |item| item,
            );
            loop {
                notes.note(cx.recv_message().await);
            }
        });
        assert_eq!(ended(&node, &process).await.to_string(), "panic: the camera is gone");
        assert_eq!(heard.take(), [Some(Ok(1)), Some(Ok(2))]);
        let process = node.spawn(async |mut cx: Context<u32>| {
            cx.attach(Count::to(2).0, |item| item.expect("no end was foreseen"));
            loop {
                cx.recv_message().await;
            }
        });
        assert_eq!(ended(&node, &process).await.to_string(), "panic: no end was foreseen");
    });
}

#[test]
fn a_full_mailbox_takes_the_items_which_are_under_no_policy_but_their_window() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        let process = node
            .spawn_with(Policy::bounded(1), async move |mut cx: Context<Option<u32>>| {
                cx.attach_window(2, Count::to(5).0, |item| item);
                cx.sleep(5 * MS).await;
                loop {
                    notes.note(cx.recv_message().await);
                }
            })
            .unwrap();
        process.send(Some(77)).unwrap();
        pause(&node, 3 * MS).await;
        assert_eq!(process.depth(), 3);
        pause(&node, 6 * MS).await;
        assert_eq!(journal.take(), [Some(77), Some(1), Some(2), Some(3), Some(4), Some(5), None]);
        assert_eq!(process.stats().dropped_in_all(), 0);
    });
}

#[test]
fn a_stream_that_is_taken_back_brings_nothing_more_and_no_end() {
    seeds(async |node| {
        let (stream, polls) = Count::to(1_000);
        let (had, rest, ties, dropped, again) = inside(&node, async move |mut cx: Context<Option<u32>>| {
            let stream = cx.attach_window(4, stream, |item| item);
            cx.recv_message().await;
            // Two are left by a receive, and others wait in the queue.
            cx.recv_where(|item| *item == Some(999)).after(MS).await;
            cx.sleep(MS).await;
            let had = cx.detach(stream);
            let rest = cx.recv().after(10 * MS).await;
            let dropped = cx.addr().stats().dropped(Dropped::Timer);
            (had, rest.is_none(), own_ties(&cx), dropped, cx.detach(stream))
        })
        .await;
        assert_eq!((had, rest, ties, dropped, again), (true, true, Ties::default(), 4, false));
        assert_eq!(polls.len(), 5);
    });
}

#[test]
fn several_streams_have_a_window_each() {
    seeds(async |node| {
        let (one, other) = (Count::to(1_000), Count::to(1_000));
        let process = node.spawn(async move |mut cx: Context<Option<u32>>| {
            cx.attach_window(2, one.0, |item| item);
            cx.attach_window(3, other.0, |item| item);
            cx.sleep(Duration::from_secs(1)).await;
            Ok(())
        });
        pause(&node, 5 * MS).await;
        assert_eq!((one.1.len(), other.1.len(), process.depth()), (2, 3, 5));
        ended(&node, &process).await;
    });
}

#[test]
fn a_window_of_zero_is_a_mistake_that_says_what_to_do() {
    seeds(async |node| {
        let process = node.spawn(async |mut cx: Context<Option<u32>>| {
            cx.attach_window(0, Count::to(1).0, |item| item);
            Ok(())
        });
        assert!(ended(&node, &process).await.to_string().contains("give it at least one"));
    });
}

#[test]
fn the_same_seed_brings_the_same_run() {
    Sim::seed(11).strict(async |node: Node| {
        let beat = Beat(node.clone(), 0, None);
        let process = node.spawn(async move |mut cx: Context<Option<u32>>| {
            cx.attach(beat, |item| item);
            loop {
                cx.recv_message().await;
            }
        });
        pause(&node, 20 * MS).await;
        assert!(process.stats().received >= 15);
        process.kill();
        settle(&node).await;
    });
}

#[test]
fn on_real_threads_every_item_comes_once_and_in_order() {
    threads(async |node| {
        let (heard, ties) = inside(&node, async |mut cx: Context<Option<u32>>| {
            cx.attach(Count::to(20_000).0, |item| item);
            let mut heard = Vec::new();
            while let Some(n) = cx.recv_message().await {
                heard.push(n);
            }
            (heard, own_ties(&cx))
        })
        .await;
        assert_eq!((heard, ties), ((1..=20_000).collect(), Ties::default()));
    });
}
