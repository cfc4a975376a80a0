//! Where clusters are and what they are called.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::project::{check_id, project_number};

/// A region or a zone of a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Location {
    pub(super) project: String,
    /// `europe-west1`, `europe-west1-b`, or `-` for all.
    pub(super) name: String,
}

/// A cluster's full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ClusterName {
    pub(super) location: Location,
    pub(super) name: String,
}

impl Location {
    pub(super) fn new(project: &str, name: &str) -> Result<Self, ApiError> {
        check_id(project)?;
        if name != "-" && !is_location(name) {
            return Err(ApiError::permission_denied(format!(
                "Permission denied on 'locations/{name}' (or it may not exist)."
            )));
        }
        Ok(Self { project: project.into(), name: name.into() })
    }

    /// Whether `other` is meant: `-` means all locations of the project.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.project == other.project && (self.name == "-" || self.name == other.name)
    }

    pub(super) fn is_zone(&self) -> bool {
        self.name.rsplit_once('-').is_some_and(|(_, last)| last.len() == 1)
    }

    /// The zones that nodes are put in when nobody says: a zone itself, or three of a region.
    pub(super) fn zones(&self) -> Vec<String> {
        if self.is_zone() {
            return vec![self.name.clone()];
        }
        let letters = if matches!(self.name.as_str(), "europe-west1" | "us-east1") { "bcd" } else { "abc" };
        letters.chars().map(|letter| format!("{}-{letter}", self.name)).collect()
    }

    /// Whether a zone lies in it.
    pub(super) fn holds(&self, zone: &str) -> bool {
        let region =
            if self.is_zone() { self.name.rsplit_once('-').map_or("", |(r, _)| r) } else { &self.name };
        zone.strip_prefix(region).is_some_and(|rest| {
            rest.len() == 2 && rest.starts_with('-') && rest.ends_with(|c: char| c.is_ascii_lowercase())
        })
    }

    pub(super) fn cluster(&self, name: &str) -> ClusterName {
        ClusterName { location: self.clone(), name: name.into() }
    }

    /// The address that Google gives to what is called `rest` here.
    pub(super) fn link(&self, rest: &str) -> String {
        let kind = if self.is_zone() { "zones" } else { "locations" };
        let number = project_number(&self.project);
        format!("https://container.googleapis.com/v1/projects/{number}/{kind}/{}/{rest}", self.name)
    }
}

/// `REGION` or `REGION-ZONE`, where a region is words with a number at the end.
fn is_location(name: &str) -> bool {
    let region = match name.rsplit_once('-') {
        Some((region, zone)) if zone.len() == 1 && zone.bytes().all(|b| b.is_ascii_lowercase()) => region,
        _ => name,
    };
    let Some((area, place)) = region.rsplit_once('-') else { return false };
    let letters = place.trim_end_matches(|c: char| c.is_ascii_digit());
    letters.len() < place.len()
        && !letters.is_empty()
        && letters.bytes().all(|b| b.is_ascii_lowercase())
        && !area.is_empty()
        && area.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

impl ClusterName {
    /// Stays the same for the same cluster: what Google's generated names end in.
    pub(super) fn hash(&self) -> String {
        let mut hash = hex::encode(Sha256::digest(self.to_string().as_bytes()));
        hash.truncate(8);
        hash
    }

    /// The name that `gcloud container clusters get-credentials` gives it in a kubeconfig.
    pub(super) fn context(&self) -> String {
        format!("gke_{}_{}_{}", self.location.project, self.location.name, self.name)
    }

    pub(super) fn link(&self) -> String {
        self.location.link(&format!("clusters/{}", self.name))
    }

    pub(super) fn pool_link(&self, pool: &str) -> String {
        self.location.link(&format!("clusters/{}/nodePools/{pool}", self.name))
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location { project, name } = &self.location;
        let kind = if self.location.is_zone() { "zones" } else { "locations" };
        write!(f, "projects/{project}/{kind}/{name}/clusters/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_three_zones_and_a_zone_itself() {
        let region = Location::new("fx-dev", "europe-west1").expect("a region");
        assert_eq!(region.zones(), ["europe-west1-b", "europe-west1-c", "europe-west1-d"]);
        let zone = Location::new("fx-dev", "us-central1-a").expect("a zone");
        assert_eq!(zone.zones(), ["us-central1-a"]);
        assert!(zone.holds("us-central1-f") && !zone.holds("us-central2-a") && !zone.holds("us-central1"));
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for name in ["", "europe", "europe-west", "europe-west1-bb", "../x", "EUROPE-WEST1", "1-a"] {
            assert!(Location::new("fx-dev", name).is_err(), "{name}");
        }
    }
}
