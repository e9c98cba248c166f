//! Numbers in messages, with nouns that fit them.

use std::fmt::Display;

/// `1 image`, `2 images`.
pub fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let ending = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let counts = [0, 1, 2].map(|count| counted(count, "different part"));
        assert_eq!(
            counts,
            ["0 different parts", "1 different part", "2 different parts"]
        );
    }
}
