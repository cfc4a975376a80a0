//! Hides the values of secrets in text that leaves the worker: logs, kept output, errors. A second
//! line of defence: nothing should print them in the first place.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use contract::environment::SECRET_PREFIX;
use memchr::memmem::Finder;

/// What stands in place of a secret.
const HIDDEN: &[u8] = b"***";
/// Shorter values are not hidden: `true` or `42` would be hidden all over the place.
const SHORTEST: usize = 6;

/// The texts that are hidden.
#[derive(Clone, Debug, Default)]
pub struct Hidden(Vec<Finder<'static>>);

/// What this process knows: its environment's, and what it has read since. Of the process as logs and
/// panics are, which nobody hands a value.
static OURS: LazyLock<RwLock<Arc<Hidden>>> = LazyLock::new(|| {
    let secret = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let is_one = name.to_string_lossy().starts_with(SECRET_PREFIX);
        is_one.then(|| value.to_string_lossy().into_owned())
    };
    RwLock::new(Arc::new(Hidden::new(std::env::vars_os().filter_map(secret))))
});

impl Hidden {
    /// Those of this process's environment, as it was when it was first asked, and those that were
    /// [learned](Self::learn) since.
    #[must_use]
    pub fn of_this_process() -> Arc<Self> {
        OURS.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on hides these values, too, in all that this process writes.
    pub fn learn(values: impl IntoIterator<Item = String>) {
        let learned = Self::new(values);
        let mut ours = OURS.write().unwrap_or_else(PoisonError::into_inner);
        let hidden = &mut Arc::make_mut(&mut ours).0;
        hidden.extend(learned.0);
        hidden.sort_by_key(|finder| std::cmp::Reverse(finder.needle().len()));
    }

    /// These values: whole, without the space around them, line by line, and as JSON writes them.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut hidden: Vec<String> = Vec::new();
        for value in values {
            let json = serde_json::Value::from(value.trim()).to_string();
            hidden.push(json[1..json.len() - 1].to_owned());
            hidden.extend(value.lines().map(|line| line.trim().to_owned()));
            hidden.push(value.trim().to_owned());
            hidden.push(value);
        }
        hidden.retain(|text| text.len() >= SHORTEST);
        // What is part of another is hidden after it.
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        hidden.dedup();
        Self(hidden.iter().map(|text| Finder::new(text).into_owned()).collect())
    }

    /// Bytes of the longest.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.0.first().map_or(0, |finder| finder.needle().len())
    }

    /// The text without them.
    #[must_use]
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.hide_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The bytes without them.
    #[must_use]
    pub fn hide_bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.0 {
            if secret.find(&text).is_some() {
                text = Cow::Owned(without(secret, &text));
            }
        }
        text
    }
}

fn without(secret: &Finder<'_>, text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut from = 0;
    for at in secret.find_iter(text) {
        kept.extend_from_slice(&text[from..at]);
        kept.extend_from_slice(HIDDEN);
        from = at + secret.needle().len();
    }
    kept.extend_from_slice(&text[from..]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Hidden {
        Hidden::new(values.iter().map(|value| (*value).to_owned()))
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_however_often() {
        let secrets = secrets(&["hunter22", "abc", "with \"quotes\"\n", "hunter22-longer"]);
        for (text, shown) in [
            ("Authorization: hunter22, hunter22", "Authorization: ***, ***"),
            ("hunter22-longer", "***"),
            ("abc is too short to be told from words", "abc is too short to be told from words"),
            (r#"{"key":"with \"quotes\""}"#, r#"{"key":"***"}"#),
            ("nothing", "nothing"),
            ("", ""),
        ] {
            assert_eq!(secrets.hide(text), shown);
        }
    }

    #[test]
    fn what_was_read_later_is_hidden_as_well() {
        Hidden::learn(["canary-of-this-test".to_owned()]);
        let tail = crate::output::OutputTail::default();
        tail.push(b"token=canary-of-this-test\n");
        assert_eq!(tail.text(), "token=***\n");
    }

    #[test]
    fn each_line_of_a_secret_is_one() {
        let secrets = secrets(&["-----BEGIN KEY-----\nMIIEvQIBADAN\nab==\n-----END KEY-----\n"]);
        assert_eq!(secrets.hide("> MIIEvQIBADAN\n> ab=="), "> ***\n> ab==");
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        assert_eq!(&*secrets(&["hunter22"]).hide_bytes(b"\xff\xfehunter22\x80"), b"\xff\xfe***\x80");
    }
}
