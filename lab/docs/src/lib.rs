//! The tables of README.md and `docs/` that say what the code holds.
//!
//! Each stands between `<!-- generated: NAME -->` and `<!-- end -->`. `cargo docs` writes them; a test fails where one
//! differs from the code.

use std::io;
use std::path::{Path, PathBuf};

mod tables;

/// The command that writes the blocks.
pub const COMMAND: &str = "cargo docs";

const END: &str = "<!-- end -->";

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README.md and every document of `docs/`.
///
/// # Errors
/// The folder can't be read.
pub fn documents(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("docs"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The text with its blocks as they should be.
///
/// # Errors
/// A sentence: a block without end, or of an unknown name.
pub fn generated(text: &str) -> Result<String, String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- generated: ") {
        let (name, after) = after.split_once(" -->").ok_or("a mark of a generated block has no end")?;
        let block = tables::block(name).ok_or_else(|| format!("there is no generated block `{name}`"))?;
        let (_, after) = after.split_once(END).ok_or_else(|| format!("the block `{name}` has no {END}"))?;
        whole.push_str(&format!("{before}<!-- generated: {name} -->\n{block}{END}"));
        rest = after;
    }
    Ok(whole + rest)
}
