//! What a teardown left behind although it should be gone, each with the command that removes it
//! without this program. Knows nothing of how things are deleted.

use anyhow::{Context as _, Result};

use crate::change::{Action, Change};
use crate::kinds;
use crate::plan::Plan;

/// Something that remains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remainder {
    /// Its address, for people.
    pub address: String,
    /// What the cloud calls it, in full.
    pub id: String,
    /// The command that removes it; none of what is only to be let go.
    pub command: Option<String>,
}

/// What a plan of the end still finds.
pub(crate) fn of(left: &Plan) -> Result<Vec<Remainder>> {
    let one = |change: &Change| {
        let live = change.live.as_ref().context("a change of what is not there")?;
        let kind = kinds::named(live.address.kind).context("a resource of no kind")?;
        let goes = change.action == Action::Delete;
        let command = goes.then(|| kind.by_hand(&left.project, live)).transpose()?;
        Ok(Remainder { address: live.address.to_string(), id: live.id.clone(), command })
    };
    left.changes().iter().map(one).collect()
}
