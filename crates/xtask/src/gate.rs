//! The commands that put the others in order: `ci`, `quick` and `test`.
//!
//! Each is a list of sections that stops at the first failure. What a section does is written once, in a function below or
//! in the file of its command, so that `quick` cannot drift away from `ci`.

use std::process::Command;

use crate::shell::{self, Sections};
use crate::tree::Tree;
use crate::workspace::{self, Member};
use crate::{Failure, conformance, loom, tidy};

/// Whether `ci` runs the tests itself or follows a run of `test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tests {
    /// Run them.
    Run,
    /// Leave them out: the caller has just run `test`.
    AlreadyRun,
}

/// The whole gate.
pub(crate) fn ci(tests: Tests) -> Result<(), Failure> {
    let mut sections = Sections::start();
    sections.section("fmt", fmt)?;
    sections.section("clippy", || clippy(&["--workspace".to_owned()]))?;
    sections.section("clippy of the models", loom::clippy)?;
    sections.section("tidy", tidy::run)?;
    if tests == Tests::Run {
        test_sections(&mut sections)?;
    }
    sections.section("loom --seeded", || loom::run(&loom::Options { seeded: true, ..Default::default() }))?;
    sections.section("docs", docs)?;
    sections.section("examples", examples)?;
    sections.section("conformance", || conformance::run(conformance::Options::default()))?;
    sections.section("benches run", benches)?;
    sections.finish();
    Ok(())
}

/// What every commit should pass, in three minutes at most.
pub(crate) fn quick() -> Result<(), Failure> {
    let members = workspace::members()?;
    let touched = workspace::with_dependents(&members, &touched(&members, &changed_files()?));
    let packages: Vec<String> = touched.iter().flat_map(|package| ["-p".to_owned(), package.clone()]).collect();
    let names: Vec<&str> = touched.iter().map(|package| workspace::short(package)).collect();
    println!("touched: {}", if names.is_empty() { "no crate".to_owned() } else { names.join(" ") });
    let mut sections = Sections::start();
    sections.section("fmt", fmt)?;
    sections.section("tidy", tidy::run)?;
    if !packages.is_empty() {
        sections.section("clippy", || clippy(&packages))?;
        sections.section("tests", || shell::run(&mut test_runner(&packages, &["--lib", "--bins", "--tests"])))?;
    }
    sections.finish();
    Ok(())
}

/// The test command of the README: every test, every doc test, every model.
pub(crate) fn test() -> Result<(), Failure> {
    let mut sections = Sections::start();
    test_sections(&mut sections)?;
    sections.finish();
    Ok(())
}

fn test_sections(sections: &mut Sections) -> Result<(), Failure> {
    let all = ["--workspace".to_owned()];
    sections.section("tests", || shell::run(&mut test_runner(&all, &[])))?;
    if has_nextest() {
        sections.section("doc tests", || shell::run(&mut shell::cargo(["test", "--workspace", "--doc"])))?;
    }
    sections.section("tests of a simulation on tokio", || {
        let package = ["-p", "freeboard-process", "--features", "sim-tokio"].map(str::to_owned);
        shell::run(&mut test_runner(&package, &["--test", "on_tokio"]))
    })?;
    sections.section("tests of the published numbers", || {
        let package = ["-p", "freeboard-process", "--features", "metrics"].map(str::to_owned);
        shell::run(&mut test_runner(&package, &["--test", "it", "metrics::"]))
    })?;
    sections.section("loom", || loom::run(&loom::Options::default()))
}

fn fmt() -> Result<(), String> {
    shell::run(&mut shell::cargo(["fmt", "--all", "--check"]))
}

fn clippy(packages: &[String]) -> Result<(), String> {
    let mut command = shell::cargo(["clippy", "--all-targets"]);
    shell::run(command.args(packages).args(["--", "-D", "warnings"]))
}

/// nextest where it is installed, else `cargo test`, which runs the doc tests too unless `targets` are named.
fn test_runner(packages: &[String], targets: &[&str]) -> Command {
    let mut command = if has_nextest() {
        shell::cargo(["nextest", "run", "--no-tests", "pass"])
    } else {
        shell::cargo(["test", "--no-fail-fast"])
    };
    command.args(packages).args(targets);
    command
}

fn has_nextest() -> bool {
    shell::output(&mut shell::cargo(["nextest", "--version"])).is_ok_and(|output| output.status.success())
}

