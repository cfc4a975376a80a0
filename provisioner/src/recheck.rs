//! Whether a change still is what was shown, told right before its write by what is there now. Knows
//! nothing of clouds.

use std::fmt;

use crate::change::{Action, Change};
use crate::compare::{FieldChange, differences, is_unknown};
use crate::fingerprint::Fingerprint;
use crate::resource::{Live, Owner};

/// What a fresh look says of a change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It is as it was shown.
    GoOn,
    /// Somebody, perhaps ourselves, has done it already.
    Done,
    /// It is not what was shown any more.
    Stale(Stale),
}

/// A change that is not made, because what it was decided on has moved.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{moved}")]
pub(crate) struct Stale {
    /// What happened.
    pub moved: Moved,
    /// What the stack would change now.
    pub now: Vec<FieldChange>,
}

/// What happened to a resource after its change was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Fields that count are not as they were.
    Changed,
    /// It is not there any more.
    Gone,
    /// Another one of the same name is there.
    Anew,
    /// Somebody made it, and not as the stack wants it.
    Appeared,
    /// It is not the stack's any more.
    Taken,
    /// It holds something that the plan did not show.
    Filled(String),
    /// Somebody else wrote it when we did.
    Overwritten,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("changed since the plan"),
            Self::Gone => f.write_str("deleted since the plan"),
            Self::Anew => f.write_str("deleted and made anew since the plan"),
            Self::Appeared => f.write_str("made by somebody else since the plan, differently"),
            Self::Taken => f.write_str("not this stack's any more"),
            Self::Filled(what) => write!(f, "holds {what} now, which the plan did not show"),
            Self::Overwritten => f.write_str("overwritten by somebody else at the same time"),
        }
    }
}

/// Compares a change with what is there. `tried` says that this process may have written already:
/// then what is as wanted is its own work.
pub(crate) fn recheck(change: &Change, fresh: Option<&Live>, tried: bool) -> Verdict {
    let stale = |moved| Verdict::Stale(Stale { moved, now: now(change, fresh) });
    match (change.action, fresh) {
        (Action::Create, Some(live)) => compare(change, live),
        // What is gone is gone; a deletion that is under way is still waited for.
        (Action::Create | Action::Delete, None) => Verdict::GoOn,
        (Action::Release | Action::Rename, None) => Verdict::Done,
        (Action::Rename, Some(live)) => match change.live.as_ref().map(|then| &then.owner) {
            _ if live.owner == Owner::Ours => Verdict::Done,
            // Whatever else has moved is not what is written.
            Some(then) if *then == live.owner => Verdict::GoOn,
            _ => stale(Moved::Taken),
        },
        (Action::Release, Some(live)) if tried && live.owner == Owner::Nobody => Verdict::Done,
        (Action::Replace, None) if tried => Verdict::GoOn,
        // That it was there was not seen either.
        (Action::Update, None) if change.fields.iter().all(|field| is_unknown(&field.before)) => {
            Verdict::GoOn
        }
        (Action::Update | Action::Replace, None) => stale(Moved::Gone),
        (_, Some(live)) if tried && is_as_wanted(change, live) => Verdict::Done,
        (_, Some(live)) => match moved(change, live, tried) {
            None => Verdict::GoOn,
            // Both wanted the same.
            Some(Moved::Changed | Moved::Anew) if is_as_wanted(change, live) => Verdict::Done,
            Some(how) => stale(how),
        },
    }
}

/// What a creation makes of a thing that is there, before it writes over it or after it was refused: it
/// goes on only where it cannot see whether the thing is as wanted.
pub(crate) fn compare(change: &Change, live: &Live) -> Verdict {
    let stale = |moved| Verdict::Stale(Stale { moved, now: now(change, Some(live)) });
    match &live.owner {
        Owner::Ours if now(change, Some(live)).is_empty() => Verdict::Done,
        Owner::Ours if now(change, Some(live)).iter().all(|field| is_unknown(&field.before)) => Verdict::GoOn,
        Owner::Ours => stale(Moved::Appeared),
        _ => stale(Moved::Taken),
    }
}

fn moved(change: &Change, live: &Live, tried: bool) -> Option<Moved> {
    let seen = change.seen.as_ref()?;
    let fresh = as_far_as_seen(change, live);
    let fresh = Fingerprint::of(change.desired.as_ref().map(|want| &want.fields), &fresh);
    match &fresh.holds {
        Some(what) if seen.holds.is_none() && change.is_destructive() => {
            return Some(Moved::Filled(what.clone()));
        }
        _ => {}
    }
    if seen.identity.is_some() && fresh.identity != seen.identity {
        return Some(Moved::Anew);
    }
    if fresh.read == seen.read || tried && is_on_the_way(change, live) {
        return None;
    }
    Some(if live.owner == Owner::Ours { Moved::Changed } else { Moved::Taken })
}

