//! How an apply goes: one line as each change is made, and what is under way on a terminal.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plan::push_field;
use super::{Style, note};
use crate::apply::Applied;
use crate::diff::Action;
use crate::events::Event;
use crate::recheck::Stale;
use crate::resource::Address;

/// Tells how an apply goes.
pub(crate) struct ApplyReport {
    style: Style,
    bars: Option<MultiProgress>,
    running: Mutex<HashMap<String, ProgressBar>>,
    told: Mutex<HashMap<String, String>>,
}

impl ApplyReport {
    /// For this process's stderr.
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { style: Style::of_stderr(), bars, running: Mutex::default(), told: Mutex::default() }
    }

    /// Hears an event.
    pub(crate) fn hear(&self, event: &Event<'_>) {
        match event {
            Event::Started { address } => self.begin(&address.to_string()),
            Event::Progress { address, text } => self.progress(&address.to_string(), text),
            Event::Retrying { address, error } => {
                self.progress(&address.to_string(), &format!("trying again after: {error:#}"));
            }
            Event::Finished { address, action, took } => {
                let done =
                    format!("{} {address} {}", said(self.style, *action), self.style.dim(seconds(*took)));
                self.end(&address.to_string(), &done);
            }
            Event::Failed { address, error } => {
                let failed = match error.downcast_ref::<Stale>() {
                    Some(stale) => stale_text(address, stale, self.style),
                    None => format!("{} {address}: {error:#}", self.style.red("failed")),
                };
                self.end(&address.to_string(), &failed);
            }
        }
    }

    fn begin(&self, address: &str) {
        let Some(bars) = &self.bars else { return };
        let bar = bars.add(ProgressBar::new_spinner());
        bar.set_style(
            ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.set_prefix(address.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        lock(&self.running).insert(address.to_owned(), bar);
    }

    /// On a terminal the line changes; elsewhere a line is written when there is something new.
    fn progress(&self, address: &str, text: &str) {
        if let Some(bar) = lock(&self.running).get(address) {
            bar.set_message(text.to_owned());
        } else if lock(&self.told).insert(address.to_owned(), text.to_owned()).as_deref() != Some(text) {
            note(&format!("  {address}: {text}"));
        }
    }

    fn end(&self, address: &str, line: &str) {
        match (&self.bars, lock(&self.running).remove(address)) {
            (Some(bars), Some(bar)) => {
                bar.finish_and_clear();
                let _ = bars.println(line);
            }
            _ => note(line),
        }
    }

    /// What became of it all, and what to do.
    pub(crate) fn summary(applied: &Applied) {
        let Applied { done, failed, skipped, interrupted } = applied;
        if failed.is_empty() && skipped.is_empty() {
            note(&format!("{done} changes made"));
            return;
        }
        let stale = failed.iter().filter(|(_, error)| error.is::<Stale>()).count();
        let failures =
            [(failed.len() - stale, "failed"), (stale, "out of date"), (skipped.len(), "not begun")];
        let failures = failures.iter().filter(|(count, _)| *count > 0);
        let failures = failures.map(|(count, what)| format!("{count} {what}"));
        let all: Vec<String> = std::iter::once(format!("{done} changes made")).chain(failures).collect();
        note(&all.join(", "));
        for address in skipped {
            note(&format!("  not begun: {address}"));
        }
        note(match (interrupted, applied.is_stale()) {
            (true, _) => "stopped when asked; running the same command again goes on from here",
            (_, true) => {
                "what is out of date was left as it is; `provision plan` shows what there is to do now"
            }
            _ => "put the causes right; running the same command again goes on from here",
        });
    }
}

/// A change that was not made, and what it would be now.
fn stale_text(address: &Address, told: &Stale, style: Style) -> String {
    let mut text = format!("{} {address}: {told}", style.yellow("out of date"));
    if !told.now.is_empty() {
        text.push_str("\n    what the file would change now:\n");
        told.now.iter().for_each(|field| push_field(&mut text, field, style));
    }
    text.trim_end().to_owned()
}

fn said(style: Style, action: Action) -> String {
    match action {
        Action::Create => style.green("created"),
        Action::Update => style.yellow("updated"),
        Action::Replace => style.yellow("replaced"),
        Action::Delete => style.red("deleted"),
        Action::Release => style.yellow("let go"),
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What a panicking holder left is still only text to show.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::FieldChange;
    use crate::recheck::Moved;

    #[test]
    fn what_is_out_of_date_says_why_and_what_it_would_be_now() {
        let address = Address::new("subscription", "work");
        let deadline = FieldChange { path: "ack_deadline".into(), before: json!("30s"), after: json!("1m") };
        let stale = Stale { moved: Moved::Changed, now: vec![deadline] };
        insta::assert_snapshot!(stale_text(&address, &stale, Style::plain()), @r"
        out of date subscription.work: changed since the plan
            what the file would change now:
              ack_deadline: 30s → 1m
        ");
        let stale = Stale { moved: Moved::Gone, now: Vec::new() };
        insta::assert_snapshot!(stale_text(&address, &stale, Style::plain()), @"out of date subscription.work: deleted since the plan");
    }
}
