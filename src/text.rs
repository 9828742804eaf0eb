//! Words of a person, of AWS or of an endpoint, made fit for a log line, a tag, a message.

/// The text without what could forge a line or reverse its reading: control and bidirectional characters become
/// spaces.
pub fn folded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_bidirectional(c) { ' ' } else { c }).collect()
}

/// What AWS calls something, fit to be shown. Nothing that AWS names is longer than a record; source: `Name` of
/// `ResourceRecordSet` in the Route 53 API. It is for what is kept, after it was understood: folding before that could
/// make sense of what makes none.
pub fn named(text: &str) -> String {
    cut(&folded(text), 1024)
}

/// Characters that change the direction of the text around them, and separators that end a line or a paragraph.
/// Source: Unicode Standard Annex 9, "Explicit Directional Formatting Characters".
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most this many characters of the text; where some are left out, it ends in `…`.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}
