//! Aliases: what is accepted through them, and what becomes of what comes too late.

use crate::stepper::Stepper;
use crate::support::{Journal, Notes, ended, incarnate, inside, oops, rest, seeds, settle, step_aside, threads, why};
use freeboard_process::{
    Actor, Addr, Alias, AliasOptions, Context, Ended, Event, InitError, Launcher, Message, Node, Ref, Refused, Reply,
    Tag, run_actor,
};
use std::time::Duration;

// OTP: C15, D7
#[test]
fn when_an_alias_has_ended_what_was_not_accepted_vanishes_and_what_was_stays() {
    seeds(async |node| {
        let (ends, heard) = inside(&node, async |mut cx: Context<&'static str>| {
            let alias = cx.alias();
            let name = alias.reference();
            // Accepted when the task is polled; accepted by a receive that looks for something else.
            alias.cast("walked by the task");
            step_aside().await;
            alias.cast("passed by a receive");
            assert!(cx.recv_where(|_| false).after(Duration::ZERO).await.is_none());
            // Sent, and not accepted yet.
            alias.cast("on its way");
            let ends = [cx.unalias(name), cx.unalias(name)];
            alias.cast("after the end");
            (ends, rest(&mut cx).await)
        })
        .await;
        assert_eq!(ends, [true, false]);
        assert_eq!(heard, ["walked by the task", "passed by a receive"]);
    });
}

// OTP: C15, A12
#[test]
fn what_an_ended_alias_refuses_is_dropped_at_once_and_not_counted() {
    let (stepper, node) = Stepper::new();
    let (dropped, name, task) = (Journal::new(), Journal::new(), stepper.tasks());
    let journal = name.clone();
    let receiver = node.spawn(async move |mut cx: Context<Notes<u32>>| {
        let alias = cx.alias();
        cx.unalias(alias.reference());
        journal.note(alias);
        std::future::pending().await
    });
    stepper.settle();
    let alias = name.take().pop().unwrap();
    for n in 0..3 {
        assert!(alias.send(Notes(dropped.clone(), n)).is_ok());
    }
    receiver.cast(Notes(dropped.clone(), 9));
    assert_eq!((dropped.len(), receiver.depth()), (0, 4));
    stepper.poll(task);
    assert_eq!((dropped.take(), receiver.depth()), (vec![0, 1, 2], 1));
    stepper.finish();
}

// OTP: C15
#[test]
fn a_refused_message_that_panics_in_its_destructor_harms_nobody() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "the destructor of a refused message");
        }
    }
    seeds(async |node| {
        let more = inside(&node, async |mut cx: Context<Bomb>| {
            let alias = cx.alias();
            cx.unalias(alias.reference());
            alias.cast(Bomb(true));
            cx.addr().cast(Bomb(false));
            cx.recv_message().await.0
        })
        .await;
        assert!(!more);
    });
}

// OTP: F9, C15
#[test]
fn a_request_through_an_ended_alias_is_answered_at_once() {
    enum Ask {
        Alias(Reply<Alias<Ask>>),
        Nothing,
        Late(Reply<u32>),
    }
    seeds(async |node| {
        let server = node.spawn(async |mut cx: Context<Ask>| {
            let alias = cx.alias_once();
            let name = alias.reference();
            match cx.recv_message().await {
                Ask::Alias(reply) => reply.send(alias),
                Ask::Late(reply) => reply.send(0),
                Ask::Nothing => {}
            }
            cx.unalias(name);
            cx.sleep(Duration::from_secs(1_000)).await;
            Ok(())
        });
        let alias = server.call(Ask::Alias).await.unwrap();
        let late = server.request(|reply| {
            alias.cast(Ask::Late(reply));
            Ask::Nothing
        });
        assert_eq!(why(&late.await), "NoReply");
        assert!(server.ended().is_none());
        server.kill();
        settle(&node).await;
    });
}

