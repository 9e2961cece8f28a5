//! Weights files: made from a model of the store, kept beside it, verified before every use.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::convert::{ConversionObserver, Source};
use super::file_error::ModelFileError;
use super::ggml::HEADER_BYTES;
use super::record::{Origin, Record, with_suffix};
use super::weights::{Content, Description, Sign, WeightsFile, WeightsForm, WeightsTensor};
use super::{Architecture, Download, ModelStore, ModelStoreError, VerifiedModel, blocking, cancelled, digest, shown};

/// Rows that are converted at a time.
const ROWS: u64 = 256;

/// A weights file whose hash has just been checked: no other crate can make one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PreparedModel {
    /// The file.
    pub path: PathBuf,
    /// Length of the file.
    pub bytes: u64,
    /// The model's sizes.
    pub architecture: Architecture,
    /// How its matrices are stored.
    pub form: WeightsForm,
}

impl ModelStore {
    /// The weights file of a model for this processor. One that is missing, damaged, or made of other bytes or for another
    /// processor is made. `report` is called often meanwhile.
    pub async fn prepare(
        &self,
        model: &VerifiedModel,
        mut report: impl FnMut(Download),
    ) -> Result<PreparedModel, ModelStoreError> {
        let form = WeightsForm::Int8(Sign::of_this_processor());
        match self.find_prepared(model).await? {
            Some(prepared) if prepared.form == form => Ok(prepared),
            Some(_) | None => self.make_prepared(model, form, self.prepared_path(model), &mut report).await,
        }
    }

    /// The weights file of a model, if it is there and undamaged; never makes one.
    ///
    /// # Errors
    /// The check was cancelled.
    pub async fn find_prepared(&self, model: &VerifiedModel) -> Result<Option<PreparedModel>, ModelStoreError> {
        let (path, source) = (self.prepared_path(model), model.sha256.clone());
        let file = shown(&path);
        let check = move |cancel: &_| current(&path, &source, cancel);
        blocking(check).await.ok_or_else(|| cancelled(&file))
    }

    /// Makes the weights file of a model in any form, at any path.
    pub async fn make_prepared(
        &self,
        model: &VerifiedModel,
        form: WeightsForm,
        path: PathBuf,
        report: &mut impl FnMut(Download),
    ) -> Result<PreparedModel, ModelStoreError> {
        let origin = Origin::Prepared { from: model.name.clone(), from_sha256: model.sha256.clone() };
        let import = super::make::Import::open_blocking(&model.path).await?;
        let file = shown(&model.path);
        let weights = import.weights(form).map_err(|error| ModelStoreError::in_file(&file, error))?;
        let bytes = weights.bytes();
        let job = move |out: &mut BufWriter<File>, observer: ConversionObserver<'_>| weights.write(out, observer);
        let source = model.sha256.clone();
        let existing = move |path: &Path, cancel: &_| current(path, &source, cancel).filter(|made| made.form == form);
        self.make(path, &model.name, bytes, origin, existing, job, |path, _| accept(&path), report).await
    }

    /// Of a model outside the store it lies in the store's folder, since the model's own folder may not be writable.
    fn prepared_path(&self, model: &VerifiedModel) -> PathBuf {
        let is_in_store = model.path.parent() == Some(&self.dir) && model.name.parse::<super::ModelName>().is_ok();
        let name = match is_in_store {
            true => model.name.clone(),
            false => format!("elsewhere-{}", &digest::of_bytes(model.path.as_os_str().as_encoded_bytes())[..16]),
        };
        self.dir.join(format!("onnx-{name}.safetensors"))
    }
}

/// The weights file at a path, if it is undamaged and was made from the model with this SHA-256.
fn current(path: &Path, source: &str, cancel: &CancellationToken) -> Option<PreparedModel> {
    let record = Record::load(&with_suffix(path, ".json"))?;
    let Origin::Prepared { from_sha256, .. } = &record.origin else { return None };
    let is_current = from_sha256 == source && digest::of_file(path, cancel).ok()? == record.digests();
    is_current.then(|| accept(path).ok()).flatten()
}

pub(super) fn accept(path: &Path) -> Result<PreparedModel, ModelFileError> {
    let file = WeightsFile::open(path)?;
    let bytes = std::fs::metadata(path).map_err(ModelFileError::Read)?.len();
    Ok(PreparedModel { path: path.to_owned(), bytes, architecture: *file.architecture(), form: file.form() })
}

