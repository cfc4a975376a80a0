//! The texts that one stack is read from, in the order in which they are laid over one another. A
//! place is an offset into all of them, so that whoever reads a value need not know which wrote it.

use std::ops::Range;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The stack file.
    File,
    /// `stack.NAME.toml`.
    Overlay,
    /// What one `--set` says.
    Flag,
}

/// One text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// What it is.
    pub layer: Layer,
    /// What people call it: a path, or `--set`.
    pub name: String,
    /// What it says.
    pub content: String,
    /// The place of its first byte.
    pub start: usize,
}

/// The texts of one stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts(Vec<Text>);

impl Texts {
    /// Lays a text over those that are there.
    pub(crate) fn push(&mut self, layer: Layer, name: impl Into<String>, text: impl Into<String>) {
        // The place behind a text's last byte is still its own: something may be missing there.
        let start = self.0.last().map_or(0, |last| last.start + last.content.len() + 1);
        self.0.push(Text { layer, name: name.into(), content: text.into(), start });
    }

    /// The texts, undermost first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Text> {
        self.0.iter()
    }

    /// The text that a place is in.
    pub(crate) fn at(&self, place: usize) -> Option<&Text> {
        let after = self.0.partition_point(|text| text.start <= place);
        self.0.get(after.checked_sub(1)?)
    }

    /// A place as people write it: `stack.toml:12`, `--set`.
    pub(crate) fn named(&self, place: usize) -> String {
        match self.at(place) {
            None => String::new(),
            Some(text) if text.layer == Layer::Flag => text.name.clone(),
            Some(text) => format!("{}:{}", text.name, text.line(place)),
        }
    }

    /// Whether two places are on one line of one text.
    pub(crate) fn same_line(&self, a: usize, b: usize) -> bool {
        let line = |place| self.at(place).map(|text| (text.start, text.line(place)));
        line(a) == line(b)
    }
}

impl Text {
    /// A span of places as a span of bytes: at least one character where the text has one.
    pub(crate) fn bytes(&self, span: &Range<usize>) -> Range<usize> {
        let local = |place: usize| place.saturating_sub(self.start).min(self.content.len());
        let start = self.content.floor_char_boundary(local(span.start));
        let end = self.content.ceil_char_boundary(local(span.end).max(start + 1).min(self.content.len()));
        start..end.max(start)
    }

    fn line(&self, place: usize) -> usize {
        let before = self.bytes(&(place..place)).start;
        self.content[..before].matches('\n').count() + 1
    }
}
