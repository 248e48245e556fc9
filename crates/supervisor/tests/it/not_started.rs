//! Specs whose address was given away, and that never came up: whoever asked before the start hears that nobody was ever up,
//! whatever became of the spec, of its starter and of its supervisor.

use crate::support::{Caller, Init, Manner, Msg, broken, outcome, poll_once, probe, quiet, worker};
use freeboard_process::{Addr, CallError, Context, ExitReason, Node, Refused, Sim};
use freeboard_supervisor::{ChildSpec, DynamicRef, DynamicSupervisor, Restart};
use std::{future::Future, pin::pin, sync::Arc, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);

fn told<T>(answer: &Result<T, CallError>) -> String {
    match answer {
        Ok(_) => "answered".to_owned(),
        Err(CallError::NotStarted(reason)) => format!("not started: {reason}"),
        Err(CallError::Exited(reason)) => format!("exited: {reason}"),
        Err(other) => format!("{other:?}"),
    }
}

/// Callers that ask before anybody starts the spec.
struct Early {
    addr: Addr<Msg>,
    callers: Vec<Caller<String>>,
}

impl Early {
    async fn at(node: &Node, spec: &ChildSpec<Msg>) -> Self {
        let (one, two, three) = (spec.addr(), spec.addr(), spec.addr());
        let callers = vec![
            // Its limit counts from a start that comes too late, or never does.
            Caller::new(node, async move { told(&one.call(Msg::Ask).within(2 * LIMIT).await) }),
            Caller::new(node, async move { told(&two.call(Msg::Ask).forever().bound().await) }),
            Caller::new(node, async move { told(&three.request(Msg::Ask).await) }),
        ];
        quiet(node).await;
        Self { addr: spec.addr(), callers }
    }

    async fn hear(self) -> Vec<String> {
        let mut heard = Vec::new();
        for caller in self.callers {
            heard.push(caller.result().await);
        }
        heard.push(told(&self.addr.call(Msg::Ask).await));
        heard
    }

    /// All of them hear this, and so do all that come later.
    async fn hear_not_started(self, reason: &str) {
        let addr = self.addr.clone();
        assert_eq!(self.hear().await, vec![format!("not started: {reason}"); 4]);
        let refused = addr.send(Msg::Panic).unwrap_err().why;
        assert!(matches!(&refused, Refused::NotStarted(why) if why.to_string() == reason), "{refused:?}");
        assert_eq!(addr.closed().await.to_string(), reason);
        assert_eq!((addr.pid(), addr.depth()), (None, 0));
    }
}

fn hangs() -> ChildSpec<Msg> {
    probe(&Arc::default(), Manner::Plain, |_| Init::Hangs)
}

fn seeds(world: impl AsyncFn(Node, DynamicRef)) {
    for seed in 0..20 {
        Sim::seed(seed).run(async |node: Node| {
            let sup = DynamicSupervisor::new().start(&node).await.unwrap();
            world(node, sup).await;
        });
    }
}

// OTP: F4, F5, F9
#[test]
fn each_way_in_which_an_init_fails_is_a_process_that_was_never_up() {
    type Way = (fn() -> Init, &'static str, &'static str);
    let ways: [Way; 6] = [
        (|| Init::Stops(broken()), "init error: an error occurred when formatting an argument", ""),
        (|| Init::Refuses(broken()), "init error: an error occurred when formatting an argument", "normal"),
        (|| Init::Ignores, "Ignored", "normal"),
        (|| Init::Panics, "init panic: init was told to", "panic: init was told to"),
        (|| Init::NoArgs, "init panic: the factory was told to", "panic: the factory was told to"),
        (|| Init::Hangs, "Timeout", "killed"),
    ];
    for (init, starter, reason) in ways {
        for restart in [Restart::Permanent, Restart::Temporary] {
            seeds(async |node, sup| {
                let spec = probe(&Arc::default(), Manner::Plain, move |_| init()).start_timeout(LIMIT).restart(restart);
                let early = Early::at(&node, &spec).await;
                assert_eq!(outcome(&sup.start_child(spec).await), starter);
                let reason = if reason.is_empty() { broken().to_string() } else { reason.to_owned() };
                early.hear_not_started(&reason).await;
                assert_eq!(sup.tracked(), 0);
            });
        }
    }
}

