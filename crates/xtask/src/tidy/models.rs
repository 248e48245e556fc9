//! Rules: every loom model has a seeded bug, so that it is known to be able to fail; and every bug still applies.
//!
//! The model `loom-tests/tests/close_send.rs` goes with the patches `loom-tests/bugs/close_send-*.patch`. Whether a patch
//! makes its model fail is not asked here: that takes a build (`cargo xtask loom --seeded`).

use super::Finding;
use crate::loom::{model_of_file, model_of_patch};
use crate::shell;
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

/// What git said of one patch.
pub(super) struct Trial {
    path: String,
    /// Why it does not apply, if it does not.
    refused: Option<String>,
}

/// Asks git whether each patch applies to the sources as they are; nothing is changed.
///
/// # Errors
/// git cannot be run.
pub(super) fn trials(tree: &Tree) -> Result<Vec<Trial>, String> {
    let patches = tree.files().filter(|file| model_of_patch(&file.path).is_some());
    patches
        .map(|patch| {
            let output = shell::output(&mut shell::git(["apply", "--check", &patch.path]))?;
            let text = String::from_utf8_lossy(&output.stderr);
            let why = || text.lines().next().unwrap_or("git gives no reason").to_owned();
            Ok(Trial { path: patch.path.clone(), refused: (!output.status.success()).then(why) })
        })
        .collect()
}

/// A patch that does not apply proves nothing.
pub(super) fn stale(trials: &[Trial]) -> Vec<Finding> {
    let refused = trials.iter().filter_map(|trial| Some((trial, trial.refused.as_ref()?)));
    refused
        .map(|(trial, why)| {
            let what = format!("the patch does not apply: {why}");
            Finding::new(&trial.path, 1, what, "plant the bug in the sources as they are now and write its diff anew")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::{Trial, check, stale};
    use crate::tree::Tree;

    #[test]
    fn a_patch_that_its_source_has_left_behind_is_found() {
        let trial =
            |path: &str, refused: Option<&str>| Trial { path: path.into(), refused: refused.map(str::to_owned) };
        let found = shown(&stale(&[
            trial("loom-tests/bugs/a-b.patch", None),
            trial("loom-tests/bugs/a-c.patch", Some("error: patch failed: x.rs:7")),
        ]));
        assert_eq!(found.len(), 1, "{found:?}");
        let text = "loom-tests/bugs/a-c.patch:1: the patch does not apply: error: patch failed: x.rs:7";
        assert!(found[0].starts_with(text), "{found:?}");
    }

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
