//! `cargo xtask figures`: measures the rows and says which bars hold.
//!
//! Exit status: 0 if every bar holds, 1 if one does not, 2 for arguments that make no sense, 3 if all hold but a run is
//! void because other processes used the machine.

use freeboard_benches::{Figure, ROUNDS, ROWS, Row, heading, memory_probe, watched};
use lexopt::prelude::{Long, ValueExt};
use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: figures [--row N] [--json] [--rounds N]

  --row N      only this row; may be given several times
  --json       one JSON object per line
  --rounds N   fewer rounds, for a quick look: only 21 or more judge anything";

struct Options {
    rows: Vec<u8>,
    json: bool,
    rounds: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match memory_probe(&arguments) {
        Some(Ok(bytes)) => {
            println!("{bytes}");
            return ExitCode::SUCCESS;
        }
        Some(Err(error)) => return refuse(&error),
        None => {}
    }
    if cfg!(debug_assertions) {
        return refuse("this is a debug build, whose figures mean nothing; run `cargo xtask figures`");
    }
    match parse(arguments) {
        Ok(options) => measure(&options),
        Err(error) => refuse(&format!("{error}\n{USAGE}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("figures: {why}");
    ExitCode::from(2)
}

fn parse(arguments: Vec<String>) -> Result<Options, lexopt::Error> {
    let mut options = Options { rows: Vec::new(), json: false, rounds: ROUNDS };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("row") => {
                let row: u8 = parser.value()?.parse()?;
                if !ROWS.iter().any(|known| known.number == row) {
                    return Err(format!("there is no row {row}; there are {}", numbers()).into());
                }
                options.rows.push(row);
            }
            Long("json") => options.json = true,
            Long("rounds") => options.rounds = parser.value()?.parse::<usize>()?.max(1),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

fn numbers() -> String {
    ROWS.iter().map(|row| row.number.to_string()).collect::<Vec<_>>().join(", ")
}

fn measure(options: &Options) -> ExitCode {
    if !options.json {
        println!("{}", heading());
    }
    let is_wanted = |row: &&Row| options.rows.is_empty() || options.rows.contains(&row.number);
    let mut all: Vec<Figure> = Vec::new();
    for row in ROWS.iter().filter(is_wanted) {
        let measure = || (row.measure)(options.rounds);
        let figures = if row.is_timed { watched(measure) } else { measure() };
        for figure in &figures {
            println!("{}", if options.json { figure.json() } else { figure.to_string() });
        }
        all.extend(figures);
    }
    if all.iter().any(|figure| figure.holds() == Some(false)) {
        return ExitCode::FAILURE;
    }
    if all.iter().any(|figure| figure.void.is_some()) {
        return ExitCode::from(3);
    }
    ExitCode::SUCCESS
}
