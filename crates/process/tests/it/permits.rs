//! Room in a mailbox: permits, and senders that wait for room.

use crate::support::{Again, Journal, Notes, ended, incarnate, pause, seeds, settle, step_aside};
use freeboard_process::{Addr, Birth, Context, ExitReason, Launch, Launcher, Node, Policy, Refused, Reply};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Takes one message for each unit it is told to, and notes it.
fn taker(node: &Node, policy: Policy<u32>, taken: &Journal<u32>) -> (Addr<u32>, Addr<u32>) {
    let (given, taken) = (Journal::new(), taken.clone());
    let counter = given.clone();
    let taps = node.spawn(async move |mut cx: Context<u32>| {
        loop {
            counter.note(cx.recv_message().await);
        }
    });
    let process = node
        .spawn_with(policy, async move |mut cx: Context<u32>| {
            let mut left = 0;
            loop {
                left += given.take().iter().sum::<u32>();
                if left == 0 {
                    cx.sleep(MS).await;
                    continue;
                }
                taken.note(cx.recv_message().await);
                left -= 1;
            }
        })
        .unwrap();
    (process, taps)
}

/// A process that sends that number as soon as there is room, until then, and notes what came of it.
fn waiter(node: &Node, to: &Addr<u32>, number: u32, patience: Duration, notes: &Journal<String>) -> Addr<()> {
    let (to, notes) = (to.clone(), notes.clone());
    node.spawn(async move |cx: Context<()>| {
        let sent = to.send_wait(number, cx.now() + patience).await;
        notes.note(match sent {
            Ok(()) => format!("{number} sent"),
            Err(error) => format!("{} back: {:?}", error.message, error.why),
        });
        Ok(())
    })
}

// OTP: D1, E13
#[test]
fn a_permit_is_room_and_no_place() {
    seeds(async |node| {
        let taken = Journal::new();
        let (process, taps) = taker(&node, Policy::bounded(3), &taken);
        let permit = process.try_reserve().unwrap();
        // The same sender's messages come in the order in which it sent them: the permit counts from its use.
        process.send(1).unwrap();
        process.send(2).unwrap();
        assert!(matches!(process.send(9).unwrap_err().why, Refused::Full));
        assert!(matches!(process.try_reserve().unwrap_err(), Refused::Full));
        permit.send(3).unwrap();
        taps.cast(3);
        pause(&node, 9 * MS).await;
        assert_eq!(taken.take(), [1, 2, 3]);
    });
}

// OTP: E13
#[test]
fn a_permit_that_is_dropped_gives_its_room_to_the_first_who_waits() {
    seeds(async |node| {
        let notes = Journal::new();
        let (process, _taps) = taker(&node, Policy::bounded(1), &Journal::new());
        let permit = process.try_reserve().unwrap();
        for number in 1..=2 {
            waiter(&node, &process, number, HOUR, &notes);
            settle(&node).await;
        }
        assert_eq!(notes.take(), [""; 0]);
        drop(permit);
        // Nobody who comes by can take it.
        assert!(matches!(process.send(9).unwrap_err().why, Refused::Full));
        assert!(process.try_reserve().is_err());
        settle(&node).await;
        assert_eq!(notes.take(), ["1 sent"]);
    });
}

// OTP: M7
#[test]
fn a_process_that_is_killed_gives_back_the_room_it_holds_and_its_place_in_the_line() {
    seeds(async |node| {
        let notes = Journal::new();
        let (process, _taps) = taker(&node, Policy::bounded(1), &Journal::new());
        let gate = process.clone();
        let holder = node.spawn(async move |_: Context<()>| {
            let _permit = gate.try_reserve().unwrap();
            std::future::pending().await
        });
        settle(&node).await;
        let in_line = waiter(&node, &process, 1, HOUR, &notes);
        settle(&node).await;
        waiter(&node, &process, 2, HOUR, &notes);
        settle(&node).await;
        in_line.kill();
        settle(&node).await;
        assert!(process.try_reserve().is_err() && notes.take().is_empty(), "the holder lives");
        holder.kill();
        settle(&node).await;
        assert_eq!(notes.take(), ["2 sent"]);
    });
}

