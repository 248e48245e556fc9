//! Several clauses at once: `Context::select`, `receive!`, and receives in batches.

use crate::stepper::Stepper;
use crate::support::{Dice, Journal, ended, idler, inside, oops, seeds, settle, step_aside};
use freeboard_process::{
    Addr, AsKey, Context, Ended, Event, Hint, Key, Message, Node, Pid, Reply, Sim, Tag, receive, tag_named,
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Voice {
    Ack { id: u64, who: String },
    Data(String),
    Level(u64, i8),
    Stop,
}

impl Message for Voice {
    const TAGS: &'static [&'static str] = &["Ack", "Data", "Level", "Stop"];

    fn tag(&self) -> Tag<Self> {
        Tag::new(match self {
            Self::Ack { .. } => 0,
            Self::Data(_) => 1,
            Self::Level(..) => 2,
            Self::Stop => 3,
        })
    }

    fn key(&self) -> Option<Key<'_>> {
        match self {
            Self::Ack { id, .. } | Self::Level(id, _) => Some(id.as_key()),
            Self::Data(text) => Some(text.as_key()),
            Self::Stop => None,
        }
    }
}

fn ack(id: u64) -> Voice {
    Voice::Ack { id, who: format!("w{id}") }
}

fn data(text: &str) -> Voice {
    Voice::Data(text.to_owned())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Plain receives until nothing is left.
async fn rest<M: Send + 'static>(cx: &mut Context<M>) -> Vec<M> {
    let mut rest = Vec::new();
    while let Some(message) = cx.recv_message().after(Duration::ZERO).await {
        rest.push(message);
    }
    rest
}

// OTP: E2, E3
#[test]
fn the_oldest_match_of_any_clause_is_taken_whatever_the_order_of_the_clauses() {
    seeds(async |node| {
        let (got, rest) = inside(&node, async |mut cx: Context<Voice>| {
            for message in [data("ab"), ack(1), Voice::Stop, data("long"), ack(7), Voice::Level(1, -3), data("longer")]
            {
                cx.addr().cast(message);
            }
            let wanted = 7_u64;
            let mut got = Vec::new();
            for _ in 0..4 {
                got.push(receive! { cx;
                    Voice::Ack { who, .. } [wanted] => who,
                    Voice::Level(_, level) if *level < 0 => level.to_string(),
                    Voice::Data(text) if text.len() > 3 => text,
                    Voice::Stop => "stop".to_owned(),
                });
            }
            (got, rest(&mut cx).await)
        })
        .await;
        assert_eq!(got, ["stop", "long", "w7", "-3"]);
        assert_eq!(rest, [data("ab"), ack(1), data("longer")]);
    });
}

// OTP: E2
#[test]
fn the_first_of_the_clauses_that_match_one_message_has_it() {
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<Voice>| {
            let me = cx.addr();
            let mut got = Vec::new();
            // Once from the buffer, and once more from the index, where the second receive has left them.
            for _ in 0..2 {
                [ack(1), ack(2), ack(3)].into_iter().for_each(|message| me.cast(message));
                if !got.is_empty() {
                    assert!(cx.recv_key(tag_named("Ack"), 9_u64).after(Duration::ZERO).await.is_none());
                }
                for _ in 0..3 {
                    got.push(receive! { cx;
                        Voice::Ack { id, .. } if *id == 2 => (0, id),
                        Voice::Ack { id, .. } [3_u64] => (1, id),
                        Voice::Ack { id, .. } => (2, id),
                        Voice::Ack { id, .. } [1_u64] => (3, id),
                    });
                }
            }
            got
        })
        .await;
        assert_eq!(got, [(2, 1), (0, 2), (1, 3), (2, 1), (0, 2), (1, 3)]);
    });
}

/// What the receive in the test below takes, told by a scan of a plain list.
fn expected(queue: &mut Vec<Voice>, key: u64, level: i8) -> Option<(usize, Voice)> {
    let clause = |message: &Voice| match message {
        Voice::Ack { id, .. } if *id == key => Some(0),
        Voice::Level(id, its) if *id == key && *its >= level => Some(1),
        Voice::Data(text) if text.len() == key as usize => Some(2),
        _ => None,
    };
    let (place, clause) = queue.iter().enumerate().find_map(|(place, message)| Some((place, clause(message)?)))?;
    Some((clause, queue.remove(place)))
}

