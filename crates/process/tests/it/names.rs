//! Names: who holds one, when it is free again, and what is sent to one.

use crate::stepper::Stepper;
use crate::support::{
    Journal, Notes, end, ended, idler, incarnate, inside, mortal, noting, oops, pause, rest, runtime, seeds, settle,
    step_aside, threads, until_zero, why,
};
use freeboard_process::{
    Ack, Addr, AliasMode, Birth, CallError, Context, Dropped, Event, ExitReason, Launch, Launcher, MonitorOptions,
    NAME_BYTES, NAMES_PER_PROCESS, Node, Pid, Refused, RegisterError, Reply, Sim, StartError, Target,
};
use std::{future::poll_fn, time::Duration};

/// What a registration that another process stands against comes to.
fn taken<M: Send + 'static>(owner: &Addr<M>) -> Result<(), RegisterError> {
    Err(RegisterError::Taken { owner: owner.pid().unwrap() })
}

// OTP: J1, J3
#[test]
fn a_name_has_one_holder_and_a_process_may_have_many_names() {
    seeds(async |node| {
        let (one, two) = (idler(&node), idler(&node));
        node.register("a", &one).unwrap();
        node.register("b", &one).unwrap();
        assert_eq!(node.register("a", &two), taken(&one));
        assert_eq!(node.register("a", &one), taken(&one), "its own name is taken as well");
        node.register("c", &two).unwrap();
        assert_eq!((node.whereis("a"), node.whereis("b")), (Some(one.clone()), Some(one.clone())));
        assert_eq!((node.whereis("c"), node.whereis::<()>("d")), (Some(two), None));
        one.kill();
        settle(&node).await;
        assert_eq!((node.whereis::<()>("a"), node.whereis::<()>("b"), node.names_held()), (None, None, 1));
    });
}

// OTP: J2
#[test]
fn a_name_that_was_taken_back_can_be_given_to_another_at_once() {
    seeds(async |node| {
        let (one, two) = (idler(&node), idler(&node));
        assert_eq!(node.unregister("a"), None);
        node.register("a", &one).unwrap();
        node.register("b", &one).unwrap();
        assert_eq!(node.unregister("a"), one.pid());
        assert_eq!(node.unregister("a"), None);
        node.register("a", &two).unwrap();
        // What the first one gave back is no more its own: its end leaves it alone.
        one.kill();
        settle(&node).await;
        assert_eq!((node.whereis("a"), node.whereis::<()>("b")), (Some(two), None));
    });
}

#[test]
fn a_name_is_looked_up_with_the_type_of_its_messages() {
    seeds(async |node| {
        let clerk = node.spawn_named("clerk", async |mut cx: Context<u32>| Err(oops(name_of(cx.recv_message().await))));
        let clerk = clerk.unwrap();
        assert_eq!(node.whereis::<u64>("clerk"), None);
        assert!(matches!(node.named::<u64>("clerk").send(7).unwrap_err().why, Refused::Nobody));
        // Who it is can be asked all the same.
        assert_eq!("clerk".resolve(&node), clerk.pid());
        node.named("clerk").send(7_u32).unwrap();
        assert_eq!(ended(&node, &clerk).await.to_string(), "error: seven");
    });
}

fn name_of(number: u32) -> &'static str {
    if number == 7 { "seven" } else { "another" }
}

