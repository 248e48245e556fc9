//! The members of the workspace and their edges, as cargo itself sees them.
//!
//! Edges of every kind count (ordinary, of tests, of one target only): a test that reaches upwards is as much a knot as
//! code that does.

use serde_json::Value;

use crate::shell;

/// One member package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name of the package, such as `freeboard-signal`.
    pub(crate) package: String,
    /// The directory from the root of the workspace, such as `crates/signal`.
    pub(crate) dir: String,
    /// The packages of this workspace it depends on, sorted.
    pub(crate) needs: Vec<String>,
}

impl Member {
    /// The name used in our documents: `freeboard-signal` is `signal`.
    pub(crate) fn short(&self) -> &str {
        short(&self.package)
    }
}

/// The name of a package as used in our documents.
pub(crate) fn short(package: &str) -> &str {
    package.strip_prefix("freeboard-").unwrap_or(package)
}

/// The members, sorted by name.
pub(crate) fn members() -> Result<Vec<Member>, String> {
    parse(&shell::read(&mut shell::cargo(["metadata", "--no-deps", "--format-version", "1"]))?)
}

fn parse(metadata: &str) -> Result<Vec<Member>, String> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| format!("cargo metadata is no JSON: {error}"))?;
    let root = metadata["workspace_root"].as_str().ok_or("cargo metadata names no workspace root")?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = packages.iter().map(name).collect();
    let mut members: Vec<Member> = packages
        .iter()
        .map(|package| {
            let manifest = package["manifest_path"].as_str().unwrap_or_default();
            let dir = manifest.strip_prefix(root).unwrap_or(manifest).trim_matches(['/', '\\']);
            let dir = dir.strip_suffix("Cargo.toml").unwrap_or(dir).trim_end_matches(['/', '\\']).replace('\\', "/");
            let mut needs: Vec<String> = package["dependencies"].as_array().into_iter().flatten().map(name).collect();
            needs.retain(|need| names.contains(need));
            needs.sort();
            needs.dedup();
            Member { package: name(package), dir, needs }
        })
        .collect();
    members.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(members)
}

/// The given packages and everything that depends on them, directly or not; sorted.
pub(crate) fn with_dependents(members: &[Member], touched: &[String]) -> Vec<String> {
    let mut all = touched.to_vec();
    loop {
        let reaches = |member: &&Member| !all.contains(&member.package) && member.needs.iter().any(|n| all.contains(n));
        let more: Vec<String> = members.iter().filter(reaches).map(|member| member.package.clone()).collect();
        if more.is_empty() {
            all.sort();
            all.dedup();
            return all;
        }
        all.extend(more);
    }
}

#[cfg(test)]
pub(crate) fn member(package: &str, dir: &str, needs: &[&str]) -> Member {
    Member {
        package: package.to_owned(),
        dir: dir.to_owned(),
        needs: needs.iter().map(|&need| need.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{member, parse, with_dependents};

    #[test]
    fn metadata_is_reduced_to_the_edges_between_members() {
        let metadata = r#"{"workspace_root": "/r", "packages": [
            {"name": "freeboard-mailbox", "manifest_path": "/r/crates/mailbox/Cargo.toml", "dependencies": [
                {"name": "hashbrown"}, {"name": "freeboard-signal"}, {"name": "freeboard-signal", "kind": "dev"}]},
            {"name": "freeboard-signal", "manifest_path": "/r/crates/signal/Cargo.toml", "dependencies": []}]}"#;
        let expected = vec![
            member("freeboard-mailbox", "crates/mailbox", &["freeboard-signal"]),
            member("freeboard-signal", "crates/signal", &[]),
        ];
        assert_eq!(parse(metadata).expect("it parses"), expected);
        assert_eq!(expected[0].short(), "mailbox");
    }

    #[test]
    fn dependents_are_followed_to_the_end() {
        let members =
            [member("a", "a", &[]), member("b", "b", &["a"]), member("c", "c", &["b"]), member("d", "d", &[])];
        assert_eq!(with_dependents(&members, &["a".to_owned()]), ["a", "b", "c"]);
        assert_eq!(with_dependents(&members, &["d".to_owned()]), ["d"]);
    }
}
