use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use stenobot_domain::{Clock, Timestamp};
use stenobot_store::ReadOnlyStore;

use crate::config::Config;
use crate::stats::{Figures, Quantiles, Statistics};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How far back: days, hours or minutes such as 30d, 12h, 90m; or `all`.
    #[arg(long, default_value = "30d")]
    since: Since,
    /// Print everything as JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print one line per day as comma-separated values.
    #[arg(long)]
    csv: bool,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    All,
    Ago(Duration),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time: give 30d, 12h, 90m or all");
        if text == "all" {
            return Ok(Self::All);
        }
        let unit = match text.chars().last() {
            Some('d') => 86_400,
            Some('h') => 3600,
            Some('m') => 60,
            Some(_) | None => return Err(wrong()),
        };
        let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        Ok(Self::Ago(Duration::from_secs(u64::from(count) * unit)))
    }
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let url = &config.storage.database;
        anyhow::ensure!(
            url.file().is_none_or(Path::is_file),
            "there is no store yet: nothing has been sent to this bot"
        );
        let since = match self.since {
            Since::All => None,
            Since::Ago(ago) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Some(Timestamp(Clock::System.now().0.saturating_sub(ago)))
            }
        };
        let store = ReadOnlyStore::open(url).await?;
        store.check_version().await?;
        let statistics = Statistics::of(&store.statistics.request_records(since).await?);
        store.close().await;
        let text = if self.json {
            serde_json::to_string_pretty(&statistics)? + "\n"
        } else if self.csv {
            csv(&statistics)
        } else {
            tables(&statistics)
        };
        std::io::stdout().write_all(text.as_bytes()).context("the figures cannot be written")?;
        Ok(ExitCode::SUCCESS)
    }
}

const COLUMNS: &str = "day,requests,people,answered,no_speech,failed,rejected,cancelled,audio_seconds,characters,\
    wait_p50_seconds,wait_p95_seconds,end_to_end_p50_seconds,end_to_end_p95_seconds,real_time_factor_p50,stopped\n";

/// Numbers and dates need no quoting.
fn csv(statistics: &Statistics) -> String {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    let mut text = COLUMNS.to_owned();
    for (day, figures) in &statistics.days {
        let Figures { requests, people, answered, no_speech, failed, rejected, cancelled, stopped, .. } = figures;
        let (wait, whole) = (figures.wait_seconds, figures.end_to_end_seconds);
        text += &format!(
            "{day},{requests},{people},{answered},{no_speech},{failed},{rejected},{cancelled},{:.0},{},{},{},{},{},{},{stopped}\n",
            figures.audio_seconds,
            figures.characters,
            number(wait.map(|wait| wait.p50)),
            number(wait.map(|wait| wait.p95)),
            number(whole.map(|whole| whole.p50)),
            number(whole.map(|whole| whole.p95)),
            number(figures.real_time_factor.map(|factor| factor.p50)),
        );
    }
    text
}

fn tables(statistics: &Statistics) -> String {
    let total = &statistics.total;
    let mut text = format!(
        "requests: {}, people: {}; answered {}, stopped early {}, without speech {}, failed {}, refused {}, cancelled {}, under way {}\n",
        total.requests,
        total.people,
        total.answered,
        total.stopped,
        total.no_speech,
        total.failed,
        total.rejected,
        total.cancelled,
        total.under_way,
    );
    let rate = total.success_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    text += &format!("success rate {rate}, audio {}, characters {}\n", span(total.audio_seconds), total.characters);
    if total.requests == 0 {
        return text;
    }
    let mut times = table(&["seconds", "p50", "p95", "p99"]);
    for (name, quantiles) in [
        ("wait for the engine", total.wait_seconds),
        ("processing", total.processing_seconds),
        ("end to end", total.end_to_end_seconds),
        ("real-time factor", total.real_time_factor),
    ] {
        let digits = if name == "real-time factor" { 3 } else { 1 };
        times.add_row([name.to_owned()].into_iter().chain(cells(quantiles, digits)));
    }
    text += &format!("\n{times}\n");
    if !statistics.models.is_empty() {
        let mut models = table(&["model", "requests", "audio", "RTF p50", "RTF p95"]);
        for (name, figures) in &statistics.models {
            let [p50, p95, _] = cells(figures.real_time_factor, 3);
            models.add_row([name.clone(), figures.requests.to_string(), span(figures.audio_seconds), p50, p95]);
        }
        text += &format!("\n{models}\n");
    }
    let mut days =
        table(&["day (UTC)", "requests", "people", "answered", "failed", "refused", "wait p95", "answer p95"]);
    for (day, figures) in &statistics.days {
        let [_, wait, _] = cells(figures.wait_seconds, 1);
        let [_, whole, _] = cells(figures.end_to_end_seconds, 1);
        let served = figures.answered + figures.stopped + figures.no_speech;
        let counts = [figures.requests, figures.people, served, figures.failed, figures.rejected];
        days.add_row([day.clone()].into_iter().chain(counts.map(|count| count.to_string())).chain([wait, whole]));
    }
    text += &format!("\n{days}\n");
    if !statistics.failed.is_empty() || !statistics.rejected.is_empty() {
        let mut reasons = table(&["not served", "reason", "requests"]);
        for (stage, by_reason) in &statistics.failed {
            for (reason, count) in by_reason {
                reasons.add_row([format!("failed in {stage}"), (*reason).to_owned(), count.to_string()]);
            }
        }
        for (reason, count) in &statistics.rejected {
            reasons.add_row(["refused".to_owned(), (*reason).to_owned(), count.to_string()]);
        }
        text += &format!("\n{reasons}\n");
    }
    text
}

/// A table whose first column is text and whose others are numbers.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(quantiles: Option<Quantiles>, digits: usize) -> [String; 3] {
    match quantiles {
        Some(Quantiles { p50, p95, p99 }) => [p50, p95, p99].map(|value| format!("{value:.digits$}")),
        None => ["-"; 3].map(str::to_owned),
    }
}

/// Hours and minutes of sound.
fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round();
    format!("{} h {:02} min", (minutes / 60.0).floor(), minutes % 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_each_is_no_plural() {
        let mut statistics = Statistics::of(&[]);
        (statistics.total.requests, statistics.total.people, statistics.total.answered) = (1, 1, 1);
        let first = tables(&statistics).lines().next().unwrap().to_owned();
        assert!(first.starts_with("requests: 1, people: 1; answered 1, stopped early 0, without speech 0"), "{first}");
    }

    #[test]
    fn times_are_read() {
        assert_eq!("7d".parse(), Ok(Since::Ago(Duration::from_secs(7 * 86_400))));
        assert_eq!("90m".parse(), Ok(Since::Ago(Duration::from_secs(5400))));
        assert_eq!("all".parse(), Ok(Since::All));
        for wrong in ["", "d", "7", "7w", "-1d", "é"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
