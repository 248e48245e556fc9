//! `cargo xtask loom`: the models, and the proof that they can fail.
//!
//! A model explores every interleaving of a small program, up to a number of preemptions; its file says which. A model that
//! cannot fail is worth nothing, so `--seeded` plants each bug of `loom-tests/bugs/` in a copy of the sources and demands
//! that the model of that name fails there. A patch that does not apply or does not compile proves nothing and fails.
//!
//! The models are built with a flag of their own (`freeboard_loom`: tokio and others change under plain `loom`) in target
//! directories of their own, so that an ordinary build is not thrown away.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, shell, tree};

/// The compiler flag under which the crates use loom's types.
pub(crate) const CFG: &str = "--cfg freeboard_loom";

const MODELS: &str = "loom-tests/tests/";
const BUGS: &str = "loom-tests/bugs/";

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Preemptions per execution.
    pub(crate) preemptions: u32,
    /// Run the seeded bugs and not the models as they are.
    pub(crate) seeded: bool,
    /// Part of the name of a model (or of a patch); empty for all.
    pub(crate) filter: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { preemptions: 2, seeded: false, filter: String::new() }
    }
}

impl Options {
    /// Reads the arguments behind `loom`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            match arg {
                "--seeded" => options.seeded = true,
                "--preemptions" => {
                    let number = args.next().and_then(|number| number.parse().ok());
                    options.preemptions = number.ok_or("`--preemptions` takes a number, such as 3")?;
                }
                flag if flag.starts_with('-') => return Err(format!("`loom` does not take `{flag}`")),
                filter if options.filter.is_empty() => filter.clone_into(&mut options.filter),
                surplus => return Err(format!("`loom` takes one filter; `{surplus}` is a second")),
            }
        }
        Ok(options)
    }
}

/// The model a test file of `loom-tests` holds.
pub(crate) fn model_of_file(path: &str) -> Option<&str> {
    let name = path.strip_prefix(MODELS)?.strip_suffix(".rs")?;
    (!name.contains('/')).then_some(name)
}

/// The model that a seeded bug is meant for: the name of the patch up to its first `-`.
pub(crate) fn model_of_patch(path: &str) -> Option<&str> {
    let name = path.strip_prefix(BUGS)?.strip_suffix(".patch")?;
    name.split('-').next()
}

/// Runs the models, or the seeded bugs.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let result = if options.seeded { seeded(options) } else { models(options) };
    result.map_err(Failure::Check)
}

/// Lints the models and what they compile of the crates; the ordinary build does not see that code.
pub(crate) fn clippy() -> Result<(), String> {
    let mut command = shell::cargo(["clippy", "-p", "freeboard-loom-tests", "--all-targets", "--no-deps"]);
    shell::add_flags(&mut command, "RUSTFLAGS", CFG);
    shell::run(command.env("CARGO_TARGET_DIR", shell::target_dir().join("loom")).args(["--", "-D", "warnings"]))
}

/// `cargo test` of the named models in the workspace at `dir`, built in `target`.
fn cargo_test(dir: &Path, target: &Path, models: &[&str], options: &Options) -> Command {
    let mut command = shell::cargo(["test", "-p", "freeboard-loom-tests", "--profile", "loom"]);
    command.args(models.iter().flat_map(|model| ["--test", model])).current_dir(dir);
    command.env("CARGO_TARGET_DIR", target).env("LOOM_MAX_PREEMPTIONS", options.preemptions.to_string());
    shell::add_flags(&mut command, "RUSTFLAGS", CFG);
    command
}

fn models(options: &Options) -> Result<(), String> {
    let paths = tree::paths()?;
    let all: Vec<&str> = paths.iter().filter_map(|path| model_of_file(path)).collect();
    let chosen: Vec<&str> = all.iter().copied().filter(|model| model.contains(&options.filter)).collect();
    if chosen.is_empty() {
        return Err(format!("no model is called like `{}`; there are: {}", options.filter, all.join(" ")));
    }
    let mut command = cargo_test(&shell::root(), &shell::target_dir().join("loom"), &chosen, options);
    shell::run(command.args(["--", "--nocapture", "--test-threads=2"]))
}

/// One seeded bug, after its model has run: the message it was caught by, or why it was not.
struct Verdict<'a> {
    patch: &'a str,
    model: &'a str,
    caught: Result<String, String>,
}

fn seeded(options: &Options) -> Result<(), String> {
    let paths = tree::paths()?;
    let patches = paths.iter().filter(|path| path.contains(&options.filter));
    let patches: Vec<(&str, &str)> = patches.filter_map(|path| Some((path.as_str(), model_of_patch(path)?))).collect();
    if patches.is_empty() {
        return Err(format!("no bug of {BUGS} is called like `{}`", options.filter));
    }
    let scratch = shell::target_dir().join("loom-seeded");
    let mut verdicts = Vec::new();
    for (patch, model) in patches {
        println!("{patch}: running the model {model} with it");
        let copy = copy_sources(&paths, &scratch)?;
        let caught = plant(patch, &copy, &scratch).and_then(|()| judge(&copy, &scratch, model, options));
        verdicts.push(Verdict { patch, model, caught });
    }
    print!("{}", table(&verdicts));
    let missed = verdicts.iter().filter(|verdict| verdict.caught.is_err()).count();
    if missed == 0 { Ok(()) } else { Err(format!("{missed} of {} seeded bugs not caught, see above", verdicts.len())) }
}

/// Makes the copy equal to the sources. Only files that differ are written, so that cargo rebuilds only the crates which
/// this patch or the last one touched.
fn copy_sources(paths: &[String], scratch: &Path) -> Result<PathBuf, String> {
    let copy = scratch.join("tree");
    remove_surplus(&copy, &copy, paths).map_err(|error| format!("cannot clear {}: {error}", copy.display()))?;
    for path in paths {
        write_if_different(&shell::root().join(path), &copy.join(path))
            .map_err(|error| format!("cannot copy {path}: {error}"))?;
    }
    Ok(copy)
}

