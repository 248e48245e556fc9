//! Storms: many callers that start, crash, end and abandon children at random, until the supervisor is stopped or killed
//! at a random moment. A thousand seeds; a failing one names itself and can be replayed.
//!
//! Whatever happens, every start is answered, with an answer that fits; no more children than allowed exist at any time;
//! and in the end nobody is left: no row, no process, no seat.

use crate::support::{Caller, Gauge, Init, Manner, Msg, broken, give_way, outcome, pass, poll_once, probe, quiet};
use freeboard_process::{Addr, ExitReason, Node, Sim};
use freeboard_supervisor::{ChildSpec, DynamicRef, DynamicSupervisor, Restart, Shutdown};
use std::{pin::pin, sync::Arc, time::Duration};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const CALLERS: u64 = 8;
const STEPS: u64 = 12;

/// SplitMix64: the choices of one caller, the same for the same seed.
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    fn time(&mut self) -> Duration {
        MS * self.below(20) as u32
    }

    /// A child, and whether nothing but the supervisor can keep it from coming up.
    fn spec(&mut self, gauge: &Arc<Gauge>) -> (ChildSpec<Msg>, bool) {
        let (steps, takes) = (self.below(5) as usize, self.time());
        let sound = [Init::Up, Init::Steps(steps), Init::Takes(takes)];
        let unsound = [
            Init::Hangs,
            Init::Stops(broken()),
            Init::Refuses(ExitReason::Shutdown),
            Init::Ignores,
            Init::Panics,
            Init::NoArgs,
        ];
        let is_sound = self.below(4) > 0;
        let first = if is_sound { self.of(&sound) } else { self.of(&unsound) };
        // Later starts fail now and then; they do not hang, or the storm would have no end.
        let later = [Init::Up, Init::Steps(steps), Init::Up, Init::Stops(broken()), Init::Ignores, Init::Takes(takes)];
        let later = self.of(&later);
        // One that hangs and traps exits could be got rid of only by a kill.
        let manners = [Manner::Plain, Manner::Plain, Manner::Slow(self.time()), Manner::Breaks];
        let manner = if matches!(first, Init::Hangs) { Manner::Plain } else { self.of(&manners) };
        let plan = move |start| if start == 0 { first.clone() } else { later.clone() };
        let limits = [Shutdown::BrutalKill, Shutdown::Infinity, Shutdown::Timeout(self.time())];
        let spec = probe(gauge, manner, plan).shutdown(self.of(&limits)).restart(self.of(&[
            Restart::Permanent,
            Restart::Transient,
            Restart::Temporary,
        ]));
        (if is_sound { spec } else { spec.start_timeout(10 * MS) }, is_sound)
    }
}

/// What one caller saw.
#[derive(Default)]
struct Seen {
    up: usize,
    cut_short: usize,
}

/// One caller of a storm.
async fn caller(node: Node, sup: DynamicRef, gauge: Arc<Gauge>, max: usize, mut choices: Choices) -> Seen {
    let (mut seen, mut mine) = (Seen::default(), Vec::<Addr<Msg>>::new());
    for _ in 0..STEPS {
        let target = mine.len().checked_sub(1).map(|last| mine[choices.below(last as u64 + 1) as usize].clone());
        match (choices.below(10), target) {
            (0, Some(addr)) => addr.kill(),
            (1, Some(addr)) => addr.cast(Msg::Panic),
            (2, Some(addr)) => addr.cast(Msg::End(choices.of(&[Ok(()), Err(ExitReason::Shutdown), Err(broken())]))),
            (3, Some(addr)) => drop(sup.terminate_child(&addr).await),
            (4, Some(addr)) => drop(addr.call(Msg::Ask).within(choices.time()).await),
            (5, _) => {
                let mut abandoned = pin!(sup.start_child(choices.spec(&gauge).0));
                for _ in 0..choices.below(3) {
                    if poll_once(abandoned.as_mut()).await.is_some() {
                        break;
                    }
                    give_way().await;
                }
            }
            (6, _) => pass(&node, choices.time()).await,
            _ => {
                let (spec, is_sound) = choices.spec(&gauge);
                let answer = sup.start_child(spec).await;
                let said = outcome(&answer);
                let by_supervisor = said.starts_with("down ") || ["MaxChildren", "ShuttingDown"].contains(&&*said);
                let fits = said == "up" || by_supervisor || (!is_sound && !said.is_empty());
                assert!(fits, "a child that comes up was refused: {said}");
                seen.up += usize::from(answer.is_ok());
                seen.cut_short += usize::from(by_supervisor && said != "MaxChildren");
                mine.extend(answer.ok());
            }
        }
        assert!(gauge.high() <= max, "{} children, {max} allowed", gauge.high());
        assert!(sup.tracked() <= max);
    }
    seen
}

