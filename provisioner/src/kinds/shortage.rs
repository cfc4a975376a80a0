//! What Google says when machines can't be had, in words that name it and say what to do. Pure.

use anyhow::{Error, anyhow};

use crate::cloud::errors::Advised;

/// What tells a stock-out, and what a quota that is reached.
const STOCK_OUT: [&str; 3] =
    ["GCE_STOCKOUT", "ZONE_RESOURCE_POOL_EXHAUSTED", "does not have enough resources available"];
const QUOTA: [&str; 2] = ["GCE_QUOTA_EXCEEDED", "Insufficient quota"];

/// An error of GKE's, named and with advice if it is about machines.
pub(super) fn told(said: &str) -> Error {
    of(said).map_or_else(|| anyhow!("{said}"), Error::from)
}

/// The shortage of machines that GKE tells of, if it does.
pub(super) fn of(said: &str) -> Option<Advised> {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let place = zone(said).map(|zone| format!(" in {zone}")).unwrap_or_default();
    if says(&STOCK_OUT) {
        let hint = "Google has no such machines there now and goes on trying: run the same command again later, or give the pool another `machine_type`, or the stack another `zone`";
        return Some(Advised { message: format!("stock-out{place}: {said}"), hint: hint.to_owned() });
    }
    says(&QUOTA).then(|| {
        let hint =
            "ask for more quota in the project's IAM & Admin > Quotas, or take fewer or smaller machines";
        Advised { message: format!("quota reached{place}: {said}"), hint: hint.to_owned() }
    })
}

/// The zone that a message names: `'projects/p/zones/europe-west1-b'`.
fn zone(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("zones/")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    Some(&rest[..end]).filter(|zone| !zone.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_machines_are_named_with_their_zone() {
        let said =
            "[ZONE_RESOURCE_POOL_EXHAUSTED]: The zone 'projects/p/zones/us-east1-c' does not have enough";
        assert_eq!(of(said).expect("a stock-out").to_string(), format!("stock-out in us-east1-c: {said}"));
        let said = "[GCE_QUOTA_EXCEEDED]: Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west1.";
        assert_eq!(of(said).expect("a quota").to_string(), format!("quota reached: {said}"));
        assert!(of("Internal error.").is_none());
        assert_eq!(told("Internal error.").to_string(), "Internal error.");
    }
}
