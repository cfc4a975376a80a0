//! The errors, by the names that the local cloud has for them: which pass, and what is said to do about
//! those that do not.

use localcloud::calls::{Failure, Latency, Moment, Passed, What};
use std::time::Duration;

/// What comes of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Another try gets over it, whatever was called.
    Passes,
    /// Another try of a change gets over it; to a look it is an answer.
    PassesForChanges,
    /// It stops the change, with this to do.
    Lasts(&'static str),
    /// What it means depends on the call: it was gone, or there, already.
    Answers,
}

use Sort::{Answers, Lasts, Passes, PassesForChanges};

/// Where an error can come from: the beginning of a method's name.
const ANYWHERE: &str = "";
const GOOGLE: &str = "!kubernetes.";

const REFUSED: &str = "the service does not take this as it is";
const FORBIDDEN: &str = "`provision permissions apply` prints the roles";
const TOMORROW: &str = "run the same command again tomorrow";

/// Every error that has a name, whether it passes, and who answers it. FACTS, "Errors worth retrying",
/// as a table.
pub(super) const ALL: [(&str, Sort, &str); 27] = [
    ("cancelled", Lasts("run the same command again"), ANYWHERE),
    ("invalid-argument", Lasts(REFUSED), ANYWHERE),
    ("failed-precondition", Lasts(REFUSED), GOOGLE),
    ("unauthenticated", Lasts("these credentials are not accepted"), ANYWHERE),
    ("permission-denied", Lasts(FORBIDDEN), ANYWHERE),
    ("not-found", Answers, ANYWHERE),
    ("already-exists", Answers, ANYWHERE),
    ("aborted", PassesForChanges, ANYWHERE),
    ("precondition-failed", PassesForChanges, GOOGLE),
    ("resource-exhausted", Passes, ANYWHERE),
    ("internal", Passes, ANYWHERE),
    ("unimplemented", Lasts("an emulator may lack it"), ANYWHERE),
    ("bad-gateway", Passes, ANYWHERE),
    ("unavailable", Passes, ANYWHERE),
    ("deadline-exceeded", Passes, ANYWHERE),
    ("gke-upgrading", Passes, "container."),
    ("gke-being-updated", Passes, "container."),
    ("gke-quota", Passes, "container."),
    ("gke-etag", PassesForChanges, "container."),
    ("iam-does-not-exist", PassesForChanges, "*etIamPolicy"),
    ("iam-race", Passes, "*etIamPolicy"),
    ("pubsub-retry", Passes, "pubsub."),
    ("operation-in-progress", Passes, GOOGLE),
    ("resource-not-ready", Passes, GOOGLE),
    ("quota-per-minute", Passes, GOOGLE),
    ("concurrent-operations", Passes, GOOGLE),
    ("quota-per-day", Lasts(TOMORROW), GOOGLE),
];

/// Named, and told apart elsewhere: a service that is not enabled is enabled by the same apply.
pub(super) const ELSEWHERE: [&str; 1] = ["api-disabled"];

/// How a call fails.
#[derive(Clone, Debug)]
pub(super) struct Blow {
    /// For people.
    pub(super) name: String,
    pub(super) what: What,
    pub(super) moment: Moment,
    pub(super) sort: Sort,
}

/// Every way in which a call fails that another try gets over.
pub(super) fn passing(call: &Passed) -> Vec<Blow> {
    let mut blows = Vec::new();
    let is_fit = |sort| sort == Passes || sort == PassesForChanges && changes(&call.method);
    for (name, sort, _) in
        ALL.into_iter().filter(|(_, sort, by)| is_fit(*sort) && comes_from(by, &call.method))
    {
        blows.push(Blow { name: name.into(), what: fails(name), moment: Moment::Before, sort });
    }
    // Done, and the answer is lost.
    for name in ["unavailable", "internal"] {
        let what = fails(name);
        blows.push(Blow {
            name: format!("{name}, after the effect"),
            what,
            moment: Moment::After,
            sort: Passes,
        });
    }
    for moment in [Moment::Before, Moment::After] {
        blows.push(Blow { name: format!("cut off {moment:?}"), what: What::Drop, moment, sort: Passes });
    }
    let slow = What::Delay(Latency::Fixed(Duration::from_millis(700)));
    blows.push(Blow { name: "slow".into(), what: slow, moment: Moment::After, sort: Passes });
    blows
}

/// Every error that no other try gets over.
pub(super) fn lasting(method: &str) -> Vec<Blow> {
    // Google's client tries an upload again after whatever a server says of itself.
    let is_tried_again = |name: &str| name == "unimplemented" && method == "storage.objects.insert";
    let fit = ALL.into_iter().filter(|(name, sort, by)| {
        matches!(sort, Lasts(_) | Answers) && comes_from(by, method) && !is_tried_again(name)
    });
    fit.map(|(name, sort, _)| Blow { name: name.into(), what: fails(name), moment: Moment::Before, sort })
        .collect()
}

fn fails(name: &str) -> What {
    What::Fail(Failure::named(name).expect("a name of the local cloud's"))
}

fn comes_from(by: &str, method: &str) -> bool {
    match (by.strip_prefix('!'), by.strip_prefix('*')) {
        (Some(not), _) => !method.starts_with(not),
        (_, Some(end)) => method.ends_with(end),
        _ => method.starts_with(by),
    }
}

/// Whether a call changes something.
pub(super) fn changes(method: &str) -> bool {
    let looks = [".get", ".list", ".watch", ".getIamPolicy", ".testIamPermissions", ".discover"];
    !looks.iter().any(|look| method.ends_with(look))
}

#[test]
fn every_error_with_a_name_is_judged() {
    let mut named: Vec<&str> = Failure::names().collect();
    let mut judged: Vec<&str> = ALL.iter().map(|(name, ..)| *name).chain(ELSEWHERE).collect();
    named.sort_unstable();
    judged.sort_unstable();
    assert_eq!(named, judged);
}
