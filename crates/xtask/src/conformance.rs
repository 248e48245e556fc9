//! `cargo xtask conformance`: which test holds which item of `docs/conformance.md`.
//!
//! An item is a row of a table there: `| A1 | MUST | title | state |`, with the state empty, a deviation (`DEV-03`) or
//! `later`. A test names the items it holds in a comment beside its attribute: `// OTP: A1, A2`. At most three, or the
//! claim means nothing; a test driven by a table says `// OTP table: A1–A5`. Tests of the whole repository count, those in
//! `benches/` do not.
//!
//! It fails on a claim that cannot be right (no such item, too many, no test beside the comment). Open items fail it only
//! under `--strict`. It does not judge whether the test is a good one.

use std::collections::BTreeMap;

use crate::tree::{File, Tree, numbered};

const TABLE: &str = "docs/conformance.md";
const DEVIATIONS: &str = "docs/deviations.md";
const MOST: usize = 3;

/// What to print and when to fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Only the items that the block `slice` of the table's file names.
    pub(crate) slice: bool,
    /// Fail on a MUST that is held by nothing.
    pub(crate) strict: bool,
}

impl Options {
    /// Reads the arguments behind `conformance`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        args.iter().try_fold(Self::default(), |options, &arg| match arg {
            "--slice" => Ok(Self { slice: true, ..options }),
            "--strict" => Ok(Self { strict: true, ..options }),
            unknown => Err(format!("`conformance` does not take `{unknown}`")),
        })
    }
}

/// Prints the items and who holds them.
///
/// # Errors
/// Claims that cannot be right; under `--strict` also open MUSTs.
pub(crate) fn run(options: Options) -> Result<(), String> {
    let report = report(&Tree::load()?, options)?;
    print!("{}", report.text);
    if options.strict && report.open_musts > 0 {
        return Err(format!("{} MUST items are held by neither a test nor a deviation", report.open_musts));
    }
    Ok(())
}

#[derive(Debug)]
struct Report {
    text: String,
    open_musts: usize,
}

fn report(tree: &Tree, options: Options) -> Result<Report, String> {
    let file = tree.file(TABLE).ok_or_else(|| format!("{TABLE} is missing: it lists the items"))?;
    let mut items = items(file)?;
    let claims = claims(tree)?;
    let mut errors = Vec::new();
    for item in &items {
        for deviation in item.deviations() {
            if !tree.file(DEVIATIONS).is_some_and(|file| file.text.contains(deviation)) {
                errors.push(format!("{TABLE}:{}: {DEVIATIONS} has no {deviation}; write it there first", item.line));
            }
        }
    }
    let mut holders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for claim in &claims {
        for name in &claim.items {
            if !items.iter().any(|item| item.name == *name) {
                errors.push(format!("{}: there is no item {name} in {TABLE}; correct the number", claim.place));
            }
            holders.entry(name).or_default().push(&claim.test);
        }
    }
    if options.slice {
        let slice = slice(file)?;
        for name in slice.iter().filter(|name| !items.iter().any(|item| item.name == **name)) {
            errors.push(format!("{TABLE}: the slice names {name}, which is no item; correct the number"));
        }
        items.retain(|item| slice.contains(&item.name));
    }
    if errors.is_empty() {
        Ok(render(&items, &holders))
    } else {
        Err(format!("claims to correct:\n{}", errors.join("\n")))
    }
}

/// One row of the table.
#[derive(Debug)]
struct Item {
    name: String,
    level: String,
    title: String,
    state: String,
    line: usize,
}

impl Item {
    fn deviations(&self) -> impl Iterator<Item = &str> {
        self.state.split([',', ' ']).filter(|word| word.starts_with("DEV-"))
    }
}

fn items(file: &File) -> Result<Vec<Item>, String> {
    let mut items: Vec<Item> = Vec::new();
    for (line, text) in file.lines().filter(|(_, text)| text.starts_with('|')) {
        let cells: Vec<&str> = text.trim().trim_matches('|').split('|').map(str::trim).collect();
        let &[name, level, ref title @ .., state] = &cells[..] else { continue };
        if !is_item(name) {
            continue;
        }
        if !["MUST", "SHOULD", "MAY", "N-A"].contains(&level) {
            return Err(format!("{TABLE}:{line}: the level of {name} is `{level}`; write MUST, SHOULD or N-A"));
        }
        if items.iter().any(|item| item.name == name) {
            return Err(format!("{TABLE}:{line}: {name} stands twice; keep one row"));
        }
        let [name, level, state] = [name, level, state].map(str::to_owned);
        items.push(Item { name, level, title: title.join("|"), state, line });
    }
    if items.is_empty() { Err(format!("{TABLE} has no row like `| A1 | MUST | title | |`")) } else { Ok(items) }
}

