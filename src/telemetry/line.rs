//! The form of the log for people: time, level, request, module, message, fields. The number of a request is in each line
//! once: an event that names it is not preceded by its span, which has it too.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Field of an event, and name of a span whose `id` is the same number.
const REQUEST: &str = "request";

#[derive(Debug, Clone, Copy)]
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let paint = |code: &'static str| if to.has_ansi_escapes() { code } else { "" };
        let (dim, bold, end) = (paint("\u{1b}[2m"), paint("\u{1b}[1m"), paint("\u{1b}[0m"));
        let level = paint(match *metadata.level() {
            Level::ERROR => "\u{1b}[31m",
            Level::WARN => "\u{1b}[33m",
            Level::INFO => "\u{1b}[32m",
            Level::DEBUG => "\u{1b}[34m",
            Level::TRACE => "\u{1b}[35m",
        });
        to.write_str(dim)?;
        SystemTime.format_time(&mut to)?;
        write!(to, "{end} {level}{:>5}{end} ", metadata.level())?;
        let names_request = metadata.fields().field(REQUEST).is_some();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if names_request && span.name() == REQUEST {
                continue;
            }
            write!(to, "{bold}{}{end}", span.name())?;
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<N>>().filter(|fields| !fields.is_empty()) {
                write!(to, "{bold}{{{end}{fields}{bold}}}{end}")?;
            }
            write!(to, "{dim}:{end} ")?;
        }
        write!(to, "{dim}{}:{end} ", metadata.target())?;
        context.format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_number_of_a_request_is_in_each_line_once() {
        for ansi in [false, true] {
            let written = Written::default();
            let writer = written.clone();
            let log = tracing_subscriber::fmt().with_ansi(ansi).with_writer(move || writer.clone());
            tracing::subscriber::with_default(log.event_format(Line).finish(), || {
                let _span = tracing::info_span!("request", id = 1234).entered();
                tracing::info!(request = 1234, audio_seconds = 2.5, "transcribed");
                tracing::warn!("a line of another part");
            });
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 2);
            assert!(lines.iter().all(|line| line.matches("1234").count() == 1), "{text}");
            if !ansi {
                let ends: Vec<&str> = lines.iter().map(|line| line.split_once("Z ").unwrap().1).collect();
                let module = module_path!();
                assert_eq!(ends[0], format!(" INFO {module}: transcribed request=1234 audio_seconds=2.5"));
                assert_eq!(ends[1], format!(" WARN request{{id=1234}}: {module}: a line of another part"));
            }
        }
    }
}
