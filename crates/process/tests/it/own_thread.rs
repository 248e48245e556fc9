//! Processes on threads of their own: real threads, handed over to by channels.

use crate::blocking::{Number, WHY, awaited, echo, hoarder, why_not, world};
use crate::stepper::Stepper;
use crate::support::{Journal, Letter, Notes, end, ended, mortal, oops, recorder, watch, why, words};
use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use freeboard_process::{Addr, BlockingContext, Context, Event, ExitReason, Node, Reply, Sim, Tag};
use std::{thread, time::Duration};

/// Steps until that process has ended, and then to the end.
fn wind_up<M: Send + 'static>(stepper: Stepper, process: &Addr<M>) {
    while process.ended().is_none() {
        stepper.settle();
        thread::yield_now();
    }
    stepper.finish();
}

// OTP: D1, E1
#[test]
fn a_thousand_messages_are_received_in_order() {
    let (runtime, node) = world();
    let (send, sums) = bounded(1);
    let process = node.spawn_thread(move |mut cx: BlockingContext<u32>| {
        let all: Result<Vec<_>, _> = (0..1000).map(|_| cx.recv_message()).collect();
        send.send(all?).unwrap();
        Ok(())
    });
    for n in 0..1000 {
        process.cast(n);
    }
    assert_eq!(sums.recv().unwrap(), (0..1000).collect::<Vec<_>>());
    assert!(matches!(runtime.block_on(ended(&node, &process)), ExitReason::Normal));
}

#[test]
fn a_look_without_waiting_takes_everything_that_is_there() {
    let (runtime, node) = world();
    let (go, gone) = bounded::<()>(0);
    let process = node.spawn_thread(move |mut cx: BlockingContext<u32>| {
        gone.recv().unwrap();
        for n in 0..2000 {
            assert!(matches!(cx.try_recv()?, Some(Event::Message(m)) if m == n));
        }
        assert!(cx.try_recv()?.is_none());
        Ok(())
    });
    for n in 0..2000 {
        process.cast(n);
    }
    go.send(()).unwrap();
    assert_eq!(runtime.block_on(ended(&node, &process)).to_string(), "normal");
}

// OTP: D2
#[test]
fn a_thread_receives_nothing_that_its_task_has_not_walked() {
    let (stepper, node) = Stepper::new();
    let (ask, asked) = bounded::<()>(0);
    let (send, says) = bounded(0);
    let process = node.spawn_thread(move |mut cx: BlockingContext<&'static str>| {
        cx.context().trap_exit(true);
        while asked.recv().is_ok() {
            send.send(cx.try_recv()?.map(|event| words(&event))).unwrap();
        }
        Ok(())
    });
    let look = || {
        ask.send(()).unwrap();
        says.recv().unwrap()
    };
    stepper.settle();
    process.cast("first");
    assert_eq!(look().unwrap(), "first");
    process.exit(oops("exit"));
    process.cast("second");
    assert_eq!(look(), None);
    stepper.settle();
    assert_eq!(look().unwrap(), "EXIT error: exit");
    assert_eq!(look().unwrap(), "second");
    assert_eq!(look(), None);
    drop(ask);
    wind_up(stepper, &process);
}

// OTP: E5
#[test]
fn what_stands_behind_a_signal_at_the_deadline_is_taken() {
    let (stepper, node) = Stepper::new();
    let (ask, asked) = bounded::<()>(0);
    let (send, says) = bounded(1);
    let process = node.spawn_thread(move |mut cx: BlockingContext<&'static str>| {
        while asked.recv().is_ok() {
            send.send(cx.recv_timeout(Duration::ZERO)?.map(|event| words(&event))).unwrap();
        }
        Ok(())
    });
    stepper.settle();
    ask.send(()).unwrap();
    assert_eq!(says.recv().unwrap(), None);
    process.exit(ExitReason::Normal);
    process.cast("there");
    ask.send(()).unwrap();
    // Its task has not walked the queue: the thread has time to answer too early, and must not.
    for _ in 0..10_000 {
        thread::yield_now();
    }
    assert!(says.is_empty());
    let said = loop {
        if let Ok(said) = says.try_recv() {
            break said;
        }
        stepper.settle();
        thread::yield_now();
    };
    assert_eq!(said.unwrap(), "there");
    drop(ask);
    wind_up(stepper, &process);
}

