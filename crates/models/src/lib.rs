//! Models of ggml's form: found by name or path, verified before every use, downloaded, imported, quantised. Used by the
//! bot, the command line, and the engine's child, which checks a file before native code reads it.
//!
//! A model is `ggml-NAME.bin` in the store's folder, with a record `ggml-NAME.bin.json` of its hash beside it (`record`). A
//! file with another hash is refused, since the engine may load a truncated model without an error and then give wrong text.
//!
//! | what | where |
//! | --- | --- |
//! | [`ModelStore::find`], [`ModelStore::ensure`] | here: name or path to a [`VerifiedModel`] |
//! | [`ModelStore::list`] | `list` |
//! | download of what is published | `catalogue` (names, hashes), `obtain`, `pull` (one file, resumed) |
//! | [`ModelStore::import`], quantisation | `make`, from a `convert::Source`: ggml (`convert`), faster-whisper (`faster_whisper`, over `ct2`, `vocabulary`, `mel`) |
//! | Silero's detector | `silero` |
//! | [`ModelStore::prepare`]: weights for ONNX Runtime | `prepare` (conversion), `weights` (layout of the file) |
//! | models of random numbers, for measurements | `random` |
//! | the file format and its checks | `ggml`, `architecture` (tensors and sizes), `quantise` (number formats) |

mod architecture;
mod catalogue;
mod convert;
mod ct2;
mod digest;
mod error;
mod faster_whisper;
mod file_error;
mod ggml;
mod list;
mod make;
mod mel;
mod obtain;
mod prepare;
mod pull;
mod quantise;
mod random;
mod record;
mod silero;
mod vocabulary;
mod weights;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_domain::RetryPolicy;
use tokio_util::sync::CancellationToken;

pub use architecture::{Architecture, OnnxMemory, SpecialTokens};
pub use catalogue::{Catalogue, DETECTOR, Family, ModelName, Published, PublishedHash};
pub use error::{ModelStoreError, Remedy};
pub use file_error::ModelFileError;
pub use list::ListedModel;
pub use mel::{BINS as MEL_BINS, WINDOW as MEL_WINDOW, filters as mel_filters};
pub use prepare::PreparedModel;
pub use pull::PullError;
pub use quantise::Quantisation;
pub use record::Origin;
pub use silero::DetectorWeights;
pub use weights::{Dtype, Sign, WeightsFile, WeightsForm, WeightsTensor};

use digest::Digests;
use record::{Record, with_suffix};
use stenobot_network::Proxies;

/// A folder of models.
#[derive(Debug, Clone)]
pub struct ModelStore {
    dir: PathBuf,
    base_url: reqwest::Url,
    catalogue: Catalogue,
    retries: RetryPolicy,
    reach_timeout: Option<Duration>,
    proxies: Proxies,
}

/// A model whose hash has just been checked: no other crate can make one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifiedModel {
    /// The file.
    pub path: PathBuf,
    /// Its name in the store; for a file elsewhere, the file's name.
    pub name: String,
    /// What it is for.
    pub kind: ModelKind,
    /// Length of the file.
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Lower-case hexadecimal.
    pub sha1: String,
    /// Where the bytes come from.
    pub origin: Origin,
}

/// Purpose of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Turns speech into text.
    Whisper {
        /// Bytes one engine needs, estimated: see [`Architecture::memory_bytes`].
        memory_bytes: u64,
    },
    /// Finds speech.
    VoiceActivity,
}

/// Progress of a download or a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// Bytes of a download so far, those of an earlier run included.
    Receiving {
        /// The model.
        name: String,
        /// Bytes here.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The connection failed; the download goes on after a wait.
    Waiting {
        /// The model.
        name: String,
        /// How long.
        wait: Duration,
    },
    /// Numbers converted so far.
    Converting {
        /// The model that is made.
        name: String,
        /// Values written.
        done: u64,
        /// Values in all.
        total: u64,
    },
    /// The hash of the whole file is computed.
    Verifying {
        /// The model.
        name: String,
    },
}

/// What an operator calls a model by.
#[derive(Debug, Clone)]
enum Spec {
    Name(ModelName),
    Path(PathBuf),
}

impl Spec {
    /// A text with a slash, or that ends in `.bin`, is a path.
    fn parse(text: &str) -> Result<Self, ModelStoreError> {
        match text.contains('/') || text.ends_with(".bin") {
            true => Ok(Self::Path(PathBuf::from(text))),
            false => Ok(Self::Name(text.parse()?)),
        }
    }
}

