//! Whisper's encoder as a graph: from the spectrogram to keys and values of the decoder's cross-attention.

use stenobot_models::WeightsFile;

use super::layers::{Layers, Rows};
use super::{HEAD_WIDTH, Names};
use crate::onnx::{Attribute, Size, ValueInfo};

/// Input `mel` `[1, bands, 2 * positions]`; outputs for each layer of the decoder keys and values `[1, heads, positions, 64]`.
pub(super) fn model(weights: &WeightsFile) -> Vec<u8> {
    let architecture = *weights.architecture();
    let heads = i64::from(architecture.audio_heads);
    let mut layers = Layers::new(weights);

    let mut value = "mel".to_owned();
    for (name, stride) in [("encoder.conv1", 1), ("encoder.conv2", 2)] {
        let (weight, bias) = (layers.weight(&format!("{name}.weight")), layers.weight(&format!("{name}.bias")));
        let attributes = vec![
            Attribute::of_integers("kernel_shape", &[3]),
            Attribute::of_integers("pads", &[1, 1]),
            Attribute::of_integers("strides", &[stride]),
        ];
        value = layers.graph.node("Conv", &[&value, &weight, &bias], attributes);
        value = layers.graph.runtime_node("Gelu", &[&value], Vec::new());
    }
    value = layers.graph.node("Transpose", &[&value], vec![Attribute::of_integers("perm", &[0, 2, 1])]);
    let positions =
        layers.graph.node("Shape", &[&value], vec![Attribute::of_integer("start", 1), Attribute::of_integer("end", 2)]);
    let (table, zero) = (layers.weight("encoder.positional_embedding"), layers.graph.integers(&[0]));
    let embedding = layers.graph.node("Slice", &[&table, &zero, &positions, &zero], Vec::new());
    let mut sum = layers.graph.node("Add", &[&value, &embedding], Vec::new());

    let mut normalised = layers.layer_norm(&sum, "encoder.blocks.0.attn_ln");
    for layer in 0..architecture.audio_layers {
        let block = format!("encoder.blocks.{layer}");
        let attention = format!("{block}.attn");
        let joined = layers.product(&normalised, &format!("{attention}.qkv"), Rows::Scaled);
        let parts = layers.graph.split(&joined, -1, 3);
        let bias = layers.weight(&format!("{attention}.qkv.bias"));
        let inputs = [&*parts[0], &*parts[1], &*parts[2], &*bias];
        let attended =
            layers.graph.runtime_node("MultiHeadAttention", &inputs, vec![Attribute::of_integer("num_heads", heads)]);
        let out = format!("{attention}.out");
        let attended = layers.product(&attended, &out, Rows::Scaled);
        (normalised, sum) = layers.skip_layer_norm(&attended, &sum, &format!("{block}.mlp_ln"), &out);
        let fed = layers.feed_forward(&normalised, &block, Rows::Scaled);
        let next = match layer + 1 < architecture.audio_layers {
            true => format!("encoder.blocks.{}.attn_ln", layer + 1),
            false => "encoder.ln_post".to_owned(),
        };
        (normalised, sum) = layers.skip_layer_norm(&fed, &sum, &next, &format!("{block}.mlp.2"));
    }

    let mut outputs = Vec::new();
    let shape = layers.graph.integers(&[0, 0, 2 * heads, HEAD_WIDTH]);
    for layer in 0..architecture.text_layers {
        let joined = layers.linear(&normalised, &format!("decoder.blocks.{layer}.cross_attn.kv"), Rows::Scaled);
        let joined = layers.graph.node("Reshape", &[&joined, &shape], Vec::new());
        let joined = layers.graph.node("Transpose", &[&joined], vec![Attribute::of_integers("perm", &[0, 2, 1, 3])]);
        let Names { cross_key, cross_value, .. } = Names::of(layer);
        let attributes = vec![Attribute::of_integer("axis", 1), Attribute::of_integer("num_outputs", 2)];
        layers.graph.push_standard("Split", &[&joined], &[&cross_key, &cross_value], attributes);
        for name in [cross_key, cross_value] {
            let sizes = [Size::Fixed(1), Size::Fixed(heads), Size::Named("positions"), Size::Fixed(HEAD_WIDTH)];
            outputs.push(ValueInfo::floats(&name, &sizes));
        }
    }
    let mel = [Size::Fixed(1), Size::Fixed(i64::from(architecture.mel_bands)), Size::Named("frames")];
    let inputs = vec![ValueInfo::floats("mel", &mel)];
    layers.into_model("encoder", inputs, outputs)
}
