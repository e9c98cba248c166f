//! Tags as GroundingDINO reads them: BERT's word pieces, with a stop behind each tag.

use std::ops::Range;
use std::path::Path;

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{Model, Tokenizer};

use super::FoundationError;
use super::network::Tensor;
use super::tags::Tag;

/// Word pieces that GroundingDINO reads at most.
pub const MOST_PIECES: usize = 256;

pub struct WordPieces {
    tokenizer: Tokenizer,
    begin: i64,
    end: i64,
    stop: i64,
}

/// The pieces of some tags, between a beginning and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub pieces: Vec<i64>,
    /// Index of each tag in the list that the prompt was made of, and its pieces.
    pub tags: Vec<(usize, Range<usize>)>,
}

impl WordPieces {
    /// From `tokenizer.json` of a folder, or `vocab.txt`.
    ///
    /// # Errors
    /// If both are missing, or the one that is there can't be read or lacks BERT's own pieces.
    pub fn load(folder: &Path) -> Result<Self, FoundationError> {
        let (json, vocabulary) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        let wrong = |path: &Path, why: String| FoundationError::Tokenizer {
            path: path.to_owned(),
            why,
        };
        let (path, tokenizer) = if json.is_file() {
            let read = Tokenizer::from_file(&json);
            let mut tokenizer = read.map_err(|e| wrong(&json, e.to_string()))?;
            // A prompt is filled up and cut here, never in the middle of a tag.
            tokenizer.with_padding(None);
            let cut = tokenizer.with_truncation(None);
            cut.map_err(|e| wrong(&json, e.to_string()))?;
            (json, tokenizer)
        } else if vocabulary.is_file() {
            let pieces = WordPiece::from_file(&vocabulary.to_string_lossy())
                .unk_token("[UNK]".into())
                .build();
            let pieces = pieces.map_err(|e| wrong(&vocabulary, e.to_string()))?;
            if pieces.get_vocab_size() == 0 {
                return Err(wrong(&vocabulary, "it is empty".into()));
            }
            let mut tokenizer = Tokenizer::new(pieces);
            tokenizer.with_normalizer(Some(BertNormalizer::default()));
            tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
            (vocabulary, tokenizer)
        } else {
            return Err(FoundationError::Missing { path: json });
        };
        let id = |piece: &str| match tokenizer.token_to_id(piece) {
            Some(id) => Ok(i64::from(id)),
            None => Err(wrong(&path, format!("it has no piece `{piece}`"))),
        };
        Ok(Self {
            begin: id("[CLS]")?,
            end: id("[SEP]")?,
            stop: id(".")?,
            tokenizer,
        })
    }

    /// As many prompts as it takes, none of more than `most` pieces.
    ///
    /// # Errors
    /// If one tag alone has more.
    pub fn prompts(&self, tags: &[Tag], most: usize) -> Result<Vec<Prompt>, FoundationError> {
        let most = most.min(MOST_PIECES);
        let mut prompts: Vec<Prompt> = Vec::new();
        for (index, tag) in tags.iter().enumerate() {
            let encoding = self.tokenizer.encode_fast(tag.name.as_str(), false);
            let encoding = encoding.map_err(|e| FoundationError::Tags { why: e.to_string() })?;
            let pieces = encoding.get_ids();
            // A beginning, the tag, its stop, and an end.
            if pieces.len() + 3 > most {
                return Err(FoundationError::LongTag {
                    tag: tag.name.clone(),
                    most,
                });
            }
            let full = |prompt: &Prompt| prompt.pieces.len() + pieces.len() + 2 > most;
            if prompts.last().is_none_or(full) {
                prompts.push(Prompt {
                    pieces: vec![self.begin],
                    tags: Vec::new(),
                });
            }
            if let Some(prompt) = prompts.last_mut() {
                let start = prompt.pieces.len();
                prompt.pieces.extend(pieces.iter().map(|id| i64::from(*id)));
                prompt.tags.push((index, start..prompt.pieces.len()));
                prompt.pieces.push(self.stop);
            }
        }
        let end = |prompt: &mut Prompt| prompt.pieces.push(self.end);
        prompts.iter_mut().for_each(end);
        Ok(prompts)
    }
}

