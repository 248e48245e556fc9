//! The queue across a restart: what is kept, what is returned, what is dropped, and who hears what.

use crate::support::{Journal, Notes, incarnate, pause, seeds, settle, why};
use freeboard_process::{
    Addr, Alias, AliasOptions, Context, Dropped, Launch, Launcher, Node, Policy, Queue, Refused, Reply, Sim,
};
use std::time::Duration;

enum Msg {
    Tell(Notes<u32>),
    Ask(u32, Reply<u32>),
    /// Ends the process, which holds this.
    Crash(Option<Reply<u32>>),
    /// Its timer, its priority alias and a monitor of its own get in line behind this.
    Mark(Addr<()>, Journal<u32>),
}

/// Notes what it receives in `seen`, and answers with the number of its incarnation and the question.
fn server(seen: &Journal<(u64, u32)>, queue: Queue, policed: bool) -> Launcher<Msg> {
    let seen = seen.clone();
    let launcher = Launcher::new(move |mut cx: Context<Msg>| {
        let seen = seen.clone();
        Box::pin(async move {
            cx.acknowledge();
            loop {
                let generation = cx.pid().generation();
                match cx.recv_message().await {
                    Msg::Tell(note) => seen.note((generation, note.1)),
                    Msg::Ask(number, reply) => {
                        seen.note((generation, number));
                        reply.send(number);
                    }
                    Msg::Crash(_held) => return Err(crate::support::oops("crash")),
                    Msg::Mark(mortal, dropped) => {
                        cx.send_after(Duration::ZERO, Msg::Tell(Notes(dropped.clone(), 901)));
                        let alias: Alias<Msg> = cx.alias_with(AliasOptions::new());
                        let first: Alias<Msg> = cx.priority_alias();
                        alias.cast(Msg::Tell(Notes(dropped.clone(), 902)));
                        first.send_priority(Msg::Tell(Notes(dropped.clone(), 903))).unwrap();
                        cx.monitor(&mortal);
                        mortal.kill();
                        cx.sleep(Duration::from_millis(1)).await;
                        // All of that is queued by now, and this looks at it and leaves it.
                        cx.recv_where(|_| false).after(Duration::from_millis(1)).await;
                        return Err(crate::support::oops("crash"));
                    }
                }
            }
        })
    });
    let launcher = launcher.queue(queue);
    if policed { launcher.mailbox(Policy::bounded(1_000)) } else { launcher }
}

fn tell(addr: &Addr<Msg>, dropped: &Journal<u32>, number: u32) {
    addr.cast(Msg::Tell(Notes(dropped.clone(), number)));
}

/// Both kinds of mailbox, over many seeds.
fn both(world: impl AsyncFn(Node, bool)) {
    for policed in [false, true] {
        seeds(async |node| world(node, policed).await);
    }
}

/// DEV-01.
// OTP: F16, D6
#[test]
fn a_kept_queue_is_received_in_order_by_the_next_incarnation() {
    both(async |node, policed| {
        let (seen, dropped) = (Journal::new(), Journal::new());
        let launcher = server(&seen, Queue::keep(), policed);
        let addr = launcher.addr();
        let first = incarnate(&node, &launcher).generation();
        (0..3).for_each(|n| tell(&addr, &dropped, n));
        let taken = addr.request(|reply| Msg::Crash(Some(reply)));
        let kept = addr.request(|reply| Msg::Ask(3, reply));
        (4..700).for_each(|n| tell(&addr, &dropped, n));
        settle(&node).await;
        assert_eq!(why(&taken.await), "exited: error: crash", "what a receiver took is gone");
        assert_eq!((addr.pid(), addr.depth()), (None, 697));
        (700..800).for_each(|n| tell(&addr, &dropped, n));
        let later = addr.request(|reply| Msg::Ask(800, reply));
        let second = incarnate(&node, &launcher).generation();
        assert_eq!((kept.await.unwrap(), later.await.unwrap()), (3, 800));
        let expected: Vec<_> = (0..3).map(|n| (first, n)).chain((3..801).map(|n| (second, n))).collect();
        assert_eq!(seen.take(), expected);
        assert_eq!(addr.depth(), 0);
        let stats = addr.stats();
        // The one that crashed it is among them.
        assert_eq!((stats.received, stats.dropped_in_all()), (802, 0));
    });
}

