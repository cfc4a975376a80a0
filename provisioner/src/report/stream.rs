//! How a plan is carried out, for programs: JSON, one object a line, on stdout. The format is
//! documented in ARCHITECTURE.md and has a version: fields may be added, none goes or changes its meaning.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Error;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::apply::hint;
use super::plan_json::plan_json;
use super::{PlanFormat, json_line};
use crate::events::{Event, What};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::recheck::Stale;
use crate::resource::Address;

/// The version of the format.
const VERSION: u32 = 1;

/// The lines of one command, if it is to write any.
pub(crate) struct EventStream {
    is_on: bool,
    command: &'static str,
    began: Instant,
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    done: u64,
    was_so: u64,
    failed: u64,
    out_of_date: u64,
    left: u64,
    skipped: u64,
}

impl EventStream {
    /// The lines of a command, if that is how its plan is written.
    pub(crate) fn of(command: &'static str, format: PlanFormat) -> Self {
        let is_on = format == PlanFormat::Json;
        Self { is_on, command, began: Instant::now(), counts: Mutex::default() }
    }

    /// No lines at all.
    pub(crate) fn none() -> Self {
        Self::of("", PlanFormat::Text)
    }

    /// What would be done. If it comes again, it takes the place of what was told before.
    pub(crate) fn plan(&self, plan: &Plan) {
        self.line(json!({
            "version": VERSION,
            "type": "plan",
            "provision": env!("CARGO_PKG_VERSION"),
            "command": self.command,
            "plan": json!(plan_json(plan)),
        }));
    }

    /// The stacks that have expired: each is taken down in turn, with lines of its own.
    pub(crate) fn expired(&self, stacks: &[String]) {
        self.line(json!({
            "version": VERSION,
            "type": "expired",
            "provision": env!("CARGO_PKG_VERSION"),
            "command": self.command,
            "stacks": stacks,
        }));
    }

    /// What happened to a change.
    pub(crate) fn hear(&self, event: &Event<'_>) {
        self.count(event);
        self.line(event_json(event));
    }

    /// An open run has got more workers.
    pub(crate) fn grown(&self, run: &str, from: u32, to: u32) {
        self.line(json!({ "type": "grown", "run": run, "from": from, "to": to }));
    }

    /// Something that a teardown should have deleted and that is still there.
    pub(crate) fn remains(&self, address: &Address) {
        self.line(json!({ "type": "remains", "address": address }));
    }

    /// The last line: what became of it all.
    pub(crate) fn summary(&self, exit: Exit, error: Option<&Error>) {
        let counts = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { done, was_so, failed, out_of_date, left, skipped } = counts;
        let mut line = json!({
            "type": "summary",
            "done": done,
            "failed": failed,
            "out_of_date": out_of_date,
            "left": left,
            "skipped": skipped,
            "seconds": seconds(self.began.elapsed()),
            "exit": exit as u8,
        });
        if was_so > 0 {
            line["was_so"] = was_so.into();
        }
        if let Some(error) = error {
            line["error"] = error_json(error);
        }
        self.line(line);
    }

    fn count(&self, event: &Event<'_>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match &event.what {
            What::Finished { was_so: true } => counts.was_so += 1,
            What::Finished { .. } => counts.done += 1,
            What::Failed { error } if error.is::<Stale>() => counts.out_of_date += 1,
            What::Failed { .. } => counts.failed += 1,
            What::Left { .. } => counts.left += 1,
            What::Skipped { .. } => counts.skipped += 1,
            What::Started | What::Progress { .. } | What::Retrying { .. } => {}
        }
    }

    fn line(&self, mut line: Value) {
        if self.is_on {
            line["time"] = format!("{:.3}", Timestamp::now()).into();
            json_line(&line);
        }
    }
}

fn event_json(event: &Event<'_>) -> Value {
    let Event { address, action, took, what } = event;
    let (kind, more) = match what {
        What::Skipped { after } => ("skipped", json!({ "after": after })),
        What::Started => ("started", json!({})),
        What::Progress { text } => ("progress", json!({ "text": text })),
        What::Retrying { error, wait } => {
            // What to do about it is being done.
            let error = json!({ "message": format!("{error:#}") });
            ("retrying", json!({ "error": error, "wait_seconds": seconds(*wait) }))
        }
        What::Finished { was_so: true } => ("finished", json!({ "was_so": true })),
        What::Finished { .. } => ("finished", json!({})),
        What::Failed { error } => ("failed", json!({ "error": error_json(error) })),
        What::Left { waited_for } => ("left", json!({ "waited_for": waited_for })),
    };
    let mut line = json!({ "type": kind, "address": address, "action": action });
    // What has not begun takes no time.
    if !matches!(what, What::Skipped { .. } | What::Started) {
        line["seconds"] = seconds(*took).into();
    }
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    line
}

fn error_json(error: &Error) -> Value {
    let mut told = Map::new();
    told.insert("message".to_owned(), format!("{error:#}").into());
    if let Some(hint) = hint(error) {
        told.insert("hint".to_owned(), hint.into());
    }
    if let Some(stale) = error.downcast_ref::<Stale>() {
        told.insert("now".to_owned(), json!(stale.now));
    }
    Value::Object(told)
}

/// To the millisecond.
fn seconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::change::Action;
    use crate::compare::FieldChange;
    use crate::recheck::Moved;

    fn line(what: What<'_>) -> String {
        let address = Address::new("topic", "items");
        let took = Duration::from_micros(1_234_567);
        event_json(&Event { address: &address, action: Action::Update, took, what }).to_string()
    }

    #[test]
    fn every_line_says_what_happened_to_what() {
        let now = vec![FieldChange { path: "retention".into(), before: "1d".into(), after: "2d".into() }];
        let stale: Error = Stale { moved: Moved::Changed, now }.into();
        let busy = anyhow::anyhow!("503: try later");
        let denied = crate::cloud::errors::Advised { message: "no machines".into(), hint: "wait".into() };
        let denied: Error = denied.into();
        let wait = Duration::from_millis(1500);
        let after = Address::new("cluster", "main");
        let lines = [
            line(What::Started),
            line(What::Progress { text: "nodes 1/3" }),
            line(What::Retrying { error: &busy, wait }),
            line(What::Finished { was_so: false }),
            line(What::Failed { error: &denied }),
            line(What::Failed { error: &stale }),
            line(What::Left { waited_for: "nodes 1/3" }),
            line(What::Skipped { after: Some(&after) }),
            line(What::Skipped { after: None }),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"action":"update","address":"topic.items","type":"started"}
        {"action":"update","address":"topic.items","seconds":1.235,"text":"nodes 1/3","type":"progress"}
        {"action":"update","address":"topic.items","error":{"message":"503: try later"},"seconds":1.235,"type":"retrying","wait_seconds":1.5}
        {"action":"update","address":"topic.items","seconds":1.235,"type":"finished"}
        {"action":"update","address":"topic.items","error":{"hint":"wait","message":"no machines"},"seconds":1.235,"type":"failed"}
        {"action":"update","address":"topic.items","error":{"hint":"`provision plan` shows what there is to do now","message":"changed since the plan","now":[{"after":"2d","before":"1d","path":"retention"}]},"seconds":1.235,"type":"failed"}
        {"action":"update","address":"topic.items","seconds":1.235,"type":"left","waited_for":"nodes 1/3"}
        {"action":"update","address":"topic.items","after":"cluster.main","type":"skipped"}
        {"action":"update","address":"topic.items","after":null,"type":"skipped"}
        "#);
    }
}