impl ModelStore {
    /// A store in `dir`, which need not exist yet, that downloads the published models from below `base_url`.
    pub fn new(dir: PathBuf, base_url: reqwest::Url) -> Self {
        let retries = RetryPolicy::bounded(6, Duration::from_secs(1), Duration::from_secs(30));
        Self {
            dir,
            base_url,
            catalogue: Catalogue::default(),
            retries,
            reach_timeout: None,
            proxies: Proxies::default(),
        }
    }

    /// The same store, which downloads through these proxies.
    pub fn with_proxies(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// The same store with other models than the published ones.
    pub fn with_catalogue(self, catalogue: Catalogue) -> Self {
        Self { catalogue, ..self }
    }

    /// Gives up a download after this time without any answer of its server.
    #[must_use]
    pub fn reaching_within(self, limit: Duration) -> Self {
        Self { reach_timeout: Some(limit), ..self }
    }

    /// Replaces the policy of retries of a download.
    pub fn with_retries(self, retries: RetryPolicy) -> Self {
        Self { retries, ..self }
    }

    /// What is published under a name.
    pub fn published(&self, name: &ModelName) -> Option<Published> {
        self.catalogue.published(name)
    }

    /// Finds a model that is here, by name or path, and checks its hash. Never downloads. Takes about a second
    /// for each gigabyte.
    pub async fn find(&self, spec: &str) -> Result<VerifiedModel, ModelStoreError> {
        let check = match Spec::parse(spec)? {
            Spec::Name(name) => self.check_named(&name)?,
            Spec::Path(path) => self.check_path(path)?,
        };
        check.run().await
    }

    /// The model by name or path; one that is missing or damaged is pulled if it is published, or made from one
    /// that is. `report` is called often while that goes on.
    pub async fn ensure(&self, spec: &str, mut report: impl FnMut(Download)) -> Result<VerifiedModel, ModelStoreError> {
        let name = match Spec::parse(spec)? {
            Spec::Name(name) => name,
            Spec::Path(_) => return self.find(spec).await,
        };
        match self.find(spec).await {
            Err(ModelStoreError::Missing(_) | ModelStoreError::Damaged { remedy: Remedy::Pull, .. }) => {
                self.obtain(&name, &mut report).await
            }
            found => found,
        }
    }

    fn path_of(&self, name: &ModelName) -> PathBuf {
        self.dir.join(name.file_name())
    }

    fn check_named(&self, name: &ModelName) -> Result<Check, ModelStoreError> {
        let path = self.path_of(name);
        if !path.is_file() {
            return Err(match self.is_obtainable(name) {
                true => ModelStoreError::Missing(name.clone()),
                false => ModelStoreError::Unknown(name.clone()),
            });
        }
        let record = with_suffix(&path, ".json");
        Ok(Check { path, name: name.to_string(), record, published: self.published(name) })
    }

    /// A file elsewhere has its record in the store's folder, since its own folder may not be writable.
    fn check_path(&self, path: PathBuf) -> Result<Check, ModelStoreError> {
        let shown = shown(&path);
        let absolute = path.canonicalize().map_err(|_| ModelStoreError::NoFile(shown.clone()))?;
        if !absolute.is_file() {
            return Err(ModelStoreError::NoFile(shown));
        }
        let in_store = self.dir.canonicalize().is_ok_and(|dir| absolute.parent() == Some(&*dir));
        if let (true, Some(name)) = (in_store, ModelName::of_file(&shown)) {
            return self.check_named(&name);
        }
        let key = digest::of_bytes(absolute.as_os_str().as_encoded_bytes());
        let record = self.dir.join(format!("elsewhere-{}.json", &key[..16]));
        Ok(Check { path, name: shown, record, published: None })
    }

    fn is_obtainable(&self, name: &ModelName) -> bool {
        self.published(name).is_some() || self.catalogue.source_of(name).is_some() || self.local_source(name).is_some()
    }
}

/// A file to check.
struct Check {
    path: PathBuf,
    name: String,
    record: PathBuf,
    published: Option<Published>,
}

impl Check {
    async fn run(self) -> Result<VerifiedModel, ModelStoreError> {
        let file = shown(&self.path);
        blocking(move |cancel| self.run_blocking(cancel)).await.unwrap_or(Err(cancelled(&file)))
    }

