//! Mailboxes with a policy, seen through processes: what is refused, what is dropped, who hears of it, and what is exempt.

use crate::support::{Dice, Journal, Notes, ended, incarnate, pause, runtime, seeds, settle, step_aside, why};
use freeboard_process::{
    Addr, Context, Dropped, Event, ExitReason, Key, Launch, Launcher, Message, Node, Policy, PolicyError, Refused,
    Reply, Sim, StartError, Tag,
};
use std::{
    future::Future,
    pin::pin,
    task::{Context as TaskContext, Poll, Waker},
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);

/// A request with a key.
struct Ask {
    key: u64,
    reply: Reply<u64>,
}

impl Ask {
    fn about(key: u64) -> impl FnOnce(Reply<u64>) -> Self {
        move |reply| Self { key, reply }
    }
}

impl Message for Ask {
    const TAGS: &'static [&'static str] = &["Ask"];

    fn tag(&self) -> Tag<Self> {
        Tag::new(0)
    }

    fn key(&self) -> Option<Key<'_>> {
        Some(self.key.into())
    }
}

/// Sleeps first, then answers each request with its key.
fn sleeper(node: &Node, sleeps: Duration, policy: Policy<Ask>) -> Addr<Ask> {
    node.spawn_with(policy, async move |mut cx: Context<Ask>| {
        cx.sleep(sleeps).await;
        loop {
            let Ask { key, reply } = cx.recv_message().await;
            reply.send(key);
        }
    })
    .unwrap()
}

/// What the callers hear, in the order in which they called, and when. They call one after another, a millisecond apart.
async fn callers(node: &Node, policy: Policy<Ask>, keys: &[u64]) -> Vec<(String, u128)> {
    let server = sleeper(node, 100 * MS, policy);
    settle(node).await;
    let (start, heard) = (node.now(), Journal::new());
    for (caller, key) in keys.iter().copied().enumerate() {
        let (server, heard) = (server.clone(), heard.clone());
        node.spawn(async move |cx: Context<()>| {
            let answer = server.call(Ask::about(key)).forever().await;
            let words = answer.as_ref().map_or_else(|_| why(&answer), |key| key.to_string());
            heard.note((caller, words, (cx.now() - start).as_millis()));
            Ok(())
        });
        pause(node, MS).await;
    }
    pause(node, 200 * MS).await;
    let mut heard = heard.take();
    heard.sort_unstable();
    heard.into_iter().map(|(_, words, at)| (words, at)).collect()
}

// OTP: E13, F9
#[test]
fn the_caller_of_a_request_that_finds_no_room_hears_so_at_once() {
    seeds(async |node| {
        // The server serves from 99 ms on: a millisecond is spent on settling.
        let full = |at| ("Refused(Full)".to_owned(), at);
        let served = |key: u64| (key.to_string(), 99);
        let reject = callers(&node, Policy::bounded(2), &[7, 8, 9]).await;
        assert_eq!(reject, [served(7), served(8), full(2)]);
        let oldest = callers(&node, Policy::bounded(2).drop_oldest(), &[7, 8, 9, 5]).await;
        assert_eq!(oldest, [full(2), full(3), served(9), served(5)]);
        let newest = callers(&node, Policy::bounded(2).drop_newest(), &[7, 8, 9]).await;
        assert_eq!(newest, [served(7), served(8), full(2)]);
    });
}

// OTP: E13, F9
#[test]
fn the_caller_of_a_request_that_a_newer_one_replaces_hears_so_at_once() {
    seeds(async |node| {
        let heard = callers(&node, Policy::unbounded().coalesce(), &[7, 8, 7]).await;
        let replaced = ("Refused(Coalesced)".to_owned(), 2);
        assert_eq!(heard, [replaced, ("8".to_owned(), 99), ("7".to_owned(), 99)]);
    });
}

// OTP: E13, F9
#[test]
fn the_caller_of_a_request_that_expired_hears_so_when_its_turn_comes() {
    seeds(async |node| {
        let expired = ("Refused(Expired)".to_owned(), 99);
        let heard = callers(&node, Policy::unbounded().expire_after(98 * MS), &[1, 2, 3]).await;
        assert_eq!(heard, [expired.clone(), expired.clone(), ("3".to_owned(), 99)]);
        // The deadline of a message may lie in the past: it is dropped at the next receive.
        let start = node.now();
        let by_key = move |ask: &Ask| (ask.key == 2).then_some(start);
        let heard = callers(&node, Policy::unbounded().expire_by(by_key), &[1, 2]).await;
        assert_eq!(heard, [("1".to_owned(), 99), expired]);
    });
}

