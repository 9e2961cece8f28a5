//! ONNX Runtime: its library, and graphs that are made here and run on it.

mod graph;
mod library;
mod proto;

use std::path::Path;

use ort::ep::CPU;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

pub(crate) use graph::{Graph, Value};
pub(crate) use library::Library;
pub use library::{LibraryError, onnx_runtime_version};
pub(crate) use proto::{Attribute, ElementType, Size, ValueInfo};

/// The folder of a graph's weights, for a graph that is not in a file itself.
const WEIGHTS_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// Name of the backend for a version of the library: with the instruction set, which decides the speed.
pub fn onnx_backend(version: &str) -> String {
    format!("ONNX Runtime {version}, {}", crate::cpu::instruction_set())
}

impl Library {
    /// Loads a serialised model whose tensors are in it or in files of `folder`.
    pub(crate) fn session(&self, model: &[u8], folder: &Path, threads: usize) -> Result<Session, ort::Error> {
        Session::builder(&self.environment)?
            .with_intra_threads(threads.max(1))?
            .with_optimization_level(GraphOptimizationLevel::All)?
            // Without the arena each large buffer is mapped and filled with zeros anew, which makes encoders a third slower.
            .with_execution_providers([CPU::default().with_arena_allocator(true).build()])?
            // A pattern is one block of all buffers, for each shape of the inputs: more memory, and no faster.
            .with_memory_pattern(false)?
            // A thread that spins while it waits takes the processor from its neighbours and from its own siblings.
            .with_intra_op_spinning(false)?
            .with_config_entry(WEIGHTS_FOLDER, folder.to_string_lossy())?
            .commit_from_memory(model)
    }
}
