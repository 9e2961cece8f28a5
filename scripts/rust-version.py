"""Checks that the Rust releases named in the repository agree, without building anything.

`rust-version` is the oldest release that builds the bot. Every crate of the workspace declares the same one, and no dependency
in Cargo.lock declares a newer one; clippy's `incompatible_msrv` covers the standard library. The Dockerfile and the hosted
checks use one release, which is not older.
"""

import json
import pathlib
import re
import subprocess
import sys

metadata = json.loads(subprocess.check_output(["cargo", "metadata", "--locked", "--format-version", "1"]))
members = set(metadata["workspace_members"])


def release(version):
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


errors = []
declared = {package["rust_version"] for package in metadata["packages"] if package["id"] in members}
if len(declared) != 1 or None in declared:
    sys.exit(f"the crates of the workspace do not declare one rust-version: {declared}")
oldest = declared.pop()
for package in metadata["packages"]:
    needed = package["rust_version"]
    if needed and release(needed) > release(oldest):
        errors.append(f"{package['name']} {package['version']} needs Rust {needed}; rust-version is {oldest}")

used = {}
for path in ["Dockerfile", ".github/workflows/ci.yml", ".github/workflows/release.yml"]:
    used[path] = set(re.findall(r"\brust:([0-9.]+)", pathlib.Path(path).read_text()))
releases = set.union(*used.values())
if len(releases) != 1 or not all(used.values()):
    errors.append(f"the images do not use one release of Rust: {used}")
elif release(releases.pop()) < release(oldest):
    errors.append(f"the images use a release of Rust older than rust-version, {oldest}: {used}")

sys.exit("\n".join(errors) or None)
