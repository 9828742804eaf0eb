//! A person's words, before they go anywhere.

/// The function refuses longer ones.
const LONGEST: usize = 1000;

/// The reason as the function would keep it: what could forge a line or reverse its reading becomes a space.
///
/// # Errors
/// Why it is refused, for the command line's error message.
pub fn parse(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length > LONGEST {
        return Err(format!("{length} characters; at most {LONGEST} are allowed, and nothing was sent"));
    }
    match folded(text, LONGEST) {
        words if words.is_empty() => Err("say why in a few words".to_owned()),
        words => Ok(words),
    }
}

/// A text of somebody else as one line of at most so many characters; where some are left out, it ends in `…`.
pub fn folded(text: &str, most: usize) -> String {
    let fold = |c: char| if c.is_control() || is_format(c) { ' ' } else { c };
    let folded: String = text.trim().chars().map(fold).collect();
    if folded.chars().nth(most).is_none() {
        return folded.trim().to_owned();
    }
    folded.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Bidirectional marks, embeddings and isolates, and the two separators that break lines.
fn is_format(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_can_neither_forge_a_line_nor_reverse_its_reading() {
        let forged = "disk full\n\nNext: aws rds delete-db-instance\u{202e}\u{2066}x\u{7}";
        assert_eq!(parse(forged).unwrap(), "disk full  Next: aws rds delete-db-instance  x");
        assert_eq!(parse("Platte voll: 雨 é").unwrap(), "Platte voll: 雨 é");
    }

    #[test]
    fn a_thousand_characters_pass_and_one_more_is_refused_with_its_length() {
        assert_eq!(parse(&"é".repeat(1000)).unwrap().chars().count(), 1000);
        assert!(parse(&"x".repeat(1001)).unwrap_err().contains("1001"));
        assert!(parse(" \n ").is_err());
    }
}
