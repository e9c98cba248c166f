//! Words for what an image shows: those that RAM++ finds and a filter leaves, or those that the user gives. A tag is a part
//! or the background that parts lie on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FoundationError;

/// The filter that holds where neither the user nor the models' folder has one.
pub const FILTER: &str = include_str!("tag_filter.toml");
/// Its name in the models' folder.
pub const FILTER_FILE: &str = "tag_filter.toml";
/// A tag longer than this is no word.
const MOST_LETTERS: usize = 80;

/// A word, and whether it means the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub name: String,
    pub background: bool,
}

/// Reads a list as users write it: `bolt, washer, tray:background`.
///
/// # Errors
/// If it names no part, or holds what is no word.
pub fn parse(text: &str) -> Result<Vec<Tag>, FoundationError> {
    let wrong = |why: String| FoundationError::Tags { why };
    let mut tags: Vec<Tag> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|i| !i.is_empty()) {
        let (name, background) = match item.split_once(':') {
            None => (item, false),
            Some((name, role)) if role.trim() == "background" => (name.trim(), true),
            Some((_, role)) => {
                return Err(wrong(format!(
                    "`{}` is no kind of tag, only background is",
                    role.trim()
                )));
            }
        };
        let name = name.to_lowercase();
        let is_word = name.chars().any(char::is_alphanumeric)
            && name.chars().count() <= MOST_LETTERS
            && !name.contains(['.', '?', '!', '\n']);
        if !is_word {
            return Err(wrong(format!("`{name}` is no word that names a thing")));
        }
        if tags.iter().any(|tag| tag.name == name) {
            return Err(wrong(format!("`{name}` stands there twice")));
        }
        tags.push(Tag { name, background });
    }
    match tags.iter().any(|tag| !tag.background) {
        true => Ok(tags),
        false => Err(wrong("it names no part".into())),
    }
}

/// Which of RAM++'s words name no thing, and which name what things lie on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagFilter {
    /// Words that name no part: colours, places, moods, the taking of pictures.
    dropped: Vec<String>,
    /// Words for what parts lie on.
    background: Vec<String>,
    /// Where it was read from, for messages.
    #[serde(skip)]
    pub place: String,
}

impl TagFilter {
    /// The named file, else that of the models' folder, else the one built in.
    pub fn load(named: Option<&Path>, models: &Path) -> Result<Self, FoundationError> {
        let beside = models.join(FILTER_FILE);
        let path: Option<PathBuf> = match named {
            Some(named) => Some(named.to_owned()),
            None => beside.is_file().then_some(beside),
        };
        let Some(path) = path else {
            return Self::parse(FILTER, &models.join("tag_filter.toml (built in)"));
        };
        let text =
            std::fs::read_to_string(&path).map_err(|source| FoundationError::Unreadable {
                path: path.clone(),
                source,
            })?;
        Self::parse(&text, &path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, FoundationError> {
        let mut filter: TagFilter =
            toml::from_str(text).map_err(|error| FoundationError::Line {
                path: path.to_owned(),
                line: line_of(text, error.span().map_or(0, |span| span.start)),
                text: error.message().to_owned(),
                wanted: "tag filter, which has the lists `dropped` and `background`",
            })?;
        let words = filter.dropped.iter_mut().chain(&mut filter.background);
        words.for_each(|word| *word = word.to_lowercase());
        filter.place = path.display().to_string();
        Ok(filter)
    }

    /// The tag of a word; none where the filter drops it.
    pub fn tag(&self, word: &str) -> Option<Tag> {
        // A stop would end the tag within GroundingDINO's prompt.
        let name = word.trim().to_lowercase().replace(['.', '?', '!'], " ");
        if name.trim().is_empty() || self.dropped.contains(&name) {
            return None;
        }
        let background = self.background.contains(&name);
        Some(Tag { name, background })
    }
}

/// The line of a place in a text, from 1.
fn line_of(text: &str, place: usize) -> usize {
    let before = text.as_bytes().iter().take(place);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_parts_and_background() {
        let tags = parse(" Bolt, hex washer ,tray:background,").unwrap();
        let named: Vec<(&str, bool)> = tags
            .iter()
            .map(|t| (t.name.as_str(), t.background))
            .collect();
        assert_eq!(
            named,
            [("bolt", false), ("hex washer", false), ("tray", true)]
        );
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused_in_a_sentence() {
        for (text, fault) in [
            ("", "names no part"),
            ("tray:background", "names no part"),
            ("bolt:part", "`part` is no kind of tag"),
            ("bolt, --", "`--` is no word"),
            ("bolt, bolt", "twice"),
            ("a. b", "no word"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(fault), "{text}: {message}");
        }
    }

    #[test]
    fn the_filter_that_is_built_in_leaves_things_and_knows_what_they_lie_on() {
        let filter = TagFilter::load(None, Path::new("nowhere")).unwrap();
        let tag = |word| filter.tag(word).map(|tag| tag.background);
        assert_eq!(tag("screw"), Some(false));
        assert_eq!(tag("Table"), Some(true));
        assert_eq!(tag("white"), None);
        assert_eq!(tag("photo"), None);
    }

    #[test]
    fn a_filter_that_a_user_broke_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILTER_FILE);
        std::fs::write(&path, "dropped = [\"red\"]\nbackgrond = []\n").unwrap();
        let message = TagFilter::load(None, folder.path())
            .unwrap_err()
            .to_string();
        assert!(message.contains("line 2"), "{message}");
        let named = TagFilter::load(Some(Path::new("/nowhere/f.toml")), folder.path());
        assert!(named.unwrap_err().to_string().contains("/nowhere/f.toml"));
    }
}
