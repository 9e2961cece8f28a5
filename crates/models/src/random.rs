//! Models of random numbers with the sizes of a published one, which take as long as it and are here without a download: for
//! measuring a machine.

use std::fs::File;
use std::io::BufWriter;

use super::architecture::{Architecture, Shape};
use super::catalogue::ModelName;
use super::convert::{self, ConversionObserver, Source};
use super::file_error::ModelFileError;
use super::prepare::{self, PreparedModel, Weights};
use super::quantise::Quantisation;
use super::record::Origin;
use super::weights::{Sign, WeightsForm};
use super::{Download, ModelStore, ModelStoreError, VerifiedModel, ggml, mel, verified};

/// What the models are made of, in their records.
const FROM: &str = "random numbers";
/// Standard deviation of the weights.
const DEVIATION: f32 = 0.02;
/// Of the ggml files.
const QUANTISATION: Quantisation = Quantisation::q8_0;

impl ModelStore {
    /// Makes a ggml file in q8_0 of random numbers, `random-FAMILY-q8_0` in this store, with the sizes of a family of the
    /// catalogue. `report` is called often meanwhile.
    ///
    /// # Errors
    /// [`ModelStoreError::Unknown`], or the file cannot be written.
    pub async fn make_random_model(
        &self,
        family: &ModelName,
        mut report: impl FnMut(Download),
    ) -> Result<VerifiedModel, ModelStoreError> {
        let (source, name) = self.random_source(family)?;
        let name = name.with(Some(QUANTISATION));
        let bytes = source.architecture.file_bytes(Some(QUANTISATION));
        let job = move |out: &mut BufWriter<File>, observer: ConversionObserver<'_>| {
            convert::write(&source, Some(QUANTISATION), out, observer)
        };
        let (path, label) = (self.path_of(&name), name.to_string());
        let origin = Origin::Imported { from: FROM.to_owned() };
        let accept = {
            let label = label.clone();
            move |path, record| verified(path, label, record)
        };
        self.make(path, &label, bytes, origin, |_, _| None, job, accept, &mut report).await
    }

    /// Makes a weights file of random numbers for this processor, with the sizes of a family of the catalogue. `report` is
    /// called often meanwhile.
    ///
    /// # Errors
    /// [`ModelStoreError::Unknown`], or the file cannot be written.
    pub async fn make_random_weights(
        &self,
        family: &ModelName,
        mut report: impl FnMut(Download),
    ) -> Result<PreparedModel, ModelStoreError> {
        let (source, name) = self.random_source(family)?;
        let (form, label) = (WeightsForm::Int8(Sign::of_this_processor()), name.to_string());
        let architecture = source.architecture;
        let weights = Weights::of(source, architecture, form, "random")
            .map_err(|error| ModelStoreError::in_file(&label, error))?;
        let bytes = weights.bytes();
        let job = move |out: &mut BufWriter<File>, observer: ConversionObserver<'_>| weights.write(out, observer);
        let path = self.dir.join(format!("onnx-{name}.safetensors"));
        let origin = Origin::Imported { from: FROM.to_owned() };
        self.make(path, &label, bytes, origin, |_, _| None, job, |path, _| prepare::accept(&path), &mut report).await
    }

    /// The numbers, and the name of what is made of them.
    fn random_source(&self, family: &ModelName) -> Result<(RandomSource, ModelName), ModelStoreError> {
        let found = self.catalogue.family(family.family()).ok_or_else(|| ModelStoreError::Unknown(family.clone()))?;
        Ok((RandomSource::new(found.architecture), format!("random-{}", found.name).parse()?))
    }
}

/// The same numbers in every run, about normally distributed; the weights of normalisations are 1.
struct RandomSource {
    architecture: Architecture,
    shapes: Vec<Shape>,
}

impl RandomSource {
    fn new(architecture: Architecture) -> Self {
        Self { architecture, shapes: architecture.tensors() }
    }

    /// Texts that are all different, as many and together as long as the model's own.
    fn vocabulary(&self) -> Vec<Vec<u8>> {
        let Architecture { text_tokens, text_bytes, .. } = self.architecture;
        let length = text_bytes / text_tokens.max(1);
        let longer = text_bytes % text_tokens.max(1);
        let text = |index| {
            let length = (length + u32::from(index < longer)) as usize;
            let digits = format!("{index:0length$}").into_bytes();
            digits[digits.len() - length..].to_vec()
        };
        (0..text_tokens).map(text).collect()
    }
}

impl Source for RandomSource {
    fn prelude(&self) -> Result<Vec<u8>, ModelFileError> {
        let filters = mel::filters(self.architecture.mel_bands as usize);
        Ok(ggml::prelude(&self.architecture, &filters, &self.vocabulary()))
    }

    fn shapes(&self) -> Vec<Shape> {
        self.shapes.clone()
    }

    fn read(&self, index: usize, first: u64, values: &mut [f32]) -> Result<(), ModelFileError> {
        let (layer, leaf) = self.shapes[index].name.rsplit_once('.').unwrap_or_default();
        if leaf == "weight" && (layer.ends_with("ln") || layer.ends_with("ln_post")) {
            values.fill(1.0);
            return Ok(());
        }
        let seed = mix(index as u64);
        for (value, place) in values.iter_mut().zip(first..) {
            *value = DEVIATION * normal(mix(seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
        }
        Ok(())
    }
}

/// SplitMix64's output function: a generator whose every number can be computed by itself.
fn mix(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// About normally distributed with mean 0 and deviation 1: the sum of four evenly distributed numbers.
fn normal(bits: u64) -> f32 {
    const MEAN: f32 = 4.0 * 65_535.0 / 2.0;
    // The deviation of one is 65536 / sqrt(12), that of four twice as much.
    const DEVIATION: f32 = 37_837.23;
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    (sum as f32 - MEAN) / DEVIATION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    fn source(family: &str) -> RandomSource {
        RandomSource::new(Catalogue::default().family(family).unwrap().architecture)
    }

    #[test]
    fn the_vocabulary_has_as_many_texts_and_bytes_as_the_model_s() {
        for family in ["tiny", "tiny.en", "large-v3"] {
            let source = source(family);
            let mut texts = source.vocabulary();
            let bytes: usize = texts.iter().map(Vec::len).sum();
            assert_eq!(bytes, source.architecture.text_bytes as usize, "{family}");
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), source.architecture.text_tokens as usize, "{family}");
        }
    }

    #[test]
    fn the_numbers_are_normal_and_do_not_depend_on_how_they_are_read() {
        let source = source("tiny");
        let index = source.shapes.iter().position(|shape| shape.name.ends_with("mlp.0.weight")).unwrap();
        let mut values = vec![0f32; 100_000];
        source.read(index, 0, &mut values).unwrap();
        let mean = values.iter().sum::<f32>() / 1e5;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 1e5).sqrt();
        assert!(mean.abs() < 3e-4 && (deviation - DEVIATION).abs() < 3e-4, "{mean} {deviation}");
        let mut part = vec![0f32; 10];
        source.read(index, 500, &mut part).unwrap();
        assert_eq!(part, values[500..510]);

        let norm = source.shapes.iter().position(|shape| shape.name == "encoder.ln_post.weight").unwrap();
        source.read(norm, 0, &mut part).unwrap();
        assert_eq!(part, [1.0; 10]);
    }
}