// OTP: C16
#[test]
fn an_alias_for_one_message_delivers_exactly_one() {
    seeds(async |node| {
        let (heard, again) = inside(&node, async |mut cx: Context<&'static str>| {
            let alias = cx.alias_once();
            for senders in 0..4 {
                let alias = alias.clone();
                cx.node().spawn(async move |_cx: Context<()>| {
                    if senders > 1 {
                        step_aside().await;
                    }
                    (0..3).for_each(|_| alias.cast("answer"));
                    Ok(())
                });
            }
            (rest(&mut cx).await, cx.unalias(alias.reference()))
        })
        .await;
        assert_eq!((heard, again), (vec!["answer".to_owned()], false));
    });
}

// OTP: C16
#[test]
fn an_exit_signal_is_no_message_and_leaves_an_alias_for_one_message_in_force() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            let alias = cx.alias_with(AliasOptions::new().once());
            alias.exit(oops("x"));
            alias.cast("answer");
            alias.exit(oops("y"));
            rest(&mut cx).await
        })
        .await;
        assert_eq!(heard, ["EXIT error: x", "answer"]);
    });
}

// OTP: C15, B7
#[test]
fn an_exit_signal_acts_only_through_an_alias_in_force() {
    seeds(async |node| {
        let aliases = Journal::new();
        let journal = aliases.clone();
        let victim = node.spawn(async move |mut cx: Context<()>| {
            let (ended, holds) = (cx.alias(), cx.alias());
            cx.unalias(ended.reference());
            journal.note(ended);
            journal.note(holds);
            std::future::pending().await
        });
        settle(&node).await;
        let (holds, over) = (aliases.take(), victim.clone());
        holds[0].exit(oops("refused"));
        settle(&node).await;
        assert!(victim.ended().is_none());
        holds[1].exit(oops("accepted"));
        assert_eq!(ended(&node, &over).await.to_string(), "error: accepted");
    });
}

/// Sends numbers by address and by alias in turn, and ends; answers what arrived, and what came after the numbers.
async fn by_both_names(node: &Node, count: usize) -> (Vec<usize>, Vec<String>) {
    inside(node, async move |mut cx: Context<usize>| {
        let (addr, alias, second) = (cx.addr(), cx.alias(), cx.alias());
        let (sender, monitor) = cx.spawn_monitor(async move |_cx: Context<()>| {
            for n in 0..count {
                match n % 4 {
                    0 | 2 => addr.cast(n),
                    1 => alias.cast(n),
                    _ => second.cast(n),
                }
                if n % 7 == 3 {
                    step_aside().await;
                }
            }
            Err(oops("x"))
        });
        let (mut numbers, mut after) = (Vec::new(), Vec::new());
        while let Some(event) = cx.recv().after(Duration::from_secs(if after.is_empty() { 60 } else { 0 })).await {
            match event {
                Event::Message(n) if after.is_empty() => numbers.push(n),
                Event::Down(down) => {
                    assert_eq!(down.monitor, monitor);
                    after.push(down.reason.to_string());
                }
                other => after.push(format!("{other:?}")),
            }
        }
        drop(sender);
        (numbers, after)
    })
    .await
}

// OTP: D4, D3
#[test]
fn one_senders_messages_by_address_and_by_alias_keep_one_order_with_the_down_last() {
    seeds(async |node| {
        let (numbers, after) = by_both_names(&node, 40).await;
        assert_eq!((numbers, after), ((0..40).collect(), vec!["error: x".to_owned()]));
    });
    threads(async |node| {
        for _ in 0..20 {
            let (numbers, after) = by_both_names(&node, 2_000).await;
            assert_eq!((numbers, after), ((0..2_000).collect(), vec!["error: x".to_owned()]));
        }
    });
}

