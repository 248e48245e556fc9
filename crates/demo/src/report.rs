//! What the user reads while it happens and afterwards: plain text, 80 columns, fit for a log.
//!
//! Colour only where the style allows it, and never as the only sign. A reader that has gone away (`| head`) ends the
//! writing, not the run. Numbers come from the timeline; nothing is judged here.

use std::io::Write;

use crate::calibrate::Calibration;
use crate::cli::{Options, lost_of};
use crate::instance::{INSTANCES, QueueKind, Variant};
use crate::machine::WORKERS;
use crate::outcome::RunOutcome;
use crate::plan::{LOST_SHARE, Plan, STORM_US};
use crate::predict::{Judgement, Outcome};
use crate::scenario::{LOST_LEAST, Scenario};
use crate::stopwatch::SECOND;
use crate::table;
use crate::text::{bar, fold, rough, thousands};
use crate::timeline::{SAMPLE_US, Sample};
use crate::verdict::Verdict;

/// Moments of a run, in tenths of a second, that get a line of their own.
const SHOWN_AT: [u64; 8] = [10, 20, 30, 40, 60, 80, 100, 200];

/// How a stream may be written to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether it shows colours.
    pub colour: bool,
}

/// The report, written as it grows.
pub struct Report<'out> {
    out: &'out mut dyn Write,
    style: Style,
    quiet: bool,
    shown: usize,
    last: Option<Sample>,
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("style", &self.style).field("quiet", &self.quiet).finish_non_exhaustive()
    }
}

impl<'out> Report<'out> {
    /// A report on `out`; a quiet one holds only the result.
    pub fn new(out: &'out mut dyn Write, style: Style, quiet: bool) -> Self {
        Self { out, style, quiet, shown: 0, last: None }
    }

    /// The first words, before anything is measured.
    pub fn opening(&mut self, options: &Options, trace: Option<&Plan>, cores: usize) {
        let ordinary = |per_s: u64| {
            format!("{} starts a second on {INSTANCES} instances, {}", thousands(per_s), counted(cores, "core"))
        };
        if let Some(plan) = trace {
            let storm = plan.storm();
            self.line(&format!(
                "Your trace: {} starts in {}; its worst storm brings {} within {}.",
                thousands(plan.planned_within(0, plan.end_us()) as u64),
                seconds(plan.end_us()),
                thousands(storm.count),
                seconds(storm.end_us - storm.start_us),
            ));
            self.line(&format!("After that {}.", ordinary(plan.rate_after(storm.end_us) as u64)));
        } else if options.sweep {
            self.line("Five storms around the tipping point, each on the scanning supervisor alone.");
            self.line(&format!("Ordinary traffic all along: {}.", ordinary(options.rate * INSTANCES as u64)));
        } else {
            let lost = options.sessions.map_or(LOST_LEAST, lost_of);
            let all = options.sessions.unwrap_or(LOST_LEAST * LOST_SHARE);
            self.line(&format!(
                "A zone's pods are killed: {} of {} sessions come back within {}.",
                thousands(lost),
                thousands(all),
                seconds(STORM_US)
            ));
            self.line(&format!("Then only ordinary traffic: {}.", ordinary(options.rate * INSTANCES as u64)));
        }
        self.line("Watch `waiting`: after the storm it should return to nearly nothing.");
        self.line("");
    }

    /// What a start costs here.
    pub fn measured(&mut self, calibration: &Calibration, queue: QueueKind) {
        let at = |depth: u64| calibration.curve.at(depth as f64);
        self.line(&format!("Measuring this machine  one start costs {:>8} us alone", micros(at(0))));
        for (depth, note) in [(10_000, " messages queued"), (100_000, "")] {
            self.line(&format!("{:40}{:>8} us with {:>7}{note}", "", micros(at(depth)), thousands(depth)));
        }
        if queue == QueueKind::Contiguous {
            self.line("                        (one array instead of OTP's linked list)");
        }
    }