// OTP: F4, H4
#[test]
fn a_spec_that_nobody_can_start_tells_its_callers_at_once() {
    seeds(async |node, sup| {
        let nobody = ExitReason::NoProc.to_string();
        let dropped = hangs();
        let early = Early::at(&node, &dropped).await;
        drop(dropped);
        early.hear_not_started(&nobody).await;

        let full = DynamicSupervisor::new().max_children(0).start(&node).await.unwrap();
        let spec = hangs();
        let early = Early::at(&node, &spec).await;
        assert_eq!(outcome(&full.start_child(spec).await), "MaxChildren");
        early.hear_not_started(&nobody).await;

        let spec = hangs();
        let early = Early::at(&node, &spec).await;
        drop(sup.start_child(spec));
        early.hear_not_started(&nobody).await;

        sup.stop(ExitReason::Shutdown).await;
        let spec = hangs();
        let early = Early::at(&node, &spec).await;
        assert!(sup.start_child(spec).await.is_err());
        early.hear_not_started(&nobody).await;
    });
}

// OTP: F6, H11
#[test]
fn a_name_that_is_taken_and_a_node_that_shuts_down_are_starts_that_nobody_survived() {
    seeds(async |node, sup| {
        let _owner = sup.start_child(worker().name("n")).await.unwrap();
        let spec = worker().name("n");
        let early = Early::at(&node, &spec).await;
        assert!(sup.start_child(spec).await.is_err());
        early.hear_not_started("normal").await;

        let spec = worker();
        let waiting = spec.addr().request(Msg::Ask);
        node.shutdown(LIMIT).await;
        assert!(node.start(spec).await.is_err());
        assert!(told(&waiting.await).starts_with("not started: "), "the node takes no more");
    });
}

// OTP: F9, G41
#[test]
fn a_supervisor_that_goes_while_its_child_starts_takes_it_along_and_nobody_was_up() {
    seeds(async |node, sup| {
        let spec = hangs();
        let early = Early::at(&node, &spec).await;
        let start = Caller::new(&node, sup.start_child(spec));
        quiet(&node).await;
        assert!(early.addr.pid().is_some(), "it has begun");
        sup.kill();
        assert_eq!(outcome(&start.result().await), "down killed");
        early.hear_not_started("killed").await;
    });
    seeds(async |node, sup| {
        let spec = hangs();
        let early = Early::at(&node, &spec).await;
        let start = Caller::new(&node, sup.start_child(spec));
        quiet(&node).await;
        sup.stop(ExitReason::Shutdown).await;
        // By then it may be through with that, and gone.
        let starter = outcome(&start.result().await);
        assert!(["ShuttingDown", "down shutdown"].contains(&starter.as_str()), "{starter}");
        early.hear_not_started("shutdown").await;
    });
}

// OTP: F9, F16
#[test]
fn a_child_that_was_up_once_tells_its_exit_reason_for_ever() {
    for seed in 0..20 {
        Sim::seed(seed).run(async |node: Node| {
            let sup =
                DynamicSupervisor::new().intensity(1, LIMIT).restart(Restart::Temporary).start(&node).await.unwrap();
            let plan = |start| if start == 0 { Init::Up } else { Init::Stops(ExitReason::Shutdown) };
            let spec = probe(&Arc::default(), Manner::Plain, plan);
            let early = Early::at(&node, &spec).await;
            let addr = sup.start_child(spec).await.unwrap();
            assert_eq!(early.hear().await, ["answered", "answered", "answered", "answered"]);
            addr.kill();
            let reason = addr.closed().await;
            assert_eq!(told(&addr.call(Msg::Ask).await), format!("exited: {reason}"));
            assert!(matches!(addr.send(Msg::Panic).unwrap_err().why, Refused::Closed(_)));
        });
    }
}

