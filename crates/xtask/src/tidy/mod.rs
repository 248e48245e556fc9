//! `cargo xtask tidy`: the rules that no compiler checks, one file each.
//!
//! A rule is a function from the source tree, or from what a program said of it, to findings. It does not print, does not
//! stop at the first finding, and does not read the disk, so that its tests are a few strings. Every finding says where, what, and what to do instead.

mod edges;
mod events;
mod headers;
mod layout;
mod links;
mod models;
mod runtimes;
mod shims;
mod sleeping;
mod statics;
mod words;

use std::fmt;

use crate::tree::Tree;
use crate::workspace;

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    instead: String,
}

impl Finding {
    /// `what` is wrong at that line (counted from one); do `instead`.
    fn new(path: &str, line: usize, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.instead)
    }
}

/// Applies every rule and prints what they found.
///
/// # Errors
/// The number of findings, or what kept a rule from looking.
pub(crate) fn run() -> Result<(), String> {
    let tree = Tree::load()?;
    let rules = [
        ("edges between the crates", edges::check(&tree, &workspace::members()?)),
        ("no async runtime under the models", runtimes::check(&runtimes::graph()?)),
        ("file headers and lengths", headers::check(&tree)),
        ("locks and atomics go through the shim", shims::check(&tree)),
        ("no static holds state", statics::check(&tree)),
        ("no test sleeps", sleeping::check(&tree)),
        ("top-level layout", layout::check(&tree)),
        ("every model has a seeded bug", models::check(&tree)),
        ("every seeded bug still applies", models::stale(&models::trials(&tree)?)),
        ("every event is in the table", events::check(&tree)),
        ("words and paths", words::check(&tree)),
        ("links between documents", links::check(&tree)),
    ];
    let mut count = 0;
    for (rule, findings) in &rules {
        println!("{}  {rule}", if findings.is_empty() { "  ok" } else { "FAIL" });
        for finding in findings {
            println!("      {finding}");
        }
        count += findings.len();
    }
    match count {
        0 => Ok(()),
        1 => Err("one finding, listed above".to_owned()),
        _ => Err(format!("{count} findings, listed above")),
    }
}

/// The findings as printed, for tests.
#[cfg(test)]
fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}
