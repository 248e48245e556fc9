//! What one sender sends to one receiver arrives in that order, whatever it is.

use crate::support::{Journal, inside, oops, recorder, seeds, settle, step_aside, threads, words};
use freeboard_process::{Addr, Alias, Context, Event, ExitReason, Node, Pid, Reply};
use std::{collections::BTreeMap, time::Duration};

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

// OTP: D4, D3
#[test]
fn address_name_and_alias_are_one_way_and_the_notice_comes_last() {
    const ROUNDS: usize = 40;
    async fn talk(node: &Node) -> Vec<String> {
        inside(node, async |mut cx: Context<usize>| {
            cx.node().register("listener", &cx.addr()).unwrap();
            let (addr, alias) = (cx.addr(), cx.alias());
            let name = cx.node().named("listener");
            let (talker, monitor) = cx.spawn_monitor(async move |_cx: Context<()>| {
                for n in 0..ROUNDS {
                    match n % 3 {
                        0 => addr.send(n).unwrap(),
                        1 => name.send(n).unwrap(),
                        _ => alias.send(n).unwrap(),
                    }
                    if n % 7 == 5 {
                        step_aside().await;
                    }
                }
                Err(oops("over"))
            });
            let mut heard = Vec::new();
            loop {
                match cx.recv().await {
                    Event::Message(n) => heard.push(n.to_string()),
                    Event::Down(down) if down.monitor == monitor => {
                        heard.push(down.reason.to_string());
                        break;
                    }
                    other => heard.push(format!("{other:?}")),
                }
            }
            assert!(talker.pid().is_none() && cx.recv().after(Duration::ZERO).await.is_none());
            heard
        })
        .await
    }
    let expected: Vec<String> = (0..ROUNDS).map(|n| n.to_string()).chain(["error: over".to_owned()]).collect();
    seeds(async |node| assert_eq!(talk(&node).await, expected));
    threads(async |node| {
        for _ in 0..100 {
            assert_eq!(talk(&node).await, expected);
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

/// The n-th message of a sender, as it is or as a request.
enum Nth {
    Plain(usize, usize),
    Asked(usize, usize, #[expect(dead_code, reason = "its drop answers")] Reply<()>),
}

/// The name of whom all send to.
const SINK: &str = "sink";

/// Sends the n-th entry of this sender in one of the ways there are, each time in another one.
fn send_nth(cx: &mut Context<()>, to: &Addr<Nth>, aliases: &[Alias<Nth>; 2], sender: usize, n: usize) {
    let pid = to.pid().unwrap();
    let numbered = || ExitReason::ShutdownWith(n.to_string().into());
    match (n + sender) % 11 {
        0 => to.send(Nth::Plain(sender, n)).unwrap(),
        1 => to.downgrade().cast(Nth::Plain(sender, n)),
        2 => aliases[0].cast(Nth::Plain(sender, n)),
        // Its sender does not ask for it to go ahead.
        3 => aliases[1].send(Nth::Plain(sender, n)).unwrap(),
        4 => to.try_reserve().unwrap().send(Nth::Plain(sender, n)).unwrap(),
        5 => {
            // Somebody waits for it, or it would be given up and not received (deviation DEV-03).
            let asked = to.request(|reply| Nth::Asked(sender, n, reply));
            cx.node().spawn(async move |_cx: Context<()>| {
                let _no_reply = asked.await;
                Ok(())
            });
        }
        6 => cx.exit(&pid, numbered()),
        7 => cx.exit(to, numbered()),
        8 => aliases[n % 2].exit(numbered()),
        9 => cx.node().named(SINK).cast(Nth::Plain(sender, n)),
        _ => cx.node().exit(pid, numbered()),
    }
}

/// `senders` children send `each` entries in every way there is; answers, by sender, the numbers that their parent received,
/// and `each` once more for the notice of the end.
async fn in_every_way(node: &Node, senders: usize, each: usize) -> Vec<Vec<usize>> {
    inside(node, async move |mut cx: Context<Nth>| {
        cx.trap_exit(true);
        cx.node().register(SINK, &cx.addr()).unwrap();
        let aliases = [cx.alias(), cx.priority_alias()];
        let (mut by_pid, mut seen) = (BTreeMap::<Pid, usize>::new(), vec![Vec::new(); senders]);
        for sender in 0..senders {
            let (to, aliases) = (cx.addr(), aliases.clone());
            let (child, _monitor) = cx.spawn_monitor(async move |mut cx: Context<()>| {
                for n in 0..each {
                    send_nth(&mut cx, &to, &aliases, sender, n);
                    if n % 7 == sender {
                        step_aside().await;
                    }
                }
                Ok(())
            });
            by_pid.insert(child.pid().unwrap(), sender);
        }
        let mut ended = 0;
        while ended < senders {
            match cx.recv().await {
                Event::Message(Nth::Plain(sender, n) | Nth::Asked(sender, n, _)) => seen[sender].push(n),
                Event::Exit(exit) => match exit.reason {
                    ExitReason::ShutdownWith(n) => seen[by_pid[&exit.from]].push(n.parse().unwrap()),
                    other => panic!("{other}"),
                },
                Event::Down(down) => {
                    ended += 1;
                    seen[by_pid[&down.pid]].push(each);
                }
                other => panic!("not sent: {:?}", words_of(&other)),
            }
        }
        seen
    })
    .await
}

fn words_of(event: &Event<Nth>) -> &'static str {
    match event {
        Event::Downs(_) => "notices at once",
        _ => "something else",
    }
}

// OTP: D1, D2, D4
#[test]
fn every_way_to_address_a_process_keeps_the_order_of_each_sender_and_its_end_comes_last() {
    let expected: Vec<usize> = (0..=60).collect();
    seeds(async |node| {
        let seen = in_every_way(&node, 6, 60).await;
        assert!(seen.iter().all(|seen| *seen == expected), "{seen:?}");
    });
    let expected: Vec<usize> = (0..=5_000).collect();
    threads(async |node| {
        let seen = in_every_way(&node, 4, 5_000).await;
        assert!(seen.iter().all(|seen| *seen == expected));
    });
}

// OTP: D5
#[test]
fn between_two_senders_the_seed_decides_even_if_one_has_caused_the_other() {
    let orders = Journal::new();
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<&'static str>| {
            let (to, also_to) = (cx.addr(), cx.addr());
            let third = cx.node().spawn(async move |mut cx: Context<()>| {
                cx.recv_message().await;
                to.cast("effect");
                Ok(())
            });
            cx.node().spawn(async move |_cx: Context<()>| {
                third.cast(());
                step_aside().await;
                also_to.cast("cause");
                Ok(())
            });
            [cx.recv_message().await, cx.recv_message().await]
        })
        .await;
        orders.note(heard);
    });
    let orders = orders.take();
    for order in [["cause", "effect"], ["effect", "cause"]] {
        assert!(orders.contains(&order), "{order:?} comes about");
    }
}
