//! whisper.cpp's model file: a header, mel filters, the vocabulary, then tensors one after the other. All
//! numbers are little-endian 32-bit integers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use super::architecture::{Architecture, Shape};
use super::file_error::ModelFileError;
use super::quantise::{BLOCK, Quantisation, TensorType};
use super::{mel, silero};

const MAGIC: u32 = 0x6767_6d6c;
/// Magic, ten sizes, file type.
pub(super) const HEADER_BYTES: u64 = 12 * 4;
/// Above every count of a model: bounds what a damaged file can request.
const MAX_SIZE: u32 = 1 << 20;

/// The newest version of the block formats, which a header counts in thousands beside the format.
const MAX_QUANTISATION_VERSION: u32 = 2;

/// What a ggml file holds.
#[derive(Debug)]
pub(super) enum Contents {
    /// A Whisper model.
    Whisper(Whisper),
    /// A Silero voice activity detector, with its tensors.
    VoiceActivity(Vec<Tensor>),
}

/// A Whisper model file whose tables were read and add up.
#[derive(Debug)]
pub(super) struct Whisper {
    pub(super) architecture: Architecture,
    /// The type of most tensors.
    pub(super) file_type: u32,
    /// Where the tensors begin.
    pub(super) prelude: u64,
    pub(super) tensors: Vec<Tensor>,
}

impl Whisper {
    /// What most of its tensors are quantised to.
    pub(super) fn quantisation(&self) -> Option<Quantisation> {
        TensorType::of_file_type(self.file_type).and_then(TensorType::quantisation)
    }
}

/// A tensor in a file.
#[derive(Debug)]
pub(super) struct Tensor {
    /// `kind` is the type it has in this file.
    pub(super) shape: Shape,
    /// Where its numbers begin.
    pub(super) offset: u64,
}

/// Reads the tables of a model file and checks that they account for all its bytes. The weights are not checked.
pub(super) fn inspect(file: &File) -> Result<Contents, ModelFileError> {
    let mut reader = Reader::new(file)?;
    if reader.number()? != MAGIC {
        return Err(ModelFileError::malformed("it does not begin like a ggml model"));
    }
    let first = reader.number()?;
    if first < 64 {
        return voice_activity(reader, first);
    }
    let mut sizes = [first; 11];
    for size in &mut sizes[1..] {
        *size = reader.number()?;
    }
    let [tokens, _, _, _, audio_layers, _, _, _, text_layers, mel_bands, file_type] = sizes;
    let counted = &sizes[..10];
    if counted.iter().any(|&n| n == 0 || n > MAX_SIZE) || audio_layers > 1024 || text_layers > 1024 {
        return Err(ModelFileError::malformed(format!("its header has impossible sizes: {counted:?}")));
    }
    let weights = TensorType::of_file_type(file_type).filter(|_| file_type / 1000 <= MAX_QUANTISATION_VERSION);
    let weights = weights.ok_or_else(|| {
        ModelFileError::malformed(format!("its header names the weights' format {file_type}, which is not known here"))
    })?;

    let filters = [reader.number()?, reader.number()?];
    if filters != [mel_bands, mel::BINS as u32] {
        return Err(ModelFileError::malformed(format!(
            "its mel filters are {filters:?} where {mel_bands} bands of {} are due",
            mel::BINS
        )));
    }
    reader.skip(4 * u64::from(filters[0]) * u64::from(filters[1]))?;

    let text_tokens = reader.number()?;
    if text_tokens > tokens {
        return Err(ModelFileError::malformed(format!("its vocabulary has {text_tokens} texts for {tokens} tokens")));
    }
    let mut text_bytes = 0;
    for _ in 0..text_tokens {
        let length = reader.number()?;
        if length > 4096 {
            return Err(ModelFileError::malformed(format!("its vocabulary has a token of {length} bytes")));
        }
        reader.skip(u64::from(length))?;
        text_bytes += length;
    }
    let mut all = [0; 12];
    all[..10].copy_from_slice(counted);
    all[10..].copy_from_slice(&[text_tokens, text_bytes]);
    let architecture = Architecture::of_sizes(all);
    architecture.check()?;
    let prelude = reader.position;
    let tensors = reader.tensors()?;
    let sorted = |mut list: Vec<(&str, &[u32])>| {
        list.sort_unstable();
        list.into_iter().map(|(name, dims)| (name.to_owned(), dims.to_vec())).collect::<Vec<_>>()
    };
    let shapes = architecture.tensors();
    let expected = sorted(shapes.iter().map(|shape| (&*shape.name, &*shape.dims)).collect());
    let found = sorted(tensors.iter().map(|tensor| (&*tensor.shape.name, &*tensor.shape.dims)).collect());
    if found != expected {
        return Err(ModelFileError::malformed(format!(
            "its {} tensors are not the {} that its header promises; it may have been cut short",
            found.len(),
            expected.len()
        )));
    }
    let kinds: HashMap<&str, TensorType> =
        shapes.iter().map(|shape| (&*shape.name, shape.kind_in_file(weights))).collect();
    let other = tensors.iter().find(|Tensor { shape, .. }| kinds.get(&*shape.name) != Some(&shape.kind));
    if let Some(Tensor { shape, .. }) = other {
        return Err(ModelFileError::malformed(format!(
            "tensor {} has number format {}, which does not go with the format {file_type} of its header",
            shape.name,
            shape.kind.id()
        )));
    }
    Ok(Contents::Whisper(Whisper { architecture, file_type, prelude, tensors }))
}

