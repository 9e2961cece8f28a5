//! The sizes of a Whisper model, from which follow its tensors, the length of its file and its memory.

use super::file_error::ModelFileError;
use super::quantise::{BLOCK, Quantisation, TensorType};
use super::{ggml, mel};

/// The sizes of a Whisper model, in the order of a ggml file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    /// Tokens of the vocabulary, special ones included.
    pub tokens: u32,
    /// Positions of the encoder's output; 1500 for 30 s.
    pub audio_context: u32,
    /// Width of the encoder.
    pub audio_state: u32,
    /// Attention heads of the encoder.
    pub audio_heads: u32,
    /// Blocks of the encoder.
    pub audio_layers: u32,
    /// Positions of the decoder.
    pub text_context: u32,
    /// Width of the decoder.
    pub text_state: u32,
    /// Attention heads of the decoder.
    pub text_heads: u32,
    /// Blocks of the decoder.
    pub text_layers: u32,
    /// Mel bands of the input.
    pub mel_bands: u32,
    /// Tokens whose text the file holds: those that are no special tokens.
    pub text_tokens: u32,
    /// Bytes of all those texts together.
    pub text_bytes: u32,
}

/// A tensor's place in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// OpenAI's name.
    pub(super) name: String,
    /// Fastest first, as ggml counts them.
    pub(super) dims: Vec<u32>,
    /// The type it has in an unquantised file.
    pub(super) kind: TensorType,
}

impl Shape {
    pub(super) fn values(&self) -> u64 {
        self.dims.iter().map(|&d| u64::from(d)).product()
    }

    /// Matrices are quantised; vectors, positional embeddings and convolutions keep their type, and so do
    /// matrices whose rows do not fill whole blocks.
    pub(super) fn kind_in(&self, quantisation: Option<Quantisation>) -> TensorType {
        let matrix = self.dims.len() == 2
            && self.dims[0].is_multiple_of(BLOCK as u32)
            && !self.name.ends_with("positional_embedding");
        match quantisation {
            Some(q) if matrix => TensorType::Block(q),
            _ => self.kind,
        }
    }

    /// The type that whisper.cpp gives the tensor in a file whose header names `file_type`.
    pub(super) fn kind_in_file(&self, file_type: TensorType) -> TensorType {
        match file_type {
            TensorType::F32 => TensorType::F32,
            TensorType::F16 => self.kind,
            TensorType::Block(quantisation) => self.kind_in(Some(quantisation)),
        }
    }
}

/// Tokens of Whisper's models: English, multilingual, and large-v3. whisper.cpp derives the special tokens from the number.
const TOKENS: [u32; 3] = [51_864, 51_865, 51_866];
/// Vocabularies from this size on have tokens for languages.
const MULTILINGUAL_TOKENS: u32 = 51_865;
/// Tokens for points in time: 0 to 30 s in steps of 20 ms.
const TIMESTAMPS: i32 = 1501;

/// Numbers of the tokens that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Ends the text.
    pub end_of_text: i32,
    /// Begins every prompt; the languages follow it.
    pub start: i32,
    /// Number of languages; 0 for English only.
    pub languages: i32,
    /// The task: text in the language that is spoken.
    pub transcribe: i32,
    /// Its probability is that of silence.
    pub no_speech: i32,
    /// Time 0.
    pub first_timestamp: i32,
}

/// Positions of the encoder and of the decoder.
const CONTEXTS: [u32; 2] = [1500, 448];
/// Mel bands, those of large-v3 last.
const MEL_BANDS: [u32; 2] = [80, 128];
/// Width of one attention head.
const HEAD_WIDTH: u32 = 64;
/// Width of the largest model.
const MAX_STATE: u32 = 1280;
/// Layers of the largest model, in its encoder and in its decoder.
const MAX_LAYERS: u32 = 32;

impl Architecture {
    /// All sizes, in the order of the fields.
    pub(super) fn sizes(&self) -> [u32; 12] {
        let a = self;
        [
            a.tokens,
            a.audio_context,
            a.audio_state,
            a.audio_heads,
            a.audio_layers,
            a.text_context,
            a.text_state,
            a.text_heads,
            a.text_layers,
            a.mel_bands,
            a.text_tokens,
            a.text_bytes,
        ]
    }

    /// The inverse of [`sizes`](Self::sizes).
    pub(super) fn of_sizes(sizes: [u32; 12]) -> Self {
        let [tokens, audio_context, audio_state, audio_heads, audio_layers, text_context, rest @ ..] = sizes;
        let [text_state, text_heads, text_layers, mel_bands, text_tokens, text_bytes] = rest;
        Self {
            tokens,
            audio_context,
            audio_state,
            audio_heads,
            audio_layers,
            text_context,
            text_state,
            text_heads,
            text_layers,
            mel_bands,
            text_tokens,
            text_bytes,
        }
    }

