//! Stopping: from inside, with a last word, and from outside with the true end awaited.

use crate::panics::warnings;
use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, Notes, ended, idler, inside, oops, seeds, settle, step_aside, why};
use freeboard_process::{
    Actor, Addr, Context, Ended, Event, ExitReason, InitError, Node, Reply, Sim, StopError, run_actor,
};
use std::time::Duration;

enum Msg {
    Note(&'static str),
    /// A handler that takes a while, and receives what comes meanwhile.
    Long(Duration),
    StopInside(ExitReason),
    /// Stops, and fails after that.
    StopAndFail(ExitReason),
    Close(Reply<&'static str>),
    TerminateFails,
}

struct Clerk {
    journal: Journal<String>,
    fails: bool,
}

impl Actor for Clerk {
    type Msg = Msg;
    type Args = Journal<String>;

    async fn init(journal: Self::Args, _: &mut Context<Msg>) -> Result<Self, InitError> {
        Ok(Self { journal, fails: false })
    }

    async fn handle(&mut self, msg: Msg, cx: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Note(text) => self.journal.note(text.to_owned()),
            Msg::Long(time) => {
                while let Some(event) = cx.recv().after(time).await {
                    if let Some(Msg::Note(text)) = event.message() {
                        self.journal.note(format!("inside {text}"));
                    }
                }
            }
            Msg::StopInside(reason) => {
                cx.then(Msg::Note("then"));
                cx.stop(reason);
                cx.stop(oops("second"));
                step_aside().await;
                self.journal.note("still in the handler".to_owned());
            }
            Msg::StopAndFail(reason) => {
                cx.stop(reason);
                return Err(oops("failed"));
            }
            Msg::Close(reply) => return cx.stop_with_reply(reply, "closed", ExitReason::Shutdown),
            Msg::TerminateFails => self.fails = true,
        }
        Ok(())
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Msg>) {
        self.journal.note(format!("terminate {reason}"));
        step_aside().await;
        assert!(!self.fails, "terminate fails");
    }
}

fn clerk(node: &Node) -> (Addr<Msg>, Journal<String>) {
    let journal = Journal::new();
    let args = journal.clone();
    (node.spawn(move |cx| run_actor::<Clerk>(move || args, cx)), journal)
}

/// What a stop came to, in words.
fn outcome(stopped: &Result<(), StopError>) -> String {
    match stopped {
        Ok(()) => "ok".to_owned(),
        Err(StopError::Other(reason)) => format!("other: {reason}"),
        Err(other) => format!("{other:?}"),
    }
}

// OTP: F31, F27
#[test]
fn a_stop_waits_its_turn_and_is_answered_when_the_process_is_really_gone() {
    for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::ShutdownWith("late".into()), oops("x")] {
        seeds(async |node| {
            let (addr, journal) = clerk(&node);
            node.register("clerk", &addr).unwrap();
            addr.cast(Msg::Note("before"));
            let stop = addr.stop(reason.clone());
            addr.cast(Msg::Note("also before"));
            assert_eq!(outcome(&stop.await), "ok");
            assert!(node.whereis::<Msg>("clerk").is_none() && addr.pid().is_none());
            assert_eq!(addr.ended().unwrap().to_string(), reason.to_string());
            assert_eq!(journal.take(), ["before".to_owned(), "also before".to_owned(), format!("terminate {reason}")]);
        });
    }
}

