//! What each method asks for, as Google documents it: which permission, on what.

/// On what a permission is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum On {
    /// On the resource of the call; of a collection, on what it is in.
    It,
    /// On what something is made in.
    Parent,
}

/// One permission that a method asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Need(pub(super) On, pub(super) &'static str);

/// The permissions of a method. What asks for none is here as well: a method that is not is a
/// mistake, and nobody but the owner may call it.
pub(super) fn of(method: &str) -> &'static [Need] {
    let row = NEEDS.binary_search_by_key(&method, |(name, _)| name).ok();
    row.map_or(&[Need(On::It, "localcloud.unknown")], |row| NEEDS[row].1)
}

const NOTHING: &[Need] = &[];

/// A line per method: `It` and `Parent` name the permission, `Nothing` the reason.
macro_rules! needs {
    ($($method:literal => $on:ident $permission:literal,)*) => {
        &[$(($method, needs!(@ $on $permission))),*]
    };
    (@ It $permission:literal) => { &[Need(On::It, $permission)] };
    (@ Parent $permission:literal) => { &[Need(On::Parent, $permission)] };
    (@ Nothing $why:literal) => { NOTHING };
}

/// By method.
const NEEDS: &[(&str, &[Need])] = needs![
    "artifactregistry.docker.getBlob" => It "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.docker.getManifest" => It "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.docker.getVersion" => Nothing "tells the version of the API",
    "artifactregistry.docker.listTags" => It "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.docker.putBlob" => It "artifactregistry.repositories.uploadArtifacts",
    "artifactregistry.docker.putManifest" => It "artifactregistry.repositories.uploadArtifacts",
    "artifactregistry.repositories.create" => Parent "artifactregistry.repositories.create",
    "artifactregistry.repositories.delete" => It "artifactregistry.repositories.delete",
    "artifactregistry.repositories.get" => It "artifactregistry.repositories.get",
    "artifactregistry.repositories.list" => It "artifactregistry.repositories.list",
    "cloudresourcemanager.projects.get" => It "resourcemanager.projects.get",
    "cloudresourcemanager.projects.getIamPolicy" => It "resourcemanager.projects.getIamPolicy",
    "cloudresourcemanager.projects.list" => Nothing "lists what the caller may see",
    "cloudresourcemanager.projects.search" => Nothing "lists what the caller may see",
    "cloudresourcemanager.projects.setIamPolicy" => It "resourcemanager.projects.setIamPolicy",
    "cloudresourcemanager.projects.testIamPermissions" => Nothing "tells the caller about itself",
    "compute.regions.get" => It "compute.regions.get",
    "container.clusters.completeIpRotation" => It "container.clusters.update",
    "container.clusters.create" => Parent "container.clusters.create",
    "container.clusters.delete" => It "container.clusters.delete",
    "container.clusters.get" => It "container.clusters.get",
    "container.clusters.list" => It "container.clusters.list",
    "container.clusters.setAddons" => It "container.clusters.update",
    "container.clusters.setLegacyAbac" => It "container.clusters.update",
    "container.clusters.setLocations" => It "container.clusters.update",
    "container.clusters.setLogging" => It "container.clusters.update",
    "container.clusters.setMaintenancePolicy" => It "container.clusters.update",
    "container.clusters.setMasterAuth" => It "container.clusters.update",
    "container.clusters.setMonitoring" => It "container.clusters.update",
    "container.clusters.setNetworkPolicy" => It "container.clusters.update",
    "container.clusters.setResourceLabels" => It "container.clusters.update",
    "container.clusters.startIpRotation" => It "container.clusters.update",
    "container.clusters.update" => It "container.clusters.update",
    "container.locations.getServerConfig" => It "container.clusters.list",
    "container.nodePools.completeUpgrade" => It "container.clusters.update",
    "container.nodePools.create" => Parent "container.clusters.update",
    "container.nodePools.delete" => It "container.clusters.update",
    "container.nodePools.get" => It "container.clusters.get",
    "container.nodePools.list" => It "container.clusters.get",
    "container.nodePools.rollback" => It "container.clusters.update",
    "container.nodePools.setAutoscaling" => It "container.clusters.update",
    "container.nodePools.setManagement" => It "container.clusters.update",
    "container.nodePools.setSize" => It "container.clusters.update",
    "container.nodePools.update" => It "container.clusters.update",
    "container.operations.cancel" => It "container.operations.get",
    "container.operations.get" => It "container.operations.get",
    "container.operations.list" => It "container.operations.list",
    "iam.serviceAccounts.create" => Parent "iam.serviceAccounts.create",
    "iam.serviceAccounts.delete" => It "iam.serviceAccounts.delete",
    "iam.serviceAccounts.disable" => It "iam.serviceAccounts.disable",
    "iam.serviceAccounts.enable" => It "iam.serviceAccounts.enable",
    "iam.serviceAccounts.get" => It "iam.serviceAccounts.get",
    "iam.serviceAccounts.getIamPolicy" => It "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccounts.keys.list" => It "iam.serviceAccountKeys.list",
    "iam.serviceAccounts.list" => It "iam.serviceAccounts.list",
    "iam.serviceAccounts.patch" => It "iam.serviceAccounts.update",
    "iam.serviceAccounts.setIamPolicy" => It "iam.serviceAccounts.setIamPolicy",
    "iam.serviceAccounts.testIamPermissions" => Nothing "tells the caller about itself",
    "iam.serviceAccounts.undelete" => It "iam.serviceAccounts.undelete",
    "iam.serviceAccounts.update" => It "iam.serviceAccounts.update",
    "iamcredentials.serviceAccounts.generateAccessToken" => It "iam.serviceAccounts.getAccessToken",
    "monitoring.projects.timeSeries.list" => It "monitoring.timeSeries.list",
    "pubsub.schemas.create" => Parent "pubsub.schemas.create",
    "pubsub.schemas.delete" => It "pubsub.schemas.delete",
    "pubsub.schemas.get" => It "pubsub.schemas.get",
    "pubsub.schemas.list" => It "pubsub.schemas.list",
    "pubsub.snapshots.create" => Parent "pubsub.snapshots.create",
    "pubsub.snapshots.delete" => It "pubsub.snapshots.delete",
    "pubsub.snapshots.get" => It "pubsub.snapshots.get",
    "pubsub.snapshots.list" => It "pubsub.snapshots.list",
    "pubsub.snapshots.patch" => It "pubsub.snapshots.update",
    "pubsub.subscriptions.acknowledge" => It "pubsub.subscriptions.consume",
    "pubsub.subscriptions.create" => Parent "pubsub.subscriptions.create",
    "pubsub.subscriptions.delete" => It "pubsub.subscriptions.delete",
    "pubsub.subscriptions.deliver" => Nothing "an answer within a stream that was let in",
    "pubsub.subscriptions.detach" => Nothing "asks for pubsub.topics.detachSubscription on the topic",
    "pubsub.subscriptions.get" => It "pubsub.subscriptions.get",
    "pubsub.subscriptions.getIamPolicy" => It "pubsub.subscriptions.getIamPolicy",
    "pubsub.subscriptions.list" => It "pubsub.subscriptions.list",
    "pubsub.subscriptions.modifyAckDeadline" => It "pubsub.subscriptions.consume",
    "pubsub.subscriptions.modifyPushConfig" => It "pubsub.subscriptions.update",
    "pubsub.subscriptions.nack" => It "pubsub.subscriptions.consume",
    "pubsub.subscriptions.patch" => It "pubsub.subscriptions.update",
    "pubsub.subscriptions.pull" => It "pubsub.subscriptions.consume",
    "pubsub.subscriptions.seek" => It "pubsub.subscriptions.consume",
    "pubsub.subscriptions.setIamPolicy" => It "pubsub.subscriptions.setIamPolicy",
    "pubsub.subscriptions.streamingPull" => It "pubsub.subscriptions.consume",
    "pubsub.subscriptions.testIamPermissions" => Nothing "tells the caller about itself",
    "pubsub.topics.create" => Parent "pubsub.topics.create",
    "pubsub.topics.delete" => It "pubsub.topics.delete",
    "pubsub.topics.get" => It "pubsub.topics.get",
    "pubsub.topics.getIamPolicy" => It "pubsub.topics.getIamPolicy",
    "pubsub.topics.list" => It "pubsub.topics.list",
    "pubsub.topics.patch" => It "pubsub.topics.update",
    "pubsub.topics.publish" => It "pubsub.topics.publish",
    "pubsub.topics.setIamPolicy" => It "pubsub.topics.setIamPolicy",
    "pubsub.topics.snapshots.list" => It "pubsub.topics.get",
    "pubsub.topics.subscriptions.list" => It "pubsub.topics.get",
    "pubsub.topics.testIamPermissions" => Nothing "tells the caller about itself",
    "secretmanager.secrets.addVersion" => It "secretmanager.versions.add",
    "secretmanager.secrets.create" => Parent "secretmanager.secrets.create",
    "secretmanager.secrets.delete" => It "secretmanager.secrets.delete",
    "secretmanager.secrets.get" => It "secretmanager.secrets.get",
    "secretmanager.secrets.getIamPolicy" => It "secretmanager.secrets.getIamPolicy",
    "secretmanager.secrets.list" => It "secretmanager.secrets.list",
    "secretmanager.secrets.patch" => It "secretmanager.secrets.update",
    "secretmanager.secrets.setIamPolicy" => It "secretmanager.secrets.setIamPolicy",
    "secretmanager.secrets.testIamPermissions" => Nothing "tells the caller about itself",
    "secretmanager.secrets.versions.access" => It "secretmanager.versions.access",
    "secretmanager.secrets.versions.destroy" => It "secretmanager.versions.destroy",
    "secretmanager.secrets.versions.disable" => It "secretmanager.versions.disable",
    "secretmanager.secrets.versions.enable" => It "secretmanager.versions.enable",
    "secretmanager.secrets.versions.get" => It "secretmanager.versions.get",
    "secretmanager.secrets.versions.list" => It "secretmanager.versions.list",
    "serviceusage.operations.get" => Nothing "whoever knows an operation's name may follow it",
    "serviceusage.services.batchEnable" => It "serviceusage.services.enable",
    "serviceusage.services.batchGet" => It "serviceusage.services.get",
    "serviceusage.services.disable" => It "serviceusage.services.disable",
    "serviceusage.services.enable" => It "serviceusage.services.enable",
    "serviceusage.services.get" => It "serviceusage.services.get",
    "serviceusage.services.list" => It "serviceusage.services.list",
    "storage.buckets.delete" => It "storage.buckets.delete",
    "storage.buckets.get" => It "storage.buckets.get",
    "storage.buckets.getIamPolicy" => It "storage.buckets.getIamPolicy",
    "storage.buckets.getStorageLayout" => It "storage.objects.list",
    "storage.buckets.insert" => Parent "storage.buckets.create",
    "storage.buckets.list" => It "storage.buckets.list",
    "storage.buckets.lockRetentionPolicy" => It "storage.buckets.update",
    "storage.buckets.patch" => It "storage.buckets.update",
    "storage.buckets.setIamPolicy" => It "storage.buckets.setIamPolicy",
    "storage.buckets.testIamPermissions" => Nothing "tells the caller about itself",
    "storage.buckets.update" => It "storage.buckets.update",
    "storage.managedFolders.list" => It "storage.managedFolders.list",
    "storage.objects.compose" => It "storage.objects.create",
    "storage.objects.copy" => It "storage.objects.create",
    "storage.objects.delete" => It "storage.objects.delete",
    "storage.objects.get" => It "storage.objects.get",
    "storage.objects.insert" => It "storage.objects.create",
    "storage.objects.insert.cancel" => Nothing "who holds the session's address may go on with it",
    "storage.objects.insert.resume" => Nothing "who holds the session's address may go on with it",
    "storage.objects.list" => It "storage.objects.list",
    "storage.objects.move" => It "storage.objects.move",
    "storage.objects.patch" => It "storage.objects.update",
    "storage.objects.restore" => It "storage.objects.restore",
    "storage.objects.rewrite" => It "storage.objects.create",
    "storage.objects.update" => It "storage.objects.update",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::method_names;

    #[test]
    fn every_method_that_is_served_says_what_it_asks_for() {
        assert!(NEEDS.is_sorted_by(|a, b| a.0 < b.0));
        let missing: Vec<_> = method_names()
            .filter(|name| NEEDS.binary_search_by_key(name, |(method, _)| method).is_err())
            .collect();
        assert!(missing.is_empty(), "no permission is asked for {missing:?}");
    }
}
