//! How an apply goes: one line as each change is made, and what is under way on a terminal.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Error;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::fields::push_field;
use super::{Style, counted, note, plain_lines};
use crate::apply::{Applied, Unfinished};
use crate::change::Action;
use crate::cloud::advice;
use crate::events::{Event, What};
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
        let Event { action, took, what, .. } = event;
        let address = event.address.to_string();
        match what {
            // The summary tells of all of them.
            What::Skipped { .. } => {}
            What::Left { .. } => self.end(&address, None),
            What::Started => self.begin(&address),
            What::Progress { text } => self.progress(&address, &plain_lines(text)),
            What::Retrying { error, .. } => {
                self.progress(&address, &plain_lines(&format!("trying again after: {error:#}")));
            }
            What::Finished { was_so: true } => {
                let line = format!("{} {address}: it was so already", self.style.dim("unchanged"));
                self.end(&address, Some(&line));
            }
            What::Finished { .. } => {
                let took = self.style.dim(seconds(*took));
                self.end(&address, Some(&format!("{} {address} {took}", said(self.style, *action))));
            }
            What::Failed { error } => {
                let failed = match error.downcast_ref::<Stale>() {
                    Some(stale) => stale_text(event.address, stale, self.style),
                    None => failed_text(event.address, error, self.style),
                };
                self.end(&address, Some(&failed));
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

    fn end(&self, address: &str, line: Option<&str>) {
        let bar = lock(&self.running).remove(address);
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        match (&self.bars, bar, line) {
            (Some(bars), Some(_), Some(line)) => drop(bars.println(line)),
            (_, _, Some(line)) => note(line),
            (_, _, None) => {}
        }
    }

    /// What became of it all, and what to do.
    pub(crate) fn summary(applied: &Applied) {
        note(summary_text(applied).trim_end());
    }
}

fn summary_text(applied: &Applied) -> String {
    let Applied { done, was_so, failed, left, skipped, interrupted } = applied;
    let made = match was_so {
        0 => format!("{} made", counted(*done as u64, "change")),
        _ => format!("{} made, {was_so} had been made before", counted(*done as u64, "change")),
    };
    if applied.is_whole() {
        return made;
    }
    let stale = failed.iter().filter(|(_, error)| error.is::<Stale>()).count();
    let others = [
        (failed.len() - stale, "failed"),
        (stale, "out of date"),
        (left.len(), "left under way"),
        (skipped.len(), "not begun"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let all: Vec<String> = std::iter::once(made).chain(others).collect();
    let mut text = format!("{}\n", all.join(", "));
    for (address, waited_for) in left {
        let waited_for = plain_lines(waited_for);
        let _ = writeln!(text, "  left under way: {address}, it waited for {waited_for}");
    }
    for address in skipped {
        let _ = writeln!(text, "  not begun: {address}");
    }
    text.push_str(match (left.is_empty(), interrupted, applied.is_stale()) {
        (false, ..) => {
            "stopped when asked; what is left under way may go on in the cloud, and running the same command again waits for it"
        }
        (_, true, _) => "stopped when asked; running the same command again goes on from here",
        (_, _, true) => "what is out of date was left as it is; `provision plan` shows what there is to do now",
        _ => "put the causes right; running the same command again goes on from here",
    });
    text
}

/// A change that failed, and what to do, where that is known.
fn failed_text(address: &Address, error: &Error, style: Style) -> String {
    let failed = format!("{} {address}: {}", style.red("failed"), plain_lines(&format!("{error:#}")));
    match hint(error) {
        Some(hint) => format!("{failed}\n  hint: {}", plain_lines(&hint)),
        None => failed,
    }
}

/// What to do about an error of a change, where that is known.
pub(super) fn hint(error: &Error) -> Option<String> {
    if error.is::<Stale>() {
        return Some("`provision plan` shows what there is to do now".to_owned());
    }
    if error.is::<Unfinished>() {
        return Some(
            "what was begun goes on in the cloud: running apply again waits for it; `timeout = \"2h\"` in its table gives it longer"
                .to_owned(),
        );
    }
    advice::hint(error)
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
        Action::Create => style.green(action.past()),
        Action::Delete => style.red(action.past()),
        Action::Update | Action::Replace | Action::Release | Action::Rename => style.yellow(action.past()),
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
    use crate::compare::FieldChange;
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
