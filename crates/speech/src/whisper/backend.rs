//! What runs Whisper's network: the lowest layer, replaceable by another runtime.

use std::ops::Range;

use stenobot_domain::ModelFacts;

use super::EncoderContext;
use super::sampling::{Token, Vocabulary};
use crate::{Observer, RecognizerError};

/// A loaded network with the state of one window.
pub(super) trait Backend {
    fn facts(&self) -> ModelFacts;

    /// Bytes that one window of full length takes beside what was allocated when the model was loaded, estimated.
    fn working_memory(&self) -> u64;

    fn vocabulary(&self) -> Vocabulary;

    /// The bytes that a text token stands for; a character may span tokens.
    fn token_bytes(&self, token: Token) -> &[u8];

    /// Encodes one window, at most [`MAX_WINDOW`](super::MAX_WINDOW) samples. A backend that can interrupt the encoder
    /// asks the observer meanwhile.
    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        observer: &dyn Observer,
    ) -> Result<(), RecognizerError>;

    /// Lets the decoder attend only to these positions of the window that was encoded last, until the next is encoded, and
    /// forgets all tokens. `false`: it cannot, and nothing changed.
    fn attend(&mut self, positions: Range<usize>) -> Result<bool, RecognizerError>;

    /// Runs the decoder on at least one token, the first of them at `position` of the text, over the window that was
    /// encoded last. What was decoded at later positions before is forgotten. Gives the logits of what follows the last.
    fn decode(&mut self, tokens: &[Token], position: usize) -> Result<&[f32], RecognizerError>;
}

impl<B: Backend + ?Sized> Backend for Box<B> {
    fn facts(&self) -> ModelFacts {
        (**self).facts()
    }

    fn working_memory(&self) -> u64 {
        (**self).working_memory()
    }

    fn vocabulary(&self) -> Vocabulary {
        (**self).vocabulary()
    }

    fn token_bytes(&self, token: Token) -> &[u8] {
        (**self).token_bytes(token)
    }

    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        observer: &dyn Observer,
    ) -> Result<(), RecognizerError> {
        (**self).encode(samples, context, observer)
    }

    fn attend(&mut self, positions: Range<usize>) -> Result<bool, RecognizerError> {
        (**self).attend(positions)
    }

    fn decode(&mut self, tokens: &[Token], position: usize) -> Result<&[f32], RecognizerError> {
        (**self).decode(tokens, position)
    }
}