// OTP: D1, E13
#[test]
fn those_who_wait_for_room_get_it_in_the_order_in_which_they_came() {
    seeds(async |node| {
        let (notes, taken) = (Journal::new(), Journal::new());
        let (process, taps) = taker(&node, Policy::bounded(2), &taken);
        process.send(1).unwrap();
        process.send(2).unwrap();
        for number in 3..=6 {
            waiter(&node, &process, number, HOUR, &notes);
            settle(&node).await;
        }
        for number in 3..=6 {
            taps.cast(1);
            pause(&node, 9 * MS).await;
            assert_eq!(notes.take(), [format!("{number} sent")]);
        }
        taps.cast(2);
        pause(&node, 9 * MS).await;
        assert_eq!(taken.take(), [1, 2, 3, 4, 5, 6]);
    });
}

// OTP: E13
#[test]
fn a_wait_ends_at_its_deadline_with_the_message_and_leaves_the_line() {
    seeds(async |node| {
        let notes = Journal::new();
        let (process, taps) = taker(&node, Policy::bounded(1), &Journal::new());
        process.send(1).unwrap();
        waiter(&node, &process, 2, 5 * MS, &notes);
        settle(&node).await;
        waiter(&node, &process, 3, HOUR, &notes);
        pause(&node, 3 * MS).await;
        assert_eq!(notes.take(), [""; 0]);
        pause(&node, 2 * MS).await;
        assert_eq!(notes.take(), ["2 back: Full"]);
        taps.cast(1);
        pause(&node, 9 * MS).await;
        assert_eq!(notes.take(), ["3 sent"]);
    });
}

// OTP: E13
#[test]
fn a_deadline_in_the_past_is_one_try() {
    seeds(async |node| {
        let process =
            node.spawn_with(Policy::bounded(1), async |_cx: Context<u32>| std::future::pending().await).unwrap();
        pause(&node, 9 * MS).await;
        let past = node.now() - 5 * MS;
        process.send_wait(1, past).await.unwrap();
        let error = process.send_wait(2, past).await.unwrap_err();
        assert!(error.message == 2 && matches!(error.why, Refused::Full));
        assert_eq!(node.now() - past, 5 * MS, "no time was spent");
    });
}

// OTP: E13
#[test]
fn a_wait_that_is_dropped_has_sent_nothing_and_passes_its_place_or_its_room_on() {
    seeds(async |node| {
        let ends = Journal::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let process = node
            .spawn_with(Policy::bounded(1), async move |mut cx: Context<Notes<u32>>| {
                let _told = gone.await;
                drop(cx.recv_message().await);
                std::future::pending().await
            })
            .unwrap();
        process.send(Notes(ends.clone(), 1)).unwrap();
        let by = node.now() + HOUR;
        // One that is dropped while it waits, one that is dropped with the room in its hands, and one that gets it.
        let mut waits: Vec<_> = (2..=4).map(|n| Box::pin(process.send_wait(Notes(ends.clone(), n), by))).collect();
        poll_fn(|cx| {
            assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(cx).is_pending()));
            Poll::Ready(())
        })
        .await;
        drop(waits.remove(0));
        assert_eq!(ends.take(), [2]);
        go.send(()).unwrap();
        settle(&node).await;
        assert_eq!(ends.take(), [1]);
        drop(waits.remove(0));
        assert_eq!(ends.take(), [3]);
        waits.remove(0).await.unwrap();
        assert_eq!((process.depth(), ends.len()), (1, 0));
    });
}

