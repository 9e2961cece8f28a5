//! Recordings: the samples of this repository, and silence with a script for a scripted recogniser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_simulator::voices::{Voice, Voices};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::eventually;
use super::script;

/// Path of a file of this repository, or of one that `./dev test` provides.
pub(crate) fn asset(path: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(file.exists(), "{path} is missing: run `./dev test`");
    file
}

/// A sample recording.
pub(crate) fn sample(name: &str) -> Voice {
    let samples = Voices::open(&asset("samples")).unwrap();
    samples.named(name).unwrap_or_else(|| panic!("there is no sample {name}")).clone()
}

/// `seconds` of silence as a WAV file with a script: instructions separated by `;`.
pub(crate) fn scripted(seconds: u32, script: &str) -> Voice {
    const RATE: u32 = 8000;
    let mut note = format!("{}{}\n", script::MARK, script.replace(';', "\n")).into_bytes();
    note.push(0);
    note.resize(note.len().next_multiple_of(2), 0);
    let mut wave = b"WAVEfmt ".to_vec();
    wave.extend(16_u32.to_le_bytes());
    // PCM, one channel, 8 bits unsigned.
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

/// Lets a test hold a scripted recogniser at the instruction `gate`.
pub(crate) struct Gate(TcpListener);

impl Gate {
    pub(crate) async fn new() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    /// The instruction for a script.
    pub(crate) fn instruction(&self) -> String {
        format!("gate {}", self.0.local_addr().unwrap().port())
    }

    /// Waits until a recogniser has reached the gate.
    pub(crate) async fn wait_reached(&self) -> WaitingEngine {
        loop {
            let (stream, _) = eventually("an engine reaches the gate", self.0.accept()).await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            eventually("the engine sends its process id", stream.read_line(&mut line)).await.unwrap();
            // Other processes of this machine may connect to the port.
            match line.trim().parse() {
                Ok(pid) => return WaitingEngine { pid, _stream: stream },
                Err(_) => eprintln!("no engine at the gate: {line:?}"),
            }
        }
    }
}

/// A recogniser that waits at a gate; continues when this is dropped.
pub(crate) struct WaitingEngine {
    pub(crate) pid: u32,
    _stream: BufReader<TcpStream>,
}

impl WaitingEngine {
    pub(crate) fn release(self) {}
}