// OTP: E2, E3, E5
#[test]
fn many_receives_in_a_row_answer_as_scans_of_a_list_would() {
    let seed = Cell::new(0);
    seeds(async |node| {
        seed.set(seed.get() + 1);
        let mut dice = Dice(seed.get());
        inside(&node, async move |mut cx: Context<Voice>| {
            let mut queue = Vec::new();
            for _ in 0..120 {
                for _ in 0..dice.below(4) {
                    let n = dice.below(4) as u64;
                    let message = match dice.below(4) {
                        0 => ack(n),
                        1 => Voice::Level(n, dice.below(5) as i8),
                        2 => data(&"x".repeat(n as usize)),
                        _ => Voice::Stop,
                    };
                    cx.addr().cast(message.clone());
                    queue.push(message);
                }
                let (key, level) = (dice.below(4) as u64, dice.below(5) as i8);
                let got = receive! { cx;
                    Voice::Ack { id, who } [key] => Some((0, Voice::Ack { id, who })),
                    Voice::Level(id, its) [key] if *its >= level => Some((1, Voice::Level(id, its))),
                    Voice::Data(text) if text.len() == key as usize => Some((2, Voice::Data(text)));
                    after Duration::ZERO => None
                };
                assert_eq!(got, expected(&mut queue, key, level));
                if dice.below(5) == 0 && !queue.is_empty() {
                    assert_eq!(cx.recv_message().await, queue.remove(0));
                }
            }
            assert_eq!(rest(&mut cx).await, queue);
        })
        .await;
    });
}

// OTP: E1, E2
#[test]
fn notices_are_clauses_beside_messages() {
    seeds(async |node| {
        let (target, other) = (idler(&node), idler(&node));
        let (seen, left) = inside(&node, async move |mut cx: Context<Voice>| {
            cx.trap_exit(true);
            let (me, pid) = (cx.addr(), other.pid().unwrap());
            let (first, second, third) = (cx.monitor(&target), cx.monitor(&target), cx.monitor(&other));
            cx.link(&other);
            me.cast(data("a"));
            target.kill();
            cx.recv_down(second).await;
            me.cast(Voice::Stop);
            // Links are told before monitors.
            other.exit(oops("x"));
            cx.recv_down(third).await;
            me.cast(ack(1));
            let mut seen = Vec::new();
            for _ in 0..5 {
                seen.push(receive! { cx;
                    Voice::Ack { who, .. } [1_u64] => who,
                    exit(pid) as exit => format!("EXIT {}", exit.reason),
                    Voice::Stop => "stop".to_owned(),
                    down(first) as freeboard_process::Down { reason, .. } => format!("DOWN {reason}"),
                    down(third) as _ => unreachable!("it was received");
                    after ms(1) => "late".to_owned()
                });
            }
            (seen, rest(&mut cx).await)
        })
        .await;
        assert_eq!(seen, ["DOWN killed", "stop", "EXIT error: x", "w1", "late"]);
        assert_eq!(left, [data("a")]);
    });
}

/// How a body can leave the receive it belongs to.
async fn leaves(cx: &mut Context<Voice>, journal: &Journal<String>) -> Ended {
    let helper = cx.node().spawn(async |mut cx: Context<Reply<u64>>| {
        loop {
            cx.recv_message().await.send(40);
        }
    });
    let mut rounds = 0;
    let last = loop {
        rounds += 1;
        let text = receive! { cx;
            Voice::Data(text) if text == "skip" => continue,
            Voice::Data(text) => {
                if text == "break" {
                    break rounds;
                }
                text
            }
            Voice::Level(n, _) => {
                let answer = helper.call(|reply| reply).await?;
                (answer + n).to_string()
            },
            Voice::Ack { id, .. } => return Err(oops(if id == 1 { "returned" } else { "?" }))
        };
        journal.note(text);
    };
    journal.note(format!("left in round {last}"));
    let number: u64 = receive! { cx; Voice::Data(text) => text.parse()?, Voice::Stop => unreachable!("not sent") };
    journal.note(format!("{number}"));
    Ok(())
}