/// What is struck after so many polls of the start.
#[derive(Clone, Copy, Debug)]
enum Strike {
    /// The start's future is dropped, and the spec with it if it is still in there.
    Start,
    /// The supervisor is killed.
    Supervisor,
    /// The supervisor is stopped.
    Stop,
    /// The child itself is killed.
    Child,
}

/// A start that is polled so many times and then struck. Answers whether it was through before.
fn strike(seed: u64, strike: Strike, polls: usize) -> bool {
    Sim::seed(seed).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let spec = probe(&Arc::default(), Manner::Plain, |_| Init::Steps(4)).restart(Restart::Temporary);
        let early = Early::at(&node, &spec).await;
        let addr = early.addr.clone();
        let through = {
            let mut start = pin!(sup.start_child(spec));
            let through = poll_times(start.as_mut(), polls).await;
            match strike {
                Strike::Start => {}
                Strike::Supervisor => sup.kill(),
                Strike::Stop => sup.stop(ExitReason::Shutdown).await,
                Strike::Child => addr.kill(),
            }
            through
        };
        quiet(&node).await;
        let goes_on = matches!(strike, Strike::Start) && (polls > 0 || through);
        let heard = early.hear().await;
        let at = format!("seed {seed}, {strike:?} after {polls} polls: {heard:?}");
        let last = &heard[3];
        match addr.ended() {
            // It is the supervisor's from the first poll on.
            None => assert!(goes_on && heard.iter().all(|told| told == "answered"), "{at}"),
            Some(reason) if last.starts_with("not started") => {
                assert!(!through && heard.iter().all(|told| *told == format!("not started: {reason}")), "{at}");
            }
            Some(reason) => {
                let fits = |told: &String| told == "answered" || *told == format!("exited: {reason}");
                assert!(!goes_on && heard.iter().all(fits), "{at}");
            }
        }
        through
    })
}

async fn poll_times<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>, polls: usize) -> bool {
    for _ in 0..polls {
        if poll_once(future.as_mut()).await.is_some() {
            return true;
        }
        crate::support::give_way().await;
    }
    false
}

// OTP: F9, F16, G41
#[test]
fn every_early_caller_is_answered_wherever_the_start_its_supervisor_or_the_child_is_struck() {
    for way in [Strike::Start, Strike::Supervisor, Strike::Stop, Strike::Child] {
        for seed in 0..40 {
            let points = (0..1_000).find(|polls| strike(seed, way, *polls)).expect("the start comes through");
            assert!(points > 2, "{way:?}: {points}");
        }
    }
}

/// A raw child is up when it first runs.
// OTP: F9
#[test]
fn a_raw_child_that_never_ran_was_never_up() {
    seeds(async |node, sup| {
        let ran = freeboard_supervisor::child_fn(async |_cx: Context<Msg>| Err(broken()));
        let early = Early::at(&node, &ran).await;
        drop(sup.start_child(ran.restart(Restart::Temporary)).await);
        let expected = format!("exited: {}", broken());
        assert_eq!(early.hear().await, vec![expected; 4], "it came up, and ended");
    });
    let (hand, node) = crate::hand::Hand::node();
    let (supervisor, sup) = hand.up(DynamicSupervisor::new().start(&node));
    let sup = sup.unwrap();
    let spec = freeboard_supervisor::child_fn(async |_cx: Context<Msg>| Ok(()));
    let mut waiting = Box::pin(spec.addr().request(Msg::Ask));
    let addr = spec.addr();
    let child = hand.spawned();
    let mut start = Box::pin(sup.start_child(spec));
    assert!(crate::hand::poll(&mut start, std::task::Waker::noop()).is_pending());
    addr.kill();
    hand.run(child);
    hand.run(supervisor);
    assert_eq!(told(&crate::hand::ready(&mut waiting)), "not started: killed");
}