// OTP: A14, C12, C15
#[test]
fn nothing_that_belonged_to_the_dead_incarnation_reaches_the_next() {
    both(async |node, policed| {
        for looked_at in [false, true] {
            let (seen, dropped) = (Journal::new(), Journal::new());
            let launcher = server(&seen, Queue::keep(), policed);
            let addr = launcher.addr();
            incarnate(&node, &launcher);
            let mortal = crate::support::idler(&node);
            let gone = Journal::new();
            addr.cast(Msg::Mark(mortal, gone.clone()));
            settle(&node).await;
            if looked_at {
                // These come while it looks at what is there.
                (0..3).for_each(|n| tell(&addr, &dropped, n));
                pause(&node, Duration::from_millis(5)).await;
            } else {
                (0..3).for_each(|n| tell(&addr, &dropped, n));
                addr.kill();
                settle(&node).await;
            }
            let mut of_the_dead = gone.take();
            of_the_dead.sort_unstable();
            assert_eq!(of_the_dead, [901, 902, 903], "looked at: {looked_at}");
            assert_eq!(addr.stats().dropped(Dropped::Exited), 3);
            let second = incarnate(&node, &launcher).generation();
            settle(&node).await;
            assert_eq!(seen.take(), [(second, 0), (second, 1), (second, 2)]);
            assert_eq!(addr.depth(), 0);
        }
    });
}

#[test]
fn what_selective_receives_left_is_kept_in_its_place() {
    both(async |node, policed| {
        let seen = Journal::new();
        let journal = seen.clone();
        let launcher = Launcher::new(move |mut cx: Context<u32>| {
            let journal = journal.clone();
            Box::pin(async move {
                if journal.len() == 0 {
                    for wanted in [5, 7] {
                        journal.note(cx.recv_where(move |n: &u32| *n == wanted).await);
                    }
                    return Ok(());
                }
                loop {
                    journal.note(cx.recv_message().await);
                }
            })
        });
        let launcher = launcher.queue(Queue::keep());
        let launcher = if policed { launcher.mailbox(Policy::bounded(100)) } else { launcher };
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        (0..10).for_each(|n| addr.cast(n));
        settle(&node).await;
        assert_eq!((seen.len(), addr.pid(), addr.depth()), (2, None, 8));
        (10..13).for_each(|n| addr.cast(n));
        incarnate(&node, &launcher);
        settle(&node).await;
        assert_eq!(seen.take(), [5, 7, 0, 1, 2, 3, 4, 6, 8, 9, 10, 11, 12]);
        assert_eq!(addr.depth(), 0);
    });
}

// OTP: F16
#[test]
fn a_returned_queue_says_that_it_was_not_looked_at() {
    both(async |node, policed| {
        let (seen, dropped) = (Journal::new(), Journal::new());
        let launcher = server(&seen, Queue::Return, policed);
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        let taken = addr.request(|reply| Msg::Crash(Some(reply)));
        let queued = addr.request(|reply| Msg::Ask(1, reply));
        tell(&addr, &dropped, 2);
        settle(&node).await;
        assert_eq!((why(&taken.await), why(&queued.await)), ("exited: error: crash".into(), "Refused(Vacant)".into()));
        assert_eq!(dropped.take(), [2]);
        let refused = addr.send(Msg::Tell(Notes(dropped.clone(), 3))).unwrap_err();
        assert!(matches!(refused.why, Refused::Vacant) && dropped.len() == 0, "the message comes back");
        let stats = addr.stats();
        assert_eq!((stats.dropped(Dropped::Returned), stats.dropped(Dropped::Exited), stats.received), (2, 0, 1));
        incarnate(&node, &launcher);
        settle(&node).await;
        assert!(seen.take().is_empty());
    });
}

