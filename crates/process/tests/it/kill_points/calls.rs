//! Callers and servers that are struck: everybody who waits for an answer gets one.

use super::is_struck;
use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, oops, step_aside, why};
use freeboard_process::{Addr, Context, Node, Reply};
use std::thread::{self, JoinHandle};
use std::time::Duration;

// OTP: F16, F9
#[test]
fn every_caller_is_answered_wherever_the_server_is_struck() {
    let points = at_every_point(|node, stepper| {
        let answers = Journal::new();
        let journal = answers.clone();
        let serve = async |mut cx: Context<(usize, Reply<usize>)>| {
            let mut kept = Vec::new();
            for _ in 0..5 {
                let (n, reply) = cx.recv_message().await;
                step_aside().await;
                match n {
                    0 => reply.send(0),
                    1 => drop(reply),
                    2 => kept.push(reply),
                    3 => drop(cx.node().spawn(async move |_cx: Context<()>| {
                        step_aside().await;
                        reply.send(3);
                        Ok(())
                    })),
                    _ => reply.refuse(),
                }
                step_aside().await;
            }
            cx.sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        let callers = |server: &Addr<(usize, Reply<usize>)>| {
            for n in 0..5 {
                let (server, journal) = (server.clone(), journal.clone());
                node.spawn(async move |mut cx: Context<()>| {
                    step_aside().await;
                    let call = server.call(|reply| (n, reply));
                    let answer = if n % 2 == 0 { call.await } else { call.forever().await };
                    journal.note((n, why(&answer)));
                    cx.recv().after(Duration::from_millis(2)).await;
                    Ok(())
                });
            }
        };
        Plan::new(
            stepper,
            || node.spawn(serve),
            callers,
            move |at, reason| {
                let mut answers = answers.take();
                answers.sort();
                assert_eq!(answers.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1, 2, 3, 4], "{at}");
                for (n, answer) in answers {
                    let own = ["answered", "NoReply", "exited: normal", "answered", "NoReply"][n];
                    assert!(answer == own || answer == format!("exited: {reason}"), "{at}: caller {n} heard {answer}");
                    assert!(is_struck(&reason) || answer == own, "{at}: caller {n} heard {answer}");
                }
            },
        )
    });
    assert!(points > 40, "{points}");
}

// OTP: F10
#[test]
fn a_server_does_not_suffer_wherever_its_caller_is_struck() {
    at_every_point(|node, stepper| {
        let served = Journal::new();
        let journal = served.clone();
        let server = node.spawn(async move |mut cx: Context<Reply<u32>>| {
            let mut count = 0;
            while let Some(reply) = cx.recv_message().after(Duration::from_millis(50)).await {
                step_aside().await;
                cx.sleep(Duration::from_millis(3)).await;
                count += 1;
                reply.send(count);
            }
            journal.note(count);
            Ok(())
        });
        let call = async move |_cx: Context<()>| {
            let first = server.call(|reply| reply).await.map_err(|_| oops("first"))?;
            let abandoned = server.request(|reply| reply);
            step_aside().await;
            drop(abandoned);
            drop(server.call(|reply| reply).within(Duration::from_millis(1)).await);
            step_aside().await;
            if first == 1 { Ok(()) } else { Err(oops("miscounted")) }
        };
        Plan::new(
            stepper,
            || node.spawn(call),
            |_| {},
            move |at, reason| {
                assert!(is_struck(&reason) || reason == "normal", "{at}: {reason}");
                let served = served.take();
                assert!(served.len() == 1 && served[0] <= 3, "{at}: {served:?}");
            },
        )
    });
}

/// What a server is to do with a call.
enum Ask {
    Now(Reply<usize>),
    /// Answer when some callers have given up.
    Late(Reply<usize>),
    /// Let another process answer.
    Pass(Reply<usize>),
    /// Keep it until the end.
    Never(Reply<usize>),
}

/// Answers whatever reply it is sent, a little later, until it is ended from outside.
fn answerer(node: &Node) -> Addr<Reply<usize>> {
    node.spawn(async |mut cx: Context<Reply<usize>>| {
        loop {
            let reply = cx.recv_message().await;
            step_aside().await;
            reply.send(0);
        }
    })
}