/// A model to be written as a weights file.
pub(super) struct Weights<S> {
    source: S,
    description: Description,
    vocabulary: Vec<Vec<u8>>,
}

impl<S: Source> Weights<S> {
    /// `format`: number format of the source's weights.
    pub(super) fn of(
        source: S,
        architecture: Architecture,
        form: WeightsForm,
        format: &str,
    ) -> Result<Self, ModelFileError> {
        let vocabulary = vocabulary(&source.prelude()?, &architecture)?;
        let longest = vocabulary.iter().map(Vec::len).max().unwrap_or(0);
        if longest > usize::from(u8::MAX) {
            return Err(ModelFileError::malformed(format!("its vocabulary has a token of {longest} bytes")));
        }
        Ok(Self { source, description: Description { architecture, form, source: format.to_owned() }, vocabulary })
    }

    /// Length of the file.
    pub(super) fn bytes(&self) -> u64 {
        let (_, tensors) = self.description.layout();
        tensors.last().map_or(0, |tensor| tensor.offset + tensor.bytes)
    }

    pub(super) fn write(&self, out: &mut impl Write, observer: ConversionObserver<'_>) -> Result<(), ModelFileError> {
        let (prelude, tensors) = self.description.layout();
        out.write_all(&prelude).map_err(ModelFileError::Write)?;
        let shapes = self.source.shapes();
        let indices = shapes.iter().enumerate().map(|(index, shape)| (shape.name.clone(), index)).collect();
        let mut writer = Writer { weights: self, indices, scales: HashMap::new() };
        let total = self.bytes();
        for tensor in &tensors {
            if observer.cancel.is_cancelled() {
                return Err(ModelFileError::Cancelled);
            }
            writer.tensor(tensor, out)?;
            (observer.progress)(tensor.offset + tensor.bytes, total);
        }
        out.flush().map_err(ModelFileError::Write)
    }
}

struct Writer<'a, S> {
    weights: &'a Weights<S>,
    /// Of the source's tensors, by name.
    indices: HashMap<String, usize>,
    /// Of the matrices that were written, until their scales are.
    scales: HashMap<String, Vec<f32>>,
}

impl<S: Source> Writer<'_, S> {
    fn tensor(&mut self, tensor: &WeightsTensor, out: &mut impl Write) -> Result<(), ModelFileError> {
        let bytes = match &tensor.content {
            Content::Joined(sources) => self.joined(sources, tensor)?,
            Content::Matrix { sources, inputs } => self.matrix(&tensor.name, sources, *inputs, tensor.bytes)?,
            Content::Rows(source) => return self.rows(source, tensor, out),
            Content::ScalesOf(matrix) => little_endian(&self.scales.remove(matrix).unwrap_or_default()),
            Content::VocabularyLengths => self.weights.vocabulary.iter().map(|token| token.len() as u8).collect(),
            Content::VocabularyText => self.weights.vocabulary.concat(),
        };
        out.write_all(&bytes).map_err(ModelFileError::Write)
    }

    fn read(&self, name: &str, first: u64, values: &mut [f32]) -> Result<(), ModelFileError> {
        let index = self.indices.get(name);
        let index = index.ok_or_else(|| ModelFileError::malformed(format!("it has no tensor {name}")))?;
        self.weights.source.read(*index, first, values)
    }

    fn joined(&self, sources: &[Option<String>], tensor: &WeightsTensor) -> Result<Vec<u8>, ModelFileError> {
        let mut values = vec![0f32; tensor.dims.iter().product::<u64>() as usize];
        let part = values.len() / sources.len();
        for (source, values) in sources.iter().zip(values.chunks_exact_mut(part)) {
            if let Some(source) = source {
                self.read(source, 0, values)?;
            }
        }
        Ok(little_endian(&values))
    }

    /// The matrices' rows, one below the other, transposed.
    fn matrix(&mut self, name: &str, sources: &[String], inputs: u64, bytes: u64) -> Result<Vec<u8>, ModelFileError> {
        let form = self.weights.description.form;
        let width = form.bytes_per_number();
        let outputs = bytes / inputs / width as u64;
        let each = outputs / sources.len() as u64;
        let mut transposed = vec![0u8; bytes as usize];
        let mut scales = Vec::with_capacity(outputs as usize);
        for source in sources {
            self.each_row(source, each, inputs, |numbers, scale| {
                let row = scales.len();
                scales.push(scale);
                for (input, number) in numbers.chunks_exact(width).enumerate() {
                    let at = (input * outputs as usize + row) * width;
                    transposed[at..at + width].copy_from_slice(number);
                }
                Ok(())
            })?;
        }
        self.scales.insert(name.to_owned(), scales);
        Ok(transposed)
    }

    /// A matrix of the vocabulary's size is not held in memory.
    fn rows(&mut self, source: &str, tensor: &WeightsTensor, out: &mut impl Write) -> Result<(), ModelFileError> {
        let (rows, inputs) = (tensor.dims[0], tensor.dims[1]);
        let mut scales = Vec::with_capacity(rows as usize);
        self.each_row(source, rows, inputs, |numbers, scale| {
            scales.push(scale);
            out.write_all(numbers).map_err(ModelFileError::Write)
        })?;
        self.scales.insert(tensor.name.clone(), scales);
        Ok(())
    }

    /// Gives `take` the encoded numbers and the scale of each row of a matrix.
    fn each_row(
        &self,
        source: &str,
        rows: u64,
        inputs: u64,
        mut take: impl FnMut(&[u8], f32) -> Result<(), ModelFileError>,
    ) -> Result<(), ModelFileError> {
        for first in (0..rows).step_by(ROWS as usize) {
            let mut values = vec![0f32; (ROWS.min(rows - first) * inputs) as usize];
            self.read(source, first * inputs, &mut values)?;
            for values in values.chunks_exact(inputs as usize) {
                let (numbers, scale) = encode_row(values, self.weights.description.form);
                take(&numbers, scale)?;
            }
        }
        Ok(())
    }
}

