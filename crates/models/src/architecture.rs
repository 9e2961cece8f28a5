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
