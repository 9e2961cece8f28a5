//! A simulation on the terminal: a table redrawn in place, or one line per event where that is not possible.
//! Transcripts are shown here and written nowhere else.

use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answers::{BotText, RequestOutcome, Trail};
use super::simulate::{Row, Screen};

/// The table must fit on a terminal of 24 lines.
const MAX_ROWS: usize = 18;
/// Texts are wrapped at this column.
const MAX_COLUMNS: usize = 78;

/// One line per event.
pub struct Lines<W> {
    out: W,
    before: Vec<Option<BotText>>,
}

impl<W: Write> Lines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, before: Vec::new() }
    }

    fn line(&mut self, line: &str) {
        // A closed pipe does not end the simulation.
        let _ = writeln!(self.out, "{line}");
    }
}

impl<W: Write> Screen for Lines<W> {
    fn starting(&mut self) {
        self.line("The bot is starting.");
    }

    fn show(&mut self, now: Duration, rows: &[Row]) {
        self.before.resize(rows.len(), None);
        for (index, row) in rows.iter().enumerate() {
            let latest = row.trail.as_ref().and_then(|trail| trail.latest.clone());
            if latest == self.before[index] {
                continue;
            }
            let event = match &latest {
                Some(BotText::Queued { position: Some(position) }) => {
                    Some(format!("📋 number {position} in the queue"))
                }
                Some(BotText::Started) => Some("⚙️ started".to_owned()),
                Some(BotText::Final(_)) => row.trail.as_ref().and_then(final_line),
                Some(
                    BotText::Received
                    | BotText::Delayed
                    | BotText::Queued { position: None }
                    | BotText::Progress { .. }
                    | BotText::Part(_),
                )
                | None => None,
            };
            if let Some(event) = event {
                self.line(&format!("{:>7.1} s  {:<10}  {event}", now.as_secs_f64(), row.name));
            }
            self.before[index] = latest;
        }
    }

    fn finish(&mut self) {}
}

fn final_line(trail: &Trail) -> Option<String> {
    let answer = trail.answer()?;
    let took = answer.at.saturating_sub(trail.sent).as_secs_f64();
    Some(match &answer.outcome {
        RequestOutcome::Answered(text) => format!("✅ {took:.1} s  {text}"),
        RequestOutcome::NoSpeech => "🤷 no speech".into(),
        RequestOutcome::Rejected(why) => format!("⚠️ {}", one_line(why)),
        RequestOutcome::Failed(why) => format!("❌ {}", one_line(why)),
        RequestOutcome::Cancelled => "🛑 cancelled".into(),
    })
}

/// A table redrawn in place, one row per user; transcripts are printed above it as they come.
pub struct Table {
    bars: MultiProgress,
    title: ProgressBar,
    slots: Vec<ProgressBar>,
    heading: String,
    printed: Vec<bool>,
    has_colours: bool,
}

impl Table {
    /// Draws on standard output, which must be a terminal. `heading` describes the simulation.
    pub fn new(heading: String, has_colours: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let title = bars.add(bar());
        Self { bars, title, slots: Vec::new(), heading, printed: Vec::new(), has_colours }
    }

    fn paint(&self, colour: u8, text: &str) -> String {
        if self.has_colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Prints each transcript above the table, once; none when there are more rows than the table has.
    fn print_transcripts(&mut self, rows: &[Row]) {
        if rows.len() > MAX_ROWS {
            return;
        }
        self.printed.resize(rows.len(), false);
        for (index, row) in rows.iter().enumerate() {
            let answer = row.trail.as_ref().and_then(Trail::answer);
            let (false, Some(answer)) = (self.printed[index], answer) else { continue };
            self.printed[index] = true;
            if let RequestOutcome::Answered(text) = &answer.outcome {
                let name = self.paint(1, &row.name);
                let block = format!("\n{name}\n{}", wrapped(text, MAX_COLUMNS));
                // Drawing fails only when the terminal is closed.
                let _ = self.bars.println(block);
            }
        }
    }

    fn row(&self, row: &Row) -> String {
        const STATE: usize = 20;
        let (colour, state, words) = match row.trail.as_ref() {
            None => (2, "·".to_owned(), String::new()),
            Some(trail) => match (&trail.latest, trail.answer()) {
                (_, Some(answer)) => {
                    let took = answer.at.saturating_sub(trail.sent).as_secs_f64();
                    match &answer.outcome {
                        RequestOutcome::Answered(text) => (32, format!("✓ done in {took:.1} s"), one_line(text)),
                        RequestOutcome::NoSpeech => (33, "∅ no speech".into(), String::new()),
                        RequestOutcome::Rejected(why) => (33, "! rejected".into(), one_line(why)),
                        RequestOutcome::Failed(why) => (31, "✗ failed".into(), one_line(why)),
                        RequestOutcome::Cancelled => (33, "□ cancelled".into(), String::new()),
                    }
                }
                (None, None) => (2, "○ sent".into(), String::new()),
                (Some(BotText::Received), None) => (2, "○ received".into(), String::new()),
                (Some(BotText::Delayed), None) => (0, "○ delayed".into(), String::new()),
                (Some(BotText::Queued { position: Some(position) }), None) => {
                    (0, format!("○ number {position}"), String::new())
                }
                (Some(BotText::Queued { position: None }), None) => (0, "○ queued".into(), String::new()),
                (Some(BotText::Started), None) => (36, progress_bar(0), String::new()),
                (Some(BotText::Progress { percent }), None) => (36, progress_bar(percent.unwrap_or(0)), String::new()),
                (Some(BotText::Final(_) | BotText::Part(_)), None) => (31, "✗ overwritten".into(), String::new()),
            },
        };
        let state = self.paint(colour, &format!("{state:<STATE$}"));
        format!("{:<11} {:>4.0} s  {state} {words}", row.name, row.audio.as_secs_f64())
    }
}

impl Screen for Table {
    fn starting(&mut self) {
        self.title.set_message(format!("{}: the bot is starting", self.heading));
    }

