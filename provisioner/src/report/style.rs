//! Colour, where there is somebody to see it.

use std::fmt::Display;
use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Color};

/// Whether to colour, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style(bool);

impl Style {
    /// For stdout.
    pub(crate) fn of_stdout() -> Self {
        Self(wanted(std::io::stdout().is_terminal()))
    }

    /// For stderr.
    pub(crate) fn of_stderr() -> Self {
        Self(wanted(std::io::stderr().is_terminal()))
    }

    /// None at all.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self(false)
    }

    /// Whether there is colour.
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    pub(crate) fn red(self, text: impl Display) -> String {
        self.paint(AnsiColor::Red, text)
    }

    pub(crate) fn green(self, text: impl Display) -> String {
        self.paint(AnsiColor::Green, text)
    }

    pub(crate) fn yellow(self, text: impl Display) -> String {
        self.paint(AnsiColor::Yellow, text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.paint(AnsiColor::BrightBlack, text)
    }

    fn paint(self, colour: AnsiColor, text: impl Display) -> String {
        let style = anstyle::Style::new().fg_color(Some(Color::Ansi(colour)));
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// `NO_COLOR` and `CLICOLOR_FORCE` are asked before the terminal is; `--color` sets them.
fn wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match colorchoice() {
        Some(choice) => choice,
        None if set("NO_COLOR") => false,
        None if set("CLICOLOR_FORCE") => true,
        None => terminal,
    }
}

fn colorchoice() -> Option<bool> {
    match anstream::ColorChoice::global() {
        anstream::ColorChoice::Never => Some(false),
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => Some(true),
        anstream::ColorChoice::Auto => None,
    }
}
