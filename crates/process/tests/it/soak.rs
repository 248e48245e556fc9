//! Many seeds of random processes that link, watch, call, leave, die and come back; what must hold for all of them
//! (`soak/books.rs`).
//!
//! A run depends on its seed only, so a seed that fails is a test case: `run(seed)` does it again, event for event.

mod books;

use crate::support::{Culprit, Dice, Journal, oops, pause, settle, step_aside, why};
use books::Books;
pub(crate) use books::Seen;
use freeboard_process::sync::Mutex;
use freeboard_process::{
    Addr, Alias, AliasMode, Birth, Context, Event, ExitReason, Launch, Launcher, Node, Pid, Reply, Sim, StartError,
    Supervision, Target, Ties, WeakAddr,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const ACTORS: usize = 8;
const STEPS: usize = 60;
const NAMES: [&str; 3] = ["one", "two", "three"];

/// What an actor is told to do.
enum Op {
    Link(To, bool),
    Unlink(To),
    Monitor(To),
    /// Makes a monitor with an alias, and asks the target to answer through it.
    Invite(Addr<Op>, AliasMode),
    Use(Alias<Op>),
    /// Take back the n-th monitor it has made.
    Demonitor(usize, bool),
    Exit(To, ExitReason),
    Child(usize),
    Trap(bool),
    Later(u64),
    /// Take this name, if nobody has it.
    Name(usize),
    Ask(How, Reply<u64>),
    Call(Addr<Op>, How, u64),
    Yield,
    Leave(ExitReason),
    Crash,
}

/// What is to become of a call.
enum How {
    Answer,
    Drop,
    Keep,
    Refuse,
    Pass(Addr<Op>),
}

/// Whom an operation is about.
enum To {
    Seat(Addr<Op>),
    Pid(Pid),
}

impl To {
    fn target(&self) -> &dyn Target {
        match self {
            Self::Seat(addr) => addr,
            Self::Pid(pid) => pid,
        }
    }

    fn pid(&self, node: &Node) -> Option<Pid> {
        self.target().resolve(node)
    }
}

/// One run: the node, what was seen, and the next number of a call.
#[derive(Clone)]
struct World {
    node: Node,
    seen: Journal<Seen>,
    calls: Arc<Mutex<u64>>,
    children: Journal<WeakAddr<Op>>,
}

impl World {
    fn monitored(&self, by: Pid, monitor: freeboard_process::Ref, target: Option<Pid>, brittle: bool) {
        let target = target.map(|pid| (pid, self.node.is_alive(pid)));
        self.seen.note(Seen::Monitored { by, monitor, target, brittle });
    }

    /// A call is made by this process; answers its number.
    fn called(&self, by: Pid, to: &Addr<Op>, how: &How, patient: bool) -> u64 {
        let mut calls = self.calls.lock();
        *calls += 1;
        let direct = !matches!(how, How::Pass(_));
        self.seen.note(Seen::Called { call: *calls, by, to: to.pid(), direct, patient });
        *calls
    }

    fn answered(&self, call: u64, answer: &Result<u64, freeboard_process::CallError>) {
        self.seen.note(Seen::Answered { call, how: why(answer) });
    }
}

async fn actor(mut cx: Context<Op>, world: World) -> Result<(), ExitReason> {
    let me = cx.pid();
    cx.acknowledge();
    let (mut monitors, mut kept) = (Vec::new(), Vec::new());
    world.seen.note(Seen::Born(me));
    loop {
        match cx.recv().await {
            Event::Message(op) => match op {
                Op::Link(to, priority) => {
                    world.seen.note(Seen::Linked(me, to.pid(&world.node).or(Some(world.node.pid()))));
                    if priority { cx.link_priority(to.target()) } else { cx.link(to.target()) }
                }
                Op::Unlink(to) => cx.unlink(to.target()),
                Op::Monitor(to) if to.pid(&world.node) != Some(me) => {
                    let pid = to.pid(&world.node);
                    let lived = pid.map(|pid| world.node.is_alive(pid));
                    let monitor = cx.monitor(to.target());
                    monitors.push(monitor);
                    assert_eq!(pid.map(|pid| world.node.is_alive(pid)), lived, "a monitor changes nobody's life");
                    world.monitored(me, monitor, pid, false);
                }
                Op::Invite(to, mode) if to.pid() != Some(me) => {
                    let pid = to.pid();
                    let alias = cx.monitor_alias(&to, mode);
                    monitors.push(alias.reference());
                    world.monitored(me, alias.reference(), pid, mode == AliasMode::ReplyDemonitor);
                    to.cast(Op::Use(alias));
                }
                Op::Use(alias) => alias.cast(Op::Yield),
                Op::Demonitor(which, flush) if !monitors.is_empty() => {
                    let monitor = monitors[which % monitors.len()];
                    let active = if flush { cx.demonitor_flush(monitor) } else { cx.demonitor(monitor) };
                    world.seen.note(Seen::Demonitored { by: me, monitor, active, flush });
                }
                Op::Exit(to, reason) => {
                    world.seen.note(Seen::ExitSent(me, to.pid(&world.node), reason.to_string()));
                    cx.exit(to.target(), reason);
                }
                Op::Child(kind) => bear(&mut cx, &world, kind),
                Op::Trap(on) => drop(cx.trap_exit(on)),
                Op::Later(ms) => drop(cx.send_after(Duration::from_millis(ms), Op::Yield)),
                Op::Name(n) => drop(world.node.register(NAMES[n], &cx.addr())),
                Op::Ask(how, reply) => match how {
                    How::Answer => reply.send(1),
                    How::Drop => drop(reply),
                    How::Keep => kept.push(reply),
                    How::Refuse => reply.refuse(),
                    How::Pass(to) => to.cast(Op::Ask(How::Answer, reply)),
                },
                Op::Call(to, how, ms) => {
                    let call = world.called(me, &to, &how, false);
                    let answer = to.call(|reply| Op::Ask(how, reply)).within(Duration::from_millis(ms)).await;
                    world.answered(call, &answer);
                }
                Op::Leave(reason) => return Err(reason),
                Op::Crash => panic!("crash of {me}"),
                Op::Yield | Op::Demonitor(..) | Op::Monitor(_) | Op::Invite(..) => step_aside().await,
            },
            Event::Down(down) => {
                let reason = down.reason.to_string();
                world.seen.note(Seen::Down { by: me, monitor: down.monitor, of: down.pid, reason });
            }
            Event::Exit(exit) => {
                let (reason, of_link) = (exit.reason.to_string(), exit.is_of_link());
                world.seen.note(Seen::Exit { by: me, from: exit.from, reason, of_link });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Starts a child that is linked, watched, or both; it ends soon, or lives on.
fn bear(cx: &mut Context<Op>, world: &World, kind: usize) {
    let me = cx.pid();
    let births = world.clone();
    let body = async move |mut cx: Context<Op>| {
        births.seen.note(Seen::Born(cx.pid()));
        if kind.is_multiple_of(2) {
            cx.recv().after(Duration::from_millis(2)).await;
            return Err(oops("child"));
        }
        std::future::pending().await
    };
    if kind < 4 {
        let child = cx.spawn_link(body);
        world.seen.note(Seen::Linked(me, child.pid()));
        world.children.note(child.downgrade());
    } else {
        let (child, monitor) = cx.spawn_monitor(body);
        world.monitored(me, monitor, child.pid(), false);
        world.children.note(child.downgrade());
        if kind == 5 {
            child.exit(oops("child"));
        }
    }
}

/// Starts a process that makes one call, and that nobody ends.
fn caller(world: &World, to: &Addr<Op>, how: How, limit: Option<u64>) {
    let (own, to) = (world.clone(), to.clone());
    world.node.spawn(async move |cx: Context<()>| {
        let world = own;
        let call = world.called(cx.pid(), &to, &how, true);
        let answer = match limit {
            Some(ms) => to.call(|reply| Op::Ask(how, reply)).within(Duration::from_millis(ms)).await,
            None => {
                let pending = to.request(|reply| Op::Ask(how, reply));
                step_aside().await;
                pending.await
            }
        };
        world.answered(call, &answer);
        Ok(())
    });
}

/// Notes the ends of the actors; their seats are kept until the run is over.
struct Ward(Journal<Seen>, Arc<Mutex<bool>>);

impl Supervision for Ward {
    fn started(&self, _: Pid) {}

    fn comes_back(&self, _: Pid, _: &ExitReason) -> bool {
        !*self.1.lock()
    }

    fn ended(&self, pid: Pid, reason: &ExitReason, _: Option<&StartError>) {
        self.0.note(Seen::Died(pid, reason.to_string()));
    }
}

fn some_reason(dice: &mut Dice) -> ExitReason {
    match dice.below(5) {
        0 => ExitReason::Normal,
        1 => ExitReason::Shutdown,
        2 => ExitReason::Killed,
        3 => oops("a"),
        _ => oops("b"),
    }
}

fn some_how(dice: &mut Dice, other: &Addr<Op>) -> How {
    match dice.below(6) {
        0 | 1 => How::Answer,
        2 => How::Drop,
        3 => How::Keep,
        4 => How::Refuse,
        _ => How::Pass(other.clone()),
    }
}

fn some_op(dice: &mut Dice, actors: &[Addr<Op>], known: &[Pid]) -> Op {
    let other = actors[dice.below(actors.len())].clone();
    let third = actors[dice.below(actors.len())].clone();
    // Mostly by address; by pid it may be one of an earlier incarnation.
    let to = match dice.below(4) {
        0 => To::Pid(known[dice.below(known.len())]),
        _ => To::Seat(other.clone()),
    };
    match dice.below(26) {
        0..=3 => Op::Link(to, dice.below(4) == 0),
        4..=5 => Op::Unlink(to),
        6..=9 => Op::Monitor(to),
        10 => Op::Invite(other, [AliasMode::Explicit, AliasMode::Demonitor, AliasMode::ReplyDemonitor][dice.below(3)]),
        11..=12 => Op::Demonitor(dice.below(100), dice.below(2) == 0),
        13 => Op::Exit(to, some_reason(dice)),
        14..=15 => Op::Child(dice.below(6)),
        16 => Op::Trap(dice.below(3) > 0),
        17..=18 => Op::Call(other, some_how(dice, &third), 1 + dice.below(4) as u64),
        19 => match dice.below(2) {
            0 => Op::Later(dice.below(5) as u64),
            _ => Op::Name(dice.below(NAMES.len())),
        },
        20..=23 => Op::Yield,
        24 => Op::Leave(some_reason(dice)),
        _ => Op::Crash,
    }
}

/// One run: everything that was seen.
pub(crate) fn run(seed: u64) -> Vec<Seen> {
    Sim::seed(seed).run(async |node: Node| live(&node, seed).await)
}

/// The same in a world that somebody else runs.
pub(crate) async fn live(node: &Node, seed: u64) -> Vec<Seen> {
    let mut dice = Dice(seed ^ 0xdead_beef);
    let world = World { node: node.clone(), seen: Journal::new(), calls: Arc::default(), children: Journal::new() };
    let over = Arc::new(Mutex::new(false));
    let seats: Vec<Launcher<Op>> = (0..ACTORS)
        .map(|_| {
            let world = world.clone();
            Launcher::new(move |cx| Box::pin(actor(cx, world.clone())))
        })
        .collect();
    let start = |seat: &Launcher<Op>| {
        let pid = seat.prepare(node).unwrap().pid();
        let ward = Ward(world.seen.clone(), Arc::clone(&over));
        assert!(seat.launch(node, pid, Birth { supervision: Some(Arc::new(ward)), ..Birth::default() }));
        pid
    };
    let mut known: Vec<Pid> = seats.iter().map(start).collect();
    let actors: Vec<Addr<Op>> = seats.iter().map(Launcher::addr).collect();
    for actor in &actors {
        actor.cast(Op::Trap(dice.below(3) > 0));
    }
    for _ in 0..STEPS {
        let who = dice.below(ACTORS);
        match (actors[who].pid(), dice.below(20)) {
            (None, _) => known.push(start(&seats[who])),
            (Some(pid), 0) => node.kill(pid),
            (_, 1 | 2) => {
                let limit = [None, Some(1), Some(3), Some(5000)][dice.below(4)];
                let other = actors[dice.below(ACTORS)].clone();
                caller(&world, &actors[who], some_how(&mut dice, &other), limit);
            }
            _ => actors[who].cast(some_op(&mut dice, &actors, &known)),
        }
        match dice.below(8) {
            0 => pause(node, Duration::from_millis(1)).await,
            1 | 2 => step_aside().await,
            _ => {}
        }
    }
    pause(node, Duration::from_millis(20)).await;
    // Half of them go; the survivors must hold every notice they are owed.
    for _ in 0..ACTORS / 2 {
        actors[dice.below(ACTORS)].kill();
    }
    pause(node, Duration::from_millis(20)).await;
    let mut living: BTreeMap<Pid, Ties> =
        actors.iter().filter_map(|actor| Some((actor.pid()?, actor.ties()))).collect();
    let children = world.children.take();
    living.extend(children.iter().filter_map(WeakAddr::upgrade).filter_map(|child| Some((child.pid()?, child.ties()))));
    for name in NAMES {
        let owner = node.whereis::<Op>(name).and_then(|addr| addr.pid());
        assert!(owner.is_none_or(|pid| living.contains_key(&pid)), "{name} is held by the dead");
    }
    let mut seen = world.seen.take();
    Books { seen: &seen, living: &living, is_over: false }.balance();
    *over.lock() = true;
    actors.iter().for_each(Addr::kill);
    living.keys().for_each(|pid| node.kill(*pid));
    drop((actors, seats));
    pause(node, Duration::from_secs(6)).await;
    seen.extend(world.seen.take());
    Books { seen: &seen, living: &BTreeMap::new(), is_over: true }.balance();
    drop((world, children));
    settle(node).await;
    assert!(NAMES.iter().all(|name| node.whereis::<Op>(name).is_none()), "names are left");
    assert_eq!(node.seats(), 0, "seats are left");
    assert_eq!(node.timers_set(), 0, "timers are left");
    seen
}

// OTP: A1, C2, F16
#[test]
fn a_thousand_seeds_of_random_lives_and_deaths() {
    let (mut downs, mut exits, mut told, mut deaths) = (0, 0, 0, 0);
    for seed in 0..1200 {
        let _culprit = Culprit(seed);
        for seen in run(seed) {
            match seen {
                Seen::Down { .. } => downs += 1,
                Seen::Exit { .. } => exits += 1,
                Seen::Answered { how, .. } => told += usize::from(how.starts_with("exited")),
                Seen::Died(..) => deaths += 1,
                _ => {}
            }
        }
    }
    let numbers = format!("{downs} downs, {exits} exits, {told} callers told of a death, {deaths} deaths");
    assert!(downs > 3_000 && exits > 3_000 && told > 1_000 && deaths > 10_000, "too little happens: {numbers}");
}
