//! Missing models: downloaded as published, or quantised from one that is present or published.

use std::path::Path;
use std::time::Duration;

use stenobot_network::failure_cause;

use super::catalogue::{ModelName, Published};
use super::pull::{Pull, Step};
use super::record::{Origin, Record, with_suffix};
use super::{Download, ModelStore, ModelStoreError, VerifiedModel, blocking, cancelled, digest, shown, verified};

/// Disk space in bytes that a download leaves free.
const FREE_SPACE_MARGIN: u64 = 32 << 20;

impl ModelStore {
    /// Downloads or makes the model; one that is present is replaced.
    pub(super) async fn obtain(
        &self,
        name: &ModelName,
        report: &mut impl FnMut(Download),
    ) -> Result<VerifiedModel, ModelStoreError> {
        if let Some(published) = self.published(name) {
            return self.pull(name, &published, report).await;
        }
        let source = match self.local_source(name) {
            Some(source) => self.find(&source.to_string()).await?,
            None => {
                let source = self.catalogue.source_of(name).ok_or_else(|| ModelStoreError::Unknown(name.clone()))?;
                let published = self.published(&source).ok_or_else(|| ModelStoreError::Unknown(name.clone()))?;
                self.pull(&source, &published, report).await?
            }
        };
        self.quantise(&source, name, report).await
    }

    /// The best form of the same family that is present.
    pub(super) fn local_source(&self, name: &ModelName) -> Option<ModelName> {
        name.quantisation()?;
        let sources = [None, Some(super::Quantisation::q8_0)].map(|q| name.with(q));
        sources.into_iter().find(|source| source != name && self.path_of(source).is_file())
    }

    async fn pull(
        &self,
        name: &ModelName,
        published: &Published,
        report: &mut impl FnMut(Download),
    ) -> Result<VerifiedModel, ModelStoreError> {
        let path = self.path_of(name);
        let part = with_suffix(&path, ".part");
        self.make_room(&path, &part, published.bytes)?;
        let client =
            reqwest::Client::builder().connect_timeout(Duration::from_secs(15)).read_timeout(Duration::from_secs(60));
        let client = self.proxies.apply(client).build().map_err(|error| ModelStoreError::Client(error.to_string()))?;
        loop {
            let pull = Pull {
                client: &client,
                url: self.url_of(name),
                part: &part,
                expected: published.bytes,
                retries: self.retries,
                reach_timeout: self.reach_timeout,
            };
            let pulled = pull.run(|step| {
                let name = name.to_string();
                report(match step {
                    Step::Received(done) => Download::Receiving { name, done, total: published.bytes },
                    Step::Waiting(wait) => Download::Waiting { name, wait },
                });
            });
            let pulled = pulled.await.map_err(|why| ModelStoreError::Pull { name: name.clone(), why })?;
            report(Download::Verifying { name: name.to_string() });
            let model = self.accept_download(name, published, &path, &part).await?;
            match model {
                Some(model) => return Ok(model),
                // The bytes of an earlier run may have been of another file.
                None if pulled.resumed => {}
                None => {
                    return Err(ModelStoreError::WrongHash { name: name.clone(), expected: published.hash.clone() });
                }
            }
        }
    }

    /// Moves a finished download into its place if its hash is right; deletes it and gives `None` if not.
    async fn accept_download(
        &self,
        name: &ModelName,
        published: &Published,
        path: &Path,
        part: &Path,
    ) -> Result<Option<VerifiedModel>, ModelStoreError> {
        let (name, published) = (name.to_string(), published.clone());
        let (path, part) = (path.to_owned(), part.to_owned());
        let file = shown(&path);
        let work = move |cancel: &_| {
            let file = shown(&path);
            let digests = digest::of_file(&part, cancel).map_err(|source| ModelStoreError::in_file(&file, source))?;
            if !published.matches(&digests) {
                std::fs::remove_file(&part).map_err(|error| ModelStoreError::write(&file, error))?;
                return Ok(None);
            }
            let record = Record::new(&digests, Origin::Published);
            commit(&part, &path, &record).map_err(|error| ModelStoreError::write(&file, error))?;
            verified(path, name, record).map(Some).map_err(|source| ModelStoreError::in_file(&file, source))
        };
        blocking(work).await.unwrap_or(Err(cancelled(&file)))
    }

    /// Whether the model, or the one that it is made from, can be downloaded now. `Err` says why not.
    pub async fn offers(&self, name: &ModelName) -> Result<(), String> {
        if self.local_source(name).is_some() {
            return Ok(());
        }
        let source = if self.published(name).is_some() { Some(name.clone()) } else { self.catalogue.source_of(name) };
        let Some(source) = source else { return Err(ModelStoreError::Unknown(name.clone()).to_string()) };
        let client = self.proxies.apply(reqwest::Client::builder().timeout(Duration::from_secs(8))).build();
        let client = client.map_err(|error| ModelStoreError::Client(error.to_string()).to_string())?;
        match client.head(self.url_of(&source)).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("the server refuses it ({})", response.status())),
            Err(error) => {
                let host = self.base_url.host_str().unwrap_or("the server");
                Err(format!("{host} cannot be reached, {}", failure_cause(&error)))
            }
        }
    }

    /// Creates the folder and checks that the file fits on the disk, the bytes of `part` deducted.
    pub(super) fn make_room(&self, path: &Path, part: &Path, bytes: u64) -> Result<(), ModelStoreError> {
        let file = shown(path);
        std::fs::create_dir_all(&self.dir).map_err(|error| ModelStoreError::write(&file, error))?;
        let there = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
        let needed = bytes.saturating_sub(there) + FREE_SPACE_MARGIN;
        let disk = rustix::fs::statvfs(&self.dir).map_err(|error| ModelStoreError::write(&file, error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < needed { Err(ModelStoreError::NoSpace { file, needed, free }) } else { Ok(()) }
    }

    /// Detectors are published in another repository of the same site.
    fn url_of(&self, name: &ModelName) -> reqwest::Url {
        let mut url = self.base_url.clone();
        if name.to_string() == super::DETECTOR {
            let path = url.path().replace("/ggerganov/whisper.cpp/", "/ggml-org/whisper-vad/");
            url.set_path(&path);
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&name.file_name());
        }
        url
    }
}

/// Moves a finished file to its name, its record first, so that a file made here never lacks one.
pub(super) fn commit(part: &Path, path: &Path, record: &Record) -> std::io::Result<()> {
    record.save(&with_suffix(path, ".json"))?;
    std::fs::rename(part, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::DETECTOR;
    use super::*;

    #[test]
    fn addresses_follow_the_base_url() {
        let url = |base: &str, name: &str| {
            ModelStore::new("models".into(), base.parse().unwrap()).url_of(&name.parse().unwrap()).to_string()
        };
        let hub = "https://huggingface.co/ggerganov/whisper.cpp/resolve/main";
        assert_eq!(url(hub, "base-q8_0"), format!("{hub}/ggml-base-q8_0.bin"));
        assert_eq!(url(&format!("{hub}/"), "tiny.en"), format!("{hub}/ggml-tiny.en.bin"));
        let detectors = "https://huggingface.co/ggml-org/whisper-vad/resolve/main";
        assert_eq!(url(hub, DETECTOR), format!("{detectors}/ggml-silero-v6.2.0.bin"));
        assert_eq!(url("http://mirror/models", DETECTOR), "http://mirror/models/ggml-silero-v6.2.0.bin");
    }
}