fn docs() -> Result<(), String> {
    let mut command = shell::cargo(["doc", "--no-deps", "--workspace"]);
    shell::add_flags(&mut command, "RUSTDOCFLAGS", "-D warnings");
    shell::run(&mut command)
}

/// Compiles every benchmark and runs each once, without measuring.
fn benches() -> Result<(), String> {
    shell::run(&mut shell::cargo(["bench", "-p", "freeboard-benches", "--", "--test"]))
}

/// Builds and runs every example; each must exit with 0.
///
/// An example runs in real time on a machine that may be busy, so it has one second try, which is reported: an example
/// that needs it often is a finding.
fn examples() -> Result<(), String> {
    let names = example_names(&Tree::load()?);
    if names.is_empty() {
        return Err("there is no example in examples/examples".to_owned());
    }
    shell::run(&mut shell::cargo(["build", "--release", "-p", "freeboard-examples", "--examples"]))?;
    for name in names {
        let tried = run_example(&name).or_else(|first| {
            println!("{name}: {first}\n{name}: second and last try");
            run_example(&name)
        });
        tried.map_err(|message| format!("{name}: {message}"))?;
        println!("{name}: exit status 0");
    }
    Ok(())
}

fn example_names(tree: &Tree) -> Vec<String> {
    let name = |path: &str| {
        let name = path.strip_prefix("examples/examples/")?.strip_suffix(".rs")?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    tree.files().filter_map(|file| name(&file.path)).collect()
}

fn run_example(name: &str) -> Result<(), String> {
    let mut command =
        shell::cargo(["run", "--release", "--quiet", "-p", "freeboard-examples", "--example", name, "--"]);
    if name == "flood" {
        command.arg("--json");
    }
    let output = shell::output(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Err(format!("{}, expected 0\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr)))
}

/// The files that differ from what is already pushed, or from the last commit but one if nothing was pushed.
fn changed_files() -> Result<Vec<String>, String> {
    let mut files: Vec<String> = Vec::new();
    let mut add = |text: String| files.extend(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned));
    add(shell::read(&mut shell::git(["ls-files", "-z", "--others", "--exclude-standard"]))?);
    match base() {
        Some(base) => add(shell::read(&mut shell::git(["diff", "-z", "--name-only", &base]))?),
        // A repository with one commit or none: everything is new.
        None => add(shell::read(&mut shell::git(["ls-files", "-z", "--cached"]))?),
    }
    Ok(files)
}

fn base() -> Option<String> {
    let upstream = shell::read(&mut shell::git(["merge-base", "HEAD", "@{upstream}"])).ok();
    let parent = || shell::read(&mut shell::git(["rev-parse", "--verify", "HEAD~1"])).ok();
    upstream.or_else(parent).map(|commit| commit.trim().to_owned())
}

/// The packages to which the changed files belong. A file that steers every build belongs to all of them.
fn touched(members: &[Member], files: &[String]) -> Vec<String> {
    let steers_all = |file: &String| {
        ["Cargo.toml", "Cargo.lock", "clippy.toml"].contains(&file.as_str()) || file.starts_with(".cargo/")
    };
    let changed = |member: &&Member| {
        let below = format!("{}/", member.dir);
        files.iter().any(|file| steers_all(file) || file.starts_with(&below))
    };
    members.iter().filter(changed).map(|member| member.package.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{example_names, touched};
    use crate::tree::Tree;
    use crate::workspace::member;

    #[test]
    fn a_file_touches_the_package_it_lies_in() {
        let members = [member("freeboard-signal", "crates/signal", &[]), member("xtask", "crates/xtask", &[])];
        let files = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(touched(&members, &files(&["crates/signal/src/pid.rs", "README.md"])), ["freeboard-signal"]);
        assert_eq!(touched(&members, &files(&["crates/signals/src/pid.rs"])), [""; 0]);
        assert_eq!(touched(&members, &files(&["Cargo.lock"])), ["freeboard-signal", "xtask"]);
    }

    #[test]
    fn an_example_is_a_file_and_not_a_module_of_one() {
        let tree =
            Tree::of(&[("examples/examples/flood.rs", ""), ("examples/examples/shared/mod.rs", ""), ("a.rs", "")]);
        assert_eq!(example_names(&tree), ["flood"]);
    }
}
