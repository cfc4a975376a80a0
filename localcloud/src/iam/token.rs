//! Access tokens: random text that says nothing, and whom each was given to until when. They are
//! kept in memory only: whoever held one does not outlive the local cloud.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use super::caller::Caller;

/// How long a token holds.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// A token that ends sooner is not handed out again: clients would fetch another at once.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// The prefix of Google's, by which secret scanners know them.
const PREFIX: &str = "ya29.local-";

/// All tokens that were given out.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Held>>);

struct Held {
    caller: Caller,
    /// The metadata server that gave it out, if one did: its pod's.
    by: Option<u64>,
    until: Timestamp,
}

/// A token and its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) until: Timestamp,
}

impl Tokens {
    /// A token of `caller` for the pod of `by`: the one that it has, or another.
    pub(super) fn give(&self, caller: &Caller, by: u64, now: Timestamp) -> Token {
        let mut tokens = self.tokens();
        tokens.retain(|_, held| now < held.until);
        let fresh = now.saturating_add(FRESH).unwrap_or(now);
        let has = |held: &Held| held.by == Some(by) && held.caller == *caller && held.until > fresh;
        if let Some((text, held)) = tokens.iter().find(|(_, held)| has(held)) {
            return Token { text: text.clone(), until: held.until };
        }
        drop(tokens);
        self.make(caller, Some(by), now, LIFETIME)
    }

    /// A new token.
    pub(super) fn make(
        &self,
        caller: &Caller,
        by: Option<u64>,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Token {
        let text = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let until = now.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        self.tokens().insert(text.clone(), Held { caller: caller.clone(), by, until });
        Token { text, until }
    }

    /// Who holds a token that has not ended.
    pub(super) fn holder(&self, token: &str, now: Timestamp) -> Option<Caller> {
        let tokens = self.tokens();
        tokens.get(token).filter(|held| now < held.until).map(|held| held.caller.clone())
    }

    /// Ends all tokens of a pod.
    pub(super) fn end(&self, by: u64) {
        self.tokens().retain(|_, held| held.by != Some(by));
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        // Changes are single insertions and removals: a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_an_hour_and_is_given_again_until_shortly_before() {
        let tokens = Tokens::default();
        let caller = Caller::Account { email: "w@fx-dev.iam.gserviceaccount.com".into(), unique_id: None };
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let first = tokens.give(&caller, 1, at(0));
        assert_eq!(tokens.give(&caller, 1, at(50)), first);
        assert_ne!(tokens.give(&caller, 2, at(50)).text, first.text, "each pod has its own");
        assert_ne!(tokens.give(&caller, 1, at(56)).text, first.text);
        assert_eq!(tokens.holder(&first.text, at(59)), Some(caller.clone()));
        assert_eq!(tokens.holder(&first.text, at(60)), None);
        assert_eq!(tokens.holder("ya29.wrong", at(0)), None);
    }

    #[test]
    fn a_pods_tokens_end_with_it() {
        let tokens = Tokens::default();
        let first = tokens.give(&Caller::Owner, 1, Timestamp::UNIX_EPOCH);
        let other = tokens.give(&Caller::Owner, 2, Timestamp::UNIX_EPOCH);
        tokens.end(1);
        assert_eq!(tokens.holder(&first.text, Timestamp::UNIX_EPOCH), None);
        assert_eq!(tokens.holder(&other.text, Timestamp::UNIX_EPOCH), Some(Caller::Owner));
    }
}
