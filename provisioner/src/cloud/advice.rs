//! What to do about an error of a service, where that is known.

use anyhow::Error;

use super::errors::{self, Advised};
use super::evidence::{self, DAILY};

/// For what a status and a part of the text say, what to do: the first that fits.
const ADVICE: [(u16, &str, &str); 9] = [
    (
        403,
        DAILY,
        "a quota for a whole day is used up: ask for more in the project's IAM & Admin > Quotas, or run the same command again tomorrow",
    ),
    (
        429,
        DAILY,
        "a quota for a whole day is used up: ask for more in the project's IAM & Admin > Quotas, or run the same command again tomorrow",
    ),
    (
        403,
        errors::SERVICE_DISABLED,
        "enable the API that it names, or wait a few minutes if it was enabled just now",
    ),
    (403, "", "`provision permissions apply` prints the roles that the caller needs"),
    (
        401,
        "",
        "these credentials are not accepted: `gcloud auth application-default login` renews them, in CI look at what GOOGLE_APPLICATION_CREDENTIALS names",
    ),
    (
        400,
        "",
        "the service does not take this as it is: correct what the file says of it, and run the same command again",
    ),
    (404, "", "what it stands on is not there: `provision plan` shows what there is to do now"),
    (409, "", "something of that name is there already: `provision plan` shows what it is"),
    (501, "", "the service at this endpoint does not know the call: an emulator may lack it"),
];

/// What to do about an error, where that is known.
pub(crate) fn hint(error: &Error) -> Option<String> {
    if let Some(advised) = error.downcast_ref::<Advised>() {
        return Some(advised.hint.clone());
    }
    if evidence::is_worth_another_try(error) {
        return Some("it may pass: run the same command again later".to_owned());
    }
    let (status, said) = (errors::status(error)?, format!("{error:#}").to_lowercase());
    let known = ADVICE.iter().find(|(code, part, _)| *code == status && said.contains(part));
    Some(known.map_or("run the same command again", |(_, _, hint)| hint).to_owned())
}