    /// Whether the model knows more than English.
    pub fn is_multilingual(&self) -> bool {
        self.tokens >= MULTILINGUAL_TOKENS
    }

    /// The size's name, such as `base`.
    pub fn kind(&self) -> &'static str {
        match (self.audio_layers, self.text_layers) {
            (4, _) => "tiny",
            (6, _) => "base",
            (12, _) => "small",
            (24, _) => "medium",
            (32, 4) => "large-v3-turbo",
            (32, 32) => "large",
            (32, _) => "distil-large",
            _ => "other",
        }
    }

    /// The tokens with a meaning of their own, which follow from the size of the vocabulary.
    pub fn special_tokens(&self) -> SpecialTokens {
        let tokens = self.tokens.cast_signed();
        // In the order of the vocabulary: the end, the start, languages, tasks and controls, then 1501 timestamps.
        let first_timestamp = tokens - TIMESTAMPS;
        let start = if self.is_multilingual() { 50_258 } else { 50_257 };
        let transcribe = first_timestamp - 5;
        let languages = if self.is_multilingual() { transcribe - 1 - (start + 1) } else { 0 };
        SpecialTokens {
            end_of_text: start - 1,
            start,
            languages,
            transcribe,
            no_speech: first_timestamp - 2,
            first_timestamp,
        }
    }

    /// Refuses sizes that no Whisper model has. whisper.cpp does not check them: over some it writes past the end of a
    /// buffer or ends the process.
    pub(super) fn check(&self) -> Result<(), ModelFileError> {
        let state = self.audio_state;
        let is_valid = TOKENS.contains(&self.tokens)
            && [self.audio_context, self.text_context] == CONTEXTS
            && MEL_BANDS.contains(&self.mel_bands)
            && state == self.text_state
            && (HEAD_WIDTH..=MAX_STATE).contains(&state)
            && [self.audio_heads, self.text_heads].iter().all(|heads| heads.checked_mul(HEAD_WIDTH) == Some(state))
            && [self.audio_layers, self.text_layers].iter().all(|layers| (1..=MAX_LAYERS).contains(layers))
            && self.text_tokens <= self.tokens;
        if is_valid {
            return Ok(());
        }
        Err(ModelFileError::malformed(format!(
            "no Whisper model has these sizes: {} tokens, {} of them with a text; contexts {} and {}; widths {state} and {}; \
             heads {} and {}; layers {} and {}; {} mel bands",
            self.tokens,
            self.text_tokens,
            self.audio_context,
            self.text_context,
            self.text_state,
            self.audio_heads,
            self.text_heads,
            self.audio_layers,
            self.text_layers,
            self.mel_bands,
        )))
    }

    /// All tensors in the order of OpenAI's checkpoint, which is that of the published files.
    pub(super) fn tensors(&self) -> Vec<Shape> {
        let (text, audio) = (self.text_state, self.audio_state);
        let mut list = Vec::new();
        let mut push = |name: String, dims: &[u32], kind| list.push(Shape { name, dims: dims.to_vec(), kind });

        push("decoder.positional_embedding".into(), &[text, self.text_context], TensorType::F32);
        push("encoder.positional_embedding".into(), &[audio, self.audio_context], TensorType::F32);
        push("decoder.token_embedding.weight".into(), &[text, self.tokens], TensorType::F16);
        for layer in 0..self.text_layers {
            block(&mut push, &format!("decoder.blocks.{layer}"), text, &["attn", "cross_attn"]);
        }
        norm(&mut push, "decoder.ln", text);
        for (conv, inputs) in [("encoder.conv1", self.mel_bands), ("encoder.conv2", audio)] {
            push(format!("{conv}.weight"), &[3, inputs, audio], TensorType::F16);
            push(format!("{conv}.bias"), &[1, audio], TensorType::F32);
        }
        for layer in 0..self.audio_layers {
            block(&mut push, &format!("encoder.blocks.{layer}"), audio, &["attn"]);
        }
        norm(&mut push, "encoder.ln_post", audio);
        list
    }

    /// Bytes of the ggml file.
    pub fn file_bytes(&self, quantisation: Option<Quantisation>) -> u64 {
        let filters = u64::from(self.mel_bands) * mel::BINS as u64 * 4;
        let vocabulary = 4 * u64::from(self.text_tokens) + u64::from(self.text_bytes);
        let tensors = self
            .tensors()
            .into_iter()
            .map(|tensor| ggml::tensor_header_bytes(&tensor) + tensor.kind_in(quantisation).bytes(tensor.values()));
        ggml::HEADER_BYTES + 8 + filters + 4 + vocabulary + tensors.sum::<u64>()
    }

    /// An estimate of the memory one engine needs, in bytes, for the model and one transcription of full 30 s
    /// windows: the file; the caches of the decoder's attention (self, cross) and the encoder's padding, in
    /// float16; the encoder's attention scores and about twelve activations, in float32; 32 MiB for the rest of
    /// the process. Within 3 % of what medium was measured to take in q8_0, q5_0 and q4_0.
    pub fn memory_bytes(&self, quantisation: Option<Quantisation>) -> u64 {
        let [text, audio] = [self.text_state, self.audio_state].map(u64::from);
        let positions = u64::from(self.audio_context);
        let padded = positions.next_multiple_of(256);
        let caches =
            4 * text * u64::from(self.text_layers) * (u64::from(self.text_context).next_multiple_of(256) + padded)
                + 4 * audio * padded;
        let encoder = 4 * positions * (u64::from(self.audio_heads) * padded + 12 * audio);
        self.file_bytes(quantisation) + caches + encoder + (32 << 20)
    }
}

