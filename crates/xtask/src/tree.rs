//! The source tree as text: every file that git tracks or would track.
//!
//! Rules read this value and never the disk, so each can be tested on a few strings. Build products and ignored files are
//! not in it. Deleted files that git still lists are left out.

use std::path::Path;

use crate::shell;

/// One file: its path from the root of the workspace, with `/`, and its text.
#[derive(Debug)]
pub(crate) struct File {
    /// The path from the root of the workspace.
    pub(crate) path: String,
    /// The contents; bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
}

impl File {
    /// True for Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines with their numbers, counted from one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text)
    }
}

/// The lines of a text with their numbers, counted from one.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// All files, sorted by path.
#[derive(Debug)]
pub(crate) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the tree of the workspace.
    pub(crate) fn load() -> Result<Self, String> {
        let root = shell::root();
        let mut files = Vec::new();
        for path in paths()? {
            let bytes = std::fs::read(root.join(&path)).map_err(|error| format!("cannot read {path}: {error}"))?;
            files.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
        Ok(Self { files })
    }

    /// A tree made of strings: path and text of each file.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        Self { files: files.iter().map(file).collect() }
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Every Rust file.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.is_rust())
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }

    /// True if `path` is a file of the tree, or a directory with one in it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty() || self.files().any(|file| file.path == path || file.path.starts_with(&below))
    }
}

/// The paths of the files that git tracks or would track and that exist, sorted.
pub(crate) fn paths() -> Result<Vec<String>, String> {
    let root = shell::root();
    let listed = shell::read(&mut shell::git(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut paths: Vec<String> = listed.split('\0').filter(|path| is_file(&root, path)).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn is_file(root: &Path, path: &str) -> bool {
    !path.is_empty() && root.join(path).is_file()
}
