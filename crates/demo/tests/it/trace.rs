//! Traces: what is read, and what is refused with file, line and expectation.

use std::sync::Arc;

use freeboard_demo::plan::{Arrival, Kind, Plan};
use freeboard_demo::stopwatch::{MILLI, SECOND};
use freeboard_demo::trace::{Replay, parse};

const PLAIN: Replay = Replay { speed: 1.0, scale: 1.0, seed: 42 };

fn arrivals(text: &str, replay: &Replay) -> Vec<Arrival> {
    Arc::new(parse("t.csv", text, replay).expect("a trace as the format says")).arrivals().collect()
}

fn complaint(text: &str) -> String {
    parse("my.csv", text, &PLAIN).expect_err("a trace that is wrong").to_string()
}

#[test]
fn counts_are_spread_until_the_next_row_of_the_same_kind_and_the_last_over_a_second() {
    let text = "at_ms,kind,count\n0,join,4\n# a storm\n100,resume,2 # at once\n200,join,3\n150,join,0\n";
    assert_eq!(complaint(text), "my.csv:6: expected at_ms >= 200 (rows must rise), found 150");
    let text = "at_ms,kind,count\n0,join,4\n# a storm\n100,resume,2 # at once\n200,join,3\n";
    let found = arrivals(text, &PLAIN);
    let within = |kind, from_ms: u64, to_ms: u64| {
        let span = from_ms * MILLI..to_ms * MILLI;
        found.iter().filter(|arrival| arrival.kind == kind && span.contains(&arrival.at_us)).count()
    };
    assert_eq!(within(Kind::Join, 0, 200), 4);
    assert_eq!(within(Kind::Join, 0, 50), 1, "evenly: one in each quarter");
    assert_eq!(within(Kind::Join, 200, 1_200), 3);
    assert_eq!(within(Kind::Resume, 100, 1_100), 2);
    assert_eq!(found.len(), 9);
    assert!(found.is_sorted_by_key(|arrival| arrival.at_us));
}

#[test]
fn a_session_column_names_the_first_session_and_without_it_the_seed_chooses() {
    let named = arrivals("at_ms,kind,count,session\n0,join,3,700\n", &PLAIN);
    assert_eq!(named.iter().map(|arrival| arrival.session).collect::<Vec<_>>(), [700, 701, 702]);
    let text = "at_ms,kind,count,session\n0,join,3,\n";
    let (first, again, other) =
        (arrivals(text, &PLAIN), arrivals(text, &PLAIN), arrivals(text, &Replay { seed: 43, ..PLAIN }));
    assert_eq!(first, again);
    assert_ne!(first[0].session, other[0].session);
}

#[test]
fn speed_divides_time_and_scale_multiplies_counts() {
    let text = "at_ms,kind,count\n0,join,10\n10000,join,10\n";
    let plan = parse("t.csv", text, &Replay { speed: 10.0, scale: 3.0, seed: 1 }).unwrap();
    assert_eq!((plan.len(), plan.end_us()), (60, 1_100 * MILLI));
}

#[test]
fn leave_rows_are_checked_and_change_nothing() {
    let with = arrivals("at_ms,kind,count\n0,join,5\n10,leave,1000\n", &PLAIN);
    let without = arrivals("at_ms,kind,count\n0,join,5\n", &PLAIN);
    assert_eq!(with, without);
    assert_eq!(
        complaint("at_ms,kind,count\n0,join,5\n10,leave,x\n"),
        "my.csv:3: expected count to be a whole number, found \"x\""
    );
}