    /// What will happen.
    pub fn prediction(&mut self, options: &Options, scenario: &Scenario, is_trace: bool) {
        let left = thousands(rough(scenario.left_per_instance as u64));
        let Some(q_star) = scenario.q_star else {
            if scenario.baseline_per_s < 1.0 {
                self.line("Prediction   nothing arrives after the storm, so any design recovers.");
            } else {
                self.line("Prediction   at this load a start never costs too much: any design recovers.");
            }
            self.line("");
            return;
        };
        self.line(&format!(
            "Prediction   the scanning supervisor tips over at q* = {} messages.",
            thousands(rough(q_star as u64))
        ));
        let verdict = match Outcome::of_ratio(scenario.ratio()) {
            Outcome::Collapse => "it will not come back",
            Outcome::Recover => "it will come back",
            Outcome::Close => "too close to call",
        };
        self.line(&format!("             The storm leaves {left} on each ({:.1} x q*): {verdict}.", scenario.ratio()));
        if options.variants.contains(&Variant::Indexed) && scenario.predicted(Variant::Indexed) == Outcome::Close {
            self.line(&format!(
                "             indexed: its heartbeats may wait {:.1} s behind the storm, close to its lease of 2 s.",
                scenario.silence_s()
            ));
        }
        if is_trace && let Some(headroom) = scenario.headroom() {
            self.line(&format!(
                "Headroom     {headroom:.2} = q* / queue after your worst storm; below 1 it tips over."
            ));
        }
        if !is_trace && options.sessions.is_none() && scenario.storm.count > LOST_LEAST {
            self.line(&format!(
                "Sized up     {} of {} sessions come back, to be well beyond q* here.",
                thousands(scenario.storm.count),
                thousands(scenario.sessions())
            ));
        }
        self.line("");
    }

    /// A variant begins.
    pub fn run_begins(&mut self, variant: Variant) {
        (self.shown, self.last) = (0, None);
        self.line(&format!("{:<10} t     waiting  mailbox (largest)            starts/s  ring", variant.name()));
    }

    /// A sample of the running variant; shown if its moment has come.
    pub fn sample(&mut self, sample: &Sample) {
        let due = SHOWN_AT.get(self.shown).is_some_and(|tenths| sample.at_us / (SECOND / 10) >= *tenths);
        if due {
            self.shown += 1;
            self.show(sample);
            self.last = None;
        } else {
            self.last = Some(sample.clone());
        }
    }

    fn show(&mut self, sample: &Sample) {
        let ring: Vec<&str> = sample.instances.iter().map(|one| if one.in_ring { "*" } else { "." }).collect();
        let mailbox = sample.largest_mailbox().total();
        self.line(&format!(
            "{:>8.1} s {:>9} {:>8} |{:<16} {:>11}  {}",
            sample.at_us as f64 / SECOND as f64,
            thousands(rough(sample.waiting())),
            thousands(rough(mailbox)),
            bar(mailbox),
            thousands(rough(sample.starts_per_s)),
            ring.join(" ")
        ));
    }

    /// A variant has ended, and what it was.
    pub fn run_ends(&mut self, outcome: &RunOutcome) {
        if let Some(sample) = self.last.take() {
            self.show(&sample);
        }
        let timeline = &outcome.timeline;
        let lost = match timeline.members_lost {
            0 => "no member lost".to_owned(),
            lost => format!("{lost} of {INSTANCES} members lost"),
        };
        let slowest = table::latency(timeline.latencies.map(|latencies| latencies.max));
        let text = match outcome.verdict {
            Verdict::Collapsed { growth_per_s } => format!(
                "storm over for {}, still growing by {} a second",
                seconds(timeline.end_us - timeline.storm.end_us),
                thousands(rough(growth_per_s))
            ),
            Verdict::Recovered { after_us } if after_us < SAMPLE_US => {
                format!("at once, {lost}, slowest start {slowest}")
            }
            Verdict::Recovered { after_us } => format!("in {}, {lost}, slowest start {slowest}", seconds(after_us)),
            Verdict::Draining { to_go_s } if to_go_s > 0.0 => format!("still, about {to_go_s:.0} s to go, {lost}"),
            Verdict::Draining { .. } => format!("done, but late: {lost}, slowest start {slowest}"),
            Verdict::Inconclusive(cause) => cause.to_string(),
        };
        let word = self.coloured(&outcome.verdict, &outcome.verdict.word().to_uppercase());
        let unexpected = if outcome.judgement == Judgement::Otherwise { " (not as expected)" } else { "" };
        self.line(&format!("         {word}  {text}{unexpected}"));
        self.line("");
    }

    /// The variants side by side.
    pub fn table(&mut self, outcomes: &[&RunOutcome]) {
        self.result(&table::side_by_side(outcomes));
        if self.quiet {
            // Otherwise it was said where the variant ended.
            for outcome in outcomes {
                if let Verdict::Inconclusive(cause) = outcome.verdict {
                    self.result(&fold(&format!("{} is inconclusive: {cause}.", outcome.variant.name())));
                }
            }
        }
    }