// OTP: D1, D2
#[test]
fn messages_and_signals_of_one_sender_keep_their_order_although_the_task_applies_the_signals() {
    let (runtime, node) = world();
    for _ in 0..20 {
        let (send, heard) = bounded(1);
        let (started, starts) = bounded(1);
        let process = node.spawn_thread(move |mut cx: BlockingContext<u32>| {
            cx.context().trap_exit(true);
            started.send(()).unwrap();
            let mut all = Vec::new();
            while all.last() != Some(&2000) {
                all.push(match cx.recv()? {
                    Event::Message(n) => n,
                    Event::Exit(exit) => exit.reason.to_string().trim_start_matches("error: ").parse().unwrap(),
                    _ => 0,
                });
            }
            send.send(all).unwrap();
            Ok(())
        });
        starts.recv().unwrap();
        for n in 1..=2000 {
            if n % 3 == 0 {
                process.exit(Number(n).into());
            } else {
                process.cast(n);
            }
        }
        assert_eq!(heard.recv().unwrap(), (1..=2000).collect::<Vec<_>>());
        assert_eq!(runtime.block_on(ended(&node, &process)).to_string(), "normal");
    }
}

// OTP: E2, E3
#[test]
fn any_receive_of_a_context_can_be_waited_for() {
    let (runtime, node) = world();
    let (send, out) = unbounded();
    let process = node.spawn_thread(move |mut cx: BlockingContext<Letter>| {
        assert_eq!(cx.pid(), cx.context().pid());
        assert_eq!(cx.addr().pid(), Some(cx.pid()));
        send.send(cx.wait(|cx| cx.recv_tag(Tag::new(1)))?.id).unwrap();
        send.send(cx.wait(|cx| cx.recv_key(Tag::new(2), 9_u64))?.id).unwrap();
        assert!(cx.wait(|cx| cx.recv_tag(Tag::new(1)).after(Duration::ZERO))?.is_none());
        send.send(cx.recv_message()?.id).unwrap();
        assert!(cx.try_recv()?.is_none());
        assert!(cx.recv_timeout(Duration::ZERO)?.is_none());
        assert!(cx.recv_timeout(Duration::from_millis(5))?.is_none());
        cx.addr().cast(Letter { id: 4, tag: 0, key: 0 });
        assert!(matches!(cx.recv_timeout(Duration::ZERO)?, Some(Event::Message(Letter { id: 4, .. }))));
        cx.wait(|cx| cx.sleep(Duration::from_millis(1)))?;
        Ok(())
    });
    process.cast(Letter { id: 1, tag: 0, key: 0 });
    process.cast(Letter { id: 2, tag: 2, key: 9 });
    process.cast(Letter { id: 3, tag: 1, key: 0 });
    assert_eq!(runtime.block_on(ended(&node, &process)).to_string(), "normal");
    assert_eq!(out.iter().collect::<Vec<_>>(), [3, 2, 1]);
}

#[test]
fn a_thread_selects_between_its_mailbox_and_other_channels() {
    let (runtime, node) = world();
    let (frames, camera) = bounded::<u32>(0);
    let (send, heard) = unbounded();
    let process = node.spawn_thread(move |mut cx: BlockingContext<u32>| {
        let ready = cx.ready();
        loop {
            while let Some(event) = cx.try_recv()? {
                send.send(event.message().unwrap()).unwrap();
            }
            select! {
                recv(ready) -> _ => {}
                recv(camera) -> frame => send.send(frame?).unwrap(),
            }
        }
    });
    for n in 0..200 {
        if n % 2 == 0 {
            process.cast(n);
        } else {
            frames.send(n).unwrap();
        }
        assert_eq!(heard.recv().unwrap(), n);
    }
    process.kill();
    assert_eq!(runtime.block_on(ended(&node, &process)).to_string(), "killed");
}