/// Removes the files below `dir` whose path from `copy` is not in `paths` (sorted).
fn remove_surplus(copy: &Path, dir: &Path, paths: &[String]) -> std::io::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.strip_prefix(copy).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            remove_surplus(copy, &path, paths)?;
        } else if paths.binary_search(&name).is_err() && name != "Cargo.lock" {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn write_if_different(from: &Path, to: &Path) -> std::io::Result<()> {
    let wanted = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(to, wanted)
}

/// Applies the patch to the copy.
fn plant(patch: &str, copy: &Path, scratch: &Path) -> Result<(), String> {
    let mut command = shell::git(["apply", "--whitespace=nowarn"]);
    // The copy lies inside the repository; without the ceiling git would take it for a part of it and skip every file.
    command.arg(shell::root().join(patch)).current_dir(copy).env("GIT_CEILING_DIRECTORIES", scratch);
    let output = shell::output(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("the patch does not apply: {}", error.lines().next().unwrap_or("git apply gives no reason")))
}

/// Builds the model in the copy, runs it, and demands that it fails: the message by which it did.
fn judge(copy: &Path, scratch: &Path, model: &str, options: &Options) -> Result<String, String> {
    let target = scratch.join("build");
    let build = shell::output(cargo_test(copy, &target, &[model], options).arg("--no-run"))?;
    if !build.status.success() {
        let stderr = String::from_utf8_lossy(&build.stderr);
        let error = stderr.lines().find(|line| line.starts_with("error")).unwrap_or("cargo gives no reason");
        return Err(format!("the patch does not compile: {error}"));
    }
    let mut command = cargo_test(copy, &target, &[model], options);
    let run = shell::output(command.args(["--", "--nocapture", "--test-threads=2"]))?;
    if run.status.success() {
        return Err("the model still passes".to_owned());
    }
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    verdict(&text)
}

/// The message of the first panic: what follows it in the output is the fall-out of unwinding. A model that explored one
/// execution has failed, but has caught nothing.
fn verdict(output: &str) -> Result<String, String> {
    let mut lines = output.lines().skip_while(|line| !line.contains("panicked at"));
    let at = lines.next().ok_or("the model failed without a panic")?;
    let message = lines.find(|line| !line.trim().is_empty()).unwrap_or(at).trim();
    if message.contains("explored one execution") {
        return Err("the model failed only because it explored one execution".to_owned());
    }
    Ok(message.to_owned())
}

fn table(verdicts: &[Verdict<'_>]) -> String {
    let name = |patch: &str| patch.trim_start_matches(BUGS).trim_end_matches(".patch").to_owned();
    let bug = verdicts.iter().map(|verdict| name(verdict.patch).len()).max().unwrap_or(0).max(3);
    let model = verdicts.iter().map(|verdict| verdict.model.len()).max().unwrap_or(0).max(5);
    let mut out = format!("\n{:bug$}  {:model$}  caught  by\n", "bug", "model");
    for verdict in verdicts {
        let (caught, by) = match &verdict.caught {
            Ok(message) => ("yes", message),
            Err(why) => ("NO", why),
        };
        out.push_str(&format!("{:bug$}  {:model$}  {caught:6}  {by}\n", name(verdict.patch), verdict.model));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Options, Verdict, model_of_file, model_of_patch, table, verdict};

    #[test]
    fn arguments_are_read() {
        let options = Options::parse(&["--preemptions", "3", "close"]).expect("it parses");
        assert_eq!(options, Options { preemptions: 3, seeded: false, filter: "close".to_owned() });
        assert!(Options::parse(&["a", "b"]).is_err_and(|message| message.contains("`b` is a second")));
        assert!(Options::parse(&["--preemptions"]).is_err());
    }

    #[test]
    fn a_patch_names_its_model_before_the_first_dash() {
        assert_eq!(model_of_file("loom-tests/tests/close_send.rs"), Some("close_send"));
        assert_eq!(model_of_file("loom-tests/tests/common/mod.rs"), None);
        assert_eq!(model_of_patch("loom-tests/bugs/close_send-late-push.patch"), Some("close_send"));
        assert_eq!(model_of_patch("loom-tests/bugs/README.md"), None);
    }

    #[test]
    fn a_bug_is_caught_by_the_message_of_the_first_panic() {
        let output = "running 1 test\n\nthread 'a' (7) panicked at loom-tests/tests/a.rs:9:5:\nassertion failed: woken\n\
                      thread 'a' (7) panicked at core/src/panicking.rs:1:1:\npanic in a destructor\n";
        assert_eq!(verdict(output), Ok("assertion failed: woken".to_owned()));
    }

    #[test]
    fn failing_without_finding_anything_is_not_catching() {
        let single = "thread 'a' panicked at loom-tests/src/runner.rs:9:5:\nmodel a explored one execution: let two\n";
        assert!(verdict(single).is_err());
        assert!(verdict("signal: 9\n").is_err());
    }

    #[test]
    fn the_table_shows_what_was_missed() {
        let bug = |patch, caught| Verdict { patch, model: "a", caught };
        let table = table(&[
            bug("loom-tests/bugs/a-x.patch", Ok("woken".to_owned())),
            bug("loom-tests/bugs/a-y.patch", Err("the model still passes".to_owned())),
        ]);
        let lines: Vec<&str> = table.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            ["bug  model  caught  by", "a-x  a      yes     woken", "a-y  a      NO      the model still passes"]
        );
    }
}
