//! The binary: parse the command line, run the command, turn its outcome into an exit status.

use std::process::ExitCode;

use clap::Parser;
use stenobot::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stenobot: {error:#}");
            ExitCode::FAILURE
        }
    }
}
