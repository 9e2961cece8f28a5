//! CTranslate2's model file, binary versions 4 to 6: the name of the model's specification, then variables,
//! then aliases. Little-endian. Weights may be 8-bit integers with one scale per row.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::file_error::ModelFileError;
use super::ggml::read_at;

/// Variables, and aliases, of one file: large-v3 has about two thousand with their scales, and one alias.
const MAX_ENTRIES: u32 = 1 << 14;
const MAX_ALIASES: u32 = 64;

/// The file with the places of its variables.
#[derive(Debug)]
pub(super) struct Ct2File {
    file: File,
    variables: HashMap<String, Variable>,
}

/// A variable's place in the file.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) dims: Vec<u32>,
    numbers: Numbers,
    offset: u64,
}

#[derive(Debug, Clone)]
enum Numbers {
    F32,
    F16,
    /// Each row was multiplied by its scale and rounded.
    Int8 {
        scales: Arc<[f32]>,
    },
}

impl Variable {
    fn row(&self) -> u64 {
        self.dims.iter().skip(1).map(|&d| u64::from(d)).product()
    }

    pub(super) fn values(&self) -> u64 {
        self.dims.iter().map(|&d| u64::from(d)).product()
    }
}

/// A table entry whose numbers may be anything: the file also keeps flags as variables.
struct Entry {
    dims: Vec<u32>,
    type_id: u8,
    offset: u64,
    bytes: u64,
}

impl Entry {
    fn values(&self) -> u64 {
        self.dims.iter().map(|&d| u64::from(d)).product()
    }
}

impl Ct2File {
    /// Reads the table of variables of a Whisper model.
    pub(super) fn open(path: &Path) -> Result<Self, ModelFileError> {
        let file = File::open(path).map_err(ModelFileError::Read)?;
        let length = file.metadata().map_err(ModelFileError::Read)?.len();
        let mut reader = Reader { inner: BufReader::new(&file), position: 0 };
        let version = reader.u32()?;
        if !(4..=6).contains(&version) {
            return Err(ModelFileError::malformed(format!(
                "model.bin is no CTranslate2 model of binary version 4 to 6 (it begins with {version})"
            )));
        }
        let specification = reader.name()?;
        if specification != "WhisperSpec" {
            return Err(ModelFileError::malformed(format!(
                "it is a CTranslate2 model of {specification}, not of Whisper"
            )));
        }
        reader.u32()?;
        let mut entries = HashMap::new();
        for _ in 0..reader.count("variables", MAX_ENTRIES)? {
            let (name, entry) = reader.entry(length)?;
            if entries.contains_key(&name) {
                return Err(ModelFileError::malformed(format!("model.bin has the variable {name} twice")));
            }
            entries.insert(name, entry);
        }
        let aliases = reader.count("aliases", MAX_ALIASES)?;
        let aliases =
            (0..aliases).map(|_| Ok([reader.name()?, reader.name()?])).collect::<Result<Vec<_>, ModelFileError>>()?;
        let mut variables = HashMap::new();
        for (name, entry) in &entries {
            if let Some(numbers) = numbers(name, entry, &entries, &file)? {
                let variable = Variable { dims: entry.dims.clone(), numbers, offset: entry.offset };
                variables.insert(name.clone(), variable);
            }
        }
        for [alias, target] in aliases {
            // Flags and scalars, which are no weights, may have aliases too.
            let Some(variable) = variables.get(&target).cloned() else { continue };
            if entries.contains_key(&alias) || variables.insert(alias.clone(), variable).is_some() {
                return Err(ModelFileError::malformed(format!("model.bin has the variable {alias} twice")));
            }
        }
        Ok(Self { file, variables })
    }

    /// The variable of that name.
    pub(super) fn variable(&self, name: &str) -> Result<&Variable, ModelFileError> {
        self.variables.get(name).ok_or_else(|| ModelFileError::malformed(format!("it lacks the weights {name}")))
    }

    /// How many blocks `side` (`encoder` or `decoder`) has.
    pub(super) fn layers(&self, side: &str) -> u32 {
        let present = |layer: &u32| self.variables.contains_key(&format!("{side}/layer_{layer}/ffn/linear_0/weight"));
        (0..1024).take_while(present).count() as u32
    }

