//! From the settings to an engine: the model, what runs it, and the detector.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use stenobot_engine::{EngineSettings, onnx_runtime_version};
use stenobot_models::{DETECTOR, Download, ModelStore, PreparedModel, VerifiedModel};

use crate::config::{Config, EngineChoice, VoiceActivity};

/// The release of ONNX Runtime that is tested.
pub(crate) const TESTED_VERSION: &str = "1.28.0";

/// What may be done about a model that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingModel {
    /// It is downloaded, or made.
    Obtain,
    /// That is an error.
    Refuse,
}

/// An engine that can be started.
#[derive(Debug)]
pub(crate) struct EngineSetup {
    pub(crate) model: VerifiedModel,
    pub(crate) runtime: Runtime,
    pub(crate) settings: EngineSettings,
}

/// What runs the model.
#[derive(Debug)]
pub(crate) enum Runtime {
    Onnx {
        library: Library,
        weights: PreparedModel,
    },
    /// `reason`: why not ONNX Runtime, when that was looked for.
    WhisperCpp {
        reason: Option<String>,
    },
}

/// An ONNX Runtime library that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Library {
    pub(crate) path: PathBuf,
    /// Such as `1.28.0`.
    pub(crate) version: String,
}

impl Library {
    /// Name, version and instruction set, as the engine reports them.
    pub(crate) fn backend(&self) -> String {
        stenobot_speech::onnx_backend(&self.version)
    }
}

/// The store of models that the settings name.
pub(crate) fn model_store(config: &Config) -> ModelStore {
    ModelStore::new(config.storage.models(), config.engine.model_base_url.clone()).with_proxies(config.proxies.clone())
}

impl Runtime {
    /// For the log: the runtime, and why it is not the faster one.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Onnx { library, .. } => {
                // The log has no paths.
                let file = library.path.file_name().unwrap_or_default().to_string_lossy();
                let tested = match library.version == TESTED_VERSION {
                    true => String::new(),
                    false => format!("; the tested version is {TESTED_VERSION}"),
                };
                format!("ONNX Runtime {} ({file}){tested}", library.version)
            }
            Self::WhisperCpp { reason: None } => "whisper.cpp, as the settings say".to_owned(),
            Self::WhisperCpp { reason: Some(reason) } => {
                format!("whisper.cpp, several times slower than ONNX Runtime: {reason}")
            }
        }
    }
}

impl EngineSetup {
    /// Finds, verifies and where that is allowed downloads what the settings name. Weights for ONNX Runtime that are missing
    /// are made from the model in any case. `program` is this program.
    pub(crate) async fn prepare(
        config: &Config,
        program: PathBuf,
        missing: MissingModel,
        mut report: impl FnMut(Download),
    ) -> anyhow::Result<Self> {
        let (store, engine) = (model_store(config), &config.engine);
        let model = match missing {
            MissingModel::Obtain => store.ensure(&engine.model, &mut report).await?,
            MissingModel::Refuse => store.find(&engine.model).await?,
        };
        let runtime = match find_library(config, &program).await {
            LibrarySearch::Found(library) => {
                let weights = store.prepare(&model, &mut report).await;
                Runtime::Onnx { library, weights: weights.context("the weights for ONNX Runtime cannot be made")? }
            }
            LibrarySearch::NotWanted => Runtime::WhisperCpp { reason: None },
            LibrarySearch::Missing { reason } => match engine.choice {
                EngineChoice::Onnx => bail!("{reason}; `./dev` fetches it, or set engine = \"auto\""),
                EngineChoice::Auto | EngineChoice::WhisperCpp => Runtime::WhisperCpp { reason: Some(reason) },
            },
        };
        let mut settings = EngineSettings::new(program, model.path.clone(), engine.workers, engine.threads)
            .logging(&config.telemetry.level);
        if let Runtime::Onnx { library, weights } = &runtime {
            settings = settings.on_onnx_runtime(&library.path, weights);
        }
        match engine.voice_activity {
            VoiceActivity::On => {
                let detector = match missing {
                    MissingModel::Obtain => store.ensure(DETECTOR, &mut report).await,
                    MissingModel::Refuse => store.find(DETECTOR).await,
                };
                // Without it the model invents sentences for noise: its absence is an error.
                settings = settings.with_detector(&detector.context(
                    "the voice activity detector is missing; set voice_activity = \"off\" to go without it",
                )?);
            }
            VoiceActivity::Off => {}
        }
        Ok(Self { model, runtime, settings })
    }
}

/// Result of the search for ONNX Runtime.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LibrarySearch {
    Found(Library),
    Missing {
        reason: String,
    },
    /// The settings say whisper.cpp.
    NotWanted,
}

/// Looks for ONNX Runtime's library as the settings say: the path that they name, or else the first that can be used beside
/// the program, in the data folder and in the system's folders.
pub(crate) async fn find_library(config: &Config, program: &Path) -> LibrarySearch {
    match config.engine.choice {
        EngineChoice::WhisperCpp => return LibrarySearch::NotWanted,
        EngineChoice::Auto | EngineChoice::Onnx => {}
    }
    if let Some(path) = &config.engine.onnx_library {
        return match onnx_runtime_version(program, path).await {
            Ok(version) => LibrarySearch::Found(Library { path: path.clone(), version }),
            Err(reason) => LibrarySearch::Missing { reason },
        };
    }
    let mut refused = None;
    for path in candidates(&config.storage.data_dir, program) {
        match onnx_runtime_version(program, &path).await {
            Ok(version) => return LibrarySearch::Found(Library { path, version }),
            Err(reason) => refused = refused.or(Some(reason)),
        }
    }
    LibrarySearch::Missing { reason: refused.unwrap_or_else(|| "ONNX Runtime's library is not found".to_owned()) }
}

/// Folders of the system that may hold the library.
const SYSTEM_FOLDERS: [&str; 6] = [
    "/usr/local/lib",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/onnxruntime/lib",
];

/// The libraries that are there: of each folder the tested version first.
fn candidates(data: &Path, program: &Path) -> Vec<PathBuf> {
    let beside = program.parent().map(Path::to_owned);
    let system = SYSTEM_FOLDERS.iter().map(PathBuf::from);
    let folders = beside.into_iter().chain([data.join("lib")]).chain(system);
    let tested = format!("libonnxruntime.so.{TESTED_VERSION}");
    let names = [tested.as_str(), "libonnxruntime.so", "libonnxruntime.so.1"];
    folders.flat_map(|folder| names.map(|name| folder.join(name))).filter(|path| path.is_file()).collect()
}