// OTP: A9, J1
#[test]
fn whoever_hears_of_a_death_can_have_the_name_at_once() {
    async fn heirs(node: &Node, journal: &Journal<(&'static str, Result<(), RegisterError>)>) {
        let owner = node.spawn_named("n", async |mut cx: Context<Result<ExitReason, Reply<()>>>| {
            let mut kept = Vec::new();
            loop {
                match cx.recv_message().await {
                    Ok(reason) => return Err(reason),
                    Err(reply) => kept.push(reply),
                }
            }
        });
        let owner = owner.unwrap();
        let mut waiting = Vec::new();
        for how in ["down", "exit", "caller"] {
            let (target, journal) = (owner.clone(), journal.clone());
            let heir = node.spawn(async move |mut cx: Context<Reply<()>>| {
                cx.trap_exit(true);
                match how {
                    "down" => drop(cx.monitor(&target)),
                    "exit" => cx.link(&target),
                    _ => {}
                }
                cx.recv_message().await.send(());
                if how == "caller" {
                    let _failed = target.call(Err).forever().await;
                } else {
                    cx.recv_event_where(|event| !matches!(event, Event::Message(_))).await;
                }
                let got = cx.node().register("n", &cx.addr());
                journal.note((how, got));
                if got.is_ok() {
                    cx.node().unregister("n");
                }
                Ok(())
            });
            heir.call(|reply| reply).await.unwrap();
            waiting.push(heir);
        }
        // On real threads the caller may not have called yet; then the seat is closed for it, and the name free.
        step_aside().await;
        owner.cast(Ok(oops("x")));
        for heir in waiting {
            ended(node, &heir).await;
        }
    }
    seeds(async |node| {
        let got = Journal::new();
        heirs(&node, &got).await;
        let mut got = got.take();
        got.sort_by_key(|(how, _)| *how);
        // In a simulation one of them runs at a time, and gives the name back before the next does.
        assert_eq!(got, [("caller", Ok(())), ("down", Ok(())), ("exit", Ok(()))]);
    });
    threads(async |node| {
        for _ in 0..200 {
            let (got, owner) = (Journal::new(), node.names_held());
            assert_eq!(owner, 0, "all names were given back");
            heirs(&node, &got).await;
            let got = got.take();
            assert_eq!(got.len(), 3);
            assert!(got.iter().any(|(_, got)| got.is_ok()), "the dead one stands in nobody's way: {got:?}");
        }
    });
}

/// Notes, when it is dropped, whether that process is alive and whether its name is held.
struct Looks(Node, Pid, Journal<(bool, bool)>);

impl Drop for Looks {
    fn drop(&mut self) {
        let Self(node, pid, journal) = self;
        journal.note((node.is_alive(*pid), "n".resolve(node).is_some()));
    }
}

// OTP: A15
#[test]
fn a_process_that_is_not_alive_has_no_name_any_more() {
    for poll in [true, false] {
        let (stepper, node) = Stepper::new();
        let seen = Journal::new();
        let journal = seen.clone();
        let addr = node.spawn_named("n", async move |cx: Context<Looks>| {
            let _inside = Looks(cx.node().clone(), cx.pid(), journal);
            step_aside().await;
            Err(oops("x"))
        });
        let addr = addr.unwrap();
        let pid = addr.pid().unwrap();
        stepper.poll(1);
        // It is left in the queue, which is dropped when the seat is closed.
        addr.cast(Looks(node.clone(), pid, seen.clone()));
        assert!(node.is_alive(pid) && "n".resolve(&node) == Some(pid));
        if poll {
            stepper.poll(1);
        } else {
            stepper.drop_task(1);
        }
        assert_eq!(seen.take(), [(true, true), (false, false)]);
        assert_eq!((node.is_alive(pid), node.names_held()), (false, 0));
    }
}

// OTP: A15, A9
#[test]
fn who_finds_a_process_not_alive_finds_its_name_free_on_real_threads() {
    threads(async |node| {
        for _ in 0..500 {
            let owner = node.spawn_named("n", async |_cx: Context<()>| Ok(())).unwrap();
            let asker = node.spawn(async move |cx: Context<()>| {
                while owner.pid().is_some() {
                    step_aside().await;
                }
                // Not by way of a registration, which a dead owner would not hinder.
                assert_eq!(cx.node().names_held(), 0);
                Ok(())
            });
            assert!(matches!(ended(&node, &asker).await, ExitReason::Normal));
        }
    });
}

// OTP: J3
#[test]
fn only_a_process_that_lives_here_can_be_registered() {
    seeds(async |node| {
        let launcher = until_zero();
        let addr = launcher.addr();
        assert_eq!(node.register("n", &addr), Err(RegisterError::NotRunning), "not started");
        incarnate(&node, &launcher);
        node.register("n", &addr).unwrap();
        addr.cast(0);
        settle(&node).await;
        assert_eq!(node.register("n", &addr), Err(RegisterError::NotRunning), "between two incarnations");
        let brief = mortal(&node);
        node.register("n", &brief).unwrap();
        end(&node, &brief, ExitReason::Normal).await;
        assert_eq!(node.register("n", &brief), Err(RegisterError::NotRunning), "closed");
        assert_eq!(node.names_held(), 0);
    });
    let other = Sim::seed(1).run(async |node: Node| node);
    seeds(async |node| {
        let here = idler(&node);
        assert_eq!(other.register("n", &here), Err(RegisterError::NotRunning), "of another node");
    });
}

#[test]
fn names_are_bounded_in_length_and_in_number() {
    seeds(async |node| {
        let (one, two) = (idler(&node), idler(&node));
        assert_eq!(node.register("", &one), Err(RegisterError::Invalid));
        assert_eq!(node.register(&"n".repeat(NAME_BYTES + 1), &one), Err(RegisterError::Invalid));
        node.register(&"n".repeat(NAME_BYTES), &one).unwrap();
        for n in 1..NAMES_PER_PROCESS {
            node.register(&n.to_string(), &one).unwrap();
        }
        assert_eq!(node.register("one more", &one), Err(RegisterError::TooMany));
        node.register("one more", &two).unwrap();
        assert_eq!(node.unregister("7"), one.pid());
        node.register("in its place", &one).unwrap();
        one.kill();
        settle(&node).await;
        assert_eq!(node.names_held(), 1);
    });
}

// OTP: F6, J3
#[test]
fn a_process_whose_name_is_taken_does_not_run() {
    seeds(async |node| {
        let ran = Journal::new();
        let owner = idler(&node);
        node.register("n", &owner).unwrap();
        let (journal, held) = (ran.clone(), Notes(ran.clone(), "dropped"));
        let seats = node.seats();
        let refused = node.spawn_named("n", async move |_cx: Context<()>| {
            let _held = held;
            journal.note("ran");
            Ok(())
        });
        assert_eq!(refused.unwrap_err(), taken(&owner).unwrap_err());
        assert_eq!(ran.take(), ["dropped"]);
        settle(&node).await;
        assert_eq!((node.seats(), node.whereis("n")), (seats, Some(owner)));
    });
}

/// Starts a seat; what its starter hears.
async fn start<M: Send + 'static>(node: &Node, launcher: &Launcher<M>) -> Result<(), StartError> {
    let ack = Ack::new();
    let pid = launcher.prepare(node).unwrap().pid();
    assert!(launcher.launch(node, pid, Birth { ack: Some(ack.clone()), ..Birth::default() }));
    poll_fn(|cx| ack.poll(cx)).await
}

