//! Glob patterns over object names, in time that is bounded by pattern times name.
//!
//! `*` is any text without `/`, `**` any text, `?` one character that is not `/`, `[a-z]` and `[!a-z]`
//! one of or none of some characters, `{a,b}` one of some patterns, and `\` takes a meaning away.

use super::error::{Result, StorageError};

/// Longest pattern, in characters.
const LONGEST: usize = 1024;
/// Most alternatives that the braces of a pattern may come to.
const MOST_ALTERNATIVES: usize = 64;

/// A pattern that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Glob(Vec<Vec<Part>>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Is(char),
    /// One character but `/`.
    Any,
    OneOf {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    /// Any text; without `/` unless `deep`.
    Text {
        deep: bool,
    },
}

impl Glob {
    pub(super) fn parse(pattern: &str) -> Result<Self> {
        let wrong = || StorageError::invalid(format!("Invalid value for matchGlob: '{pattern}'."));
        if pattern.chars().count() > LONGEST {
            return Err(wrong());
        }
        let alternatives = alternatives(&pattern.chars().collect::<Vec<_>>()).ok_or_else(wrong)?;
        let parse = |text: &Vec<char>| parts(text).ok_or_else(wrong);
        Ok(Self(alternatives.iter().map(parse).collect::<Result<_>>()?))
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|parts| matches(parts, name))
    }
}

/// Writes braces out.
fn alternatives(pattern: &[char]) -> Option<Vec<Vec<char>>> {
    let Some(open) = position(pattern, '{') else { return Some(vec![pattern.to_vec()]) };
    let (mut depth, mut cuts, mut at) = (0_usize, vec![open], open);
    loop {
        match pattern.get(at)? {
            '\\' => at += 1,
            '{' => depth += 1,
            ',' if depth == 1 => cuts.push(at),
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    cuts.push(at);
    let mut all = Vec::new();
    for cut in cuts.windows(2) {
        let inner = &pattern[cut[0] + 1..cut[1]];
        let text = [&pattern[..open], inner, &pattern[at + 1..]].concat();
        all.extend(alternatives(&text)?);
        if all.len() > MOST_ALTERNATIVES {
            return None;
        }
    }
    Some(all)
}

/// The first place of a character that no `\` stands before and that is in no `[]`.
fn position(pattern: &[char], wanted: char) -> Option<usize> {
    let (mut at, mut class) = (0, false);
    while let Some(found) = pattern.get(at) {
        match found {
            '\\' => at += 1,
            '[' => class = true,
            ']' => class = false,
            found if *found == wanted && !class => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn parts(pattern: &[char]) -> Option<Vec<Part>> {
    let (mut parts, mut at) = (Vec::new(), 0);
    while let Some(next) = pattern.get(at) {
        at += 1;
        parts.push(match next {
            '*' => {
                let stars = pattern[at..].iter().take_while(|next| **next == '*').count();
                at += stars;
                Part::Text { deep: stars > 0 }
            }
            '?' => Part::Any,
            '[' => {
                let end = at + 1 + pattern.get(at + 1..)?.iter().position(|next| *next == ']')?;
                let class = one_of(&pattern[at..end]);
                at = end + 1;
                class
            }
            '\\' => {
                at += 1;
                Part::Is(*pattern.get(at - 1)?)
            }
            next => Part::Is(*next),
        });
    }
    Some(parts)
}

fn one_of(class: &[char]) -> Part {
    let negated = matches!(class.first(), Some('!' | '^'));
    let mut rest = &class[usize::from(negated)..];
    let mut ranges = Vec::new();
    while let [first, after @ ..] = rest {
        if let ['-', last, after @ ..] = after {
            ranges.push((*first, *last));
            rest = after;
        } else {
            ranges.push((*first, *first));
            rest = after;
        }
    }
    Part::OneOf { ranges, negated }
}

/// Follows all ways through the pattern at once.
fn matches(parts: &[Part], name: &str) -> bool {
    let mut here = vec![false; parts.len() + 1];
    here[0] = true;
    skip_text(parts, &mut here);
    for next in name.chars() {
        let mut there = vec![false; parts.len() + 1];
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| here[*at]) {
            let (takes, stays) = match part {
                Part::Is(wanted) => (*wanted == next, false),
                Part::Any => (next != '/', false),
                Part::OneOf { ranges, negated } => {
                    let one = ranges.iter().any(|(first, last)| (*first..=*last).contains(&next));
                    (one != *negated && next != '/', false)
                }
                Part::Text { deep } => (false, *deep || next != '/'),
            };
            there[at + 1] |= takes;
            there[at] |= stays;
        }
        skip_text(parts, &mut there);
        here = there;
    }
    here[parts.len()]
}

/// Text may be empty.
fn skip_text(parts: &[Part], here: &mut [bool]) {
    for (at, part) in parts.iter().enumerate() {
        if here[at] && matches!(part, Part::Text { .. }) {
            here[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_googles_do() {
        for (pattern, right, wrong) in [
            ("*.csv", &["a.csv", ".csv"][..], &["a/b.csv", "a.csv.gz"][..]),
            ("**.csv", &["a/b.csv", "a.csv"], &["a.csv/b"]),
            ("a/**/c", &["a/b/c", "a/b/b/c", "a//c"], &["a/c"]),
            ("r?n", &["run", "rün"], &["rn", "r/n"]),
            ("[a-c]x[!0-9]", &["axy", "cx-"], &["dxy", "ax1", "ax/"]),
            ("{a,b/*}.{c,d}", &["a.c", "b/x.d"], &["b.c", "a.e"]),
            ("\\*\\{", &["*{"], &["a{"]),
            ("", &[""], &["a"]),
        ] {
            let glob = Glob::parse(pattern).expect(pattern);
            assert!(right.iter().all(|name| glob.matches(name)), "{pattern} {right:?}");
            assert!(!wrong.iter().any(|name| glob.matches(name)), "{pattern} {wrong:?}");
        }
    }

    #[test]
    fn patterns_that_mean_nothing_or_far_too_much_are_refused() {
        let braces = "{a,b}".repeat(20);
        for wrong in ["[a", "{a", "a\\", &braces, &"a".repeat(1025)] {
            assert!(Glob::parse(wrong).is_err(), "{wrong}");
        }
        let greedy = Glob::parse(&"*a".repeat(200)).expect("a pattern");
        assert!(!greedy.matches(&"a".repeat(199)));
    }
}
