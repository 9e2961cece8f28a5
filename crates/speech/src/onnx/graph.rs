//! A graph in the making: nodes and the tensors that they use.

use std::collections::BTreeMap;

use prost::Message;

use super::proto::{Attribute, ElementType, GraphProto, MICROSOFT, Model, Node, Tensor, ValueInfo};

/// The name of a value within a graph.
pub(crate) type Value = String;

#[derive(Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    initializers: BTreeMap<String, Tensor>,
}

impl Graph {
    /// The serialised model.
    pub(crate) fn into_model(self, name: &str, inputs: Vec<ValueInfo>, outputs: Vec<ValueInfo>) -> Vec<u8> {
        let initializers = self.initializers.into_values().collect();
        let graph = GraphProto { nodes: self.nodes, name: name.to_owned(), initializers, inputs, outputs };
        Model::new(graph).encode_to_vec()
    }

    /// A constant, with its little-endian bytes.
    pub(crate) fn bytes(&mut self, name: &str, element_type: ElementType, dims: &[i64], bytes: Vec<u8>) -> Value {
        let tensor = || Tensor::inline(name, element_type, dims, bytes);
        self.initializers.entry(name.to_owned()).or_insert_with(tensor);
        name.to_owned()
    }

    /// A constant of floats.
    pub(crate) fn floats(&mut self, name: &str, dims: &[i64], values: &[f32]) -> Value {
        self.bytes(name, ElementType::Float, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A constant list of integers.
    pub(crate) fn integers(&mut self, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(&format!("integers {values:?}"), ElementType::Int64, &[values.len() as i64], bytes)
    }

    /// A constant in another file of the session's folder.
    pub(crate) fn external(
        &mut self,
        name: &str,
        element_type: ElementType,
        dims: &[i64],
        file: &str,
        (offset, bytes): (u64, u64),
    ) -> Value {
        let tensor = || Tensor::external(name, element_type, dims, file, offset, bytes);
        self.initializers.entry(name.to_owned()).or_insert_with(tensor);
        name.to_owned()
    }

    /// A node of the standard operators with one output.
    pub(crate) fn node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> Value {
        let output = self.fresh(operator);
        self.push(operator, "", inputs, &[&output], attributes);
        output
    }

    /// A node of ONNX Runtime's own operators with one output.
    pub(crate) fn runtime_node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> Value {
        let output = self.fresh(operator);
        self.push_runtime(operator, inputs, &[&output], attributes);
        output
    }

    /// A node of the standard operators with named outputs; an empty name stands for an input or output that is left out.
    pub(crate) fn push_standard(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<Attribute>,
    ) {
        self.push(operator, "", inputs, outputs, attributes);
    }

    /// A node of ONNX Runtime's own operators with named outputs; an empty name stands for one that is left out.
    pub(crate) fn push_runtime(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<Attribute>,
    ) {
        self.push(operator, MICROSOFT, inputs, outputs, attributes);
    }

    /// Parts of equal size along an axis.
    pub(crate) fn split(&mut self, value: &str, axis: i64, parts: i64) -> Vec<Value> {
        let first = self.fresh("Split");
        let outputs: Vec<Value> = (0..parts).map(|part| format!("{first}_{part}")).collect();
        let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let attributes = vec![Attribute::of_integer("axis", axis), Attribute::of_integer("num_outputs", parts)];
        self.push_standard("Split", &[value], &names, attributes);
        outputs
    }

    /// A name that no other value has.
    pub(crate) fn fresh(&self, operator: &str) -> Value {
        format!("{operator}_{}", self.nodes.len())
    }

    fn push(&mut self, operator: &str, domain: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<Attribute>) {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.nodes.push(Node {
            inputs: own(inputs),
            outputs: own(outputs),
            name: self.fresh(operator),
            operator: operator.to_owned(),
            attributes,
            domain: domain.to_owned(),
        });
    }
}