/// What could not be seen whole, when the change was planned or now, is taken to be as it was planned from:
/// whoever plans may be allowed less than whoever applies.
fn as_far_as_seen(change: &Change, live: &Live) -> Live {
    let mut live = live.clone();
    for field in &change.fields {
        if let Some(now) = live.fields.get_mut(&field.path)
            && (is_unknown(now) || is_unknown(&field.before))
        {
            now.clone_from(&field.before);
        }
    }
    live
}

fn is_as_wanted(change: &Change, live: &Live) -> bool {
    change.desired.is_some() && live.owner == Owner::Ours && now(change, Some(live)).is_empty()
}

/// Whether every field is as it was planned from, or as it is wanted: a first try may have come half
/// the way.
fn is_on_the_way(change: &Change, live: &Live) -> bool {
    live.owner == Owner::Ours && now(change, Some(live)).iter().all(|field| change.fields.contains(field))
}

/// What the stack would change now.
fn now(change: &Change, fresh: Option<&Live>) -> Vec<FieldChange> {
    match (&change.desired, fresh) {
        (Some(want), Some(live)) => differences(&want.fields, &live.fields),
        _ => Vec::new(),
    }
}

/// What a look after a write says that the service did under no condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kept {
    /// It is as we wrote it.
    Ours,
    /// It looks as if nothing had been written: perhaps an old answer.
    NotYet,
    /// Somebody else's write came after ours.
    Lost(Stale),
}

