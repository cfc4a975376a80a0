//! What is wrong with a file: every problem at its place, with a hint.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::texts::Texts;

/// One thing wrong with a stack's texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// The places that it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A stack that cannot be used.
#[derive(Debug)]
pub(crate) struct Invalid {
    texts: Texts,
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
    /// All that is wrong with the texts, in the order of places.
    pub(crate) fn new(texts: Texts, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| (p.span.start, p.span.end));
        problems.dedup();
        Self { texts, problems }
    }

    /// What is wrong, in the order of places.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// For people: each problem with its line, and a caret under the place.
    #[must_use]
    pub(crate) fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let one = |problem: &Problem| {
            let title = Level::ERROR.primary_title(printable(&problem.message));
            let help = problem.help.iter().map(|help| Level::HELP.message(printable(help)));
            let Some(text) = self.texts.at(problem.span.start) else {
                return renderer.render(&[title.elements(help)]);
            };
            let place = AnnotationKind::Primary.span(text.bytes(&problem.span));
            let snippet = Snippet::source(&text.content).path(&text.name).annotation(place);
            renderer.render(&[title.element(snippet).elements(help)])
        };
        self.problems.iter().map(one).collect::<Vec<_>>().join("\n\n")
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
