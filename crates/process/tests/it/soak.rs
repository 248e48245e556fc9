//! Many seeds of random processes that link, watch, unlink, leave and die; what must hold for all of them.

use crate::support::{Dice, Journal, oops, settle, step_aside};
use freeboard_process::{Addr, Context, Event, ExitReason, Node, Pid, Ref, Sim};

const ACTORS: usize = 8;
const STEPS: usize = 40;

/// What an actor is told to do.
enum Op {
    Link(Addr<Op>),
    Unlink(Addr<Op>),
    Monitor(Addr<Op>),
    /// Take back the n-th monitor it has made.
    Demonitor(usize, bool),
    Exit(Addr<Op>, ExitReason),
    Child(bool),
    Trap(bool),
    Yield,
    Leave(ExitReason),
    Crash,
}

/// What was seen, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Monitored(Pid, Ref, Option<Pid>),
    Demonitored(Pid, Ref, bool, bool),
    Down(Pid, Ref, Pid, String),
    Exit(Pid, Pid, String),
    Born(Pid),
}

async fn actor(mut cx: Context<Op>, journal: Journal<Seen>) -> Result<(), ExitReason> {
    let me = cx.pid();
    let mut monitors = Vec::new();
    journal.note(Seen::Born(me));
    loop {
        match cx.recv().await {
            Event::Message(op) => match op {
                Op::Link(to) => cx.link(&to),
                Op::Unlink(from) => cx.unlink(&from),
                Op::Monitor(target) => {
                    let pid = target.pid();
                    let monitor = cx.monitor(&target);
                    monitors.push(monitor);
                    journal.note(Seen::Monitored(me, monitor, pid));
                }
                Op::Demonitor(which, flush) if !monitors.is_empty() => {
                    let monitor = monitors[which % monitors.len()];
                    let active = if flush { cx.demonitor_flush(monitor) } else { cx.demonitor(monitor) };
                    journal.note(Seen::Demonitored(me, monitor, active, flush));
                }
                Op::Exit(target, reason) => cx.exit(&target, reason),
                Op::Child(linked) => {
                    let births = journal.clone();
                    let body = async move |mut cx: Context<Op>| {
                        births.note(Seen::Born(cx.pid()));
                        cx.recv_message().await;
                        Ok(())
                    };
                    if linked {
                        let child = cx.spawn_link(body);
                        child.cast(Op::Yield);
                    } else {
                        let (child, monitor) = cx.spawn_monitor(body);
                        journal.note(Seen::Monitored(me, monitor, child.pid()));
                        child.exit(oops("child"));
                    }
                }
                Op::Trap(on) => drop(cx.trap_exit(on)),
                Op::Leave(reason) => return Err(reason),
                Op::Crash => panic!("crash of {me}"),
                Op::Yield | Op::Demonitor(..) => step_aside().await,
            },
            Event::Down(down) => journal.note(Seen::Down(me, down.monitor, down.pid, down.reason.to_string())),
            Event::Exit(exit) => journal.note(Seen::Exit(me, exit.from, exit.reason.to_string())),
            other => panic!("{other:?}"),
        }
    }
}

fn some_reason(dice: &mut Dice) -> ExitReason {
    match dice.below(4) {
        0 => ExitReason::Normal,
        1 => ExitReason::Shutdown,
        2 => oops("a"),
        _ => oops("b"),
    }
}

fn some_op(dice: &mut Dice, actors: &[Addr<Op>]) -> Op {
    let other = actors[dice.below(actors.len())].clone();
    match dice.below(20) {
        0..=3 => Op::Link(other),
        4..=5 => Op::Unlink(other),
        6..=9 => Op::Monitor(other),
        10..=11 => Op::Demonitor(dice.below(100), dice.below(2) == 0),
        12 => Op::Exit(other, some_reason(dice)),
        13 => Op::Child(dice.below(2) == 0),
        14 => Op::Trap(dice.below(3) > 0),
        15..=17 => Op::Yield,
        18 => Op::Leave(some_reason(dice)),
        _ => Op::Crash,
    }
}

