//! Marks: receives that look at nothing older.

use crate::support::{Letter, inside, seeds, step_aside};
use freeboard_process::{Context, Event, Node, Sim, receive, tag_named};
use std::time::Duration;

fn letter(id: u64) -> Letter {
    Letter { id, tag: (id % 3) as u32, key: id }
}

// OTP: E8
#[test]
fn a_receive_since_a_mark_never_looks_at_what_was_queued_before() {
    Sim::seed(1).run(async |node: Node| {
        let (found, looks, first) = inside(&node, async |mut cx: Context<Letter>| {
            for id in 0..100_000 {
                cx.addr().cast(letter(id));
            }
            let mark = cx.marker();
            cx.addr().cast(letter(7));
            cx.addr().cast(letter(8));
            let found = [
                cx.recv_where(|letter| letter.id == 8).since(mark).await.id,
                cx.recv_where(|letter| letter.id == 7).since(mark).await.id,
            ];
            let looks = cx.inspected();
            (found, looks, cx.recv_message().await.id)
        })
        .await;
        // Two arrivals for the first, one that was left for the second.
        assert_eq!((found, looks, first), ([8, 7], 3, 0));
    });
}

// OTP: E8
#[test]
fn every_receive_form_leaves_what_is_older_than_its_mark() {
    seeds(async |node| {
        let (found, old) = inside(&node, async |mut cx: Context<Letter>| {
            let me = cx.addr();
            (0..30).for_each(|id| me.cast(letter(id)));
            let mark = cx.marker();
            (30..60).for_each(|id| me.cast(letter(id)));
            let answer = tag_named::<Letter>("Answer");
            let mut found = vec![
                cx.recv_message().since(mark).await.id,
                cx.recv_tag(answer).since(mark).await.id,
                cx.recv_key(answer, 40_u64).since(mark).await.id,
                cx.recv_where(|letter| letter.id % 7 == 0).since(mark).await.id,
            ];
            let event = cx.recv_event_where(|_| true).since(mark).await;
            found.extend(event.message().map(|letter| letter.id));
            assert!(cx.recv_key(answer, 4_u64).since(mark).after(Duration::ZERO).await.is_none());
            let mut old = Vec::new();
            cx.recv_many(&mut old, 30).await;
            (found, old.iter().map(|letter| letter.id).collect::<Vec<_>>())
        })
        .await;
        assert_eq!(found, [30, 31, 40, 35, 32]);
        assert_eq!(old, (0..30).collect::<Vec<_>>());
    });
}

// OTP: E8, E17
#[test]
fn a_priority_message_that_was_there_before_the_mark_is_older_whether_it_was_walked_or_not() {
    seeds(async |node| {
        let found = inside(&node, async |mut cx: Context<Letter>| {
            let alias = cx.priority_alias();
            alias.send_priority(letter(0)).unwrap();
            step_aside().await;
            alias.send_priority(letter(1)).unwrap();
            let mark = cx.marker();
            alias.send_priority(letter(2)).unwrap();
            let mut found = Vec::new();
            while let Some(letter) = cx.recv_message().since(mark).after(Duration::ZERO).await {
                found.push(letter.id);
            }
            found
        })
        .await;
        assert_eq!(found, [2]);
    });
}

// OTP: E9
#[test]
fn several_marks_and_nested_waits_keep_out_of_each_others_way() {
    seeds(async |node| {
        let (found, rest) = inside(&node, async |mut cx: Context<Letter>| {
            let me = cx.addr();
            let send = |ids: std::ops::Range<u64>| ids.for_each(|id| me.cast(letter(id)));
            send(0..10);
            let outer = cx.marker();
            send(10..20);
            let inner = cx.marker();
            step_aside().await;
            send(20..30);
            let odd = |letter: &Letter| letter.id % 2 == 1;
            let mut found = vec![
                cx.recv_where(odd).since(inner).await.id,
                cx.recv_where(odd).since(outer).await.id,
                cx.recv_where(odd).await.id,
            ];
            let innermost = cx.marker();
            assert!(cx.recv_where(odd).since(innermost).after(Duration::from_millis(1)).await.is_none());
            // Marks stay good while receives go on beside them.
            found.push(cx.recv_message().await.id);
            found.push(cx.recv_where(odd).since(inner).await.id);
            found.push(cx.recv_where(odd).since(outer).await.id);
            let mut rest = Vec::new();
            while let Some(letter) = cx.recv_message().after(Duration::ZERO).await {
                rest.push(letter.id);
            }
            (found, rest)
        })
        .await;
        assert_eq!(found, [21, 11, 1, 0, 23, 13]);
        let expected: Vec<_> = (0..30).filter(|id| !found.contains(id)).collect();
        assert_eq!(rest, expected);
    });
}

