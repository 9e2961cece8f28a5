//! The vocabulary of a CTranslate2 Whisper folder as the bytes that the tokens stand for.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::file_error::ModelFileError;

/// The first special token; the others follow it.
const END_OF_TEXT: &str = "<|endoftext|>";
/// Largest vocabulary file in bytes; that of large-v3 has about 1 MiB.
const MAX_FILE_BYTES: u64 = 8 << 20;
/// Models of fewer tokens know English only.
const MULTILINGUAL: u32 = 51_865;

/// Reads the texts that a ggml file holds for a model of so many tokens, from `vocabulary.json` or
/// `vocabulary.txt`: of all tokens before the special ones and, in English models, of the first special one.
/// Either way that makes 50257 for OpenAI's models.
pub(super) fn read(folder: &Path, tokens: u32) -> Result<Vec<Vec<u8>>, ModelFileError> {
    let mut texts = plain(folder)?;
    if tokens < MULTILINGUAL {
        texts.push(END_OF_TEXT.into());
    }
    Ok(texts)
}

fn plain(folder: &Path) -> Result<Vec<Vec<u8>>, ModelFileError> {
    let read = |name: &str| -> std::io::Result<Option<String>> {
        let path = folder.join(name);
        let metadata = path.metadata()?;
        if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
            return Ok(None);
        }
        let mut text = String::new();
        File::open(path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
        Ok(Some(text))
    };
    let file = |name: &str| match read(name) {
        Ok(Some(text)) => Ok(Some(text)),
        Ok(None) => Err(ModelFileError::malformed(format!("{name} is no file of at most {MAX_FILE_BYTES} bytes"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ModelFileError::Read(error)),
    };
    if let Some(text) = file("vocabulary.json")? {
        let tokens: Vec<String> = serde_json::from_str(&text)
            .map_err(|error| ModelFileError::malformed(format!("vocabulary.json is no list of texts: {error}")))?;
        return texts(tokens.iter().map(String::as_str));
    }
    if let Some(text) = file("vocabulary.txt")? {
        return texts(text.split('\n'));
    }
    Err(ModelFileError::malformed("its folder has neither vocabulary.json nor vocabulary.txt"))
}

fn texts<'a>(tokens: impl Iterator<Item = &'a str> + Clone) -> Result<Vec<Vec<u8>>, ModelFileError> {
    let bytes = stand_ins();
    if !tokens.clone().any(|token| token == END_OF_TEXT) {
        return Err(ModelFileError::malformed(format!("its vocabulary has no {END_OF_TEXT}")));
    }
    tokens
        .take_while(|token| *token != END_OF_TEXT)
        .map(|token| token.chars().map(|c| bytes.get(&c).copied()).collect::<Option<Vec<u8>>>())
        .enumerate()
        .map(|(index, text)| {
            text.ok_or_else(|| ModelFileError::malformed(format!("token {index} of its vocabulary is unknown")))
        })
        .collect()
}

/// GPT-2 writes each byte as a printable character: itself where it is one, else one from U+0100 on.
fn stand_ins() -> HashMap<char, u8> {
    let printable = |b: &u8| matches!(b, 33..=126 | 161..=172 | 174..=255);
    let themselves = (0..=255u8).filter(printable).map(|b| (char::from(b), b));
    let others = (0..=255u8).filter(|b| !printable(b));
    let shifted = ('\u{100}'..).zip(others);
    themselves.chain(shifted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_become_the_bytes_they_stand_for() {
        let tokens = ["a", "Ġthe", "Ċ", "ÑĢ", "", END_OF_TEXT, "<|ru|>"];
        let wanted: Vec<&[u8]> = vec![b"a", b" the", b"\n", "р".as_bytes(), b""];
        assert_eq!(texts(tokens.into_iter()).unwrap(), wanted);
    }

    #[test]
    fn a_vocabulary_without_its_end_is_refused() {
        let message = texts(["a", "b"].into_iter()).unwrap_err().to_string();
        assert!(message.contains(END_OF_TEXT), "{message}");
    }
}
