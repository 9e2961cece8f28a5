use super::{Architecture, DETECTOR, ModelName, ModelStore, PublishedHash};

/// One line of the list of models.
#[derive(Debug, Clone)]
pub struct ListedModel {
    /// The name.
    pub name: ModelName,
    /// Size of the file.
    pub bytes: u64,
    /// The model's sizes; `None` for the detector and for models of unknown sizes.
    pub architecture: Option<Architecture>,
    /// Estimated bytes one engine on whisper.cpp needs; `None` for the detector and for models of unknown sizes.
    pub memory_bytes: Option<u64>,
    /// `None` for a model that is not published.
    pub published: Option<PublishedHash>,
    /// Whether there is a file of that name and length. Its hash is not checked.
    pub present: bool,
}

impl ModelStore {
    /// The published models and those that are present, the smallest families first.
    pub fn list(&self) -> Vec<ListedModel> {
        let present = self.present_files();
        let mut list = Vec::new();
        for family in self.catalogue.families() {
            let mut quantisations: Vec<_> = family.published.iter().map(|(q, _)| *q).collect();
            quantisations.extend(
                present
                    .iter()
                    .map(|(name, _)| name)
                    .filter(|name| name.family() == family.name)
                    .map(ModelName::quantisation),
            );
            quantisations.sort_unstable();
            quantisations.dedup();
            for quantisation in quantisations {
                let name: ModelName = match family.name.parse::<ModelName>() {
                    Ok(name) => name.with(quantisation),
                    Err(_) => continue,
                };
                let bytes = family.architecture.file_bytes(quantisation);
                list.push(ListedModel {
                    bytes,
                    architecture: Some(family.architecture),
                    memory_bytes: Some(family.architecture.memory_bytes(quantisation)),
                    published: self.published(&name).map(|published| published.hash),
                    present: present.iter().any(|(other, length)| *other == name && *length == bytes),
                    name,
                });
            }
        }
        let detector: Option<ModelName> = DETECTOR.parse().ok();
        let others = detector.into_iter().chain(present.iter().map(|(name, _)| name.clone()));
        for name in others {
            if list.iter().any(|listed| listed.name == name) {
                continue;
            }
            let published = self.published(&name);
            let length = present.iter().find(|(other, _)| *other == name).map(|(_, length)| *length);
            list.push(ListedModel {
                bytes: length.or(published.as_ref().map(|p| p.bytes)).unwrap_or(0),
                architecture: None,
                memory_bytes: None,
                present: length.is_some(),
                published: published.map(|p| p.hash),
                name,
            });
        }
        list
    }

    /// Names and lengths of the files in the store's folder.
    fn present_files(&self) -> Vec<(ModelName, u64)> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut present: Vec<_> = entries
            .filter_map(|entry| {
                let name = ModelName::of_file(entry.file_name().to_str()?)?;
                Some((name, std::fs::metadata(entry.path()).ok()?.len()))
            })
            .collect();
        present.sort_unstable_by_key(|(name, _)| name.to_string());
        present
    }
}