#[test]
fn bodies_stand_where_the_receive_stands() {
    seeds(async |node| {
        let run = async |messages: &[Voice]| {
            let journal = Journal::new();
            let noted = journal.clone();
            let process = node.spawn(async move |mut cx: Context<Voice>| leaves(&mut cx, &noted).await);
            messages.iter().for_each(|message| process.cast(message.clone()));
            let reason = ended(&node, &process).await.to_string();
            (journal.take(), reason)
        };
        let (noted, reason) = run(&[data("skip"), data("a"), Voice::Level(2, 0), data("break"), data("7")]).await;
        assert_eq!((noted.join(" "), reason.as_str()), ("a 42 left in round 4 7".to_owned(), "normal"));
        let (noted, reason) = run(&[data("skip"), ack(1)]).await;
        assert_eq!((noted.len(), reason.as_str()), (0, "error: returned"));
        let (noted, reason) = run(&[data("break"), data("no number")]).await;
        assert_eq!(
            (noted.join(" "), reason.as_str()),
            ("left in round 1".to_owned(), "error: invalid digit found in string")
        );
    });
}

// OTP: E4
#[test]
fn what_no_clause_wants_does_not_restart_the_clock() {
    seeds(async |node| {
        let (late, waited, left) = inside(&node, async |mut cx: Context<Voice>| {
            for n in 1..=30 {
                cx.send_after(ms(10 * n), if n % 2 == 0 { ack(1) } else { data("no") });
            }
            let start = cx.now();
            let late = receive! { cx;
                Voice::Ack { .. } [2_u64] => false,
                Voice::Data(text) if text == "yes" => false,
                Voice::Stop => false;
                after ms(105) => true
            };
            let waited = cx.now() - start;
            (late, waited, rest(&mut cx).await.len())
        })
        .await;
        assert_eq!((late, waited, left), (true, ms(105), 10));
    });
}

// OTP: E5
#[test]
fn after_zero_looks_at_the_whole_queue_first_through_every_clause() {
    for guarded_last in [false, true] {
        Sim::seed(5).run(async |node: Node| {
            let got = inside(&node, async move |mut cx: Context<Voice>| {
                // Farther than a receive looks in one turn, so that it has to give way in between.
                for _ in 0..20_000 {
                    cx.addr().cast(data("no"));
                }
                cx.addr().cast(if guarded_last { data("yes") } else { ack(9) });
                let start = cx.now();
                let mut got = Vec::new();
                for _ in 0..2 {
                    got.push(receive! { cx;
                        Voice::Ack { id, .. } [9_u64] => id,
                        Voice::Data(text) if text == "yes" => 10,
                        Voice::Stop => 11;
                        after Duration::ZERO => 0
                    });
                }
                assert_eq!(cx.now(), start);
                got
            })
            .await;
            assert_eq!(got, [if guarded_last { 10 } else { 9 }, 0]);
        });
    }
}

// OTP: E5
#[test]
fn a_match_beats_the_limit_even_after_it() {
    let (stepper, node) = Stepper::new();
    let seen = Journal::new();
    let journal = seen.clone();
    let task = stepper.tasks();
    let receiver = node.spawn(async move |mut cx: Context<Voice>| {
        for _ in 0..2 {
            journal.note(receive! { cx; Voice::Data(_) => "data", Voice::Stop => "stop"; after ms(10) => "late" });
        }
        Ok(())
    });
    stepper.settle();
    stepper.pass(ms(50));
    receiver.cast(Voice::Stop);
    stepper.poll(task);
    assert_eq!(seen.take(), ["stop"]);
    stepper.pass(ms(50));
    stepper.poll(task);
    assert_eq!(seen.take(), ["late"]);
    stepper.finish();
}

