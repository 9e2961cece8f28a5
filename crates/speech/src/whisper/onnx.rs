//! Whisper's network on ONNX Runtime, as two graphs over a weights file.
//!
//! The graphs are made when the model is loaded (`encoder`, `decoder`, over `layers`); their weights are mapped from the file. The spectrogram (`mel`) and the embeddings of tokens are computed here.

mod decoder;
mod encoder;
mod layers;
mod mel;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorRef};
use stenobot_domain::ModelFacts;
use stenobot_models::{Architecture, Sign, WeightsFile, WeightsForm};

use super::EncoderContext;
use super::backend::Backend;
use super::sampling::{Token, Vocabulary};
use crate::onnx::{Library, onnx_backend};
use crate::{Observer, RecognizerError};
use mel::MelSpectrogram;

/// Width of one attention head of every Whisper model.
const HEAD_WIDTH: i64 = 64;
/// How often the observer is asked while the encoder runs.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The names of a decoder layer's inputs and outputs.
struct Names {
    past_key: String,
    past_value: String,
    key: String,
    value: String,
    cross_key: String,
    cross_value: String,
}

impl Names {
    fn of(layer: u32) -> Self {
        let name = |what: &str| format!("{what}.{layer}");
        Self {
            past_key: name("past_key"),
            past_value: name("past_value"),
            key: name("key"),
            value: name("value"),
            cross_key: name("cross_key"),
            cross_value: name("cross_value"),
        }
    }
}

/// A model with the state of one window.
pub(super) struct OnnxRuntime {
    weights: WeightsFile,
    version: String,
    encoder: Session,
    decoder: Session,
    mel: MelSpectrogram,
    embedding: Embedding,
    vocabulary: Vec<Vec<u8>>,
    names: Vec<Names>,
    /// Keys and values of the window, two for each layer.
    cross: Vec<DynValue>,
    /// Those of the part of it to which the decoder attends, unless that is all of it.
    attended: Option<Vec<DynValue>>,
    /// Keys and values of the tokens so far, two for each layer.
    past: Vec<DynValue>,
    /// The tokens so far.
    decoded: Vec<Token>,
    /// Of what follows them.
    logits: Vec<f32>,
}