// OTP: F6
#[test]
fn a_start_whose_name_is_taken_says_by_whom() {
    seeds(async |node| {
        let ran = Journal::new();
        let journal = ran.clone();
        let owner = idler(&node);
        node.register("n", &owner).unwrap();
        let launcher = Launcher::new(move |_cx: Context<Reply<()>>| {
            let journal = journal.clone();
            Box::pin(async move {
                journal.note("ran");
                Ok(())
            })
        });
        let launcher = launcher.name("n");
        let waiting = launcher.addr().request(|reply| reply);
        let failed = start(&node, &launcher).await.unwrap_err();
        assert!(matches!(failed, StartError::Name(error) if Err(error) == taken(&owner)), "{failed}");
        assert_eq!(why(&waiting.await), "not started: normal");
        assert_eq!((ran.len(), launcher.addr().pid()), (0, None));
    });
}

// OTP: F7, F4
#[test]
fn a_start_that_failed_has_left_its_name_when_its_starter_hears() {
    seeds(async |node| {
        let held = Journal::new();
        let journal = held.clone();
        let launcher = Launcher::new(move |cx: Context<u32>| {
            let journal = journal.clone();
            Box::pin(async move {
                journal.note("n".resolve(cx.node()) == Some(cx.pid()));
                step_aside().await;
                Err(oops("no disk"))
            })
        });
        let failed = start(&node, &launcher.name("n")).await.unwrap_err();
        assert_eq!(node.names_held(), 0);
        assert_eq!(failed.to_string(), "the child's init failed: error: no disk");
        assert_eq!(held.take(), [true], "it held the name from its first step");
    });
}

// OTP: F6, J1
#[test]
fn each_incarnation_is_registered_anew() {
    seeds(async |node| {
        let launcher = until_zero().name("n");
        let addr = launcher.addr();
        for _ in 0..3 {
            let pid = incarnate(&node, &launcher);
            assert_eq!("n".resolve(&node), Some(pid));
            addr.cast(0);
            settle(&node).await;
            assert_eq!((node.whereis::<u32>("n"), node.names_held()), (None, 0));
        }
        // One that finds it taken does not run, and the seat waits for the next attempt.
        let other = idler(&node);
        node.register("n", &other).unwrap();
        incarnate(&node, &launcher);
        assert_eq!((addr.pid(), node.whereis("n")), (None, Some(other.clone())));
        assert!(matches!(addr.send(1).unwrap_err().why, Refused::Vacant));
        node.unregister("n");
        let pid = incarnate(&node, &launcher);
        assert_eq!("n".resolve(&node), Some(pid));
    });
}

