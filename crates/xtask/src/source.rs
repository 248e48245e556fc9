//! Just enough of Rust's syntax to tell code from comments and strings, and tests from the rest.
//!
//! This is a lexer for rules that look for a word, not a parser: it knows comments, strings, characters and braces. It
//! does not expand macros, so an item that a macro makes out of its arguments is seen only where it is written.

/// The text with every comment and every string or character literal blanked out, line by line the same.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skip(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn skip(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied();
    let inside_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if next(1) == Some('/') => find(chars, at, '\n'),
        '/' if next(1) == Some('*') => block_comment(chars, at),
        '"' => quoted(chars, at, '"'),
        '\'' if next(1) == Some('\\') || next(2) == Some('\'') => quoted(chars, at, '\''),
        'r' if !inside_word => raw_string(chars, at + 1).unwrap_or(at),
        'b' | 'c' if !inside_word && next(1) == Some('r') => raw_string(chars, at + 2).unwrap_or(at),
        _ => at,
    }
}

fn find(chars: &[char], from: usize, wanted: char) -> usize {
    chars[from..].iter().position(|&c| c == wanted).map_or(chars.len(), |offset| from + offset)
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string whose hashes or quote stand at `at`; `None` if it is no raw string (`r#match`, or a word).
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|&&c| c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let mut end = at + hashes + 1;
    while end < chars.len() {
        if chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes {
            return Some(end + 1 + hashes);
        }
        end += 1;
    }
    Some(chars.len())
}

/// True for a character that can stand in an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The byte positions at which `needle` stands in `line` as a word of its own, not as a part of a longer one.
pub(crate) fn words(line: &str, needle: &str) -> Vec<usize> {
    let starts_free = |at: usize| !line[..at].chars().next_back().is_some_and(is_word);
    let ends_free = |at: usize| !line[at + needle.len()..].chars().next().is_some_and(is_word);
    let word_at_end = needle.chars().next_back().is_some_and(is_word);
    line.match_indices(needle)
        .map(|(at, _)| at)
        .filter(|&at| starts_free(at) && (!word_at_end || ends_free(at)))
        .collect()
}

/// True if a file holds nothing but tests, as its place says.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.starts_with("loom-tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The numbers of the lines that lie in a `#[cfg(test)]` module written out in the file. `code` comes from [`code_only`].
pub(crate) fn test_module_lines(code: &str) -> Vec<std::ops::RangeInclusive<usize>> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let Some(open) = code[start..].find(['{', ';']).map(|offset| start + offset) else { continue };
        if code[open..].starts_with(';') {
            continue;
        }
        let close = closing_brace(code, open).unwrap_or(code.len());
        found.push(line_of(code, start)..=line_of(code, close));
    }
    found
}

fn closing_brace(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + offset);
        }
    }
    None
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// A line of Markdown without its `code spans`.
pub(crate) fn without_code_spans(line: &str) -> String {
    let mut pieces = line.split('`');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    let mut inside = true;
    for piece in pieces {
        if !inside {
            out.push_str(piece);
        }
        inside = !inside;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{code_only, test_module_lines, without_code_spans, words};

    #[test]
    fn comments_and_literals_are_blanked_and_lines_kept() {
        let text = "let a = \"x // y\"; // static\nlet b = 'c'; /* one /* two */\nstatic */ let c = '\\'';\nfn f<'a>(x: &'a str) {}";
        let code = code_only(text);
        assert_eq!(code.lines().count(), text.lines().count());
        assert!(!code.contains("static") && !code.contains('y'), "{code}");
        assert!(code.contains("fn f<'a>(x: &'a str) {}"), "lifetimes are no literals: {code}");
        assert!(code.contains("let c ="), "{code}");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let code = code_only("let a = r#\"he said \"static\"\"#; let r#type = br\"x\"; let bar = 1;");
        assert!(!code.contains("static"), "{code}");
        assert!(code.contains("let r#type =") && code.contains("let bar = 1;"), "{code}");
    }

    #[test]
    fn a_word_is_not_a_part_of_a_longer_one() {
        assert_eq!(words("sleep(1); oversleep(2); a.sleep(3)", "sleep("), vec![0, 26]);
        assert_eq!(words("statics static", "static"), vec![8]);
    }

    #[test]
    fn a_test_module_spans_to_its_closing_brace() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { {} }\n}\nfn c() {}\n#[cfg(test)]\nmod more;\n";
        assert_eq!(test_module_lines(code), vec![2..=5]);
    }

    #[test]
    fn code_spans_disappear_from_prose() {
        assert_eq!(without_code_spans("see `a](b)` and [c](d)"), "see  and [c](d)");
    }
}