#[test]
fn no_more_is_kept_than_the_spec_allows() {
    both(async |node, policed| {
        let (seen, dropped) = (Journal::new(), Journal::new());
        let launcher = server(&seen, Queue::Keep { max: 5, time: Duration::from_secs(60) }, policed);
        let addr = launcher.addr();
        let crash = |queued: u32| {
            incarnate(&node, &launcher);
            addr.cast(Msg::Crash(None));
            (0..queued).for_each(|n| tell(&addr, &dropped, n));
            addr.request(|reply| Msg::Ask(queued, reply))
        };
        let late = crash(7);
        settle(&node).await;
        assert_eq!(
            (why(&late.await), dropped.take()),
            ("exited: error: crash".into(), vec![5, 6]),
            "the oldest are kept"
        );
        assert_eq!((addr.depth(), addr.stats().dropped(Dropped::Exited)), (5, 3));
        let full = addr.send(Msg::Tell(Notes(dropped.clone(), 9))).unwrap_err();
        assert!(matches!(full.why, Refused::Full));
        drop(full);
        incarnate(&node, &launcher);
        settle(&node).await;
        assert_eq!(seen.take().iter().map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        dropped.take();
        // The living one has no such bound.
        (0..20).for_each(|n| tell(&addr, &dropped, n));
        settle(&node).await;
        assert_eq!(seen.take().len(), 20);
        // Less than the bound: the rest of it is for those who send meanwhile.
        addr.cast(Msg::Crash(None));
        (0..2).for_each(|n| tell(&addr, &dropped, n));
        settle(&node).await;
        let sent = (2..9).map(|n| addr.send(Msg::Tell(Notes(dropped.clone(), n))).is_ok()).collect::<Vec<_>>();
        assert_eq!(sent, [true, true, true, false, false, false, false]);
        incarnate(&node, &launcher);
        settle(&node).await;
        assert_eq!(seen.take().iter().map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_queue_is_kept_for_so_long_and_then_its_callers_hear_why() {
    both(async |node, policed| {
        let (seen, dropped) = (Journal::new(), Journal::new());
        let launcher = server(&seen, Queue::Keep { max: 100, time: Duration::from_secs(2) }, policed);
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        addr.cast(Msg::Crash(None));
        let queued = addr.request(|reply| Msg::Ask(1, reply));
        settle(&node).await;
        let later = addr.request(|reply| Msg::Ask(2, reply));
        tell(&addr, &dropped, 3);
        pause(&node, Duration::from_millis(1_990)).await;
        assert_eq!((addr.depth(), dropped.len()), (3, 0));
        pause(&node, Duration::from_millis(20)).await;
        assert_eq!((addr.depth(), dropped.take()), (0, vec![3]));
        assert_eq!(
            (why(&queued.await), why(&later.await)),
            ("exited: error: crash".into(), "exited: error: crash".into())
        );
        assert!(matches!(addr.send(Msg::Crash(None)).unwrap_err().why, Refused::Vacant));
        assert_eq!(addr.stats().dropped(Dropped::Exited), 3);
        // The next incarnation begins with nothing, and its own queue is kept for two seconds again.
        incarnate(&node, &launcher);
        settle(&node).await;
        assert!(seen.take().is_empty());
        addr.cast(Msg::Crash(None));
        tell(&addr, &dropped, 4);
        settle(&node).await;
        pause(&node, Duration::from_millis(1_500)).await;
        incarnate(&node, &launcher);
        pause(&node, Duration::from_millis(1_500)).await;
        assert_eq!(seen.take().iter().map(|(_, n)| *n).collect::<Vec<_>>(), [4]);
        // A restart in time takes the limit back.
        addr.cast(Msg::Crash(None));
        settle(&node).await;
        tell(&addr, &dropped, 5);
        pause(&node, Duration::from_millis(1_500)).await;
        assert_eq!(addr.depth(), 1);
    });
}

// OTP: F16
#[test]
fn a_queue_whose_child_will_not_come_back_is_closed_and_every_caller_hears_why() {
    both(async |node, policed| {
        for stopped in [false, true] {
            let (seen, dropped) = (Journal::new(), Journal::new());
            let launcher = server(&seen, Queue::keep(), policed);
            let addr = launcher.addr();
            incarnate(&node, &launcher);
            addr.cast(Msg::Crash(None));
            let queued = addr.request(|reply| Msg::Ask(1, reply));
            settle(&node).await;
            let later = addr.request(|reply| Msg::Ask(2, reply));
            tell(&addr, &dropped, 3);
            let mut kept = None;
            if stopped {
                launcher.stop(&crate::support::oops("stopped"));
                kept = Some(launcher);
            } else {
                drop(launcher);
            }
            let reason = if stopped { "exited: error: stopped" } else { "exited: error: crash" };
            assert_eq!((why(&queued.await), why(&later.await)), (reason.into(), reason.into()));
            assert_eq!((dropped.take(), addr.depth()), (vec![3], 0));
            assert!(matches!(addr.send(Msg::Crash(None)).unwrap_err().why, Refused::Closed(_)));
            assert_eq!(addr.ended().is_some(), !stopped);
            if let Some(launcher) = &kept {
                incarnate(&node, launcher);
                assert!(addr.send(Msg::Crash(None)).is_ok(), "started by hand, it takes messages again");
                settle(&node).await;
            }
            // Nothing is left to be given up later.
            pause(&node, Duration::from_secs(10)).await;
        }
    });
}

/// A thousand messages are more than one batch of the exit protocol: others send while it goes on.
#[test]
fn what_is_sent_while_the_queue_is_sorted_stands_behind_it() {
    both(async |node, policed| {
        let (seen, dropped) = (Journal::new(), Journal::new());
        let launcher = server(&seen, Queue::Keep { max: 5_000, time: Duration::from_secs(60) }, policed);
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        addr.cast(Msg::Crash(None));
        let before = if policed { 990 } else { 2_000 };
        (0..before).for_each(|n| tell(&addr, &dropped, n));
        let (to, notes) = (addr.clone(), dropped.clone());
        let sender = node.spawn(async move |mut cx: Context<Reply<u32>>| {
            let mut sent = 0;
            // It sends one whenever it has its turn, until the process is gone.
            while to.pid().is_some() || sent < 5 {
                if to.send(Msg::Tell(Notes(notes.clone(), before + sent))).is_err() {
                    break;
                }
                sent += 1;
                crate::support::step_aside().await;
            }
            cx.recv_message().await.send(sent);
            Ok(())
        });
        let sent = sender.call(|reply| reply).await.unwrap();
        settle(&node).await;
        incarnate(&node, &launcher);
        settle(&node).await;
        let numbers: Vec<_> = seen.take().into_iter().map(|(_, n)| n).collect();
        assert_eq!(numbers, (0..before + sent).collect::<Vec<_>>());
    });
}

#[test]
fn a_policy_judges_what_is_kept_and_room_is_that_of_the_queue() {
    Sim::seed(1).run(async |node: Node| {
        let seen = Journal::new();
        let journal = seen.clone();
        let launcher = Launcher::new(move |mut cx: Context<u32>| {
            let journal = journal.clone();
            Box::pin(async move {
                while journal.len() == 0 {
                    journal.note(cx.recv_message().await);
                }
                Ok(())
            })
        })
        .queue(Queue::keep())
        .mailbox(Policy::bounded(4));
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        (0..4).for_each(|n| addr.send(n).unwrap());
        settle(&node).await;
        assert_eq!((seen.take(), addr.pid(), addr.depth()), (vec![0], None, 3));
        addr.send(4).unwrap();
        assert!(matches!(addr.send(5).unwrap_err().why, Refused::Full));
        let (to, by) = (addr.clone(), node.now() + Duration::from_secs(60));
        let waits = node.spawn(async move |mut cx: Context<Reply<bool>>| {
            let sent = to.send_wait(5, by).await.is_ok();
            cx.recv_message().await.send(sent);
            Ok(())
        });
        settle(&node).await;
        assert_eq!(addr.depth(), 4, "who waits for room goes on waiting");
        incarnate(&node, &launcher);
        assert!(waits.call(|reply| reply).forever().await.unwrap());
        settle(&node).await;
        assert_eq!(seen.take(), [1]);
        for expected in 2..6 {
            incarnate(&node, &launcher);
            settle(&node).await;
            assert_eq!(seen.take(), [expected]);
        }
        assert_eq!(addr.depth(), 0);
    });
}

/// DEV-03, across a restart.
#[test]
fn a_kept_call_that_is_given_up_reaches_no_incarnation() {
    both(async |node, policed| {
        for when in 0..4 {
            let (seen, dropped) = (Journal::new(), Journal::new());
            let launcher = server(&seen, Queue::keep(), policed);
            let addr = launcher.addr();
            incarnate(&node, &launcher);
            tell(&addr, &dropped, 0);
            settle(&node).await;
            // The dead incarnation has others before it, which are not kept, so that places change.
            addr.cast(Msg::Crash(None));
            if when == 3 {
                addr.kill();
            }
            let mut calls: Vec<_> = (1..6).map(|n| Some(addr.request(move |reply| Msg::Ask(n, reply)))).collect();
            if when == 0 {
                calls[2] = None;
            }
            settle(&node).await;
            if when == 1 || when == 3 {
                calls[2] = None;
            }
            incarnate(&node, &launcher);
            if when == 2 {
                calls[2] = None;
            }
            settle(&node).await;
            if when == 3 {
                // The message that ends it was kept too, and the calls are kept a second time.
                calls[4] = None;
                incarnate(&node, &launcher);
                settle(&node).await;
            }
            let numbers: Vec<_> = seen.take().into_iter().map(|(_, number)| number).collect();
            let expected: &[u32] = if when == 3 { &[0, 1, 2, 4] } else { &[0, 1, 2, 4, 5] };
            assert_eq!(numbers, expected, "given up at {when}, policed: {policed}");
            assert_eq!(addr.stats().dropped(Dropped::Abandoned), 6 - expected.len() as u64);
        }
    });
}

// OTP: F16
#[test]
fn a_bound_call_that_was_made_in_a_vacancy_ends_with_the_next_incarnation() {
    seeds(async |node| {
        let held = Journal::new();
        let journal = held.clone();
        let launcher = Launcher::new(move |mut cx: Context<Reply<u32>>| {
            let journal = journal.clone();
            Box::pin(async move {
                loop {
                    journal.note(cx.recv_message().await);
                }
            })
        });
        let launcher = launcher.queue(Queue::keep());
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        addr.kill();
        settle(&node).await;
        let (to, heard) = (addr.clone(), Journal::new());
        let note = heard.clone();
        node.spawn(async move |_cx: Context<()>| {
            note.note(why(&to.call(|reply| reply).bound().forever().await));
            Ok(())
        });
        settle(&node).await;
        incarnate(&node, &launcher);
        settle(&node).await;
        // The reply is elsewhere, so nobody but the bond tells of the end.
        assert_eq!((held.len(), heard.len()), (1, 0));
        addr.kill();
        settle(&node).await;
        assert_eq!(heard.take(), ["exited: killed"]);
    });
}

// OTP: F16
#[test]
fn a_bound_call_that_has_heard_of_the_end_is_not_served_by_the_next_incarnation() {
    both(async |node, policed| {
        let seen = Journal::new();
        let launcher = server(&seen, Queue::keep(), policed);
        let addr = launcher.addr();
        let first = incarnate(&node, &launcher).generation();
        addr.cast(Msg::Crash(None));
        let free = addr.request(|reply| Msg::Ask(2, reply));
        let heard = addr.call(|reply| Msg::Ask(1, reply)).bound().await;
        assert_eq!(why(&heard), "exited: error: crash");
        let second = incarnate(&node, &launcher).generation();
        assert_eq!(free.await.unwrap(), 2);
        assert!(second > first);
        assert_eq!((seen.take(), addr.stats().dropped(Dropped::Abandoned)), (vec![(second, 2)], 1));
    });
}