// OTP: A13, F14
#[test]
fn sending_to_a_name_that_nobody_holds_is_an_error_and_the_message_comes_back() {
    seeds(async |node| {
        let seen = Journal::new();
        let clerk = node.named::<u32>("clerk");
        let refused = clerk.send(1).unwrap_err();
        assert!(refused.message == 1 && matches!(refused.why, Refused::Nobody));
        clerk.cast(2);
        let launcher = noting(&seen).name("clerk");
        incarnate(&node, &launcher);
        clerk.send(3).unwrap();
        clerk.cast(4);
        settle(&node).await;
        assert_eq!(seen.take(), [3, 4]);
        launcher.addr().kill();
        settle(&node).await;
        // The seat waits for a restart, but the name is nobody's.
        assert!(matches!(clerk.send(5).unwrap_err().why, Refused::Nobody));
    });
}

// OTP: F8, F9, F12
#[test]
fn a_call_by_name_is_answered_or_says_why_not() {
    seeds(async |node| {
        let clerk = node.named::<Result<Reply<u32>, ExitReason>>("clerk");
        let call = async || clerk.call(Ok).await;
        assert!(matches!(call().await, Err(CallError::Exited(ExitReason::NoProc))));
        let serve = async |mut cx: Context<Result<Reply<u32>, ExitReason>>| {
            let me = cx.node().named::<Result<Reply<u32>, ExitReason>>("clerk");
            let own = me.call(Ok).await;
            assert!(matches!(own, Err(CallError::CallingSelf)), "{own:?}");
            cx.recv_message().await.expect("a call comes first").send(42);
            let _kept = cx.recv_message().await;
            cx.sleep(Duration::from_secs(6)).await;
            Err(oops("x"))
        };
        node.spawn_named("clerk", serve).unwrap();
        assert_eq!(call().await.unwrap(), 42);
        let before = node.now();
        assert!(matches!(call().await, Err(CallError::Timeout)));
        assert_eq!(node.now() - before, Duration::from_secs(5));
        assert_eq!(why(&call().await), "exited: error: x");
    });
}

#[test]
fn a_call_by_name_takes_a_limit_and_resolves_when_it_is_polled() {
    seeds(async |node| {
        let clerk = node.named::<Reply<u32>>("clerk");
        let (early, second) = (clerk.call(|reply| reply).forever(), Duration::from_secs(1));
        let slow = async |mut cx: Context<Reply<u32>>| {
            cx.sleep(Duration::from_secs(20)).await;
            loop {
                cx.recv_message().await.send(1);
            }
        };
        let holder = node.spawn_named("clerk", slow).unwrap();
        let before = node.now();
        assert!(matches!(clerk.call(|reply| reply).within(second).await, Err(CallError::Timeout)));
        assert_eq!(node.now() - before, second);
        assert_eq!(early.await.unwrap(), 1);
        assert_eq!(holder.stats().dropped(Dropped::Abandoned), 1);
    });
}

// OTP: A14
#[test]
fn a_timer_for_a_name_outlives_its_holder_and_its_setter() {
    seeds(async |node| {
        let (first, second) = (Journal::new(), Journal::new());
        let (one, two) = (noting(&first), noting(&second));
        incarnate(&node, &one);
        node.register("n", &one.addr()).unwrap();
        let later = Duration::from_secs(2);
        let name = node.named::<u32>("n");
        inside(&node, async move |mut cx: Context<()>| {
            name.send_after(later, 1);
            let taken_back = name.send_after(later, 2);
            name.send_after(2 * later, 3);
            assert_eq!(cx.cancel(taken_back), Some(later));
        })
        .await;
        one.addr().kill();
        settle(&node).await;
        incarnate(&node, &two);
        node.register("n", &two.addr()).unwrap();
        pause(&node, later).await;
        assert_eq!((first.take(), second.take()), (vec![], vec![1]));
        two.addr().kill();
        pause(&node, later).await;
        assert_eq!((first.len(), second.len()), (0, 0), "nobody was there, and nobody is told");
    });
}