#[test]
fn readiness_holds_one_token_and_comes_after_an_empty_look() {
    let (runtime, node) = world();
    let (looked, see) = bounded(0);
    let (go, gone) = bounded::<()>(0);
    let (last, outcome) = bounded(1);
    let process = node.spawn_thread(move |mut cx: BlockingContext<u32>| {
        let ready = cx.ready();
        for _ in 0..100 {
            assert!(cx.try_recv()?.is_none());
            looked.send(ready.clone()).unwrap();
            gone.recv().unwrap();
            ready.recv().unwrap();
            let mut taken = 0;
            while cx.try_recv()?.is_some() {
                taken += 1;
            }
            assert_eq!(taken, 10);
        }
        assert!(cx.try_recv()?.is_none());
        looked.send(ready.clone()).unwrap();
        ready.recv().unwrap();
        last.send(why_not(cx.try_recv())).unwrap();
        Ok(())
    });
    for _ in 0..100 {
        let ready = see.recv().unwrap();
        for n in 0..10 {
            process.cast(n);
        }
        assert_eq!(ready.len(), 1);
        assert_eq!(ready.capacity(), Some(1));
        go.send(()).unwrap();
    }
    let _ready = see.recv().unwrap();
    process.kill();
    assert_eq!(outcome.recv().unwrap(), "killed");
    assert_eq!(runtime.block_on(ended(&node, &process)).to_string(), "killed");
}

// Ends.

/// A process on a thread that says `Some` when it runs and what its first receive came to when that is over.
fn receiver(node: &Node) -> (Addr<u32>, Receiver<Option<String>>) {
    let (send, says) = unbounded();
    let addr = node.spawn_thread(move |mut cx: BlockingContext<u32>| {
        send.send(None).unwrap();
        let received = cx.recv();
        send.send(Some(why_not(received))).unwrap();
        Ok(())
    });
    (addr, says)
}

// OTP: A1, A5
#[test]
fn a_kill_ends_the_receive_under_way_and_everybody_hears_it() {
    let (runtime, node) = world();
    for round in 0..50 {
        let (process, says) = receiver(&node);
        let watched = (round % 2 == 0).then(|| runtime.block_on(watch(&node, &process)));
        assert_eq!(says.recv().unwrap(), None);
        process.kill();
        assert_eq!(says.recv().unwrap().unwrap(), "killed");
        match watched {
            Some(reason) => assert_eq!(runtime.block_on(reason).to_string(), "killed"),
            None => assert_eq!(awaited(&process), "killed"),
        }
        assert!(process.send(1).is_err());
    }
}

/// A process on a thread that takes a request, computes until it is told to go on, drops the request unanswered, then
/// receives and notes what that came to.
fn computer(node: &Node, journal: &Journal<String>) -> (Addr<Reply<u32>>, Receiver<()>, Sender<()>) {
    let (started, starts) = bounded(1);
    let (go, gone) = bounded::<()>(1);
    let journal = journal.clone();
    let addr = node.spawn_thread(move |mut cx: BlockingContext<Reply<u32>>| {
        let reply = cx.recv_message()?;
        let _held = Notes(journal.clone(), "dropped".to_owned());
        started.send(()).unwrap();
        gone.recv().unwrap();
        drop(reply);
        let received = cx.recv();
        journal.note(why_not(received));
        Ok(())
    });
    (addr, starts, go)
}

