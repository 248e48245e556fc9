//! A context that was moved to another task: its receives work there, and signals are still the process's own affair.

use crate::support::{Letter, ended, inside, mortal, oops, seeds, settle, threads, words};
use freeboard_process::{Addr, Context, Event, Node, tag_named};
use std::time::Duration;
use tokio::sync::oneshot;

/// A process that traps exits and gives its context away.
fn owner<M: Send + 'static>(node: &Node) -> (Addr<M>, oneshot::Receiver<Context<M>>) {
    let (lend, borrowed) = oneshot::channel();
    let owner = node.spawn(async move |mut cx: Context<M>| {
        cx.trap_exit(true);
        drop(lend.send(cx));
        std::future::pending().await
    });
    (owner, borrowed)
}

// OTP: E5, D10
#[test]
fn after_zero_in_another_task_looks_at_a_whole_flood_with_signals_in_it() {
    seeds(async |node| {
        let (owner, borrowed) = owner::<Letter>(&node);
        let flooded = owner.clone();
        let (found, order) = inside(&node, async move |_cx: Context<()>| {
            let mut cx = borrowed.await.unwrap();
            let alias = cx.alias();
            for id in 0..3_000 {
                let letter = Letter { id, tag: (id % 2) as u32, key: id };
                match id % 500 {
                    7 => alias.cast(letter),
                    8 => {
                        flooded.exit(oops("in the flood"));
                        flooded.cast(letter);
                    }
                    _ => flooded.cast(letter),
                }
            }
            let now = Duration::ZERO;
            let answer = tag_named::<Letter>("Answer");
            let exits = |event: &Event<Letter>| matches!(event, Event::Exit(_));
            let found = [
                cx.recv_where(|letter| letter.id == 2_998).after(now).await.is_some(),
                cx.recv_key(answer, 2_999_u64).after(now).await.is_some(),
                cx.recv_alias(alias.reference()).after(now).await.is_some_and(|letter| letter.id == 7),
                cx.recv_event_where(exits).after(now).await.is_some(),
                cx.recv_key(answer, 3_001_u64).after(now).await.is_none(),
            ];
            let (mut letters, mut exits) = (Vec::new(), 0);
            while let Some(event) = cx.recv().after(now).await {
                match event {
                    Event::Message(letter) => letters.push(letter.id),
                    _ => exits += 1,
                }
            }
            (found, letters.is_sorted() && (letters.len(), exits) == (2_997, 5))
        })
        .await;
        assert_eq!((found, order), ([true; 5], true));
        owner.kill();
        settle(&node).await;
    });
}

// OTP: D2, D3
#[test]
fn the_order_of_messages_and_signals_holds_in_another_task() {
    let world = async |node: Node, rounds: usize| {
        let (owner, borrowed) = owner::<&'static str>(&node);
        let target = owner.clone();
        let heard = inside(&node, async move |_cx: Context<()>| {
            let mut cx = borrowed.await.unwrap();
            let alias = cx.alias();
            let to = target.clone();
            let (sender, _monitor) = cx.spawn_monitor(async move |mut own: Context<()>| {
                own.recv_message().await;
                for _ in 0..rounds {
                    to.cast("one");
                    own.exit(&to, oops("two"));
                    alias.cast("three");
                }
                Ok(())
            });
            sender.cast(());
            let mut heard = Vec::new();
            for _ in 0..3 * rounds + 1 {
                heard.push(words(&cx.recv().await));
            }
            heard
        })
        .await;
        // The sender is a child of the owner, not its parent, so nothing of this goes ahead.
        let round = ["one", "EXIT error: two", "three"];
        assert_eq!(heard[..3 * rounds], round.repeat(rounds));
        assert_eq!(heard[3 * rounds], "DOWN normal");
        owner.kill();
        ended(&node, &owner).await;
    };
    seeds(async |node| world(node, 20).await);
    threads(async |node| {
        for _ in 0..20 {
            world(node.clone(), 200).await;
        }
    });
}

// OTP: E14, C15
#[test]
fn what_goes_ahead_and_what_is_refused_is_decided_by_the_process_whose_it_is() {
    seeds(async |node| {
        let (owner, borrowed) = owner::<&'static str>(&node);
        let heard = inside(&node, async move |_cx: Context<()>| {
            let mut cx = borrowed.await.unwrap();
            let (urgent, ended) = (cx.priority_alias(), cx.alias());
            cx.addr().cast("ordinary");
            ended.cast("refused");
            cx.unalias(ended.reference());
            urgent.send_priority("first").unwrap();
            let mut heard = Vec::new();
            while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                heard.push(words(&event));
            }
            heard
        })
        .await;
        assert_eq!(heard, ["first", "ordinary"]);
        assert_eq!(owner.depth(), 0);
        owner.kill();
        settle(&node).await;
    });
}

// OTP: D10, A8
#[test]
fn a_receive_in_another_task_ends_nothing_and_takes_nothing_once_its_process_is_gone() {
    seeds(async |node| {
        let (owner, borrowed) = owner::<&'static str>(&node);
        let target = mortal(&node);
        let (victim, watched) = (owner.clone(), target.clone());
        let heard = inside(&node, async move |mut own: Context<()>| {
            let mut cx = borrowed.await.unwrap();
            cx.monitor(&watched);
            watched.cast(oops("x"));
            let down = words(&cx.recv().await);
            victim.kill();
            let monitor = own.monitor(&victim);
            let mut receive = std::pin::pin!(cx.recv());
            let parked = std::future::poll_fn(|task| std::task::Poll::Ready(receive.as_mut().poll(task).is_pending()));
            let parked = parked.await;
            let reason = own.recv_down(monitor).await.reason.to_string();
            let inert = std::future::poll_fn(|task| std::task::Poll::Ready(receive.as_mut().poll(task).is_pending()));
            (down, parked, reason, inert.await)
        })
        .await;
        let reason = heard.2.as_str();
        assert!(reason == "killed" || reason == "no such process");
        assert_eq!((heard.0.as_str(), heard.1, heard.3), ("DOWN error: x", true, true));
        assert!(ended(&node, &owner).await.to_string() == "killed");
    });
}