impl OnnxRuntime {
    /// Loads a weights file, whose hash must have been checked.
    pub(super) fn load(library: &Library, file: &Path, threads: usize) -> Result<Self, RecognizerError> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let refused = |reason: String| RecognizerError::Weights { file: name.clone().into_owned(), reason };
        let weights = WeightsFile::open(file).map_err(|error| refused(error.to_string()))?;
        match weights.form() {
            // They would overflow.
            WeightsForm::Int8(Sign::Signed) if Sign::of_this_processor() == Sign::Unsigned => {
                return Err(refused("it was made for processors with VNNI".to_owned()));
            }
            WeightsForm::Int8(_) | WeightsForm::Float32 => {}
        }
        let folder = file.parent().unwrap_or(Path::new("/"));
        let session =
            |model: Vec<u8>| library.session(&model, folder, threads).map_err(|error| refused(error.to_string()));
        let (encoder, decoder) = (session(encoder::model(&weights))?, session(decoder::model(&weights))?);
        let architecture = *weights.architecture();
        let unreadable = |error: stenobot_models::ModelFileError| refused(error.to_string());
        Ok(Self {
            version: library.version.clone(),
            encoder,
            decoder,
            mel: MelSpectrogram::new(architecture.mel_bands as usize),
            embedding: Embedding::load(&weights).map_err(unreadable)?,
            vocabulary: weights.vocabulary().map_err(unreadable)?,
            names: (0..architecture.text_layers).map(Names::of).collect(),
            weights,
            cross: Vec::new(),
            attended: None,
            past: Vec::new(),
            decoded: Vec::new(),
            logits: Vec::new(),
        })
    }

    fn architecture(&self) -> &Architecture {
        self.weights.architecture()
    }

    /// Forgets all tokens.
    fn reset(&mut self) -> Result<(), ort::Error> {
        self.decoded.clear();
        self.past.clear();
        let heads = self.architecture().text_heads as usize;
        for _ in 0..2 * self.names.len() {
            let empty = Tensor::<f32>::new(self.decoder.allocator(), [1, heads, 0, HEAD_WIDTH as usize])?;
            self.past.push(empty.into_dyn());
        }
        Ok(())
    }

    /// Appends tokens to those decoded.
    fn step(&mut self, tokens: &[Token]) -> Result<(), RecognizerError> {
        let mut embedded = Vec::with_capacity(tokens.len() * self.embedding.width);
        for (token, position) in tokens.iter().zip(self.decoded.len()..) {
            self.embedding
                .append(&self.weights, *token, position, &mut embedded)
                .map_err(|error| RecognizerError::Native { step: "reading an embedding", reason: error.to_string() })?;
        }
        self.run_decoder(&embedded, tokens.len()).map_err(failed("decoding"))?;
        self.decoded.extend_from_slice(tokens);
        Ok(())
    }

    fn run_decoder(&mut self, embedded: &[f32], tokens: usize) -> Result<(), ort::Error> {
        let width = self.embedding.width;
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(1 + 4 * self.names.len());
        inputs.push(("embedded".into(), TensorRef::from_array_view(([1, tokens, width], embedded))?.into()));
        let cross = self.attended.as_ref().unwrap_or(&self.cross);
        let (past, cross) = (self.past.chunks_exact(2), cross.chunks_exact(2));
        for ((names, past), cross) in self.names.iter().zip(past).zip(cross) {
            inputs.push((Cow::Borrowed(&names.past_key), (&past[0]).into()));
            inputs.push((Cow::Borrowed(&names.past_value), (&past[1]).into()));
            inputs.push((Cow::Borrowed(&names.cross_key), (&cross[0]).into()));
            inputs.push((Cow::Borrowed(&names.cross_value), (&cross[1]).into()));
        }
        let mut outputs = self.decoder.run(inputs)?;
        let (_, logits) = outputs["logits"].try_extract_tensor::<f32>()?;
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        let keys_and_values = self.names.iter().flat_map(|names| [&names.key, &names.value]);
        self.past = keys_and_values.filter_map(|name| outputs.remove(name)).collect();
        Ok(())
    }

    /// Runs the encoder in another thread, asks the observer meanwhile and ends the run when it says so.
    fn run_encoder(&mut self, mel: &[f32], frames: usize, observer: &dyn Observer) -> Result<(), RecognizerError> {
        let bands = self.mel.bands();
        let options = RunOptions::new().map_err(failed("encoding"))?;
        let (session, names) = (&mut self.encoder, &self.names);
        let mut run = || -> Result<Vec<DynValue>, ort::Error> {
            let mel = TensorRef::from_array_view(([1, bands, frames], mel))?;
            let mut outputs = session.run_with_options(ort::inputs!["mel" => mel], &options)?;
            let keys_and_values = names.iter().flat_map(|names| [&names.cross_key, &names.cross_value]);
            Ok(keys_and_values.filter_map(|name| outputs.remove(name)).collect())
        };
        let result = std::thread::scope(|scope| {
            let (sender, done) = channel();
            let running = scope.spawn(move || {
                // Held until the run has ended.
                let _sender: std::sync::mpsc::Sender<()> = sender;
                run()
            });
            while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(CANCEL_POLL_INTERVAL) {
                if observer.is_cancelled() {
                    // Fails only on a closed session.
                    let _ = options.terminate();
                }
            }
            running.join()
        });
        let result = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if observer.is_cancelled() {
            return Err(RecognizerError::Cancelled);
        }
        self.cross = result.map_err(failed("encoding"))?;
        Ok(())
    }
}

impl Backend for OnnxRuntime {
    fn facts(&self) -> ModelFacts {
        let form = self.weights.form().name();
        ModelFacts {
            kind: self.architecture().kind().to_owned(),
            weights: format!("{form} of {}", self.weights.source()),
            multilingual: self.architecture().is_multilingual(),
            backend: onnx_backend(&self.version),
        }
    }

    fn working_memory(&self) -> u64 {
        self.architecture().onnx_memory().window
    }

    fn vocabulary(&self) -> Vocabulary {
        let tokens = self.architecture().special_tokens();
        let blank = self.vocabulary.iter().position(|text| text == b" ");
        Vocabulary {
            end_of_text: tokens.end_of_text,
            start: tokens.start,
            transcribe: tokens.transcribe,
            no_speech: tokens.no_speech,
            first_timestamp: tokens.first_timestamp,
            blank: blank.and_then(|index| Token::try_from(index).ok()),
            languages: (0..tokens.languages).map_while(whisper_rs::get_lang_str).collect(),
            max_tokens: self.architecture().text_context as usize / 2,
        }
    }