// OTP: C15, D7, D1
#[test]
fn nothing_comes_through_an_alias_after_unalias_whatever_the_sender_does_meanwhile() {
    let race = async |node: Node| {
        let (before, after) = inside(&node, async |mut cx: Context<Option<u32>>| {
            let (addr, alias) = (cx.addr(), cx.alias());
            cx.node().spawn({
                let alias = alias.clone();
                async move |_cx: Context<()>| {
                    for n in 0..400 {
                        alias.cast(Some(n));
                        if n % 50 == 49 {
                            step_aside().await;
                        }
                    }
                    addr.cast(None);
                    Ok(())
                }
            });
            let mut before = Vec::new();
            for _ in 0..5 {
                before.extend(cx.recv_message().await);
            }
            cx.unalias(alias.reference());
            // What was accepted by now, and nothing else.
            while let Some(Some(n)) = cx.recv_where(|n| n.is_some()).after(Duration::ZERO).await {
                before.push(n);
            }
            cx.recv_where(|n| n.is_none()).await;
            let after = cx.recv_message().after(Duration::ZERO).await;
            (before, after)
        })
        .await;
        assert_eq!(after, None);
        assert_eq!(before, (0..before.len() as u32).collect::<Vec<_>>());
    };
    seeds(race);
    threads(async |node| {
        for _ in 0..50 {
            race(node.clone()).await;
        }
    });
}

// OTP: A12, C15
#[test]
fn the_alias_of_a_dead_process_gives_the_message_back_and_its_cast_drops_it_at_once() {
    seeds(async |node| {
        let aliases = Journal::new();
        let journal = aliases.clone();
        let process = node.spawn(async move |mut cx: Context<Notes<u32>>| {
            journal.note(cx.alias());
            Err(oops("over"))
        });
        ended(&node, &process).await;
        let alias = aliases.take().pop().unwrap();
        let dropped = Journal::new();
        let refused = alias.send(Notes(dropped.clone(), 1)).unwrap_err();
        assert!(matches!(&refused.why, Refused::Closed(reason) if reason.to_string() == "error: over"));
        assert_eq!(dropped.len(), 0);
        drop(refused.message);
        alias.cast(Notes(dropped.clone(), 2));
        drop(alias.send_priority(Notes(dropped.clone(), 3)));
        assert_eq!(dropped.take(), [1, 2, 3]);
        alias.exit(oops("nobody"));
    });
}

// OTP: A11, C15
#[test]
fn an_alias_does_not_reach_the_next_incarnation() {
    seeds(async |node| {
        let (seen, aliases) = (Journal::new(), Journal::new());
        let (journal, names) = (seen.clone(), aliases.clone());
        let launcher = Launcher::new(move |mut cx: Context<&'static str>| {
            let (journal, names) = (journal.clone(), names.clone());
            Box::pin(async move {
                names.note(cx.alias());
                loop {
                    journal.note(cx.recv_message().await);
                }
            })
        });
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        settle(&node).await;
        addr.kill();
        settle(&node).await;
        let first = aliases.take().pop().unwrap();
        // While nobody lives there, and when the next one does.
        let vacant = first.send("to nobody").unwrap_err();
        assert_eq!(vacant.to_string(), first_refusal("no such process"));
        incarnate(&node, &launcher);
        settle(&node).await;
        assert_eq!(first.send("to the first").unwrap_err().message, "to the first");
        first.exit(oops("for the first"));
        aliases.take().pop().unwrap().cast("to the second");
        settle(&node).await;
        assert_eq!(seen.take(), ["to the second"]);
        assert!(addr.pid().is_some());
        addr.kill();
        settle(&node).await;
    });
}

fn first_refusal(reason: &str) -> String {
    format!("message refused: the process has ended for good ({reason}); drop this address and ask for a new one")
}

// OTP: C15, C10
#[test]
fn nobody_but_its_maker_can_end_an_alias() {
    seeds(async |node| {
        let names = Journal::<(Ref, Alias<&'static str>)>::new();
        let journal = names.clone();
        let maker = node.spawn(async move |mut cx: Context<&'static str>| {
            let alias = cx.alias();
            journal.note((alias.reference(), alias));
            let got = cx.recv_message().await;
            Err(oops(got))
        });
        settle(&node).await;
        let (name, alias) = names.take().pop().unwrap();
        let ends = inside(&node, async move |mut cx: Context<()>| {
            cx.alias();
            cx.unalias(name)
        })
        .await;
        alias.cast("received");
        assert!(!ends);
        assert_eq!(ended(&node, &maker).await.to_string(), "error: received");
    });
}

/// A message that is a number, with its parity as tag.
struct Number(u32);

