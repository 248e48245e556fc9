//! Rule: no test sleeps. A test that waits for the wall clock is slow when it passes and wrong when the machine is busy.
//!
//! A node's own `sleep` is not meant: under the simulator its time is virtual.

use super::Finding;
use crate::source::{code_only, is_test_file, test_module_lines, words};
use crate::tree::{Tree, numbered};

const SLEEPS: [&str; 5] = ["thread::sleep(", "sleep_ms(", "time::sleep(", "time::sleep_until(", "park_timeout("];

/// Looks for calls that sleep, in test files and test modules.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = code_only(&file.text);
        let modules = test_module_lines(&code);
        let is_test = |line| is_test_file(&file.path) || modules.iter().any(|module| module.contains(&line));
        for (line, text) in numbered(&code).filter(|(line, _)| is_test(*line)) {
            for sleep in SLEEPS.iter().filter(|sleep| !words(text, sleep).is_empty()) {
                let what = format!("a test calls `{sleep}..)`");
                let instead = "use virtual time, or let the other side hand over explicitly";
                findings.push(Finding::new(&file.path, line, what, instead));
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

    const SLEEPER: &str = "fn f() {\n    thread::sleep(d);\n}\n";

    #[test]
    fn a_sleeping_test_is_found_wherever_tests_live() {
        let module = format!("fn g() {{}}\n#[cfg(test)]\nmod tests {{\n{SLEEPER}}}\n");
        for (path, text, line) in [
            ("crates/a/tests/it/b.rs", SLEEPER, 2),
            ("loom-tests/tests/b.rs", SLEEPER, 2),
            ("crates/a/src/b.rs", &module, 5),
        ] {
            let found = shown(&check(&Tree::of(&[(path, text)])));
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert!(found[0].starts_with(&format!("{path}:{line}: a test calls `thread::sleep(")), "{found:?}");
        }
    }

    #[test]
    fn code_that_is_no_test_and_text_about_sleeping_pass() {
        let after = format!("#[cfg(test)]\nmod tests {{}}\n{SLEEPER}");
        let text = "// sleep(1)\nfn f() { oversleep(1); cx.sleep(1); g(\"sleep(1)\") }\n";
        assert_eq!(shown(&check(&Tree::of(&[("crates/a/src/b.rs", &after), ("crates/a/tests/c.rs", text)]))), [""; 0]);
    }
}
