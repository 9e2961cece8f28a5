//! A model's weights as ONNX Runtime takes them: a safetensors file of fused, transposed and row-scaled matrices.
//!
//! | tensor | form |
//! | --- | --- |
//! | `X.weight` of a matrix | `[inputs, outputs]`; int8 with `X.scale` (one per output), or float32 |
//! | `decoder.token_embedding.weight` | `[tokens, width]`; one copy, of which the decoder's graph makes the projection |
//! | everything else | float32, as in the checkpoint |
//! | `vocabulary.lengths`, `vocabulary.text` | length of each text token and their bytes, one after the other |
//!
//! The table of a file follows from its sizes and its form, so that a file is well-formed when its table is the expected one
//! and its length is right.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::architecture::Architecture;
use super::file_error::ModelFileError;
use super::ggml::read_at;

/// Version of the layout; files of another one are made again.
const LAYOUT: &str = "1";
/// Largest table in bytes: that of a large model has 180 KB.
const MAX_TABLE_BYTES: u64 = 4 << 20;
/// Tensors begin at multiples of this many bytes.
const ALIGNMENT: usize = 64;

/// How the matrices are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightsForm {
    /// 32-bit floating point: for comparisons, four times as large.
    Float32,
    /// 8-bit integers, a scale for each output.
    Int8(Sign),
}

/// How 8-bit weights are represented. Signed ones saturate in the multiply-add instructions of processors without VNNI, where
/// they ruin the text; unsigned ones are right everywhere and cost more with VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Two's complement.
    Signed,
    /// Shifted by 128.
    Unsigned,
}

impl Sign {
    /// The one for this processor.
    pub fn of_this_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        let is_exact = is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni");
        // The multiply-add instructions of aarch64 do not saturate.
        #[cfg(not(target_arch = "x86_64"))]
        let is_exact = true;
        if is_exact { Self::Signed } else { Self::Unsigned }
    }

    /// A stored byte as the number that it stands for.
    pub fn decode(self, byte: u8) -> i8 {
        match self {
            Self::Signed => byte.cast_signed(),
            Self::Unsigned => (byte ^ 0x80).cast_signed(),
        }
    }

    pub(super) fn encode(self, number: i8) -> u8 {
        match self {
            Self::Signed => number.cast_unsigned(),
            Self::Unsigned => number.cast_unsigned() ^ 0x80,
        }
    }
}

impl WeightsForm {
    /// As it is named in a file and shown to operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "f32",
            Self::Int8(Sign::Signed) => "int8",
            Self::Int8(Sign::Unsigned) => "uint8",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Float32, Self::Int8(Sign::Signed), Self::Int8(Sign::Unsigned)].into_iter().find(|f| f.name() == name)
    }

    fn matrix(self) -> Dtype {
        match self {
            Self::Float32 => Dtype::F32,
            Self::Int8(Sign::Signed) => Dtype::I8,
            Self::Int8(Sign::Unsigned) => Dtype::U8,
        }
    }
}

/// Number format of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// Signed bytes.
    I8,
    /// Unsigned bytes.
    U8,
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::I8 => "I8",
            Self::U8 => "U8",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// A tensor's place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsTensor {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub dtype: Dtype,
    /// Slowest first.
    pub dims: Vec<u64>,
    /// Of its first byte in the file.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// What it is made of.
    pub(super) content: Content,
}

/// What a tensor is made of: tensors of the checkpoint, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Tensors one after the other; `None` stands for as many zeros as the width of the model.
    Joined(Vec<Option<String>>),
    /// The rows of several matrices of so many inputs, transposed.
    Matrix { sources: Vec<String>, inputs: u64 },
    /// The matrix as it is.
    Rows(String),
    /// Scales of the named tensor's outputs.
    ScalesOf(String),
    /// Lengths of the text tokens.
    VocabularyLengths,
    /// Their bytes.
    VocabularyText,
}

/// Sizes, form and source of a file: everything that its table follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) architecture: Architecture,
    pub(super) form: WeightsForm,
    /// Number format of the weights that they were made of, such as `q8_0`.
    pub(super) source: String,
}

