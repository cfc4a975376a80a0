//! Lists of a service, whole: page by page, each of them a call of its own.

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_iam_admin_v1::model::ServiceAccount;
use google_cloud_pubsub::model::{Subscription, Topic};
use google_cloud_storage::model::Bucket;

use super::{Cloud, limited};
use crate::resource::Owner;

/// Rows that are asked for at a time, where the service has as many on a page.
pub(crate) const PAGE: i32 = 1000;
/// The service of service accounts has no more on a page.
const PAGE_OF_ACCOUNTS: i32 = 100;

/// One row that is asked for, or none where the list has ended.
type Next<'a, T, E> = BoxFuture<'a, Option<Result<T, E>>>;

/// Every row of a list. The clients keep to themselves what their lists have in common: `next` says how
/// one row is asked for.
pub(crate) async fn all<L, T, E>(
    doing: &str,
    mut list: L,
    next: fn(&mut L) -> Next<'_, T, E>,
) -> Result<Vec<T>>
where
    E: Into<anyhow::Error>,
{
    let mut all = Vec::new();
    while let Some(row) = limited(doing, async { next(&mut list).await.transpose() }).await? {
        all.push(row);
    }
    Ok(all)
}

impl Cloud {
    /// The topics of the project, whoever owns them; here and below.
    pub(crate) async fn topics_of_project(&self) -> Result<Vec<Topic>> {
        let list = self.topics.list_topics().set_project(self.project.path());
        let list = list.set_page_size(PAGE).by_item();
        all("list topics", list, |rows| rows.next().boxed()).await
    }

    /// The subscriptions.
    pub(crate) async fn subscriptions_of_project(&self) -> Result<Vec<Subscription>> {
        let list = self.subscriptions.list_subscriptions().set_project(self.project.path());
        let list = list.set_page_size(PAGE).by_item();
        all("list subscriptions", list, |rows| rows.next().boxed()).await
    }

    /// The buckets.
    pub(crate) async fn buckets_of_project(&self) -> Result<Vec<Bucket>> {
        let list = self.buckets.list_buckets().set_parent(self.project.path());
        let list = list.set_page_size(PAGE).by_item();
        all("list buckets", list, |rows| rows.next().boxed()).await
    }

    /// The service accounts.
    pub(crate) async fn accounts_of_project(&self) -> Result<Vec<ServiceAccount>> {
        let list = self.accounts.list_service_accounts().set_name(self.project.path());
        let list = list.set_page_size(PAGE_OF_ACCOUNTS).by_item();
        all("list service accounts", list, |rows| rows.next().boxed()).await
    }

    /// The buckets that the stack owns, as they are now.
    pub(crate) async fn owned_buckets(&self) -> Result<Vec<Bucket>> {
        let mut buckets = self.buckets_of_project().await?;
        buckets.retain(|bucket| self.unmarked(bucket.labels.clone()).owner == Owner::Ours);
        Ok(buckets)
    }
}
