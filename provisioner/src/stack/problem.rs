//! What is wrong with a file: every problem at its place, with a hint.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// Bytes of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A stack file that cannot be used.
#[derive(Debug)]
pub(crate) struct Invalid {
    path: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

impl Problem {
    /// A problem without a hint.
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// The same with a hint.
    #[must_use]
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
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

    /// For people: each problem with its line, and a caret under the place.
    #[must_use]
    pub(crate) fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let path = self.path.display().to_string();
        let one = |problem: &Problem| {
            let Range { start, end } = self.within_text(&problem.span);
            let place = AnnotationKind::Primary.span(start..end);
            let snippet = Snippet::source(&self.text).path(&path).annotation(place);
            let title = Level::ERROR.primary_title(printable(&problem.message)).element(snippet);
            let help = problem.help.iter().map(|help| Level::HELP.message(printable(help)));
            renderer.render(&[title.elements(help)])
        };
        self.problems.iter().map(one).collect::<Vec<_>>().join("\n\n")
    }

    /// The span, at least one character of the text where there is one.
    fn within_text(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let end = self.text.ceil_char_boundary(span.end.max(start + 1).min(self.text.len()));
        start..end.max(start)
    }
}

/// A file's own words may hold anything: nothing of it reaches a terminal as a control character.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Invalid {}

/// The candidate that `word` was most likely meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &&str| strsim::damerau_levenshtein(word, candidate);
    let best = candidates.into_iter().min_by_key(distance)?;
    (distance(&best) <= (word.len().max(best.len()) / 3).max(1)).then_some(best)
}
