//! What one sender sends to one receiver arrives in that order, whatever it is.

use crate::support::{Journal, inside, oops, recorder, seeds, settle, step_aside, threads, words};
use freeboard_process::{Addr, Context, Event, Node, Reply};
use std::time::Duration;

/// A sender and its number, or the question for all that came.
type Numbered = Result<(usize, usize), Reply<Vec<Vec<usize>>>>;

/// `senders` processes send `each` numbers; answers what arrived, by sender.
async fn numbered(node: &Node, senders: usize, each: usize) -> Vec<Vec<usize>> {
    let sink = node.spawn(async move |mut cx: Context<Numbered>| {
        let mut seen = vec![Vec::new(); senders];
        for _ in 0..senders * each {
            match cx.recv_where(|message| message.is_ok()).await {
                Ok((sender, number)) => seen[sender].push(number),
                Err(_) => panic!("not wanted yet"),
            }
        }
        if let Err(reply) = cx.recv_message().await {
            reply.send(seen);
        }
        Ok(())
    });
    for sender in 0..senders {
        let sink = sink.clone();
        node.spawn(async move |_cx: Context<()>| {
            for number in 0..each {
                sink.cast(Ok((sender, number)));
                if number % 7 == sender {
                    step_aside().await;
                }
            }
            Ok(())
        });
    }
    sink.call(Err).forever().await.unwrap()
}

// OTP: D1, E1
#[test]
fn each_senders_messages_arrive_in_their_order() {
    let expected: Vec<usize> = (0..50).collect();
    seeds(async |node| {
        assert!(numbered(&node, 4, 50).await.iter().all(|seen| *seen == expected));
    });
    let expected: Vec<usize> = (0..20_000).collect();
    threads(async |node| {
        assert!(numbered(&node, 4, 20_000).await.iter().all(|seen| *seen == expected));
    });
}

/// A sender that is neither the receiver's parent nor linked to it: send, exit, send.
async fn send_exit_send(node: &Node, journal: &Journal<String>) {
    let trapper = recorder(node, journal);
    settle(node).await;
    let target = trapper.clone();
    inside(node, async move |mut cx: Context<()>| {
        for step in 0..3 {
            target.cast("before");
            cx.exit(&target, oops("x"));
            target.cast("after");
            if step == 1 {
                step_aside().await;
            }
        }
    })
    .await;
    settle(node).await;
}

// OTP: D2, B6
#[test]
fn an_exit_keeps_its_place_between_messages() {
    seeds(async |node| {
        let seen = Journal::new();
        send_exit_send(&node, &seen).await;
        let round = ["before", "EXIT error: x", "after"];
        assert_eq!(seen.take(), [round, round, round].concat());
    });
}

// OTP: D2, B4
#[test]
fn what_follows_a_fatal_exit_is_never_seen() {
    seeds(async |node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let plain = node.spawn(async move |mut cx: Context<&'static str>| {
            loop {
                journal.note(cx.recv_message().await);
            }
        });
        let target = plain.clone();
        inside(&node, async move |mut cx: Context<()>| {
            target.cast("before");
            step_aside().await;
            cx.exit(&target, oops("x"));
            target.cast("after");
        })
        .await;
        settle(&node).await;
        assert_eq!(plain.ended().unwrap().to_string(), "error: x");
        let seen = seen.take();
        assert!(seen.is_empty() || seen == ["before"], "{seen:?}");
    });
}

// OTP: D2
#[test]
fn links_monitors_and_messages_of_one_sender_keep_one_order() {
    seeds(async |node| {
        // The request to end stands behind the link and the monitor, so both hear the true reason; it stands ahead of the
        // demonitor and the unlink of the second pair, so those hear it as well or not at all, never `noproc`.
        let target = crate::support::mortal(&node);
        let heard = inside(&node, async move |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            cx.link(&target);
            cx.monitor(&target);
            target.cast(oops("x"));
            let second = cx.monitor(&target);
            cx.demonitor(second);
            let mut heard = Vec::new();
            while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                heard.push(words(&event));
            }
            heard.sort();
            heard
        })
        .await;
        assert_eq!(heard, ["DOWN error: x", "EXIT error: x"]);
    });
}

/// A child sends `count` messages to its watcher and ends; answers what the watcher received, in order.
async fn last_words(node: &Node, count: usize, fatal: bool) -> Vec<String> {
    inside(node, async move |mut cx: Context<&'static str>| {
        cx.trap_exit(true);
        let to = cx.addr();
        let talk = async move |mut child: Context<()>| {
            for n in 0..count {
                to.cast("word");
                if n % 100 == 17 {
                    step_aside().await;
                }
            }
            to.cast("last");
            drop(to);
            if fatal {
                child.recv_message().await;
            }
            Err(oops("x"))
        };
        let child: Addr<()> = cx.spawn_link(talk);
        let monitor = cx.monitor(&child);
        if fatal {
            while cx.recv_message().await != "last" {}
            child.cast(());
        }
        let mut heard = Vec::new();
        for _ in 0..if fatal { 2 } else { count + 3 } {
            heard.push(words(&cx.recv().await));
        }
        assert!(!cx.demonitor_flush(monitor));
        heard
    })
    .await
}

// OTP: D3
#[test]
fn last_messages_come_before_the_notices_of_the_death() {
    let check = |heard: Vec<String>, count: usize| {
        assert_eq!(heard.len(), count + 3);
        assert!(heard[..count].iter().all(|word| word == "word"));
        assert_eq!(heard[count], "last");
        let mut notices = heard[count + 1..].to_vec();
        notices.sort();
        assert_eq!(notices, ["DOWN error: x", "EXIT error: x"]);
    };
    seeds(async |node| check(last_words(&node, 20, false).await, 20));
    threads(async |node| {
        for _ in 0..20 {
            check(last_words(&node, 1000, false).await, 1000);
        }
    });
}

// OTP: D3
#[test]
fn after_the_last_message_only_the_notices_follow() {
    seeds(async |node| {
        let mut heard = last_words(&node, 20, true).await;
        heard.sort();
        assert_eq!(heard, ["DOWN error: x", "EXIT error: x"]);
    });
}

// OTP: D3, D1
#[test]
fn a_chain_of_deaths_keeps_each_pair_in_order_on_real_threads() {
    threads(async |node| {
        for _ in 0..50 {
            let seen = inside(&node, async |mut cx: Context<&'static str>| {
                let to = cx.addr();
                let (first, monitor) = cx.spawn_monitor(async move |mut child: Context<()>| {
                    to.cast("one");
                    child.recv_message().await;
                    to.cast("two");
                    Ok(())
                });
                first.cast(());
                let mut seen = Vec::new();
                loop {
                    let event = cx.recv().await;
                    let over = matches!(&event, Event::Down(down) if down.monitor == monitor);
                    seen.push(words(&event));
                    if over {
                        return seen;
                    }
                }
            })
            .await;
            assert_eq!(seen, ["one", "two", "DOWN normal"]);
        }
    });
}

// OTP: D11
#[test]
fn sending_never_waits_for_the_receiver() {
    seeds(async |node| {
        let slow = node.spawn(async |_cx: Context<u64>| std::future::pending().await);
        for n in 0..10_000 {
            slow.send(n).unwrap();
        }
        assert_eq!(slow.depth(), 10_000);
        slow.kill();
        settle(&node).await;
    });
}
