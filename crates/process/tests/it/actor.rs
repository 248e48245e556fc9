//! The behaviour: how it starts, what it runs first, and when `terminate` does.

use crate::support::{Journal, ended, idler, oops, seeds, settle, step_aside, why};
use freeboard_process::{
    Ack, Actor, Addr, Birth, Context, Down, Ended, Exit, ExitReason, InitError, Launch, Launcher, Node, Reply,
    StartError, run_actor,
};
use std::time::Duration;

/// How the actor's init goes.
#[derive(Clone)]
enum Init {
    Ok,
    Slow(Duration),
    Queue,
    Trap,
    Stop,
    Refuse,
    Ignore,
    Panic,
    Fail,
}

enum Msg {
    Note(&'static str),
    /// Handle these right after this one.
    Then(Vec<&'static str>),
    Chain(u32),
    Drop(Reply<u32>),
    DropAndFail(Reply<u32>),
    KeepAndPanic(Reply<u32>),
    Stop(ExitReason),
    Panic,
    Watch(Addr<()>),
    TerminatePanics,
}

struct Diary {
    journal: Journal<String>,
    bad_end: bool,
    kept: Vec<Reply<u32>>,
}

impl Actor for Diary {
    type Msg = Msg;
    type Args = (Init, Journal<String>);

    async fn init((init, journal): Self::Args, cx: &mut Context<Msg>) -> Result<Self, InitError> {
        step_aside().await;
        match init {
            Init::Ok => {}
            Init::Slow(time) => cx.sleep(time).await,
            Init::Queue => {
                cx.addr().cast(Msg::Note("queued during init"));
                cx.then(Msg::Note("first"));
                cx.then(Msg::Note("second"));
            }
            Init::Trap => drop(cx.trap_exit(true)),
            Init::Stop => return Err(InitError::Stop(oops("stop"))),
            Init::Refuse => return Err(InitError::Refuse(oops("refuse"))),
            Init::Ignore => return Err(InitError::Ignore),
            Init::Panic => panic!("in init"),
            Init::Fail => return Err(crate::support::Oops("fail").into()),
        }
        journal.note("init".to_owned());
        Ok(Self { journal, bad_end: false, kept: Vec::new() })
    }

    async fn handle(&mut self, msg: Msg, cx: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Note(text) => self.journal.note(text.to_owned()),
            Msg::Then(texts) => texts.into_iter().for_each(|text| cx.then(Msg::Note(text))),
            Msg::Chain(left) => {
                self.journal.note(format!("chain {left}"));
                if left > 0 {
                    cx.then(Msg::Chain(left - 1));
                }
                step_aside().await;
            }
            Msg::Drop(reply) => {
                drop(reply);
                step_aside().await;
                self.journal.note("dropped".to_owned());
            }
            Msg::DropAndFail(reply) => {
                drop(reply);
                step_aside().await;
                return Err(oops("after the drop"));
            }
            Msg::KeepAndPanic(reply) => {
                self.kept.push(reply);
                step_aside().await;
                panic!("with replies kept");
            }
            Msg::Stop(reason) => return Err(reason),
            Msg::Panic => panic!("in handle"),
            Msg::Watch(other) => {
                cx.link(&other);
                cx.monitor(&other);
            }
            Msg::TerminatePanics => self.bad_end = true,
        }
        Ok(())
    }

    async fn handle_down(&mut self, down: Down, _: &mut Context<Msg>) -> Ended {
        self.journal.note(format!("DOWN {}", down.reason));
        Ok(())
    }

    async fn handle_exit(&mut self, exit: Exit, _: &mut Context<Msg>) -> Ended {
        self.journal.note(format!("EXIT {}", exit.reason));
        Ok(())
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Msg>) {
        step_aside().await;
        self.journal.note(format!("terminate {reason}"));
        assert!(!self.bad_end, "terminate fails");
    }
}

fn diary(node: &Node, init: Init) -> (Addr<Msg>, Journal<String>) {
    let journal = Journal::new();
    let args = (init, journal.clone());
    (node.spawn(async move |cx| run_actor::<Diary>(|| args, cx).await), journal)
}

/// Starts it through a launcher, as a supervisor does. Answers the acknowledgement and the address.
fn launched(node: &Node, init: Init) -> (Ack, Addr<Msg>, Journal<String>, freeboard_process::Peer) {
    let journal = Journal::new();
    let args = (init, journal.clone());
    let launcher = Launcher::new(move |cx| {
        let args = args.clone();
        Box::pin(run_actor::<Diary>(move || args, cx))
    });
    let peer = launcher.prepare(node).unwrap();
    let ack = Ack::new();
    assert!(launcher.launch(node, peer.pid(), Birth { ack: Some(ack.clone()), ..Birth::default() }));
    (ack, launcher.addr(), journal, peer)
}

/// Waits for the answer to a start.
async fn up(ack: &Ack) -> Result<(), StartError> {
    std::future::poll_fn(|cx| ack.poll(cx)).await
}

// OTP: F1
#[test]
fn a_start_returns_when_init_is_done_and_not_before() {
    seeds(async |node| {
        let start = node.now();
        let (ack, addr, journal, _) = launched(&node, Init::Slow(Duration::from_secs(3)));
        addr.cast(Msg::Note("queued"));
        settle(&node).await;
        assert_eq!(journal.len(), 0);
        up(&ack).await.unwrap();
        assert_eq!(node.now() - start, Duration::from_secs(3));
        settle(&node).await;
        assert_eq!(journal.take(), ["init", "queued"]);
        addr.kill();
        settle(&node).await;
    });
}

// OTP table: F1, F2, F4
#[test]
fn each_end_of_init_has_its_own_answer_and_by_then_the_child_is_gone() {
    let table: [(Init, Option<&str>, &str); 6] = [
        (Init::Stop, Some("error: stop"), "error: stop"),
        (Init::Refuse, Some("error: refuse"), "normal"),
        (Init::Ignore, None, "normal"),
        (Init::Panic, Some("panic: in init"), "panic: in init"),
        (Init::Fail, Some("error: fail"), "error: fail"),
        (Init::Slow(Duration::from_secs(9)), Some("killed"), "killed"),
    ];
    for (init, told, reason) in table {
        seeds(async |node| {
            let (ack, addr, journal, peer) = launched(&node, init.clone());
            if matches!(init, Init::Slow(_)) {
                settle(&node).await;
                peer.kill();
            }
            match (up(&ack).await, told) {
                (Err(StartError::Init(why)), Some(told)) => assert_eq!(why.to_string(), told),
                (Err(StartError::Ignored), None) => {}
                (other, _) => panic!("{other:?}"),
            }
            assert!(!node.is_alive(peer.pid()));
            assert_eq!(addr.ended().unwrap().to_string(), reason);
            assert_eq!(journal.take(), Vec::<String>::new());
        });
    }
}

// OTP: F5
#[test]
fn an_init_that_takes_too_long_is_killed_and_reported_as_timeout() {
    seeds(async |node| {
        let start = node.now();
        let (ack, addr, _, peer) = launched(&node, Init::Slow(Duration::from_secs(9)));
        Ack::expire(&node, &peer, Duration::from_secs(2));
        assert!(matches!(up(&ack).await, Err(StartError::Timeout)));
        assert_eq!(node.now() - start, Duration::from_secs(2));
        assert!(matches!(addr.ended(), Some(ExitReason::Killed)));
        // One that was up in time is left alone.
        let (ack, addr, _, peer) = launched(&node, Init::Slow(Duration::from_secs(1)));
        Ack::expire(&node, &peer, Duration::from_secs(2));
        up(&ack).await.unwrap();
        crate::support::pause(&node, Duration::from_secs(5)).await;
        assert!(addr.ended().is_none());
        addr.kill();
        settle(&node).await;
    });
}

// OTP: F22
#[test]
fn continuations_run_before_anything_queued_also_what_came_during_init() {
    seeds(async |node| {
        let (addr, journal) = diary(&node, Init::Queue);
        addr.cast(Msg::Note("queued before"));
        settle(&node).await;
        let seen = journal.take();
        assert_eq!(seen[..3], ["init", "first", "second"]);
        let mut queued = seen[3..].to_vec();
        queued.sort();
        assert_eq!(queued, ["queued before", "queued during init"]);
        addr.kill();
        settle(&node).await;
    });
}

// OTP: F22
#[test]
fn a_continuation_follows_its_callback_directly_and_may_chain() {
    seeds(async |node| {
        let (addr, journal) = diary(&node, Init::Ok);
        addr.cast(Msg::Then(vec!["a", "b"]));
        addr.cast(Msg::Note("queued"));
        addr.cast(Msg::Chain(3));
        addr.cast(Msg::Note("last"));
        settle(&node).await;
        let expected = ["init", "a", "b", "queued", "chain 3", "chain 2", "chain 1", "chain 0", "last"];
        assert_eq!(journal.take(), expected);
        addr.kill();
        settle(&node).await;
    });
}

// OTP: F27, A8
#[test]
fn terminate_runs_when_a_handler_stops_or_panics_and_never_on_a_kill_or_an_untrapped_exit() {
    type Blow = fn(&Addr<Msg>);
    let table: [(Blow, &[&str], &str); 5] = [
        (|a| a.cast(Msg::Stop(ExitReason::Normal)), &["init", "terminate normal"], "normal"),
        (|a| a.cast(Msg::Stop(oops("x"))), &["init", "terminate error: x"], "error: x"),
        (|a| a.cast(Msg::Panic), &["init", "terminate panic: in handle"], "panic: in handle"),
        (|a| a.kill(), &["init"], "killed"),
        (|a| a.exit(oops("y")), &["init"], "error: y"),
    ];
    for (blow, expected, reason) in table {
        seeds(async |node| {
            let (addr, journal) = diary(&node, Init::Ok);
            settle(&node).await;
            blow(&addr);
            assert_eq!(ended(&node, &addr).await.to_string(), reason);
            assert_eq!(journal.take(), expected);
        });
    }
}

// OTP: F27
#[test]
fn a_kill_during_terminate_cuts_it_off() {
    seeds(async |node| {
        let (addr, journal) = diary(&node, Init::Ok);
        settle(&node).await;
        addr.cast(Msg::Stop(oops("x")));
        addr.kill();
        assert!(matches!(ended(&node, &addr).await, ExitReason::Killed));
        assert_eq!(journal.take(), ["init"]);
    });
}

// OTP: F30
#[test]
fn a_failing_terminate_gives_the_reason() {
    seeds(async |node| {
        let (addr, journal) = diary(&node, Init::Ok);
        addr.cast(Msg::TerminatePanics);
        addr.cast(Msg::Stop(ExitReason::Shutdown));
        let reason = ended(&node, &addr).await.to_string();
        assert!(reason.starts_with("panic: terminate fails"), "{reason}");
        assert_eq!(journal.take(), ["init", "terminate shutdown"]);
    });
}

// OTP: F28, F27, B6
#[test]
fn a_trapping_actor_stops_with_its_parent_whatever_the_reason_and_with_nobody_else() {
    let reasons = [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Killed, oops("x")];
    for reason in reasons {
        seeds(async |node| {
            let (journal, addrs) = (Journal::new(), Journal::new());
            let (args, out, last) = ((Init::Trap, journal.clone()), addrs.clone(), reason.clone());
            let parent = node.spawn(async move |mut cx: Context<()>| {
                out.note(cx.spawn_link(async move |cx| run_actor::<Diary>(|| args, cx).await));
                cx.recv_message().await;
                Err(last)
            });
            settle(&node).await;
            let child = addrs.take().pop().unwrap();
            let other = idler(&node);
            child.cast(Msg::Watch(other.clone()));
            settle(&node).await;
            other.exit(oops("other"));
            settle(&node).await;
            let mut seen = journal.take();
            seen.sort();
            assert_eq!(seen, ["DOWN error: other", "EXIT error: other", "init"]);
            assert!(child.ended().is_none());
            // The parent's exit overtakes what is queued (deviation DEV-04).
            parent.cast(());
            assert_eq!(ended(&node, &child).await.to_string(), reason.to_string());
            assert_eq!(journal.take(), [format!("terminate {reason}")]);
        });
    }
}

/// DEV-04: an actor that traps exits stops with its parent before it handles what was queued earlier.
// OTP: D3
#[test]
fn the_parents_exit_overtakes_the_queue_of_an_actor() {
    seeds(async |node| {
        let journal = Journal::new();
        let args = (Init::Trap, journal.clone());
        let parent = node.spawn(async move |mut cx: Context<()>| {
            let child = cx.spawn_link(async move |cx| run_actor::<Diary>(|| args, cx).await);
            cx.sleep(Duration::from_millis(5)).await;
            (0..10).for_each(|_| child.cast(Msg::Note("queued")));
            Err(ExitReason::Shutdown)
        });
        ended(&node, &parent).await;
        settle(&node).await;
        let seen = journal.take();
        // The seed decides how much of the queue was handled before the parent's end; afterwards nothing is.
        assert_eq!(seen.first().map(String::as_str), Some("init"));
        assert_eq!(seen.last().map(String::as_str), Some("terminate shutdown"));
        assert!(seen.len() == 2 || seen.len() == 12, "{seen:?}");
    });
}

// OTP: F9, F16
#[test]
fn a_reply_dropped_by_a_handler_waits_for_the_handlers_verdict() {
    seeds(async |node| {
        let (addr, journal) = diary(&node, Init::Ok);
        assert_eq!(why(&addr.call(Msg::Drop).await), "NoReply");
        // The caller was told when the handler was through, not at its first await.
        assert_eq!(journal.take(), ["init", "dropped"]);
        let queued = addr.request(Msg::Drop);
        assert_eq!(why(&addr.call(Msg::DropAndFail).await), "exited: error: after the drop");
        assert_eq!(why(&queued.await), "NoReply");
        let (addr, _) = diary(&node, Init::Ok);
        let (first, second) = (addr.request(Msg::KeepAndPanic), addr.request(Msg::Drop));
        assert_eq!(why(&first.await), "exited: panic: with replies kept");
        assert_eq!(why(&second.await), "exited: panic: with replies kept");
    });
}

// OTP: F27
#[test]
fn a_handler_that_panics_before_its_first_poll_is_terminated_too() {
    struct Eager(Journal<String>);
    impl Actor for Eager {
        type Msg = ();
        type Args = Journal<String>;
        async fn init(journal: Journal<String>, _: &mut Context<()>) -> Result<Self, InitError> {
            Ok(Self(journal))
        }
        fn handle(&mut self, (): (), _: &mut Context<()>) -> impl Future<Output = Ended> + Send {
            // No `async fn`: this runs when the future is made, not when it is polled.
            assert!(self.0.len() > 7, "eager");
            std::future::ready(Ok(()))
        }
        async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<()>) {
            self.0.note(reason.to_string());
        }
    }
    seeds(async |node| {
        let journal = Journal::new();
        let args = journal.clone();
        let eager = node.spawn(async move |cx| run_actor::<Eager>(|| args, cx).await);
        eager.cast(());
        assert_eq!(ended(&node, &eager).await.to_string(), "panic: eager");
        assert_eq!(journal.take(), ["panic: eager"]);
    });
}
