//! Text from outside (a file's content, a path, bytes from a wire) in a message: it must not move the cursor, colour the
//! terminal or begin another line of a log.

use std::borrow::Cow;

/// Escapes every control character and every character that changes the direction of writing.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match acts(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn acts(character: char) -> bool {
    // Line and paragraph separators, and what changes the direction of writing.
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_the_rest_stays() {
        assert_eq!(printable("Mutter M6 ⌀, Stück 3"), "Mutter M6 ⌀, Stück 3");
        assert_eq!(
            printable("a\x1b[31m\nb\u{9b}c\u{202e}"),
            "a\\u{1b}[31m\\nb\\u{9b}c\\u{202e}"
        );
    }
}
