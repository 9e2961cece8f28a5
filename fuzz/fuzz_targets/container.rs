//! Bytes as a file that is sent: recognised by its first bytes, read, decoded. Nothing may panic outside of the guard
//! around the decoders, hang, or take memory without bound; and the two entrances must agree.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rustix::fs::MemfdFlags;
use stenobot_audio::{AudioError, decode, probe};

const LIMIT: Duration = Duration::from_secs(3);

fuzz_target!(
    // The fuzzer's own hook would end the process at panics that the bot catches.
    init: std::panic::set_hook(Box::new(|_| {})),
    |bytes: &[u8]| {
        let mut file = File::from(rustix::fs::memfd_create("fuzz", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(bytes).unwrap();
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let decoded = decode(&path, LIMIT);
        assert_eq!(probe(&path, LIMIT), decoded.as_ref().map(|decoded| decoded.duration()).map_err(Clone::clone));
        match decoded {
            Ok(decoded) => {
                assert!(!decoded.samples.is_empty() && decoded.samples.len() <= 4 * 16_000);
                assert!(decoded.samples.iter().all(|sample| sample.abs() <= 1.0));
            }
            // Memory can be read: whatever is wrong, it is not the machine.
            Err(error) => assert!(!matches!(error, AudioError::Io { .. })),
        }
    }
);
