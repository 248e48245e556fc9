//! Rule: every Rust file starts by saying what it is, and none is longer than can be read in one go.

use super::Finding;
use crate::tree::Tree;

const LONGEST: usize = 800;

/// Looks at the first line and the length of every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        if !file.text.starts_with("//!") {
            let instead = "start with `//!`: what it is, its invariants, what it deliberately does not do";
            findings.push(Finding::new(&file.path, 1, "the file has no header", instead));
        }
        let length = file.lines().count();
        if length > LONGEST {
            let what = format!("{length} lines, {LONGEST} allowed");
            findings.push(Finding::new(&file.path, LONGEST + 1, what, "split it by what its parts are for"));
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
    fn a_file_without_a_header_is_found() {
        let found = shown(&check(&Tree::of(&[("a.rs", "// not a header\n"), ("b.md", "# Text\n")])));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:1: the file has no header"), "{found:?}");
    }

    #[test]
    fn eight_hundred_lines_pass_and_one_more_does_not() {
        let lines = |count: usize| "//! Long.\n".repeat(count);
        assert_eq!(shown(&check(&Tree::of(&[("a.rs", &lines(800))]))), [""; 0]);
        let found = shown(&check(&Tree::of(&[("a.rs", &lines(801))])));
        assert!(found[0].starts_with("a.rs:801: 801 lines"), "{found:?}");
    }
}
