//! Running programs and reporting what ran: the only file that starts a process or looks at a clock.
//!
//! A program writes straight to our terminal unless its output is the point, so that whoever reads the output (a person, a
//! CI) sees it exactly as the program wrote it. Nothing here retries or hides a failure.
#![expect(clippy::disallowed_methods, reason = "the gate measures real time and is no part of a simulation")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// The directory of the workspace, from which every command runs.
///
/// Asked of cargo at run time: two clones that share a target directory also share this program.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).ancestors().nth(2).expect("xtask lies two levels below the root").to_path_buf()
}

/// The target directory of this run. Commands that need other compiler flags build in a directory below it, so that they
/// do not throw away what the ordinary build made.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A call of the cargo that runs us, at the root of the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// A call of git at the root of the workspace.
pub(crate) fn git<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("git");
    command.current_dir(root()).args(args);
    command
}

/// The flags the user asked for in the variable `name`, with `flags` added behind them.
pub(crate) fn add_flags(command: &mut Command, name: &str, flags: &str) {
    let before = std::env::var(name).unwrap_or_default();
    command.env(name, format!("{before} {flags}").trim());
}

/// Runs a program whose output goes to our terminal as it is.
///
/// # Errors
/// Names the command line that failed, ready to be pasted.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    println!("$ {}", line(command));
    let status = command.status().map_err(|error| cannot_run(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", line(command))) }
}

/// Runs a program and hands its output and status back, whatever they are.
///
/// # Errors
/// Only when the program could not be started.
pub(crate) fn output(command: &mut Command) -> Result<Output, String> {
    command.stdin(Stdio::null()).output().map_err(|error| cannot_run(command, &error))
}

/// Runs a program that has to succeed and hands back what it wrote on its standard output.
///
/// # Errors
/// Names the command line that failed, with what it wrote on its standard error.
pub(crate) fn read(command: &mut Command) -> Result<String, String> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`{}` failed ({}):\n{}", line(command), output.status, String::from_utf8_lossy(&output.stderr)))
}

fn cannot_run(command: &Command, error: &std::io::Error) -> String {
    format!("cannot run `{}`: {error}", command.get_program().to_string_lossy())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A list of named sections, run one after the other until one fails.
#[derive(Debug)]
pub(crate) struct Sections {
    started: Instant,
    done: Vec<(String, Duration)>,
}

impl Sections {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    /// Runs one section under its name and notes how long it took.
    ///
    /// # Errors
    /// Whatever the section failed with, after printing which sections passed before it. The caller stops there.
    pub(crate) fn section<E: Into<Failure>>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), Failure> {
        println!("\n== {name}");
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        println!("== {name}: {} in {:.1} s", if result.is_ok() { "passed" } else { "FAILED" }, took.as_secs_f64());
        match result {
            Ok(()) => {
                self.done.push((name.to_owned(), took));
                Ok(())
            }
            Err(error) => {
                let error = error.into();
                self.summary(Some(name));
                Err(match error {
                    Failure::Check(message) => Failure::Check(format!("{name}: {message}")),
                    other => other,
                })
            }
        }
    }

    /// Prints the table of a run in which every section passed.
    pub(crate) fn finish(self) {
        self.summary(None);
    }

    fn summary(&self, failed: Option<&str>) {
        println!("\n== summary");
        for (name, took) in &self.done {
            println!("  passed  {:>7.1} s  {name}", took.as_secs_f64());
        }
        if let Some(name) = failed {
            println!("  FAILED             {name}; what comes after it did not run");
        }
        println!("  total   {:>7.1} s", self.started.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::{Sections, cargo, line};
    use crate::Failure;

    #[test]
    fn a_command_prints_as_one_would_type_it() {
        let typed = line(&cargo(["test", "-p", "xtask"]));
        assert!(typed.starts_with("cargo") && typed.ends_with(" test -p xtask"), "{typed}");
    }

    #[test]
    fn a_failing_section_says_which_one_it_was() {
        let mut sections = Sections::start();
        assert!(sections.section("first", || Ok::<_, String>(())).is_ok());
        let failed = sections.section("second", || Err("the lights are off".to_owned()));
        assert!(matches!(failed, Err(Failure::Check(message)) if message == "second: the lights are off"));
        assert_eq!(sections.done.len(), 1, "only the section that passed is noted");
    }
}
