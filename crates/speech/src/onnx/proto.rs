//! The messages of the ONNX format that the graphs need, with the field numbers of `onnx.proto`.

use prost::Message;

/// Version of the format, and of the operators: the oldest with everything that is used.
const IR_VERSION: i64 = 10;
const OPSET: i64 = 20;
/// The operators that ONNX Runtime adds.
pub(super) const MICROSOFT: &str = "com.microsoft";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSet>,
}

impl Model {
    pub(super) fn new(graph: GraphProto) -> Self {
        let opset = |domain: &str, version| OperatorSet { domain: domain.to_owned(), version };
        Self {
            ir_version: IR_VERSION,
            producer_name: "stenobot".to_owned(),
            graph: Some(graph),
            opset_import: vec![opset("", OPSET), opset(MICROSOFT, 1)],
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSet {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) initializers: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub(super) inputs: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub(super) outputs: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(super) inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) outputs: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(string, tag = "4")]
    pub(super) operator: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) attributes: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(super) domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, optional, tag = "2")]
    float: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    integer: Option<i64>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    integers: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

impl Attribute {
    pub(crate) fn of_float(name: &str, value: f32) -> Self {
        Self { name: name.to_owned(), float: Some(value), kind: 1, ..Self::default() }
    }

    pub(crate) fn of_integer(name: &str, value: i64) -> Self {
        Self { name: name.to_owned(), integer: Some(value), kind: 2, ..Self::default() }
    }

    pub(crate) fn of_integers(name: &str, values: &[i64]) -> Self {
        Self { name: name.to_owned(), integers: values.to_vec(), kind: 7, ..Self::default() }
    }
}

/// Number formats of tensors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub(crate) enum ElementType {
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
    Int64 = 7,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    element_type: i32,
    #[prost(string, tag = "8")]
    pub(super) name: String,
    #[prost(bytes = "vec", optional, tag = "9")]
    raw_data: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
    #[prost(int32, optional, tag = "14")]
    data_location: Option<i32>,
}

impl Tensor {
    /// With its little-endian bytes.
    pub(super) fn inline(name: &str, element_type: ElementType, dims: &[i64], bytes: Vec<u8>) -> Self {
        Self {
            dims: dims.to_vec(),
            element_type: element_type as i32,
            name: name.to_owned(),
            raw_data: Some(bytes),
            ..Self::default()
        }
    }

    /// In another file of the folder that the session is told of.
    pub(super) fn external(
        name: &str,
        element_type: ElementType,
        dims: &[i64],
        file: &str,
        offset: u64,
        bytes: u64,
    ) -> Self {
        let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
        Self {
            dims: dims.to_vec(),
            element_type: element_type as i32,
            name: name.to_owned(),
            external_data: vec![
                entry("location", file.to_owned()),
                entry("offset", offset.to_string()),
                entry("length", bytes.to_string()),
            ],
            data_location: Some(1),
            ..Self::default()
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<TypeProto>,
}

/// A size that is fixed, or named because it varies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Fixed(i64),
    Named(&'static str),
}

impl ValueInfo {
    /// A tensor of floats.
    pub(crate) fn floats(name: &str, sizes: &[Size]) -> Self {
        let dims = sizes.iter().map(|size| match *size {
            Size::Fixed(value) => Dimension { value: Some(value), parameter: None },
            Size::Named(name) => Dimension { value: None, parameter: Some(name.to_owned()) },
        });
        let shape = Some(Shape { dims: dims.collect() });
        let kind = Some(TypeProto { tensor: Some(TensorType { element_type: ElementType::Float as i32, shape }) });
        Self { name: name.to_owned(), kind }
    }
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    element_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dims: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    parameter: Option<String>,
}
