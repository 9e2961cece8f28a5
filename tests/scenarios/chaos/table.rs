//! Where a row's figures go: a file each, which `./dev chaos` puts together.

use std::path::Path;

use super::among_the_tests;

/// A row of the table.
pub(crate) struct Row {
    /// Its place.
    pub(crate) number: u8,
    /// What is done to the bot.
    pub(crate) test: &'static str,
    /// What is to come of it.
    pub(crate) figure: &'static str,
    /// The test's name below `chaos::`, by which it is run alone.
    pub(crate) name: &'static str,
}

/// Writes down what came of so many rounds. Call it after the assertions: a row that is there has held.
pub(crate) fn measured(row: &Row, rounds: usize, found: &str) {
    let Row { number, test, figure, name } = row;
    let line = format!("| {test} | {figure} | {rounds} | {found} | `./dev chaos --rounds {rounds} {name}` |\n");
    print!("{line}");
    if among_the_tests() {
        // Figures of a few rounds are not to take the place of those of many.
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{number:02}-{}.md", name.replace("::", "-"))), line).unwrap();
}
