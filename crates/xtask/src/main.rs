//! The gate of the repository: `cargo xtask <command>`.
//!
//! Every check that decides whether a change may be merged is a command here, so that a laptop, a pull request and a fresh
//! clone run the same thing with cargo alone. This file only picks the command; each command has a file of its own.
//!
//! - [`gate`]: `ci`, `quick` and `test`, which put the others in order
//! - [`tidy`]: what no compiler checks (edges between crates, layout, file headers, banned words)
//! - [`loom`]: the models, and the seeded bugs that prove the models can fail
//! - [`conformance`]: which test holds which item of `docs/conformance.md`
//! - [`figures`]: the performance rows
//!
//! It depends on nothing of ours: it must still run when the crates do not compile.

mod conformance;
mod figures;
mod gate;
mod loom;
mod shell;
mod source;
mod tidy;
mod tree;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  ci [--after-test]       the whole gate; --after-test leaves out what `test` has already run
  quick                   format, lints and tests of the touched crates and their dependents, and tidy
  test                    every test, every doc test, every loom model at 2 preemptions
  tidy                    the rules no compiler checks
  loom [--preemptions N] [FILTER]
                          run the models whose name contains FILTER (default: all, 2 preemptions)
  loom --seeded [FILTER]  plant each bug of loom-tests/bugs in a copy; its model must fail
  conformance [--slice] [--strict]
                          the items of docs/conformance.md with the tests that hold them
  figures [--row N] [--json]
                          measure the performance rows
";

/// How a command ends when it does not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line was not understood; exit status 2.
    Usage(String),
    /// A check failed; exit status 1.
    Check(String),
    /// A wrapped program has already said why it failed; its exit status is passed on.
    Status(u8),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Check(message)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message} (`cargo xtask help` lists the commands)");
            ExitCode::from(2)
        }
        Err(Failure::Check(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Status(status)) => ExitCode::from(status),
    }
}

fn dispatch(args: &[&str]) -> Result<(), Failure> {
    match args {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["ci"] => gate::ci(gate::Tests::Run),
        ["ci", "--after-test"] => gate::ci(gate::Tests::AlreadyRun),
        ["quick"] => gate::quick(),
        ["test"] => gate::test(),
        ["tidy"] => Ok(tidy::run()?),
        ["loom", rest @ ..] => loom::run(&loom::Options::parse(rest).map_err(Failure::Usage)?),
        ["conformance", rest @ ..] => Ok(conformance::run(conformance::Options::parse(rest).map_err(Failure::Usage)?)?),
        ["figures", rest @ ..] => figures::run(rest),
        [command @ ("ci" | "quick" | "test" | "tidy"), rest @ ..] => {
            Err(Failure::Usage(format!("`{command}` does not take `{}`", rest.join(" "))))
        }
        [unknown, ..] => Err(Failure::Usage(format!("there is no command `{unknown}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, dispatch};

    #[test]
    fn an_unknown_command_is_a_usage_error() {
        assert!(matches!(dispatch(&["cii"]), Err(Failure::Usage(message)) if message.contains("`cii`")));
    }

    #[test]
    fn an_unknown_flag_is_a_usage_error_and_runs_nothing() {
        assert!(matches!(dispatch(&["ci", "--fast"]), Err(Failure::Usage(message)) if message.contains("--fast")));
        assert!(matches!(dispatch(&["loom", "--preemptions", "many"]), Err(Failure::Usage(_))));
        assert!(matches!(dispatch(&["conformance", "--loose"]), Err(Failure::Usage(_))));
    }
}
