//! The secrets of a stack that are missing where `provision` runs, each with its place in the file.

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
