//! Tells the compiler the version that `--version` prints: the package's and the commit that is built.
//!
//! The commit is taken from the variable `BUILD_COMMIT`, or from Git. Without both the version is the package's alone. A debug
//! build does not name the commit, since each commit would then compile the program again.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=BUILD_COMMIT");
    let version = env!("CARGO_PKG_VERSION");
    let given = std::env::var("BUILD_COMMIT").ok().filter(|commit| is_commit(commit));
    let commit = match std::env::var("PROFILE").as_deref() {
        Ok("release") => given.or_else(commit),
        _ => given,
    };
    if let Some(commit) = commit {
        println!("cargo:rustc-env=BUILD_VERSION={version} ({})", commit.get(..12).unwrap_or(&commit));
    }
}

/// The commit that is checked out, if this package is the root of a repository.
fn commit() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let package = std::env::var_os("CARGO_MANIFEST_DIR")?;
    // The package may have been unpacked into a folder of another repository.
    if Path::new(&root).canonicalize().ok()? != Path::new(&package).canonicalize().ok()? {
        return None;
    }
    // It changes with each commit and checkout.
    let changes = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&changes).is_file() {
        println!("cargo:rerun-if-changed={changes}");
    }
    git(&["rev-parse", "HEAD"]).filter(|commit| is_commit(commit))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
