//! Whether buckets lie where the machines that work on them are. Knows no cloud.

use crate::finding::{Finding, Level};
use crate::full_name;
use crate::resource::Pair;

/// Two regions that a location of Cloud Storage consists of.
const DUAL: [(&str, [&str; 2]); 6] = [
    ("NAM4", ["us-central1", "us-east1"]),
    ("EUR4", ["europe-north1", "europe-west4"]),
    ("EUR5", ["europe-west1", "europe-west2"]),
    ("EUR7", ["europe-west2", "europe-west3"]),
    ("EUR8", ["europe-west3", "europe-west6"]),
    ("ASIA1", ["asia-northeast1", "asia-northeast2"]),
];
/// Regions of Europe that are not of the European Union, and so not of the multi-region EU.
const NOT_IN_THE_EU: [&str; 2] = ["europe-west2", "europe-west6"];

/// Buckets that jobs use from elsewhere.
pub(crate) fn findings(pairs: &[Pair]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let wanted = || pairs.iter().map(|pair| &pair.want);
    for job in wanted().filter(|want| want.address.kind == "job") {
        let Some((cluster, _)) = job.id.split_once("/namespaces/") else { continue };
        let region = full_name::region(cluster);
        let Some(at) = wanted().find(|want| want.id == cluster) else { continue };
        // What a job may read or write, its grants say.
        let grants = wanted()
            .filter(|want| want.address.kind == "grant" && want.implied_by.as_ref() == Some(&job.address));
        for bucket in grants.filter_map(|grant| grant.fields["on"].as_str()?.strip_prefix("bucket ")) {
            let is_it = |pair: &&Pair| pair.want.address.kind == "bucket" && pair.want.id == bucket;
            let Some(Pair { want, live }) = pairs.iter().find(is_it) else { continue };
            // A bucket's location is what it was made with; of one that is only used the file says nothing.
            let fields = live.as_ref().filter(|_| want.existing).map_or(&want.fields, |live| &live.fields);
            let Some(lies) = fields["location"].as_str() else { continue };
            if are_together(lies, region) != Some(false) {
                continue;
            }
            findings.push(Finding {
                level: Level::Warning,
                what: format!(
                    "{} lies in {lies}, and {} in {region}: whatever {} reads and writes there crosses between them, which is slow and billed",
                    want.address, at.address, job.address
                ),
                help: format!(
                    "set `location` of {} (fixed once it is made), or the stack's `region`",
                    want.address
                ),
            });
        }
    }
    findings
}

/// Whether a bucket's location holds a region; none if the location is not known here.
fn are_together(location: &str, region: &str) -> Option<bool> {
    let location = location.to_uppercase();
    if let Some((_, regions)) = DUAL.iter().find(|(name, _)| *name == location) {
        return Some(regions.contains(&region));
    }
    match location.as_str() {
        "US" => Some(region.starts_with("us-")),
        "EU" => Some(region.starts_with("europe-") && !NOT_IN_THE_EU.contains(&region)),
        "ASIA" => Some(region.starts_with("asia-")),
        name if name.contains('-') => Some(name.eq_ignore_ascii_case(region)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_holds_its_regions() {
        for (location, region, together) in [
            ("EUROPE-WEST1", "europe-west1", Some(true)),
            ("europe-west1", "europe-west4", Some(false)),
            ("EU", "europe-west1", Some(true)),
            ("EU", "europe-west2", Some(false)),
            ("US", "europe-west1", Some(false)),
            ("US", "us-east4", Some(true)),
            ("ASIA", "asia-east1", Some(true)),
            ("EUR4", "europe-west4", Some(true)),
            ("NAM4", "us-west1", Some(false)),
            ("MOON1", "europe-west1", None),
        ] {
            assert_eq!(are_together(location, region), together, "{location} {region}");
        }
    }
}
