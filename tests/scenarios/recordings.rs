//! What users send: the samples of this repository, and recordings that tell the engine's stand-in what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_simulator::voices::{Voice, Voices};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::eventually;

/// A file of this repository or of the folder that `./dev test` fills.
pub(crate) fn asset(path: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(file.exists(), "{path} is missing: run `./dev test`");
    file
}

/// A recording of a voice.
pub(crate) fn sample(name: &str) -> Voice {
    let samples = Voices::open(&asset("samples")).unwrap();
    samples.named(name).unwrap_or_else(|| panic!("there is no sample {name}")).clone()
}

/// So many seconds of silence as a WAV file, with a script for the stand-in: instructions separated by `;`.
pub(crate) fn scripted(seconds: u32, script: &str) -> Voice {
    const RATE: u32 = 8000;
    let mut note = format!("stand-in\n{}\n", script.replace(';', "\n")).into_bytes();
    note.push(0);
    note.resize(note.len().next_multiple_of(2), 0);
    let mut wave = b"WAVEfmt ".to_vec();
    wave.extend(16_u32.to_le_bytes());
    // One channel of unsigned bytes.
    wave.extend([1, 0, 1, 0].iter().chain(&RATE.to_le_bytes()).chain(&RATE.to_le_bytes()).chain(&[1, 0, 8, 0]));
    for (name, content) in [(b"note", note), (b"data", vec![0x80; (RATE * seconds) as usize])] {
        wave.extend(name);
        wave.extend((content.len() as u32).to_le_bytes());
        wave.extend(content);
    }
    let mut file = b"RIFF".to_vec();
    file.extend((wave.len() as u32).to_le_bytes());
    file.extend(wave);
    Voice {
        name: script.to_owned(),
        language: "ru".to_owned(),
        duration: Duration::from_secs(seconds.into()),
        text: script.rsplit_once("say ").map(|(_, text)| text.to_owned()).unwrap_or_default(),
        bytes: file.into(),
    }
}

/// Where the stand-in waits until a test lets it go on: the instruction `gate`.
pub(crate) struct Gate(TcpListener);

impl Gate {
    pub(crate) async fn new() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    /// The instruction for a script.
    pub(crate) fn instruction(&self) -> String {
        format!("gate {}", self.0.local_addr().unwrap().port())
    }

    /// Waits until a stand-in is at the gate.
    pub(crate) async fn wait_reached(&self) -> WaitingEngine {
        loop {
            let (stream, _) = eventually("the engine is at the gate", self.0.accept()).await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            eventually("the engine says who it is", stream.read_line(&mut line)).await.unwrap();
            // Any process of this machine may knock at a port.
            match line.trim().parse() {
                Ok(pid) => return WaitingEngine { pid, _stream: stream },
                Err(_) => eprintln!("no engine at the gate: {line:?}"),
            }
        }
    }
}

/// A stand-in that waits. Dropping this lets it go on.
pub(crate) struct WaitingEngine {
    pub(crate) pid: u32,
    _stream: BufReader<TcpStream>,
}

impl WaitingEngine {
    pub(crate) fn release(self) {}
}
