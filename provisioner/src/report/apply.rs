//! How an apply goes: one line as each change is made, and what is under way on a terminal.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Style, note};
use crate::apply::Applied;
use crate::diff::Action;
use crate::events::Event;

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
                let failed = format!("{} {address}: {error:#}", self.style.red("failed"));
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
        note(&format!("{done} changes made, {} failed, {} not begun", failed.len(), skipped.len()));
        for address in skipped {
            note(&format!("  not begun: {address}"));
        }
        let why = if *interrupted { "stopped when asked" } else { "put the causes right" };
        note(&format!("{why}; running the same command again goes on from here"));
    }
}

fn said(style: Style, action: Action) -> String {
    match action {
        Action::Create => style.green("created"),
        Action::Update => style.yellow("updated"),
        Action::Replace => style.yellow("replaced"),
        Action::Delete => style.red("deleted"),
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What a panicking holder left is still only text to show.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
