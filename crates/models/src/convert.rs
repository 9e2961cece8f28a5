//! Streams a model into a ggml file, a slice of a tensor at a time: in a few megabytes of memory whatever its size.

use std::fs::File;
use std::io::Write;

use tokio_util::sync::CancellationToken;

use super::architecture::Shape;
use super::file_error::ModelFileError;
use super::ggml;
use super::quantise::{BLOCK, Quantisation, TensorType};

/// Values converted at a time; a multiple of the block.
const SLICE: usize = 2048 * BLOCK;

/// A model whose tensors can be read piece by piece, in the order of a ggml file.
pub(super) trait Source {
    /// Everything before the tensors.
    fn prelude(&self) -> Result<Vec<u8>, ModelFileError>;
    /// The tensors as an unquantised file has them.
    fn shapes(&self) -> Vec<Shape>;
    /// Reads `values.len()` values of tensor `index`, the first of them value `first`.
    fn read(&self, index: usize, first: u64, values: &mut [f32]) -> Result<(), ModelFileError>;
}

/// Follows a conversion and can cancel it.
pub(super) struct ConversionObserver<'a> {
    /// Ends the conversion at the next slice.
    pub(super) cancel: &'a CancellationToken,
    /// Receives the values that are done, and all there are.
    pub(super) progress: &'a mut dyn FnMut(u64, u64),
}

/// Writes the model as a ggml file.
pub(super) fn write(
    source: &impl Source,
    quantisation: Option<Quantisation>,
    out: &mut impl Write,
    observer: ConversionObserver<'_>,
) -> Result<(), ModelFileError> {
    let mut prelude = source.prelude()?;
    ggml::set_file_type(&mut prelude, quantisation.map_or(TensorType::F16, TensorType::Block));
    out.write_all(&prelude).map_err(ModelFileError::Write)?;

    let shapes = source.shapes();
    let total = shapes.iter().map(Shape::values).sum();
    let mut done = 0;
    let mut values = vec![0f32; SLICE];
    let mut bytes = Vec::new();
    for (index, shape) in shapes.iter().enumerate() {
        let kind = shape.kind_in(quantisation);
        bytes.clear();
        ggml::push_tensor_header(&mut bytes, shape, kind);
        let mut first = 0;
        while first < shape.values() {
            if observer.cancel.is_cancelled() {
                return Err(ModelFileError::Cancelled);
            }
            let count = (shape.values() - first).min(SLICE as u64);
            let slice = &mut values[..count as usize];
            source.read(index, first, slice)?;
            kind.encode(slice, &mut bytes);
            out.write_all(&bytes).map_err(ModelFileError::Write)?;
            bytes.clear();
            first += count;
            done += count;
            (observer.progress)(done, total);
        }
    }
    out.flush().map_err(ModelFileError::Write)
}

/// A ggml file as a source; quantised tensors are read as numbers.
pub(super) struct GgmlSource {
    pub(super) file: File,
    pub(super) model: Box<ggml::Whisper>,
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn prelude(&self) -> Result<Vec<u8>, ModelFileError> {
        (**self).prelude()
    }

    fn shapes(&self) -> Vec<Shape> {
        (**self).shapes()
    }

    fn read(&self, index: usize, first: u64, values: &mut [f32]) -> Result<(), ModelFileError> {
        (**self).read(index, first, values)
    }
}

impl Source for GgmlSource {
    fn prelude(&self) -> Result<Vec<u8>, ModelFileError> {
        let mut bytes = vec![0; self.model.prelude as usize];
        ggml::read_at(&self.file, 0, &mut bytes)?;
        Ok(bytes)
    }

    fn shapes(&self) -> Vec<Shape> {
        let shapes = self.model.tensors.iter().map(|tensor| tensor.shape.clone());
        let plain = |kind| match kind {
            TensorType::F32 => TensorType::F32,
            TensorType::F16 | TensorType::Block(_) => TensorType::F16,
        };
        shapes.map(|shape| Shape { kind: plain(shape.kind), ..shape }).collect()
    }

    fn read(&self, index: usize, first: u64, values: &mut [f32]) -> Result<(), ModelFileError> {
        let tensor = &self.model.tensors[index];
        let kind = tensor.shape.kind;
        let mut bytes = vec![0; kind.bytes(values.len() as u64) as usize];
        ggml::read_at(&self.file, tensor.offset + kind.bytes(first), &mut bytes)?;
        kind.decode(&bytes, values);
        Ok(())
    }
}
