//! The command line of the flood: text in, [`Options`] or one line of complaint out.
//!
//! Nothing is measured, printed or run here.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::instance::{QueueKind, Variant};
use crate::plan::LOST_SHARE;
use crate::predict::Expect;

/// What `--help` prints.
pub const HELP: &str = "\
flood: one storm, three supervisors: scanning, indexed, Freeboard

Usage: cargo run --release --example flood -- [OPTIONS]
  --variant <LIST>       naive,indexed,freeboard
                         [default: all, in this order]
  --sessions <N>         sessions alive before the storm; a sixth is lost
                         [default: sized to this machine]
  --rate <N>             ordinary starts per second and instance
                         [default: 5000]
  --trace <FILE>         replay your own: at_ms,kind,count[,session]
  --speed <X>            divide the trace's time by X        [default: 1]
  --scale <X>            multiply the trace's counts by X    [default: 1]
  --sweep                storms of 0.25, 0.5, 1, 2 and 4 times the tipping
                         point, on the scanning supervisor only
  --naive-queue <KIND>   linked (as OTP) | contiguous        [default: linked]
  --retry <SECS>         callers ask again after SECS        [default: off]
  --expect <WHAT>        collapse | survive | predicted | any
                         [default: predicted]
  --seed <N>             [default: 42]
  --seconds <N>          length per variant
                         [default: until the outcome is plain, at most 12]
  --json                 one JSON object on stdout, progress on stderr
  --quiet                only the result
  -h, --help

A trace has a header line, rising at_ms, # comments; kind is join (an ordinary
start), resume (caused by the storm) or leave (checked, changes nothing). From
seconds and rates in two columns, blank-separated:
  awk 'BEGIN{print \"at_ms,kind,count\"}{print $1*1000 \",join,\" $2}' rates.txt

Exit status: 0 as expected, 1 a variant did otherwise, 2 bad input,
3 inconclusive (machine too busy), 130 Ctrl-C
";

/// The most sessions of a built-in storm: six million, a million of them lost.
pub const MAX_SESSIONS: u64 = 6_000_000;
/// The most ordinary starts per second and instance.
pub const MAX_RATE: u64 = 100_000;
/// The longest run of one variant, in seconds.
pub const MAX_SECONDS: u64 = 120;

/// What the user asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Variants to run, in order.
    pub variants: Vec<Variant>,
    /// Sessions before the storm, if the user fixed them.
    pub sessions: Option<u64>,
    /// Ordinary starts per second and instance.
    pub rate: u64,
    /// A trace to replay instead of the built-in storm.
    pub trace: Option<PathBuf>,
    /// Divides the trace's time.
    pub speed: f64,
    /// Multiplies the trace's counts.
    pub scale: f64,
    /// Run the sweep instead.
    pub sweep: bool,
    /// The mailbox of the naive variant.
    pub queue: QueueKind,
    /// Callers ask again after so many seconds.
    pub retry_s: Option<f64>,
    /// What the naive variant must do.
    pub expect: Expect,
    /// The seed of the plan.
    pub seed: u64,
    /// A fixed length per variant.
    pub seconds: Option<u64>,
    /// Print JSON.
    pub json: bool,
    /// Print no progress.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            variants: all(QueueKind::Linked),
            sessions: None,
            rate: 5_000,
            trace: None,
            speed: 1.0,
            scale: 1.0,
            sweep: false,
            queue: QueueKind::Linked,
            retry_s: None,
            expect: Expect::Predicted,
            seed: 42,
            seconds: None,
            json: false,
            quiet: false,
        }
    }
}

/// What a command line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Print the help.
    Help,
    /// Run.
    Run(Box<Options>),
}

/// A command line that cannot be followed; one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self(one_line(&format!("{error} (see --help)")))
    }
}

