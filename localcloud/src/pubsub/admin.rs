//! Topics and subscriptions: create, get, list, update, delete, and their policies.

use super::names::{self, DELETED_TOPIC, Kind};
use super::page::{Page, PageRequest};
use super::state::{LiveSubscription, Pubsub, SubscriptionRow, TopicRow};
use super::subscription::Subscription;
use super::topic::Topic;
use crate::error::ApiError;
use crate::iam::{Policy, Resource};

/// What pulling asks for.
pub(super) const CONSUME: &str = "pubsub.subscriptions.consume";

impl Pubsub {
    pub(super) fn create_topic(&self, topic: Topic) -> Result<Topic, ApiError> {
        topic.check()?;
        let mut state = self.lock();
        if state.topics.contains_key(&topic.name) {
            return Err(names::already_exists(&topic.name));
        }
        let row = TopicRow { settings: topic.clone(), policy: Policy::default() };
        self.save_topic(&row)?;
        state.topics.insert(topic.name.clone(), row);
        Ok(topic)
    }

    pub(super) fn get_topic(&self, name: &str) -> Result<Topic, ApiError> {
        Ok(self.lock().topic(name)?.settings.clone())
    }

    pub(super) fn list_topics(&self, project: &str, page: &PageRequest) -> Result<Page<Topic>, ApiError> {
        let prefix = Kind::Topic.name(names::check_project(project)?, "");
        let state = self.lock();
        let rows = state.topics.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        page.of(rows.map(|(name, row)| (name.clone(), row.settings.clone())))
    }

    pub(super) fn update_topic(&self, topic: &Topic, mask: &[String]) -> Result<Topic, ApiError> {
        check_mask("Topic", mask)?;
        let mut state = self.lock();
        let mut row = state.topic(&topic.name)?.clone();
        row.settings.update(topic, mask)?;
        self.save_topic(&row)?;
        let settings = row.settings.clone();
        state.topics.insert(settings.name.clone(), row);
        Ok(settings)
    }

    /// Deletes a topic. Its subscriptions stay, with what they have.
    pub(super) fn delete_topic(&self, name: &str) -> Result<(), ApiError> {
        let mut state = self.lock();
        state.topic(name)?;
        for live in state.subscriptions.values_mut().filter(|live| live.row.settings.topic == name) {
            DELETED_TOPIC.clone_into(&mut live.row.settings.topic);
            self.save_subscription(&live.row)?;
        }
        self.erase_topic(name)?;
        state.topics.remove(name);
        Ok(())
    }

    pub(super) fn topic_subscriptions(
        &self,
        topic: &str,
        page: &PageRequest,
    ) -> Result<Page<String>, ApiError> {
        let state = self.lock();
        state.topic(topic)?;
        let rows = state.subscriptions.iter().filter(|(_, live)| live.row.settings.topic == topic);
        page.of(rows.map(|(name, _)| (name.clone(), name.clone())))
    }

    pub(super) fn create_subscription(&self, subscription: Subscription) -> Result<Subscription, ApiError> {
        let subscription = subscription.with_defaults();
        subscription.check()?;
        let mut state = self.lock();
        if state.subscriptions.contains_key(&subscription.name) {
            return Err(names::already_exists(&subscription.name));
        }
        let topic = state.topic(&subscription.topic)?;
        self.iam.check("pubsub.topics.attachSubscription", &resource(&topic.settings.name, &topic.policy))?;
        state.check_dead_letter_topic(&subscription)?;
        let row = SubscriptionRow { settings: subscription.clone(), policy: Policy::default() };
        self.save_subscription(&row)?;
        state.subscriptions.insert(subscription.name.clone(), LiveSubscription::new(row)?);
        Ok(subscription)
    }

    pub(super) fn get_subscription(&self, name: &str) -> Result<Subscription, ApiError> {
        Ok(self.lock().subscription(name)?.row.settings.clone())
    }

    pub(super) fn list_subscriptions(
        &self,
        project: &str,
        page: &PageRequest,
    ) -> Result<Page<Subscription>, ApiError> {
        let prefix = Kind::Subscription.name(names::check_project(project)?, "");
        let state = self.lock();
        let rows =
            state.subscriptions.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        page.of(rows.map(|(name, live)| (name.clone(), live.row.settings.clone())))
    }

    pub(super) fn update_subscription(
        &self,
        subscription: &Subscription,
        mask: &[String],
    ) -> Result<Subscription, ApiError> {
        check_mask("Subscription", mask)?;
        let mut state = self.lock();
        let mut row = state.subscription(&subscription.name)?.row.clone();
        row.settings.update(subscription, mask)?;
        if mask.iter().any(|path| path.starts_with("dead_letter_policy")) {
            state.check_dead_letter_topic(&row.settings)?;
        }
        self.save_subscription(&row)?;
        let settings = row.settings.clone();
        state.subscription(&subscription.name)?.row = row;
        Ok(settings)
    }

