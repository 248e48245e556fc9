//! Reads a user's own storm: `at_ms,kind,count[,session]`, one row a line.
//!
//! A header line comes first, `#` begins a comment, `at_ms` never falls. `kind` is `join` (an ordinary start), `resume` (a
//! start the storm caused) or `leave` (a stop). The `count` requests of a row are spread evenly until the next row of the
//! same kind, those of the last one over a second. `session` is the id of the first of them, for stable routing; without
//! it the seed chooses. In the demo a started connection lives one second, so `leave` rows are checked and then change nothing.
//!
//! Parsing is pure: text in, plan or [`TraceError`] out, and an error names the file, the line and what was expected.

use std::fmt;

use crate::mix::mix;
use crate::plan::{Plan, Segment};
use crate::stopwatch::{MILLI, SECOND};

/// No trace may ask for more than this: the run keeps a row for each request.
pub const MAX_REQUESTS: u64 = 5_000_000;
/// No variant may take longer than this: a longer trace needs `--speed`.
pub const MAX_SECONDS: u64 = 120;

/// A trace that cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceError {
    file: String,
    line: Option<usize>,
    what: String,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for TraceError {}

/// How a trace is replayed.
#[derive(Debug, Clone, Copy)]
pub struct Replay {
    /// Time is divided by this.
    pub speed: f64,
    /// Counts are multiplied by this.
    pub scale: f64,
    /// Chooses sessions where the trace does not, and where in its slot a request falls.
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowKind {
    Join,
    Resume,
    Leave,
}

#[derive(Debug)]
struct Row {
    at_ms: u64,
    kind: RowKind,
    count: u64,
    session: Option<u64>,
}

/// Turns the text of a trace into a plan; `file` is its name for messages.
///
/// # Errors
/// At the first line that is not as the format says, and when the whole is empty, too long or too large.
pub fn parse(file: &str, text: &str, replay: &Replay) -> Result<Plan, TraceError> {
    let rows = rows(file, text)?;
    let whole = |what: String| TraceError { file: file.to_owned(), line: None, what };
    let joins = segments(&rows, RowKind::Join, replay);
    let resumes = segments(&rows, RowKind::Resume, replay);
    let plan = Plan::from_segments(joins, resumes, replay.seed);
    if plan.is_empty() {
        return Err(whole("expected at least one row of kind join or resume with a count above zero".to_owned()));
    }
    if plan.len() > MAX_REQUESTS {
        let (len, scale) = (plan.len(), replay.scale * MAX_REQUESTS as f64 / plan.len() as f64);
        return Err(whole(format!("expected at most {MAX_REQUESTS} requests, found {len}: try --scale {scale:.3}")));
    }
    if plan.end_us() > MAX_SECONDS * SECOND {
        let seconds = plan.end_us() / SECOND;
        let speed = (replay.speed * seconds as f64 / 10.0).ceil();
        return Err(whole(format!(
            "expected at most {MAX_SECONDS} s of run time, found {seconds} s: try --speed {speed}"
        )));
    }
    Ok(plan)
}

fn rows(file: &str, text: &str) -> Result<Vec<Row>, TraceError> {
    let mut header_seen = false;
    let mut rows: Vec<Row> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let at = |what: String| TraceError { file: file.to_owned(), line: Some(index + 1), what };
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if !header_seen {
            if !matches!(fields.as_slice(), ["at_ms", "kind", "count"] | ["at_ms", "kind", "count", "session"]) {
                return Err(at(format!("expected the header at_ms,kind,count[,session], found {}", quoted(line))));
            }
            header_seen = true;
            continue;
        }
        let row = row(&fields).map_err(at)?;
        if let Some(last) = rows.last()
            && row.at_ms < last.at_ms
        {
            return Err(at(format!("expected at_ms >= {} (rows must rise), found {}", last.at_ms, row.at_ms)));
        }
        rows.push(row);
    }
    if header_seen {
        Ok(rows)
    } else {
        let what = "expected the header at_ms,kind,count[,session], found nothing".to_owned();
        Err(TraceError { file: file.to_owned(), line: Some(text.lines().count().max(1)), what })
    }
}

fn row(fields: &[&str]) -> Result<Row, String> {
    let (at_ms, kind, count, session) = match fields {
        [at_ms, kind, count] => (at_ms, kind, count, None),
        [at_ms, kind, count, session] => (at_ms, kind, count, Some(*session).filter(|session| !session.is_empty())),
        _ => return Err(format!("expected 3 or 4 fields (at_ms,kind,count[,session]), found {}", fields.len())),
    };
    let kind = match *kind {
        "join" => RowKind::Join,
        "resume" => RowKind::Resume,
        "leave" => RowKind::Leave,
        other => return Err(format!("expected kind join, resume or leave, found {}", quoted(other))),
    };
    let session = session.map(|session| whole_number("session", session, u64::MAX)).transpose()?;
    Ok(Row {
        // The bound keeps every later sum of times far from overflow: a million years of milliseconds.
        at_ms: whole_number("at_ms", at_ms, 1 << 55)?,
        kind,
        count: whole_number("count", count, 1 << 40)?,
        session,
    })
}

fn whole_number(name: &str, text: &str, most: u64) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if number <= most => Ok(number),
        Ok(number) => Err(format!("expected {name} <= {most}, found {number}")),
        Err(_) => Err(format!("expected {name} to be a whole number, found {}", quoted(text))),
    }
}

/// At most one short line of what the user wrote.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

fn segments(rows: &[Row], kind: RowKind, replay: &Replay) -> Vec<Segment> {
    let own: Vec<&Row> = rows.iter().filter(|row| row.kind == kind).collect();
    let at_us = |ms: u64| ((ms as f64) * MILLI as f64 / replay.speed) as u64;
    let segment = |(index, row): (usize, &&Row)| {
        let until_ms = own.get(index + 1).map_or(row.at_ms + 1_000, |next| next.at_ms);
        let chosen = mix(replay.seed ^ mix(row.at_ms) ^ kind as u64) >> 1;
        Segment {
            from_us: at_us(row.at_ms),
            to_us: at_us(until_ms),
            count: ((row.count as f64) * replay.scale).round() as u64,
            first_session: row.session.unwrap_or(chosen),
            stride: 1,
        }
    };
    own.iter().enumerate().map(segment).collect()
}
