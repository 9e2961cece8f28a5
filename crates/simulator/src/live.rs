//! A simulation on the terminal: a table that changes, or a line per event where that cannot be shown.
//! Texts appear here, on the terminal of whoever runs the simulation, and nowhere else.

use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answers::{Said, Trail, Verdict};
use super::run::{Row, Screen};

/// Most rows of the table: it must fit on a terminal of 24 lines.
const ROWS: usize = 18;
/// Texts are broken at this column.
const COLUMNS: usize = 78;

/// A line per event.
pub struct Lines<W> {
    out: W,
    before: Vec<Option<Said>>,
}

impl<W: Write> Lines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, before: Vec::new() }
    }

    fn line(&mut self, line: &str) {
        // A reader that has gone away does not end the simulation.
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
                Some(Said::Queued { position: Some(position) }) => Some(format!("📋 number {position} in the queue")),
                Some(Said::Started) => Some("⚙️ started".to_owned()),
                Some(Said::Final(_)) => row.trail.as_ref().and_then(final_line),
                Some(
                    Said::Received
                    | Said::Delayed
                    | Said::Queued { position: None }
                    | Said::Progress { .. }
                    | Said::Part(_),
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
    Some(match &answer.verdict {
        Verdict::Answered(text) => format!("✅ {took:.1} s  {text}"),
        Verdict::NoSpeech => "🤷 no speech".into(),
        Verdict::Rejected(why) => format!("⚠️ {}", one_line(why)),
        Verdict::Failed(why) => format!("❌ {}", one_line(why)),
        Verdict::Cancelled => "🛑 cancelled".into(),
    })
}

/// A table that is redrawn in place, one row per person; whole texts pass above it as they come.
pub struct Table {
    bars: MultiProgress,
    title: ProgressBar,
    slots: Vec<ProgressBar>,
    heading: String,
    told: Vec<bool>,
    plain: bool,
}

impl Table {
    /// Draws on standard output, which must be a terminal. `heading` says what is simulated.
    pub fn new(heading: String) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let title = bars.add(bar());
        // See no-color.org.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { bars, title, slots: Vec::new(), heading, told: Vec::new(), plain }
    }

    fn paint(&self, colour: u8, text: &str) -> String {
        if self.plain { text.to_owned() } else { format!("\x1b[{colour}m{text}\x1b[0m") }
    }

    /// The whole text above the table, once. Of a crowd only the table is shown.
    fn tell(&mut self, rows: &[Row]) {
        if rows.len() > ROWS {
            return;
        }
        self.told.resize(rows.len(), false);
        for (index, row) in rows.iter().enumerate() {
            let answer = row.trail.as_ref().and_then(Trail::answer);
            let (false, Some(answer)) = (self.told[index], answer) else { continue };
            self.told[index] = true;
            if let Verdict::Answered(text) = &answer.verdict {
                let name = self.paint(1, &row.name);
                let told = format!("\n{name}\n{}", wrapped(text, COLUMNS));
                // Drawing fails only when the terminal is gone.
                let _ = self.bars.println(told);
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
                    match &answer.verdict {
                        Verdict::Answered(text) => (32, format!("✓ done in {took:.1} s"), one_line(text)),
                        Verdict::NoSpeech => (33, "∅ no speech".into(), String::new()),
                        Verdict::Rejected(why) => (33, "! rejected".into(), one_line(why)),
                        Verdict::Failed(why) => (31, "✗ failed".into(), one_line(why)),
                        Verdict::Cancelled => (33, "□ cancelled".into(), String::new()),
                    }
                }
                (None, None) => (2, "○ sent".into(), String::new()),
                (Some(Said::Received), None) => (2, "○ received".into(), String::new()),
                (Some(Said::Delayed), None) => (0, "○ delayed".into(), String::new()),
                (Some(Said::Queued { position: Some(position) }), None) => {
                    (0, format!("○ number {position}"), String::new())
                }
                (Some(Said::Queued { position: None }), None) => (0, "○ queued".into(), String::new()),
                (Some(Said::Started), None) => (36, meter(0), String::new()),
                (Some(Said::Progress { percent }), None) => (36, meter(percent.unwrap_or(0)), String::new()),
                (Some(Said::Final(_) | Said::Part(_)), None) => (31, "✗ overwritten".into(), String::new()),
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
        self.tell(rows);
        let done = rows.iter().filter(|row| row.trail.as_ref().is_some_and(|trail| !trail.is_lost())).count();
        let title = format!("{}: {:.0} s, {done} of {} answered", self.heading, now.as_secs_f64(), rows.len());
        self.title.set_message(self.paint(1, &title));
        let shown = chosen(rows);
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
        // The cursor stands behind the last row.
        println!();
    }
}

/// One row per person, their latest recording; when these are too many, those that are under way first.
fn chosen(rows: &[Row]) -> Vec<&Row> {
    let mut people: Vec<&Row> = Vec::new();
    for row in rows {
        match people.iter_mut().find(|other| other.name == row.name) {
            None => people.push(row),
            Some(shown) if row.trail.is_some() && !is_under_way(shown) => *shown = row,
            Some(_) => {}
        }
    }
    if people.len() > ROWS {
        people.sort_by_key(|row| !is_under_way(row));
        people.truncate(ROWS);
    }
    people
}

fn is_under_way(row: &Row) -> bool {
    row.trail.as_ref().is_some_and(Trail::is_lost)
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn meter(percent: u32) -> String {
    let full = (percent.min(100) / 10) as usize;
    format!("{}{} {percent:>2} %", "▰".repeat(full), "▱".repeat(10 - full))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks between words; a longer word has its own line.
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

    fn row(latest: Option<Said>, answer: Option<Verdict>) -> Row {
        let at = Duration::from_millis(13_500);
        let answers = answer
            .map(|verdict| Answer { verdict, documents: Vec::new(), at, message: MessageId(2) })
            .into_iter()
            .collect();
        let sent = Duration::from_millis(1200);
        let trail = Trail { sent, offered: None, started: None, latest, answers, asked: 1, overwritten: false };
        Row { name: "Анна".into(), audio: Duration::from_secs(25), trail: Some(trail) }
    }

    #[test]
    fn events_are_told_once_and_progress_not_at_all() {
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out);
        let queued = row(Some(Said::Queued { position: Some(3) }), None);
        lines.show(Duration::from_secs(2), std::slice::from_ref(&queued));
        lines.show(Duration::from_secs(3), std::slice::from_ref(&queued));
        lines.show(Duration::from_secs(4), &[row(Some(Said::Progress { percent: Some(40) }), None)]);
        let verdict = Verdict::Answered("Привет.".into());
        lines.show(Duration::from_secs(14), &[row(Some(Said::Final(verdict.clone())), Some(verdict))]);
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
    fn who_is_under_way_comes_first_when_there_are_many() {
        let mut rows: Vec<Row> = (0..40).map(|_| row(None, Some(Verdict::NoSpeech))).collect();
        for (index, row) in rows.iter_mut().enumerate() {
            row.name = format!("person {index}");
        }
        rows[39] = Row { name: "person 39".into(), ..row(Some(Said::Started), None) };
        let shown = chosen(&rows);
        assert_eq!(shown.len(), ROWS);
        assert_eq!(shown[0].name, "person 39");
    }
}