    fn show(&mut self, now: Duration, rows: &[Row]) {
        self.print_transcripts(rows);
        let done = rows.iter().filter(|row| row.trail.as_ref().is_some_and(|trail| !trail.is_lost())).count();
        let title = format!("{}: {:.0} s, {done} of {} answered", self.heading, now.as_secs_f64(), rows.len());
        self.title.set_message(self.paint(1, &title));
        let shown = visible_rows(rows);
        while self.slots.len() < shown.len() {
            self.slots.push(self.bars.add(bar()));
        }
        for (slot, row) in self.slots.iter().zip(shown) {
            let line = self.row(row);
            if slot.message() != line {
                slot.set_message(line);
            }
        }
    }

    fn finish(&mut self) {
        for slot in self.slots.iter().chain([&self.title]) {
            slot.abandon();
        }
        // The cursor is at the end of the last row.
        println!();
    }
}

/// One row per user, for their latest recording; when there are too many, open requests first.
fn visible_rows(rows: &[Row]) -> Vec<&Row> {
    let mut users: Vec<&Row> = Vec::new();
    for row in rows {
        match users.iter_mut().find(|other| other.name == row.name) {
            None => users.push(row),
            Some(shown) if row.trail.is_some() && !is_open(shown) => *shown = row,
            Some(_) => {}
        }
    }
    if users.len() > MAX_ROWS {
        users.sort_by_key(|row| !is_open(row));
        users.truncate(MAX_ROWS);
    }
    users
}

fn is_open(row: &Row) -> bool {
    row.trail.as_ref().is_some_and(Trail::is_lost)
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn progress_bar(percent: u32) -> String {
    let full = (percent.min(100) / 10) as usize;
    format!("{}{} {percent:>2} %", "▰".repeat(full), "▱".repeat(10 - full))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks lines between words; a word that is too long has a line of its own.
fn wrapped(text: &str, columns: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > columns {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use stenobot_domain::MessageId;

    use super::*;
    use crate::answers::Answer;

    fn row(latest: Option<BotText>, answer: Option<RequestOutcome>) -> Row {
        let at = Duration::from_millis(13_500);
        let answers = answer
            .map(|outcome| Answer { outcome, documents: Vec::new(), at, message: MessageId(2) })
            .into_iter()
            .collect();
        let sent = Duration::from_millis(1200);
        let trail = Trail { sent, delivered: None, started: None, latest, answers, asked: 1, overwritten: false };
        Row { name: "Анна".into(), audio: Duration::from_secs(25), trail: Some(trail) }
    }

    #[test]
    fn events_are_printed_once_and_progress_never() {
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out);
        let queued = row(Some(BotText::Queued { position: Some(3) }), None);
        lines.show(Duration::from_secs(2), std::slice::from_ref(&queued));
        lines.show(Duration::from_secs(3), std::slice::from_ref(&queued));
        lines.show(Duration::from_secs(4), &[row(Some(BotText::Progress { percent: Some(40) }), None)]);
        let outcome = RequestOutcome::Answered("Привет.".into());
        lines.show(Duration::from_secs(14), &[row(Some(BotText::Final(outcome.clone())), Some(outcome))]);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "    2.0 s  Анна        📋 number 3 in the queue\n   14.0 s  Анна        ✅ 12.3 s  Привет.\n"
        );
    }

    #[test]
    fn texts_are_broken_between_words() {
        assert_eq!(wrapped("one two three four", 9), "one two\nthree\nfour");
        assert_eq!(wrapped("unbreakable a", 4), "unbreakable\na");
    }

    #[test]
    fn open_requests_come_first_when_there_are_many() {
        let mut rows: Vec<Row> = (0..40).map(|_| row(None, Some(RequestOutcome::NoSpeech))).collect();
        for (index, row) in rows.iter_mut().enumerate() {
            row.name = format!("person {index}");
        }
        rows[39] = Row { name: "person 39".into(), ..row(Some(BotText::Started), None) };
        let shown = visible_rows(&rows);
        assert_eq!(shown.len(), MAX_ROWS);
        assert_eq!(shown[0].name, "person 39");
    }
}
