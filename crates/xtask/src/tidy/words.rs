//! Rule: nothing unfinished, nothing switched off, and no trace of the machine it was written on.
//!
//! Three lists: marks of unfinished work, tests that do not run or pass by failing, and paths or hosts of one machine. The
//! words are put together from halves here, so that this file passes its own rule.

use super::Finding;
use crate::source::{code_only, is_word, without_code_spans, words};
use crate::tree::{File, Tree, numbered};

const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const MACROS: [&str; 2] = [concat!("todo", "!"), concat!("unimplemented", "!")];
const SWITCHED_OFF: [&str; 3] = [concat!("should_", "panic"), concat!("#[ig", "nore"), concat!("```ig", "nore")];
const PLACES: [&str; 4] = [concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/ho", "me/"), concat!("../sha", "red")];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Looks at every line of every file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files().flat_map(|file| [marks(file), tests(file), places(file), registries(file)].concat()).collect()
}

/// Marks of unfinished work; a document may name them as code.
fn marks(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let markdown = file.path.ends_with(".md");
    for (line, text) in file.lines() {
        let prose = if markdown { without_code_spans(text) } else { text.to_owned() };
        for mark in MARKS.iter().filter(|mark| !words(&prose, mark).is_empty()) {
            let instead = "do it now, or leave it to an issue and say here what holds today";
            findings.push(Finding::new(&file.path, line, format!("`{mark}`"), instead));
        }
    }
    if file.is_rust() {
        for (line, text) in numbered(&code_only(&file.text)) {
            for name in MACROS.iter().filter(|name| !words(text, name).is_empty()) {
                let instead = "write it, or leave the item out until it has content";
                findings.push(Finding::new(&file.path, line, format!("`{name}`"), instead));
            }
        }
    }
    findings
}

/// Tests that do not run, or that pass on any panic; examples in comments count as tests.
fn tests(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in file.lines().filter(|_| file.is_rust()) {
        for word in SWITCHED_OFF.iter().filter(|word| text.contains(*word)) {
            let instead = "assert what happens (catch the panic and look at it), or delete the test";
            findings.push(Finding::new(&file.path, line, format!("`{word}`"), instead));
        }
    }
    findings
}

/// Paths that exist on one machine only.
fn places(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        for place in PLACES.iter().filter(|place| names_place(text, place)) {
            let what = format!("a path of one machine, `{place}`");
            findings.push(Finding::new(&file.path, line, what, "write it relative to the repository, or leave it out"));
        }
    }
    findings
}

/// True if `place` stands in the text as the beginning of a path, not in the middle of another.
fn names_place(text: &str, place: &str) -> bool {
    text.match_indices(place).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + place.len()..].chars().next();
        let in_path = before.is_some_and(|c| is_word(c) || "./-}$*".contains(c));
        !in_path && (place.ends_with('/') || !after.is_some_and(|c| is_word(c) || c == '-'))
    })
}

/// A registry other than the public one, which a fresh clone could not reach.
fn registries(file: &File) -> Vec<Finding> {
    let foreign = |text: &str| match file.path.rsplit('/').next() {
        Some("Cargo.lock") => {
            text.contains(concat!("sou", "rce = \"")) && text.contains("registry") && !text.contains(CRATES_IO)
        }
        Some("Cargo.toml" | "config.toml") => {
            text.contains("registry = ") || text.contains("registries") || text.contains("replace-with")
        }
        _ => text.contains(concat!("sparse", "+http")) || text.contains(concat!("arti", "factory")),
    };
    let finding = |(line, _): (usize, &str)| {
        Finding::new(&file.path, line, "a registry that others cannot reach", "use crates.io")
    };
    file.lines().filter(|(_, text)| foreign(text)).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::{MACROS, MARKS, PLACES, SWITCHED_OFF, check};
    use crate::tree::Tree;

    fn findings(path: &str, text: &str) -> Vec<String> {
        shown(&check(&Tree::of(&[(path, text)])))
    }

    #[test]
    fn unfinished_work_is_found() {
        for mark in MARKS {
            assert_eq!(findings("a.rs", &format!("//! A.\n// {mark}: later\n")).len(), 1);
            assert_eq!(findings("a.md", &format!("{mark}: later\n")).len(), 1);
            assert_eq!(findings("a.md", &format!("No `{mark}` is merged.\n")), [""; 0]);
        }
        for name in MACROS {
            assert_eq!(findings("a.rs", &format!("fn f() {{ {name}() }}\n")).len(), 1);
            assert_eq!(findings("a.rs", &format!("// never {name}\nlet x = my_{name}();\n")), [""; 0]);
        }
    }

    #[test]
    fn tests_that_are_switched_off_are_found() {
        for word in SWITCHED_OFF {
            let found = findings("a.rs", &format!("fn a() {{}}\n    {word}]\n"));
            assert_eq!(found.len(), 1);
            assert!(found[0].starts_with("a.rs:2:"), "{found:?}");
        }
        assert_eq!(findings("a.rs", "#[test]\nfn it_must_not_panic() {}\n"), [""; 0]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for place in PLACES {
            assert_eq!(findings("a.md", &format!("see {place}")).len(), 1, "{place}");
            assert_eq!(findings("a.md", &format!("see `{}/x`", place.trim_end_matches('/'))).len(), 1, "{place}");
        }
        for fine in
            [".github/workflows/ci.yml", "callers/workers", "crates/root.rs", concat!("a/wo", "rk/b"), "the /workers"]
        {
            assert_eq!(findings("a.md", fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn a_private_registry_is_found() {
        let lock = |source: &str| findings("Cargo.lock", &format!("name = \"a\"\nsource = \"{source}\"\n"));
        assert_eq!(lock("registry+https://github.com/rust-lang/crates.io-index"), [""; 0]);
        assert_eq!(lock("registry+https://mirror.example/index").len(), 1);
        assert_eq!(findings(".cargo/config.toml", "replace-with = \"mirror\"\n").len(), 1);
    }
}