    /// The cause, in a few lines.
    pub fn why(&mut self, outcomes: &[&RunOutcome], scenario: &Scenario, calibration: &Calibration) {
        let Some(naive) = outcomes.iter().find(|outcome| outcome.variant.scans()) else { return };
        let has = |variant| outcomes.iter().any(|outcome| outcome.variant == variant);
        let text = match naive.verdict {
            Verdict::Collapsed { .. } => {
                let peak = naive.timeline.mailbox_peak().total();
                let ms = calibration.curve.at(peak as f64) / 1_000.0;
                let control = if has(Variant::Indexed) {
                    " `indexed` is the same code with a mailbox that finds the reply at once."
                } else {
                    ""
                };
                format!(
                    "Why: to start a child the naive supervisor looks through its mailbox for one reply; with {} messages \
                     that is {ms:.0} ms a start, and each start lets more in than it serves.{control}",
                    thousands(rough(peak))
                )
            }
            Verdict::Inconclusive(_) => return,
            _ => format!(
                "Why: the storm left about {} messages on each instance. A start costs more than the ordinary traffic \
                 leaves for it only from {} messages on; below that the queue drains, scan and all.",
                thousands(rough(scenario.left_per_instance as u64)),
                scenario.q_star.map_or("no number".to_owned(), |q_star| thousands(rough(q_star as u64)))
            ),
        };
        self.result(&fold(&text));
        if has(Variant::Indexed) && has(Variant::Freeboard) {
            self.result(&fold(
                "Note: `naive` looks at every queued message again at each start, `indexed` at each message once, when it \
                 has come in. With an init of 5 us a serial supervisor that finds its reply at once keeps up too, and may be the \
                 faster one. Starts run by the callers pay where a start waits: at 1 ms of handshake a serial supervisor \
                 does at most 1,000 a second.",
            ));
        }
        self.result("\n");
    }

    /// What to try next.
    pub fn next(&mut self, options: &Options, scenario: &Scenario) {
        if options.trace.is_none() && options.sessions.is_none() {
            let below = scenario.q_star.map_or(60_000, sessions_below);
            self.result(&format!("Next:  --sessions {below} (below q*: even naive survives)   --trace your.csv\n"));
            self.result("       --sweep (five storms around q*)   --naive-queue contiguous\n");
        } else if options.trace.is_some() {
            self.result("Next:  --scale 2 (twice the load)   --variant freeboard   --help (the format)\n");
        } else {
            self.result("Next:  without --sessions the storm is sized to this machine   --trace your.csv\n");
        }
    }

    /// The tipping point the sweep goes around.
    pub fn sweep_begins(&mut self, q_star: u64) {
        self.line(&format!(
            "Prediction   the scanning supervisor tips over at q* = {} messages.",
            thousands(rough(q_star))
        ));
        self.line("             Below half of that it comes back, beyond twice that it does not.");
        self.line("");
    }

    /// One storm of the sweep begins.
    pub fn sweep_step(&mut self, multiple: f64, scenario: &Scenario) {
        self.line(&format!(
            "Storm of {multiple} x q*: {} for each instance",
            thousands(rough(scenario.left_per_instance as u64))
        ));
    }

    /// The storms of the sweep side by side.
    pub fn sweep_table(&mut self, runs: &[(Scenario, RunOutcome)]) {
        self.result(&table::sweep(runs));
    }

    fn coloured(&self, verdict: &Verdict, text: &str) -> String {
        if !self.style.colour {
            return text.to_owned();
        }
        let code = match verdict {
            Verdict::Collapsed { .. } => 31,
            Verdict::Recovered { .. } => 32,
            Verdict::Draining { .. } | Verdict::Inconclusive(_) => 33,
        };
        format!("\x1b[1;{code}m{text}\x1b[0m")
    }

    /// A line of progress.
    fn line(&mut self, text: &str) {
        if !self.quiet {
            self.result(&format!("{text}\n"));
        }
    }

    fn result(&mut self, text: &str) {
        // The run is worth finishing for its exit status, whether or not somebody still reads.
        drop(self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()));
    }
}

/// Sessions whose loss stays well below the tipping point, a round number.
fn sessions_below(q_star: f64) -> u64 {
    let sessions = (q_star * 0.33) as u64 * INSTANCES as u64 * LOST_SHARE;
    (sessions / 10_000 * 10_000).max(6_000)
}

fn counted(number: usize, noun: &str) -> String {
    let shown = if number > WORKERS { format!("{WORKERS} of {number}") } else { number.to_string() };
    if number == 1 { format!("{shown} {noun}") } else { format!("{shown} {noun}s") }
}

fn seconds(us: u64) -> String {
    format!("{:.1} s", us as f64 / SECOND as f64)
}

fn micros(us: f64) -> String {
    if us < 10.0 { format!("{us:.1}") } else { thousands(rough(us as u64)) }
}
