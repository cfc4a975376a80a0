//! One service account: its names, and what of it can be changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Policy, Resource};
use crate::error::ApiError;

/// What can be said about an account when it is made or changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Description {
    pub(super) display_name: String,
    pub(super) description: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) project: String,
    pub(super) email: String,
    pub(super) unique_id: String,
    #[serde(flatten)]
    pub(super) about: Description,
    pub(super) disabled: bool,
    pub(super) deleted: Option<Timestamp>,
    /// From when on it can be read, and named in policies.
    #[serde(default)]
    pub(super) visible: Timestamp,
    pub(super) policy: Policy,
}

impl Account {
    pub(super) fn new(
        project: &str,
        id: &str,
        about: Description,
        visible: Timestamp,
    ) -> Result<Self, ApiError> {
        check_id(id)?;
        about.check()?;
        Ok(Self {
            project: project.into(),
            email: format!("{id}@{project}.iam.gserviceaccount.com"),
            unique_id: unique_id(),
            about,
            disabled: false,
            deleted: None,
            visible,
            policy: Policy::default(),
        })
    }

    pub(super) fn is_live(&self) -> bool {
        self.deleted.is_none()
    }

    /// Whether it is there for those who ask for it: a new one is not at once.
    pub(super) fn is_visible(&self, now: Timestamp) -> bool {
        self.is_live() && self.visible <= now
    }

    pub(super) fn name(&self) -> String {
        format!("projects/{}/serviceAccounts/{}", self.project, self.email)
    }

    /// As something that callers need permissions on.
    pub(super) fn resource(&self) -> Resource {
        let policy = Some((self.name(), self.policy.clone()));
        Resource { name: self.name(), policy, project: Some(self.project.clone()) }
    }

    /// As REST has it: what is empty is left out.
    pub(super) fn json(&self) -> Value {
        let mut json = json!({
            "name": self.name(),
            "projectId": self.project,
            "uniqueId": self.unique_id,
            "email": self.email,
            "etag": "MDEwMjE5MjA=",
            "oauth2ClientId": self.unique_id,
        });
        for (key, text) in
            [("displayName", &self.about.display_name), ("description", &self.about.description)]
        {
            if !text.is_empty() {
                json[key] = json!(text);
            }
        }
        if self.disabled {
            json["disabled"] = json!(true);
        }
        json
    }
}

impl Description {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        for (what, text, most) in
            [("display name", &self.display_name, 100), ("description", &self.description, 256)]
        {
            if text.len() > most {
                return Err(ApiError::invalid_argument(format!(
                    "The {what} of a service account has at most {most} bytes."
                )));
            }
        }
        Ok(())
    }
}

fn check_id(id: &str) -> Result<(), ApiError> {
    if !(6..=30).contains(&id.len()) {
        return Err(ApiError::invalid_argument(format!(
            "The account ID \"{id}\" does not have a length between 6 and 30."
        )));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(plain) && !id.ends_with('-') {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "The account ID \"{id}\" does not match \"[a-z]([-a-z0-9]*[a-z0-9])\"."
    )))
}

/// 21 digits, never given twice.
fn unique_id() -> String {
    format!("1{:020}", rand::random_range(0..100_000_000_000_000_000_000_u128))
}