/// Reads a command line, without the program's name.
///
/// # Errors
/// At the first option that is unknown, misses its value or has a value out of range, and for options that exclude each other.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = Options::default();
    let mut variants: Option<String> = None;
    let mut rate = None;
    let (mut speed, mut scale) = (None, None);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("variant") => variants = Some(text(&mut parser)?),
            Long("sessions") => options.sessions = Some(whole("--sessions", &text(&mut parser)?, 1, MAX_SESSIONS)?),
            Long("rate") => rate = Some(whole("--rate", &text(&mut parser)?, 1, MAX_RATE)?),
            Long("trace") => options.trace = Some(PathBuf::from(parser.value()?)),
            Long("speed") => speed = Some(factor("--speed", &text(&mut parser)?)?),
            Long("scale") => scale = Some(factor("--scale", &text(&mut parser)?)?),
            Long("sweep") => options.sweep = true,
            Long("naive-queue") => options.queue = queue_kind(&text(&mut parser)?)?,
            Long("retry") => options.retry_s = Some(factor("--retry", &text(&mut parser)?)?),
            Long("expect") => options.expect = expect(&text(&mut parser)?)?,
            Long("seed") => options.seed = whole("--seed", &text(&mut parser)?, 0, u64::MAX)?,
            Long("seconds") => options.seconds = Some(whole("--seconds", &text(&mut parser)?, 1, MAX_SECONDS)?),
            Long("json") => options.json = true,
            Long("quiet") => options.quiet = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if options.trace.is_some() {
        exclude(options.sessions.is_some(), "--sessions", "--trace")?;
        exclude(rate.is_some(), "--rate", "--trace")?;
        exclude(options.sweep, "--sweep", "--trace")?;
    } else if speed.is_some() || scale.is_some() {
        let which = if speed.is_some() { "--speed" } else { "--scale" };
        return Err(UsageError(format!("{which} needs --trace: it changes how a trace is replayed")));
    }
    if options.sweep {
        exclude(options.sessions.is_some(), "--sessions", "--sweep")?;
        exclude(variants.is_some(), "--variant", "--sweep")?;
    }
    options.rate = rate.unwrap_or(options.rate);
    options.speed = speed.unwrap_or(options.speed);
    options.scale = scale.unwrap_or(options.scale);
    options.variants = match variants {
        Some(list) => variant_list(&list, options.queue)?,
        None => all(options.queue),
    };
    Ok(Command::Run(Box::new(options)))
}

/// Sessions lost of `sessions`: a sixth, and at least one.
#[must_use]
pub fn lost_of(sessions: u64) -> u64 {
    (sessions / LOST_SHARE).max(1)
}

fn all(queue: QueueKind) -> Vec<Variant> {
    vec![Variant::Naive(queue), Variant::Indexed, Variant::Freeboard]
}

fn text(parser: &mut lexopt::Parser) -> Result<String, UsageError> {
    Ok(parser.value()?.string()?)
}

fn exclude(given: bool, option: &str, other: &str) -> Result<(), UsageError> {
    if given { Err(UsageError(format!("{option} does not go with {other}: leave one out"))) } else { Ok(()) }
}

fn whole(option: &str, text: &str, least: u64, most: u64) -> Result<u64, UsageError> {
    let wanted = || match (least, most) {
        (0, u64::MAX) => "expected a whole number".to_owned(),
        _ => format!("expected a whole number from {least} to {most}"),
    };
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(number) => Err(UsageError(format!("{option}: {}, found {number}", wanted()))),
        Err(_) => Err(UsageError(one_line(&format!("{option}: {}, found {text:?}", wanted())))),
    }
}

fn factor(option: &str, text: &str) -> Result<f64, UsageError> {
    match text.parse::<f64>() {
        Ok(number) if (1e-6..=1e6).contains(&number) => Ok(number),
        _ => Err(UsageError(one_line(&format!("{option}: expected a number above zero, at most 1e6, found {text:?}")))),
    }
}

fn queue_kind(text: &str) -> Result<QueueKind, UsageError> {
    match text {
        "linked" => Ok(QueueKind::Linked),
        "contiguous" => Ok(QueueKind::Contiguous),
        _ => Err(UsageError(one_line(&format!("--naive-queue: expected linked or contiguous, found {text:?}")))),
    }
}

fn expect(text: &str) -> Result<Expect, UsageError> {
    match text {
        "collapse" => Ok(Expect::Collapse),
        "survive" => Ok(Expect::Survive),
        "predicted" => Ok(Expect::Predicted),
        "any" => Ok(Expect::Any),
        _ => Err(UsageError(one_line(&format!(
            "--expect: expected collapse, survive, predicted or any, found {text:?}"
        )))),
    }
}

fn variant_list(list: &str, queue: QueueKind) -> Result<Vec<Variant>, UsageError> {
    let mut variants = Vec::new();
    for name in list.split(',') {
        let variant = match name.trim() {
            "naive" => Variant::Naive(queue),
            "indexed" => Variant::Indexed,
            "freeboard" => Variant::Freeboard,
            other => {
                let what = format!("--variant: expected a list of naive, indexed and freeboard, found {other:?}");
                return Err(UsageError(one_line(&what)));
            }
        };
        if variants.contains(&variant) {
            return Err(UsageError(format!("--variant: {} stands there twice", variant.name())));
        }
        variants.push(variant);
    }
    Ok(variants)
}

/// Whatever the user typed, the complaint stays one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
