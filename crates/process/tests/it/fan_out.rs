//! Many requests awaited together: one deadline, results as they come, giving up or looking again later.

use crate::support::{Journal, inside, oops, pause, seeds, step_aside, why};
use freeboard_process::{Addr, Context, Dropped, Node, Reply, fan_out};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Answers each request after as many milliseconds as it says.
fn echo(node: &Node) -> Addr<(u64, Reply<u64>)> {
    node.spawn(async |mut cx: Context<(u64, Reply<u64>)>| {
        let (n, reply) = cx.recv_message().await;
        cx.sleep(ms(n)).await;
        reply.send(n);
        Ok(())
    })
}

fn requests(node: &Node, times: &[u64]) -> Vec<freeboard_process::Pending<u64>> {
    times.iter().map(|&n| echo(node).request(move |reply| (n, reply))).collect()
}

// OTP: F17
#[test]
fn results_come_in_the_order_of_the_answers_each_under_its_place() {
    seeds(async |node| {
        let mut set = fan_out(requests(&node, &[30, 10, 20]));
        let mut seen = Vec::new();
        while let Some((place, answer)) = set.next().await {
            seen.push((place, answer.unwrap(), set.waiting()));
        }
        assert_eq!(seen, [(1, 10, 2), (2, 20, 1), (0, 30, 0)]);
        assert!(set.next().await.is_none());
    });
}

// OTP: F17, F9
#[test]
fn one_deadline_holds_for_all_and_each_has_exactly_one_result() {
    seeds(async |node| {
        let start = node.now();
        let dead = node.spawn(async |mut cx: Context<Reply<u64>>| {
            let _held = cx.recv_message().await;
            step_aside().await;
            Err(oops("x"))
        });
        let mut all = requests(&node, &[500, 10, 600, 20]);
        all.push(dead.request(|reply| reply));
        let words: Vec<_> = fan_out(all).within(ms(100)).all().await.iter().map(why).collect();
        assert_eq!(words, ["Timeout", "answered", "Timeout", "answered", "exited: error: x"]);
        assert_eq!(node.now(), start + ms(100));
    });
}

// OTP: F17, F10
#[test]
fn what_times_out_is_abandoned_and_so_is_what_is_dropped() {
    seeds(async |node| {
        let served = Journal::new();
        let journal = served.clone();
        let busy = node.spawn(async move |mut cx: Context<(u64, Reply<u64>)>| {
            cx.sleep(ms(50)).await;
            loop {
                let (n, _reply) = cx.recv_message().await;
                journal.note(n);
            }
        });
        let request = |n| busy.request(move |reply| (n, reply));
        let late = fan_out([request(1), request(2)]).within(ms(10)).all().await;
        assert!(late.iter().all(|answer| why(answer) == "Timeout"));
        drop(fan_out([request(3), request(4)]));
        let kept = request(5);
        assert_eq!(why(&kept.await), "NoReply");
        assert_eq!(served.take(), [5]);
        assert_eq!(busy.stats().dropped(Dropped::Abandoned), 4);
    });
}

// OTP: F17
#[test]
fn a_dropped_next_has_lost_nothing_so_one_can_look_again_later() {
    seeds(async |node| {
        let world = node.clone();
        let seen = inside(&node, async move |mut cx: Context<()>| {
            let mut set = fan_out(requests(&world, &[100, 200]));
            let mut seen = Vec::new();
            let mut patience = 0;
            while set.waiting() > 0 {
                // Keeps waiting: a limit around `next` and no limit in the set.
                let mut next = std::pin::pin!(set.next());
                let mut pause = std::pin::pin!(cx.sleep(ms(30)));
                let got = std::future::poll_fn(|task| {
                    if let std::task::Poll::Ready(got) = next.as_mut().poll(task) {
                        return std::task::Poll::Ready(got);
                    }
                    pause.as_mut().poll(task).map(|()| None)
                })
                .await;
                match got {
                    Some((place, answer)) => seen.push((place, answer.unwrap())),
                    None => patience += 1,
                }
            }
            (seen, patience)
        })
        .await;
        assert_eq!(seen, (vec![(0, 100), (1, 200)], 6));
    });
}

#[test]
fn an_empty_set_has_no_result() {
    seeds(async |node| {
        pause(&node, ms(1)).await;
        assert!(fan_out::<u8>([]).within(ms(1)).next().await.is_none());
        assert!(fan_out::<u8>([]).all().await.is_empty());
    });
}

// OTP: F17, F8
#[test]
fn a_request_can_be_given_a_limit_of_its_own() {
    seeds(async |node| {
        let start = node.now();
        let deadline = Journal::new();
        let seen = deadline.clone();
        let deaf = node.spawn(async move |mut cx: Context<Reply<u64>>| {
            let mut reply = cx.recv_message().await;
            seen.note(reply.deadline());
            reply.abandoned().await;
            seen.note(Some(cx.now()));
            Ok(())
        });
        let request = deaf.request(|reply| reply).within(ms(40));
        assert_eq!(why(&request.await), "Timeout");
        assert_eq!(node.now(), start + ms(40));
        pause(&node, ms(1)).await;
        assert_eq!(deadline.take(), [Some(start + ms(40)); 2]);
    });
}

#[test]
fn a_limit_that_is_set_later_holds_for_what_was_looked_at_already() {
    seeds(async |node| {
        for first in [None, Some(ms(60_000))] {
            let start = node.now();
            let mut set = fan_out(requests(&node, &[500_000, 10, 600_000]));
            if let Some(limit) = first {
                set = set.within(limit);
            }
            assert_eq!(set.next().await.map(|(place, _)| place), Some(1));
            let words: Vec<_> = set.within(ms(100)).all().await.iter().map(why).collect();
            assert_eq!((words, node.now()), (vec!["Timeout".to_owned(); 2], start + ms(110)));
        }
    });
}
