//! A first start that is struck, and a spec whose owner is struck before it starts it: whoever asked before is answered, and
//! hears that nobody was ever up exactly when that is so.

use super::is_struck;
use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, step_aside, why};
use freeboard_process::{Ack, Addr, Birth, CallError, Context, Launch, Launcher, Node, Reply};
use std::{future::poll_fn, time::Duration};

type Ask = (usize, Reply<usize>);

/// Takes its first request before it is up, and answers all of them when it is.
fn slow(seen: &Journal<String>) -> Launcher<Ask> {
    let seen = seen.clone();
    Launcher::new(move |mut cx: Context<Ask>| {
        let seen = seen.clone();
        Box::pin(async move {
            step_aside().await;
            let (taken, reply) = cx.recv_message().await;
            seen.note(format!("took {taken}"));
            step_aside().await;
            cx.sleep(Duration::from_millis(1)).await;
            cx.acknowledge();
            seen.note("up".to_owned());
            step_aside().await;
            reply.send(taken);
            while let Some((number, reply)) = cx.recv_message().after(Duration::from_millis(5)).await {
                step_aside().await;
                reply.send(number);
            }
            Ok(())
        })
    })
}

/// Four callers, each with a way of its own to ask; all of them ask before anybody can have started anything.
fn callers(node: &Node, to: &Addr<Ask>, answers: &Journal<(usize, String)>) {
    let ask = |number: usize, to: &Addr<Ask>| to.request(|reply| (number, reply));
    for number in 0..4 {
        let (to, answers, early) = (to.clone(), answers.clone(), ask(number, to));
        node.spawn(async move |_cx: Context<()>| {
            let late = |reply| (number + 4, reply);
            let answer: Result<usize, CallError> = match number {
                0 => to.call(late).await,
                1 => to.call(late).forever().await,
                2 => to.call(late).bound().forever().await,
                _ => to.request(late).await,
            };
            answers.note((number + 4, why(&answer)));
            answers.note((number, why(&early.await)));
            Ok(())
        });
    }
}

fn all(mut answers: Vec<(usize, String)>, at: &str) -> Vec<(usize, String)> {
    answers.sort();
    assert_eq!(answers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7], "{at}");
    answers
}

// OTP: F4, F9, F16
#[test]
fn every_early_caller_is_answered_and_hears_not_started_exactly_if_nobody_came_up_wherever_the_start_is_struck() {
    let points = at_every_point(|node, stepper| {
        let (seen, answers) = (Journal::new(), Journal::new());
        let launcher = slow(&seen);
        callers(node, &launcher.addr(), &answers);
        Plan::new(
            stepper,
            || {
                let pid = launcher.prepare(node).unwrap().pid();
                assert!(launcher.launch(node, pid, Birth { ack: Some(Ack::new()), ..Birth::default() }));
                launcher.addr()
            },
            |_| {},
            move |at, reason| {
                let seen = seen.take();
                let was_up = seen.contains(&"up".to_owned());
                for (number, answer) in all(answers.take(), at) {
                    let was_taken = seen.contains(&format!("took {number}"));
                    let told = match was_up || was_taken {
                        true => format!("exited: {reason}"),
                        false => format!("not started: {reason}"),
                    };
                    let own = was_up && answer == "answered";
                    assert!(own || answer == told, "{at}: caller {number} heard {answer}, after {seen:?}");
                    assert!(own || is_struck(&reason), "{at}: caller {number} heard {answer}");
                }
            },
        )
    });
    assert!(points > 30, "{points}");
}

// OTP: F9, A12
#[test]
fn every_early_caller_is_answered_wherever_the_owner_of_the_spec_is_struck() {
    at_every_point(|node, stepper| {
        let (seen, answers) = (Journal::new(), Journal::new());
        let (launcher, started) = (slow(&seen), seen.clone());
        let addr = launcher.addr();
        callers(node, &addr, &answers);
        let own = async move |cx: Context<()>| {
            for _ in 0..8 {
                step_aside().await;
            }
            let (pid, ack) = (launcher.prepare(cx.node()).unwrap().pid(), Ack::new());
            started.note("started".to_owned());
            assert!(launcher.launch(cx.node(), pid, Birth { ack: Some(ack.clone()), ..Birth::default() }));
            poll_fn(|task| ack.poll(task)).await.map_err(|_| crate::support::oops("its start failed"))
        };
        Plan::new(
            stepper,
            || node.spawn(own),
            |_| {},
            move |at, _| {
                let told = match seen.take().contains(&"started".to_owned()) {
                    // It belongs to nobody, and goes on.
                    true => "answered",
                    false => "not started: no such process",
                };
                for (number, answer) in all(answers.take(), at) {
                    assert_eq!(answer, told, "{at}: caller {number}");
                }
                assert!(addr.ended().is_some() && addr.pid().is_none(), "{at}");
            },
        )
    });
}