/// One run: the trace of everything seen, and the actors with the pids they had.
pub(crate) fn run(seed: u64) -> Vec<Seen> {
    let mut trace = Sim::seed(seed).run(async |node: Node| {
        let mut dice = Dice(seed ^ 0xdead_beef);
        let seen = Journal::new();
        let actors: Vec<Addr<Op>> = (0..ACTORS)
            .map(|_| {
                let journal = seen.clone();
                node.spawn(async move |cx| actor(cx, journal).await)
            })
            .collect();
        let pids: Vec<Pid> = actors.iter().map(|actor| actor.pid().unwrap()).collect();
        for actor in &actors {
            actor.cast(Op::Trap(dice.below(3) > 0));
        }
        for _ in 0..STEPS {
            let actor = dice.below(ACTORS);
            if dice.below(40) == 0 {
                actors[actor].kill();
            } else {
                actors[actor].cast(some_op(&mut dice, &actors));
            }
            if dice.below(4) == 0 {
                step_aside().await;
            }
        }
        settle(&node).await;
        // Half of them go; the survivors must hold every notice they are owed.
        for _ in 0..ACTORS / 2 {
            actors[dice.below(ACTORS)].kill();
        }
        settle(&node).await;
        let trace = seen.take();
        let reasons: Vec<_> = actors.iter().map(|actor| actor.ended().map(|reason| reason.to_string())).collect();
        check(seed, &trace, &pids, &reasons);
        actors.iter().for_each(Addr::kill);
        settle(&node).await;
        drop(actors);
        settle(&node).await;
        assert_eq!(node.seats(), 0, "seed {seed}: seats are left");
        trace.into_iter().chain(seen.take()).collect::<Vec<_>>()
    });
    trace.shrink_to_fit();
    trace
}

fn check(seed: u64, trace: &[Seen], pids: &[Pid], reasons: &[Option<String>]) {
    let reason_of = |pid: Pid| pids.iter().position(|known| *known == pid).map(|at| reasons[at].clone());
    for event in trace {
        match event {
            Seen::Down(_, _, pid, heard) => match reason_of(*pid) {
                Some(Some(reason)) => {
                    assert!(*heard == reason || heard == "no such process", "seed {seed}: {event:?}, not {reason}");
                }
                Some(None) => panic!("seed {seed}: {event:?} of one that lives"),
                None => assert!(heard == "error: child" || heard == "no such process", "seed {seed}: {event:?}"),
            },
            Seen::Monitored(watcher, monitor, target) => {
                let downs = trace
                    .iter()
                    .filter(|other| matches!(other, Seen::Down(by, fired, ..) if by == watcher && fired == monitor))
                    .count();
                let taken = trace.iter().find_map(|other| match other {
                    Seen::Demonitored(by, which, active, flush) if by == watcher && which == monitor => {
                        Some((*active, *flush))
                    }
                    _ => None,
                });
                let watcher_lives = reason_of(*watcher) == Some(None);
                let target_dead = target.is_none_or(|pid| reason_of(pid) != Some(None) && pid != *watcher);
                assert!(downs <= 1, "seed {seed}: {event:?} fired {downs} times");
                match taken {
                    Some((true, _)) => assert_eq!(downs, 0, "seed {seed}: {event:?} was taken back"),
                    None if watcher_lives && target_dead => assert_eq!(downs, 1, "seed {seed}: {event:?} is owed"),
                    None if !target_dead => assert_eq!(downs, 0, "seed {seed}: {event:?}, and the target lives"),
                    Some(_) | None => {}
                }
            }
            _ => {}
        }
    }
}

// OTP: A1, C1, C2
#[test]
fn a_thousand_seeds_of_random_lives_and_deaths() {
    let (mut downs, mut exits) = (0, 0);
    for seed in 0..1500 {
        for seen in run(seed) {
            downs += usize::from(matches!(seen, Seen::Down(..)));
            exits += usize::from(matches!(seen, Seen::Exit(..)));
        }
    }
    assert!(downs > 3_000 && exits > 3_000, "too little happens to prove anything: {downs} downs, {exits} exits");
}
