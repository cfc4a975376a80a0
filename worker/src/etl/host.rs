//! What the machine offers to the engine.

use std::path::PathBuf;

use contract::{SecretReference, environment};
use secrecy::{ExposeSecret as _, SecretString};

/// What the machine offers to the engine.
#[derive(Clone, Debug)]
pub struct Host {
    /// The folder that `file:` may read, where everything is local.
    pub local_root: Option<PathBuf>,
    /// Whether secrets are at hand.
    pub secrets: Secrets,
}

/// Where secrets are.
#[derive(Clone, Debug)]
pub enum Secrets {
    /// With the worker.
    Held(crate::secrets::Secrets),
    /// Nowhere: a configuration is only checked.
    Absent,
}

impl Host {
    /// A worker's.
    #[must_use]
    pub fn of_worker(local_root: Option<PathBuf>, secrets: crate::secrets::Secrets) -> Self {
        Self { local_root, secrets: Secrets::Held(secrets) }
    }

    /// That of whoever only checks a configuration. Whether `file:` may be read is for the one who
    /// asks to say: the same stack runs in two places.
    #[must_use]
    pub fn of_check() -> Self {
        Self { local_root: Some(PathBuf::from(".")), secrets: Secrets::Absent }
    }

    /// Whether items are to be worked on here, so that what they need must be at hand.
    pub(crate) fn is_worker(&self) -> bool {
        matches!(self.secrets, Secrets::Held(_))
    }

    /// A secret by its name: its variable and its value.
    pub(crate) fn secret(&self, name: &str) -> Result<(String, SecretString), String> {
        let secret = SecretReference { secret: name.to_owned(), prefix: String::new() };
        Ok((environment::secret(name), self.secrets.get(&secret)?))
    }
}

impl Secrets {
    /// The secret with its prefix. The error never tells it.
    pub(super) fn get(&self, secret: &SecretReference) -> Result<SecretString, String> {
        let value = match self {
            Self::Absent => SecretString::default(),
            Self::Held(held) => held.get(&secret.secret)?,
        };
        Ok((secret.prefix.clone() + value.expose_secret()).into())
    }
}
