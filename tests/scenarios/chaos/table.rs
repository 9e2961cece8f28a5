//! Rows of the table: a file each, which `./dev chaos` joins.

use std::path::Path;

use super::among_the_tests;

/// A row of the table.
pub(crate) struct Row {
    /// Its position in the table.
    pub(crate) number: u8,
    /// The fault.
    pub(crate) test: &'static str,
    /// The expected result.
    pub(crate) figure: &'static str,
    /// Path of the test below `chaos::`.
    pub(crate) name: &'static str,
}

/// Writes the row of a test. Call it after the assertions, so that only rows that hold are written.
pub(crate) fn measured(row: &Row, rounds: usize, found: &str) {
    let Row { number, test, figure, name } = row;
    let line = format!("| {test} | {figure} | {rounds} | {found} | `./dev chaos --rounds {rounds} {name}` |\n");
    print!("{line}");
    if among_the_tests() {
        // Figures of a few rounds must not replace those of many.
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{number:02}-{}.md", name.replace("::", "-"))), line).unwrap();
}
