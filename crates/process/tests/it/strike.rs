//! The one driver of the kill points: it polls a scenario so many times, strikes its victim, and lets the rest run out.
//!
//! Invariants checked for every scenario: it comes to rest, the victim has ended, no timer is set and no seat is left.

use crate::stepper::Stepper;
use freeboard_process::{Addr, Node};

#[derive(Clone, Copy, Debug)]
enum Strike {
    Kill,
    Drop,
}

/// What a scenario tells the driver: whom to strike, and what must hold in the end.
pub(crate) struct Plan {
    kill: Box<dyn FnOnce()>,
    task: usize,
    check: Box<dyn FnOnce(&str)>,
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
        }
    }
}

/// Runs the scenario again and again, and strikes its victim one poll later each time, until there is nothing to cut off.
/// Answers how many points there were.
pub(crate) fn at_every_point(scenario: impl Fn(&Node, &Stepper) -> Plan) -> usize {
    let mut points = 0;
    for strike in [Strike::Kill, Strike::Drop] {
        for point in 0.. {
            let (stepper, node) = Stepper::new();
            let plan = scenario(&node, &stepper);
            let polled = stepper.run(point);
            match strike {
                Strike::Kill => (plan.kill)(),
                Strike::Drop => {
                    drop(plan.kill);
                    stepper.drop_task(plan.task);
                }
            }
            let at = format!("{strike:?} after {polled} polls");
            assert!(stepper.run(100_000) < 100_000, "{at}: the scenario does not come to rest");
            (plan.check)(&at);
            assert!(!stepper.has_timers(&node), "{at}: a timer is left");
            assert_eq!(node.seats(), 0, "{at}: seats are left");
            stepper.finish();
            points += 1;
            if polled < point {
                break;
            }
        }
    }
    assert!(points > 10, "{points} points strike nothing");
    points
}
