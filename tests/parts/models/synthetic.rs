//! Small Whisper models of random weights in CTranslate2's form.

use std::path::Path;

use half::f16;
use stenobot_models::Architecture;

/// How the weights are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    F32,
    F16,
    /// Matrices and convolutions as 8-bit integers with one scale per row; the rest float32.
    Int8,
    /// What `Int8` stands for, as float32.
    Int8Restored,
}

pub(super) struct Synthetic {
    pub(super) form: Form,
    pub(super) tokens: u32,
    pub(super) texts: u32,
    pub(super) mel_bands: u32,
}

pub(super) const WIDTH: u32 = 64;

impl Synthetic {
    pub(super) fn small(form: Form) -> Self {
        Self { form, tokens: 51_864, texts: 50_256, mel_bands: 80 }
    }

    pub(super) fn architecture(&self) -> Architecture {
        let english = self.tokens < 51_865;
        Architecture {
            tokens: self.tokens,
            audio_context: 1500,
            audio_state: WIDTH,
            audio_heads: 1,
            audio_layers: 1,
            text_context: 448,
            text_state: WIDTH,
            text_heads: 1,
            text_layers: 2,
            mel_bands: self.mel_bands,
            text_tokens: self.texts + u32::from(english),
            text_bytes: self.texts * 6 + if english { 13 } else { 0 },
        }
    }

    pub(super) fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        let mut variables = Vec::new();
        let w = WIDTH;
        let mut add = |name: &str, dims: &[u32]| self.variable(name, dims, &mut variables);
        add("decoder/embeddings/weight", &[self.tokens, w]);
        add("decoder/position_encodings/encodings", &[448, w]);
        add("encoder/position_encodings/encodings", &[1500, w]);
        for (conv, inputs) in [("encoder/conv1", self.mel_bands), ("encoder/conv2", w)] {
            add(&format!("{conv}/weight"), &[w, inputs, 3]);
            add(&format!("{conv}/bias"), &[w]);
        }
        for (side, layers) in [("encoder", 1), ("decoder", 2)] {
            for layer in 0..layers {
                let block = format!("{side}/layer_{layer}");
                let cross: &[(&str, u32, u32)] =
                    &[("attention/linear_0", w, w), ("attention/linear_1", 2 * w, w), ("attention/linear_2", w, w)];
                let linears = [
                    ("ffn/linear_0", 4 * w, w),
                    ("ffn/linear_1", w, 4 * w),
                    ("self_attention/linear_0", 3 * w, w),
                    ("self_attention/linear_1", w, w),
                ];
                let crossed = if side == "decoder" { cross } else { &[] };
                for (name, outputs, inputs) in linears.iter().chain(crossed) {
                    add(&format!("{block}/{name}/weight"), &[*outputs, *inputs]);
                    add(&format!("{block}/{name}/bias"), &[*outputs]);
                }
                let norms: &[&str] = if side == "decoder" {
                    &["ffn", "self_attention", "attention"]
                } else {
                    &["ffn", "self_attention"]
                };
                for norm in norms {
                    add(&format!("{block}/{norm}/layer_norm/gamma"), &[w]);
                    add(&format!("{block}/{norm}/layer_norm/beta"), &[w]);
                }
            }
            add(&format!("{side}/layer_norm/gamma"), &[w]);
            add(&format!("{side}/layer_norm/beta"), &[w]);
        }
        // A flag, as the real files have them.
        variables.push(("decoder/activation".into(), vec![], 1, vec![3]));
        std::fs::write(folder.join("model.bin"), file(&variables)).unwrap();

        let texts = (0..self.texts).map(|i| format!("t{i:05}"));
        let special = (self.texts..self.tokens)
            .map(|i| if i == self.texts { "<|endoftext|>".into() } else { format!("<|{i}|>") });
        std::fs::write(folder.join("vocabulary.txt"), texts.chain(special).collect::<Vec<_>>().join("\n")).unwrap();
    }

    fn variable(&self, name: &str, dims: &[u32], variables: &mut Vec<Variable>) {
        let count: u32 = dims.iter().product();
        let mut state = name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as u32
        };
        let matrix = name.ends_with("/weight");
        if matrix && matches!(self.form, Form::Int8 | Form::Int8Restored) {
            let levels: Vec<i8> = (0..count).map(|_| next() as i8).collect();
            let scales: Vec<f32> = (0..dims[0]).map(|_| 100.0 + next() as f32 / 1000.0).collect();
            let row = (count / dims[0]) as usize;
            if self.form == Form::Int8 {
                variables.push((name.into(), dims.to_vec(), 1, levels.iter().map(|&level| level as u8).collect()));
                let bytes = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
                variables.push((format!("{name}_scale"), vec![dims[0]], 0, bytes));
            } else {
                let restored = levels.iter().enumerate().map(|(i, &level)| f32::from(level) / scales[i / row]);
                variables.push((name.into(), dims.to_vec(), 0, restored.flat_map(f32::to_le_bytes).collect()));
            }
            return;
        }
        // Float32 weights are not all float16 numbers, so that the rounding shows; vectors are, since ggml keeps
        // their float32 values.
        let exact = |value: f32| if matrix { value } else { f16::from_f32(value).to_f32() };
        let mut values: Vec<f32> = (0..count).map(|_| exact(next() as f32 / 8_388_608.0 - 1.0)).collect();
        clear_key_bias(name, &mut values);
        let (type_id, bytes) = match self.form {
            Form::F16 => (4, values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()),
            Form::F32 | Form::Int8 | Form::Int8Restored => (0, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        variables.push((name.into(), dims.to_vec(), type_id, bytes));
    }
}

/// Whisper's keys have no bias.
fn clear_key_bias(name: &str, values: &mut [f32]) {
    let w = WIDTH as usize;
    if name.ends_with("self_attention/linear_0/bias") {
        values[w..2 * w].fill(0.0);
    } else if name.ends_with("/attention/linear_1/bias") {
        values[..w].fill(0.0);
    }
}

/// Name, dimensions, number format, bytes.
type Variable = (String, Vec<u32>, u8, Vec<u8>);

fn file(variables: &[Variable]) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u16 + 1).to_le_bytes());
        out.extend(text.as_bytes());
        out.push(0);
    };
    out.extend(6u32.to_le_bytes());
    text(&mut out, "WhisperSpec");
    out.extend(3u32.to_le_bytes());
    out.extend((variables.len() as u32).to_le_bytes());
    for (name, dims, type_id, bytes) in variables {
        text(&mut out, name);
        out.push(dims.len() as u8);
        dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
        out.push(*type_id);
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
    }
    out.extend(1u32.to_le_bytes());
    text(&mut out, "decoder/projection/weight");
    text(&mut out, "decoder/embeddings/weight");
    out
}