/// Accepts the one form of Silero's detector that whisper.cpp knows, of any version: it reads further sizes from the
/// header without checking them.
fn voice_activity(mut reader: Reader<'_>, name_length: u32) -> Result<Contents, ModelFileError> {
    let mut name = vec![0; name_length as usize];
    reader.read(&mut name)?;
    if name != SILERO {
        return Err(ModelFileError::malformed("it is a ggml file, but no Whisper model and no Silero detector"));
    }
    reader.skip(3 * 4)?;
    for size in SILERO_SIZES {
        let found = reader.number()?;
        if found != size {
            return Err(ModelFileError::malformed(format!(
                "its header has a size of {found} where Silero's detector has {size}"
            )));
        }
    }
    let tensors = reader.tensors()?;
    let sorted = |mut list: Vec<(String, Vec<u32>, TensorType)>| {
        list.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        list
    };
    let found =
        tensors.iter().map(|Tensor { shape, .. }| (shape.name.clone(), shape.dims.clone(), shape.kind)).collect();
    if sorted(found) != sorted(silero::shapes().map(|Shape { name, dims, kind }| (name, dims, kind)).collect()) {
        return Err(ModelFileError::malformed(
            "its tensors are not those of Silero's detector; it may have been cut short",
        ));
    }
    Ok(Contents::VoiceActivity(tensors))
}

/// The tensors of a detector's file.
pub(super) fn detector_tensors(file: &File) -> Result<Vec<Tensor>, ModelFileError> {
    match inspect(file)? {
        Contents::VoiceActivity(tensors) => Ok(tensors),
        Contents::Whisper(_) => Err(ModelFileError::malformed("it is a Whisper model, no voice activity detector")),
    }
}

struct Reader<'a> {
    inner: BufReader<&'a File>,
    position: u64,
    length: u64,
}

