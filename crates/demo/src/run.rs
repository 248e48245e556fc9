//! The flood from beginning to end: read the command line, measure, predict, run, compare.
//!
//! Bad input is found before anything is printed or measured, so there is never a partial report.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::calibrate::{Calibration, calibrate};
use crate::cli::{self, Command, Options};
use crate::instance::Variant;
use crate::json;
use crate::machine;
use crate::outcome::{RunOutcome, exit_status};
use crate::plan::Plan;
use crate::report::{Report, Style};
use crate::scenario::Scenario;
use crate::stage;
use crate::trace::{self, Replay};

/// The exit status for bad input, and for a build whose numbers would mean nothing.
pub const BAD_INPUT: u8 = 2;
/// The storms of `--sweep`, as multiples of the tipping point.
pub const SWEEP: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// The whole program: `args` without the program's name.
#[must_use]
pub fn flood_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::interrupt::watch();
    let colour_allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let styles = Styles {
        out: Style { colour: colour_allowed && std::io::stdout().is_terminal() },
        err: Style { colour: colour_allowed && std::io::stderr().is_terminal() },
    };
    ExitCode::from(flood(args, &mut std::io::stdout(), &mut std::io::stderr(), styles))
}

/// How the two streams may be written to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Styles {
    /// The result, or the whole report.
    pub out: Style,
    /// Complaints, and with `--json` the progress.
    pub err: Style,
}

/// The program without its surroundings: returns the exit status.
pub fn flood(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write, styles: Styles) -> u8 {
    let (options, trace) = match read(args) {
        Ok(Some(read)) => read,
        Ok(None) => {
            // A reader that went away needs no help.
            drop(out.write_all(cli::HELP.as_bytes()));
            return 0;
        }
        Err(complaint) => {
            drop(writeln!(err, "flood: {complaint}"));
            return BAD_INPUT;
        }
    };
    if cfg!(debug_assertions) {
        drop(writeln!(
            err,
            "flood: built without --release, its numbers would mean nothing: cargo run --release --example flood"
        ));
        return BAD_INPUT;
    }
    if options.json {
        let (status, document) = perform(&options, trace.as_ref(), &mut Report::new(err, styles.err, options.quiet));
        drop(writeln!(out, "{document}"));
        status
    } else {
        perform(&options, trace.as_ref(), &mut Report::new(out, styles.out, options.quiet)).0
    }
}

/// The options and the trace they name; none if the user wants help.
fn read(args: impl IntoIterator<Item = OsString>) -> Result<Option<(Options, Option<Plan>)>, String> {
    let options = match cli::parse(args).map_err(|error| error.to_string())? {
        Command::Help => return Ok(None),
        Command::Run(options) => *options,
    };
    let plan = options.trace.as_ref().map(|path| {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: cannot read it: {error}"))?;
        let replay = Replay { speed: options.speed, scale: options.scale, seed: options.seed };
        trace::parse(&file, &text, &replay).map_err(|error| error.to_string())
    });
    Ok(Some((options, plan.transpose()?)))
}

/// Measures, predicts, runs and compares; returns the exit status and the JSON document.
fn perform(options: &Options, trace: Option<&Plan>, report: &mut Report<'_>) -> (u8, String) {
    let cores = machine::cores();
    report.opening(options, trace, cores);
    let calibration = {
        let runtime = stage::runtime();
        calibrate(&runtime, options.queue)
    };
    report.measured(&calibration, options.queue);
    if options.sweep {
        return sweep(options, &calibration, cores, report);
    }
    let scenario = match trace {
        Some(plan) => Scenario::replay(plan, options, &calibration, cores),
        None => Scenario::built_in(options, &calibration, cores),
    };
    report.prediction(options, &scenario, trace.is_some());
    let mut runs = Vec::new();
    for &variant in &options.variants {
        let outcome = run_one(variant, &scenario, options, report);
        runs.push((scenario.clone(), outcome));
    }
    let status = exit_status(runs.iter().map(|(_, outcome)| outcome.judgement));
    let outcomes: Vec<&RunOutcome> = runs.iter().map(|(_, outcome)| outcome).collect();
    report.table(&outcomes);
    report.why(&outcomes, &scenario, &calibration);
    report.next(options, &scenario);
    (status, json::document(options.seed, cores, &calibration, &scenario, &runs, status))
}

fn run_one(variant: Variant, scenario: &Scenario, options: &Options, report: &mut Report<'_>) -> RunOutcome {
    report.run_begins(variant);
    let timeline = stage::run(variant, scenario, |sample| report.sample(sample));
    let outcome = RunOutcome::new(variant, scenario.predicted(variant), options.expect, timeline);
    report.run_ends(&outcome);
    outcome
}

/// Five storms around the tipping point: the prediction must also be able to say no.
fn sweep(options: &Options, calibration: &Calibration, cores: usize, report: &mut Report<'_>) -> (u8, String) {
    let whole = Scenario::at_multiple(1.0, options, calibration, cores);
    report.sweep_begins(whole.q_star.unwrap_or(0.0) as u64);
    let mut runs = Vec::new();
    for multiple in SWEEP {
        let scenario = Scenario::at_multiple(multiple, options, calibration, cores);
        report.sweep_step(multiple, &scenario);
        let outcome = run_one(Variant::Naive(options.queue), &scenario, options, report);
        runs.push((scenario, outcome));
    }
    let status = exit_status(runs.iter().map(|(_, outcome)| outcome.judgement));
    report.sweep_table(&runs);
    (status, json::document(options.seed, cores, calibration, &whole, &runs, status))
}
