//! Silero's voice activity detector, from the safetensors file of its Python package to ggml's form.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde::Deserialize;

use super::architecture::Shape;
use super::file_error::ModelFileError;
use super::ggml;
use super::quantise::TensorType;

/// The file is 1.2 MB; far larger ones are something else.
const MAX_BYTES: u64 = 8 << 20;
/// Largest table of its tensors, in bytes: that of the detector has less than 2 KiB, and parsing takes many times its size.
const MAX_TABLE_BYTES: usize = 64 << 10;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u32>,
    data_offsets: [usize; 2],
}

/// Whether the file's name is that of a safetensors file.
pub(super) fn is_safetensors(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "safetensors")
}

/// Reads `silero_vad_16k.safetensors` and gives the bytes of the ggml file.
pub(super) fn convert(path: &Path) -> Result<Vec<u8>, ModelFileError> {
    if std::fs::metadata(path).map_err(ModelFileError::Read)?.len() > MAX_BYTES {
        return Err(ModelFileError::malformed("it is no Silero detector: it is too large"));
    }
    let raw = std::fs::read(path).map_err(ModelFileError::Read)?;
    let damaged = || ModelFileError::malformed("it is no safetensors file");
    let (length, rest) = raw.split_first_chunk::<8>().ok_or_else(damaged)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|&n| n <= rest.len().min(MAX_TABLE_BYTES));
    let length = length.ok_or_else(damaged)?;
    let (table, data) = rest.split_at(length);
    let table: BTreeMap<String, serde_json::Value> = serde_json::from_slice(table).map_err(|_| damaged())?;

    let mut out = ggml::silero_prelude();
    for (ours, theirs, dims, kind) in tensors() {
        let missing = || {
            ModelFileError::malformed(format!(
                "it is no 16 kHz Silero detector: {theirs} is missing or has another form"
            ))
        };
        let entry: Entry =
            table.get(&theirs).cloned().and_then(|e| serde_json::from_value(e).ok()).ok_or_else(missing)?;
        let bytes = data.get(entry.data_offsets[0]..entry.data_offsets[1]).ok_or_else(missing)?;
        let shape = Shape { name: ours, dims, kind };
        let same = entry.shape.iter().map(|&d| u64::from(d)).product::<u64>() == shape.values();
        if entry.dtype != "F32" || !same || bytes.len() as u64 != shape.values() * 4 {
            return Err(missing());
        }
        let mut values = vec![0f32; shape.values() as usize];
        TensorType::F32.decode(bytes, &mut values);
        ggml::push_tensor_header(&mut out, &shape, kind);
        kind.encode(&values, &mut out);
    }
    Ok(out)
}

/// The tensors of the ggml file.
pub(super) fn shapes() -> impl Iterator<Item = Shape> {
    tensors().into_iter().map(|(name, _, dims, kind)| Shape { name, dims, kind })
}

/// ggml's name, the package's name, dimensions (fastest first) and type of each tensor.
fn tensors() -> Vec<(String, String, Vec<u32>, TensorType)> {
    let mut list = Vec::new();
    for (i, (inputs, outputs)) in [(129, 128), (128, 64), (64, 64), (64, 128)].into_iter().enumerate() {
        let (ours, theirs) = (format!("_model.encoder.{i}.reparam_conv"), format!("conv{}", i + 1));
        list.push((format!("{ours}.weight"), format!("{theirs}.weight"), vec![3, inputs, outputs], TensorType::F16));
        list.push((format!("{ours}.bias"), format!("{theirs}.bias"), vec![outputs], TensorType::F32));
    }
    for (part, dims) in
        [("weight_ih", vec![128, 512]), ("weight_hh", vec![128, 512]), ("bias_ih", vec![512]), ("bias_hh", vec![512])]
    {
        list.push((format!("_model.decoder.rnn.{part}"), format!("lstm_cell.{part}"), dims, TensorType::F32));
    }
    let mut rest = |ours: &str, theirs: &str, dims, kind| list.push((ours.into(), theirs.into(), dims, kind));
    rest("_model.decoder.decoder.2.weight", "final_conv.weight", vec![128], TensorType::F16);
    rest("_model.decoder.decoder.2.bias", "final_conv.bias", vec![], TensorType::F32);
    rest("_model.stft.forward_basis_buffer", "stft_conv.weight", vec![256, 1, 258], TensorType::F16);
    list
}

/// The weights of a detector's file, for another runtime than whisper.cpp.
#[derive(Debug)]
pub struct DetectorWeights(BTreeMap<String, Vec<f32>>);

impl DetectorWeights {
    /// Reads a file of ggml's form.
    ///
    /// # Errors
    /// The file cannot be read, or is no detector.
    pub fn read(path: &Path) -> Result<Self, ModelFileError> {
        let file = File::open(path).map_err(ModelFileError::Read)?;
        let tensors = ggml::detector_tensors(&file)?;
        let read = |tensor: ggml::Tensor| {
            let ggml::Tensor { shape, offset } = tensor;
            let mut bytes = vec![0; shape.kind.bytes(shape.values()) as usize];
            ggml::read_at(&file, offset, &mut bytes)?;
            let mut values = vec![0f32; shape.values() as usize];
            shape.kind.decode(&bytes, &mut values);
            Ok((shape.name, values))
        };
        tensors.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// A tensor's values in the order of the file, by ggml's name; empty for a name that no detector has.
    pub fn tensor(&self, name: &str) -> &[f32] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}
