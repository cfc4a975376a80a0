//! Logs: readable text on a terminal, elsewhere one JSON object a line with the keys that Google's
//! log agents read (`time`, `severity`, `message`) and `run`, `item`, `attempt` beside them. What an
//! attempt logs goes to its [`OutputTail`] as well, as text. Each line is one write, and nothing is
//! held back, so there is nothing to flush when the process ends.

use std::fmt::{Debug, Write as _};
use std::io::{IsTerminal, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope};
use tracing_subscriber::util::SubscriberInitExt;

use crate::output::OutputTail;
use crate::redact::Hidden;

/// What is logged unless `RUST_LOG` says otherwise, and what is kept of attempts whatever it says.
const DEFAULT: &str = "warn,worker=info";
/// A field of lines that a command printed: they are in its tail already.
const PRINTED: &str = "printed";
/// Longest text of a field, in bytes: no line outgrows what container runtimes keep in one piece.
const LONGEST: usize = 8 << 10;

/// Logs to stderr from now on, panics too.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::registry()
        .with(Lines { is_terminal }.with_filter(filter))
        .with(Tails.with_filter(EnvFilter::new(DEFAULT)))
        .init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Keeps what is logged in this span from now on.
pub fn keep(span: &Span, output: &OutputTail) {
    span.with_subscriber(|(id, subscriber)| {
        let registry = subscriber.downcast_ref::<Registry>();
        if let Some(span) = registry.and_then(|registry| registry.span(id)) {
            span.extensions_mut().replace(output.clone());
        }
    });
}

/// Writes to stderr.
struct Lines {
    is_terminal: bool,
}

/// Writes to the tail of the attempt that an event belongs to.
struct Tails;

#[derive(Default)]
struct Fields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        // Read before the span is locked: what a value does to show itself may log.
        let mut recorded = Fields::default();
        values.record(&mut recorded);
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            fields.0.extend(recorded.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        let (now, level) = (Timestamp::now(), *event.metadata().level());
        let line = if self.is_terminal { fields.text(now, level) } else { fields.json(now, level) };
        // A log that cannot be written has nobody to tell.
        drop(std::io::stderr().lock().write_all(line.as_bytes()));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Tails {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut spans = context.event_scope(event).into_iter().flatten();
        let Some(tail) = spans.find_map(|span| span.extensions().get::<OutputTail>().cloned()) else {
            return;
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        // What a command prints is pushed as it comes, byte by byte.
        if fields.0.contains_key(PRINTED) {
            return;
        }
        tail.push(fields.text(Timestamp::now(), *event.metadata().level()).as_bytes());
    }
}

impl Fields {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Texts may come from anywhere.
    fn set_text(&mut self, key: &str, text: &str) {
        let mut text = Hidden::of_this_process().hide(text).into_owned();
        if text.len() > LONGEST {
            let bytes = text.len();
            text.truncate(text.floor_char_boundary(LONGEST));
            let _ = write!(text, "… ({bytes} bytes in all)");
        }
        self.set(key, text);
    }

    fn json(self, now: Timestamp, level: Level) -> String {
        let mut line = self;
        line.set("time", now.to_string());
        line.set("severity", severity(level));
        format!("{}\n", Value::Object(line.0))
    }

    /// Time, severity, message, and the other fields as `key=value`.
    fn text(mut self, now: Timestamp, level: Level) -> String {
        let message = self.0.remove("message");
        let message = message.as_ref().and_then(Value::as_str).unwrap_or_default();
        let mut line = format!("{now:.3} {:<7} {message}", severity(level));
        for (key, value) in &self.0 {
            match value.as_str().filter(|text| is_word(text)) {
                Some(word) => _ = write!(line, " {key}={word}"),
                None => _ = write!(line, " {key}={value}"),
            }
        }
        line.push('\n');
        line
    }
}

/// Whether a text can stand without quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set_text(field.name(), &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set_text(field.name(), &value.to_string());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value);
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_within_an_attempt_is_kept_in_its_tail_and_no_other() {
        let subscriber = tracing_subscriber::registry()
            .with(Lines { is_terminal: false }.with_filter(EnvFilter::new("off")))
            .with(Tails.with_filter(EnvFilter::new(DEFAULT)));
        let tails = [OutputTail::default(), OutputTail::default()];
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("before");
            for (at, tail) in tails.iter().enumerate() {
                let span = tracing::error_span!("item", item = "USD", attempt = tracing::field::Empty);
                keep(&span, tail);
                let _entered = span.enter();
                span.record("attempt", at);
                let _inner = tracing::info_span!("query").entered();
                tracing::debug!("not worth keeping");
                tracing::info!(printed = true, "in the tail by itself");
                tracing::warn!(rows = 3, file = "a b", "attempt {at} says\nthis");
            }
            tracing::error!("after");
        });
        let texts = tails.map(|tail| tail.text());
        for (at, text) in texts.iter().enumerate() {
            let (time, rest) = text.split_once(' ').expect("a time");
            assert!(time.parse::<Timestamp>().is_ok(), "{time}");
            assert_eq!(rest, format!("WARNING attempt {at} says\nthis file=\"a b\" rows=3\n"));
        }
    }

    #[test]
    fn a_field_has_its_bound() {
        let mut fields = Fields::default();
        fields.set_text("message", &"ä".repeat(LONGEST));
        let line = fields.json(Timestamp::UNIX_EPOCH, Level::ERROR);
        assert!(line.ends_with(
            "… (16384 bytes in all)\",\"severity\":\"ERROR\",\"time\":\"1970-01-01T00:00:00Z\"}\n"
        ));
        assert!(line.len() < LONGEST + 200);
    }
}