// OTP: F31
#[test]
fn a_stop_that_finds_another_end_or_nobody_or_no_time_says_so() {
    seeds(async |node| {
        let (addr, _) = clerk(&node);
        let dead = addr.clone();
        settle(&node).await;
        // Another end: the handler fails before the stop has its turn.
        addr.cast(Msg::StopAndFail(ExitReason::Normal));
        assert_eq!(outcome(&addr.stop(ExitReason::Shutdown).await), "other: error: failed");
        assert_eq!(outcome(&dead.stop(ExitReason::Shutdown).await), "NoProc");
        assert_eq!(outcome(&node.stop("nobody", ExitReason::Shutdown).await), "NoProc");
        // An end that terminate gives.
        let (addr, _) = clerk(&node);
        addr.cast(Msg::TerminateFails);
        let stopped = outcome(&node.stop(&addr, ExitReason::Shutdown).await);
        assert!(stopped.starts_with("other: panic: terminate fails"), "{stopped}");
        // No time: nothing changes, and the stop is served in its turn all the same.
        let (addr, journal) = clerk(&node);
        addr.cast(Msg::Long(Duration::from_secs(60)));
        let start = node.now();
        let late = addr.stop(ExitReason::Shutdown).within(Duration::from_secs(1)).await;
        assert_eq!((outcome(&late).as_str(), node.now() - start), ("Timeout", Duration::from_secs(1)));
        addr.cast(Msg::Note("goes on"));
        settle(&node).await;
        assert_eq!(journal.take(), ["inside goes on"]);
        assert_eq!(ended(&node, &addr).await.to_string(), "shutdown");
        assert_eq!(journal.take(), ["terminate shutdown"]);
    });
}

// OTP: F31
#[test]
fn nobody_waits_for_his_own_end_and_a_pid_names_who_is_meant() {
    seeds(async |node| {
        let own = inside(&node, async |cx: Context<()>| outcome(&cx.addr().stop(ExitReason::Normal).await)).await;
        assert_eq!(own, "CallingSelf");
        let raw = node.spawn(async |mut cx: Context<()>| {
            loop {
                cx.recv().await;
            }
        });
        let pid = raw.pid().unwrap();
        assert_eq!(outcome(&node.stop(&pid, oops("by pid")).await), "ok");
        assert_eq!(outcome(&node.stop(&pid, oops("by pid")).await), "NoProc");
    });
}

#[test]
fn a_raw_process_stops_at_a_plain_receive_and_at_no_other() {
    seeds(async |node| {
        let journal = Journal::new();
        let seen = journal.clone();
        let raw = node.spawn(async move |mut cx: Context<u32>| {
            let _held = Notes(seen.clone(), 99);
            seen.note(cx.recv_message().await);
            seen.note(cx.recv_where(|n| *n == 3).await);
            while let Some(n) = cx.recv_event_where(|event| matches!(event, Event::Message(_))).await.message() {
                seen.note(n);
            }
            Ok(())
        });
        settle(&node).await;
        let stop = raw.stop(ExitReason::Shutdown);
        let (stopped, ()) = tokio::join!(stop, async {
            step_aside().await;
            (1..=4).for_each(|n| raw.cast(n));
        });
        assert_eq!(outcome(&stopped), "ok");
        // The stop was older than all of them.
        assert_eq!(journal.take(), [1, 3, 99]);
    });
}

#[test]
fn a_process_stops_itself_when_its_handler_is_through_or_at_its_next_await() {
    seeds(async |node| {
        let (addr, journal) = clerk(&node);
        addr.cast(Msg::StopInside(ExitReason::ShutdownWith("done".into())));
        addr.cast(Msg::Note("too late"));
        assert_eq!(ended(&node, &addr).await.to_string(), "shutdown: done");
        assert_eq!(journal.take(), ["still in the handler", "terminate shutdown: done"]);
        // What the handler itself comes to counts more.
        let (addr, _) = clerk(&node);
        addr.cast(Msg::StopAndFail(ExitReason::Normal));
        assert_eq!(ended(&node, &addr).await.to_string(), "error: failed");
        let raw = node.spawn(async |mut cx: Context<()>| {
            cx.stop(oops("raw"));
            cx.recv_message().await;
            Ok(())
        });
        assert_eq!(ended(&node, &raw).await.to_string(), "error: raw");
    });
}

