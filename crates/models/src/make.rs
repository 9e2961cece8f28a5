//! Models made on this machine: imported, or quantised from another one of the store.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::architecture::Architecture;
use super::catalogue::{DETECTOR, ModelName};
use super::convert::{self, ConversionObserver, GgmlSource, Source};
use super::faster_whisper::{self, FasterWhisper};
use super::file_error::ModelFileError;
use super::obtain::commit;
use super::prepare::Weights;
use super::quantise::Quantisation;
use super::record::{Origin, Record, with_suffix};
use super::weights::WeightsForm;
use super::{
    Download, ModelStore, ModelStoreError, VerifiedModel, blocking, cancelled, digest, ggml, shown, silero, verified,
};

/// What can be imported, its tables read.
pub(super) enum Import {
    /// A CTranslate2 folder.
    Folder(Box<FasterWhisper>),
    /// A Whisper model in ggml's form.
    Ggml(File, Box<ggml::Whisper>),
    /// A detector in ggml's form, copied or converted.
    Detector(Vec<u8>),
}

impl ModelStore {
    /// Imports a model: a ggml file, a CTranslate2 folder (or the folder in the Python tools' cache that holds it), or
    /// Silero's `silero_vad_16k.safetensors`. Without `name` it is taken from the file's name or the model's sizes. A model of
    /// that name is replaced.
    pub async fn import(
        &self,
        path: &Path,
        quantisation: Option<Quantisation>,
        name: Option<ModelName>,
        mut report: impl FnMut(Download),
    ) -> Result<VerifiedModel, ModelStoreError> {
        let from = shown(path);
        let import = Import::open_blocking(path).await?;
        let (name, bytes) = self.name_of(&import, &from, quantisation, name);
        let origin = Origin::Imported { from };
        let job = move |out: &mut BufWriter<File>, observer: ConversionObserver<'_>| {
            import.write(quantisation, out, observer)
        };
        let accept = {
            let label = name.to_string();
            move |path, record| verified(path, label, record)
        };
        self.make(self.path_of(&name), name.to_string().as_str(), bytes, origin, |_, _| None, job, accept, &mut report)
            .await
    }

    pub(super) async fn quantise(
        &self,
        source: &VerifiedModel,
        name: &ModelName,
        report: &mut impl FnMut(Download),
    ) -> Result<VerifiedModel, ModelStoreError> {
        let origin = Origin::Quantised { from: source.name.clone(), from_sha256: source.sha256.clone() };
        let import = Import::open_blocking(&source.path).await?;
        let quantisation = name.quantisation();
        let bytes = import.bytes(quantisation);
        let job = move |out: &mut BufWriter<File>, observer: ConversionObserver<'_>| {
            import.write(quantisation, out, observer)
        };
        let accept = {
            let label = name.to_string();
            move |path, record| verified(path, label, record)
        };
        self.make(self.path_of(name), name.to_string().as_str(), bytes, origin, |_, _| None, job, accept, report).await
    }

    fn name_of(
        &self,
        import: &Import,
        file: &str,
        quantisation: Option<Quantisation>,
        wanted: Option<ModelName>,
    ) -> (ModelName, u64) {
        let kind = quantisation.or(import.quantisation());
        let bytes = import.bytes(quantisation);
        let guess = || match import.architecture() {
            None => ModelName::of_file(file).unwrap_or_else(|| known_name(DETECTOR)),
            Some(architecture) => {
                let family = || self.catalogue.family_of(architecture).map_or("imported", |family| &*family.name);
                ModelName::of_file(file).unwrap_or_else(|| known_name(family())).with(kind)
            }
        };
        (wanted.unwrap_or_else(guess), bytes)
    }

    /// Writes a temporary file, hashes it, renames it to `path`; `name` is for progress. Another process that makes the same
    /// file is awaited, and what it has made is taken if `existing` accepts it.
    #[expect(clippy::too_many_arguments, reason = "each of them differs between the two kinds of files")]
    pub(super) async fn make<T: Send + 'static>(
        &self,
        path: PathBuf,
        name: &str,
        bytes: u64,
        origin: Origin,
        existing: impl FnOnce(&Path, &CancellationToken) -> Option<T> + Send + 'static,
        job: impl FnOnce(&mut BufWriter<File>, ConversionObserver<'_>) -> Result<(), ModelFileError> + Send + 'static,
        accept: impl FnOnce(PathBuf, Record) -> Result<T, ModelFileError> + Send + 'static,
        report: &mut impl FnMut(Download),
    ) -> Result<T, ModelStoreError> {
        let temporary = with_suffix(&path, ".new");
        self.make_room(&path, &temporary, bytes)?;
        let (progress_sender, mut progress) = tokio::sync::watch::channel((0, 0));
        let (label, file) = (name.to_owned(), shown(&path));
        let work = blocking({
            let file = file.clone();
            move |cancel| {
                let mut report = |done, total| _ = progress_sender.send_replace((done, total));
                let in_file = |source| ModelStoreError::in_file(&file, source);
                let temporary = TemporaryFile::create(temporary, cancel).map_err(in_file)?;
                if let Some(existing) = existing(&path, cancel) {
                    return Ok(existing);
                }
                let out = temporary.file.try_clone().map_err(|error| ModelStoreError::write(&file, error))?;
                let mut out = BufWriter::with_capacity(1 << 20, out);
                job(&mut out, ConversionObserver { cancel, progress: &mut report }).map_err(in_file)?;
                out.flush()
                    .and_then(|()| out.get_ref().sync_all())
                    .map_err(|error| ModelStoreError::write(&file, error))?;
                let record = Record::new(&digest::of_file(&temporary.path, cancel).map_err(in_file)?, origin);
                commit(&temporary.path, &path, &record).map_err(|error| ModelStoreError::write(&file, error))?;
                temporary.moved();
                accept(path, record).map_err(in_file)
            }
        });
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result.unwrap_or(Err(cancelled(&file))),
                Ok(()) = progress.changed() => {
                    let (done, total) = *progress.borrow_and_update();
                    report(match done < total {
                        true => Download::Converting { name: label.clone(), done, total },
                        false => Download::Verifying { name: label.clone() },
                    });
                }
            }
        }
    }
}

