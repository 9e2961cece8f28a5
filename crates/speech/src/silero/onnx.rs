//! Silero's network on ONNX Runtime: a graph over all chunks at once, in which only the recurrent layer goes from chunk to
//! chunk.

use std::path::Path;

use ort::session::Session;
use ort::value::TensorRef;
use stenobot_models::DetectorWeights;

use super::{CHUNK, Network};
use crate::RecognizerError;
use crate::onnx::{Attribute, Graph, Library, Size, Value, ValueInfo};

/// Samples by which a chunk is continued on both sides, mirrored.
const PADDING: usize = 64;
/// Samples of one spectrum, and from one to the next.
const FRAME: usize = 256;
const HOP: usize = 128;
/// Spectra of a chunk.
const FRAMES: usize = (CHUNK + 2 * PADDING - FRAME) / HOP + 1;
/// Frequencies of a spectrum.
const FREQUENCIES: usize = 129;
/// Width of the recurrent layer.
const WIDTH: usize = 128;
/// Taps of each convolution.
const TAPS: usize = 3;

pub(super) struct OnnxSilero(Session);

impl OnnxSilero {
    /// Reads a file that was checked.
    pub(super) fn load(library: &Library, file: &Path) -> Result<Self, RecognizerError> {
        let weights = DetectorWeights::read(file).map_err(|_| RecognizerError::Detector)?;
        // Its graph is too small for threads to help each other.
        let session = library.session(&model(&weights), Path::new("/"), 1);
        session.map(Self).map_err(|_| RecognizerError::Detector)
    }
}

impl Network for OnnxSilero {
    fn probabilities(&mut self, samples: &[f32]) -> Result<Vec<f32>, RecognizerError> {
        let failed =
            |error: ort::Error| RecognizerError::Native { step: "voice activity detection", reason: error.to_string() };
        let frames = frames(samples);
        let input = TensorRef::from_array_view(([frames.len() / FRAME / FRAMES, FRAMES, FRAME], &*frames));
        let outputs = self.0.run(ort::inputs!["frames" => input.map_err(failed)?]).map_err(failed)?;
        let (_, probabilities) = outputs["probabilities"].try_extract_tensor::<f32>().map_err(failed)?;
        Ok(probabilities.to_vec())
    }
}

/// The frames of each chunk, which overlap, one after the other.
fn frames(samples: &[f32]) -> Vec<f32> {
    let mut frames = Vec::with_capacity(samples.len().div_ceil(CHUNK) * FRAMES * FRAME);
    let mut padded = [0.0; CHUNK + 2 * PADDING];
    for part in samples.chunks(CHUNK) {
        let chunk = &mut padded[PADDING..PADDING + CHUNK];
        chunk[..part.len()].copy_from_slice(part);
        chunk[part.len()..].fill(0.0);
        for distance in 1..=PADDING {
            padded[PADDING - distance] = padded[PADDING + distance];
            padded[PADDING + CHUNK - 1 + distance] = padded[PADDING + CHUNK - 1 - distance];
        }
        (0..FRAMES).for_each(|frame| frames.extend_from_slice(&padded[frame * HOP..frame * HOP + FRAME]));
    }
    frames
}

/// Input `frames` `[chunks, 4, 256]`, output `probabilities` `[chunks, 1, 1]`.
///
/// The convolutions are written as matrix products over all chunks, which ONNX Runtime computes several times faster than
/// thousands of convolutions over four positions.
fn model(weights: &DetectorWeights) -> Vec<u8> {
    let mut network = Layers { graph: Graph::default(), weights };
    let basis = weights.tensor("_model.stft.forward_basis_buffer");
    let spectrum = network.product("frames", "basis", &transposed(basis, FRAME), FRAME);
    let parts = network.graph.split(&spectrum, -1, 2);
    let squares: Vec<_> = parts.iter().map(|part| network.graph.node("Mul", &[part, part], Vec::new())).collect();
    let power = network.graph.node("Add", &[&squares[0], &squares[1]], Vec::new());
    let magnitude = network.graph.node("Sqrt", &[&power], Vec::new());

    // One position of silence at either end; each of the four positions sees its neighbours.
    let value = network.pad(&magnitude, 1, 1);
    let neighbours: Vec<_> = (0..TAPS).map(|tap| network.positions(&value, tap, tap + FRAMES)).collect();
    let neighbours: Vec<&str> = neighbours.iter().map(String::as_str).collect();
    let value = network.graph.node("Concat", &neighbours, vec![Attribute::of_integer("axis", -1)]);
    let value = network.convolution(&value, 0, FREQUENCIES, 0..TAPS);
    // With a stride of two: positions -1 to 1 and 1 to 3.
    let value = network.pad(&value, 1, 0);
    let windows: Vec<_> = [0, 2].map(|first| network.window(&value, first, TAPS, WIDTH)).into();
    let value = network.graph.node("Concat", &[&windows[0], &windows[1]], vec![Attribute::of_integer("axis", 1)]);
    let value = network.convolution(&value, 1, WIDTH, 0..TAPS);
    // Of two positions one is left, the first, before which there is silence.
    let value = network.window(&value, 0, 2, 64);
    let value = network.convolution(&value, 2, 64, 1..TAPS);
    // One position has no neighbours.
    let value = network.convolution(&value, 3, 64, 1..2);

    let probabilities = network.recurrent(&value);
    let mut graph = network.graph;
    graph.push_standard("Sigmoid", &[&probabilities], &["probabilities"], Vec::new());
    let size = |size: usize| Size::Fixed(size.cast_signed() as i64);
    let input = ValueInfo::floats("frames", &[Size::Named("chunks"), size(FRAMES), size(FRAME)]);
    let output = ValueInfo::floats("probabilities", &[Size::Named("chunks"), size(1), size(1)]);
    graph.into_model("detector", vec![input], vec![output])
}