// OTP: E13, F9
#[test]
fn a_standing_queue_is_shed_and_its_callers_hear_so() {
    seeds(async |node| {
        let server = node
            .spawn_with(Policy::unbounded().shed(5 * MS, 100 * MS), async |mut cx: Context<Ask>| {
                loop {
                    // A second's worth of requests, worked off at one in 10 ms.
                    let Ask { key, reply } = cx.recv_message().await;
                    cx.sleep(10 * MS).await;
                    reply.send(key);
                }
            })
            .unwrap();
        let heard = Journal::new();
        for key in 0..100 {
            let (server, heard) = (server.clone(), heard.clone());
            node.spawn(async move |_cx: Context<()>| {
                heard.note(why(&server.call(Ask::about(key)).forever().await));
                Ok(())
            });
        }
        pause(&node, Duration::from_secs(2)).await;
        let heard = heard.take();
        let shed = heard.iter().filter(|words| *words == "Refused(Shed)").count();
        assert!(shed > 0 && shed < 100, "{shed}");
        assert_eq!(heard.iter().filter(|words| *words == "answered").count(), 100 - shed);
        assert_eq!(server.stats().dropped(Dropped::Shed), shed as u64);
    });
}

/// A message that is heard of when it ends, with a key of its own.
struct Parcel {
    id: u64,
    _ends: Notes<u64>,
}

impl Message for Parcel {
    const TAGS: &'static [&'static str] = &["Even", "Odd"];

    fn tag(&self) -> Tag<Self> {
        Tag::new((self.id % 2) as u32)
    }

    fn key(&self) -> Option<Key<'_>> {
        Some((self.id % 5).into())
    }
}

/// Some policy with room for so many.
fn some_policy(dice: &mut Dice, capacity: usize, too_late: Instant) -> Policy<Parcel> {
    let bounded = Policy::bounded(capacity);
    let overflow = match dice.below(3) {
        0 => bounded.reject(),
        1 => bounded.drop_oldest(),
        _ => bounded.drop_newest(),
    };
    let coalescing = if dice.below(2) == 0 { overflow.coalesce() } else { overflow.count_tags() };
    match dice.below(4) {
        0 => coalescing.expire_after(3 * MS),
        1 => coalescing.expire_by(move |parcel: &Parcel| parcel.id.is_multiple_of(7).then_some(too_late)),
        2 => coalescing.shed(MS, 2 * MS),
        _ => coalescing,
    }
}

