//! What a plan would take away unread: messages of subscriptions that go. Only reads.

use crate::change::Change;
use crate::cloud::Cloud;
use crate::finding::{Finding, Level};

/// Whether a change takes messages away.
pub(crate) fn is_at_stake(change: &Change) -> bool {
    change.is_destructive() && change.address.kind == "subscription" && change.live.is_some()
}

/// Has the changes say how many messages are lost with them; what there is to say where nobody knows.
pub(crate) async fn weighed(cloud: &Cloud, changes: &mut [Change]) -> Option<Finding> {
    let mut at_stake: Vec<&mut Change> = changes.iter_mut().filter(|change| is_at_stake(change)).collect();
    let ids: Vec<String> =
        at_stake.iter().filter_map(|change| Some(change.live.as_ref()?.id.clone())).collect();
    if ids.is_empty() {
        return None;
    }
    let counts = cloud.backlogs(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (counts, why) = match counts {
        Ok(counts) => (counts, "it has no recent count".to_owned()),
        Err(error) => (std::collections::BTreeMap::new(), format!("{error:#}")),
    };
    let mut unknown = Vec::new();
    for (change, id) in at_stake.iter_mut().zip(&ids) {
        match counts.get(id) {
            None => unknown.push(change.address.to_string()),
            Some(count) if count.messages > 0 => {
                let holds = Some(said(count.messages));
                change.seen.iter_mut().for_each(|seen| seen.holds.clone_from(&holds));
                change.live.iter_mut().for_each(|live| live.holds.clone_from(&holds));
            }
            Some(_) => {}
        }
    }
    (!unknown.is_empty()).then(|| Finding {
        level: Level::Warning,
        what: format!(
            "Cloud Monitoring does not say whether messages wait in {} ({why})",
            unknown.join(", ")
        ),
        help: "what waits there is lost with them".to_owned(),
    })
}

/// Messages for people.
pub(crate) fn said(messages: u64) -> String {
    match messages {
        1 => "1 undelivered message".to_owned(),
        count => format!("{count} undelivered messages"),
    }
}
