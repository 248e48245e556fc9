//! Rule: the top level holds what a visitor expects and nothing else. Files that start with a dot are free.

use super::Finding;
use crate::tree::Tree;

const REQUIRED: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "crates", "benches", "examples", "loom-tests", "docs", "README.md"];
const OPTIONAL: [&str; 6] =
    ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "clippy.toml", "rustfmt.toml", "deny.toml"];

/// Looks at the first part of every path.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut present: Vec<&str> =
        tree.files().map(|file| file.path.split_once('/').map_or(file.path.as_str(), |(top, _)| top)).collect();
    present.sort_unstable();
    present.dedup();
    let known = |name: &str| {
        name.starts_with('.') || name.starts_with("LICENSE-") || REQUIRED.contains(&name) || OPTIONAL.contains(&name)
    };
    let surplus = present.iter().filter(|name| !known(name)).map(|name| {
        Finding::new(name, 1, "does not belong at the top level", "move it below crates, benches, examples or docs")
    });
    let missing = REQUIRED
        .iter()
        .filter(|name| !present.contains(name))
        .map(|name| Finding::new(name, 1, "is missing at the top level", "add it"));
    surplus.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::check;
    use crate::tree::Tree;

    const COMPLETE: [(&str, &str); 10] = [
        ("Cargo.toml", ""),
        ("Cargo.lock", ""),
        ("crates/a/Cargo.toml", ""),
        ("benches/Cargo.toml", ""),
        ("examples/Cargo.toml", ""),
        ("loom-tests/Cargo.toml", ""),
        ("docs/a.md", ""),
        ("README.md", ""),
        (".ci/run", ""),
        ("LICENSE-MIT", ""),
    ];

    #[test]
    fn the_agreed_layout_passes() {
        assert_eq!(shown(&check(&Tree::of(&COMPLETE))), [""; 0]);
    }

    #[test]
    fn a_new_and_a_missing_entry_are_found() {
        let mut files = COMPLETE.to_vec();
        files[7] = ("scripts/run.sh", "");
        let found = shown(&check(&Tree::of(&files)));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("scripts:1: does not belong"), "{found:?}");
        assert!(found[1].starts_with("README.md:1: is missing"), "{found:?}");
    }
}
