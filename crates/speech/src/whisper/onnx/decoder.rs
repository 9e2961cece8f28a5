//! Whisper's decoder as a graph: one step over one or more tokens.

use stenobot_models::WeightsFile;

use super::layers::{Layers, Rows};
use super::{HEAD_WIDTH, Names};
use crate::onnx::{Attribute, Size, ValueInfo};

/// Inputs: `embedded` `[1, tokens, width]`, the tokens' embeddings with their positions added; for each layer the keys and
/// values of earlier positions and those of cross-attention. Outputs: `logits` `[1, 1, vocabulary]` of what follows the last
/// token, and for each layer the keys and values with those of this step appended.
///
/// Rows are not scaled: nearly every step has one.
pub(super) fn model(weights: &WeightsFile) -> Vec<u8> {
    let architecture = *weights.architecture();
    let heads = i64::from(architecture.text_heads);
    let width = Size::Fixed(i64::from(architecture.text_state));
    let keys = |name: &str, positions| {
        ValueInfo::floats(name, &[Size::Fixed(1), Size::Fixed(heads), Size::Named(positions), Size::Fixed(HEAD_WIDTH)])
    };
    let mut layers = Layers::new(weights);
    let mut inputs = vec![ValueInfo::floats("embedded", &[Size::Fixed(1), Size::Named("tokens"), width])];
    let vocabulary = Size::Fixed(i64::from(architecture.tokens));
    let mut outputs = vec![ValueInfo::floats("logits", &[Size::Fixed(1), Size::Fixed(1), vocabulary])];

    let mut sum = "embedded".to_owned();
    let mut normalised = layers.layer_norm(&sum, "decoder.blocks.0.attn_ln");
    for layer in 0..architecture.text_layers {
        let block = format!("decoder.blocks.{layer}");
        let names = Names::of(layer);
        inputs.extend([keys(&names.past_key, "past"), keys(&names.past_value, "past")]);
        inputs.extend([keys(&names.cross_key, "positions"), keys(&names.cross_value, "positions")]);
        outputs.extend([keys(&names.key, "all"), keys(&names.value, "all")]);

        let attention = format!("{block}.attn");
        let joined = layers.product(&normalised, &format!("{attention}.qkv"), Rows::AsTheyAre);
        let parts = layers.graph.split(&joined, -1, 3);
        let bias = layers.weight(&format!("{attention}.qkv.bias"));
        let attended = format!("{attention}.attended");
        layers.graph.push_runtime(
            "MultiHeadAttention",
            &[&parts[0], &parts[1], &parts[2], &bias, "", "", &names.past_key, &names.past_value],
            &[&attended, &names.key, &names.value],
            vec![Attribute::of_integer("num_heads", heads), Attribute::of_integer("unidirectional", 1)],
        );
        let out = format!("{attention}.out");
        let attended = layers.product(&attended, &out, Rows::AsTheyAre);
        (normalised, sum) = layers.skip_layer_norm(&attended, &sum, &format!("{block}.cross_attn_ln"), &out);

        let cross = format!("{block}.cross_attn");
        let query = layers.linear(&normalised, &format!("{cross}.query"), Rows::AsTheyAre);
        let attended = layers.graph.runtime_node(
            "MultiHeadAttention",
            &[&query, &names.cross_key, &names.cross_value],
            vec![Attribute::of_integer("num_heads", heads)],
        );
        let out = format!("{cross}.out");
        let attended = layers.product(&attended, &out, Rows::AsTheyAre);
        (normalised, sum) = layers.skip_layer_norm(&attended, &sum, &format!("{block}.mlp_ln"), &out);

        let fed = layers.feed_forward(&normalised, &block, Rows::AsTheyAre);
        let next = match layer + 1 < architecture.text_layers {
            true => format!("decoder.blocks.{}.attn_ln", layer + 1),
            false => "decoder.ln".to_owned(),
        };
        (normalised, sum) = layers.skip_layer_norm(&fed, &sum, &next, &format!("{block}.mlp.2"));
    }

    let [minus_one, end, axis] = [[-1], [i64::MAX], [1]].map(|value| layers.graph.integers(&value));
    let last = layers.graph.node("Slice", &[&normalised, &minus_one, &end, &axis], Vec::new());
    // The embedding's one copy; transposed when the session is made.
    let embedding = layers.weight("decoder.token_embedding.weight");
    let projection = layers.graph.node("Transpose", &[&embedding], vec![Attribute::of_integers("perm", &[1, 0])]);
    let logits = layers.product_with(&last, &projection, "decoder.token_embedding", Rows::AsTheyAre);
    layers.graph.push_standard("Identity", &[&logits], &["logits"], Vec::new());
    layers.into_model("decoder", inputs, outputs)
}
