//! Text that others wrote, made harmless: nothing in it moves the cursor of a terminal, paints, or
//! turns the direction of what is read.

use std::borrow::Cow;

/// The text with what a terminal might obey written out, `\u{1b}`; tabs stay.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_obeyed(c) { harmless.extend(c.escape_default()) } else { harmless.push(c) }
    }
    Cow::Owned(harmless)
}

/// The same of a text of several lines.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// An item as one line of text: its control characters never reach a terminal.
pub(crate) fn one_line(item: &str) -> String {
    item.escape_debug().to_string()
}

fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() && c != '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        for (text, shown) in [
            ("plain: \"quoted\" \\ ä\t€ 🦀", "plain: \"quoted\" \\ ä\t€ 🦀"),
            ("\u{1b}[2J\u{1b}]0;owned\u{7}", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"),
            ("50 %\r100 %\n\u{9b}31m\u{7f}", "50 %\\r100 %\\n\\u{9b}31m\\u{7f}"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }
}
