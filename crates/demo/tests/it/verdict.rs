//! The verdict, on timelines made by hand.

use freeboard_demo::instance::{QueueKind, Variant};
use freeboard_demo::outcome::{RunOutcome, exit_status};
use freeboard_demo::plan::Storm;
use freeboard_demo::predict::{Expect, Judgement, Outcome, judge};
use freeboard_demo::ring::Heartbeats;
use freeboard_demo::stopwatch::{MILLI, SECOND};
use freeboard_demo::timeline::{Account, Lag, SAMPLE_US, Sample, Share, Timeline};
use freeboard_demo::verdict::{Cause, Verdict, verdict};

const STORM: Storm = Storm { start_us: 1_500 * MILLI, end_us: 1_700 * MILLI, count: 180_000 };

/// A run of `end_us` in which the backlog after the storm is `waiting(at_us)`, with the account that goes with it.
fn timeline(end_us: u64, waiting: impl Fn(u64) -> u64) -> Timeline {
    let planned = |at_us: u64| 15_000 * at_us / SECOND + if at_us >= STORM.end_us { STORM.count } else { 0 };
    let samples: Vec<Sample> = (1..=end_us / SAMPLE_US)
        .map(|index| index * SAMPLE_US)
        .map(|at_us| {
            let waiting = if at_us >= STORM.end_us { waiting(at_us) } else { 5 };
            Sample { at_us, planned: planned(at_us), answered: planned(at_us) - waiting, ..Sample::default() }
        })
        .collect();
    let waiting_end = samples.last().expect("a run has samples").waiting();
    Timeline {
        storm: STORM,
        end_us,
        baseline_per_s: 15_000.0,
        samples,
        account: Account {
            planned: planned(end_us),
            answered: planned(end_us) - waiting_end,
            waiting_end,
            waiting_storm_end: waiting(STORM.end_us),
            offered_after_storm: planned(end_us) - planned(STORM.end_us),
        },
        tail: Share { planned: 30_000, on_time: 30_000 },
        members_lost: 0,
        heartbeats: Heartbeats::default(),
        lag: Lag::default(),
        cores_left: Some(2.0),
        latencies: None,
    }
}

fn collapsed() -> Timeline {
    Timeline {
        tail: Share { planned: 30_000, on_time: 0 },
        members_lost: 3,
        ..timeline(7_500 * MILLI, |at_us| 185_000 + 14_000 * (at_us - STORM.end_us) / SECOND)
    }
}

fn recovered() -> Timeline {
    timeline(5 * SECOND, |at_us| 150_000_u64.saturating_sub((at_us - STORM.end_us) / 6))
}

fn draining() -> Timeline {
    Timeline {
        tail: Share { planned: 30_000, on_time: 0 },
        members_lost: 3,
        ..timeline(7_700 * MILLI, |at_us| 158_000 - (at_us - STORM.end_us) / 60)
    }
}

#[test]
fn a_backlog_that_grows_with_members_lost_has_collapsed() {
    assert_eq!(verdict(&collapsed()), Verdict::Collapsed { growth_per_s: 14_000 });
}

#[test]
fn a_calm_second_with_nobody_lost_is_recovery_and_counts_from_the_storm() {
    // 150,000 fall below a tenth of a second of traffic after 0.891 s; the next sample sees it.
    assert_eq!(verdict(&recovered()), Verdict::Recovered { after_us: 900 * MILLI });
}

#[test]
fn a_queue_that_shrinks_is_draining_and_never_called_never() {
    let Verdict::Draining { to_go_s } = verdict(&draining()) else { panic!("{:?}", verdict(&draining())) };
    assert!((3.4..3.6).contains(&to_go_s), "58,000 left at 16,667 a second: {to_go_s}");
}

#[test]
fn each_condition_of_a_collapse_is_needed() {
    let on_time = Timeline { tail: Share { planned: 100, on_time: 10 }, ..collapsed() };
    assert_eq!(verdict(&on_time), Verdict::Inconclusive(Cause::Unclear));
    let nobody_lost = Timeline { members_lost: 0, ..collapsed() };
    assert_eq!(verdict(&nobody_lost), Verdict::Inconclusive(Cause::Unclear));
    let mut slow = collapsed();
    slow.account.waiting_end = slow.account.waiting_storm_end + slow.account.offered_after_storm / 2;
    assert_eq!(verdict(&slow), Verdict::Inconclusive(Cause::Unclear));
}

#[test]
fn each_condition_of_a_recovery_is_needed() {
    let lost = Timeline { members_lost: 1, ..recovered() };
    assert_eq!(verdict(&lost), Verdict::Draining { to_go_s: 0.0 });
    let late = Timeline { tail: Share { planned: 1_000, on_time: 989 }, ..recovered() };
    assert_eq!(verdict(&late), Verdict::Draining { to_go_s: 0.0 });
    // Calm for only 0.9 s before the run ends.
    let cut_off = timeline(4_200 * MILLI, |at_us| if at_us < 3_300 * MILLI { 100_000 } else { 10 });
    assert!(matches!(verdict(&cut_off), Verdict::Draining { .. }));
    let just = timeline(4_300 * MILLI, |at_us| if at_us < 3_300 * MILLI { 100_000 } else { 10 });
    assert_eq!(verdict(&just), Verdict::Recovered { after_us: 1_600 * MILLI });
}

