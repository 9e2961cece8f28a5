//! Runs `stenobot` with the same arguments and writes its resource usage beside the file that the last argument names:
//! `FILE.usage` with the peak memory in KiB, the processor time in milliseconds, and the exit status.

use std::io;
use std::process::{Command, ExitCode};

use wait4::Wait4;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let mut note =
        arguments.last().cloned().ok_or_else(|| io::Error::other("the arguments of stenobot are missing"))?;
    note.push(".usage");
    let here = std::env::current_exe()?;
    let program = here.ancestors().nth(2).map(|folder| folder.join("stenobot"));
    let mut child =
        Command::new(program.ok_or_else(|| io::Error::other("stenobot is not here"))?).args(arguments).spawn()?;
    let ended = child.wait4()?;
    let processor = ended.rusage.utime + ended.rusage.stime;
    std::fs::write(note, format!("{} {} {}", ended.rusage.maxrss >> 10, processor.as_millis(), ended.status))?;
    Ok(match ended.status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
