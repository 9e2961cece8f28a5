//! Emits ONNX graphs over a weights file: nodes, and references to the tensors that they use.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use stenobot_models::{Dtype, Sign, WeightsFile, WeightsForm};

use super::proto::{Attribute, ElementType, GraphProto, MICROSOFT, Model, Node, Tensor, ValueInfo};

/// Of every layer normalisation of Whisper.
const EPSILON: f32 = 1e-5;

/// The name of a value within a graph.
pub(super) type Value = String;

/// A graph in the making.
pub(super) struct Graph<'w> {
    weights: &'w WeightsFile,
    file: String,
    nodes: Vec<Node>,
    initializers: BTreeMap<String, Tensor>,
    /// Values whose rows were scaled: the scaled value and the scales.
    scaled: HashMap<Value, (Value, Value)>,
}

/// Whether the rows of a matrix product's input are brought to the same greatest value first.
///
/// Activations are quantised with one scale for the whole input, so that a row with a few large values leaves no precision to
/// the others. With scaled rows that one scale is one per row. An input of one row gains nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    Scaled,
    AsTheyAre,
}

impl<'w> Graph<'w> {
    pub(super) fn new(weights: &'w WeightsFile) -> Self {
        let file = weights.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { weights, file, nodes: Vec::new(), initializers: BTreeMap::new(), scaled: HashMap::new() }
    }

    /// The serialised model.
    pub(super) fn into_model(self, name: &str, inputs: Vec<ValueInfo>, outputs: Vec<ValueInfo>) -> Vec<u8> {
        let initializers = self.initializers.into_values().collect();
        let graph = GraphProto { nodes: self.nodes, name: name.to_owned(), initializers, inputs, outputs };
        Model::new(graph).encode_to_vec()
    }

    /// A tensor of the weights file. A name that is not in the layout is an error of the graph, which loading reports.
    pub(super) fn weight(&mut self, name: &str) -> Value {
        if let Some(tensor) = self.weights.tensor(name)
            && !self.initializers.contains_key(name)
        {
            let element_type = match tensor.dtype {
                Dtype::F32 => ElementType::Float,
                Dtype::I8 => ElementType::Int8,
                Dtype::U8 => ElementType::Uint8,
            };
            let dims: Vec<i64> = tensor.dims.iter().map(|&size| size.cast_signed()).collect();
            let reference = Tensor::external(name, element_type, &dims, &self.file, tensor.offset, tensor.bytes);
            self.initializers.insert(name.to_owned(), reference);
        }
        name.to_owned()
    }

    fn inline(&mut self, name: String, element_type: ElementType, dims: &[i64], bytes: Vec<u8>) -> Value {
        self.initializers.entry(name.clone()).or_insert_with(|| Tensor::inline(&name, element_type, dims, bytes));
        name
    }

    /// A constant list of integers.
    pub(super) fn integers(&mut self, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.inline(format!("integers {values:?}"), ElementType::Int64, &[values.len() as i64], bytes)
    }

