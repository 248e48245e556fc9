//! `cargo xtask figures`: measures the performance rows.
//!
//! The measuring is done by the binary of the same name in `benches/`; this file only builds it as it must be built and
//! passes its exit status through (1 when a bar does not hold).

use crate::{Failure, shell};

/// Runs the measuring binary with the given arguments.
///
/// # Errors
/// The exit status of the binary, if it is not zero; it has said why itself.
pub(crate) fn run(args: &[&str]) -> Result<(), Failure> {
    check(args).map_err(Failure::Usage)?;
    let mut command =
        shell::cargo(["run", "--release", "--quiet", "-p", "freeboard-benches", "--bin", "figures", "--"]);
    command.args(args);
    let status = command.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Status(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Looks at the arguments before a release build of a minute is spent on a slip of the finger.
fn check(args: &[&str]) -> Result<(), String> {
    match args {
        [] => Ok(()),
        ["--json", rest @ ..] => check(rest),
        ["--row", row, rest @ ..] if row.parse::<u32>().is_ok() => check(rest),
        ["--row", ..] => Err("`--row` takes the number of a row, such as `--row 7`".to_owned()),
        [unknown, ..] => Err(format!("`figures` does not take `{unknown}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn arguments_are_checked_before_anything_is_built() {
        assert_eq!(check(&["--row", "7", "--json"]), Ok(()));
        assert!(check(&["--row", "seven"]).is_err_and(|message| message.contains("number of a row")));
        assert!(check(&["--rows"]).is_err_and(|message| message.contains("--rows")));
    }
}