/// True for a letter and a number: `A1`, `G50`.
fn is_item(word: &str) -> bool {
    let number = word.strip_prefix(|c: char| c.is_ascii_uppercase());
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// The items of a list such as `A1–A3, B7`; ranges are written out.
fn item_list(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for word in text.split([',', ';', ' ']).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty()) {
        let (first, last) = word.split_once(['–', '-']).unwrap_or((word, word));
        let letter = |name: &str| name.chars().next();
        let number = |name: &str| name[1..].parse::<u32>().ok();
        match (is_item(first) && is_item(last) && letter(first) == letter(last)).then(|| (number(first), number(last)))
        {
            Some((Some(from), Some(to))) if from <= to => {
                names.extend((from..=to).map(|number| format!("{}{number}", &first[..1])));
            }
            _ => return Err(format!("`{word}` is no item; write A1 or A1–A5")),
        }
    }
    Ok(names)
}

fn slice(file: &File) -> Result<Vec<String>, String> {
    let block = file.text.lines().skip_while(|line| line.trim() != "```slice").skip(1);
    let names: Vec<&str> = block.take_while(|line| line.trim() != "```").collect();
    if names.is_empty() {
        return Err(format!("{TABLE} has no block ```slice with the items of the slice"));
    }
    item_list(&names.join(" ")).map_err(|error| format!("{TABLE}: in the slice, {error}"))
}

/// What a test says it holds.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    test: String,
    place: String,
    items: Vec<String>,
}

fn claims(tree: &Tree) -> Result<Vec<Claim>, String> {
    let mut claims = Vec::new();
    let mut errors = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/") || file.path.starts_with("loom-tests/")) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (line, text) in numbered(&file.text) {
            let place = format!("{}:{line}", file.path);
            let Some((list, most)) = claimed(text) else { continue };
            let claim = item_list(list).and_then(|items| {
                let name =
                    test_beside(&lines, line - 1).ok_or("no test beside this comment; put it at the `#[test]`")?;
                if items.is_empty() || items.len() > most {
                    let count = items.len();
                    return Err(format!(
                        "{name} claims {count} items, at most {MOST}; split it, or say `// OTP table:`"
                    ));
                }
                Ok(Claim { test: format!("{}::{name}", stem(&file.path)), place: place.clone(), items })
            });
            match claim {
                Ok(claim) => claims.push(claim),
                Err(error) => errors.push(format!("{place}: {error}")),
            }
        }
    }
    if errors.is_empty() { Ok(claims) } else { Err(format!("claims to correct:\n{}", errors.join("\n"))) }
}

/// The list in a comment that claims items, and how many it may name.
fn claimed(line: &str) -> Option<(&str, usize)> {
    let comment = line.trim_start().strip_prefix("// OTP")?;
    if let Some(list) = comment.strip_prefix(" table:") {
        return Some((list, usize::MAX));
    }
    comment.strip_prefix(':').map(|list| (list, MOST))
}

/// The name of the test whose attribute or first line is next to the comment at `at`.
fn test_beside(lines: &[&str], at: usize) -> Option<String> {
    let own_function = at.checked_sub(1).filter(|&above| function(lines[above]).is_some());
    let found =
        own_function.or_else(|| (at + 1..lines.len().min(at + 8)).find(|&line| function(lines[line]).is_some()))?;
    let above = lines[..found].iter().rev().take_while(|line| is_beside_function(line));
    let is_test = above.into_iter().any(|line| line.trim_start().starts_with("#[") && line.contains("test"));
    is_test.then(|| function(lines[found])).flatten()
}

/// True for the lines that may stand between an attribute and its function.
fn is_beside_function(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[") || line.starts_with("//")
}

fn function(line: &str) -> Option<String> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    Some(name.chars().take_while(|&c| crate::source::is_word(c)).collect())
}

