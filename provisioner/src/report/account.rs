//! What a run came to, as text.

use std::fmt::Write as _;

use contract::Outcome;

use super::counted;
use super::plain::plain;
use crate::prices::Dollars;
use crate::runs::{Account, Cost, Rejected};

/// What a run came to, for people.
pub(crate) fn account_text(account: &Account) -> String {
    let mut text = String::new();
    for (name, said) in rows(account) {
        let _ = writeln!(text, "  {name:<9} {said}");
    }
    let reason = account.reason.as_ref().map(|reason| format!("{}\n", reason.trim_end()));
    format!("{}\n{}{text}", headline(account), reason.unwrap_or_default())
}

/// A run in one line.
pub(super) fn headline(account: &Account) -> String {
    let Account { run, done, failed, items, seconds, .. } = account;
    let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
    format!("run {run}: {}; {done} of {items} done{failed} in {}", state(account.outcome), time(*seconds))
}

/// How a run stands, in a word or two.
pub(super) fn state(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "open",
        Some(Outcome::Done) => "done",
        Some(Outcome::Failed) => "ended with failed items",
        Some(Outcome::Cancelled) => "cancelled",
        Some(Outcome::TimedOut) => "ran out of time",
        Some(Outcome::Stalled) => "could not go on",
    }
}

/// Rows that were left out.
pub(super) fn rejected(Rejected { rows, items }: Rejected) -> String {
    format!("{} of {}", counted(rows, "row"), counted(items, "item"))
}

/// Every figure by its name.
pub(super) fn rows(account: &Account) -> Vec<(&'static str, String)> {
    let Account { attempts, nodes, took, preemptions, .. } = account;
    let least = match nodes.least_seconds {
        Some(least) => format!(", {} at least for the work done", time(least)),
        None => String::new(),
    };
    let longest = took.slowest.first().map(|(item, _)| format!(" ({})", plain(&item.0))).unwrap_or_default();
    let mut rows = vec![
        ("speed", format!("{:.2} items/s", account.items_per_second)),
        (
            "attempts",
            format!(
                "{} made, {} of them retries; {} failed, {} yielded, {} vanished, {} in flight",
                attempts.made,
                attempts.retries,
                attempts.failed,
                attempts.yielded,
                attempts.vanished,
                attempts.in_flight
            ),
        ),
        (
            "an item",
            format!("median {}, longest {}{longest}", time(took.median_seconds), time(took.longest_seconds)),
        ),
        (
            "time",
            format!(
                "{} of work on what is done; {} wasted, {} lost to redelivery, {} without a pod",
                time(took.item_seconds),
                time(account.wasted_item_seconds),
                time(account.redelivery_seconds),
                time(account.backoff_seconds)
            ),
        ),
        (
            "nodes",
            format!(
                "{} seen, {preemptions} preempted; in use for {}{least}",
                nodes.seen,
                time(nodes.seconds)
            ),
        ),
        ("cost", cost(&account.cost)),
    ];
    if account.rejected.rows > 0 {
        rows.insert(1, ("rejected", rejected(account.rejected)));
    }
    let Cost { prices_of, prices_from, cluster_hour, .. } = &account.cost;
    let fee = Dollars(*cluster_hour);
    rows.push((
        "prices",
        format!("an estimate: listed on {prices_of}, without disks, traffic and {fee} an hour for the cluster ({prices_from})"),
    ));
    rows
}

fn cost(cost: &Cost) -> String {
    let operations = format!("storage operations {}", Dollars(cost.operations));
    let unknown = cost.unknown.as_deref().unwrap_or("nothing tells");
    let Some(machines) = cost.machines else { return format!("machines unknown ({unknown}); {operations}") };
    let kind = cost.fleet.as_ref().map(|fleet| {
        format!(" ({}{} in {})", fleet.machine_type, if fleet.spot { " Spot" } else { "" }, fleet.region)
    });
    let kind = kind.unwrap_or_default();
    let each = cost.per_item.map(|each| format!("; {} an item", Dollars(each))).unwrap_or_default();
    format!(
        "about {}: machines {}{kind}, {operations}{each}",
        Dollars(machines + cost.operations),
        Dollars(machines)
    )
}

/// Seconds as people read them.
pub(super) fn time(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time that is not negative"
    )]
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::tests_of_accounts::{account, record};

    #[test]
    fn an_account_is_told_in_a_few_lines() {
        insta::assert_snapshot!(account_text(&account(record().fleet)), @r"
        run fx-19700101-000000-01234567: ended with failed items; 3 of 4 done, 1 failed in 96.0 s
          speed     0.03 items/s
          attempts  6 made, 2 of them retries; 2 failed, 0 yielded, 1 vanished, 0 in flight
          an item   median 10.0 s, longest 20.0 s (again)
          time      40.0 s of work on what is done; 13.0 s wasted, 16.0 s lost to redelivery, 10.0 s without a pod
          nodes     3 seen, 1 preempted; in use for 2 min 30 s, 20.0 s at least for the work done
          cost      about $0.0012: machines $0.0011 (e2-standard-2 Spot in us-central1), storage operations $0.000062; $0.00039 an item
          prices    an estimate: listed on 2025-03-06, without disks, traffic and $0.10 an hour for the cluster (Google's Cloud Billing Catalog, by way of Cyclenerd's google-cloud-pricing-cost-calculator)
        ");
    }

    #[test]
    fn times_are_told_as_people_read_them() {
        let told = [0.04, 119.9, 120.0, 3599.6, 7265.0].map(time);
        assert_eq!(told, ["0.0 s", "119.9 s", "2 min 0 s", "1 h 0 min", "2 h 1 min"]);
    }
}
