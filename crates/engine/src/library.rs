//! The parent's side of `stenobot onnx-version`, a process that reads the version of an ONNX Runtime library, whose code must
//! not run in the bot.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::job::absolute;
use super::process::NO_TELEMETRY;

/// Longest time that loading a library may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest version, in bytes.
const MAX_VERSION: usize = 64;

/// The version of an ONNX Runtime library, such as `1.28.0`, read in a process of `command` (this program).
///
/// # Errors
/// One sentence: it cannot be loaded, or its version is not accepted.
pub async fn onnx_runtime_version(command: &Path, library: &Path) -> Result<String, String> {
    let mut child = Command::new(absolute(command));
    child
        .arg("onnx-version")
        .arg(absolute(library))
        .env_clear()
        .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
        .envs([NO_TELEMETRY])
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let name = library.file_name().unwrap_or_default().to_string_lossy();
    let output = match timeout(TIMEOUT, child.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("the process that loads {name} cannot be started: {error}")),
        Err(_) => return Err(format!("{name} could not be loaded within {} s", TIMEOUT.as_secs())),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Some(text(&output.stdout))
            .filter(|version| version.len() <= MAX_VERSION)
            .ok_or_else(|| format!("{name} has no version")),
        false if output.status.code().is_some() => Err(text(&output.stderr)),
        false => Err(format!("loading {name} crashes")),
    }
}
