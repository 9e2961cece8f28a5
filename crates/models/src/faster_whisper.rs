//! A CTranslate2 Whisper folder, the form that faster-whisper keeps, as a source of a ggml file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::architecture::{Architecture, Shape};
use super::convert::Source;
use super::ct2::{Ct2File, Variable};
use super::file_error::ModelFileError;
use super::{ggml, mel, vocabulary};

/// The name of the weights within the folder.
const WEIGHTS: &str = "model.bin";
/// Every Whisper model has heads of this width.
const HEAD_WIDTH: u32 = 64;

/// The folder with its tables read and its tensors matched to OpenAI's names.
#[derive(Debug)]
pub(super) struct FasterWhisper {
    file: Ct2File,
    vocabulary: Vec<Vec<u8>>,
    architecture: Architecture,
    tensors: Vec<(Shape, Origin)>,
}

/// Where a tensor's values are: a stretch of a variable.
#[derive(Debug)]
struct Origin {
    variable: Variable,
    first: u64,
}

/// The folder that holds the weights: `folder` itself, or the one snapshot of a folder as the download cache
/// of the Python tools keeps them (`models--.../snapshots/...`).
pub(super) fn locate(folder: &Path) -> Option<PathBuf> {
    if folder.join(WEIGHTS).is_file() {
        return Some(folder.to_owned());
    }
    let snapshots = std::fs::read_dir(folder.join("snapshots")).ok()?;
    let mut found = snapshots.flatten().map(|entry| entry.path()).filter(|path| path.join(WEIGHTS).is_file());
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

impl FasterWhisper {
    /// Reads the tables of a folder that [`locate`] found.
    pub(super) fn open(folder: &Path) -> Result<Self, ModelFileError> {
        let file = Ct2File::open(&folder.join(WEIGHTS))?;
        let tokens = file.variable("decoder/embeddings/weight")?.dims.first().copied().unwrap_or(0);
        let vocabulary = vocabulary::read(folder, tokens)?;
        let architecture = architecture(&file, &vocabulary)?;
        architecture.check()?;
        let tensors = architecture
            .tensors()
            .into_iter()
            .map(|shape| {
                let origin = origin(&file, &shape)?;
                Ok((shape, origin))
            })
            .collect::<Result<Vec<_>, ModelFileError>>()?;
        let model = Self { file, vocabulary, architecture, tensors };
        model.check_key_biases()?;
        Ok(model)
    }

    pub(super) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// ggml has no bias of keys, since Whisper has none; a model with one would lose it.
    fn check_key_biases(&self) -> Result<(), ModelFileError> {
        for (shape, _) in &self.tensors {
            let Some(layer) = shape.name.strip_suffix(".key.weight") else { continue };
            let (variable, part) = variable_of(&format!("{layer}.key.bias"));
            let bias = self.file.variable(&variable)?;
            let mut values = vec![0f32; shape.dims[1] as usize];
            let range = part.map_or(0..bias.values(), |part| rows(part, shape.dims[1]));
            self.file.read(bias, range.start, &mut values)?;
            if values.iter().any(|&v| v != 0.0) {
                return Err(ModelFileError::malformed(format!(
                    "{variable} has a bias of keys, which no Whisper model has"
                )));
            }
        }
        Ok(())
    }
}

impl Source for FasterWhisper {
    fn prelude(&self) -> Result<Vec<u8>, ModelFileError> {
        let filters = mel::filters(self.architecture.mel_bands as usize);
        Ok(ggml::prelude(&self.architecture, &filters, &self.vocabulary))
    }

    fn shapes(&self) -> Vec<Shape> {
        self.tensors.iter().map(|(shape, _)| shape.clone()).collect()
    }

    /// Weights are rounded to float16 first: quantised files are made from float16 ones.
    fn read(&self, index: usize, first: u64, values: &mut [f32]) -> Result<(), ModelFileError> {
        use super::quantise::TensorType;
        let (shape, origin) = &self.tensors[index];
        self.file.read(&origin.variable, origin.first + first, values)?;
        match shape.kind {
            TensorType::F32 => {}
            TensorType::F16 | TensorType::Block(_) => {
                let mut halves = Vec::with_capacity(values.len() * 2);
                TensorType::F16.encode(values, &mut halves);
                TensorType::F16.decode(&halves, values);
            }
        }
        Ok(())
    }
}

fn architecture(file: &Ct2File, vocabulary: &[Vec<u8>]) -> Result<Architecture, ModelFileError> {
    let sized = |name: &str, rank: usize| {
        let variable = file.variable(name)?;
        match variable.dims.len() == rank && variable.dims.iter().all(|d| (1..=1 << 20).contains(d)) {
            true => Ok(variable.dims.clone()),
            false => Err(ModelFileError::malformed(format!(
                "the weights {name} have impossible dimensions {:?}",
                variable.dims
            ))),
        }
    };
    let embedding = sized("decoder/embeddings/weight", 2)?;
    let audio_positions = sized("encoder/position_encodings/encodings", 2)?;
    let text_positions = sized("decoder/position_encodings/encodings", 2)?;
    let first_convolution = sized("encoder/conv1/weight", 3)?;
    let [audio_layers, text_layers] = ["encoder", "decoder"].map(|side| file.layers(side));
    let [audio_state, text_state] = [first_convolution[0], embedding[1]];
    if audio_layers == 0 || text_layers == 0 || audio_state % HEAD_WIDTH != 0 || text_state % HEAD_WIDTH != 0 {
        return Err(ModelFileError::malformed(format!(
            "it has {audio_layers} and {text_layers} layers of widths {audio_state} and {text_state}; Whisper's widths are multiples of {HEAD_WIDTH}"
        )));
    }
    if vocabulary.len() > embedding[0] as usize {
        return Err(ModelFileError::malformed(format!(
            "its vocabulary has {} texts for {} tokens; it belongs to another model",
            vocabulary.len(),
            embedding[0]
        )));
    }
    Ok(Architecture {
        tokens: embedding[0],
        audio_context: audio_positions[0],
        audio_state,
        audio_heads: audio_state / HEAD_WIDTH,
        audio_layers,
        text_context: text_positions[0],
        text_state,
        text_heads: text_state / HEAD_WIDTH,
        text_layers,
        mel_bands: first_convolution[1],
        text_tokens: vocabulary.len() as u32,
        text_bytes: vocabulary.iter().map(|token| token.len() as u32).sum(),
    })
}

/// Finds a tensor's values and checks that there are as many as it needs.
fn origin(file: &Ct2File, shape: &Shape) -> Result<Origin, ModelFileError> {
    let (name, part) = variable_of(&shape.name);
    let variable = file.variable(&name)?.clone();
    let outputs = shape.dims.last().copied().unwrap_or(1);
    let range = part.map_or(0..outputs, |part| rows(part, outputs).start as u32..rows(part, outputs).end as u32);
    let row = shape.values() / u64::from(outputs);
    let present = variable.dims.first().is_some_and(|&rows| match part {
        Some(_) => rows >= range.end && rows % outputs == 0,
        None => rows == outputs,
    });
    if !present || variable.values() != row * u64::from(variable.dims[0]) {
        return Err(ModelFileError::malformed(format!(
            "the weights {name} are {:?}, which does not fit",
            variable.dims
        )));
    }
    Ok(Origin { variable, first: u64::from(range.start) * row })
}

fn rows(part: u64, outputs: u32) -> Range<u64> {
    part * u64::from(outputs)..(part + 1) * u64::from(outputs)
}

/// CTranslate2's name for one of OpenAI's tensors, and which part of its rows where several are joined in one
/// variable: query, key and value of self-attention, key and value of cross-attention.
fn variable_of(name: &str) -> (String, Option<u64>) {
    match name {
        "decoder.token_embedding.weight" => return ("decoder/embeddings/weight".into(), None),
        "decoder.positional_embedding" => return ("decoder/position_encodings/encodings".into(), None),
        "encoder.positional_embedding" => return ("encoder/position_encodings/encodings".into(), None),
        _ => {}
    }
    let (layer, leaf) = name.rsplit_once('.').unwrap_or((name, ""));
    let normalised = layer.ends_with("ln") || layer.ends_with("ln_post");
    let leaf = match leaf {
        "weight" if normalised => "gamma",
        "bias" if normalised => "beta",
        other => other,
    };
    let (side, rest) = layer.split_once('.').unwrap_or((layer, ""));
    let Some((block, unit)) = rest.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) else {
        let unit = if normalised { "layer_norm" } else { rest };
        return (format!("{side}/{unit}/{leaf}"), None);
    };
    let (unit, part) = match unit {
        "mlp_ln" => ("ffn/layer_norm", None),
        "mlp.0" => ("ffn/linear_0", None),
        "mlp.2" => ("ffn/linear_1", None),
        "attn_ln" => ("self_attention/layer_norm", None),
        "attn.query" => ("self_attention/linear_0", Some(0)),
        "attn.key" => ("self_attention/linear_0", Some(1)),
        "attn.value" => ("self_attention/linear_0", Some(2)),
        "attn.out" => ("self_attention/linear_1", None),
        "cross_attn_ln" => ("attention/layer_norm", None),
        "cross_attn.query" => ("attention/linear_0", None),
        "cross_attn.key" => ("attention/linear_1", Some(0)),
        "cross_attn.value" => ("attention/linear_1", Some(1)),
        "cross_attn.out" => ("attention/linear_2", None),
        other => (other, None),
    };
    (format!("{side}/layer_{block}/{unit}/{leaf}"), part)
}