// OTP: E3
#[test]
fn a_dropped_receive_with_clauses_has_taken_nothing() {
    seeds(async |node| {
        let (pending, left) = inside(&node, async |mut cx: Context<Voice>| {
            // More than one turn's looks, so that some of the drops come in the middle of a search.
            for n in 0..6_000 {
                cx.addr().cast(if n % 2 == 0 { ack(n) } else { data("no") });
            }
            let mut pending = 0;
            for polls in 0..4 {
                {
                    let mut waits = pin!(async {
                        receive! { cx;
                            Voice::Ack { id, .. } [1_u64] => id,
                            Voice::Data(text) if text == "yes" => 0,
                            Voice::Stop => 1;
                            after ms(1_000_000) => 2
                        }
                    });
                    for _ in 0..polls {
                        let poll = poll_fn(|task| Poll::Ready(waits.as_mut().poll(task))).await;
                        pending += usize::from(poll.is_pending());
                    }
                }
                step_aside().await;
            }
            (pending, rest(&mut cx).await)
        })
        .await;
        assert_eq!(pending, 6);
        let sent = (0..6_000).map(|n| if n % 2 == 0 { ack(n) } else { data("no") });
        assert!(left.into_iter().eq(sent));
    });
}

// OTP: E8
#[test]
fn three_clauses_behind_a_hundred_thousand_look_at_one_message_once_they_are_warm() {
    Sim::seed(1).run(async |node: Node| {
        let (cold, warm) = inside(&node, async |mut cx: Context<Voice>| {
            for n in 0..100_000 {
                cx.addr().cast(Voice::Level(n, 0));
            }
            let mut looks = Vec::new();
            for n in 0..6_u64 {
                let before = cx.inspected();
                cx.addr().cast(if n % 2 == 0 { ack(n) } else { Voice::Stop });
                receive! { cx;
                    Voice::Ack { id, .. } [n] => assert_eq!(id, n),
                    Voice::Data(text) if text.is_empty() => unreachable!("not sent"),
                    Voice::Stop => (),
                }
                looks.push(cx.inspected() - before);
            }
            (looks.remove(0), looks)
        })
        .await;
        assert_eq!((cold, warm), (100_001, vec![1; 5]));
    });
}

// OTP: E2
#[test]
fn a_receive_by_clauses_can_be_written_without_the_macro() {
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<Voice>| {
            [data("a"), Voice::Stop, ack(4), data("b")].into_iter().for_each(|message| cx.addr().cast(message));
            let mut got = Vec::new();
            for _ in 0..3 {
                let hints = [Hint::Key(tag_named("Ack"), Key::Int(4)), Hint::Tag(tag_named("Data"))];
                let not_a = |clause, event: &Event<Voice>| match event {
                    Event::Message(message) => clause == 0 || *message != data("a"),
                    _ => false,
                };
                let found = cx.select(hints, not_a).after(Duration::ZERO).await;
                got.push(found.map(|(clause, event)| (clause, event.message())));
            }
            got
        })
        .await;
        assert_eq!(got, [Some((0, Some(ack(4)))), Some((1, Some(data("b")))), None]);
    });
}

/// A key is given by value or by reference, whatever its type.
async fn keys(mut cx: Context<Voice>, name: String, other: &'static str) -> usize {
    let mut found = 0;
    for text in ["sfu", "api", "zone"] {
        cx.addr().cast(data(text));
    }
    receive! { cx; Voice::Data(_) [name] => found += 1 }
    receive! { cx; Voice::Data(_) [&other] => found += 1, Voice::Stop => () }
    receive! { cx; Voice::Data(text) [format!("zo{}", "ne")] => found += text.len() }
    drop(name);
    found
}

#[test]
fn keys_of_every_type_are_asked_for_as_they_are() {
    seeds(async |node| {
        assert_eq!(inside(&node, async |cx| keys(cx, "sfu".to_owned(), "api").await).await, 6);
    });
}

