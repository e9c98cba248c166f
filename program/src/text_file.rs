//! Text files that people write or copy. They are read as UTF-8, and each mistake is one sentence with its line and key.

use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::printable::printable;

/// Why a file can't be read as text, as the end of a sentence that names the file.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error("it can't be read ({0}): check its name and its permissions")]
    Unreadable(#[from] std::io::Error),
    #[error("it is a folder: name the file in it")]
    Folder,
    #[error("it is a pipe or a device: name a file")]
    NoFile,
    #[error("it has more than {most} bytes, so it is another file: name the right one")]
    TooLarge { most: u64 },
    #[error("it is {0} text: save it as UTF-8")]
    OtherEncoding(&'static str),
    #[error("line {line} is not UTF-8 text (byte {byte:02X}): save it as UTF-8")]
    NotUtf8 { line: usize, byte: u8 },
}

impl TextError {
    pub fn is_missing(&self) -> bool {
        matches!(self, TextError::Unreadable(e) if e.kind() == std::io::ErrorKind::NotFound)
    }
}

/// A mistake in a text file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Mistake {
    pub line: usize,
    pub reason: String,
}

impl Mistake {
    pub fn new(line: usize, reason: &str) -> Self {
        Mistake {
            line,
            reason: printable(reason).into_owned(),
        }
    }
}

pub fn read(path: &Path, most: u64) -> Result<String, TextError> {
    let found = path.metadata()?;
    if found.is_dir() {
        return Err(TextError::Folder);
    }
    // Opening a named pipe waits for its writer. A pipe from the shell under /dev or /proc is open already.
    let handed_over = path.starts_with("/dev") || path.starts_with("/proc");
    if !found.is_file() && !handed_over {
        return Err(TextError::NoFile);
    }
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(TextError::TooLarge { most });
    }
    decode(&bytes).map(str::to_owned)
}

/// The text without a byte-order mark.
pub fn decode(bytes: &[u8]) -> Result<&str, TextError> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(TextError::OtherEncoding("UTF-32"));
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(TextError::OtherEncoding("UTF-16")),
        // Without a mark, every other byte of Latin text is zero.
        [0, a, 0, b, ..] | [a, 0, b, 0, ..] if *a > 0 && *b > 0 => {
            return Err(TextError::OtherEncoding("UTF-16"));
        }
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let (before, rest) = bytes.split_at(error.valid_up_to());
        TextError::NotUtf8 {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            byte: rest.first().copied().unwrap_or_default(),
        }
    })
}

pub fn toml<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    ::toml::from_str(text).map_err(|error| mistake(text, error))
}

/// The line, from 1, in which this byte lies.
pub fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|&&b| b == b'\n').count() + 1
}

pub fn mistake(text: &str, mut error: ::toml::de::Error) -> Mistake {
    if let Some(at) = lone_carriage_return(text) {
        let reason = "it ends in CR alone, as lines did on old Macs: save the file with line ends LF or CRLF";
        return Mistake::new(line_of(text, at), reason);
    }
    let line = line_of(text, error.span().map_or(0, |span| span.start));
    // The parser's syntax errors have no key, so the line itself is examined.
    let is_syntax = text.parse::<::toml::Table>().is_err();
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let reason = match is_syntax
        .then(|| in_line(source, error.message()))
        .flatten()
    {
        Some(reason) => reason,
        None => {
            let message = plain(error.message());
            error.set_input(None);
            let full = error.to_string();
            let key = full
                .lines()
                .find_map(|l| l.strip_prefix("in `")?.strip_suffix('`'));
            match key {
                Some(key) => format!("`{key}`: {message}"),
                None => message,
            }
        }
    };
    Mistake::new(line, &reason)
}

fn lone_carriage_return(text: &str) -> Option<usize> {
    let mut ends = text.match_indices('\r').map(|(at, _)| at);
    ends.find(|at| text.as_bytes().get(at + 1) != Some(&b'\n'))
}

