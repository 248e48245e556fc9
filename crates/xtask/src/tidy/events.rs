//! Rule: every `tracing` event of the sources is in the table of `docs/events.md`, with its level, and nothing else is.
//!
//! An event is known by its message, which is the last thing that its macro is given: what stands before the first `;` of
//! it, without backticks.

use super::Finding;
use crate::source::{code_only, test_module_lines};
use crate::tree::Tree;
use std::collections::BTreeMap;

const PAGE: &str = "docs/events.md";
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// One message of one crate, and the levels it is emitted at.
type Events = BTreeMap<(String, String), Vec<Emitted>>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Emitted {
    level: &'static str,
    path: String,
    line: usize,
}

/// Compares the sources of the library crates with the table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.file(PAGE) else {
        return vec![Finding::new(PAGE, 1, "the page is missing", "list the events there")];
    };
    let (emitted, mut findings) = emitted(tree);
    let told = told(&page.text);
    for ((of, message), places) in &emitted {
        let row = told.iter().find(|row| row.of == *of && row.message == *message);
        for Emitted { level, path, line } in places {
            match row {
                Some(row) if row.levels.iter().any(|known| known == level) => {}
                Some(row) => {
                    let what = format!("the event `{message}` is of level {level}, and {PAGE} says {:?}", row.levels);
                    findings.push(Finding::new(path, *line, what, "say there what it is"));
                }
                None => {
                    let what = format!("the event `{message}` is not in {PAGE}");
                    findings.push(Finding::new(path, *line, what, format!("add a row under `## {of}`")));
                }
            }
        }
    }
    for row in told.iter().filter(|row| !emitted.contains_key(&(row.of.clone(), row.message.clone()))) {
        let what = format!("nobody emits `{}` in {}", row.message, row.of);
        findings.push(Finding::new(PAGE, row.line, what, "take the row out, or correct its message"));
    }
    findings
}

/// A row of the table.
struct Row {
    of: String,
    message: String,
    levels: Vec<String>,
    line: usize,
}

fn told(page: &str) -> Vec<Row> {
    let (mut of, mut rows) = (String::new(), Vec::new());
    for (at, text) in page.lines().enumerate() {
        if let Some(heading) = text.strip_prefix("## ") {
            heading.trim().clone_into(&mut of);
        }
        let mut cells = text.split('|').map(str::trim).skip(1);
        let message = cells.next().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        if let (Some(message), Some(levels)) = (message, cells.next()) {
            let levels = levels.split(',').map(|level| level.trim().to_owned()).collect();
            rows.push(Row { of: of.clone(), message: message.to_owned(), levels, line: at + 1 });
        }
    }
    rows
}

fn emitted(tree: &Tree) -> (Events, Vec<Finding>) {
    let (mut events, mut findings) = (Events::new(), Vec::new());
    for file in tree.rust() {
        let Some((name, _)) = file.path.strip_prefix("crates/").and_then(|path| path.split_once("/src/")) else {
            continue;
        };
        if name == "xtask" {
            continue;
        }
        let code: Vec<char> = code_only(&file.text).chars().collect();
        let text: Vec<char> = file.text.chars().collect();
        let all: String = code.iter().collect();
        let modules = test_module_lines(&all);
        for level in LEVELS {
            let call: Vec<char> = format!("tracing::{level}!").chars().collect();
            for at in (0..code.len()).filter(|&at| code[at..].starts_with(&call)) {
                let line = code[..at].iter().filter(|&&c| c == '\n').count() + 1;
                if modules.iter().any(|module| module.contains(&line)) {
                    continue;
                }
                let place = Emitted { level, path: file.path.clone(), line };
                match message(&code[at..], &text[at..]) {
                    Some(message) => {
                        let of = format!("freeboard_{}", name.replace('-', "_"));
                        events.entry((of, message)).or_default().push(place);
                    }
                    None => {
                        let what = "an event without a message of its own";
                        findings.push(Finding::new(&file.path, line, what, "give it a literal, last"));
                    }
                }
            }
        }
    }
    (events, findings)
}

/// The literal that stands last in the macro call: `text` is `code` with its literals.
fn message(code: &[char], text: &[char]) -> Option<String> {
    let mut depth = 0_usize;
    let end = code.iter().position(|c| {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => {
                depth = depth.saturating_sub(1);
                return depth == 0;
            }
            _ => {}
        }
        false
    })?;
    let inside: String = text[..end].iter().collect();
    let before = inside.trim_end().trim_end_matches(',').trim_end().strip_suffix('"')?;
    let literal = &before[before.rfind('"')? + 1..];
    let lines = literal.split("\\\n").map(str::trim_start);
    let message = lines.collect::<String>().replace('`', "");
    message.split(';').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::check;
    use crate::tree::Tree;

    const PAGE: &str = "## freeboard_a\n| event | level |\n|---|---|\n| `it starts` | info, warn |\n";
    const SOURCE: &str = "fn f() {\n    tracing::info!(%pid, reason = %g(\"x)\"), \"it starts\");\n}\n";

    #[test]
    fn an_event_that_is_in_the_table_passes_and_tests_are_not_asked() {
        let tests = format!("{SOURCE}#[cfg(test)]\nmod tests {{\n    fn g() {{ tracing::info!(\"other\"); }}\n}}\n");
        let tree = Tree::of(&[("docs/events.md", PAGE), ("crates/a/src/b.rs", &tests)]);
        assert_eq!(shown(&check(&tree)), [""; 0]);
    }

    #[test]
    fn an_event_of_another_level_or_text_and_a_row_of_nobody_are_found() {
        let other = "fn f() {\n    tracing::debug!(\n        \"it starts\",\n    );\n    tracing::error!(\"it ends\");\n    tracing::warn!(x);\n}\n";
        let page = format!("{PAGE}| `never` | warn |\n");
        let found = shown(&check(&Tree::of(&[("docs/events.md", &page), ("crates/a/src/b.rs", other)])));
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().any(|found| found.contains("b.rs:2: the event `it starts` is of level debug")));
        assert!(found.iter().any(|found| found.contains("b.rs:5: the event `it ends` is not in")));
        assert!(found.iter().any(|found| found.contains("b.rs:6: an event without a message")));
        assert!(found.iter().any(|found| found.contains("events.md:5: nobody emits `never`")));
    }

    #[test]
    fn a_long_message_is_known_by_its_beginning() {
        let long = "fn f() {\n    tracing::warn!(\n        \"it `starts`; \\\n         do something\"\n    );\n}\n";
        let tree = Tree::of(&[("docs/events.md", PAGE), ("crates/a/src/b.rs", long)]);
        assert_eq!(shown(&check(&tree)), [""; 0]);
    }

    #[test]
    fn a_missing_page_is_a_finding() {
        assert_eq!(check(&Tree::of(&[("crates/a/src/b.rs", SOURCE)])).len(), 1);
    }
}
