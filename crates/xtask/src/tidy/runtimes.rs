//! Rule: no async runtime is in the graph of the models.
//!
//! A runtime brings threads, locks and thread-locals that loom does not see: a model that waits for one hangs for ever or
//! explores nothing, and either way proves nothing.

use super::Finding;
use crate::{loom, shell};

const RUNTIMES: [&str; 5] = ["tokio", "async-std", "smol", "async-executor", "futures-executor"];

/// The packages below `freeboard-loom-tests`, as `cargo tree` prints them, one a line.
pub(super) fn graph() -> Result<String, String> {
    let mut command =
        shell::cargo(["tree", "-p", "freeboard-loom-tests", "-e", "normal", "--prefix", "none", "--format", "{p}"]);
    shell::add_flags(&mut command, "RUSTFLAGS", loom::CFG);
    shell::read(&mut command)
}

/// Looks for a runtime in the graph.
pub(super) fn check(graph: &str) -> Vec<Finding> {
    let packages: Vec<&str> = graph.lines().filter_map(|line| line.split_whitespace().next()).collect();
    RUNTIMES
        .iter()
        .filter(|runtime| packages.contains(runtime))
        .map(|runtime| {
            let instead =
                format!("find who brings it with `cargo tree -p freeboard-loom-tests -e normal -i {runtime}`");
            Finding::new("loom-tests/Cargo.toml", 1, format!("`{runtime}` is in the graph of the models"), instead)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::check;

    #[test]
    fn a_runtime_is_found() {
        let found = shown(&check("freeboard-process v0.1.0\ntokio v1.54.1\n"));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`tokio` is in the graph"), "{found:?}");
    }

    #[test]
    fn a_package_that_only_sounds_like_one_passes() {
        assert_eq!(shown(&check("loom v0.7.3\ntokio-util v0.7.0\nparking_lot v0.12.5\n")), [""; 0]);
    }
}
