//! The plan: seeded, rising, the same for everybody.

use std::sync::Arc;

use freeboard_demo::plan::{Kind, Plan, STORM_US, WARM_UP_US};
use freeboard_demo::stopwatch::SECOND;

const END: u64 = 4 * SECOND;

fn plan(seed: u64) -> Arc<Plan> {
    Arc::new(Plan::storm_of(18_000, 1_500, END, seed))
}

#[test]
fn one_seed_is_one_plan_and_two_seeds_are_two() {
    // A fixed number: a changed plan would make old and new results incomparable without anybody noticing.
    assert_eq!(plan(42).digest(END), plan(42).digest(END));
    assert_eq!(format!("{:016x}", plan(42).digest(END)), "0e3f1153691b44f4");
    assert_ne!(plan(42).digest(END), plan(43).digest(END));
}

#[test]
fn arrivals_rise_and_every_lost_session_asks_exactly_once() {
    let arrivals: Vec<_> = plan(42).arrivals().collect();
    assert!(arrivals.is_sorted_by_key(|arrival| arrival.at_us));
    let mut lost: Vec<u64> =
        arrivals.iter().filter(|arrival| arrival.kind == Kind::Resume).map(|arrival| arrival.session).collect();
    lost.sort_unstable();
    lost.dedup();
    assert_eq!(lost.len(), 18_000);
    assert!(lost.iter().all(|session| session % 6 == lost[0] % 6 && *session < 108_000), "a sixth of all, one zone");
    let storm = arrivals.iter().filter(|arrival| arrival.kind == Kind::Resume);
    assert!(storm.clone().all(|arrival| (WARM_UP_US..WARM_UP_US + STORM_US).contains(&arrival.at_us)));
    assert_eq!(arrivals.len() as u64, plan(42).len());
}

#[test]
fn the_ordinary_flow_is_even_before_during_and_after_the_storm() {
    let plan = plan(42);
    for second in 0..4 {
        let span = second * SECOND..(second + 1) * SECOND;
        let joins = plan.arrivals().filter(|arrival| arrival.kind == Kind::Join && span.contains(&arrival.at_us));
        assert_eq!(joins.count(), 1_500);
    }
    assert!((plan.rate_after(WARM_UP_US + STORM_US) - 1_500.0).abs() < 1.0);
}

#[test]
fn a_plan_cut_short_ends_there() {
    let short = Arc::new(Plan::storm_of(18_000, 1_500, END, 42).ending_at(SECOND));
    assert_eq!(short.arrivals().count(), 1_500);
    assert_eq!(short.digest(END), plan(42).digest(SECOND), "and is the same until then");
}