impl Message for Number {
    const TAGS: &'static [&'static str] = &["Even", "Odd"];

    fn tag(&self) -> Tag<Self> {
        Tag::new(self.0 % 2)
    }
}

// OTP: E2, E3
#[test]
fn a_receive_by_alias_takes_what_came_through_it_oldest_first_behind_any_backlog() {
    seeds(async |node| {
        let (picked, rest) = inside(&node, async |mut cx: Context<Number>| {
            let (me, one, other): (Addr<Number>, _, _) = (cx.addr(), cx.alias(), cx.alias());
            for n in 0..300 {
                me.cast(Number(n));
            }
            (300..303).for_each(|n| other.cast(Number(n)));
            (303..306).for_each(|n| one.cast(Number(n)));
            me.cast(Number(306));
            let mut picked = Vec::new();
            picked.push(cx.recv_alias(one.reference()).await.0);
            // It was accepted; that the alias has ended does not matter any more.
            cx.unalias(one.reference());
            picked.push(cx.recv_alias(other.reference()).await.0);
            // Others may take them in the meantime.
            assert_eq!(cx.recv_where(|n| n.0 == 304).await.0, 304);
            picked.push(cx.recv_alias(one.reference()).await.0);
            assert!(cx.recv_alias(one.reference()).after(Duration::ZERO).await.is_none());
            picked.push(cx.recv_tag(freeboard_process::tag_named("Odd")).await.0);
            other.cast(Number(307));
            let mut others = Vec::new();
            while let Some(n) = cx.recv_alias(other.reference()).after(Duration::ZERO).await {
                others.push(n.0);
            }
            picked.extend(others);
            let mut rest = Vec::new();
            cx.recv_many(&mut rest, 1_000).await;
            (picked, rest.len())
        })
        .await;
        assert_eq!(picked, [303, 300, 305, 1, 301, 302, 307]);
        assert_eq!(rest, 300);
    });
}

// OTP: E8
#[test]
fn a_receive_by_alias_looks_at_arrivals_only() {
    seeds(async |node| {
        let looks = inside(&node, async |mut cx: Context<u32>| {
            let me = cx.addr();
            (0..1_000).for_each(|n| me.cast(n));
            assert!(cx.recv_where(|_| false).after(Duration::ZERO).await.is_none());
            let alias = cx.alias();
            let before = cx.inspected();
            let mut looks = Vec::new();
            for n in 0..3 {
                alias.cast(n);
                cx.recv_alias(alias.reference()).await;
                looks.push(cx.inspected() - before);
            }
            looks
        })
        .await;
        assert_eq!(looks, [1, 2, 3]);
    });
}

// OTP: C15, F16
#[test]
fn a_request_through_an_ended_alias_does_not_wait_for_the_handler_that_runs() {
    /// Ends an alias, gives it away, and is busy for an hour.
    struct Busy;
    enum Job {
        Begin(Reply<Alias<Job>>),
        Ask(Reply<()>),
    }
    impl Actor for Busy {
        type Msg = Job;
        type Args = ();

        async fn init((): (), _: &mut Context<Job>) -> Result<Self, InitError> {
            Ok(Self)
        }

        async fn handle(&mut self, job: Job, cx: &mut Context<Job>) -> Ended {
            match job {
                Job::Begin(reply) => {
                    let alias = cx.alias();
                    cx.unalias(alias.reference());
                    reply.send(alias);
                    cx.sleep(Duration::from_secs(3600)).await;
                }
                Job::Ask(reply) => reply.send(()),
            }
            Ok(())
        }
    }
    seeds(async |node| {
        let busy = node.spawn(|cx| run_actor::<Busy>(|| (), cx));
        let alias = busy.call(Job::Begin).await.unwrap();
        let start = node.now();
        let forward = node.spawn(async move |mut cx: Context<Reply<()>>| {
            alias.cast(Job::Ask(cx.recv_message().await));
            Ok(())
        });
        assert_eq!(why(&forward.call(|reply| reply).await), "NoReply");
        assert_eq!(node.now(), start);
        busy.kill();
        settle(&node).await;
    });
}
