//! Rule: a link in a document to a file of the repository leads somewhere.
//!
//! It does not follow links into the network, and it does not look at the part behind `#`.

use super::Finding;
use crate::source::without_code_spans;
use crate::tree::{File, Tree};

/// Follows every relative link of every Markdown file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.files().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|file| check_file(tree, file)).collect()
}

fn check_file(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (line, text) in file.lines() {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        for target in targets(&without_code_spans(text)).iter().filter(|_| !fenced) {
            if !resolve(&file.path, target).is_some_and(|path| tree.has(&path)) {
                let what = format!("the link `{target}` leads nowhere");
                findings.push(Finding::new(&file.path, line, what, "correct the path, relative to this file"));
            }
        }
    }
    findings
}

/// The targets of the links in a line that lead into the repository.
fn targets(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let reference = line.trim_start().starts_with('[').then(|| line.split_once("]: ").map(|(_, target)| target));
    inline
        .chain(reference.flatten())
        .map(|target| target.split_whitespace().next().unwrap_or_default())
        .map(|target| target.trim_matches(['<', '>']).split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// The path of `target` from the root; `None` if it leads out of the repository.
fn resolve(document: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { document.split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::check;
    use crate::tree::Tree;

    fn findings(text: &str) -> Vec<String> {
        shown(&check(&Tree::of(&[("docs/a.md", text), ("docs/adr/0001.md", ""), ("README.md", "")])))
    }

    #[test]
    fn links_that_resolve_pass() {
        let text = "[a](adr/0001.md), [b](../README.md#top), [c](adr/), [d](#here), [e](https://example.org/x)\n\n[f]: adr/0001.md\n";
        assert_eq!(findings(text), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let found = findings("# A\n[a](adr/0002.md) and [b](README.md)\n[c](../../outside.md)\n\n[d]: gone.md\n");
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("docs/a.md:2: the link `adr/0002.md` leads nowhere"), "{found:?}");
    }

    #[test]
    fn code_is_no_link() {
        assert_eq!(findings("`[a](gone.md)`\n```\n[b](gone.md)\n```\n"), [""; 0]);
    }
}