/// One storm; answers what its callers saw. With `nested` the supervisor is killed several times and comes back.
fn storm(seed: u64, nested: bool) -> Seen {
    Sim::seed(seed).run(async |node: Node| {
        let baseline = node.seats();
        let mut choices = Choices(seed);
        let gauge = Arc::<Gauge>::default();
        let max = 1 + choices.below(20) as usize;
        // A child that cannot come up again is tried without a pause, so even the largest budget is used up some time.
        let budget = choices.of(&[0, 3, 300]);
        let spec = DynamicSupervisor::new().max_children(max).intensity(budget, 50 * MS);
        let (outer, sup) = if nested {
            let outer = DynamicSupervisor::new().intensity(1_000_000, HOUR).start(&node).await.unwrap();
            let sup = outer.start_child(spec).await.unwrap();
            (Some(outer), sup)
        } else {
            (None, spec.start(&node).await.unwrap())
        };
        let callers: Vec<_> = (0..CALLERS)
            .map(|n| {
                let choices = Choices(seed.wrapping_mul(CALLERS).wrapping_add(n) ^ 0x5eed);
                Caller::new(&node, caller(node.clone(), sup.clone(), Arc::clone(&gauge), max, choices))
            })
            .collect();
        if outer.is_some() {
            for _ in 0..choices.below(4) {
                pass(&node, choices.time()).await;
                sup.kill();
            }
        }
        pass(&node, choices.time()).await;
        for _ in 0..choices.below(10) {
            give_way().await;
        }
        let top = outer.unwrap_or_else(|| sup.clone());
        match choices.below(3) {
            0 => top.kill(),
            1 => top.stop(ExitReason::Shutdown).await,
            _ => {
                let stopper = Caller::new(&node, {
                    let top = top.clone();
                    async move { top.stop(ExitReason::ShutdownWith("over".into())).await }
                });
                give_way().await;
                top.kill();
                stopper.result().await;
            }
        }
        let mut seen = Seen::default();
        for caller in callers {
            let one = caller.result().await;
            seen.up += one.up;
            seen.cut_short += one.cut_short;
        }
        // Those that trap exits clean up as long as they like when their supervisor was killed.
        pass(&node, HOUR).await;
        let counts = sup.count_children();
        assert_eq!((sup.pid(), sup.tracked(), counts.specs, gauge.now()), (None, 0, 0, 0), "seed {seed}");
        assert_eq!(top.tracked(), 0, "seed {seed}");
        drop((top, sup));
        quiet(&node).await;
        assert_eq!(node.seats(), baseline, "seed {seed}");
        seen
    })
}

fn storms(nested: bool) {
    let (mut up, mut cut_short) = (0, 0);
    for seed in 0..500 {
        let seen = storm(seed, nested);
        up += seen.up;
        cut_short += seen.cut_short;
    }
    // The storms must be storms: many children came up, and many starts met the end of the supervisor.
    assert!(up > 2_000 && cut_short > 500, "{up} up, {cut_short} cut short");
}

// OTP: A10, H4, H11
#[test]
fn a_storm_ends_with_every_start_answered_and_nobody_left() {
    storms(false);
}

// OTP: A10, G51, H4
#[test]
fn a_storm_around_a_supervisor_that_comes_back_leaves_nobody_either() {
    storms(true);
}