/// What is wrong on a line that is not valid TOML, where the line shows it.
fn in_line(source: &str, message: &str) -> Option<String> {
    let source = source.trim();
    let Some((key, value)) = source.split_once('=') else {
        return match source.starts_with('[') {
            true if message.contains("duplicate") => {
                Some(format!("the section {source} stands twice: keep one"))
            }
            true => Some(format!("{source} is no section: write it as [section]")),
            false if source.is_empty() => None,
            false => Some(format!(
                "`{source}` is neither a key with a value (key = value) nor a [section]"
            )),
        };
    };
    let (key, value) = (key.trim(), value.trim());
    if message.contains("duplicate") {
        return Some(format!("`{key}` stands twice: keep one"));
    }
    let word = value.split('#').next().unwrap_or_default().trim();
    if word.is_empty() {
        return Some(format!(
            "`{key}` has no value: give one, or remove the line"
        ));
    }
    if word.contains(char::is_control) {
        return Some(format!(
            "`{key}` has a control character in it ({word}): type it anew"
        ));
    }
    let number = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    match word.chars().next()? {
        '"' if message.contains("escape") || word.contains('\\') => Some(format!(
            "the text of `{key}` has a \\ that stands for something else: write paths with / or in single quotes"
        )),
        quote @ ('"' | '\'') if !word[1..].contains(quote) => {
            Some(format!("the text of `{key}` has no closing quote: {quote}"))
        }
        first if number(first) && word.contains(',') => Some(format!(
            "`{key}` is {word}: write decimals with a point"
        )),
        first if number(first) && is_number(word) => Some(format!(
            "`{key}` is {word}: that number is too large or too small to be read"
        )),
        first if number(first) => Some(format!(
            "`{key}` is {word}: write a number alone, without a unit, and text in quotes"
        )),
        first if first.is_alphabetic() || "/\\~_$".contains(first) => Some(format!(
            "the text of `{key}` needs quotes: {key} = \"{}\"",
            word.replace('\\', "/")
        )),
        '"' | '\'' | '[' | '{' => None,
        _ => Some(format!("`{key}` has no value that can be read: {word}")),
    }
    .or_else(|| Some(format!("`{key}`: {}", plain(message))))
}

/// Whether it is written as TOML writes numbers.
fn is_number(word: &str) -> bool {
    let digits = word.replace('_', "");
    let whole = |prefix, base| {
        let digits = digits.strip_prefix(prefix);
        digits.is_some_and(|digits| digits.chars().all(|c: char| c.is_digit(base)))
    };
    digits.parse::<f64>().is_ok() || whole("0x", 16) || whole("0o", 8) || whole("0b", 2)
}