/// Bytes of one engine on ONNX Runtime, estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnnxMemory {
    /// Program, library and weights, with the model loaded.
    pub loaded: u64,
    /// Beside that for a full window of 30 s.
    pub window: u64,
}

impl Architecture {
    /// An estimate of the memory that one engine on ONNX Runtime needs: the matrices once as 8-bit integers, repacked, with a
    /// fiftieth for all that is not a matrix; for a full window the keys and values of cross-attention in float32, and twenty
    /// float32 values for each position and channel as the encoder's activations. Measured were 7 % less with base, 4 % with
    /// small, 1 % with medium and large-v3-turbo.
    pub fn onnx_memory(&self) -> OnnxMemory {
        let [width, positions] = [self.audio_state, self.audio_context].map(u64::from);
        let [audio, text] = [self.audio_layers, self.text_layers].map(u64::from);
        let matrices = width * width * (12 * audio + 16 * text) + u64::from(self.tokens) * width;
        let loaded = matrices + matrices / 50 + (36 << 20);
        let cross = 2 * 4 * text * positions * width;
        let activations = 20 * 4 * positions * width;
        OnnxMemory { loaded, window: cross + activations }
    }
}

fn norm(push: &mut impl FnMut(String, &[u32], TensorType), name: &str, width: u32) {
    push(format!("{name}.weight"), &[width], TensorType::F32);
    push(format!("{name}.bias"), &[width], TensorType::F32);
}

fn linear(push: &mut impl FnMut(String, &[u32], TensorType), name: &str, inputs: u32, outputs: u32) {
    push(format!("{name}.weight"), &[inputs, outputs], TensorType::F16);
    push(format!("{name}.bias"), &[outputs], TensorType::F32);
}

fn block(push: &mut impl FnMut(String, &[u32], TensorType), name: &str, width: u32, attentions: &[&str]) {
    norm(push, &format!("{name}.mlp_ln"), width);
    linear(push, &format!("{name}.mlp.0"), width, 4 * width);
    linear(push, &format!("{name}.mlp.2"), 4 * width, width);
    for attention in attentions {
        norm(push, &format!("{name}.{attention}_ln"), width);
        linear(push, &format!("{name}.{attention}.query"), width, width);
        // Keys have no bias: a constant added to all of them changes no softmax.
        push(format!("{name}.{attention}.key.weight"), &[width, width], TensorType::F16);
        linear(push, &format!("{name}.{attention}.value"), width, width);
        linear(push, &format!("{name}.{attention}.out"), width, width);
    }
}

#[cfg(test)]
mod tests {
    use crate::Catalogue;

    /// The numbers of OpenAI's tokenisers.
    #[test]
    fn special_tokens_follow_from_the_vocabulary() {
        let tokens = |family: &str| Catalogue::default().family(family).unwrap().architecture.special_tokens();
        let base = tokens("base");
        assert_eq!((base.end_of_text, base.start, base.languages), (50_257, 50_258, 99));
        assert_eq!((base.transcribe, base.no_speech, base.first_timestamp), (50_359, 50_362, 50_364));
        let turbo = tokens("large-v3-turbo");
        assert_eq!((turbo.start, turbo.languages), (50_258, 100));
        assert_eq!((turbo.transcribe, turbo.no_speech, turbo.first_timestamp), (50_360, 50_363, 50_365));
        let english = tokens("tiny.en");
        assert_eq!((english.end_of_text, english.start, english.languages), (50_256, 50_257, 0));
        assert_eq!((english.no_speech, english.first_timestamp), (50_361, 50_363));
    }
}
