//! Rule: the dependencies between members are exactly those that docs/architecture.md draws.
//!
//! The drawing is a fenced block named `edges`, one line per member: `process -> mailbox monitor signal`. A member or an
//! edge that is only on one side is a finding, so the drawing cannot grow old.

use super::Finding;
use crate::tree::{File, Tree, numbered};
use crate::workspace::{Member, short};

const DRAWING: &str = "docs/architecture.md";

/// One line of the drawing.
struct Drawn<'a> {
    line: usize,
    member: &'a str,
    needs: Vec<&'a str>,
}

/// Compares the drawing with the members as cargo sees them.
pub(super) fn check(tree: &Tree, members: &[Member]) -> Vec<Finding> {
    let Some(file) = tree.file(DRAWING) else {
        return vec![Finding::new(DRAWING, 1, "the file is missing", "write it, with the edges in a block ```edges")];
    };
    let (drawn, mut findings) = drawing(file);
    let first = drawn.first().map_or(1, |drawn| drawn.line);
    for member in members {
        let name = member.short();
        let Some(drawn) = drawn.iter().find(|drawn| drawn.member == name) else {
            findings.push(Finding::new(DRAWING, first, format!("member `{name}` is not drawn"), "add its line"));
            continue;
        };
        let needs: Vec<&str> = member.needs.iter().map(|need| short(need)).collect();
        for need in needs.iter().filter(|need| !drawn.needs.contains(need)) {
            let manifest = format!("{}/Cargo.toml", member.dir);
            let what = format!("`{name}` depends on `{need}`, which {DRAWING} does not allow");
            findings.push(Finding::new(&manifest, 1, what, "remove the dependency, or draw the edge and say why"));
        }
        for need in drawn.needs.iter().filter(|need| !needs.contains(need)) {
            let what = format!("the edge `{name} -> {need}` does not exist");
            findings.push(Finding::new(DRAWING, drawn.line, what, "remove it from the drawing"));
        }
    }
    for drawn in drawn.iter().filter(|drawn| !members.iter().any(|member| member.short() == drawn.member)) {
        let what = format!("there is no member `{}`", drawn.member);
        findings.push(Finding::new(DRAWING, drawn.line, what, "remove its line"));
    }
    findings
}

fn drawing(file: &File) -> (Vec<Drawn<'_>>, Vec<Finding>) {
    let mut drawn = Vec::new();
    let mut findings = Vec::new();
    let block = numbered(&file.text).skip_while(|(_, line)| line.trim() != "```edges").skip(1);
    for (line, text) in block.take_while(|(_, line)| line.trim() != "```") {
        let Some((member, needs)) = text.split_once("->") else {
            let what = format!("`{}` is no edge", text.trim());
            findings.push(Finding::new(DRAWING, line, what, "write `member -> member member`"));
            continue;
        };
        let needs = needs.split_whitespace().filter(|&need| need != "(none)").collect();
        drawn.push(Drawn { line, member: member.trim(), needs });
    }
    if drawn.is_empty() {
        findings.push(Finding::new(DRAWING, 1, "no block ```edges", "list the edges, `process -> mailbox signal`"));
    }
    (drawn, findings)
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::check;
    use crate::tree::Tree;
    use crate::workspace::{Member, member};

    const DRAWN: &str = "# A\n\n```edges\nsignal -> (none)\nmailbox -> signal\n```\n";

    fn members(mailbox: &[&str]) -> Vec<Member> {
        vec![member("freeboard-mailbox", "crates/mailbox", mailbox), member("freeboard-signal", "crates/signal", &[])]
    }

    fn findings(drawn: &str, members: &[Member]) -> Vec<String> {
        shown(&check(&Tree::of(&[("docs/architecture.md", drawn)]), members))
    }

    #[test]
    fn the_drawn_edges_pass() {
        assert_eq!(findings(DRAWN, &members(&["freeboard-signal"])), [""; 0]);
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_found_at_its_manifest() {
        let drawn = DRAWN.replace("mailbox -> signal", "mailbox ->");
        let found = findings(&drawn, &members(&["freeboard-signal"]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/mailbox/Cargo.toml:1: `mailbox` depends on `signal`"), "{found:?}");
    }

    #[test]
    fn a_drawn_edge_or_member_that_does_not_exist_is_found_at_its_line() {
        let drawn = DRAWN.replace("mailbox -> signal\n", "mailbox -> signal\ntower -> signal\n");
        let found = findings(&drawn, &members(&[]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("docs/architecture.md:5: the edge `mailbox -> signal`"), "{found:?}");
        assert!(found[1].contains("no member `tower`"), "{found:?}");
    }

    #[test]
    fn a_member_without_a_line_and_a_missing_drawing_are_found() {
        let found = findings(&DRAWN.replace("signal -> (none)\n", ""), &members(&["freeboard-signal"]));
        assert!(found[0].contains("member `signal` is not drawn"), "{found:?}");
        assert!(shown(&check(&Tree::of(&[]), &members(&[])))[0].contains("missing"));
    }
}
