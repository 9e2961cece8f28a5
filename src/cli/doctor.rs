//! `stenobot doctor`: a line for everything that the bot needs.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::styling::{AnsiColor, Style};
use serde_json::json;

use super::terminal;
use crate::config::{Config, ConfigError};
use crate::doctor::{self, Line, Report, Verdict};
use crate::telemetry::{escape_controls, has_colours};

/// Width of lines on a terminal.
const WIDTH: usize = 80;
/// Before the text of a line: the verdict and what was looked at.
const INDENT: usize = 8 + 15;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) async fn run(self, config: Result<Config, ConfigError>) -> anyhow::Result<ExitCode> {
        let mut report = match config {
            Ok(config) => doctor::examine(&config).await,
            Err(error) => Report::without_configuration(&error),
        };
        for line in &mut report.checks {
            line.text = escape_controls(&terminal::clean(&line.text)).into_owned();
        }
        let counts =
            [Verdict::Ok, Verdict::Skipped, Verdict::Warning, Verdict::Failed].map(|verdict| report.count(verdict));
        let [ok, skipped, warnings, failed] = counts;
        let mut stdout = std::io::stdout();
        let text = match self.json {
            true => {
                let all = json!({
                    "version": super::VERSION,
                    "checks": report.checks,
                    "ok": ok,
                    "skipped": skipped,
                    "warnings": warnings,
                    "failed": failed,
                });
                serde_json::to_string_pretty(&all)? + "\n"
            }
            false => {
                let terminal = stdout.is_terminal();
                let colour = terminal && has_colours();
                let mut text: String =
                    report.checks.iter().map(|line| show(line, terminal.then_some(WIDTH), colour)).collect();
                let s = if warnings == 1 { "" } else { "s" };
                let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
                text.push_str(&format!("{ok} ok, {warnings} warning{s}, {failed} failed{skipped}\n"));
                text
            }
        };
        stdout.write_all(text.as_bytes()).context("the result cannot be printed")?;
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// One line, broken between words at `width` when there is one: programs that read it want it whole.
fn show(line: &Line, width: Option<usize>, colour: bool) -> String {
    let (word, style) = match line.verdict {
        Verdict::Ok => ("ok", AnsiColor::Green.on_default()),
        Verdict::Skipped => ("skipped", AnsiColor::BrightBlack.on_default()),
        Verdict::Warning => ("warning", AnsiColor::Yellow.on_default()),
        Verdict::Failed => ("failed", AnsiColor::Red.on_default().bold()),
    };
    let style = if colour { style } else { Style::new() };
    let mut text = format!("{style}{word:<7}{style:#} {:<14}", line.check);
    let mut column = INDENT - 1;
    for word in line.text.split(' ') {
        let length = word.chars().count();
        if width.is_some_and(|width| column + 1 + length > width) && column >= INDENT {
            text.push('\n');
            text.push_str(&" ".repeat(INDENT - 1));
            column = INDENT - 1;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + length;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_break_between_words() {
        let line = |text: &str| Line { check: "memory", verdict: Verdict::Failed, text: text.to_owned() };
        let words = "bot 25 MiB + 1 x engine (78 MiB model + 165 MiB work) = 268 MiB of 200 MiB";
        let shown = show(&line(words), Some(WIDTH), false);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines,
            [
                "failed  memory         bot 25 MiB + 1 x engine (78 MiB model + 165 MiB work) =",
                "                       268 MiB of 200 MiB",
            ]
        );
        assert_eq!(show(&line(words), None, false), format!("failed  memory         {words}\n"));
        let long = "x".repeat(100);
        assert_eq!(show(&line(&long), Some(WIDTH), false).lines().count(), 1);
        assert!(show(&line("x"), None, true).starts_with("\u{1b}["));
    }
}
