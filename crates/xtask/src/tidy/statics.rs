//! Rule: no static holds state, so that two nodes can live in one program and a simulation sees everything.
//!
//! The one exception is a thread-local cell that is set while a process is polled and empty otherwise; it stands in
//! `crates/process/src/current.rs` and nowhere else.

use super::Finding;
use crate::source::{code_only, words};
use crate::tree::{Tree, numbered};

const EXCEPTION: &str = "crates/process/src/current.rs";

/// Looks for statics in the sources of every crate.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/") && file.path.contains("/src/")) {
        let code = code_only(&file.text);
        // The exception is one macro with one item in it.
        let mut macros_left = usize::from(file.path == EXCEPTION);
        let mut items_left = macros_left;
        for (line, text) in numbered(&code) {
            if !words(text, "thread_local!").is_empty() {
                if macros_left == 0 {
                    let what = "a thread-local outside the one allowed line";
                    let instead = format!("keep the state in the node or the context; the exception is in {EXCEPTION}");
                    findings.push(Finding::new(&file.path, line, what, instead));
                }
                macros_left = macros_left.saturating_sub(1);
            } else if words(text, "static").iter().any(|&at| !text[..at].ends_with('\'')) {
                if items_left == 0 {
                    let instead = "keep the state in the node, or make it a `const`";
                    findings.push(Finding::new(&file.path, line, "a static item", instead));
                }
                items_left = items_left.saturating_sub(1);
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

    const CELL: &str = "//! The cell.\nthread_local! {\n    static CURRENT: Cell<u8> = const { Cell::new(0) };\n}\n";

    fn findings(path: &str, text: &str) -> Vec<String> {
        shown(&check(&Tree::of(&[(path, text)])))
    }

    #[test]
    fn a_static_is_found() {
        let found = findings("crates/a/src/b.rs", "fn f() {\n    static COUNT: u8 = 0;\n}\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/a/src/b.rs:2: a static item"), "{found:?}");
    }

    #[test]
    fn lifetimes_comments_and_strings_pass() {
        let text = "// static A\nfn f<T: 'static>(x: &'static str) { g(\"static B: u8\") }\n";
        assert_eq!(findings("crates/a/src/b.rs", text), [""; 0]);
        assert_eq!(findings("crates/a/tests/b.rs", "static A: u8 = 0;\n"), [""; 0], "a test program may count");
    }

    #[test]
    fn the_one_cell_passes_where_it_belongs_and_only_once() {
        assert_eq!(findings("crates/process/src/current.rs", CELL), [""; 0]);
        assert_eq!(findings("crates/process/src/node.rs", CELL).len(), 2);
        assert_eq!(findings("crates/process/src/current.rs", &CELL.repeat(2)).len(), 2);
    }
}
