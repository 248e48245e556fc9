//! The prediction: the curve, its crossing, and the band in which nothing is foretold.

use freeboard_demo::calibrate::Calibration;
use freeboard_demo::cli::Options;
use freeboard_demo::instance::{QueueKind, Variant};
use freeboard_demo::plan::Plan;
use freeboard_demo::predict::{Budget, Curve, Outcome, Point, queue_after_storm};
use freeboard_demo::scenario::Scenario;
use freeboard_demo::stopwatch::SECOND;

fn curve(points: &[(u64, f64)]) -> Curve {
    Curve::new(points.iter().map(|&(depth, us)| Point { depth, us }).collect())
}

/// A machine with the knee of its cache between ten and a hundred thousand messages.
fn measured() -> Curve {
    curve(&[(0, 5.3), (1_000, 9.2), (3_000, 19.0), (10_000, 110.0), (30_000, 350.0), (100_000, 12_400.0)])
}

#[test]
fn the_curve_is_straight_between_its_points_and_goes_on_beyond_them() {
    let curve = curve(&[(0, 5.0), (100, 10.0), (200, 30.0)]);
    assert_eq!([curve.at(0.0), curve.at(50.0), curve.at(100.0), curve.at(150.0)], [5.0, 7.5, 10.0, 20.0]);
    assert_eq!(curve.at(300.0), 50.0);
    assert_eq!(curve.crossing(20.0), Some(150.0));
    assert_eq!(curve.crossing(50.0), Some(300.0));
    assert_eq!(curve.crossing(4.0), Some(0.0), "even an empty queue is too dear");
}

#[test]
fn noise_that_makes_a_deeper_queue_cheaper_is_levelled() {
    let curve = curve(&[(0, 6.0), (100, 5.0), (200, 10.0)]);
    assert_eq!(curve.at(100.0), 6.0);
    let flat = self::curve(&[(0, 5.0), (100, 5.0)]);
    assert_eq!(flat.crossing(10.0), None, "a start that never costs more has no tipping point");
}

#[test]
fn one_supervisor_uses_at_most_one_core_and_its_share_of_them() {
    let on_two = Budget::new(5_000.0, 2, 3);
    assert!((on_two.us().unwrap() - 133.3).abs() < 0.1);
    assert_eq!(Budget::new(5_000.0, 64, 3).us(), Some(200.0));
    assert_eq!(Budget::new(0.0, 2, 3).us(), None);
    let q_star = on_two.tipping_point(&measured()).unwrap();
    assert!((11_900.0..12_000.0).contains(&q_star), "{q_star}");
}

#[test]
fn between_half_and_twice_the_tipping_point_nothing_is_foretold() {
    let outcomes = [0.25, 0.49, 0.5, 1.0, 2.0, 2.01, 4.0].map(Outcome::of_ratio);
    use Outcome::{Close, Collapse, Recover};
    assert_eq!(outcomes, [Recover, Recover, Close, Close, Close, Collapse, Collapse]);
}

#[test]
fn the_queue_after_a_storm_is_what_came_less_what_could_be_served() {
    let plan = Plan::storm_of(180_000, 15_000, 12 * SECOND, 42);
    let left = queue_after_storm(&plan, &measured(), 2.0 / 3.0, 3);
    // 60,000 come to each within 0.2 s; even an empty supervisor would serve at most 25,000 in its share of that.
    assert!((50_000.0..60_000.0).contains(&left), "{left}");
    let small = Plan::storm_of(6_000, 15_000, 12 * SECOND, 42);
    assert_eq!(queue_after_storm(&small, &measured(), 2.0 / 3.0, 3), 0.0);
}

#[test]
fn heartbeats_behind_the_storm_are_too_close_to_call_when_others_use_a_core() {
    let with_cores = |cores_left| {
        let calibration = Calibration { curve: measured(), freeboard_us: 12.0, cores_left };
        let scenario = Scenario::built_in(&Options::default(), &calibration, 2);
        let variants = [Variant::Naive(QueueKind::Linked), Variant::Indexed, Variant::Freeboard];
        variants.map(|variant| scenario.predicted(variant))
    };
    assert_eq!(with_cores(2.0), [Outcome::Collapse, Outcome::Recover, Outcome::Recover]);
    assert_eq!(with_cores(1.0), [Outcome::Collapse, Outcome::Close, Outcome::Recover]);
}
