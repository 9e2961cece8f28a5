//! Processor features that whisper.cpp as it is built uses without checking for them.

/// Processor features that the recogniser needs on this architecture, as `/proc/cpuinfo` spells them.
#[cfg(target_arch = "x86_64")]
pub const REQUIRED_CPU_FEATURES: &[&str] = &["sse4_2", "avx", "avx2", "fma", "f16c", "bmi2"];
/// Processor features that the recogniser needs on this architecture, as `/proc/cpuinfo` spells them.
#[cfg(target_arch = "aarch64")]
pub const REQUIRED_CPU_FEATURES: &[&str] = &["asimd"];
/// Processor features that the recogniser needs on this architecture: none are known.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const REQUIRED_CPU_FEATURES: &[&str] = &[];

/// Which of [`REQUIRED_CPU_FEATURES`] this processor lacks. Must be known before native code runs, which would end by an
/// illegal instruction.
pub fn missing_cpu_features() -> Vec<&'static str> {
    REQUIRED_CPU_FEATURES.iter().copied().filter(|name| !has(name)).collect()
}

#[cfg(target_arch = "x86_64")]
fn has(name: &str) -> bool {
    match name {
        "sse4_2" => is_x86_feature_detected!("sse4.2"),
        "avx" => is_x86_feature_detected!("avx"),
        "avx2" => is_x86_feature_detected!("avx2"),
        "fma" => is_x86_feature_detected!("fma"),
        "f16c" => is_x86_feature_detected!("f16c"),
        "bmi2" => is_x86_feature_detected!("bmi2"),
        _ => false,
    }
}

#[cfg(target_arch = "aarch64")]
fn has(name: &str) -> bool {
    name == "asimd" && std::arch::is_aarch64_feature_detected!("neon")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has(_name: &str) -> bool {
    false
}

/// The widest instructions for 8-bit products of this processor, which decide the speed.
#[cfg(target_arch = "x86_64")]
pub(crate) fn instruction_set() -> &'static str {
    // AMX cannot be asked for in stable Rust; it implies VNNI.
    let amx = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("amx_int8"));
    match () {
        () if is_x86_feature_detected!("avx512vnni") && amx => "AMX",
        () if is_x86_feature_detected!("avx512vnni") => "AVX-512 VNNI",
        () if is_x86_feature_detected!("avxvnni") => "AVX-VNNI",
        () if is_x86_feature_detected!("avx512f") => "AVX-512",
        () => "AVX2",
    }
}

/// The widest instructions for 8-bit products of this processor, which decide the speed.
#[cfg(target_arch = "aarch64")]
pub(crate) fn instruction_set() -> &'static str {
    match () {
        () if std::arch::is_aarch64_feature_detected!("i8mm") => "I8MM",
        () if std::arch::is_aarch64_feature_detected!("dotprod") => "SDOT",
        () => "NEON",
    }
}

/// The widest instructions for 8-bit products of this processor, which decide the speed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn instruction_set() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn required_features_are_those_of_the_build() {
        assert!(missing_cpu_features().is_empty(), "the tests of the engine need {:?}", missing_cpu_features());
        let built = whisper_rs::print_system_info();
        for extension in ["AVX", "AVX2", "FMA", "F16C", "BMI2"] {
            assert!(built.contains(&format!("{extension} = 1")), "{extension} is required for nothing: {built}");
        }
        for extension in ["AVX_VNNI", "AVX512", "AVX512_VNNI", "AVX512_BF16", "AMX_INT8"] {
            assert!(!built.contains(&format!("{extension} = 1")), "{extension} is used and not required: {built}");
        }
    }
}