// OTP: A8, A15, D10
#[test]
fn a_thread_that_computes_ends_at_its_next_receive_and_nobody_is_told_before() {
    let (stepper, node) = Stepper::new();
    let journal = Journal::new();
    let watcher = recorder(&node, &journal);
    let (process, started, go) = computer(&node, &journal);
    let target = process.clone();
    let caller = node.spawn(async move |_: Context<()>| Err(target.call(|reply| reply).await.unwrap_err().into()));
    stepper.settle();
    started.recv().unwrap();
    let target = process.clone();
    let linked = node.spawn(async move |mut cx: Context<()>| {
        cx.link(&target);
        std::future::pending().await
    });
    let (from, target) = (watcher.clone(), process.clone());
    let relay = node.spawn(async move |mut cx: Context<()>| {
        cx.monitor(&target);
        let event = cx.recv().await;
        assert!(matches!(event, Event::Down(down) if matches!(down.reason, ExitReason::Killed)));
        from.cast("DOWN");
        Ok(())
    });
    stepper.settle();
    let unseen = process.request(|reply| reply);
    process.kill();
    process.exit(oops("too late"));
    stepper.settle();
    // It is doomed, and its task has seen that; nobody else has.
    assert_eq!(journal.take(), [""; 0]);
    assert!(process.ended().is_none() && node.is_alive(process.pid().unwrap()));
    assert!(linked.ended().is_none() && caller.ended().is_none());
    go.send(()).unwrap();
    while relay.ended().is_none() || linked.ended().is_none() || watcher.depth() > 0 {
        stepper.settle();
        thread::yield_now();
    }
    assert_eq!(journal.take(), ["killed", "dropped", "DOWN"]);
    assert_eq!(process.ended().unwrap().to_string(), "killed");
    assert_eq!(linked.ended().unwrap().to_string(), "killed");
    assert_eq!(relay.ended().unwrap().to_string(), "normal");
    // Whoever it left without an answer hears why, also the one whose request it dropped when it was doomed.
    while caller.ended().is_none() {
        stepper.settle();
    }
    assert!(caller.ended().unwrap().to_string().contains("(killed)"));
    assert_eq!(why(&Sim::seed(1).run(async |_| unseen.await)), "exited: killed");
    stepper.finish();
}

#[test]
fn a_process_killed_before_its_first_poll_starts_no_thread() {
    let (stepper, node) = Stepper::new();
    let journal = Journal::new();
    let held = Notes(journal.clone(), "dropped");
    let ran = journal.clone();
    let process = node.spawn_thread(move |_: BlockingContext<()>| {
        ran.note("ran");
        drop(held);
        Ok(())
    });
    process.kill();
    stepper.settle();
    assert_eq!(process.ended().unwrap().to_string(), "killed");
    assert_eq!(journal.take(), ["dropped"]);
    stepper.finish();
}

// OTP: B1, B4
#[test]
fn an_exit_of_a_link_ends_a_thread_and_the_other_way_round() {
    let (runtime, node) = world();
    let peer = mortal(&node);
    let (target, (send, says)) = (peer.clone(), bounded(1));
    let process = node.spawn_thread(move |mut cx: BlockingContext<()>| {
        cx.context().link(&target);
        send.send("linked".to_owned()).unwrap();
        send.send(why_not(cx.recv())).unwrap();
        Ok(())
    });
    assert_eq!(says.recv().unwrap(), "linked");
    runtime.block_on(end(&node, &peer, oops("peer")));
    assert_eq!(says.recv().unwrap(), "error: peer");
    assert_eq!(awaited(&process), "error: peer");

    let (send, child) = bounded(1);
    let parent = node.spawn_thread(move |mut cx: BlockingContext<()>| {
        let linked = cx.context().spawn_link(async |_: Context<()>| std::future::pending().await);
        send.send(linked).unwrap();
        Err(oops("parent"))
    });
    assert_eq!(awaited(&child.recv().unwrap()), "error: parent");
    assert_eq!(awaited(&parent), "error: parent");
}

