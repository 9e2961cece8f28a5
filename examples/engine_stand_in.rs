//! An engine without a model, for tests: speaks the engine's protocol and follows a script, which can also make it crash
//! or hang.
//!
//! The script is in the audio file, after the line `stand-in`: one instruction a line, up to a zero byte or the end of the
//! file. Without one it is in the variable `STAND_IN` (separated by `;`), or `say` with a short text.
//!
//! | instruction | effect |
//! | --- | --- |
//! | `progress N` | reports N percent |
//! | `wait MS` | waits, unless cancelled |
//! | `linger MS` | waits until cancelled, and confirms the cancellation MS later |
//! | `unresponsive` | stops responding, also to a cancellation |
//! | `stopped` | stops itself (SIGSTOP): only SIGKILL ends it |
//! | `half` | sends an incomplete frame |
//! | `flood` | reports progress without pause or end |
//! | `closed` | closes its output and keeps running |
//! | `gate PORT` | sends its process id to the test that listens there, and continues when the test disconnects |
//! | `length SECONDS` | from now on the recording is this long |
//! | `segment START END TEXT` | reports this text, with its times in milliseconds; it is in the transcript too, before what follows |
//! | `say TEXT` | finishes with this text |
//! | `language` | finishes with the requested language code |
//! | `likely` | finishes with the given likely languages, candidates with a star, as `ru* 0.40, en 0.40`, as a text that depends on the sender |
//! | `missed TEXT` | finishes with this text and two seconds of missed speech |
//! | `env NAME` | finishes with the variable's value, or `absent` |
//! | `fail TEXT` | fails |
//! | `exit N`, `abort`, `segfault` | ends that way |
//! | `devour` | limits its memory as the engine does, and exceeds the limit |
//! | `garbage`, `oversized`, `stranger` | violates the protocol: no frame, a frame over the limit, a report about another job |
//!
//! `STAND_IN_START` says how it starts: `wait MS`, `gate PORT`, `load-failed TEXT`, `exit N`, `version N` (it speaks another
//! version of the protocol) or `silent` (it does not say its version). When the parent sends a second job
//! before the first has ended, it exits with status 77.

#[path = "../tests/stories/script.rs"]
#[allow(dead_code, reason = "the tests write scripts")]
mod script;

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use stenobot_domain::{ModelFacts, Progress, Transcript};
use stenobot_engine::TranscribeJob;
use stenobot_engine::confine::Headroom;
use stenobot_engine::protocol::{
    BlockingReader, BlockingWriter, Command, Event, JobFailure, JobNumber, MAX_FRAME, VERSION,
};

use script::{LENGTH, ScriptedRecording};

static BUSY: AtomicBool = AtomicBool::new(false);

