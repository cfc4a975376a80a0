//! Where a stack is that is made of what is there: a file has one region, and its clusters one place.

use std::collections::BTreeMap;

use crate::kinds::Sighting;

/// Where nothing tells.
const ANYWHERE: &str = "us-central1";

/// What `[stack]` says of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub region: String,
    pub zone: Option<String>,
    /// Whether nothing told.
    pub is_guessed: bool,
}

impl Place {
    /// Where most of it is: its first cluster, or else the region of most buckets.
    pub(super) fn of(meant: &[Sighting], region: Option<&str>) -> Self {
        let is_here = |place: &&str| region.is_none_or(|region| region_of(place) == region);
        let clusters = meant.iter().filter(|seen| seen.table == "cluster");
        let cluster = clusters.filter_map(|seen| seen.place.as_deref()).find(is_here);
        let zone = cluster.filter(|place| region_of(place) != *place).map(str::to_owned);
        let told = region.or(cluster.map(region_of)).map(str::to_owned).or_else(|| of_most_buckets(meant));
        let is_guessed = told.is_none();
        Self { region: told.unwrap_or_else(|| ANYWHERE.to_owned()), zone, is_guessed }
    }

    /// Where the file has its clusters.
    pub(super) fn of_clusters(&self) -> &str {
        self.zone.as_deref().unwrap_or(&self.region)
    }
}

fn of_most_buckets(meant: &[Sighting]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let buckets = meant.iter().filter(|seen| seen.table == "bucket");
    // Of a multi-region there are no clusters.
    for place in buckets.filter_map(|seen| seen.place.as_deref()).filter(|place| place.contains('-')) {
        *counts.entry(place).or_default() += 1;
    }
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(place, _)| place.to_owned())
}

/// The region of a zone; a region itself.
fn region_of(place: &str) -> &str {
    match place.rsplit_once('-') {
        Some((region, zone)) if zone.len() == 1 && region.contains('-') => region,
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_in_regions() {
        assert_eq!(region_of("europe-west1-b"), "europe-west1");
        assert_eq!(region_of("europe-west1"), "europe-west1");
        assert_eq!(region_of("eu"), "eu");
    }
}
