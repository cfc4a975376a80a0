//! Why a resource that is wanted cannot be the stack's: it is another's, or is not there. Knows no cloud.

use crate::options::Options;
use crate::resource::{Address, Desired, Live, Owner};

/// Why a stack cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    /// Something of that name is there, and is not ours.
    #[error(
        "{address}: {id} exists and {whose}; give yours another `name`, say `existing = true` to use it as it is{or}"
    )]
    NotOurs {
        /// The resource.
        address: Address,
        /// What the cloud calls it.
        id: String,
        /// Whose it is.
        whose: String,
        /// What else can be done.
        or: String,
    },
    /// What was to be adopted is not there.
    #[error("{address}: there is no {id} to adopt")]
    NothingToAdopt {
        /// The resource.
        address: Address,
        /// What the cloud would call it.
        id: String,
    },
    /// What the file says exists does not.
    #[error("{address}: `existing = true`, but there is no {id}")]
    Missing {
        /// The resource.
        address: Address,
        /// What the cloud would call it.
        id: String,
    },
}

/// What stands against a wish, as it is there or is not.
pub(crate) fn conflict(want: &Desired, live: Option<&Live>, asked: &Options) -> Option<Conflict> {
    let (address, id) = (want.address.clone(), want.id.clone());
    let (whose, or) = match (want.existing, live.map(|live| &live.owner)) {
        (true, None) => return Some(Conflict::Missing { address, id }),
        (false, None) if asked.names(&want.address) => return Some(Conflict::NothingToAdopt { address, id }),
        (true, Some(_)) | (false, None | Some(Owner::Ours)) => return None,
        (false, Some(Owner::Nobody)) if asked.adopts(&want.address) => return None,
        (false, Some(Owner::Stack(other))) => (
            format!("belongs to the stack `{other}`"),
            format!(", or, if that is this stack's former name, see `provision rename {other} NEW`"),
        ),
        (false, Some(Owner::Nobody)) => {
            ("is not managed by this stack".to_owned(), format!(", or take it over with `--adopt {address}`"))
        }
    };
    Some(Conflict::NotOurs { address, id, whose, or })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(want: &Desired, live: Option<&Live>) -> Option<Conflict> {
        conflict(want, live, &Options::default())
    }

    #[test]
    fn what_is_not_ours_is_never_touched() {
        for (owner, words) in [(Owner::Nobody, "not managed"), (Owner::Stack("b".into()), "the stack `b`")] {
            let theirs = Live { owner, ..Live::for_test("thing", "a", json!({})) };
            let told = of(&Desired::for_test("thing", "a", json!({})), Some(&theirs)).expect("a conflict");
            assert!(told.to_string().contains(words), "{told}");
        }
    }

    #[test]
    fn what_exists_without_the_stack_may_be_anybodys_and_must_be_there() {
        let want = Desired { existing: true, ..Desired::for_test("thing", "a", json!({"size": 1})) };
        let theirs = Live { owner: Owner::Nobody, ..Live::for_test("thing", "a", json!({"size": 2})) };
        assert_eq!(of(&want, Some(&theirs)), None);
        assert!(matches!(of(&want, None), Some(Conflict::Missing { .. })));
    }
}