impl Description {
    /// The file's first bytes, up to the tensors, and the tensors.
    pub(super) fn layout(&self) -> (Vec<u8>, Vec<WeightsTensor>) {
        let mut tensors = self.tensors();
        let mut table = Map::new();
        let sizes: Vec<u32> = self.architecture.sizes().to_vec();
        table.insert(
            "__metadata__".to_owned(),
            json!({
                "layout": LAYOUT,
                "sizes": serde_json::to_string(&sizes).unwrap_or_default(),
                "form": self.form.name(),
                "source": self.source,
            }),
        );
        let mut at = 0;
        for tensor in &mut tensors {
            tensor.bytes = tensor.dims.iter().product::<u64>() * tensor.dtype.bytes();
            tensor.offset = at;
            at += tensor.bytes;
            table.insert(
                tensor.name.clone(),
                json!({ "dtype": tensor.dtype.name(), "shape": tensor.dims, "data_offsets": [tensor.offset, at] }),
            );
        }
        let mut text = Value::Object(table).to_string().into_bytes();
        text.resize((text.len() + 8).next_multiple_of(ALIGNMENT) - 8, b' ');
        let mut prelude = (text.len() as u64).to_le_bytes().to_vec();
        prelude.append(&mut text);
        for tensor in &mut tensors {
            tensor.offset += prelude.len() as u64;
        }
        (prelude, tensors)
    }

    /// In an order in which all but the last begin at multiples of [`ALIGNMENT`].
    fn tensors(&self) -> Vec<WeightsTensor> {
        let a = &self.architecture;
        let width = u64::from(a.audio_state);
        let mut list = TensorList { form: self.form, width, tensors: Vec::new() };
        for (conv, inputs) in [("encoder.conv1", u64::from(a.mel_bands)), ("encoder.conv2", width)] {
            list.plain(&format!("{conv}.weight"), &[width, inputs, 3]);
            list.plain(&format!("{conv}.bias"), &[width]);
        }
        list.plain("encoder.positional_embedding", &[u64::from(a.audio_context), width]);
        for layer in 0..a.audio_layers {
            list.block(&format!("encoder.blocks.{layer}"), false);
        }
        list.norm("encoder.ln_post");
        list.plain("decoder.positional_embedding", &[u64::from(a.text_context), width]);
        for layer in 0..a.text_layers {
            list.block(&format!("decoder.blocks.{layer}"), true);
        }
        list.norm("decoder.ln");
        let embedding = "decoder.token_embedding";
        let source = format!("{embedding}.weight");
        list.push(&source, self.form.matrix(), &[u64::from(a.tokens), width], Content::Rows(source.clone()));
        list.scales(embedding, u64::from(a.tokens));
        let (texts, bytes) = (u64::from(a.text_tokens), u64::from(a.text_bytes));
        list.push("vocabulary.lengths", Dtype::U8, &[texts], Content::VocabularyLengths);
        list.push("vocabulary.text", Dtype::U8, &[bytes], Content::VocabularyText);
        list.tensors
    }
}

struct TensorList {
    form: WeightsForm,
    width: u64,
    tensors: Vec<WeightsTensor>,
}

impl TensorList {
    fn push(&mut self, name: &str, dtype: Dtype, dims: &[u64], content: Content) {
        let tensor = WeightsTensor { name: name.to_owned(), dtype, dims: dims.to_vec(), offset: 0, bytes: 0, content };
        self.tensors.push(tensor);
    }

    fn plain(&mut self, name: &str, dims: &[u64]) {
        self.push(name, Dtype::F32, dims, Content::Joined(vec![Some(name.to_owned())]));
    }

    fn norm(&mut self, name: &str) {
        self.plain(&format!("{name}.weight"), &[self.width]);
        self.plain(&format!("{name}.bias"), &[self.width]);
    }

    fn scales(&mut self, name: &str, outputs: u64) {
        match self.form {
            WeightsForm::Float32 => {}
            WeightsForm::Int8(_) => {
                let content = Content::ScalesOf(format!("{name}.weight"));
                self.push(&format!("{name}.scale"), Dtype::F32, &[outputs], content);
            }
        }
    }

    /// One matrix of the matrices `sources` with the same inputs, its biases included.
    fn linear(&mut self, name: &str, sources: &[String], inputs: u64, outputs: u64) {
        let total = outputs * sources.len() as u64;
        let weights = sources.iter().map(|source| format!("{source}.weight")).collect();
        let content = Content::Matrix { sources: weights, inputs };
        self.push(&format!("{name}.weight"), self.form.matrix(), &[inputs, total], content);
        self.scales(name, total);
        // Keys have no bias.
        let bias = |source: &String| (!source.ends_with(".key")).then(|| format!("{source}.bias"));
        let content = Content::Joined(sources.iter().map(bias).collect());
        self.push(&format!("{name}.bias"), Dtype::F32, &[total], content);
    }

