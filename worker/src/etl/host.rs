//! What the machine offers to the engine.

use std::path::PathBuf;

use contract::SecretReference;

/// What the machine offers to the engine.
#[derive(Clone, Debug)]
pub struct Host {
    /// The folder that `file:` may read, where everything is local.
    pub local_root: Option<PathBuf>,
    /// Whether secrets are at hand.
    pub secrets: Secrets,
}

/// Where secrets are.
#[derive(Clone, Copy, Debug)]
pub enum Secrets {
    /// In the process's environment, as [`SecretReference::variable`] says.
    Environment,
    /// Nowhere: a configuration is only checked.
    Absent,
}

impl Host {
    /// A worker's.
    #[must_use]
    pub fn of_worker(local_root: Option<PathBuf>) -> Self {
        Self { local_root, secrets: Secrets::Environment }
    }

    /// That of whoever only checks a configuration. Whether `file:` may be read is for the one who
    /// asks to say: the same stack runs in two places.
    #[must_use]
    pub fn of_check() -> Self {
        Self { local_root: Some(PathBuf::from(".")), secrets: Secrets::Absent }
    }
}

impl Host {
    /// Whether items are to be worked on here, so that what they need must be at hand.
    pub(crate) fn is_worker(&self) -> bool {
        matches!(self.secrets, Secrets::Environment)
    }

    /// A secret by its name: its variable and its value.
    pub(crate) fn secret(&self, name: &str) -> Result<(String, String), String> {
        let secret = SecretReference { secret: name.to_owned(), prefix: String::new() };
        Ok((secret.variable(), self.secrets.get(&secret)?))
    }
}

impl Secrets {
    /// The secret's value. The error never tells it.
    pub(super) fn get(self, secret: &SecretReference) -> Result<String, String> {
        match self {
            Self::Absent => Ok(String::new()),
            Self::Environment => std::env::var(secret.variable()).map_err(|_| {
                format!("there is no secret `{}`: {} is not set", secret.secret, secret.variable())
            }),
        }
    }
}
