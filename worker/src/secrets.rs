//! The secrets that a worker was given: variables of its environment, and what it reads from Secret
//! Manager as it starts. They print as nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clients::Target;
use contract::environment;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Duration, Instant, sleep};

use crate::redact;
use crate::worker::BadConfiguration;

/// Names the service's endpoint, as gcloud has it; Google's own without it.
const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER";
/// A new pod's grants may take minutes until they count.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(2);
/// Longest that one call may take, its own retries included.
const LONGEST: Duration = Duration::from_secs(90);

/// The secrets at hand, by key. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<BTreeMap<String, SecretString>>);

impl Secrets {
    /// Reads versions from Secret Manager, by the keys of their secrets.
    pub async fn read(versions: &BTreeMap<String, String>) -> Result<Self> {
        if versions.is_empty() {
            return Ok(Self::default());
        }
        let client = Target::from_variable(ENDPOINT)?.secrets().await?;
        let mut held = BTreeMap::new();
        for (key, version) in versions {
            let deadline = Instant::now() + PATIENCE;
            let value = loop {
                let access = client.access_secret_version().set_name(version).send();
                let answer = tokio::time::timeout(LONGEST, access).await;
                let error = match answer {
                    Ok(Ok(answer)) => break answer.payload.map(|payload| payload.data).unwrap_or_default(),
                    Ok(Err(error)) if is_final(&error) => {
                        return Err(BadConfiguration(format!("secret `{key}`: {}", said(&error))).into());
                    }
                    Ok(Err(error)) => anyhow!(said(&error)),
                    Err(_) => anyhow!("no answer for {} s", LONGEST.as_secs()),
                };
                if Instant::now() > deadline {
                    return Err(error).with_context(|| format!("cannot read the secret `{key}`, {version}"));
                }
                tracing::warn!(secret = key.as_str(), version = version.as_str(), "asking again: {error:#}");
                sleep(PAUSE).await;
            };
            held.insert(key.clone(), text(key, value.to_vec())?);
        }
        redact::Hidden::learn(held.values().map(|value| value.expose_secret().to_owned()));
        Ok(Self(Arc::new(held)))
    }

    /// The value of a secret. The error never tells one.
    pub fn get(&self, key: &str) -> Result<SecretString, String> {
        if let Some(held) = self.0.get(key) {
            return Ok(held.clone());
        }
        let variable = environment::secret(key);
        let value = std::env::var(&variable).map(SecretString::from);
        value.map_err(|_| format!("there is no secret `{key}`: {variable} is not set"))
    }
}

/// Variables and headers hold text; one line break at the end does not count, as in files.
fn text(key: &str, value: Vec<u8>) -> Result<SecretString, BadConfiguration> {
    let wrong =
        |what: &str| BadConfiguration(format!("secret `{key}`: its version in Secret Manager {what}"));
    let value = String::from_utf8(value).map_err(|_| wrong("is not UTF-8"))?;
    let value = SecretString::from(value);
    let text = value.expose_secret();
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    match text {
        "" => Err(wrong("is empty")),
        text if text.contains('\0') => Err(wrong("holds a zero byte, which no variable of a process can")),
        text => Ok(text.into()),
    }
}

/// Whether asking again cannot help: no such version, or one that is disabled or destroyed. A lack of
/// leave may be a grant that does not count yet.
fn is_final(error: &Error) -> bool {
    let code = error.status().map(|status| status.code);
    matches!(code, Some(Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument))
}

/// What the service says, in its own words.
fn said(error: &Error) -> String {
    error.status().map_or_else(|| error.to_string(), |status| status.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_nothing() {
        let held = BTreeMap::from([("token".to_owned(), SecretString::from("canary"))]);
        let secrets = Secrets(Arc::new(held));
        assert_eq!(secrets.get("token").expect("it is held").expose_secret(), "canary");
        assert!(!format!("{secrets:?}").contains("canary"));
        let missing = secrets.get("no-such-token").expect_err("it is not");
        assert_eq!(missing, "there is no secret `no-such-token`: PROVISION_SECRET_NO_SUCH_TOKEN is not set");
    }

    #[test]
    fn a_version_is_text_without_its_last_line_break() {
        let read = |value: &[u8]| match text("token", value.to_vec()) {
            Ok(value) => value.expose_secret().to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(read(b"canary\r\n"), "canary");
        assert_eq!(read(b"two\n\n"), "two\n");
        assert_eq!(read(b"\n"), "secret `token`: its version in Secret Manager is empty");
        assert_eq!(read(b"canary\xff"), "secret `token`: its version in Secret Manager is not UTF-8");
    }
}