impl<'a> Reader<'a> {
    fn new(file: &'a File) -> Result<Self, ModelFileError> {
        use std::io::Seek;
        let length = file.metadata().map_err(ModelFileError::Read)?.len();
        let mut file = file;
        file.rewind().map_err(ModelFileError::Read)?;
        Ok(Self { inner: BufReader::new(file), position: 0, length })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ModelFileError> {
        self.inner.read_exact(bytes).map_err(ModelFileError::reading)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn number(&mut self) -> Result<u32, ModelFileError> {
        let mut bytes = [0; 4];
        self.read(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ModelFileError> {
        if self.length.saturating_sub(self.position) < bytes {
            return Err(ModelFileError::reading(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.inner.seek_relative(bytes.cast_signed()).map_err(ModelFileError::Read)?;
        self.position += bytes;
        Ok(())
    }

    /// Reads tensor after tensor to the very end of the file.
    fn tensors(&mut self) -> Result<Vec<Tensor>, ModelFileError> {
        let mut tensors = Vec::new();
        while self.position < self.length {
            let [rank, name_length, kind] = [self.number()?, self.number()?, self.number()?];
            if rank > 4 || name_length > 256 || tensors.len() > 65_536 {
                return Err(ModelFileError::malformed(format!("tensor {} has an impossible header", tensors.len())));
            }
            let dims = (0..rank).map(|_| self.number()).collect::<Result<Vec<_>, _>>()?;
            let mut name = vec![0; name_length as usize];
            self.read(&mut name)?;
            let name = String::from_utf8_lossy(&name).into_owned();
            let kind = TensorType::from_id(kind).ok_or_else(|| {
                ModelFileError::malformed(format!(
                    "tensor {name} has number format {kind}; f32, f16, q8_0, q5_1, q5_0, q4_1 and q4_0 are known"
                ))
            })?;
            let values =
                dims.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d))).filter(|n| (1..1 << 40).contains(n));
            let blocks =
                !matches!(kind, TensorType::Block(_)) || dims.first().is_some_and(|d| d.is_multiple_of(BLOCK as u32));
            let (Some(values), true) = (values, blocks) else {
                return Err(ModelFileError::malformed(format!("tensor {name} has impossible dimensions {dims:?}")));
            };
            let offset = self.position;
            self.skip(kind.bytes(values))?;
            tensors.push(Tensor { shape: Shape { name, dims, kind }, offset });
        }
        Ok(tensors)
    }
}

/// The bytes before the tensors, from their parts.
pub(super) fn prelude(architecture: &Architecture, filters: &[f32], vocabulary: &[Vec<u8>]) -> Vec<u8> {
    let bands = architecture.mel_bands;
    let mut bytes = Vec::new();
    push_numbers(&mut bytes, &[MAGIC]);
    push_numbers(&mut bytes, &architecture.sizes()[..10]);
    push_numbers(&mut bytes, &[TensorType::F16.file_type(), bands, (filters.len() / bands as usize) as u32]);
    filters.iter().for_each(|weight| bytes.extend_from_slice(&weight.to_le_bytes()));
    push_numbers(&mut bytes, &[vocabulary.len() as u32]);
    for token in vocabulary {
        push_numbers(&mut bytes, &[token.len() as u32]);
        bytes.extend_from_slice(token);
    }
    bytes
}

/// Puts the file type into the bytes that [`prelude`] made or a file began with.
pub(super) fn set_file_type(prelude: &mut [u8], kind: TensorType) {
    prelude[HEADER_BYTES as usize - 4..HEADER_BYTES as usize].copy_from_slice(&kind.file_type().to_le_bytes());
}

/// The kind of detector, as its file begins with it.
const SILERO: &[u8] = b"silero-16k";
/// A window of 512 samples and 64 of context; four convolutions of kernel 3; the LSTM's input and state, the last
/// convolution's input and output.
const SILERO_SIZES: [u32; 19] = [512, 64, 4, 129, 128, 3, 128, 64, 3, 64, 64, 3, 64, 128, 3, 128, 128, 128, 1];

/// The beginning of a Silero detector's file, version 6.2.0, up to its tensors.
pub(super) fn silero_prelude() -> Vec<u8> {
    let mut bytes = Vec::new();
    push_numbers(&mut bytes, &[MAGIC, SILERO.len() as u32]);
    bytes.extend_from_slice(SILERO);
    push_numbers(&mut bytes, &[6, 2, 0]);
    push_numbers(&mut bytes, &SILERO_SIZES);
    bytes
}

pub(super) fn push_tensor_header(bytes: &mut Vec<u8>, shape: &Shape, kind: TensorType) {
    push_numbers(bytes, &[shape.dims.len() as u32, shape.name.len() as u32, kind.id()]);
    push_numbers(bytes, &shape.dims);
    bytes.extend_from_slice(shape.name.as_bytes());
}

pub(super) fn tensor_header_bytes(shape: &Shape) -> u64 {
    12 + 4 * shape.dims.len() as u64 + shape.name.len() as u64
}

fn push_numbers(bytes: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
}

/// Reads exactly `bytes.len()` bytes from a place in a file.
pub(super) fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> Result<(), ModelFileError> {
    file.read_exact_at(bytes, offset).map_err(ModelFileError::reading)
}
