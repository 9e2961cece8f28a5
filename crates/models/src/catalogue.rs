//! The Whisper models that whisper.cpp's authors publish, and the names of all models.

use std::fmt;
use std::str::FromStr;

use super::architecture::Architecture;
use super::quantise::Quantisation;

/// The voice activity detector's name in a store. It is pulled as published or imported from the Python
/// package `silero-vad`.
pub const DETECTOR: &str = "silero-v6.2.0";

/// A model's name in a store: a family and, unless the weights are float16, a quantisation. Its file is
/// `ggml-NAME.bin`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelName {
    family: String,
    quantisation: Option<Quantisation>,
}

/// A text that is no model name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no model name: give letters, digits, dots, dashes and underscores, such as base-q8_0")]
pub struct InvalidModelName(String);

impl ModelName {
    /// The name without the quantisation.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// `None` for float16.
    pub fn quantisation(&self) -> Option<Quantisation> {
        self.quantisation
    }

    /// The same family in another quantisation.
    pub fn with(&self, quantisation: Option<Quantisation>) -> Self {
        Self { family: self.family.clone(), quantisation }
    }

    /// The file's name, without a folder.
    pub fn file_name(&self) -> String {
        format!("ggml-{self}.bin")
    }

    /// The name of the model in a file of that name; `None` when it is no file of a store.
    pub(super) fn of_file(file_name: &str) -> Option<Self> {
        file_name.strip_prefix("ggml-")?.strip_suffix(".bin")?.parse().ok()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quantisation {
            None => f.write_str(&self.family),
            Some(q) => write!(f, "{}-{q}", self.family),
        }
    }
}

impl FromStr for ModelName {
    type Err = InvalidModelName;

    fn from_str(text: &str) -> Result<Self, InvalidModelName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let well_formed = (1..=100).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with(['.', '-']);
        if !well_formed {
            return Err(InvalidModelName(text.to_owned()));
        }
        let split = text.rsplit_once('-').and_then(|(family, q)| Some((family, q.parse().ok()?)));
        Ok(match split {
            Some((family, q)) if !family.is_empty() => Self { family: family.to_owned(), quantisation: Some(q) },
            _ => Self { family: text.to_owned(), quantisation: None },
        })
    }
}

/// A hash that the authors publish, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedHash {
    /// As whisper.cpp's list of models gives them.
    Sha1(String),
    /// As the repository of detectors gives them.
    Sha256(String),
}

impl fmt::Display for PublishedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha1(hash) => write!(f, "SHA-1 {hash}"),
            Self::Sha256(hash) => write!(f, "SHA-256 {hash}"),
        }
    }
}

/// Length and hash of a published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its exact length.
    pub bytes: u64,
    /// Its hash.
    pub hash: PublishedHash,
}

/// A Whisper model in all its quantisations.
#[derive(Debug, Clone)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Its sizes.
    pub architecture: Architecture,
    /// The SHA-1 of each form that is published.
    pub published: Vec<(Option<Quantisation>, String)>,
}

/// The models that can be pulled or made by name.
#[derive(Debug, Clone)]
pub struct Catalogue(Vec<Family>);

impl Catalogue {
    /// A catalogue of other models, such as those of a company's mirror.
    pub fn new(families: Vec<Family>) -> Self {
        Self(families)
    }

    /// The published families, the smallest first.
    pub(super) fn families(&self) -> &[Family] {
        &self.0
    }

    /// The family of that name.
    pub(super) fn family(&self, name: &str) -> Option<&Family> {
        self.0.iter().find(|family| family.name == name)
    }

    /// What is published under that name.
    pub(super) fn published(&self, name: &ModelName) -> Option<Published> {
        if name.to_string() == DETECTOR {
            return Some(detector());
        }
        let family = self.family(name.family())?;
        let (_, sha1) = family.published.iter().find(|(q, _)| *q == name.quantisation())?;
        let bytes = family.architecture.file_bytes(name.quantisation());
        Some(Published { bytes, hash: PublishedHash::Sha1(sha1.clone()) })
    }

    /// The published form from which an unpublished form is made: q8_0, the smallest that loses next to nothing, else
    /// float16.
    pub(super) fn source_of(&self, name: &ModelName) -> Option<ModelName> {
        let sources = [Some(Quantisation::q8_0), None].map(|q| name.with(q));
        name.quantisation()?;
        sources.into_iter().find(|source| source != name && self.published(source).is_some())
    }

    /// The family with these sizes. Fine-tuned models have the sizes of the model they come from.
    pub(super) fn family_of(&self, architecture: &Architecture) -> Option<&Family> {
        // large-v1 and large-v2 have the same sizes; the later one is the likelier.
        let sizes = |a: &Architecture| Architecture { text_bytes: 0, text_tokens: 0, ..*a };
        self.0.iter().rev().find(|family| sizes(&family.architecture) == sizes(architecture))
    }
}

