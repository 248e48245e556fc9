//! Rule: every loom model has a seeded bug, so that it is known to be able to fail.
//!
//! The model `loom-tests/tests/close_send.rs` goes with the patches `loom-tests/bugs/close_send-*.patch`.

use super::Finding;
use crate::loom::{model_of_file, model_of_patch};
use crate::tree::Tree;

/// Compares the names of the models with those of the patches.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let models: Vec<(&str, &str)> =
        tree.files().filter_map(|file| Some((file.path.as_str(), model_of_file(&file.path)?))).collect();
    let patches: Vec<(&str, &str)> =
        tree.files().filter_map(|file| Some((file.path.as_str(), model_of_patch(&file.path)?))).collect();
    let mut findings = Vec::new();
    for (path, model) in &models {
        if !patches.iter().any(|(_, of)| of == model) {
            let instead = format!("add loom-tests/bugs/{model}-<what is broken>.patch that makes it fail");
            findings.push(Finding::new(path, 1, "no seeded bug shows that this model can fail", instead));
        }
    }
    for (path, of) in &patches {
        if !models.iter().any(|(_, model)| model == of) {
            let what = format!("there is no model `{of}`");
            findings.push(Finding::new(path, 1, what, "name the patch <model>-<what is broken>.patch"));
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
    fn a_model_with_its_bug_passes() {
        let files = [("loom-tests/tests/close_send.rs", ""), ("loom-tests/bugs/close_send-late_push.patch", "")];
        assert_eq!(shown(&check(&Tree::of(&files))), [""; 0]);
    }

    #[test]
    fn a_model_without_a_bug_and_a_bug_without_a_model_are_found() {
        let files = [("loom-tests/tests/close_send.rs", ""), ("loom-tests/bugs/close-late_push.patch", "")];
        let found = shown(&check(&Tree::of(&files)));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("loom-tests/tests/close_send.rs:1: no seeded bug"), "{found:?}");
        assert!(
            found[1].starts_with("loom-tests/bugs/close-late_push.patch:1: there is no model `close`"),
            "{found:?}"
        );
    }
}
