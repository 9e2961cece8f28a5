//! The one step that whisper-rs offers no safe call for.
#![allow(unsafe_code)]

use std::ffi::c_void;

use whisper_rs::FullParams;

/// Makes `whisper_full` stop before it encodes.
///
/// By then it has computed the mel spectrogram and set the size of the encoder's context, which no other call can
/// set. It reports success, with no segments.
pub(super) fn stop_before_encoding(params: &mut FullParams<'_, '_>) {
    // SAFETY: the callback touches none of its arguments and no state, and as a plain function it outlives every
    // use of the parameters.
    unsafe { params.set_start_encoder_callback(Some(refuse)) };
}

unsafe extern "C" fn refuse<C, S>(_context: *mut C, _state: *mut S, _data: *mut c_void) -> bool {
    false
}