fn detector() -> Published {
    let hash = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987";
    Published { bytes: 885_098, hash: PublishedHash::Sha256(hash.to_owned()) }
}

/// Sizes that all of OpenAI's models share, and the layers and widths in which they differ.
fn whisper(tokens: u32, state: u32, audio_layers: u32, text_layers: u32, mel_bands: u32) -> Architecture {
    let english = tokens < 51_865;
    Architecture {
        tokens,
        audio_context: 1500,
        audio_state: state,
        audio_heads: state / 64,
        audio_layers,
        text_context: 448,
        text_state: state,
        text_heads: state / 64,
        text_layers,
        mel_bands,
        text_tokens: 50_257,
        text_bytes: if english { ENGLISH_TEXT } else { MULTILINGUAL_TEXT },
    }
}

/// Bytes of GPT-2's 50257 texts, and of those that the multilingual models have in their place.
const ENGLISH_TEXT: u32 = 320_827;
const MULTILINGUAL_TEXT: u32 = 307_057;

impl Default for Catalogue {
    /// What whisper.cpp's authors publish, with the SHA-1 values of their list.
    fn default() -> Self {
        const F16: Option<Quantisation> = None;
        const Q8_0: Option<Quantisation> = Some(Quantisation::q8_0);
        const Q5_0: Option<Quantisation> = Some(Quantisation::q5_0);
        const Q5_1: Option<Quantisation> = Some(Quantisation::q5_1);
        let family = |name: &str, architecture, published: &[(Option<Quantisation>, &str)]| Family {
            name: name.to_owned(),
            architecture,
            published: published.iter().map(|(q, sha1)| (*q, (*sha1).to_owned())).collect(),
        };
        Self(vec![
            family(
                "tiny",
                whisper(51_865, 384, 4, 4, 80),
                &[
                    (F16, "bd577a113a864445d4c299885e0cb97d4ba92b5f"),
                    (Q5_1, "2827a03e495b1ed3048ef28a6a4620537db4ee51"),
                    (Q8_0, "19e8118f6652a650569f5a949d962154e01571d9"),
                ],
            ),
            family(
                "tiny.en",
                whisper(51_864, 384, 4, 4, 80),
                &[
                    (F16, "c78c86eb1a8faa21b369bcd33207cc90d64ae9df"),
                    (Q5_1, "3fb92ec865cbbc769f08137f22470d6b66e071b6"),
                    (Q8_0, "802d6668e7d411123e672abe4cb6c18f12306abb"),
                ],
            ),
            family(
                "base",
                whisper(51_865, 512, 6, 6, 80),
                &[
                    (F16, "465707469ff3a37a2b9b8d8f89f2f99de7299dac"),
                    (Q5_1, "a3733eda680ef76256db5fc5dd9de8629e62c5e7"),
                    (Q8_0, "7bb89bb49ed6955013b166f1b6a6c04584a20fbe"),
                ],
            ),
            family(
                "base.en",
                whisper(51_864, 512, 6, 6, 80),
                &[
                    (F16, "137c40403d78fd54d454da0f9bd998f78703390c"),
                    (Q5_1, "d26d7ce5a1b6e57bea5d0431b9c20ae49423c94a"),
                    (Q8_0, "bb1574182e9b924452bf0cd1510ac034d323e948"),
                ],
            ),
            family(
                "small",
                whisper(51_865, 768, 12, 12, 80),
                &[
                    (F16, "55356645c2b361a969dfd0ef2c5a50d530afd8d5"),
                    (Q5_1, "6fe57ddcfdd1c6b07cdcc73aaf620810ce5fc771"),
                    (Q8_0, "bcad8a2083f4e53d648d586b7dbc0cd673d8afad"),
                ],
            ),
            family(
                "small.en",
                whisper(51_864, 768, 12, 12, 80),
                &[
                    (F16, "db8a495a91d927739e50b3fc1cc4c6b8f6c2d022"),
                    (Q5_1, "20f54878d608f94e4a8ee3ae56016571d47cba34"),
                    (Q8_0, "9d75ff4ccfa0a8217870d7405cf8cef0a5579852"),
                ],
            ),
            family(
                "medium",
                whisper(51_865, 1024, 24, 24, 80),
                &[
                    (F16, "fd9727b6e1217c2f614f9b698455c4ffd82463b4"),
                    (Q5_0, "7718d4c1ec62ca96998f058114db98236937490e"),
                    (Q8_0, "e66645948aff4bebbec71b3485c576f3d63af5d6"),
                ],
            ),
            family(
                "medium.en",
                whisper(51_864, 1024, 24, 24, 80),
                &[
                    (F16, "8c30f0e44ce9560643ebd10bbe50cd20eafd3723"),
                    (Q5_0, "bb3b5281bddd61605d6fc76bc5b92d8f20284c3b"),
                    (Q8_0, "b1cf48c12c807e14881f634fb7b6c6ca867f6b38"),
                ],
            ),
            family("large-v1", whisper(51_865, 1280, 32, 32, 80), &[(F16, "b1caaf735c4cc1429223d5a74f0f4d0b9b59a299")]),
            family(
                "large-v2",
                whisper(51_865, 1280, 32, 32, 80),
                &[
                    (F16, "0f4c8e34f21cf1a914c59d8b3ce882345ad349d6"),
                    (Q5_0, "00e39f2196344e901b3a2bd5814807a769bd1630"),
                    (Q8_0, "da97d6ca8f8ffbeeb5fd147f79010eeea194ba38"),
                ],
            ),
            family(
                "large-v3",
                whisper(51_866, 1280, 32, 32, 128),
                &[
                    (F16, "ad82bf6a9043ceed055076d0fd39f5f186ff8062"),
                    (Q5_0, "e6e2ed78495d403bef4b7cff42ef4aaadcfea8de"),
                ],
            ),
            family(
                "large-v3-turbo",
                whisper(51_866, 1280, 32, 4, 128),
                &[
                    (F16, "4af2b29d7ec73d781377bfd1758ca957a807e941"),
                    (Q5_0, "e050f7970618a659205450ad97eb95a18d69c9ee"),
                    (Q8_0, "01bf15bedffe9f39d65c1b6ff9b687ea91f59e0e"),
                ],
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact sizes of published files, from several lists of downloads.
    #[test]
    fn the_sizes_follow_from_the_architecture() {
        for (name, bytes) in [
            ("tiny", 77_691_713),
            ("tiny-q5_1", 32_152_673),
            ("tiny-q8_0", 43_537_433),
            ("tiny.en-q5_1", 32_166_155),
            ("tiny.en-q8_0", 43_550_795),
            ("base", 147_951_465),
            ("base-q5_1", 59_707_625),
            ("base-q8_0", 81_768_585),
            ("base.en-q5_1", 59_721_011),
            ("base.en-q8_0", 81_781_811),
            ("small", 487_601_967),
            ("small-q5_1", 190_085_487),
            ("small-q8_0", 264_464_607),
            ("small.en-q5_1", 190_098_681),
            ("small.en-q8_0", 264_477_561),
            ("medium-q5_0", 539_212_467),
            ("medium-q8_0", 823_369_779),
            ("medium.en-q5_0", 539_225_533),
            ("medium.en-q8_0", 823_382_461),
            ("large-v1", 3_094_623_691),
            ("large-v2-q5_0", 1_080_732_091),
            ("large-v2-q8_0", 1_656_129_691),
            ("large-v3", 3_095_033_483),
            ("large-v3-q5_0", 1_081_140_203),
            ("large-v3-turbo", 1_624_555_275),
            ("large-v3-turbo-q5_0", 574_041_195),
            ("large-v3-turbo-q8_0", 874_188_075),
        ] {
            let published = Catalogue::default().published(&name.parse().unwrap()).unwrap();
            assert_eq!(published.bytes, bytes, "{name}");
        }
    }

    #[test]
    fn names_are_split_and_put_together() {
        for (text, family, quantisation) in [
            ("base-q8_0", "base", Some(Quantisation::q8_0)),
            ("large-v3-turbo-q5_0", "large-v3-turbo", Some(Quantisation::q5_0)),
            ("tiny.en", "tiny.en", None),
            ("my-model", "my-model", None),
        ] {
            let name: ModelName = text.parse().unwrap();
            assert_eq!((name.family(), name.quantisation()), (family, quantisation));
            assert_eq!(name.to_string(), text);
            assert_eq!(ModelName::of_file(&name.file_name()), Some(name));
        }
        for bad in ["", "../base", "base q8", "-q8_0", ".hidden", "a/b"] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unpublished_form_is_made_from_the_smallest_good_form() {
        let source = |name: &str| Catalogue::default().source_of(&name.parse().unwrap()).map(|n| n.to_string());
        assert_eq!(source("medium-q4_0").as_deref(), Some("medium-q8_0"));
        assert_eq!(source("large-v3-q4_0").as_deref(), Some("large-v3"));
        assert_eq!(source("large-v1-q8_0").as_deref(), Some("large-v1"));
        assert_eq!(source("unheard-of-q4_0"), None);
        assert_eq!(source("base"), None);
    }

    #[test]
    fn the_memory_estimate_is_within_3_percent_of_measurements_of_medium() {
        let architecture = Catalogue::default().family("medium").unwrap().architecture;
        for (quantisation, measured) in
            [(Quantisation::q8_0, 1271.0), (Quantisation::q5_0, 1000.0), (Quantisation::q4_0, 912.0)]
        {
            let estimate = architecture.memory_bytes(Some(quantisation)) as f64 / 1e6;
            assert!((estimate / measured - 1.0f64).abs() < 0.03, "{quantisation}: {estimate} MB");
        }
    }
}