/// Compares what was written with what is there.
pub(crate) fn read_back(change: &Change, fresh: Option<&Live>) -> Kept {
    let lost = |moved| Kept::Lost(Stale { moved, now: now(change, fresh) });
    let Some(live) = fresh else {
        return if change.action == Action::Create { Kept::NotYet } else { lost(Moved::Gone) };
    };
    let as_before = || {
        let then = change.seen.as_ref().map(|seen| &seen.read);
        let want = change.desired.as_ref().map(|want| &want.fields);
        then == Some(&Fingerprint::of(want, live).read)
    };
    match now(change, fresh) {
        // Of what cannot be seen there is no evidence against us.
        rest if rest.iter().all(|field| is_unknown(&field.before)) => Kept::Ours,
        _ if as_before() => Kept::NotYet,
        _ => lost(Moved::Overwritten),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resource::{Address, Desired};

    fn live(identity: &str, fields: Value) -> Live {
        Live::for_test("thing", "a", fields).identified(identity)
    }

    fn change(action: Action, want: Option<Value>, then: Option<&Live>) -> Change {
        let address = Address::new("thing", "a");
        let desired = want.map(|fields| Desired::for_test("thing", "a", fields));
        let want = desired.as_ref().map(|want| &want.fields);
        let seen = then.map(|live| Fingerprint::of(want, live));
        let fields = match (want, then) {
            (Some(want), Some(then)) => differences(want, &then.fields),
            _ => Vec::new(),
        };
        Change { address, action, reason: String::new(), fields, desired, live: then.cloned(), seen }
    }

    fn words(verdict: &Verdict) -> String {
        match verdict {
            Verdict::GoOn => "go on".into(),
            Verdict::Done => "done".into(),
            Verdict::Stale(stale) => {
                let fields = stale.now.iter().map(|f| format!("{}: {} → {}", f.path, f.before, f.after));
                std::iter::once(stale.to_string()).chain(fields).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn an_update_goes_on_only_from_the_state_that_was_shown() {
        let then = live("1", json!({"x": 0, "y": 0, "status": "old"}));
        let update = change(Action::Update, Some(json!({"x": 1, "y": 0})), Some(&then));
        let look = |live: &Live| words(&recheck(&update, Some(live), false));
        assert_eq!(look(&then), "go on");
        assert_eq!(look(&live("1", json!({"x": 0, "y": 0, "status": "new"}))), "go on");
        assert_eq!(look(&live("1", json!({"x": 1, "y": 0}))), "done");
        // Half of what another file says never mixes with ours.
        assert_eq!(look(&live("1", json!({"x": 0, "y": 1}))), "changed since the plan x: 0 → 1 y: 1 → 0");
        assert_eq!(look(&live("1", json!({"x": 1, "y": 1}))), "changed since the plan y: 1 → 0");
        assert_eq!(
            look(&live("2", json!({"x": 0, "y": 0}))),
            "deleted and made anew since the plan x: 0 → 1"
        );
        let taken = Live { owner: Owner::Stack("other".into()), ..then.clone() };
        assert_eq!(look(&taken), "not this stack's any more x: 0 → 1");
        assert_eq!(words(&recheck(&update, None, false)), "deleted since the plan");
    }

    #[test]
    fn what_could_not_be_seen_has_not_moved() {
        let standing = |value: &str| live("1", json!({ "value": value }));
        let dark = "unknown: may not be read";
        let want = Some(json!({ "value": "current" }));
        let update = |then: &str| change(Action::Update, want.clone(), Some(&standing(then)));
        let look = |then: &str, now: &str| words(&recheck(&update(then), Some(&standing(now)), false));
        assert_eq!(look(dark, "outdated"), "go on");
        assert_eq!(look(dark, "current"), "go on", "to write it again changes nothing");
        assert_eq!(look("outdated", dark), "go on");
        let taken = Live { owner: Owner::Nobody, ..standing("outdated") };
        assert_eq!(
            words(&recheck(&update(dark), Some(&taken), false)),
            "not this stack's any more value: \"outdated\" → \"current\""
        );
        assert_eq!(words(&recheck(&update(dark), None, false)), "go on", "it may never have been there");
        let create = change(Action::Create, want.clone(), None);
        assert_eq!(words(&recheck(&create, Some(&standing(dark)), false)), "go on");
        assert_eq!(read_back(&create, Some(&standing(dark))), Kept::Ours);
    }

    #[test]
    fn a_second_try_knows_its_own_first_one() {
        let then = live("1", json!({"x": 0, "y": 0}));
        let update = change(Action::Update, Some(json!({"x": 1, "y": 1})), Some(&then));
        let half = live("1", json!({"x": 1, "y": 0}));
        assert_eq!(words(&recheck(&update, Some(&half), true)), "go on");
        assert_eq!(words(&recheck(&update, Some(&half), false)), "changed since the plan y: 0 → 1");
        let theirs = live("1", json!({"x": 1, "y": 2}));
        assert_eq!(words(&recheck(&update, Some(&theirs), true)), "changed since the plan y: 2 → 1");
        let whole = live("1", json!({"x": 1, "y": 1}));
        assert_eq!(words(&recheck(&update, Some(&whole), true)), "done");
        let replace = change(Action::Replace, Some(json!({"x": 1})), Some(&then));
        assert_eq!(words(&recheck(&replace, None, true)), "go on");
        assert_eq!(words(&recheck(&replace, None, false)), "deleted since the plan");
        assert_eq!(words(&recheck(&replace, Some(&live("2", json!({"x": 1}))), true)), "done");
    }

    #[test]
    fn a_creation_that_finds_the_thing_there_compares() {
        let create = change(Action::Create, Some(json!({"x": 1})), None);
        let look = |live: Option<&Live>| words(&recheck(&create, live, true));
        assert_eq!(look(None), "go on");
        assert_eq!(look(Some(&live("1", json!({"x": 1, "server": 2})))), "done");
        assert_eq!(
            look(Some(&live("1", json!({"x": 2})))),
            "made by somebody else since the plan, differently x: 2 → 1"
        );
        let theirs = Live { owner: Owner::Nobody, ..live("1", json!({"x": 1})) };
        assert_eq!(look(Some(&theirs)), "not this stack's any more");
    }

    #[test]
    fn what_is_to_go_goes_only_as_it_was_shown() {
        let then = live("1", json!({"x": 0}));
        let delete = change(Action::Delete, None, Some(&then));
        let look = |live: Option<&Live>| words(&recheck(&delete, live, false));
        assert_eq!(look(Some(&then)), "go on");
        assert_eq!(look(None), "go on");
        assert_eq!(look(Some(&live("1", json!({"x": 1})))), "changed since the plan");
        assert_eq!(look(Some(&live("2", json!({"x": 0})))), "deleted and made anew since the plan");
        let filled = Live { holds: Some("3 objects".into()), ..then.clone() };
        assert_eq!(look(Some(&filled)), "holds 3 objects now, which the plan did not show");
        // More or fewer of what was shown is what was shown.
        let shown = change(Action::Delete, None, Some(&filled));
        let more = Live { holds: Some("4 objects".into()), ..then.clone() };
        assert_eq!(recheck(&shown, Some(&more), false), Verdict::GoOn);
        assert_eq!(recheck(&shown, Some(&then), false), Verdict::GoOn);
        // A change in place loses nothing.
        let update = change(Action::Update, Some(json!({"x": 1})), Some(&then));
        assert_eq!(recheck(&update, Some(&filled), false), Verdict::GoOn);
    }

    #[test]
    fn a_lost_race_is_told_from_an_old_answer() {
        let then = live("1", json!({"x": 0, "y": 0}));
        let update = change(Action::Update, Some(json!({"x": 1, "y": 0})), Some(&then));
        let look = |fields: Value| read_back(&update, Some(&live("1", fields)));
        assert_eq!(look(json!({"x": 1, "y": 0})), Kept::Ours);
        assert_eq!(look(json!({"x": 0, "y": 0})), Kept::NotYet);
        assert!(matches!(look(json!({"x": 2, "y": 0})), Kept::Lost(_)));
        assert!(matches!(look(json!({"x": 1, "y": 2})), Kept::Lost(_)));
        assert!(matches!(read_back(&update, None), Kept::Lost(_)));
        let create = change(Action::Create, Some(json!({"x": 1})), None);
        assert_eq!(read_back(&create, None), Kept::NotYet);
        assert!(matches!(read_back(&create, Some(&live("1", json!({"x": 2})))), Kept::Lost(_)));
    }
}