#[test]
fn a_late_generator_and_a_short_aftermath_are_inconclusive_and_say_so() {
    let late = Timeline { lag: Lag { worst_us: 900 * MILLI, calm_us: 501 * MILLI }, ..collapsed() };
    assert_eq!(verdict(&late), Verdict::Inconclusive(Cause::GeneratorLate { lag_us: 501 * MILLI }));
    let only_in_the_storm = Timeline { lag: Lag { worst_us: 900 * MILLI, calm_us: 0 }, ..recovered() };
    assert!(matches!(verdict(&only_in_the_storm), Verdict::Recovered { .. }));
    let short = timeline(3_600 * MILLI, |_| 5);
    assert_eq!(verdict(&short), Verdict::Inconclusive(Cause::TooShort { aftermath_us: 1_900 * MILLI }));
    let Verdict::Inconclusive(cause) = verdict(&late) else { unreachable!() };
    assert_eq!(cause.to_string(), "the load came 501 ms late: the machine is too busy");
}

#[test]
fn a_crowded_machine_excuses_a_slow_cure_and_nothing_else() {
    let crowded = |timeline: Timeline| verdict(&Timeline { cores_left: Some(0.4), ..timeline });
    assert_eq!(crowded(draining()), Verdict::Inconclusive(Cause::Crowded { core_percent: 40 }));
    assert_eq!(crowded(collapsed()), verdict(&collapsed()));
    assert_eq!(crowded(recovered()), verdict(&recovered()));
    let one_core = Timeline { cores_left: Some(0.95), ..draining() };
    assert!(matches!(verdict(&one_core), Verdict::Draining { .. }), "one busy core of two is no excuse");
    let unknown = Timeline { cores_left: None, ..draining() };
    assert!(matches!(verdict(&unknown), Verdict::Draining { .. }));
}

#[test]
fn swapping_the_labels_swaps_nothing_but_the_labels() {
    let labels = [Variant::Naive(QueueKind::Linked), Variant::Indexed, Variant::Freeboard];
    for timeline in [collapsed(), recovered(), draining()] {
        let wanted = verdict(&timeline);
        for label in labels {
            let outcome = RunOutcome::new(label, Outcome::Close, Expect::Predicted, timeline.clone());
            assert_eq!(outcome.verdict, wanted, "under the label {}", label.name());
        }
    }
}

#[test]
fn what_is_expected_depends_on_the_prediction_or_the_user() {
    let (bad, good, slow) = (verdict(&collapsed()), verdict(&recovered()), verdict(&draining()));
    let unclear = Verdict::Inconclusive(Cause::Unclear);
    use Expect::{Any, Collapse, Predicted, Survive};
    use Judgement::{AsExpected, Otherwise, Unknown};
    let cases = [
        (bad, Outcome::Collapse, Predicted, true, AsExpected),
        (good, Outcome::Collapse, Predicted, true, Otherwise),
        (slow, Outcome::Collapse, Predicted, true, Otherwise),
        (good, Outcome::Recover, Predicted, true, AsExpected),
        (slow, Outcome::Recover, Predicted, true, AsExpected),
        // What does not scan has no excuse for being slow.
        (slow, Outcome::Recover, Predicted, false, Otherwise),
        (bad, Outcome::Recover, Predicted, false, Otherwise),
        (bad, Outcome::Close, Predicted, true, AsExpected),
        (good, Outcome::Close, Predicted, true, AsExpected),
        (good, Outcome::Recover, Collapse, true, Otherwise),
        (good, Outcome::Recover, Collapse, false, AsExpected),
        (bad, Outcome::Collapse, Survive, true, Otherwise),
        (bad, Outcome::Recover, Any, false, AsExpected),
        (unclear, Outcome::Recover, Predicted, false, Unknown),
        (unclear, Outcome::Close, Predicted, true, AsExpected),
    ];
    for (verdict, predicted, expect, scans, wanted) in cases {
        let found = judge(&verdict, predicted, expect, scans);
        assert_eq!(found, wanted, "{verdict:?} predicted {predicted:?} expect {expect:?} scans {scans}");
    }
}

#[test]
fn one_wrong_variant_outweighs_an_unknown_one() {
    use Judgement::{AsExpected, Otherwise, Unknown};
    assert_eq!(exit_status([AsExpected, AsExpected]), 0);
    assert_eq!(exit_status([AsExpected, Otherwise, Unknown]), 1);
    assert_eq!(exit_status([Unknown, Otherwise]), 1);
    assert_eq!(exit_status([AsExpected, Unknown]), 3);
}