    fn run_blocking(self, cancel: &CancellationToken) -> Result<VerifiedModel, ModelStoreError> {
        let file = shown(&self.path);
        let in_file = |source| ModelStoreError::in_file(&file, source);
        let digests = digest::of_file(&self.path, cancel).map_err(in_file)?;
        let record = match (Record::load(&self.record), &self.published) {
            (Some(record), _) if record.digests() == digests => record,
            (Some(record), _) => {
                let remedy = self.remedy(&record);
                return Err(ModelStoreError::Damaged { file, expected: record.sha256, found: digests.sha256, remedy });
            }
            (None, Some(published)) if !published.matches(&digests) => {
                let (expected, found) = (published.hash.to_string(), published.hash.of_same_kind(&digests).to_string());
                return Err(ModelStoreError::Damaged { file, expected, found, remedy: Remedy::Pull });
            }
            (None, published) => {
                let origin = if published.is_some() { Origin::Published } else { Origin::Found };
                let record = Record::new(&digests, origin);
                inspect(&self.path).map_err(in_file)?;
                // A folder that cannot be written, such as that of a container, can be used without records.
                if let Err(error) = record.save(&self.record) {
                    tracing::debug!(model = self.name, %error, "the hash of the model cannot be noted");
                }
                record
            }
        };
        verified(self.path, self.name, record).map_err(in_file)
    }

    /// What restores the bytes of the record.
    fn remedy(&self, record: &Record) -> Remedy {
        let published = self.published.as_ref().is_some_and(|published| published.matches(&record.digests()));
        match record.origin {
            _ if published => Remedy::Pull,
            Origin::Published | Origin::Quantised { .. } | Origin::Prepared { .. } => Remedy::Pull,
            Origin::Imported { .. } => Remedy::Import,
            Origin::Found => Remedy::Forget { note: shown(&self.record) },
        }
    }
}

impl Published {
    fn matches(&self, digests: &Digests) -> bool {
        self.bytes == digests.bytes && self.hash == self.hash.of_same_kind(digests)
    }
}

impl PublishedHash {
    /// The file's hash, to compare with this one.
    fn of_same_kind(&self, digests: &Digests) -> Self {
        match self {
            Self::Sha1(_) => Self::Sha1(digests.sha1.clone()),
            Self::Sha256(_) => Self::Sha256(digests.sha256.clone()),
        }
    }
}

/// The only maker of a [`VerifiedModel`]; `record` must have just been found to hold for the file.
fn verified(path: PathBuf, name: String, record: Record) -> Result<VerifiedModel, ModelFileError> {
    let kind = inspect(&path)?;
    let Record { bytes, sha256, sha1, origin } = record;
    Ok(VerifiedModel { path, name, kind, bytes, sha256, sha1, origin })
}

fn inspect(path: &Path) -> Result<ModelKind, ModelFileError> {
    let file = File::open(path).map_err(ModelFileError::Read)?;
    Ok(match ggml::inspect(&file)? {
        ggml::Contents::VoiceActivity(_) => ModelKind::VoiceActivity,
        ggml::Contents::Whisper(model) => {
            ModelKind::Whisper { memory_bytes: model.architecture.memory_bytes(model.quantisation()) }
        }
    })
}

/// What a file must be before whisper.cpp loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A Whisper model.
    Whisper,
    /// A voice activity detector.
    VoiceActivity,
}

/// Refuses what whisper.cpp would not load, or would end the process over. The text names the file.
pub fn check_before_loading(path: &Path, wanted: Wanted) -> Result<(), String> {
    let name = shown(path);
    let kind = inspect(path).map_err(|fault| format!("{name} cannot be used: {fault}"))?;
    match (wanted, kind) {
        (Wanted::Whisper, ModelKind::Whisper { .. }) | (Wanted::VoiceActivity, ModelKind::VoiceActivity) => Ok(()),
        (Wanted::Whisper, ModelKind::VoiceActivity) => {
            Err(format!("{name} is a voice activity detector, no Whisper model"))
        }
        (Wanted::VoiceActivity, ModelKind::Whisper { .. }) => {
            Err(format!("{name} is a Whisper model, no voice activity detector"))
        }
    }
}

/// The last part of a path: all that errors show of it.
fn shown(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn cancelled(file: &str) -> ModelStoreError {
    ModelStoreError::in_file(file, ModelFileError::Cancelled)
}

/// Runs slow work off the runtime's threads. When the returned future is dropped, the work is cancelled.
/// `None` when the runtime shuts down before the work began.
async fn blocking<T: Send + 'static>(work: impl FnOnce(&CancellationToken) -> T + Send + 'static) -> Option<T> {
    let cancel = CancellationToken::new();
    let _stop = cancel.clone().drop_guard();
    match tokio::task::spawn_blocking(move || work(&cancel)).await {
        Ok(result) => Some(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