    fn token_bytes(&self, token: Token) -> &[u8] {
        usize::try_from(token).ok().and_then(|index| self.vocabulary.get(index)).map_or(&[], Vec::as_slice)
    }

    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        observer: &dyn Observer,
    ) -> Result<(), RecognizerError> {
        if observer.is_cancelled() {
            return Err(RecognizerError::Cancelled);
        }
        // What belongs to the last window is not needed beside that of this one.
        self.cross.clear();
        self.attended = None;
        self.reset().map_err(failed("encoding"))?;
        let frames = 2 * usize::from(context.positions());
        let mel = self.mel.compute(samples, frames);
        self.run_encoder(&mel, frames, observer)
    }

    fn attend(&mut self, positions: Range<usize>) -> Result<bool, RecognizerError> {
        self.reset().map_err(failed("decoding"))?;
        let part = |whole: &DynValue| part_of(whole, &positions);
        self.attended = Some(self.cross.iter().map(part).collect::<Result<_, _>>().map_err(failed("decoding"))?);
        Ok(true)
    }

    fn decode(&mut self, tokens: &[Token], position: usize) -> Result<&[f32], RecognizerError> {
        let is_known = self.decoded.get(position..).is_some_and(|known| known == tokens);
        if !is_known {
            if position < self.decoded.len() {
                let before = self.decoded[..position].to_vec();
                self.reset().map_err(failed("decoding"))?;
                if !before.is_empty() {
                    self.step(&before)?;
                }
            }
            self.step(tokens)?;
        }
        Ok(&self.logits)
    }
}

/// The rows `positions` of each head of keys or values `[1, heads, positions, width]`.
fn part_of(whole: &DynValue, positions: &Range<usize>) -> Result<DynValue, ort::Error> {
    let (shape, values) = whole.try_extract_tensor::<f32>()?;
    let [heads, all, width] = [shape[1] as usize, shape[2] as usize, shape[3] as usize];
    let positions = positions.start.min(all)..positions.end.min(all);
    let mut part = Vec::with_capacity(heads * positions.len() * width);
    for head in values.chunks_exact(all * width) {
        part.extend_from_slice(&head[positions.start * width..positions.end * width]);
    }
    Ok(Tensor::from_array(([1, heads, positions.len(), width], part))?.into_dyn())
}

fn failed(step: &'static str) -> impl Fn(ort::Error) -> RecognizerError {
    move |error| RecognizerError::Native { step, reason: error.to_string() }
}

/// The embeddings of tokens and positions.
struct Embedding {
    width: usize,
    form: WeightsForm,
    /// Of each token's row; empty for rows of floats.
    scales: Vec<f32>,
    positions: Vec<f32>,
}

impl Embedding {
    const ROWS: &str = "decoder.token_embedding.weight";

    fn load(weights: &WeightsFile) -> Result<Self, stenobot_models::ModelFileError> {
        let form = weights.form();
        let scales = match form {
            WeightsForm::Float32 => Vec::new(),
            WeightsForm::Int8(_) => floats(&weights.read_all("decoder.token_embedding.scale")?),
        };
        let positions = floats(&weights.read_all("decoder.positional_embedding")?);
        Ok(Self { width: weights.architecture().text_state as usize, form, scales, positions })
    }

    /// Appends the embedding of `token` at `position`.
    fn append(
        &self,
        weights: &WeightsFile,
        token: Token,
        position: usize,
        embedded: &mut Vec<f32>,
    ) -> Result<(), stenobot_models::ModelFileError> {
        let tensor = weights.tensor(Self::ROWS).filter(|tensor| u64::try_from(token).is_ok_and(|t| t < tensor.dims[0]));
        let place = self.positions.get(position * self.width..(position + 1) * self.width);
        let (Some(tensor), Some(place)) = (tensor, place) else {
            return Err(stenobot_models::ModelFileError::Malformed(format!("no token {token} at {position}")));
        };
        let mut row = vec![0; tensor.bytes as usize / tensor.dims[0] as usize];
        weights.read(tensor, token as u64 * row.len() as u64, &mut row)?;
        match self.form {
            WeightsForm::Float32 => embedded.extend(floats(&row).iter().zip(place).map(|(value, place)| value + place)),
            WeightsForm::Int8(sign) => {
                let scale = self.scales[token as usize];
                let values = row.iter().map(|&byte| f32::from(sign.decode(byte)) * scale);
                embedded.extend(values.zip(place).map(|(value, place)| value + place));
            }
        }
        Ok(())
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