/// The parser's messages in plain words.
fn plain(message: &str) -> String {
    let message = message.replace('\n', " ");
    if let Some(rest) = message.strip_prefix("invalid type: ")
        && let Some((found, expected)) = rest.split_once(", expected ")
    {
        return format!(
            "{} stands where {} is expected",
            kind(found),
            kind(expected)
        );
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    message
        .replace("unknown variant", "unknown word")
        .replace("invalid length", "a wrong number of values")
}

fn kind(found: &str) -> String {
    let named = |what: &str, rest: &str| format!("{what} {}", rest.replace('`', ""));
    match found {
        "f32" | "f64" => "a number".into(),
        "a string" | "path string" | "string" => "text in quotes".into(),
        "a boolean" => "true or false".into(),
        "sequence" | "a sequence" => "a list".into(),
        "map" | "a map" => "a section".into(),
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => {
            "a whole number".into()
        }
        _ if found.starts_with("struct ") => "a section".into(),
        _ => match found.split_once(' ') {
            Some(("string", rest)) => named("the text", rest),
            Some(("integer", rest)) => named("the number", rest),
            Some(("boolean", rest)) => rest.replace('`', ""),
            Some(("floating", rest)) => named("the number", rest.trim_start_matches("point ")),
            _ => found.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only that it can be read matters")]
    struct Section {
        kind: String,
        count: u32,
        share: Option<f64>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only that it can be read matters")]
    struct File {
        section: Section,
    }

    #[test]
    fn text_is_utf_8_with_or_without_a_mark() {
        assert_eq!(decode(b"\xef\xbb\xbf[a]").unwrap(), "[a]");
        let utf16: Vec<u8> = "[a]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, words) in [
            (utf16.clone(), "UTF-16"),
            ([&[0xff, 0xfe], &utf16[..]].concat(), "UTF-16"),
            (
                "[a]\n".encode_utf16().flat_map(u16::to_be_bytes).collect(),
                "UTF-16",
            ),
            (b"\xff\xfe\0\0[\0\0\0".to_vec(), "UTF-32"),
            (
                b"a\n# TM-\xfcr".to_vec(),
                "line 2 is not UTF-8 text (byte FC)",
            ),
        ] {
            let error = decode(&bytes).unwrap_err().to_string();
            assert!(
                error.contains(words) && error.contains("save it as UTF-8"),
                "{error}"
            );
        }
    }

    #[test]
    fn each_mistake_names_its_line_and_key() {
        for (line, words) in [
            (
                "kind = framed",
                "the text of `kind` needs quotes: kind = \"framed\"",
            ),
            (
                "kind = /dev/ttyS0 # the gate",
                "needs quotes: kind = \"/dev/ttyS0\"",
            ),
            ("kind = \"C:\\gate\"", "with / or in single quotes"),
            ("kind = \"framed", "no closing quote"),
            ("kind =", "`kind` has no value"),
            (
                "kind = \"a\u{1b}b\"",
                "control character in it (\"a\\u{1b}b\")",
            ),
            (
                "count = 40ms",
                "`count` is 40ms: write a number alone, without a unit",
            ),
            ("share = 0,5", "decimals with a point"),
            ("count = 99_999_999_999_999_999_999", "too large"),
            ("count = 0x1FFFFFFFFFFFFFFFF", "too large"),
            (
                "share = -1e400",
                "`share` is -1e400: that number is too large",
            ),
            ("kind", "neither a key with a value"),
            ("kind = \"a\"\nkind = \"b\"", "`kind` stands twice"),
            (
                "count = \"4\"",
                "`section.count`: the text \"4\" stands where a whole number",
            ),
            (
                "share = \"half\"",
                "`section.share`: the text \"half\" stands where a number",
            ),
            (
                "kind = 3",
                "`section.kind`: the number 3 stands where text in quotes",
            ),
            (
                "count = 4\nkind = \"a\"\nshape = 3",
                "unknown field `shape`",
            ),
            ("kind = \"a\"", "`section`: `count` is missing"),
        ] {
            let text = format!("# A file.\n[section]\n{line}\n");
            let error = toml::<File>(&text).unwrap_err();
            assert!(error.reason.contains(words), "{line}: {error}");
            assert!(
                (2..=5).contains(&error.line) && !error.reason.contains('\n'),
                "{error}"
            );
        }
        let error = toml::<File>("[section]\n[section]\n").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("line 2: the section [section] stands twice"),
            "{error}"
        );
        let error = toml::<File>("# A file.\r\n[section]\rkind = 3\r").unwrap_err();
        assert!(error.line == 2 && error.reason.contains("CRLF"), "{error}");
        let error = toml::<File>("").unwrap_err();
        assert!(
            error.to_string().contains("`section` is missing"),
            "{error}"
        );
    }

    #[test]
    fn a_pipe_without_a_writer_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("station.toml");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(read(&pipe, 100), Err(TextError::NoFile)));
        assert!(matches!(read(folder.path(), 100), Err(TextError::Folder)));
    }
}
