//! The one driver of the kill points: it polls a scenario so many times, strikes its victim, and lets the rest run out.
//!
//! Invariants checked for every scenario: it comes to rest, the victim has ended, nothing ties a survivor to anybody, no
//! timer is set and no seat is left. If the whole runtime goes away instead, no timer and no seat is left either.

use crate::stepper::Stepper;
use freeboard_process::{Addr, Node, Ties};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Strike {
    /// The victim is killed.
    Kill,
    /// The victim's task is dropped.
    Drop,
    /// Every task is dropped, in the order of the spawns.
    DropAll,
}

/// What a scenario tells the driver: whom to strike, and what must hold in the end.
pub(crate) struct Plan {
    kill: Box<dyn FnOnce()>,
    task: usize,
    check: Box<dyn FnOnce(&str)>,
    survivors: Vec<Survivor>,
}

/// Somebody who lives on.
struct Survivor {
    ties: Box<dyn Fn() -> Option<Ties>>,
    kill: Box<dyn FnOnce()>,
}

impl Plan {
    /// The victim is the process that is spawned next, by `spawn`. `check` is told how it ended.
    pub(crate) fn new<M: Send + 'static>(
        stepper: &Stepper,
        spawn: impl FnOnce() -> Addr<M>,
        more: impl FnOnce(&Addr<M>),
        check: impl FnOnce(&str, String) + 'static,
    ) -> Self {
        let task = stepper.tasks();
        let victim = spawn();
        more(&victim);
        let struck = victim.clone();
        Self {
            kill: Box::new(move || struck.kill()),
            task,
            check: Box::new(move |at| {
                let reason = victim.ended().map(|reason| reason.to_string());
                check(at, reason.unwrap_or_else(|| panic!("{at}: the victim has not ended")));
            }),
            survivors: Vec::new(),
        }
    }

    /// This process must outlive the victim, and nothing may tie it to anybody then. The driver ends it last.
    pub(crate) fn survived_by<M: Send + 'static>(mut self, survivor: &Addr<M>) -> Self {
        let (seen, killed) = (survivor.clone(), survivor.clone());
        self.survivors.push(Survivor {
            ties: Box::new(move || seen.pid().map(|_| seen.ties())),
            kill: Box::new(move || killed.kill()),
        });
        self
    }

    /// The scenario has come to rest.
    fn conclude(self, at: &str) {
        drop(self.kill);
        (self.check)(at);
        for survivor in self.survivors {
            assert_eq!((survivor.ties)(), Some(Ties::default()), "{at}: it lives, and nothing ties it to the dead");
            (survivor.kill)();
        }
    }
}

/// Runs the scenario again and again, and strikes its victim one poll later each time, until there is nothing to cut off.
/// Answers how many points there were.
pub(crate) fn at_every_point(scenario: impl Fn(&Node, &Stepper) -> Plan) -> usize {
    let mut points = 0;
    for strike in [Strike::Kill, Strike::Drop, Strike::DropAll] {
        for point in 0.. {
            let (stepper, node) = Stepper::new();
            let mut plan = scenario(&node, &stepper);
            let polled = stepper.run(point);
            let at = format!("{strike:?} after {polled} polls");
            match strike {
                Strike::DropAll => {
                    stepper.finish();
                    drop(plan);
                }
                Strike::Kill | Strike::Drop => {
                    if strike == Strike::Kill {
                        std::mem::replace(&mut plan.kill, Box::new(|| {}))();
                    } else {
                        stepper.drop_task(plan.task);
                    }
                    assert!(stepper.run(100_000) < 100_000, "{at}: the scenario does not come to rest");
                    plan.conclude(&at);
                    stepper.settle();
                }
            }
            assert_eq!(node.timers_set(), 0, "{at}: a timer is left");
            assert_eq!(node.seats(), 0, "{at}: seats are left");
            points += 1;
            if polled < point {
                break;
            }
        }
    }
    assert!(points > 10, "{points} points strike nothing");
    points
}
