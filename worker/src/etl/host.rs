//! What the machine offers to the engine.

use std::path::PathBuf;

use contract::{SecretReference, environment};
use secrecy::{ExposeSecret as _, SecretString};

use crate::secrets::Secrets;

/// What the machine offers to the engine.
#[derive(Clone, Debug)]
pub struct Host {
    /// The folder that `file:` may read, where everything is local.
    pub local_root: Option<PathBuf>,
    /// The secrets at hand; none where a configuration is only checked.
    pub secrets: Option<Secrets>,
}

impl Host {
    /// A worker's.
    #[must_use]
    pub fn of_worker(local_root: Option<PathBuf>, secrets: Secrets) -> Self {
        Self { local_root, secrets: Some(secrets) }
    }

    /// That of whoever only checks a configuration. Whether `file:` may be read is for the one who
    /// asks to say: the same stack runs in two places.
    #[must_use]
    pub fn of_check() -> Self {
        Self { local_root: Some(PathBuf::from(".")), secrets: None }
    }

    /// Whether items are to be worked on here, so that what they need must be at hand.
    pub(crate) fn is_worker(&self) -> bool {
        self.secrets.is_some()
    }

    /// A secret by its name: its variable and its value.
    pub(crate) fn secret(&self, name: &str) -> Result<(String, SecretString), String> {
        Ok((environment::secret(name), self.value(name)?))
    }

    /// The secret with its prefix. The error never tells it.
    pub(super) fn prefixed(&self, secret: &SecretReference) -> Result<SecretString, String> {
        let value = self.value(&secret.secret)?;
        Ok((secret.prefix.clone() + value.expose_secret()).into())
    }

    /// The value of a secret: empty where there are none.
    fn value(&self, name: &str) -> Result<SecretString, String> {
        self.secrets.as_ref().map_or_else(|| Ok(SecretString::default()), |secrets| secrets.get(name))
    }
}
