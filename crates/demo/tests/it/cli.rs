//! The command line: what is understood, and that bad input is one line on stderr, status 2 and nothing else.

use std::ffi::OsString;

use freeboard_demo::cli::{Command, Options, lost_of, parse};
use freeboard_demo::instance::{QueueKind, Variant};
use freeboard_demo::predict::Expect;
use freeboard_demo::run::{BAD_INPUT, Styles, flood};

fn args(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn options(line: &str) -> Options {
    match parse(args(line)).expect("a command line as it should be") {
        Command::Run(options) => *options,
        Command::Help => panic!("not help"),
    }
}

/// The exit status, stdout and stderr.
fn run(line: &str) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = flood(args(line), &mut out, &mut err, Styles::default());
    let text = |bytes| String::from_utf8(bytes).expect("the report is text");
    (status, text(out), text(err))
}

#[test]
fn nothing_means_the_defaults() {
    assert_eq!(options(""), Options::default());
    assert_eq!(options("").variants, [Variant::Naive(QueueKind::Linked), Variant::Indexed, Variant::Freeboard]);
}

#[test]
fn every_option_is_understood() {
    let found = options(
        "--variant freeboard,naive --sessions 60000 --rate=4000 --naive-queue contiguous --retry 1.5 --expect survive \
         --seed 7 --seconds 9 --json --quiet",
    );
    let wanted = Options {
        variants: vec![Variant::Freeboard, Variant::Naive(QueueKind::Contiguous)],
        sessions: Some(60_000),
        rate: 4_000,
        queue: QueueKind::Contiguous,
        retry_s: Some(1.5),
        expect: Expect::Survive,
        seed: 7,
        seconds: Some(9),
        json: true,
        quiet: true,
        ..Options::default()
    };
    assert_eq!(found, wanted);
    let trace = options("--trace my.csv --speed 2 --scale 0.5");
    assert_eq!((trace.trace, trace.speed, trace.scale), (Some("my.csv".into()), 2.0, 0.5));
    assert!(options("--sweep").sweep);
}

#[test]
fn a_sixth_is_lost_and_at_least_one() {
    assert_eq!([1, 6, 60_000, 1_080_000].map(lost_of), [1, 1, 10_000, 180_000]);
}

#[test]
fn bad_input_is_one_line_on_stderr_and_status_2() {
    let cases = [
        ("--foo", "flood: invalid option '--foo' (see --help)"),
        ("storm", "flood: unexpected argument \"storm\" (see --help)"),
        ("--sessions 0", "flood: --sessions: expected a whole number from 1 to 6000000, found 0"),
        ("--sessions many", "flood: --sessions: expected a whole number from 1 to 6000000, found \"many\""),
        ("--sessions", "flood: missing argument for option '--sessions' (see --help)"),
        ("--speed 0", "flood: --speed: expected a number above zero, at most 1e6, found \"0\""),
        ("--trace t.csv --speed nan", "flood: --speed: expected a number above zero, at most 1e6, found \"nan\""),
        ("--scale -1", "flood: --scale: expected a number above zero, at most 1e6, found \"-1\""),
        ("--speed 2", "flood: --speed needs --trace: it changes how a trace is replayed"),
        ("--seed x", "flood: --seed: expected a whole number, found \"x\""),
        ("--seed 18446744073709551616", "flood: --seed: expected a whole number, found \"18446744073709551616\""),
        ("--seconds 0", "flood: --seconds: expected a whole number from 1 to 120, found 0"),
        ("--rate 0", "flood: --rate: expected a whole number from 1 to 100000, found 0"),
        ("--retry inf", "flood: --retry: expected a number above zero, at most 1e6, found \"inf\""),
        ("--variant naive,fast", "flood: --variant: expected a list of naive, indexed and freeboard, found \"fast\""),
        ("--variant naive,naive", "flood: --variant: naive stands there twice"),
        ("--naive-queue tree", "flood: --naive-queue: expected linked or contiguous, found \"tree\""),
        ("--expect boom", "flood: --expect: expected collapse, survive, predicted or any, found \"boom\""),
        ("--trace t.csv --sessions 5", "flood: --sessions does not go with --trace: leave one out"),
        ("--trace t.csv --rate 5", "flood: --rate does not go with --trace: leave one out"),
        ("--trace t.csv --sweep", "flood: --sweep does not go with --trace: leave one out"),
        ("--sweep --variant naive", "flood: --variant does not go with --sweep: leave one out"),
    ];
    for (line, wanted) in cases {
        let (status, out, err) = run(line);
        assert_eq!((status, out.as_str(), err.as_str()), (BAD_INPUT, "", format!("{wanted}\n").as_str()), "{line}");
    }
}

#[test]
fn a_trace_that_cannot_be_read_or_replayed_is_named() {
    let directory = std::env::temp_dir().join(format!("freeboard-demo-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("my.csv");
    let shown = path.display();
    let (status, out, err) = run(&format!("--trace {shown}"));
    assert_eq!((status, out.as_str(), err.lines().count()), (BAD_INPUT, "", 1));
    assert!(err.starts_with(&format!("flood: {shown}: cannot read it: ")), "{err}");
    for (text, wanted) in [
        ("at_ms,kind,count\n16000,join,5\n15000,join,5\n", ":3: expected at_ms >= 16000 (rows must rise), found 15000"),
        ("at_ms,kind,count\n0,join,five\n", ":2: expected count to be a whole number, found \"five\""),
    ] {
        std::fs::write(&path, text).unwrap();
        let (status, out, err) = run(&format!("--json --trace {shown}"));
        assert_eq!((status, out.as_str(), err), (BAD_INPUT, "", format!("flood: {shown}{wanted}\n")));
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn help_needs_no_release_build_and_a_run_does() {
    let (status, out, err) = run("--json --help");
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("flood: ") && out.contains("Exit status: 0 as expected"));
    if cfg!(debug_assertions) {
        let (status, out, err) = run("");
        assert_eq!((status, out.as_str(), err.lines().count()), (BAD_INPUT, "", 1));
        assert!(err.contains("cargo run --release --example flood"), "{err}");
    }
}