// OTP: C4, C5
#[test]
fn a_monitor_by_name_watches_who_holds_it_now_and_its_notice_carries_the_name() {
    seeds(async |node| {
        let (one, two) = (mortal(&node), mortal(&node));
        let owner = one.pid().unwrap();
        node.register("n", &one).unwrap();
        let taker = node.clone();
        let (first, moved) = inside(&node, async move |mut cx: Context<()>| {
            let monitor = cx.monitor("n");
            taker.unregister("n");
            taker.register("n", &two).unwrap();
            two.cast(oops("two"));
            cx.sleep(Duration::from_secs(1)).await;
            one.cast(oops("one"));
            let down = cx.recv_down(monitor).await;
            (down, "n".resolve(&taker))
        })
        .await;
        assert_eq!((first.pid, first.name.as_deref(), moved), (owner, Some("n"), None));
        assert_eq!(first.reason.to_string(), "error: one");
    });
}

// OTP: C4, A7
#[test]
fn a_monitor_of_a_name_that_nobody_holds_says_noproc_and_the_name() {
    seeds(async |node| {
        let me = node.pid();
        let (absent, by_alias, by_pid) = inside(&node, async |mut cx: Context<()>| {
            let monitor = cx.monitor_with("nobody", &MonitorOptions::new().tag(7));
            let absent = cx.recv_down(monitor).await;
            let alias = cx.monitor_alias("nobody", AliasMode::Demonitor);
            let by_alias = cx.recv_down(alias.reference()).await;
            let monitor = cx.monitor(&cx.node().pid());
            (absent, by_alias, cx.recv_down(monitor).await)
        })
        .await;
        assert_eq!((absent.pid, absent.name.as_deref(), absent.tag), (me, Some("nobody"), Some(7)));
        assert!(matches!(absent.reason, ExitReason::NoProc) && matches!(by_alias.reason, ExitReason::NoProc));
        assert_eq!((by_alias.name.as_deref(), by_pid.name), (Some("nobody"), None));
    });
}

// OTP: B1, B7, C5
#[test]
fn links_and_exits_by_name_mean_who_holds_it_then() {
    seeds(async |node| {
        let (one, two) = (mortal(&node), mortal(&node));
        node.register("one", &one).unwrap();
        node.register("two", &two).unwrap();
        let (first, second) = (one.clone(), two.clone());
        let heard = inside(&node, async move |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            cx.link("one");
            cx.link("two");
            cx.link("nobody");
            cx.unlink("one");
            cx.unlink("nobody");
            first.cast(oops("one"));
            cx.exit("two", oops("two"));
            cx.exit("nobody", oops("three"));
            let heard = rest(&mut cx).await;
            drop((first, second));
            heard
        })
        .await;
        assert_eq!(heard, ["EXIT no such process", "EXIT error: two"]);
        assert_eq!(one.ended().unwrap().to_string(), "error: one");
        assert_eq!(two.ended().unwrap().to_string(), "error: two");
    });
}

// OTP: A9
#[test]
fn a_runtime_that_is_dropped_frees_the_names() {
    let runtime = runtime();
    let node = {
        let _inside = runtime.enter();
        Node::new()
    };
    let idle = async |_cx: Context<()>| std::future::pending().await;
    let owner = node.spawn_named("n", idle).unwrap();
    assert_eq!(node.whereis("n"), Some(owner));
    drop(runtime);
    assert_eq!((node.whereis::<()>("n"), node.names_held()), (None, 0));
}

// OTP: J1, J14
#[test]
fn of_many_registrants_one_wins_and_the_others_hear_who() {
    threads(async |node| {
        for _ in 0..200 {
            let got = Journal::new();
            let contenders: Vec<_> = (0..4)
                .map(|_| {
                    let journal = got.clone();
                    node.spawn(async move |mut cx: Context<()>| {
                        journal.note((cx.pid(), cx.node().register("n", &cx.addr())));
                        cx.recv_message().await;
                        Ok(())
                    })
                })
                .collect();
            while got.len() < contenders.len() {
                step_aside().await;
            }
            let got = got.take();
            let winners: Vec<_> = got.iter().filter(|(_, got)| got.is_ok()).map(|(pid, _)| *pid).collect();
            assert_eq!(winners.len(), 1);
            assert_eq!("n".resolve(&node), Some(winners[0]));
            let told = Err(RegisterError::Taken { owner: winners[0] });
            assert_eq!(got.iter().filter(|(_, got)| *got == told).count(), 3);
            for contender in contenders {
                contender.cast(());
                ended(&node, &contender).await;
            }
        }
    });
}
