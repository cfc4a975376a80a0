//! Reads a secret where it is on this machine. Errors name the place, never the value.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Longest value, in bytes: what Secret Manager takes, and half of what Linux takes of a variable.
const LONGEST: usize = 64 << 10;

/// Where a value is on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// A variable of the environment.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// The value: text without a zero byte, since it becomes a variable of workers.
    pub(super) fn read(&self) -> Result<SecretString> {
        let (place, value) = match self {
            Self::Env(name) => {
                let value = std::env::var_os(name)
                    .with_context(|| format!("the variable {name} is not set in this environment"))?;
                (format!("the variable {name}"), value.into_encoded_bytes())
            }
            Self::File(path) => {
                let place = path.display().to_string();
                (place, Self::content(path).with_context(|| format!("cannot read {}", path.display()))?)
            }
        };
        checked(value).map_err(|wrong| anyhow::anyhow!("{place} {wrong}"))
    }

    fn content(path: &PathBuf) -> Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        if file.metadata()?.is_dir() {
            bail!("it is a folder");
        }
        let mut content = Vec::new();
        // A device would be read for ever; two bytes more are a line break.
        file.take(LONGEST as u64 + 3).read_to_end(&mut content)?;
        let end =
            content.strip_suffix(b"\r\n").or(content.strip_suffix(b"\n")).map_or(content.len(), <[u8]>::len);
        content.truncate(end);
        Ok(content)
    }
}

fn checked(value: Vec<u8>) -> Result<SecretString, &'static str> {
    if value.is_empty() {
        return Err("is empty");
    }
    if value.len() > LONGEST {
        return Err("is longer than 64 KiB");
    }
    if value.contains(&0) {
        return Err("holds a zero byte, which no variable of a process can");
    }
    String::from_utf8(value).map(Into::into).map_err(|_| "is not UTF-8: encode it, as base64 for example")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(content: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        let place = format!("{} ", file.path().display());
        let read = Source::File(file.path().to_owned()).read();
        read.map(|value| value.expose_secret().to_owned())
            .map_err(|error| format!("{error:#}").replace(&place, ""))
    }

    #[test]
    fn one_line_break_at_the_end_of_a_file_does_not_count() {
        for (content, value) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), (" a ", " a ")] {
            assert_eq!(read(content.as_bytes()).as_deref(), Ok(value), "{content:?}");
        }
        assert_eq!(read(&vec![b'x'; LONGEST]).map(|value| value.len()), Ok(LONGEST));
        assert_eq!(
            read(&[vec![b'x'; LONGEST].as_slice(), b"\r\n"].concat()).map(|value| value.len()),
            Ok(LONGEST)
        );
    }

    #[test]
    fn what_no_variable_can_hold_is_refused_and_not_told() {
        assert_eq!(read(b"\n"), Err("is empty".to_owned()));
        assert_eq!(read(&vec![b'x'; LONGEST + 1]), Err("is longer than 64 KiB".to_owned()));
        assert!(read(b"canary\0").is_err_and(|error| error.starts_with("holds a zero byte")));
        assert!(
            read(b"canary\xff")
                .is_err_and(|error| error.starts_with("is not UTF-8") && !error.contains("canary"))
        );
    }

    #[test]
    fn a_value_that_is_not_there_is_named_by_its_place() {
        let error = |source: Source| format!("{:#}", source.read().expect_err("an error"));
        assert_eq!(
            error(Source::Env("NO_SUCH_TOKEN".into())),
            "the variable NO_SUCH_TOKEN is not set in this environment"
        );
        assert_eq!(
            error(Source::File("/no/such".into())),
            "cannot read /no/such: No such file or directory (os error 2)"
        );
    }
}
