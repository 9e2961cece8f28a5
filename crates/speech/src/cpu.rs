//! The instructions that the built recogniser uses without asking whether the processor has them.

/// What [`missing`] looks for on this architecture, as `/proc/cpuinfo` spells it.
#[cfg(target_arch = "x86_64")]
pub const REQUIRED: &[&str] = &["sse4_2", "avx", "avx2", "fma", "f16c", "bmi2"];
/// What [`missing`] looks for on this architecture, as `/proc/cpuinfo` spells it.
#[cfg(target_arch = "aarch64")]
pub const REQUIRED: &[&str] = &["asimd"];
/// What [`missing`] looks for on this architecture: nothing is known to be needed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const REQUIRED: &[&str] = &[];

/// Which of [`REQUIRED`] this processor lacks. The recogniser cannot be asked: it would die of the asking.
pub fn missing() -> Vec<&'static str> {
    REQUIRED.iter().copied().filter(|name| !has(name)).collect()
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

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_what_the_recogniser_was_built_with() {
        assert!(missing().is_empty(), "the tests of the engine need {:?}", missing());
        let built = whisper_rs::print_system_info();
        for extension in ["AVX", "AVX2", "FMA", "F16C", "BMI2"] {
            assert!(built.contains(&format!("{extension} = 1")), "{extension} is required for nothing: {built}");
        }
        for extension in ["AVX_VNNI", "AVX512", "AVX512_VNNI", "AVX512_BF16", "AMX_INT8"] {
            assert!(!built.contains(&format!("{extension} = 1")), "{extension} is used and not required: {built}");
        }
    }
}