// OTP: B6, C1
#[test]
fn a_thread_traps_exits_and_monitors() {
    let (runtime, node) = world();
    let (peer, watched) = (mortal(&node), mortal(&node));
    let (target, other) = (peer.clone(), watched.clone());
    let (send, says) = unbounded();
    let process = node.spawn_thread(move |mut cx: BlockingContext<&'static str>| {
        cx.context().trap_exit(true);
        cx.context().link(&target);
        let monitor = cx.context().monitor(&other);
        send.send("ready".to_owned()).unwrap();
        send.send(words(&cx.recv()?)).unwrap();
        let down = cx.wait(|cx| cx.recv_down(monitor))?;
        send.send(format!("{} {}", down.monitor == monitor, down.reason)).unwrap();
        send.send(cx.recv_message()?.to_owned()).unwrap();
        Ok(())
    });
    assert_eq!(says.recv().unwrap(), "ready");
    runtime.block_on(end(&node, &peer, oops("peer")));
    assert_eq!(says.recv().unwrap(), "EXIT error: peer");
    process.cast("on");
    runtime.block_on(end(&node, &watched, ExitReason::Shutdown));
    assert_eq!(says.recv().unwrap(), "true shutdown");
    assert_eq!(says.recv().unwrap(), "on");
    assert_eq!(awaited(&process), "normal");
}

// OTP: A3
#[test]
fn a_panic_in_the_body_is_the_reason() {
    let (runtime, node) = world();
    let journal = Journal::new();
    let held = Notes(journal.clone(), "dropped");
    let process = node.spawn_thread(move |mut cx: BlockingContext<&'static str>| {
        let _held = held;
        let text = cx.recv_message()?;
        panic!("on {text}");
    });
    let watched = runtime.block_on(watch(&node, &process));
    process.cast("purpose");
    let reason = runtime.block_on(watched);
    assert!(matches!(&reason, ExitReason::Panic(info) if info.message == "on purpose"), "{reason}");
    assert_eq!(journal.take(), ["dropped"]);
    // A clause of a selective receive, too.
    let process = node.spawn_thread(|mut cx: BlockingContext<u32>| {
        cx.wait(|cx| cx.recv_where(|n| panic!("predicate {n}")))?;
        Ok(())
    });
    process.cast(3);
    assert!(runtime.block_on(ended(&node, &process)).to_string().contains("predicate 3"));
}

#[test]
fn a_context_that_outlives_the_body_is_told_the_reason() {
    let (_runtime, node) = world();
    let (send, contexts) = bounded(1);
    let (go, gone) = bounded::<()>(0);
    let process = node.spawn_thread(move |cx: BlockingContext<()>| {
        send.send(cx).unwrap();
        gone.recv().unwrap();
        Err(oops("over"))
    });
    let mut cx = contexts.recv().unwrap();
    let other = thread::scope(|scope| {
        let waits = scope.spawn(|| cx.recv().map(drop));
        go.send(()).unwrap();
        waits.join().unwrap()
    });
    assert_eq!(why_not(other), "error: over");
    assert_eq!(awaited(&process), "error: over");
    assert_eq!(why_not(cx.try_recv()), "error: over");
}

// OTP: A1, F16
#[test]
fn a_runtime_that_is_dropped_waits_for_no_thread_and_nobody_is_told_before_its_end() {
    let (theirs, their_node) = world();
    let (ours, our_node) = world();
    let journal = Journal::new();
    let (computing, started, go) = computer(&their_node, &journal);
    let (waiting, says) = receiver(&their_node);
    let in_hand = computing.request(|reply| reply);
    started.recv().unwrap();
    assert_eq!(says.recv().unwrap(), None);
    let hears = ours.block_on(watch(&our_node, &computing));
    drop(theirs);
    // The one that waits ends now, the one that computes when it receives.
    assert_eq!(says.recv().unwrap().unwrap(), WHY);
    assert_eq!(awaited(&waiting), WHY);
    assert!(computing.ended().is_none());
    let late = computing.request(|reply| reply);
    go.send(()).unwrap();
    assert_eq!(ours.block_on(hears).to_string(), WHY);
    assert_eq!(journal.take(), [WHY, "dropped"]);
    assert_eq!(why(&computing.call_blocking(|reply| reply)), format!("exited: {WHY}"));
    for call in [in_hand, late] {
        assert_eq!(why(&ours.block_on(call)), format!("exited: {WHY}"));
    }
}