// OTP: F9, F16, F17
#[test]
fn every_way_to_ask_is_answered_once_wherever_the_server_is_struck() {
    let ms = Duration::from_millis;
    let points = at_every_point(|node, stepper| {
        let answers = Journal::new();
        let other = answerer(node);
        let passed = other.clone();
        let serve = async move |mut cx: Context<Ask>| {
            let mut kept = Vec::new();
            while let Some(ask) = cx.recv_message().after(ms(20)).await {
                step_aside().await;
                match ask {
                    Ask::Now(reply) => reply.send(0),
                    Ask::Late(reply) => {
                        cx.sleep(ms(3)).await;
                        reply.send(0);
                    }
                    Ask::Pass(reply) => passed.cast(reply),
                    Ask::Never(reply) => kept.push(reply),
                }
            }
            Ok(())
        };
        let journal = answers.clone();
        let callers = |server: &Addr<Ask>| {
            for n in 0..6 {
                let (server, journal) = (server.clone(), journal.clone());
                node.spawn(async move |_cx: Context<()>| {
                    step_aside().await;
                    let note = |answer| journal.note((n, why(&answer)));
                    match n {
                        0 => note(server.call(Ask::Now).within(ms(1)).await),
                        1 => note(server.call(Ask::Late).within(ms(2)).await),
                        2 => {
                            let pending = server.request(Ask::Now);
                            step_aside().await;
                            note(pending.await);
                        }
                        3 => {
                            let all = [server.request(Ask::Now), server.request(Ask::Pass), server.request(Ask::Late)];
                            for pending in all {
                                note(pending.await);
                            }
                        }
                        4 => note(server.call(Ask::Pass).forever().await),
                        _ => note(server.call(Ask::Never).within(ms(60)).await),
                    }
                    Ok(())
                });
            }
        };
        Plan::new(
            stepper,
            || node.spawn(serve),
            callers,
            move |at, reason| {
                let mut answers = answers.take();
                answers.sort();
                let who: Vec<i32> = answers.iter().map(|(n, _)| *n).collect();
                assert_eq!(who, [0, 1, 2, 3, 3, 3, 4, 5], "{at}");
                for (n, answer) in answers {
                    let own: &[&str] = match n {
                        0 | 1 => &["answered", "Timeout"],
                        // What was passed on to a process that lives is answered, whatever became of the server.
                        2..=4 => &["answered"],
                        _ => &[],
                    };
                    let told = answer == format!("exited: {reason}");
                    assert!(own.contains(&answer.as_str()) || told, "{at}: caller {n} heard {answer}");
                    assert!(is_struck(&reason) || !told || n == 5, "{at}: caller {n} heard {answer}");
                }
            },
        )
        .survived_by(&other)
    });
    assert!(points > 60, "{points}");
}

// OTP: F9, F13
#[test]
fn a_caller_is_answered_wherever_the_holder_of_its_reply_is_struck() {
    at_every_point(|node, stepper| {
        let answers = Journal::new();
        let hold = async |mut cx: Context<(usize, Reply<usize>)>| {
            let mut held = Vec::new();
            for _ in 0..6 {
                held.push(cx.recv_message().await);
                step_aside().await;
            }
            for (n, reply) in held {
                if n % 2 == 0 {
                    reply.send(n)
                } else {
                    drop(reply)
                }
                step_aside().await;
            }
            Ok(())
        };
        let journal = answers.clone();
        let others = |holder: &Addr<(usize, Reply<usize>)>| {
            let holder = holder.clone();
            let front = node.spawn(async move |mut cx: Context<(usize, Reply<usize>)>| {
                for _ in 0..6 {
                    let request = cx.recv_message().await;
                    step_aside().await;
                    holder.cast(request);
                    step_aside().await;
                }
                Ok(())
            });
            for n in 0..6 {
                let (front, journal) = (front.clone(), journal.clone());
                node.spawn(async move |_cx: Context<()>| {
                    journal.note((n, why(&front.call(|reply| (n, reply)).forever().await)));
                    Ok(())
                });
            }
        };
        Plan::new(
            stepper,
            || node.spawn(hold),
            others,
            move |at, reason| {
                let mut answers = answers.take();
                answers.sort();
                assert_eq!(answers.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5], "{at}");
                for (n, answer) in answers {
                    let own = if n % 2 == 0 { "answered" } else { "NoReply" };
                    // What reaches the front only when the holder is dead is dropped there, and the front goes on.
                    let struck = answer == "NoReply" || answer == format!("exited: {reason}");
                    assert!(answer == own || is_struck(&reason) && struck, "{at}: caller {n} heard {answer}");
                }
            },
        )
    });
}

/// A thread that is waited for when it is dropped.
struct Joined<T>(Option<JoinHandle<T>>);

impl<T> Joined<T> {
    fn result(mut self) -> T {
        self.0.take().expect("it is taken once").join().expect("the thread asserts nothing")
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            drop(thread.join());
        }
    }
}

// OTP: F8, F9, F16
#[test]
fn a_thread_that_blocks_in_a_call_is_answered_wherever_the_server_is_struck() {
    at_every_point(|node, stepper| {
        let serve = async |mut cx: Context<(bool, Reply<usize>)>| {
            let mut kept = Vec::new();
            for _ in 0..2 {
                for _ in 0..3 {
                    step_aside().await;
                }
                match cx.recv_message().await {
                    (true, reply) => reply.send(0),
                    (false, reply) => kept.push(reply),
                }
            }
            cx.sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        let threads = Journal::new();
        let started = threads.clone();
        let callers = |server: &Addr<(bool, Reply<usize>)>| {
            for wanted in [true, false] {
                let (waiting, to) = (server.depth(), server.clone());
                let call = move || why(&to.call(|reply| (wanted, reply)).forever().blocking());
                let named = thread::Builder::new().name("a caller that blocks".into());
                started.note(Joined(Some(named.spawn(call).expect("a test may have threads"))));
                // The request is in the queue before anybody is polled, so that each point is the same in every run.
                while server.depth() == waiting {
                    thread::yield_now();
                }
            }
        };
        Plan::new(
            stepper,
            || node.spawn(serve),
            callers,
            move |at, reason| {
                let answers: Vec<String> = threads.take().into_iter().map(Joined::result).collect();
                let told = format!("exited: {reason}");
                assert!(answers[0] == "answered" || is_struck(&reason) && answers[0] == told, "{at}: {answers:?}");
                assert_eq!(answers[1], told, "{at}");
            },
        )
    });
}
