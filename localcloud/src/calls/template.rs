//! Templates of paths and of names.
//!
//! A path's template has `{name}` where a segment stands, `{*name}` for all that are left, and `a|b`
//! where either may stand. A name's has
//! pieces of the request: `{name}` of its path, `{?name}` of its query, `{.a.b}` of its JSON body,
//! `{#2.1}` of its protobuf message by the numbers of the fields. `{#1^2}` are the first two segments
//! of a piece, and of `{#2.3|#1}` the first that is there. Without an object's name no slash is left.

use percent_encoding::percent_decode_str;

/// What a path says, by the names in its template.
#[derive(Debug, Default)]
pub(super) struct Captures(Vec<(&'static str, String)>);

impl Captures {
    fn take(&mut self, name: &'static str, value: &str) -> Option<()> {
        let value = percent_decode_str(value).decode_utf8().ok().filter(|value| !value.is_empty())?;
        self.0.push((name, value.into_owned()));
        Some(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches('/').split('/')
}

/// How much of a template is fixed.
pub(super) fn literal(template: &str) -> usize {
    segments(template).map(|segment| segment.split_once('}').map_or(segment, |(_, rest)| rest).len()).sum()
}

/// Whether any number of segments may stand at a template's end.
pub(super) fn is_open(template: &str) -> bool {
    template.contains("{*")
}

/// A path without the verb at its end.
pub(super) fn without_verb(path: &str) -> &str {
    match path.rsplit_once(':') {
        Some((name, verb)) if !verb.contains(['/', '}']) => name,
        _ => path,
    }
}

/// What a path says, if it is of this template, which has as many segments.
pub(super) fn captures(template: &'static str, path: &str) -> Option<Captures> {
    let mut captures = Captures::default();
    let mut left = path.trim_start_matches('/');
    for wanted in segments(template) {
        if let Some(name) = wanted.strip_prefix("{*").and_then(|wanted| wanted.strip_suffix('}')) {
            captures.take(name, left)?;
            return Some(captures);
        }
        let (given, rest) = left.split_once('/').unwrap_or((left, ""));
        left = rest;
        match wanted.strip_prefix('{').and_then(|wanted| wanted.split_once('}')) {
            None if wanted.split('|').any(|wanted| wanted == given) => {}
            None => return None,
            Some((name, suffix)) => {
                captures.take(name, given.strip_suffix(suffix)?)?;
            }
        }
    }
    Some(captures)
}

/// Whether a piece of the kind that `sign` begins stands in a name's template.
pub(super) fn asks_for(template: &str, sign: char) -> bool {
    template.split(['{', '|']).skip(1).any(|piece| piece.starts_with(sign))
}

/// The name that a template makes of a request, whose pieces `look` finds.
pub(super) fn fill(template: &str, look: &dyn Fn(&str) -> Option<String>) -> String {
    let mut name = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((literal, opened)) = rest.split_once('{') {
        let (piece, after) = opened.split_once('}').unwrap_or((opened, ""));
        name.push_str(&first_alternative(literal));
        match piece.split('|').find_map(|piece| cut(piece, look)) {
            Some(value) => name.push_str(&value),
            None if after.is_empty() => name.truncate(name.trim_end_matches('/').len()),
            None => {}
        }
        rest = after;
    }
    name.push_str(&first_alternative(rest));
    name
}

/// `locations|zones/` is called `locations/`.
fn first_alternative(literal: &str) -> std::borrow::Cow<'_, str> {
    if !literal.contains('|') {
        return literal.into();
    }
    let first = |segment: &str| segment.split('|').next().unwrap_or_default().to_owned();
    literal.split('/').map(first).collect::<Vec<_>>().join("/").into()
}

/// A piece, or the first segments of it.
fn cut(piece: &str, look: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let (piece, segments) = match piece.split_once('^') {
        Some((piece, count)) => (piece, count.parse().unwrap_or(usize::MAX)),
        None => (piece, usize::MAX),
    };
    let value = look(piece).filter(|value| !value.is_empty())?;
    if segments == usize::MAX {
        return Some(value);
    }
    Some(value.split('/').take(segments).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_filled_from_its_pieces() {
        let look = |piece: &str| {
            let known = [("topic", "t"), ("#1", "projects/p/topics/t"), ("?name", "")];
            known.iter().find(|(name, _)| *name == piece).map(|(_, value)| (*value).to_owned())
        };
        for (template, name) in [
            ("projects/p/topics/{topic}", "projects/p/topics/t"),
            ("{#1}", "projects/p/topics/t"),
            ("{#1^2}", "projects/p"),
            ("{#2.3|#1}/x", "projects/p/topics/t/x"),
            ("buckets/b/objects/{?name}", "buckets/b/objects"),
            ("projects/p/locations|zones/{topic}", "projects/p/locations/t"),
        ] {
            assert_eq!(fill(template, &look), name, "{template}");
        }
    }

    #[test]
    fn a_template_matches_whole_segments() {
        let says = |template, path| captures(template, path).map(|captures| captures.0);
        assert_eq!(says("/v1/{a}:go", "/v1/x%2Fy:go"), Some(vec![("a", "x/y".to_owned())]));
        assert_eq!(says("/v1/{a}:go", "/v1/:go"), None);
        assert_eq!(says("/v1/a|b", "/v1/b"), Some(vec![]));
        assert_eq!(says("/v1/a|b", "/v1/c"), None);
        assert_eq!(says("/v1/{a}", "/v1/%FF"), None);
        assert_eq!(says("/{a}/{*b}", "/x/y/z"), Some(vec![("a", "x".to_owned()), ("b", "y/z".to_owned())]));
        assert_eq!(says("/{a}/{*b}", "/x"), None);
    }
}