// OTP: E13
#[test]
fn waiting_in_a_set_of_futures_wakes_the_set() {
    seeds(async |node| {
        let (notes, taken) = (Journal::new(), Journal::new());
        let (process, taps) = taker(&node, Policy::bounded(1), &taken);
        process.send(1).unwrap();
        let (to, journal) = (process.clone(), notes.clone());
        node.spawn(async move |cx: Context<()>| {
            let mut first = pin!(to.send_wait(2, cx.now() + 3 * MS));
            let mut second = pin!(to.send_wait(3, cx.now() + HOUR));
            let (mut late, mut sent) = (false, false);
            poll_fn(|cx| {
                late = late || first.as_mut().poll(cx).is_ready();
                sent = sent || second.as_mut().poll(cx).is_ready();
                journal.note(format!("{late} {sent}"));
                if late && sent { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            Ok(())
        });
        pause(&node, 9 * MS).await;
        assert_eq!(notes.take().last().unwrap(), "true false");
        taps.cast(1);
        pause(&node, 9 * MS).await;
        assert_eq!(notes.take(), ["true true"]);
    });
}

// OTP: A12, E13
#[test]
fn the_end_of_the_process_ends_every_wait_and_a_permit_is_worth_nothing_then() {
    seeds(async |node| {
        let notes = Journal::new();
        let (process, _taps) = taker(&node, Policy::bounded(2), &Journal::new());
        let permit = process.try_reserve().unwrap();
        process.send(1).unwrap();
        for number in 2..=3 {
            waiter(&node, &process, number, HOUR, &notes);
        }
        settle(&node).await;
        process.kill();
        settle(&node).await;
        let mut heard = notes.take();
        heard.sort_unstable();
        assert_eq!(heard, ["2 back: Closed(Killed)", "3 back: Closed(Killed)"]);
        let error = permit.send(4).unwrap_err();
        assert!(error.message == 4 && matches!(error.why, Refused::Closed(ExitReason::Killed)));
        assert!(matches!(process.try_reserve().unwrap_err(), Refused::Closed(_)));
    });
}

// OTP: A12, E13
#[test]
fn a_permit_is_good_for_the_next_incarnation_too() {
    seeds(async |node| {
        let taken = Journal::new();
        let journal = taken.clone();
        let launcher = Launcher::new(move |mut cx: Context<u32>| {
            let journal = journal.clone();
            Box::pin(async move {
                loop {
                    match cx.recv_message().await {
                        0 => return Ok(()),
                        n => journal.note(n),
                    }
                }
            })
        })
        .mailbox(Policy::bounded(2));
        let addr = launcher.addr();
        incarnate(&node, &launcher);
        let (first, second) = (addr.try_reserve().unwrap(), addr.try_reserve().unwrap());
        first.send(0).unwrap();
        settle(&node).await;
        assert!(matches!(addr.send_wait(7, node.now() + HOUR).await.unwrap_err().why, Refused::Vacant));
        assert!(matches!(addr.try_reserve().unwrap_err(), Refused::Vacant));
        incarnate(&node, &launcher);
        addr.send(1).unwrap();
        assert!(matches!(addr.send(9).unwrap_err().why, Refused::Full), "the permit holds its room here too");
        second.send(2).unwrap();
        settle(&node).await;
        assert_eq!(taken.take(), [1, 2]);
    });
}

// OTP: A12
#[test]
fn before_its_first_start_a_seat_has_room_for_everybody() {
    seeds(async |node| {
        let launcher = Launcher::new(|_cx: Context<u32>| Box::pin(std::future::pending())).mailbox(Policy::bounded(1));
        let addr = launcher.addr();
        // No clock is known yet, and none is needed.
        addr.send_wait(1, node.now()).await.unwrap();
        addr.send_wait(2, node.now()).await.unwrap();
        let permit = addr.try_reserve().unwrap();
        assert_eq!(addr.depth(), 2);
        let pid = launcher.prepare(&node).unwrap().pid();
        let birth = Birth { supervision: Some(Arc::new(Again)), ..Birth::default() };
        assert!(launcher.launch(&node, pid, birth));
        assert!(matches!(addr.send(3).unwrap_err().why, Refused::Full));
        permit.send(4).unwrap();
    });
}

// OTP: D11, E13
#[test]
fn without_a_bound_nobody_waits_and_a_permit_costs_nobody_room() {
    seeds(async |node| {
        let process = node.spawn(async |mut cx: Context<Reply<()>>| {
            loop {
                cx.recv_message().await.send(());
                step_aside().await;
            }
        });
        let permits: Vec<_> = (0..100).map(|_| process.try_reserve().unwrap()).collect();
        for permit in permits {
            let (wait, other) = (process.request(|reply| reply), process.request(|reply| reply));
            drop(permit);
            wait.await.unwrap();
            other.await.unwrap();
        }
        process.kill();
        ended(&node, &process).await;
        assert_eq!(process.stats().received, 200);
    });
}
