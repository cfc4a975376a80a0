//! The secrets of a stack that are missing where `provision` runs, each with its place in the file.

use std::collections::BTreeSet;

use contract::environment;
use secrecy::SecretString;

use super::{Invalid, Problem, Project, Stack};
use crate::kinds::{Kept, SecretSpec};

impl Stack {
    /// Fails if the value of a secret cannot be had on this machine.
    pub(crate) fn secrets_are_here(&self) -> Result<(), Invalid> {
        let nowhere = Project { id: String::new(), number: 0, local: false };
        let scope = self.scope(nowhere);
        let problem = |declared: &super::Declared| {
            let spec: &SecretSpec = declared.spec.as_any().downcast_ref()?;
            let (field, message) = spec.unreadable(&scope).filter(|_| !declared.existing)?;
            let path = [declared.table, &declared.key, field].map(str::to_owned);
            let place = self.written.places.get(path.as_slice()).copied().unwrap_or_default();
            let message = format!("secret.{}: {message}", declared.key);
            Some(Problem::new(place..place + field.len(), message))
        };
        let problems: Vec<Problem> = self.declared.iter().filter_map(problem).collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Invalid::new(self.written.texts.clone(), problems)),
        }
    }

    /// Those of the secrets with these keys whose values are on this machine, by the variables that
    /// workers find them in.
    pub(crate) fn secret_variables(&self, keys: &BTreeSet<&str>) -> Vec<(String, SecretString)> {
        let scope = self.scope(Project { id: String::new(), number: 0, local: false });
        let asked_for = self.declared.iter().filter(|declared| keys.contains(declared.key.as_str()));
        let variable = |declared: &super::Declared| {
            let spec: &SecretSpec = declared.spec.as_any().downcast_ref()?;
            Some((environment::secret(&declared.key), spec.value(&scope)?))
        };
        asked_for.filter_map(variable).collect()
    }

    /// The secrets that Secret Manager keeps, by full name.
    pub(crate) fn kept_secrets(&self, project: &Project) -> Vec<String> {
        let kept = self.scope(project.clone()).secrets.into_values();
        kept.filter_map(|kept| match kept {
            Kept::InSecretManager { secret, .. } => Some(secret),
            Kept::InCluster => None,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn only_secrets_that_are_asked_for_and_here_are_had() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["one", "two"] {
            std::fs::write(folder.path().join(name), format!("value of {name}\n")).expect("written");
        }
        let text = "[stack]\nname = \"fx\"\nregion = \"europe-west1\"\n[secret.api-one]\nfile = \"one\"\n\
            [secret.two]\nfile = \"two\"\n[secret.gone]\nfile = \"gone\"\n[secret.kept]\nsecret_manager = \"kept\"\n";
        let stack = Stack::parse(&folder.path().join("stack.toml"), text).expect("a stack");
        let had = stack.secret_variables(&["api-one", "gone", "kept"].into());
        let had: Vec<_> = had.iter().map(|(name, value)| (&name[..], value.expose_secret())).collect();
        assert_eq!(had, [("PROVISION_SECRET_API_ONE", "value of one")]);
    }
}
