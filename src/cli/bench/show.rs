//! The figures as tables for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::figures::{JUDGED_VOICE, MESSAGE, TOKENS_PER_SECOND};
use super::measure::NEIGHBOURS;
use super::report::{Machine, ModelReport, Report, Timed};
use super::voices::VoicesReport;

pub(super) fn text(report: &Report) -> String {
    let mut text = machine(&report.machine);
    for note in &report.notes {
        text += &format!("Note: {note}.\n");
    }
    for model in &report.models {
        text += &format!("\n{}", model_text(model));
    }
    text + "\n" + &recommendation(report) + "\n" + &assumptions()
}

fn machine(machine: &Machine) -> String {
    let Machine { processor, cores, .. } = machine;
    let s = if *cores == 1 { "" } else { "s" };
    let mut text = format!("{processor}, {cores} core{s}");
    if let (Some(memory), Some(available)) = (machine.memory_bytes, machine.available_bytes) {
        text += &format!(", {} MiB of memory, {} MiB of it free", memory >> 20, available >> 20);
    }
    text + "\n"
}

fn model_text(model: &ModelReport) -> String {
    let random = if model.random { " (random numbers)" } else { "" };
    let threads = model.quiet.figures.threads;
    let mut text = format!(
        "{}{random}: {}, {}, {} MB\n{}; {threads} thread{}\n\n",
        model.model,
        model.kind,
        model.weights,
        model.bytes.div_ceil(1_000_000),
        model.backend,
        if threads == 1 { "" } else { "s" },
    );
    text += &format!("{}\n\n", steps(model));
    if let (Some(quiet), Some(busy)) = (&model.quiet.queue, &model.busy.queue) {
        text += &format!(
            "A message of {MESSAGE} s takes {:.2} s: one worker at full load does {:.0} an hour, {:.0} beside the neighbours.\n\n",
            quiet.service_seconds, quiet.capacity_per_hour, busy.capacity_per_hour,
        );
        let mut waits = table(&["load of one worker", "messages an hour", "mean wait", "mean time to the text"]);
        for wait in &quiet.waits {
            waits.add_row([
                format!("{} %", wait.utilisation_percent),
                format!("{:.0}", wait.messages_per_hour),
                seconds(wait.wait_seconds),
                seconds(wait.answer_seconds),
            ]);
        }
        text += &format!("{waits}\n\n");
    }
    let times: Vec<String> = model
        .message_seconds
        .iter()
        .map(|(threads, time)| format!("{threads} thread{} {time:.2} s", if *threads == 1 { "" } else { "s" }))
        .collect();
    text += &format!("A message of {MESSAGE} s by threads: {}.\n", times.join(", "));
    text += &format!("Memory: {}.\n", model.memory);
    if let Some(voices) = &model.voices {
        text += &format!("\n{}", voices_text(voices));
    }
    text
}

fn steps(model: &ModelReport) -> Table {
    let mut steps = table(&["step", "quiet", &format!("beside {NEIGHBOURS} busy neighbours")]);
    let sides = [&model.quiet, &model.busy];
    let mut row = |name: String, value: &dyn Fn(&Timed) -> Option<String>| {
        let cells = sides.map(|side| value(side).unwrap_or_else(|| "-".to_owned()));
        steps.add_row([name].into_iter().chain(cells));
    };
    row("load the model".to_owned(), &|side| Some(seconds(side.figures.load_seconds)));
    for window in model.quiet.figures.encode_seconds.keys() {
        let value = |side: &Timed| side.figures.encode_seconds.get(window).copied().map(seconds);
        row(format!("encode {window} s"), &value);
    }
    row("decode a token".to_owned(), &|side| Some(format!("{:.1} ms", side.figures.token_seconds * 1000.0)));
    for voice in model.quiet.real_time_factor.keys() {
        let value = |side: &Timed| side.real_time_factor.get(voice).map(|factor| format!("{factor:.3}"));
        row(format!("real-time factor, voice of {voice} s"), &value);
    }
    row("peak memory of the engine".to_owned(), &|side| Some(format!("{} MiB", side.figures.peak_bytes >> 20)));
    steps
}

fn voices_text(voices: &VoicesReport) -> String {
    let mut table = table(&["language", "recordings", "words", "word error rate", "taken for another"]);
    for (language, found) in &voices.languages {
        table.add_row([
            language.clone(),
            found.recordings.to_string(),
            found.word_errors.words.to_string(),
            found.word_error_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0)),
            found.misdetected.to_string(),
        ]);
    }
    let mut text = format!(
        "{} recordings of {:.0} s together took {:.1} s: real-time factor {:.3}\n\n{table}\n",
        voices.recordings, voices.audio_seconds, voices.processing_seconds, voices.real_time_factor,
    );
    for failure in &voices.failed {
        text += &format!("Not transcribed: {failure}\n");
    }
    text
}

fn recommendation(report: &Report) -> String {
    let found = &report.recommendation;
    let Some(model) = &found.model else { return format!("No recommendation: {}.\n", found.reason) };
    let mut text = format!("Recommended: model = \"{model}\"");
    if let Some(settings) = found.settings {
        text += &format!(
            ", max_concurrent_workers = {}, threads = {} (up to {:.0} messages of {MESSAGE} s an hour)",
            settings.workers, settings.threads, settings.messages_per_hour
        );
    }
    text + &format!(";\n{}.\n", found.reason)
}

fn assumptions() -> String {
    format!(
        "Times are medians. A voice is counted as windows of at most 30 s, each encoded and prompted once, and {TOKENS_PER_SECOND} tokens \
         a\nsecond; reading the file, looking for speech and repeated attempts come on top. Waits are those of arrivals by chance\n\
         at one worker with equal messages (M/D/1). Models are judged by a voice of {JUDGED_VOICE} s on the quiet machine, not by \
         accuracy:\n`--voices DIR` measures that.\n"
    )
}

fn seconds(value: f64) -> String {
    format!("{value:.3} s")
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
