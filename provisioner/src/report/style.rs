//! Colour, where there is somebody to see it.

use std::fmt::Display;
use std::io::IsTerminal as _;

use anstream::ColorChoice;
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

/// For a stream of this process.
fn wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    decided(anstream::ColorChoice::global(), set, terminal)
}

/// `--color` goes before `NO_COLOR`, that before `CLICOLOR_FORCE`, and that before the terminal.
fn decided(choice: ColorChoice, set: impl Fn(&str) -> bool, terminal: bool) -> bool {
    match choice {
        ColorChoice::Never => false,
        ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
        ColorChoice::Auto if set("NO_COLOR") => false,
        ColorChoice::Auto if set("CLICOLOR_FORCE") => true,
        ColorChoice::Auto => terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_before_the_variables_and_these_before_the_terminal() {
        use ColorChoice::{Always, Auto, Never};
        for (choice, variables, terminal, expected) in [
            (Auto, &[][..], true, true),
            (Auto, &[], false, false),
            (Auto, &["NO_COLOR"], true, false),
            (Auto, &["NO_COLOR", "CLICOLOR_FORCE"], true, false),
            (Auto, &["CLICOLOR_FORCE"], false, true),
            (Always, &["NO_COLOR"], false, true),
            (Never, &["CLICOLOR_FORCE"], true, false),
        ] {
            let set = |name: &str| variables.contains(&name);
            assert_eq!(decided(choice, set, terminal), expected, "{choice:?} {variables:?} {terminal}");
        }
    }
}