// OTP: E12, E13, A12
#[test]
fn every_message_ends_once_whatever_the_policy_and_the_bound_holds() {
    const EACH: u64 = 60;
    seeds(async |node| {
        for round in 0..4 {
            let mut dice = Dice(round * 1_000 + u64::from(node.pid().node()));
            let capacity = 1 + dice.below(4);
            let (ends, received, returned, accepted) = (Journal::new(), Journal::new(), Journal::new(), Journal::new());
            let arrivals = received.clone();
            let (naps, finish) = (dice.below(3) as u32, dice.below(3));
            let process = node
                .spawn_with(some_policy(&mut dice, capacity, node.now()), async move |mut cx: Context<Parcel>| {
                    loop {
                        // Now and then it asks for some first, and leaves the others.
                        let wanted =
                            cx.recv_where(|parcel: &Parcel| parcel.id.is_multiple_of(3)).after(naps * MS).await;
                        let parcel = match wanted {
                            Some(parcel) => parcel,
                            None => cx.recv_message().await,
                        };
                        arrivals.note(parcel.id);
                        cx.sleep(naps * MS).await;
                    }
                })
                .unwrap();
            let senders: Vec<Addr<()>> = (0..3)
                .map(|sender| {
                    let (to, ends, returned, accepted) =
                        (process.clone(), ends.clone(), returned.clone(), accepted.clone());
                    let received = received.clone();
                    let mut dice = Dice(sender * 77 + round);
                    node.spawn(async move |mut cx: Context<()>| {
                        for n in 0..EACH {
                            let id = sender * EACH + n;
                            let parcel = Parcel { id, _ends: Notes(ends.clone(), id) };
                            let sent = match dice.below(4) {
                                0 => to.send_wait(parcel, cx.now() + 2 * MS).await,
                                1 => match to.try_reserve() {
                                    Ok(permit) => {
                                        cx.sleep(dice.below(2) as u32 * MS).await;
                                        permit.send(parcel)
                                    }
                                    Err(why) => Err(freeboard_process::SendError { message: parcel, why }),
                                },
                                _ => to.send(parcel),
                            };
                            match sent {
                                Ok(()) => accepted.note(id),
                                Err(error) => returned.note(error.message.id),
                            }
                            // Nobody else runs meanwhile: what was accepted and neither received nor dropped is there.
                            let over = to.stats().dropped_in_all() + received.len() as u64;
                            let waiting = accepted.len() as u64 - over;
                            assert!(waiting <= capacity as u64, "{waiting} of {capacity}");
                            if dice.below(3) == 0 {
                                cx.sleep(MS).await;
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            for sender in &senders {
                assert!(matches!(ended(&node, sender).await, ExitReason::Normal));
            }
            match finish {
                0 => process.kill(),
                1 => process.drain(),
                _ => {
                    pause(&node, Duration::from_secs(1)).await;
                    process.kill();
                }
            }
            ended(&node, &process).await;
            let stats = process.stats();
            let (received, returned, accepted) = (received.take(), returned.take(), accepted.take());
            assert_eq!(accepted.len() + returned.len(), 3 * EACH as usize);
            assert_eq!(accepted.len() as u64, received.len() as u64 + stats.dropped_in_all(), "{stats:?}");
            assert_eq!((stats.received, stats.depth), (received.len() as u64, 0));
            let mut ends = ends.take();
            ends.sort_unstable();
            assert_eq!(ends, (0..3 * EACH).collect::<Vec<_>>(), "each is destructed once");
            // None of the rules moves a message: those of one sender are received in the order in which they were sent,
            // but for what the process asked for first.
            for sender in 0..3 {
                let mine = received.iter().filter(|id| *id / EACH == sender);
                let (asked, plain): (Vec<u64>, Vec<u64>) = mine.partition(|id| *id % 3 == 0);
                assert!(asked.is_sorted() && plain.is_sorted(), "{asked:?} {plain:?}");
            }
        }
    });
}

/// What a process with a full mailbox hears of.
#[derive(Debug, PartialEq, Eq)]
enum Parts {
    Work(u32),
    Timer,
}

// OTP: E13
#[test]
fn signals_timers_and_replies_pass_a_full_mailbox() {
    seeds(async |node| {
        let doomed = node
            .spawn(async |mut cx: Context<()>| Err(ExitReason::ShutdownWith(format!("{:?}", cx.recv().await).into())));
        let server = node.spawn(async |mut cx: Context<Reply<u32>>| {
            loop {
                cx.recv_message().await.send(5);
            }
        });
        let heard = Journal::new();
        let notes = heard.clone();
        let process = node
            .spawn_with(Policy::bounded(1), async move |mut cx: Context<Parts>| {
                cx.trap_exit(true);
                cx.link(&doomed);
                cx.monitor(&doomed);
                cx.send_after(2 * MS, Parts::Timer);
                cx.addr().send(Parts::Work(1)).unwrap();
                assert!(matches!(cx.addr().send(Parts::Work(2)).unwrap_err().why, Refused::Full));
                doomed.cast(());
                notes.note(format!("reply {:?}", server.call(|reply| reply).await));
                cx.sleep(5 * MS).await;
                assert!(matches!(cx.addr().send(Parts::Work(3)).unwrap_err().why, Refused::Full));
                for _ in 0..4 {
                    notes.note(match cx.recv().await {
                        Event::Message(part) => format!("{part:?}"),
                        Event::Down(_) => "DOWN".to_owned(),
                        Event::Exit(_) => "EXIT".to_owned(),
                        other => format!("{other:?}"),
                    });
                }
                Ok(())
            })
            .unwrap();
        assert!(matches!(ended(&node, &process).await, ExitReason::Normal));
        let mut heard = heard.take();
        assert_eq!(heard.remove(0), "reply Ok(5)");
        assert_eq!(heard.remove(0), "Work(1)");
        heard.sort_unstable();
        assert_eq!(heard, ["DOWN", "EXIT", "Timer"]);
    });
}

// OTP: A12, E13
#[test]
fn a_cast_to_a_full_mailbox_destructs_the_message_at_once_and_counts_it() {
    seeds(async |node| {
        let dropped = Journal::new();
        let process =
            node.spawn_with(Policy::bounded(1), async |_cx: Context<Notes<u32>>| std::future::pending().await).unwrap();
        process.cast(Notes(dropped.clone(), 1));
        process.cast(Notes(dropped.clone(), 2));
        assert_eq!(dropped.take(), [2]);
        assert_eq!((process.depth(), process.stats().dropped(Dropped::Rejected)), (1, 1));
    });
}

/// Panics when it is dropped.
struct Bomb(Journal<u32>, u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.note(self.1);
        if !std::thread::panicking() {
            panic!("a destructor panics");
        }
    }
}

// OTP: E13
#[test]
fn a_victim_whose_destructor_panics_harms_neither_its_dropper_nor_the_receiver() {
    seeds(async |node| {
        let (ends, received) = (Journal::new(), Journal::new());
        let arrivals = received.clone();
        let process = node
            .spawn_with(Policy::bounded(2).drop_oldest(), async move |mut cx: Context<Bomb>| {
                cx.sleep(MS).await;
                loop {
                    let bomb = cx.recv_message().await;
                    arrivals.note(bomb.1);
                    std::mem::forget(bomb);
                }
            })
            .unwrap();
        (1..=4).for_each(|n| process.send(Bomb(ends.clone(), n)).unwrap());
        assert_eq!(ends.take(), [1, 2]);
        pause(&node, 5 * MS).await;
        assert_eq!(received.take(), [3, 4]);
        assert_eq!(process.stats().dropped(Dropped::Oldest), 2);
    });
}

// OTP: E13
#[test]
fn a_policy_that_contradicts_itself_starts_nothing() {
    seeds(async |node| {
        let refused = node.spawn_with(Policy::bounded(0), async |_cx: Context<()>| Ok(()));
        assert!(matches!(refused, Err(PolicyError::NoCapacity)));
        let launcher = Launcher::new(|_cx: Context<()>| Box::pin(async { Ok(()) })).mailbox(Policy::bounded(0));
        for _ in 0..2 {
            match launcher.prepare(&node) {
                Err(StartError::Spec(text)) => {
                    assert!(text.contains("mailbox: ") && text.contains("capacity"), "{text}")
                }
                other => panic!("{other:?}"),
            }
        }
        drop(launcher);
        assert_eq!(node.seats(), 0);
    });
}

// OTP: A12, E13
#[test]
fn a_policy_holds_from_the_first_start_on_for_every_incarnation() {
    seeds(async |node| {
        let (ends, received) = (Journal::new(), Journal::new());
        let arrivals = received.clone();
        let launcher = Launcher::new(move |mut cx: Context<Notes<u32>>| {
            let arrivals = arrivals.clone();
            Box::pin(async move {
                cx.sleep(MS).await;
                arrivals.note(cx.recv_message().await.1);
                Ok(())
            })
        })
        .mailbox(Policy::bounded(2));
        let addr = launcher.addr();
        // Nothing is known of the policy yet: all of them are queued, and judged at the start.
        (1..=4).for_each(|n| addr.send(Notes(ends.clone(), n)).unwrap());
        assert_eq!(ends.take(), [0; 0]);
        incarnate(&node, &launcher);
        assert_eq!(ends.take(), [3, 4]);
        assert!(matches!(addr.send(Notes(ends.clone(), 5)).unwrap_err().why, Refused::Full));
        pause(&node, 5 * MS).await;
        assert_eq!((received.take(), ends.take()), (vec![1], vec![5, 1, 2]));
        incarnate(&node, &launcher);
        (6..=7).for_each(|n| addr.send(Notes(ends.clone(), n)).unwrap());
        assert!(matches!(addr.send(Notes(ends.clone(), 8)).unwrap_err().why, Refused::Full));
        pause(&node, 5 * MS).await;
        assert_eq!(received.take(), [6]);
    });
}

// OTP: A12
#[test]
fn a_sender_that_outlives_the_mailbox_gets_everything_back() {
    seeds(async |node| {
        let process =
            node.spawn_with(Policy::bounded(2), async |_cx: Context<u32>| std::future::pending().await).unwrap();
        let (weak, permit) = (process.downgrade(), process.try_reserve().unwrap());
        weak.send(1).unwrap();
        process.kill();
        settle(&node).await;
        assert!(matches!(weak.send(2).unwrap_err().why, Refused::Closed(ExitReason::Killed)));
        let error = permit.send(3).unwrap_err();
        assert!(error.message == 3 && matches!(error.why, Refused::Closed(ExitReason::Killed)));
        drop(process);
        let error = weak.send(4).unwrap_err();
        assert!(error.message == 4 && matches!(error.why, Refused::Closed(ExitReason::NoProc)));
        weak.cast(5);
        assert_eq!(node.seats(), 0);
    });
}

// OTP: A12
#[test]
fn a_mailbox_whose_runtime_is_gone_is_closed_for_everybody() {
    let theirs = runtime();
    let node = theirs.block_on(async { Node::new() });
    let process = node.spawn_with(Policy::bounded(1), async |_cx: Context<u32>| std::future::pending().await).unwrap();
    process.send(1).unwrap();
    let mut waits = pin!(process.send_wait(2, node.now() + Duration::from_secs(3600)));
    let mut task = TaskContext::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut task).is_pending());
    drop(theirs);
    match waits.as_mut().poll(&mut task) {
        Poll::Ready(Err(error)) => assert!(error.message == 2 && matches!(error.why, Refused::Closed(_))),
        other => panic!("{other:?}"),
    }
    assert!(matches!(process.send(3).unwrap_err().why, Refused::Closed(_)));
    assert!(matches!(process.try_reserve().unwrap_err(), Refused::Closed(_)));
    process.drain();
    process.cast(4);
}

// OTP: A12, E13
#[test]
fn a_wake_into_a_dropped_runtime_harms_nobody_and_its_room_goes_to_the_next() {
    let (theirs, ours) = (runtime(), runtime());
    let node = ours.block_on(async { Node::new() });
    let (begin, begun) = tokio::sync::oneshot::channel::<()>();
    let process = node
        .spawn_with(Policy::bounded(1), async move |mut cx: Context<u32>| {
            let _told = begun.await;
            let taken = (cx.recv_message().await, cx.recv_message().await);
            Err(ExitReason::ShutdownWith(format!("{taken:?}").into()))
        })
        .unwrap();
    process.send(1).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    theirs.spawn(std::future::poll_fn::<(), _>(move |cx| {
        send.send(cx.waker().clone()).unwrap();
        Poll::Pending
    }));
    let orphaned = receive.recv().unwrap();
    drop(theirs);
    let by = node.now() + Duration::from_secs(3600);
    let mut first = Box::pin(process.send_wait(2, by));
    assert!(first.as_mut().poll(&mut TaskContext::from_waker(&orphaned)).is_pending());
    let mut second = Box::pin(process.send_wait(3, by));
    assert!(second.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
    begin.send(()).unwrap();
    // The room is the first one's, who is woken in vain; dropping it passes the room on.
    ours.block_on(async {
        while process.depth() > 0 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);
    ours.block_on(second).unwrap();
    let over = ours.block_on(async { ended(&node, &process).await });
    assert_eq!(over.to_string(), "shutdown: (1, 3)");
}

#[test]
fn a_receive_that_passes_what_expired_gives_way_to_others() {
    Sim::seed(1).run(async |node: Node| {
        let (go, gone) = tokio::sync::oneshot::channel();
        let late = node
            .spawn_with(Policy::unbounded().expire_after(MS), async move |mut cx: Context<u32>| {
                let _ = gone.await;
                cx.recv_message().await;
                Ok(())
            })
            .unwrap();
        let total = 400_000;
        (0..total).for_each(|n| late.cast(n));
        pause(&node, 10 * MS).await;
        go.send(()).expect("it waits");
        let mut last = 0;
        while last < u64::from(total) {
            step_aside().await;
            let now = late.stats().dropped(Dropped::Expired);
            assert!(now - last <= 100_000, "{now} after {last}");
            last = now;
        }
    });
}