#[test]
fn every_complaint_names_file_line_and_expectation() {
    let head = "at_ms,kind,count\n";
    let cases = [
        ("", "my.csv:1: expected the header at_ms,kind,count[,session], found nothing"),
        ("# only\n\n", "my.csv:2: expected the header at_ms,kind,count[,session], found nothing"),
        ("0,join,5\n", "my.csv:1: expected the header at_ms,kind,count[,session], found \"0,join,5\""),
        ("at_ms,kind,count\n0,join\n", "my.csv:2: expected 3 or 4 fields (at_ms,kind,count[,session]), found 2"),
        ("at_ms,kind,count\n0,join,1,2,3\n", "my.csv:2: expected 3 or 4 fields (at_ms,kind,count[,session]), found 5"),
        ("at_ms,kind,count\n0,joins,5\n", "my.csv:2: expected kind join, resume or leave, found \"joins\""),
        ("at_ms,kind,count\n-1,join,5\n", "my.csv:2: expected at_ms to be a whole number, found \"-1\""),
        ("at_ms,kind,count\n1.5,join,5\n", "my.csv:2: expected at_ms to be a whole number, found \"1.5\""),
        ("at_ms,kind,count\n0,join,\n", "my.csv:2: expected count to be a whole number, found \"\""),
        ("at_ms,kind,count\n0,join,5,x\n", "my.csv:2: expected session to be a whole number, found \"x\""),
        (
            "at_ms,kind,count\n0,join,99999999999999\n",
            "my.csv:2: expected count <= 1099511627776, found 99999999999999",
        ),
        (head, "my.csv: expected at least one row of kind join or resume with a count above zero"),
        (
            "at_ms,kind,count\n0,leave,5\n",
            "my.csv: expected at least one row of kind join or resume with a count above zero",
        ),
        (
            "at_ms,kind,count\n0,join,9000000\n",
            "my.csv: expected at most 5000000 requests, found 9000000: try --scale 0.556",
        ),
        (
            "at_ms,kind,count\n0,join,5\n10799000,join,5\n",
            "my.csv: expected at most 120 s of run time, found 10800 s: try --speed 1080",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(complaint(text), wanted);
    }
}

#[test]
fn a_row_back_in_time_names_both_times() {
    let rows: String = (1..=15).map(|second| format!("{},join,5\n", second * 1_000)).collect();
    let text = format!("at_ms,kind,count\n{rows}16000,join,5\n15000,join,5\n");
    // The header is line 1, so the row that steps back is line 18.
    assert_eq!(complaint(&text), "my.csv:18: expected at_ms >= 16000 (rows must rise), found 15000");
}

#[test]
fn junk_of_any_kind_is_one_line_and_never_a_panic() {
    let junk = [
        "\u{feff}at_ms",
        "at_ms,kind,count\n\0\0",
        "at_ms,kind,count\n,,",
        "at_ms;kind;count",
        "\r\n\r\n",
        "at_ms,kind,count\n99999999999999999999,join,1",
    ];
    for text in junk {
        let complaint = complaint(text);
        assert_eq!(complaint.lines().count(), 1, "{complaint:?}");
    }
}

#[test]
fn the_storm_is_the_largest_run_of_resumes_or_the_densest_joins() {
    let storm = |text: &str| parse("t.csv", text, &PLAIN).unwrap().storm();
    let named = storm(
        "at_ms,kind,count\n0,join,100\n1000,resume,50\n1100,resume,70\n1200,resume,0\n3000,resume,80\n3100,resume,0\n",
    );
    assert_eq!((named.start_us, named.end_us, named.count), (SECOND, 1_200 * MILLI, 120));
    let found = storm(
        "at_ms,kind,count\n0,join,100\n1000,join,110\n2000,join,5000\n3000,join,5000\n4000,join,90\n5000,join,100\n6000,join,100\n",
    );
    assert_eq!((found.start_us, found.end_us, found.count), (2 * SECOND, 4 * SECOND, 10_000));
}

#[test]
fn the_sample_that_ships_with_the_examples_is_a_storm_with_an_aftermath() {
    let text = include_str!("../../../../examples/data/march-incident.csv");
    let plan: Plan = parse("march-incident.csv", text, &PLAIN).unwrap();
    let storm = plan.storm();
    assert_eq!((storm.start_us, storm.end_us, storm.count), (1_500 * MILLI, 1_700 * MILLI, 180_000));
    assert!(plan.rate_after(storm.end_us) > 14_000.0 && plan.end_us() - storm.end_us > 5 * SECOND);
}