// OTP: E9
#[test]
fn a_panic_between_a_mark_and_its_receive_leaves_the_queue_as_it_was() {
    seeds(async |node| {
        let (found, rest) = inside(&node, async |mut cx: Context<Letter>| {
            let me = cx.addr();
            (0..3).for_each(|id| me.cast(letter(id)));
            let mark = cx.marker();
            (3..6).for_each(|id| me.cast(letter(id)));
            {
                let picky = |letter: &Letter| if letter.id == 4 { panic!("four") } else { false };
                let mut receive = std::pin::pin!(cx.recv_where(picky).since(mark));
                let caught = std::future::poll_fn(|task| {
                    let poll = std::panic::AssertUnwindSafe(|| receive.as_mut().poll(task).is_pending());
                    std::task::Poll::Ready(std::panic::catch_unwind(poll).is_err())
                })
                .await;
                assert!(caught);
            }
            let found = cx.recv_where(|_| true).since(mark).await.id;
            let mut rest = Vec::new();
            while let Some(letter) = cx.recv_message().after(Duration::ZERO).await {
                rest.push(letter.id);
            }
            (found, rest)
        })
        .await;
        assert_eq!((found, rest), (3, vec![0, 1, 2, 4, 5]));
    });
}

// OTP: E17, E8
#[test]
fn a_priority_message_that_lands_before_the_mark_is_found() {
    seeds(async |node| {
        let (found, looks) = inside(&node, async |mut cx: Context<u32>| {
            let (me, alias) = (cx.addr(), cx.priority_alias());
            (0..100).for_each(|n| me.cast(n));
            alias.send_priority(1_000).unwrap();
            // Left there by a receive, so the lane holds something that is older than the mark.
            assert!(cx.recv_where(|_| false).after(Duration::ZERO).await.is_none());
            let mark = cx.marker();
            let before = cx.inspected();
            me.cast(7);
            // It is put ahead of everything that was there before the mark.
            alias.send_priority(8).unwrap();
            let found = [
                cx.recv_where(|n| *n < 1_000 && *n != 7).since(mark).await,
                cx.recv_where(|n| *n < 100).since(mark).await,
            ];
            let looks = cx.inspected() - before;
            assert!(cx.recv_where(|_| true).since(mark).after(Duration::ZERO).await.is_none());
            (found, looks)
        })
        .await;
        assert_eq!(found, [8, 7]);
        assert!(looks <= 3, "{looks}");
    });
}

// OTP: E17
#[test]
fn what_was_walked_ahead_before_the_mark_is_older_than_it() {
    seeds(async |node| {
        let (found, old) = inside(&node, async |mut cx: Context<u32>| {
            let alias = cx.priority_alias();
            alias.send_priority(1).unwrap();
            // Walked by the task, not taken by any receive yet.
            step_aside().await;
            let mark = cx.marker();
            cx.addr().cast(2);
            (cx.recv_message().since(mark).await, cx.recv_message().await)
        })
        .await;
        assert_eq!((found, old), (2, 1));
    });
}

// OTP: E8, E2
#[test]
fn clauses_may_start_at_a_mark_too() {
    seeds(async |node| {
        let (first, second, oldest) = inside(&node, async |mut cx: Context<Letter>| {
            let me = cx.addr();
            (0..9).for_each(|id| me.cast(letter(id)));
            let mark = cx.marker();
            (9..18).for_each(|id| me.cast(letter(id)));
            let hints = || {
                let answer = tag_named::<Letter>("Answer");
                [freeboard_process::Hint::Tag(tag_named("Other")), freeboard_process::Hint::Key(answer, 13_u64.into())]
            };
            let is_message = |_: usize, event: &Event<Letter>| matches!(event, Event::Message(_));
            let (first, _) =
                cx.select(hints(), |clause, event| clause == 1 && is_message(clause, event)).since(mark).await;
            let (second, other) = cx.select(hints(), is_message).since(mark).await;
            let other = other.message().map(|letter| letter.id);
            (first, (second, other), cx.recv_message().await.id)
        })
        .await;
        assert_eq!((first, second, oldest), (1, (0, Some(11)), 0));
    });
}

/// What is asked for, and what is told; the key is a number.
#[derive(Debug)]
enum Voice {
    Data(u64),
}

impl freeboard_process::Message for Voice {
    const TAGS: &'static [&'static str] = &["Data"];

    fn tag(&self) -> freeboard_process::Tag<Self> {
        freeboard_process::Tag::new(0)
    }
}

// OTP: E2
#[test]
fn messages_through_an_alias_are_a_clause_of_one_receive() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<Voice>| {
            let (me, alias) = (cx.addr(), cx.alias());
            let name = alias.reference();
            me.cast(Voice::Data(1));
            alias.cast(Voice::Data(2));
            me.cast(Voice::Data(30));
            alias.cast(Voice::Data(4));
            let mut heard = Vec::new();
            for _ in 0..3 {
                heard.push(receive! { cx;
                    alias(name) as voice => {
                        let Voice::Data(n) = voice;
                        ("alias", n)
                    }
                    Voice::Data(n) if *n > 9 => ("guard", n);
                    after Duration::ZERO => ("late", 0)
                });
            }
            heard.push(receive! { cx; alias(name) as _ => ("alias", 0); after Duration::ZERO => ("late", 0) });
            heard
        })
        .await;
        assert_eq!(heard, [("alias", 2), ("guard", 30), ("alias", 4), ("late", 0)]);
    });
}
