//! How long a run may go on for its money: the bound on its cost becomes one on its time, which its
//! Job keeps (`activeDeadlineSeconds`) even while nobody watches. Pure.

use anyhow::{Context as _, Result, bail};
use contract::{Fleet, RunRecord};

use crate::prices::{Dollars, prices};

/// Seconds in which so many machines of a fleet cost at most `dollars`, all of them from the first
/// moment on. An error where the price is not known.
pub(super) fn seconds(dollars: f64, fleet: &Fleet, nodes: u32) -> Result<u64> {
    let Fleet { machine_type, region, spot, .. } = fleet;
    let hour = prices().node_hour(region, machine_type, *spot).with_context(|| {
        format!(
            "--max-cost: no price of a `{machine_type}` in {region} is known here, so what the run costs \
             cannot be bounded; use --max-run-time"
        )
    })?;
    let all = hour * f64::from(nodes.max(1));
    let seconds = (dollars / all * 3600.0).floor();
    if seconds < 60.0 {
        bail!(
            "--max-cost: {nodes} machines cost about {} a minute, more than {}; allow more, or fewer workers",
            Dollars(all / 60.0),
            Dollars(dollars)
        );
    }
    // A hundred years are enough.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "60 to 3.2e9")]
    Ok(seconds.min(3_153_600_000.0) as u64)
}

/// Most machines that a run's workers can be on.
pub(super) fn nodes(fleet: &Fleet, workers: u32) -> u32 {
    fleet.nodes.min(workers).max(1)
}

/// Why a run is closed whose time is up.
pub(super) fn reason(record: &RunRecord) -> String {
    let longest = record.max_run_time_seconds;
    let by_cost = record.max_cost.zip(record.fleet.as_ref()).and_then(|(dollars, fleet)| {
        let nodes = nodes(fleet, record.workers);
        let is_it = seconds(dollars, fleet, nodes).ok()? <= longest;
        is_it.then(|| {
            format!(
                "max_cost ({}) is reached: {nodes} machines cost that in {longest} s, by list prices of {}",
                Dollars(dollars),
                prices().date
            )
        })
    });
    by_cost.unwrap_or_else(|| format!("max_run_time ({longest} s) is over"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(region: &str) -> Fleet {
        let machine_type = "e2-standard-2".to_owned();
        Fleet { machine_type, spot: true, region: region.into(), nodes: 10, concurrency: 1 }
    }

    #[test]
    fn money_becomes_time_at_the_price_of_all_machines() {
        // Ten machines at $0.026792 an hour.
        assert_eq!(seconds(0.267_92, &fleet("us-central1"), 10).ok(), Some(3600));
        assert_eq!(seconds(0.267_92, &fleet("us-central1"), 5).ok(), Some(7200));
        assert_eq!(nodes(&fleet("us-central1"), 3), 3);
    }

    #[test]
    fn what_cannot_be_bounded_is_refused_with_the_reason() {
        let refused = seconds(5.0, &fleet("mars-north1"), 1).expect_err("no price").to_string();
        assert!(refused.starts_with("--max-cost: no price of a `e2-standard-2` in mars-north1"), "{refused}");
        let refused = seconds(0.000_1, &fleet("us-central1"), 10).expect_err("too little").to_string();
        insta::assert_snapshot!(refused, @"--max-cost: 10 machines cost about $0.0045 a minute, more than $0.00010; allow more, or fewer workers");
    }
}