/// The layers of the network over values `[chunks, positions, channels]`.
struct Layers<'w> {
    graph: Graph,
    weights: &'w DetectorWeights,
}

impl Layers<'_> {
    /// `value` times a matrix of so many rows.
    fn product(&mut self, value: &str, name: &str, matrix: &[f32], rows: usize) -> Value {
        let matrix = self.graph.floats(name, &[rows as i64, (matrix.len() / rows) as i64], matrix);
        self.graph.node("MatMul", &[value, &matrix], Vec::new())
    }

    /// A convolution whose input has these `taps` of so many channels side by side.
    fn convolution(&mut self, value: &str, layer: usize, channels: usize, taps: std::ops::Range<usize>) -> Value {
        let name = format!("_model.encoder.{layer}.reparam_conv");
        // [outputs, channels, taps] becomes [taps, channels, outputs].
        let weight = self.weights.tensor(&format!("{name}.weight"));
        let outputs = weight.len() / channels / TAPS;
        let mut matrix = Vec::with_capacity(taps.len() * channels * outputs);
        for tap in taps.clone() {
            for channel in 0..channels {
                matrix.extend((0..outputs).map(|output| weight[(output * channels + channel) * TAPS + tap]));
            }
        }
        let product = self.product(value, &name, &matrix, taps.len() * channels);
        let bias = self.weights.tensor(&format!("{name}.bias"));
        let bias = self.graph.floats(&format!("{name}.bias"), &[outputs as i64], bias);
        let sum = self.graph.node("Add", &[&product, &bias], Vec::new());
        self.graph.node("Relu", &[&sum], Vec::new())
    }

    /// Silent positions before and behind.
    fn pad(&mut self, value: &str, before: i64, behind: i64) -> Value {
        let pads = self.graph.integers(&[0, before, 0, 0, behind, 0]);
        self.graph.node("Pad", &[value, &pads], Vec::new())
    }

    fn positions(&mut self, value: &str, first: usize, end: usize) -> Value {
        let [first, end, axis] = [first as i64, end as i64, 1].map(|number| self.graph.integers(&[number]));
        self.graph.node("Slice", &[value, &first, &end, &axis], Vec::new())
    }

    /// `count` positions from `first` on, side by side in one.
    fn window(&mut self, value: &str, first: usize, count: usize, channels: usize) -> Value {
        let positions = self.positions(value, first, first + count);
        let shape = self.graph.integers(&[0, 1, (count * channels) as i64]);
        self.graph.node("Reshape", &[&positions, &shape], Vec::new())
    }

    /// The recurrent layer over the chunks, a sequence of batches of one, and the logit of each.
    fn recurrent(&mut self, value: &str) -> Value {
        let width = WIDTH as i64;
        let gates = |name: &str| by_onnx_order(self.weights.tensor(&format!("_model.decoder.rnn.{name}")));
        let bias = [gates("bias_ih"), gates("bias_hh")].concat();
        let input = self.graph.floats("lstm.input", &[1, 4 * width, width], &gates("weight_ih"));
        let hidden = self.graph.floats("lstm.hidden", &[1, 4 * width, width], &gates("weight_hh"));
        let bias = self.graph.floats("lstm.bias", &[1, 8 * width], &bias);
        let attributes = vec![Attribute::of_integer("hidden_size", width)];
        // [chunks, directions, batch, width]
        let states = self.graph.node("LSTM", &[value, &input, &hidden, &bias], attributes);
        let axis = self.graph.integers(&[1]);
        let states = self.graph.node("Squeeze", &[&states, &axis], Vec::new());
        let states = self.graph.node("Relu", &[&states], Vec::new());
        let logit = self.weights.tensor("_model.decoder.decoder.2.weight");
        let logits = self.product(&states, "logit", logit, WIDTH);
        let bias = self.graph.floats("logit.bias", &[1], self.weights.tensor("_model.decoder.decoder.2.bias"));
        self.graph.node("Add", &[&logits, &bias], Vec::new())
    }
}

/// The rows of so many values as columns.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    (0..matrix.len()).map(|index| matrix[index % rows * columns + index / rows]).collect()
}

/// The gates input, forget, cell, output in the order input, output, forget, cell.
fn by_onnx_order(values: &[f32]) -> Vec<f32> {
    let gate = |index: usize| &values[index * values.len() / 4..(index + 1) * values.len() / 4];
    [gate(0), gate(3), gate(1), gate(2)].concat()
}
