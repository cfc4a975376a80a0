//! The parts of a resource's full name, as Google writes them:
//! `projects/p/locations/europe-west1-b/clusters/fx-main/nodePools/workers`.

/// The last part.
pub(crate) fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// The zone or region in it, or nothing.
pub(crate) fn location(id: &str) -> &str {
    id.split("/locations/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// The region that it lies in, or nothing.
pub(crate) fn region(id: &str) -> &str {
    let location = location(id);
    if is_zone(location) {
        location.rsplit_once('-').map_or(location, |(region, _)| region)
    } else {
        location
    }
}

/// Whether a location is a zone, and not a region: `europe-west1-b`.
pub(crate) fn is_zone(location: &str) -> bool {
    location.rsplit_once('-').is_some_and(|(_, letter)| letter.len() == 1)
}

/// Where a cluster or a pool is: `projects/p/locations/europe-west1-b`.
pub(crate) fn parent(id: &str) -> &str {
    id.split_once("/clusters/").map_or(id, |(parent, _)| parent)
}

/// The full name of a cluster.
pub(crate) fn cluster_id(project: &str, location: &str, name: &str) -> String {
    format!("projects/{project}/locations/{location}/clusters/{name}")
}

/// The cluster of a cluster or a pool, and the pool's own name if it is one.
pub(crate) fn cluster_and_pool(id: &str) -> (&str, Option<&str>) {
    match id.split_once("/nodePools/") {
        Some((cluster, pool)) => (cluster, Some(pool)),
        None => (id, None),
    }
}

/// The full name of a cluster's pool.
pub(crate) fn pool(cluster: &str, name: &str) -> String {
    format!("{cluster}/nodePools/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_lies_in_its_region() {
        let regions = ["europe-west1-b", "europe-west1", "us-east4-c"]
            .map(|location| region(&format!("projects/p/locations/{location}/clusters/c")).to_owned());
        assert_eq!(regions, ["europe-west1", "europe-west1", "us-east4"]);
        assert_eq!(region("projects/p/topics/items"), "");
    }

    #[test]
    fn a_pool_lies_in_its_cluster() {
        let id = pool("projects/p/locations/l/clusters/c", "w");
        let cluster = cluster_id("p", "l", "c");
        assert_eq!(cluster, "projects/p/locations/l/clusters/c");
        assert_eq!(cluster_and_pool(&id), (cluster.as_str(), Some("w")));
        assert_eq!(cluster_and_pool(&cluster), (cluster.as_str(), None));
        assert_eq!([parent(&id), parent(&cluster)], ["projects/p/locations/l"; 2]);
    }
}
