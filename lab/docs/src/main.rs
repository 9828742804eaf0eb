//! Writes every generated block of README.md and `docs/`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    for document in docs::documents(&docs::root())? {
        let text = std::fs::read_to_string(&document)?;
        let written = docs::generated(&text).map_err(|why| format!("{}: {why}", document.display()))?;
        if written != text {
            std::fs::write(&document, written)?;
            println!("wrote {}", document.display());
        }
    }
    Ok(())
}