// OTP: F29, A9
#[test]
fn the_last_word_comes_after_terminate_also_if_that_fails_and_finds_the_name_free() {
    for fails in [false, true] {
        seeds(async |node| {
            let (addr, journal) = clerk(&node);
            node.register("clerk", &addr).unwrap();
            if fails {
                addr.cast(Msg::TerminateFails);
            }
            let answer = addr.call(Msg::Close).await;
            assert_eq!(answer.unwrap(), "closed");
            assert_eq!(journal.take(), ["terminate shutdown"]);
            assert!(node.whereis::<Msg>("clerk").is_none() && addr.pid().is_none());
        });
    }
}

#[test]
fn a_last_word_for_a_caller_that_is_gone_harms_nobody() {
    struct Closer;
    /// Panics when it is dropped.
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("nobody took it");
            }
        }
    }
    impl Actor for Closer {
        type Msg = Reply<Grenade>;
        type Args = ();
        async fn init((): (), _: &mut Context<Self::Msg>) -> Result<Self, InitError> {
            Ok(Self)
        }
        async fn handle(&mut self, reply: Self::Msg, cx: &mut Context<Self::Msg>) -> Ended {
            cx.sleep(Duration::from_secs(1)).await;
            cx.stop_with_reply(reply, Grenade, ExitReason::Normal)
        }
    }
    seeds(async |node| {
        let addr = node.spawn(|cx| run_actor::<Closer>(|| (), cx));
        let answer = addr.call(|reply| reply).within(Duration::from_millis(100)).await;
        assert_eq!(why(&answer), "Timeout");
        assert_eq!(ended(&node, &addr).await.to_string(), "normal");
    });
}

// OTP: F16, F29
#[test]
fn whoever_waits_for_a_stop_or_a_last_word_is_answered_wherever_the_process_is_struck() {
    let points = at_every_point(|node, stepper| {
        let answers = Journal::new();
        let journal = answers.clone();
        let callers = |clerk: &Addr<Msg>| {
            let (addr, journal) = (clerk.clone(), journal.clone());
            node.spawn(async move |_cx: Context<()>| {
                let answer = addr.call(Msg::Close).forever().await;
                journal.note(("last word", answer.map_or_else(|why| format!("{why:?}"), str::to_owned)));
                Ok(())
            });
            let (addr, journal) = (clerk.clone(), answers.clone());
            node.spawn(async move |_cx: Context<()>| {
                let stopped = addr.stop(ExitReason::Shutdown).await;
                journal.note(("stop", outcome(&stopped)));
                Ok(())
            });
        };
        let check = answers.clone();
        Plan::new(
            stepper,
            || clerk(node).0,
            callers,
            move |at, reason| {
                let mut answers = check.take();
                answers.sort();
                assert_eq!(answers.len(), 2, "{at}: {answers:?}");
                let stop = if reason == "shutdown" {
                    vec!["ok".into(), "NoProc".into()]
                } else {
                    vec![format!("other: {reason}"), "NoProc".into()]
                };
                assert!(stop.contains(&answers[1].1), "{at}: {answers:?} after {reason}");
            },
        )
    });
    assert!(points > 4, "{points}");
}

// OTP: F27
#[test]
fn an_actor_that_would_clean_up_and_cannot_is_warned_of_once() {
    let count = warnings(|| {
        Sim::seed(1).run(async |node: Node| {
            let actors: Vec<_> = (0..3).map(|_| clerk(&node).0).collect();
            settle(&node).await;
            actors[0].kill();
            settle(&node).await;
            actors[1].exit(ExitReason::Shutdown);
            actors[2].exit(ExitReason::Shutdown);
            // One that has none has nothing to be warned of.
            idler(&node).exit(ExitReason::Shutdown);
            settle(&node).await;
            assert!(actors.iter().all(|actor| actor.pid().is_none()));
        });
    });
    // The kill is a crash, and is reported as one.
    assert_eq!(count, 2);
}
