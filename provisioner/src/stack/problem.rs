//! What is wrong with a file: every problem at its place, with a hint.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Bytes of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A stack file that cannot be used.
#[derive(Debug)]
pub struct Invalid {
    path: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl Invalid {
    /// All that is wrong with the file at `path`, in the order of places.
    pub(crate) fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| (p.span.start, p.span.end));
        problems.dedup();
        Self { path: path.to_owned(), text: text.to_owned(), problems }
    }

    /// The problems, in the order of places.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// For people: each problem with its line, and a caret under the place.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { plain() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(110).with_context_lines(0);
        let name = self.path.display().to_string();
        let mut text = String::new();
        for problem in &self.problems {
            let shown = Shown { problem, source: miette::NamedSource::new(&name, self.text.clone()) };
            // Rendering to a String fails only if our own Display does.
            let _ = handler.render_report(&mut text, &shown);
        }
        text
    }
}

fn plain() -> GraphicalTheme {
    let mut theme = GraphicalTheme::none();
    theme.characters.error = "error:".into();
    theme
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Invalid {}

#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    source: miette::NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Range { start, end } = self.problem.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::underline(start..end.max(start + 1)))))
    }
}

/// The candidate that `word` was most likely meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &&str| strsim::damerau_levenshtein(word, candidate);
    let best = candidates.into_iter().min_by_key(distance)?;
    (distance(&best) <= (word.len().max(best.len()) / 3).max(1)).then_some(best)
}