    /// A node of the standard operators with one output.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> Value {
        let output = self.fresh(operator);
        self.push(operator, "", inputs, &[&output], attributes);
        output
    }

    /// A node of ONNX Runtime's own operators with one output.
    pub(super) fn runtime_node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> Value {
        let output = self.fresh(operator);
        self.push(operator, MICROSOFT, inputs, &[&output], attributes);
        output
    }

    fn fresh(&self, operator: &str) -> Value {
        format!("{operator}_{}", self.nodes.len())
    }

    /// A node with named outputs; an empty name stands for an input or output that is left out.
    pub(super) fn push(
        &mut self,
        operator: &str,
        domain: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<Attribute>,
    ) {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.nodes.push(Node {
            inputs: own(inputs),
            outputs: own(outputs),
            name: format!("{operator}_{}", self.nodes.len()),
            operator: operator.to_owned(),
            attributes,
            domain: domain.to_owned(),
        });
    }

    pub(super) fn split(&mut self, value: &str, parts: i64) -> Vec<Value> {
        let first = self.fresh("Split");
        let outputs: Vec<Value> = (0..parts).map(|part| format!("{first}_{part}")).collect();
        let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let attributes = vec![Attribute::of_integer("axis", -1), Attribute::of_integer("num_outputs", parts)];
        self.push("Split", "", &[value], &names, attributes);
        outputs
    }

    pub(super) fn layer_norm(&mut self, value: &str, name: &str) -> Value {
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        let attributes = vec![Attribute::of_integer("axis", -1), Attribute::of_float("epsilon", EPSILON)];
        self.node("LayerNormalization", &[value, &weight, &bias], attributes)
    }

    /// Adds the bias of `linear` and the residual to `value`. Gives the normalised sum and the sum.
    pub(super) fn skip_layer_norm(&mut self, value: &str, residual: &str, name: &str, linear: &str) -> (Value, Value) {
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        let linear_bias = self.weight(&format!("{linear}.bias"));
        let normalised = self.fresh("SkipLayerNormalization");
        let sum = format!("{normalised}_sum");
        let inputs = [value, residual, &weight, &bias, &linear_bias];
        let attributes = vec![Attribute::of_float("epsilon", EPSILON)];
        self.push("SkipLayerNormalization", MICROSOFT, &inputs, &[&normalised, "", "", &sum], attributes);
        (normalised, sum)
    }

    /// The feed-forward part of a block, without the bias of its second matrix.
    pub(super) fn feed_forward(&mut self, value: &str, block: &str, rows: Rows) -> Value {
        let hidden = self.product(value, &format!("{block}.mlp.0"), rows);
        let bias = self.weight(&format!("{block}.mlp.0.bias"));
        let hidden = self.runtime_node("BiasGelu", &[&hidden, &bias], Vec::new());
        self.product(&hidden, &format!("{block}.mlp.2"), rows)
    }

    /// `value` times the matrix `name` and its bias.
    pub(super) fn linear(&mut self, value: &str, name: &str, rows: Rows) -> Value {
        let product = self.product(value, name, rows);
        let bias = self.weight(&format!("{name}.bias"));
        self.node("Add", &[&product, &bias], Vec::new())
    }

    /// `value` times the matrix `name`.
    pub(super) fn product(&mut self, value: &str, name: &str, rows: Rows) -> Value {
        let matrix = self.weight(&format!("{name}.weight"));
        self.product_with(value, &matrix, name, rows)
    }

    /// `value` times a matrix whose scales are those of `name`.
    pub(super) fn product_with(&mut self, value: &str, matrix: &str, name: &str, rows: Rows) -> Value {
        let sign = match self.weights.form() {
            WeightsForm::Float32 => return self.node("MatMul", &[value, matrix], Vec::new()),
            WeightsForm::Int8(sign) => sign,
        };
        let scale = self.weight(&format!("{name}.scale"));
        let zero = match sign {
            Sign::Signed => String::new(),
            Sign::Unsigned => {
                let outputs = self.weights.tensor(&scale).map_or(0, |tensor| tensor.dims[0]);
                let bytes = vec![128; outputs as usize];
                self.inline(format!("zero {outputs}"), ElementType::Uint8, &[outputs.cast_signed()], bytes)
            }
        };
        match rows {
            Rows::AsTheyAre => self.quantised_product(value, matrix, &scale, &zero),
            Rows::Scaled => {
                let (scaled, greatest) = self.scale_rows(value);
                let product = self.quantised_product(&scaled, matrix, &scale, &zero);
                self.node("Mul", &[&product, &greatest], Vec::new())
            }
        }
    }

    fn quantised_product(&mut self, value: &str, matrix: &str, scale: &str, zero: &str) -> Value {
        let inputs = [value, matrix, scale, zero];
        let given = if zero.is_empty() { &inputs[..3] } else { &inputs[..] };
        self.runtime_node("DynamicQuantizeMatMul", given, Vec::new())
    }

    fn scale_rows(&mut self, value: &str) -> (Value, Value) {
        if let Some(known) = self.scaled.get(value) {
            return known.clone();
        }
        let last = self.integers(&[-1]);
        let tiny = self.inline("tiny".to_owned(), ElementType::Float, &[], 1e-9f32.to_le_bytes().to_vec());
        let absolute = self.node("Abs", &[value], Vec::new());
        let greatest = self.node("ReduceMax", &[&absolute, &last], vec![Attribute::of_integer("keepdims", 1)]);
        let greatest = self.node("Max", &[&greatest, &tiny], Vec::new());
        let scaled = self.node("Div", &[value, &greatest], Vec::new());
        self.scaled.insert(value.to_owned(), (scaled.clone(), greatest.clone()));
        (scaled, greatest)
    }
}