fn main() -> io::Result<()> {
    let (sender, commands) = channel();
    std::thread::spawn(move || {
        let mut reader = BlockingReader::new(io::stdin());
        while let Ok(Some(command)) = reader.receive::<Command>() {
            if matches!(command, Command::Transcribe { .. }) && BUSY.swap(true, Ordering::SeqCst) {
                std::process::exit(77);
            }
            if sender.send(command).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    let mut stand_in = StandIn { commands, events: BlockingWriter::new(io::stdout()) };
    stand_in.start()?;
    loop {
        match stand_in.commands.recv() {
            // For a job that has ended.
            Ok(Command::Cancel { .. }) => {}
            Ok(Command::Transcribe { number, job }) => {
                let event = stand_in.play(number, &script(job.path())?, &job)?;
                BUSY.store(false, Ordering::SeqCst);
                stand_in.events.send(&event)?;
            }
            Err(_) => return Ok(()),
        }
    }
}

fn script(path: &Path) -> io::Result<String> {
    let default = || std::env::var("STAND_IN").unwrap_or_else(|_| "say Слышно хорошо".to_owned()).replace(';', "\n");
    Ok(script::find(&std::fs::read(path)?).unwrap_or_else(default))
}

/// Waits until the test at `port` disconnects.
fn wait_at_gate(port: u64) -> io::Result<()> {
    let mut gate = TcpStream::connect(("127.0.0.1", port as u16))?;
    writeln!(gate, "{}", std::process::id())?;
    gate.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn parse_number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("the script wants a number, not {text:?}"))
}

struct StandIn {
    commands: Receiver<Command>,
    events: BlockingWriter<io::Stdout>,
}

impl StandIn {
    fn start(&mut self) -> io::Result<()> {
        let how = std::env::var("STAND_IN_START").unwrap_or_default();
        match how.split_once(' ') {
            Some(("version", version)) => self.events.send(&Event::Hello { version: parse_number(version) as u32 })?,
            None if how == "silent" => {}
            _ => self.events.send(&Event::Hello { version: VERSION })?,
        }
        match how.split_once(' ') {
            Some(("wait", millis)) => {
                let _ = self.commands.recv_timeout(Duration::from_millis(parse_number(millis)));
            }
            Some(("load-failed", reason)) => {
                self.events.send(&Event::LoadFailed { reason: reason.to_owned() })?;
                std::process::exit(1);
            }
            Some(("exit", code)) => std::process::exit(parse_number(code) as i32),
            Some(("gate", port)) => wait_at_gate(parse_number(port))?,
            _ => {}
        }
        let model = ModelFacts {
            kind: "none".to_owned(),
            weights: "none".to_owned(),
            multilingual: true,
            backend: "stand-in".to_owned(),
        };
        self.events.send(&Event::Ready { model, load: Duration::from_millis(1) })
    }

    fn play(&mut self, number: JobNumber, script: &str, job: &TranscribeJob) -> io::Result<Event> {
        let mut recording = ScriptedRecording::new();
        for line in script.lines() {
            let (verb, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            match verb {
                "progress" => {
                    let total = recording.length;
                    let progress = Progress { done: total * parse_number(rest) as u32 / 100, total };
                    self.events.send(&Event::Progress { number, progress })?;
                }
                "wait" if self.cancelled_within(Duration::from_millis(parse_number(rest))) => {
                    return Ok(Event::Cancelled { number });
                }
                "linger" => {
                    while !self.cancelled_within(Duration::from_secs(3600)) {}
                    self.cancelled_within(Duration::from_millis(parse_number(rest)));
                    return Ok(Event::Cancelled { number });
                }
                "unresponsive" => park(),
                "stopped" => {
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
                    park();
                }
                "half" => {
                    raw(b"\0\0\0\x20{\"Progress\"")?;
                    park();
                }
                "flood" => match self.flood(number)? {},
                "closed" => {
                    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
                    park();
                }
                "gate" => wait_at_gate(parse_number(rest))?,
                "length" => recording.length = Duration::from_secs(parse_number(rest)),
                "segment" => {
                    let segment = script::segment(rest);
                    recording.segments.push(segment.clone());
                    let (segments, language) = (vec![segment], "ru".to_owned());
                    self.events.send(&Event::Segments { number, segments, language })?;
                }
                "say" => return Ok(Event::Finished { number, transcript: recording.transcript(rest) }),
                "language" => {
                    return Ok(Event::Finished { number, transcript: recording.transcript(&job.language.to_string()) });
                }
                "likely" => {
                    return Ok(Event::Finished { number, transcript: recording.likely(&job.likely) });
                }
                "missed" => {
                    let missed_speech = Duration::from_secs(2);
                    let transcript = Transcript { missed_speech, ..recording.transcript(rest) };
                    return Ok(Event::Finished { number, transcript });
                }
                "env" => {
                    let value = std::env::var(rest).unwrap_or_else(|_| "absent".to_owned());
                    return Ok(Event::Finished { number, transcript: recording.transcript(&value) });
                }
                "fail" => return Ok(Event::Failed { number, failure: JobFailure::Inference(rest.to_owned()) }),
                "exit" => std::process::exit(parse_number(rest) as i32),
                "abort" => std::process::abort(),
                "devour" => devour(),
                // Rust's handler takes the first signal and then restores the default action.
                "segfault" => loop {
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::SEGV)?;
                },
                "garbage" => raw(&[0, 0, 0, 5, b'h', b'e', b'l', b'l', b'o'])?,
                "oversized" => raw(&(MAX_FRAME as u32 + 1).to_be_bytes())?,
                "stranger" => return Ok(Event::Cancelled { number: JobNumber(number.0 + 1) }),
                _ => {}
            }
        }
        Ok(Event::Finished { number, transcript: recording.transcript("") })
    }

    /// Writes whole events faster than they can be read.
    fn flood(&mut self, number: JobNumber) -> io::Result<Infallible> {
        let mut many = Vec::new();
        let mut writer = BlockingWriter::new(&mut many);
        for percent in 0..1000 {
            let progress = Progress { done: LENGTH * (percent % 100) / 100, total: LENGTH };
            writer.send(&Event::Progress { number, progress })?;
        }
        loop {
            raw(&many)?;
        }
    }

    fn cancelled_within(&self, wait: Duration) -> bool {
        match self.commands.recv_timeout(wait) {
            Ok(Command::Cancel { .. }) => true,
            Ok(Command::Transcribe { .. }) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Allocates until the memory limit is reached.
fn devour() -> ! {
    let headroom = Headroom::of_this_process(1, 0).expect("the memory of this process can be read");
    headroom.allow(LENGTH).expect("the limit can be set");
    let mut taken = Vec::new();
    loop {
        taken.push(std::hint::black_box(vec![1_u8; 16 << 20]));
    }
}

fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(bytes)?;
    out.flush()
}