impl Prompt {
    /// The pieces, and how many of them there are, filled up with zeros to `length` where the network's is fixed.
    ///
    /// *Shapes*: `[1, length]` both.
    pub fn ids_and_mask(&self, length: Option<usize>) -> [Tensor; 2] {
        let length = length.unwrap_or(self.pieces.len());
        let padded = |value: &dyn Fn(usize) -> i64| {
            let row = (0..length).map(|i| if i < self.pieces.len() { value(i) } else { 0 });
            Tensor::whole(&[1, length], row.collect())
        };
        [padded(&|i| self.pieces[i]), padded(&|_| 1)]
    }

    /// For the original's export: the position of each piece within its tag, and which pieces see each other, which are
    /// those of one tag and its stop.
    ///
    /// *Shapes*: `[1, length]` and `[1, length, length]`.
    pub fn positions_and_attention(&self, length: Option<usize>) -> [Tensor; 2] {
        let length = length.unwrap_or(self.pieces.len());
        let mut positions = vec![0; length];
        let mut sees = vec![0; length * length];
        (0..length).for_each(|i| sees[i * length + i] = 1);
        for (_, pieces) in &self.tags {
            // The stop behind the tag belongs to it.
            let group = pieces.start..pieces.end + 1;
            for row in group.clone() {
                positions[row] = (row - group.start) as i64;
                group
                    .clone()
                    .for_each(|column| sees[row * length + column] = 1);
            }
        }
        [
            Tensor::whole(&[1, length], positions),
            Tensor::whole(&[1, length, length], sees),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::Numbers;
    use super::super::tags::parse;
    use super::*;

    /// Pieces 0 to 8.
    fn pieces() -> WordPieces {
        let folder = tempfile::tempdir().unwrap();
        let words = [
            "[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "bolt", "wash", "##er", "tray",
        ];
        std::fs::write(folder.path().join("vocab.txt"), words.join("\n")).unwrap();
        WordPieces::load(folder.path()).unwrap()
    }

    fn whole(tensor: &Tensor) -> &[i64] {
        match &tensor.values {
            Numbers::Whole(values) => values,
            Numbers::Float(_) => panic!("whole numbers are expected"),
        }
    }

    #[test]
    fn each_tag_has_its_pieces_and_a_stop() {
        let tags = parse("Bolt, washer, gadget").unwrap();
        let prompts = pieces().prompts(&tags, 256).unwrap();
        assert_eq!(prompts.len(), 1);
        assert_eq!(prompts[0].pieces, [2, 5, 4, 6, 7, 4, 1, 4, 3]);
        assert_eq!(prompts[0].tags, [(0, 1..2), (1, 3..5), (2, 6..7)]);
        let [positions, sees] = prompts[0].positions_and_attention(None);
        assert_eq!(whole(&positions), [0, 0, 1, 0, 1, 2, 0, 1, 0]);
        let row = |row: usize| &whole(&sees)[row * 9..(row + 1) * 9];
        assert_eq!(row(0), [1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(row(4), [0, 0, 0, 1, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn many_tags_make_several_prompts_and_none_is_cut() {
        let tags = parse("bolt, washer, tray").unwrap();
        let prompts = pieces().prompts(&tags, 7).unwrap();
        assert_eq!(prompts[0].pieces, [2, 5, 4, 6, 7, 4, 3]);
        assert_eq!(prompts[1].tags, [(2, 1..2)]);
        let message = pieces().prompts(&tags, 4).unwrap_err().to_string();
        assert!(message.contains("`washer` is too long"), "{message}");
        let [ids, mask] = prompts[1].ids_and_mask(Some(6));
        assert_eq!(whole(&ids), [2, 8, 4, 3, 0, 0]);
        assert_eq!(whole(&mask), [1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn a_list_of_pieces_that_is_not_berts_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let message = || WordPieces::load(folder.path()).err().unwrap().to_string();
        assert!(message().contains("tokenizer.json is missing"));
        std::fs::write(folder.path().join("vocab.txt"), "a\nb\n").unwrap();
        assert!(message().contains("no piece `[CLS]`"));
        std::fs::write(folder.path().join("tokenizer.json"), "{").unwrap();
        assert!(message().contains("can't be read"));
    }
}