#[test]
fn a_thread_that_ends_while_its_runtime_is_dropped_tells_its_observers_once() {
    let (ours, our_node) = world();
    for _ in 0..50 {
        let (theirs, their_node) = world();
        let (process, says) = receiver(&their_node);
        assert_eq!(says.recv().unwrap(), None);
        let hears = ours.block_on(watch(&our_node, &process));
        process.cast(1);
        drop(theirs);
        let reason = ours.block_on(hears).to_string();
        assert!(reason == "normal" || reason == WHY, "{reason}");
        assert_eq!(process.ended().unwrap().to_string(), reason);
    }
}

#[test]
fn a_simulation_has_no_threads_and_says_so() {
    let reason = Sim::seed(1).run(async |node: Node| {
        let process = node.spawn_thread(|_: BlockingContext<()>| Ok(()));
        ended(&node, &process).await
    });
    assert!(reason.to_string().contains("spawn an ordinary process in it"), "{reason}");
}

// Replies.

// OTP: F9, F16
#[test]
fn a_reply_that_a_thread_drops_tells_what_became_of_the_process() {
    let (_runtime, node) = world();
    let server = node.spawn_thread(|mut cx: BlockingContext<(&'static str, Reply<u32>)>| {
        loop {
            let (what, reply) = cx.recv_message()?;
            drop(reply);
            match what {
                "end" => return Err(oops("end")),
                "panic" => panic!("at once"),
                _ => {}
            }
        }
    });
    assert_eq!(why(&server.call_blocking(|reply| ("go on", reply))), "NoReply");
    assert_eq!(why(&server.call_blocking(|reply| ("end", reply))), "exited: error: end");
    assert_eq!(why(&server.call_blocking(|reply| ("end", reply))), "exited: error: end");

    let server = node.spawn_thread(|mut cx: BlockingContext<Reply<u32>>| {
        let _first = cx.recv_message()?;
        panic!("with a reply in hand");
    });
    let call = why(&server.call_blocking(|reply| reply));
    assert!(call.starts_with("exited: ") && call.contains("with a reply in hand"), "{call}");

    // It makes a blocking call before it receives again: its caller is told first, or both would wait.
    let (silent, requests) = hoarder(&node);
    let server = node.spawn_thread(move |mut cx: BlockingContext<Reply<u32>>| {
        drop(cx.recv_message()?);
        silent.call_blocking(|reply| reply)?;
        Ok(())
    });
    assert_eq!(why(&server.call_blocking(|reply| reply)), "NoReply");
    requests.recv().unwrap().send(1);
    assert_eq!(awaited(&server), "normal");
}

// OTP: F12
#[test]
fn a_thread_calls_others_and_not_itself() {
    let (_runtime, node) = world();
    let (server, (silent, requests)) = (echo(&node), hoarder(&node));
    let (send, says) = unbounded();
    let process = node.spawn_thread(move |mut cx: BlockingContext<Reply<u32>>| {
        send.send(why(&cx.addr().call_blocking(|reply| reply))).unwrap();
        send.send(server.call_blocking(|reply| (6, reply))?.to_string()).unwrap();
        send.send(cx.wait(|_| server.call(|reply| (7, reply)))??.to_string()).unwrap();
        send.send(why_not(cx.wait(|_| silent.call(|reply| reply).forever()))).unwrap();
        Ok(())
    });
    assert_eq!(says.recv().unwrap(), "CallingSelf");
    assert_eq!(says.recv().unwrap(), "6");
    assert_eq!(says.recv().unwrap(), "7");
    let held = requests.recv().unwrap();
    process.kill();
    assert_eq!(says.recv().unwrap(), "killed");
    assert!(held.is_abandoned());
    assert_eq!(awaited(&process), "killed");
}