// OTP: E1, E3
#[test]
fn a_batch_takes_what_is_there_in_order_and_leaves_notices() {
    seeds(async |node| {
        let target = idler(&node);
        let (sizes, taken, next, last) = inside(&node, async move |mut cx: Context<u32>| {
            let (monitor, me) = (cx.monitor(&target), cx.addr());
            (0..4).for_each(|n| me.cast(n));
            target.kill();
            cx.recv_down(monitor).await;
            let again = cx.monitor(&target);
            (4..10).for_each(|n| me.cast(n));
            let (mut taken, mut sizes) = (Vec::new(), Vec::new());
            sizes.push(cx.recv_many(&mut taken, 3).await);
            sizes.push(cx.recv_many(&mut taken, 1).await);
            me.cast(10);
            sizes.push(cx.recv_many(&mut taken, 100).await);
            let next = matches!(cx.recv().await, Event::Down(down) if down.monitor == again);
            // Nothing is there: it waits for the first, and is answered as soon as there is one.
            cx.send_after(ms(5), 11);
            sizes.push(cx.recv_many(&mut taken, 100).await);
            (sizes, taken, next, cx.recv_many(&mut Vec::new(), 1).after(Duration::ZERO).await)
        })
        .await;
        assert_eq!((sizes, next, last), (vec![3, 1, 7, 1], true, None));
        assert_eq!(taken, (0..12).collect::<Vec<_>>());
    });
}

// OTP: E3
#[test]
fn a_batch_that_is_dropped_has_taken_nothing() {
    seeds(async |node| {
        let (early, taken) = inside(&node, async |mut cx: Context<u32>| {
            let mut taken = Vec::new();
            {
                let mut waits = pin!(cx.recv_many(&mut taken, 10));
                let poll = poll_fn(|task| Poll::Ready(waits.as_mut().poll(task))).await;
                assert!(poll.is_pending());
            }
            let early = taken.len();
            (0..3).for_each(|n| cx.addr().cast(n));
            drop(cx.recv_many(&mut taken, 10));
            let count = cx.recv_many(&mut taken, 10).await;
            assert_eq!(count, 3);
            (early, taken)
        })
        .await;
        assert_eq!((early, taken), (0, vec![0, 1, 2]));
    });
}

#[test]
fn batches_of_a_flood_lose_nothing_and_give_way() {
    Sim::seed(3).run(async |node: Node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let receiver = node.spawn(async move |mut cx: Context<u32>| {
            loop {
                let mut batch = Vec::new();
                cx.recv_many(&mut batch, usize::MAX).await;
                journal.note(batch);
            }
        });
        (0..50_000).for_each(|n| receiver.cast(n));
        let (mut all, mut rounds) = (Vec::new(), 0);
        while all.len() < 50_000 {
            step_aside().await;
            let batches = seen.take();
            assert!(batches.iter().map(Vec::len).sum::<usize>() <= 20_000, "it did not give way");
            all.extend(batches.into_iter().flatten());
            rounds += 1;
        }
        assert!(rounds > 3, "{rounds}");
        assert!(all.into_iter().eq(0..50_000));
        receiver.kill();
        settle(&node).await;
    });
}

#[test]
fn a_batch_without_room_is_refused_before_anything_is_taken() {
    seeds(async |node| {
        let receiver: Addr<u32> = node.spawn(async |mut cx: Context<u32>| {
            cx.recv_many(&mut Vec::new(), 0).await;
            Ok(())
        });
        receiver.cast(1);
        assert!(ended(&node, &receiver).await.to_string().contains("give it a `max` of 1 or more"));
    });
}

#[test]
fn a_context_may_be_a_reference_or_a_field() {
    struct Owner {
        cx: Context<Voice>,
    }
    impl Owner {
        async fn wait(&mut self, least: usize, from: Pid) -> usize {
            receive! { self.cx; Voice::Data(text) if text.len() > least => text.len(), exit(from) as _ => 0 }
        }
    }
    async fn stop(cx: &mut Context<Voice>) -> usize {
        receive! { cx; self::Voice::Stop => 1 }
    }
    seeds(async |node| {
        let got = inside(&node, async |mut cx: Context<Voice>| {
            [data("a"), Voice::Stop, data("abc")].into_iter().for_each(|message| cx.addr().cast(message));
            let stops = stop(&mut cx).await;
            let from = cx.pid();
            (stops, Owner { cx }.wait(1, from).await)
        })
        .await;
        assert_eq!(got, (1, 3));
    });
}