/// A file that is deleted unless it was moved away. Locked as long as it is open, so that one process at a time writes it.
struct TemporaryFile {
    path: PathBuf,
    file: File,
    is_moved: bool,
}

impl TemporaryFile {
    /// Creates the file, or takes over what an ended process has left of it, and locks it.
    fn create(path: PathBuf, cancel: &CancellationToken) -> Result<Self, ModelFileError> {
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(ModelFileError::Write)?;
            file.lock().map_err(ModelFileError::Write)?;
            if cancel.is_cancelled() {
                return Err(ModelFileError::Cancelled);
            }
            // Its former writer may have moved or deleted it between opening and locking.
            if is_at(&file, &path) {
                let length = file.metadata().map_err(ModelFileError::Write)?.len();
                if length > 0 {
                    file.set_len(0).map_err(ModelFileError::Write)?;
                }
                return Ok(Self { path, file, is_moved: false });
            }
        }
    }

    /// From now on a file of its name is another process's.
    fn moved(mut self) {
        self.is_moved = true;
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let inode = |metadata: std::io::Result<std::fs::Metadata>| metadata.map(|m| (m.dev(), m.ino())).ok();
    inode(file.metadata()).is_some_and(|open| inode(std::fs::metadata(path)) == Some(open))
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Before the lock is released.
        if !self.is_moved {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

fn known_name(name: &str) -> ModelName {
    name.parse().expect("names in the catalogue are well-formed")
}

impl Import {
    /// Opens it off the runtime's threads.
    pub(super) async fn open_blocking(path: &Path) -> Result<Self, ModelStoreError> {
        let (path, file) = (path.to_owned(), shown(path));
        blocking(move |_| Self::open(&path)).await.unwrap_or(Err(cancelled(&file)))
    }

    fn open(path: &Path) -> Result<Self, ModelStoreError> {
        let file = shown(path);
        let in_file = |source| ModelStoreError::in_file(&file, source);
        if path.is_dir() {
            let folder = faster_whisper::locate(path)
                .ok_or_else(|| in_file(ModelFileError::malformed("the folder holds no model.bin of CTranslate2")))?;
            return FasterWhisper::open(&folder).map(|model| Self::Folder(Box::new(model))).map_err(in_file);
        }
        if !path.is_file() {
            return Err(ModelStoreError::NoFile(file));
        }
        if silero::is_safetensors(path) {
            return silero::convert(path).map(Self::Detector).map_err(in_file);
        }
        let opened = File::open(path).map_err(|error| in_file(ModelFileError::Read(error)))?;
        match ggml::inspect(&opened).map_err(in_file)? {
            ggml::Contents::Whisper(model) => Ok(Self::Ggml(opened, Box::new(model))),
            ggml::Contents::VoiceActivity(_) => {
                std::fs::read(path).map(Self::Detector).map_err(|error| in_file(ModelFileError::Read(error)))
            }
        }
    }

    /// The model as the source of a weights file.
    pub(super) fn weights(self, form: WeightsForm) -> Result<Weights<Box<dyn Source + Send>>, ModelFileError> {
        let (source, architecture, format): (Box<dyn Source + Send>, _, _) = match self {
            Self::Folder(model) => {
                let architecture = *model.architecture();
                (model, architecture, "f16".to_owned())
            }
            Self::Ggml(file, model) => {
                let format = model.quantisation().map_or_else(|| "f16".to_owned(), |q| q.to_string());
                let architecture = model.architecture;
                (Box::new(GgmlSource { file, model }), architecture, format)
            }
            Self::Detector(_) => return Err(ModelFileError::malformed("it is a voice activity detector")),
        };
        Weights::of(source, architecture, form, &format)
    }

    fn architecture(&self) -> Option<&Architecture> {
        match self {
            Self::Folder(model) => Some(model.architecture()),
            Self::Ggml(_, model) => Some(&model.architecture),
            Self::Detector(_) => None,
        }
    }

    /// The quantisation of the source.
    fn quantisation(&self) -> Option<Quantisation> {
        match self {
            Self::Folder(_) | Self::Detector(_) => None,
            Self::Ggml(_, model) => model.quantisation(),
        }
    }

    /// Bytes of the result.
    fn bytes(&self, quantisation: Option<Quantisation>) -> u64 {
        match (self, self.architecture()) {
            (Self::Detector(bytes), _) => bytes.len() as u64,
            (_, Some(architecture)) => architecture.file_bytes(quantisation.or(self.quantisation())),
            (_, None) => 0,
        }
    }

    fn write(
        self,
        quantisation: Option<Quantisation>,
        out: &mut BufWriter<File>,
        observer: ConversionObserver<'_>,
    ) -> Result<(), ModelFileError> {
        match self {
            Self::Folder(model) => convert::write(&*model, quantisation, out, observer),
            Self::Detector(bytes) => out.write_all(&bytes).map_err(ModelFileError::Write),
            Self::Ggml(file, model) => match quantisation {
                Some(q) if model.quantisation() != Some(q) => {
                    convert::write(&GgmlSource { file, model }, quantisation, out, observer)
                }
                _ => copy(file, out, observer),
            },
        }
    }
}

fn copy(mut file: File, out: &mut impl Write, observer: ConversionObserver<'_>) -> Result<(), ModelFileError> {
    use std::io::Seek;
    file.rewind().map_err(ModelFileError::Read)?;
    let total = file.metadata().map_err(ModelFileError::Read)?.len();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        if observer.cancel.is_cancelled() {
            return Err(ModelFileError::Cancelled);
        }
        let count = file.read(&mut buffer).map_err(ModelFileError::Read)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..count]).map_err(ModelFileError::Write)?;
        done += count as u64;
        (observer.progress)(done, total);
    }
}
