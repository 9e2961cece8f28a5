//! The layers of Whisper's blocks over a weights file, as nodes of a graph.

use std::collections::HashMap;

use stenobot_models::{Dtype, Sign, WeightsFile, WeightsForm};

use crate::onnx::{Attribute, ElementType, Graph, Value, ValueInfo};

/// Of every layer normalisation of Whisper.
const EPSILON: f32 = 1e-5;

/// A graph in the making that refers to tensors of a weights file.
pub(super) struct Layers<'w> {
    pub(super) graph: Graph,
    weights: &'w WeightsFile,
    file: String,
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

impl<'w> Layers<'w> {
    pub(super) fn new(weights: &'w WeightsFile) -> Self {
        let file = weights.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { graph: Graph::default(), weights, file, scaled: HashMap::new() }
    }

    /// The serialised model.
    pub(super) fn into_model(self, name: &str, inputs: Vec<ValueInfo>, outputs: Vec<ValueInfo>) -> Vec<u8> {
        self.graph.into_model(name, inputs, outputs)
    }

    /// A tensor of the weights file. A name that is not in the layout is an error of the graph, which loading reports.
    pub(super) fn weight(&mut self, name: &str) -> Value {
        let Some(tensor) = self.weights.tensor(name) else { return name.to_owned() };
        let element_type = match tensor.dtype {
            Dtype::F32 => ElementType::Float,
            Dtype::I8 => ElementType::Int8,
            Dtype::U8 => ElementType::Uint8,
        };
        let dims: Vec<i64> = tensor.dims.iter().map(|&size| size.cast_signed()).collect();
        self.graph.external(name, element_type, &dims, &self.file, (tensor.offset, tensor.bytes))
    }

    pub(super) fn layer_norm(&mut self, value: &str, name: &str) -> Value {
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        let attributes = vec![Attribute::of_integer("axis", -1), Attribute::of_float("epsilon", EPSILON)];
        self.graph.node("LayerNormalization", &[value, &weight, &bias], attributes)
    }

    /// Adds the bias of `linear` and the residual to `value`. Gives the normalised sum and the sum.
    pub(super) fn skip_layer_norm(&mut self, value: &str, residual: &str, name: &str, linear: &str) -> (Value, Value) {
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        let linear_bias = self.weight(&format!("{linear}.bias"));
        let normalised = self.graph.fresh("SkipLayerNormalization");
        let sum = format!("{normalised}_sum");
        let inputs = [value, residual, &weight, &bias, &linear_bias];
        let attributes = vec![Attribute::of_float("epsilon", EPSILON)];
        self.graph.push_runtime("SkipLayerNormalization", &inputs, &[&normalised, "", "", &sum], attributes);
        (normalised, sum)
    }

    /// The feed-forward part of a block, without the bias of its second matrix.
    pub(super) fn feed_forward(&mut self, value: &str, block: &str, rows: Rows) -> Value {
        let hidden = self.product(value, &format!("{block}.mlp.0"), rows);
        let bias = self.weight(&format!("{block}.mlp.0.bias"));
        let hidden = self.graph.runtime_node("BiasGelu", &[&hidden, &bias], Vec::new());
        self.product(&hidden, &format!("{block}.mlp.2"), rows)
    }

    /// `value` times the matrix `name` and its bias.
    pub(super) fn linear(&mut self, value: &str, name: &str, rows: Rows) -> Value {
        let product = self.product(value, name, rows);
        let bias = self.weight(&format!("{name}.bias"));
        self.graph.node("Add", &[&product, &bias], Vec::new())
    }

    /// `value` times the matrix `name`.
    pub(super) fn product(&mut self, value: &str, name: &str, rows: Rows) -> Value {
        let matrix = self.weight(&format!("{name}.weight"));
        self.product_with(value, &matrix, name, rows)
    }

    /// `value` times a matrix whose scales are those of `name`.
    pub(super) fn product_with(&mut self, value: &str, matrix: &str, name: &str, rows: Rows) -> Value {
        let sign = match self.weights.form() {
            WeightsForm::Float32 => return self.graph.node("MatMul", &[value, matrix], Vec::new()),
            WeightsForm::Int8(sign) => sign,
        };
        let scale = self.weight(&format!("{name}.scale"));
        let zero = match sign {
            Sign::Signed => String::new(),
            Sign::Unsigned => {
                let outputs = self.weights.tensor(&scale).map_or(0, |tensor| tensor.dims[0]);
                let bytes = vec![128; outputs as usize];
                self.graph.bytes(&format!("zero {outputs}"), ElementType::Uint8, &[outputs.cast_signed()], bytes)
            }
        };
        match rows {
            Rows::AsTheyAre => self.quantised_product(value, matrix, &scale, &zero),
            Rows::Scaled => {
                let (scaled, greatest) = self.scale_rows(value);
                let product = self.quantised_product(&scaled, matrix, &scale, &zero);
                self.graph.node("Mul", &[&product, &greatest], Vec::new())
            }
        }
    }

    fn quantised_product(&mut self, value: &str, matrix: &str, scale: &str, zero: &str) -> Value {
        let inputs = [value, matrix, scale, zero];
        let given = if zero.is_empty() { &inputs[..3] } else { &inputs[..] };
        self.graph.runtime_node("DynamicQuantizeMatMul", given, Vec::new())
    }

    fn scale_rows(&mut self, value: &str) -> (Value, Value) {
        if let Some(known) = self.scaled.get(value) {
            return known.clone();
        }
        let last = self.graph.integers(&[-1]);
        let tiny = self.graph.floats("tiny", &[], &[1e-9]);
        // The greatest absolute value, without a copy of the input.
        let keep = || vec![Attribute::of_integer("keepdims", 1)];
        let greatest = self.graph.node("ReduceMax", &[value, &last], keep());
        let least = self.graph.node("ReduceMin", &[value, &last], keep());
        let least = self.graph.node("Neg", &[&least], Vec::new());
        let greatest = self.graph.node("Max", &[&greatest, &least, &tiny], Vec::new());
        let scaled = self.graph.node("Div", &[value, &greatest], Vec::new());
        self.scaled.insert(value.to_owned(), (scaled.clone(), greatest.clone()));
        (scaled, greatest)
    }
}
