//! The binary; all it does is in [`stenobot::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    stenobot::cli::main()
}