    /// Reads `values.len()` values of a variable from value `first` on.
    pub(super) fn read(&self, variable: &Variable, first: u64, values: &mut [f32]) -> Result<(), ModelFileError> {
        match &variable.numbers {
            Numbers::F32 => {
                let bytes = self.bytes(variable.offset + first * 4, values.len() * 4)?;
                let numbers = bytes.as_chunks::<4>().0;
                values.iter_mut().zip(numbers).for_each(|(value, raw)| *value = f32::from_le_bytes(*raw));
            }
            Numbers::F16 => {
                let bytes = self.bytes(variable.offset + first * 2, values.len() * 2)?;
                let halves: Vec<f16> = bytes.as_chunks::<2>().0.iter().map(|raw| f16::from_le_bytes(*raw)).collect();
                halves.convert_to_f32_slice(values);
            }
            Numbers::Int8 { scales } => {
                let bytes = self.bytes(variable.offset + first, values.len())?;
                let row = variable.row();
                for ((value, level), at) in values.iter_mut().zip(bytes).zip(first..) {
                    *value = f32::from(level as i8) / scales[(at / row) as usize];
                }
            }
        }
        Ok(())
    }

    fn bytes(&self, offset: u64, count: usize) -> Result<Vec<u8>, ModelFileError> {
        let mut bytes = vec![0; count];
        read_at(&self.file, offset, &mut bytes)?;
        Ok(bytes)
    }
}

/// What a variable's numbers are; `None` for the flags and scalars that are no weights.
fn numbers(
    name: &str,
    entry: &Entry,
    entries: &HashMap<String, Entry>,
    file: &File,
) -> Result<Option<Numbers>, ModelFileError> {
    if entry.dims.is_empty() {
        return Ok(None);
    }
    let (numbers, width) = match entry.type_id {
        0 => (Numbers::F32, 4),
        4 => (Numbers::F16, 2),
        1 => {
            let scale = format!("{name}_scale");
            let scale = entries.get(&scale).filter(|scale| scale.type_id == 0 && scale.dims == entry.dims[..1]);
            let Some(scale) = scale else {
                return Err(ModelFileError::malformed(format!("the 8-bit weights {name} have no scale for each row")));
            };
            let mut bytes = vec![0; scale.bytes as usize];
            read_at(file, scale.offset, &mut bytes)?;
            let scales: Arc<[f32]> = bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
            if scales.iter().any(|scale| !scale.is_normal()) {
                return Err(ModelFileError::malformed(format!("the 8-bit weights {name} have an impossible scale")));
            }
            (Numbers::Int8 { scales }, 1)
        }
        _ if !name.ends_with("/weight") => return Ok(None),
        other => {
            return Err(ModelFileError::malformed(format!(
                "the weights {name} have number format {other}; convert the model with float32, float16 or int8"
            )));
        }
    };
    if entry.values().checked_mul(width) != Some(entry.bytes) {
        return Err(ModelFileError::malformed(format!(
            "the weights {name} have {} bytes for {:?}",
            entry.bytes, entry.dims
        )));
    }
    Ok(Some(numbers))
}

struct Reader<'a> {
    inner: BufReader<&'a File>,
    position: u64,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelFileError> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(ModelFileError::reading)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8, ModelFileError> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, ModelFileError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A count that must not be larger than `most`.
    fn count(&mut self, what: &str, most: u32) -> Result<u32, ModelFileError> {
        let count = self.u32()?;
        match count <= most {
            true => Ok(count),
            false => {
                Err(ModelFileError::malformed(format!("model.bin has {count} {what}, more than any Whisper model")))
            }
        }
    }

    /// Names end in a NUL that their length counts.
    fn name(&mut self) -> Result<String, ModelFileError> {
        let length = u16::from_le_bytes(self.array()?);
        let mut bytes = vec![0; usize::from(length)];
        self.inner.read_exact(&mut bytes).map_err(ModelFileError::reading)?;
        self.position += u64::from(length);
        bytes.pop();
        String::from_utf8(bytes).map_err(|_| ModelFileError::malformed("model.bin has a name that is no text"))
    }

    fn entry(&mut self, length: u64) -> Result<(String, Entry), ModelFileError> {
        let name = self.name()?;
        let dims = (0..self.u8()?).map(|_| self.u32()).collect::<Result<Vec<_>, _>>()?;
        let type_id = self.u8()?;
        let bytes = u64::from(self.u32()?);
        let offset = self.position;
        if length.saturating_sub(offset) < bytes {
            return Err(ModelFileError::reading(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let fits = dims.len() <= 4 && dims.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d))).is_some();
        if !fits {
            return Err(ModelFileError::malformed(format!("the weights {name} have impossible dimensions {dims:?}")));
        }
        self.inner.seek_relative(bytes.cast_signed()).map_err(ModelFileError::Read)?;
        self.position += bytes;
        Ok((name, Entry { dims, type_id, offset, bytes }))
    }
}