    pub(super) fn delete_subscription(&self, name: &str) -> Result<(), ApiError> {
        let mut state = self.lock();
        let gone = state.subscription(name)?.backlog.clear();
        self.erase_subscription(name)?;
        state.subscriptions.remove(name);
        gone.into_iter().try_for_each(|gone| self.erase_message(name, gone))
    }

    /// Cuts a subscription off its topic and drops what it has.
    pub(super) fn detach_subscription(&self, name: &str) -> Result<(), ApiError> {
        let mut state = self.lock();
        let topic = state.subscription(name)?.row.settings.topic.clone();
        if let Ok(topic) = state.topic(&topic) {
            self.iam
                .check("pubsub.topics.detachSubscription", &resource(&topic.settings.name, &topic.policy))?;
        }
        let live = state.subscription(name)?;
        live.row.settings.detached = true;
        self.save_subscription(&live.row)?;
        let gone = live.backlog.clear();
        live.changed.send_replace(());
        gone.into_iter().try_for_each(|gone| self.erase_message(name, gone))
    }

    /// The policy of a topic or subscription as it is stored, if it is there.
    pub(crate) fn policy_of(&self, resource: &str) -> Option<Policy> {
        let mut state = self.lock();
        match kind_of(resource).ok()? {
            Kind::Topic => state.topic(resource).ok().map(|row| row.policy.clone()),
            Kind::Subscription => state.subscription(resource).ok().map(|live| live.row.policy.clone()),
        }
    }

    /// Of permissions on a topic or subscription, those that whoever asks has.
    pub(super) fn permissions(&self, name: &str, asked: Vec<String>) -> Result<Vec<String>, ApiError> {
        self.policy(name)?;
        let policy = self.policy_of(name).unwrap_or_default();
        Ok(self.iam.held(asked, &resource(name, &policy)))
    }

    /// Refuses if whoever asks may not take messages of a subscription.
    pub(super) fn may_consume(&self, subscription: &str) -> Result<(), ApiError> {
        let policy = self.lock().subscription(subscription)?.row.policy.clone();
        Ok(self.iam.check(CONSUME, &resource(subscription, &policy))?)
    }

    pub(super) fn policy(&self, resource: &str) -> Result<Policy, ApiError> {
        let mut state = self.lock();
        match kind_of(resource)? {
            Kind::Topic => Ok(self.iam.shown(&state.topic(resource)?.policy)),
            Kind::Subscription => Ok(self.iam.shown(&state.subscription(resource)?.row.policy)),
        }
    }

    pub(super) fn set_policy(&self, resource: &str, new: Policy) -> Result<Policy, ApiError> {
        let mut state = self.lock();
        match kind_of(resource)? {
            Kind::Topic => {
                let mut row = state.topic(resource)?.clone();
                self.iam.replace(&mut row.policy, new)?;
                self.save_topic(&row)?;
                let policy = self.iam.shown(&row.policy);
                state.topics.insert(resource.to_owned(), row);
                Ok(policy)
            }
            Kind::Subscription => {
                let live = state.subscription(resource)?;
                let mut row = live.row.clone();
                self.iam.replace(&mut row.policy, new)?;
                self.save_subscription(&row)?;
                live.row = row;
                Ok(self.iam.shown(&live.row.policy))
            }
        }
    }
}

/// A topic or a subscription as something that callers need permissions on.
pub(super) fn resource(name: &str, policy: &Policy) -> Resource {
    let project = names::project_of(name).to_owned();
    Resource { name: name.into(), policy: Some((name.into(), policy.clone())), project: Some(project) }
}

fn kind_of(resource: &str) -> Result<Kind, ApiError> {
    match resource.split('/').nth(2) {
        Some("topics") => Ok(Kind::Topic),
        Some("subscriptions") => Ok(Kind::Subscription),
        Some("snapshots" | "schemas") => Err(ApiError::unimplemented(format!(
            "the local cloud has no policy of {resource}: snapshots and schemas are not supported"
        ))),
        _ => Err(ApiError::invalid_argument(format!("Invalid resource name given (name={resource})."))),
    }
}

fn check_mask(message: &str, mask: &[String]) -> Result<(), ApiError> {
    if mask.is_empty() {
        return Err(ApiError::invalid_argument(format!(
            "The update_mask in the Update{message}Request must be set, and must contain a non-empty paths list."
        )));
    }
    Ok(())
}