    fn block(&mut self, name: &str, has_cross_attention: bool) {
        let width = self.width;
        let parts = |of: &str, parts: &[&str]| parts.iter().map(|p| format!("{name}.{of}.{p}")).collect::<Vec<_>>();
        self.norm(&format!("{name}.attn_ln"));
        self.linear(&format!("{name}.attn.qkv"), &parts("attn", &["query", "key", "value"]), width, width);
        self.linear(&format!("{name}.attn.out"), &parts("attn", &["out"]), width, width);
        if has_cross_attention {
            self.norm(&format!("{name}.cross_attn_ln"));
            self.linear(&format!("{name}.cross_attn.query"), &parts("cross_attn", &["query"]), width, width);
            self.linear(&format!("{name}.cross_attn.kv"), &parts("cross_attn", &["key", "value"]), width, width);
            self.linear(&format!("{name}.cross_attn.out"), &parts("cross_attn", &["out"]), width, width);
        }
        self.norm(&format!("{name}.mlp_ln"));
        self.linear(&format!("{name}.mlp.0"), &parts("mlp", &["0"]), width, 4 * width);
        self.linear(&format!("{name}.mlp.2"), &parts("mlp", &["2"]), 4 * width, width);
    }
}

/// A weights file whose table was checked. The bytes of the tensors are not.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    file: File,
    description: Description,
    tensors: Vec<WeightsTensor>,
}

impl WeightsFile {
    /// Reads the table.
    ///
    /// # Errors
    /// The file cannot be read, is no weights file of this layout, or was cut short.
    pub fn open(path: &Path) -> Result<Self, ModelFileError> {
        let mut file = File::open(path).map_err(ModelFileError::Read)?;
        let bytes = file.metadata().map_err(ModelFileError::Read)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(ModelFileError::reading)?;
        let damaged = || ModelFileError::malformed("it is no weights file of this version");
        let length =
            Some(u64::from_le_bytes(length)).filter(|&n| n <= MAX_TABLE_BYTES.min(bytes)).ok_or_else(damaged)?;
        let mut table = vec![0; length as usize];
        file.read_exact(&mut table).map_err(ModelFileError::reading)?;
        let parsed: Value = serde_json::from_slice(&table).map_err(|_| damaged())?;
        let metadata = |name: &str| parsed["__metadata__"][name].as_str().map(str::to_owned).ok_or_else(damaged);
        let sizes: [u32; 12] = serde_json::from_str(&metadata("sizes")?).map_err(|_| damaged())?;
        let architecture = Architecture::of_sizes(sizes);
        architecture.check()?;
        let form = WeightsForm::of_name(&metadata("form")?).ok_or_else(damaged)?;
        let description = Description { architecture, form, source: metadata("source")? };
        let (prelude, tensors) = description.layout();
        let end = tensors.last().map_or(0, |tensor| tensor.offset + tensor.bytes);
        if prelude[8..] != table {
            return Err(damaged());
        }
        if end != bytes {
            return Err(ModelFileError::malformed(format!("it has {bytes} bytes where {end} are due")));
        }
        Ok(Self { path: path.to_owned(), file, description, tensors })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's sizes.
    pub fn architecture(&self) -> &Architecture {
        &self.description.architecture
    }

    /// How the matrices are stored.
    pub fn form(&self) -> WeightsForm {
        self.description.form
    }

    /// Number format of the weights that they were made of, such as `q8_0`.
    pub fn source(&self) -> &str {
        &self.description.source
    }

    /// A tensor's place. Every name of the layout is there.
    pub fn tensor(&self, name: &str) -> Option<&WeightsTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Reads a part of a tensor from byte `first` of it on, which must lie within it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, tensor: &WeightsTensor, first: u64, bytes: &mut [u8]) -> Result<(), ModelFileError> {
        read_at(&self.file, tensor.offset + first, bytes)
    }

    /// Reads a whole tensor.
    ///
    /// # Errors
    /// The file cannot be read, or has no such tensor.
    pub fn read_all(&self, name: &str) -> Result<Vec<u8>, ModelFileError> {
        let tensor = self.tensor(name).ok_or_else(|| ModelFileError::malformed(format!("it has no tensor {name}")))?;
        let mut bytes = vec![0; tensor.bytes as usize];
        self.read(tensor, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads the bytes that each text token stands for.
    ///
    /// # Errors
    /// The file cannot be read, or its lengths do not add up.
    pub fn vocabulary(&self) -> Result<Vec<Vec<u8>>, ModelFileError> {
        let (lengths, text) = (self.read_all("vocabulary.lengths")?, self.read_all("vocabulary.text")?);
        let mut rest = text.as_slice();
        let mut tokens = Vec::with_capacity(lengths.len());
        for length in lengths {
            let (token, after) = rest
                .split_at_checked(usize::from(length))
                .ok_or_else(|| ModelFileError::malformed("its vocabulary does not add up"))?;
            tokens.push(token.to_vec());
            rest = after;
        }
        Ok(tokens)
    }
}