/// Where a test lives, short: `crates/process/tests/links.rs` is `process/links`.
fn stem(path: &str) -> String {
    let path = path.trim_start_matches("crates/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.replace("loom-tests/tests/", "loom/").replace("/tests/it/", "/").replace("/tests/", "/").replace("/src/", "/")
}

fn render(items: &[Item], holders: &BTreeMap<&str, Vec<&str>>) -> Report {
    let mut text = String::new();
    let mut totals: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut deviations = 0;
    for item in items.iter().filter(|item| ["MUST", "SHOULD"].contains(&item.level.as_str())) {
        let tests = holders.get(item.name.as_str()).cloned().unwrap_or_default();
        let deviates = item.deviations().next().is_some();
        let held = deviates || !tests.is_empty();
        let (done, all) = totals.entry(&item.level).or_default();
        *done += usize::from(held);
        *all += 1;
        deviations += usize::from(deviates);
        let mark = if held { "+" } else { "-" };
        text.push_str(&format!("{mark} {:4} {:6} {}\n", item.name, item.level, item.title));
        if !item.state.is_empty() {
            text.push_str(&format!("      {}\n", item.state));
        }
        for test in tests {
            text.push_str(&format!("      {test}\n"));
        }
    }
    let total = |level| totals.get(level).copied().unwrap_or_default();
    let (musts, all_musts) = total("MUST");
    let (shoulds, all_shoulds) = total("SHOULD");
    text.push_str(&format!("MUST {musts}/{all_musts} SHOULD {shoulds}/{all_shoulds} deviations {deviations}\n"));
    Report { text, open_musts: all_musts - musts }
}

#[cfg(test)]
mod tests {
    use super::{Options, Report, item_list, report};
    use crate::tree::Tree;

    const ITEMS: &str = "# Items\n\n| item | level | title | state |\n|---|---|---|---|\n| A1 | MUST | one end | |\n\
                         | A2 | MUST | normal | DEV-01 |\n| A3 | SHOULD | loud | later |\n| A4 | N-A | no | |\n\
                         | B1 | MUST | open | |\n\n```slice\nA1–A2\nA3\n```\n";

    fn of(test: &str, options: Options) -> Result<Report, String> {
        report(
            &Tree::of(&[
                ("docs/conformance.md", ITEMS),
                ("docs/deviations.md", "| DEV-01 | A2 |"),
                ("crates/a/tests/it/exit.rs", test),
            ]),
            options,
        )
    }

    #[test]
    fn items_are_listed_with_the_tests_that_hold_them() {
        let report =
            of("//! Tests.\n\n// OTP: A1\n#[test]\nfn ends_once() {}\n", Options::default()).expect("it is right");
        assert!(report.text.contains("+ A1   MUST   one end\n      a/exit::ends_once\n"), "{}", report.text);
        assert!(report.text.contains("+ A2   MUST   normal\n      DEV-01\n"), "{}", report.text);
        assert!(report.text.contains("- A3   SHOULD loud\n      later\n"), "{}", report.text);
        assert!(report.text.ends_with("MUST 2/3 SHOULD 0/1 deviations 1\n"), "{}", report.text);
        assert_eq!(report.open_musts, 1);
    }

    #[test]
    fn the_slice_leaves_the_rest_out() {
        let options = Options { slice: true, ..Options::default() };
        let report = of("//! Tests.\n", options).expect("it is right");
        assert!(!report.text.contains("B1"), "{}", report.text);
        assert!(report.text.ends_with("MUST 1/2 SHOULD 0/1 deviations 1\n"), "{}", report.text);
    }

    #[test]
    fn a_comment_belongs_to_the_test_it_stands_at() {
        for text in [
            "// OTP: B1\n#[tokio::test]\nasync fn here() {}\n",
            "#[test]\n// OTP: B1\nfn here() {}\n",
            "#[test]\nfn here() {\n    // OTP: B1\n    let x = 1;\n}\n#[test]\nfn there() {}\n",
            "// OTP table: A1–A3, B1\n#[test]\nfn here() {}\n",
        ] {
            let report = of(text, Options::default()).expect("it is right");
            assert!(report.text.contains("+ B1   MUST   open\n      a/exit::here\n"), "{text}\n{}", report.text);
        }
    }

    #[test]
    fn claims_that_cannot_be_right_are_errors() {
        for (text, error) in [
            ("// OTP: A9\n#[test]\nfn f() {}\n", "there is no item A9"),
            ("// OTP: A1, A2, A3, B1\n#[test]\nfn f() {}\n", "claims 4 items"),
            ("// OTP: A1\nfn helper() {}\n", "no test beside"),
            ("// OTP: everything\n#[test]\nfn f() {}\n", "`everything` is no item"),
        ] {
            assert!(of(text, Options::default()).is_err_and(|message| message.contains(error)), "{text}");
        }
    }

    #[test]
    fn a_deviation_must_be_written_down() {
        let files = [("docs/conformance.md", "| A1 | MUST | one | DEV-09 |\n"), ("docs/deviations.md", "DEV-01")];
        assert!(report(&Tree::of(&files), Options::default()).is_err_and(|message| message.contains("has no DEV-09")));
    }

    #[test]
    fn ranges_are_written_out() {
        assert_eq!(item_list("A1–A3, B7 C1-C2."), Ok(["A1", "A2", "A3", "B7", "C1", "C2"].map(str::to_owned).to_vec()));
        assert!(item_list("A3–A1").is_err());
        assert!(item_list("A1–B2").is_err());
    }
}