impl WeightsForm {
    fn bytes_per_number(self) -> usize {
        match self {
            Self::Float32 => 4,
            Self::Int8(_) => 1,
        }
    }
}

/// The weights of one output, and the scale by which integers are multiplied to give them.
fn encode_row(values: &[f32], form: WeightsForm) -> (Vec<u8>, f32) {
    match form {
        WeightsForm::Float32 => (little_endian(values), 1.0),
        WeightsForm::Int8(sign) => {
            let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let scale = largest.max(1e-9) / 127.0;
            let numbers = values.iter().map(|value| sign.encode((value / scale).round_ties_even() as i8));
            (numbers.collect(), scale)
        }
    }
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The texts at the end of a ggml file's first part, which was checked when it was read or made.
fn vocabulary(prelude: &[u8], architecture: &Architecture) -> Result<Vec<Vec<u8>>, ModelFileError> {
    let damaged = || ModelFileError::malformed("its vocabulary is cut short");
    let filters = 4 * architecture.mel_bands as usize * super::mel::BINS;
    let mut rest = prelude.get(HEADER_BYTES as usize + 8 + filters..).ok_or_else(damaged)?;
    let number = |rest: &mut &[u8]| {
        let (bytes, after) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        *rest = after;
        Ok::<_, ModelFileError>(u32::from_le_bytes(*bytes) as usize)
    };
    let count = number(&mut rest)?;
    let mut tokens = Vec::with_capacity(architecture.text_tokens as usize);
    for _ in 0..count {
        let length = number(&mut rest)?;
        let (token, after) = rest.split_at_checked(length).ok_or_else(damaged)?;
        tokens.push(token.to_vec());
        rest = after;
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_extremes_in_either_sign() {
        let values = [-2.54f32, 0.0, 0.02, 2.54];
        for sign in [Sign::Signed, Sign::Unsigned] {
            let (bytes, scale) = encode_row(&values, WeightsForm::Int8(sign));
            let numbers: Vec<i8> = bytes.iter().map(|&byte| sign.decode(byte)).collect();
            assert_eq!(numbers, [-127, 0, 1, 127]);
            assert!((scale - 0.02).abs() < 1e-6);
        }
        assert_eq!(encode_row(&values[1..2], WeightsForm::Int8(Sign::Unsigned)).0, [128]);
    }
}
