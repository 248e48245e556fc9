//! Rule: the crates under the models take locks and atomics from the shim, or the model checker would not see them.
//!
//! Only a crate's `sync.rs` names the real ones. Reference counts and `OnceLock` are not modelled and may be named.

use super::Finding;
use crate::source::code_only;
use crate::tree::{Tree, numbered};

const MODELLED: [&str; 4] =
    ["crates/mailbox/src/", "crates/monitor/src/", "crates/process/src/", "crates/supervisor/src/"];

const REAL: [&str; 5] = ["std::sync::atomic", "std::sync::Mutex", "std::sync::RwLock", "parking_lot::", "loom::"];

/// Looks for locks and atomics that bypass the shim.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let modelled = |path: &str| MODELLED.iter().any(|folder| path.starts_with(folder)) && !path.ends_with("/sync.rs");
    for file in tree.rust().filter(|file| modelled(&file.path)) {
        for (line, text) in numbered(&code_only(&file.text)) {
            if let Some(real) = REAL.iter().find(|real| text.contains(**real)) {
                let what = format!("`{real}` outside the shim");
                findings.push(Finding::new(
                    &file.path,
                    line,
                    what,
                    "take it from `crate::sync`, so that loom models it",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn a_lock_past_the_shim_is_found_and_the_shim_passes() {
        let text = "//! x\nuse std::sync::atomic::AtomicBool;\n// parking_lot:: in a comment\n";
        let found = shown(&check(&Tree::of(&[("crates/process/src/seat.rs", text)])));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/process/src/seat.rs:2: `std::sync::atomic`"), "{found:?}");
        assert!(check(&Tree::of(&[("crates/mailbox/src/sync.rs", text), ("crates/demo/src/a.rs", text)])).is_empty());
    }
}
