//! What an hour costs, as text and as data. Pure: nothing printed.

use std::fmt::Write as _;

use serde::{Serialize as _, Serializer};
use serde_json::{Value, json};

use crate::cost::{Amount, CostChange, Hourly};
use crate::prices::{Dollars, prices};

/// What the figures leave out.
const WITHOUT: &str = "without disks, traffic and storage";

/// `$0.13/h`; of what is not known whole, the least that it is.
pub(super) fn amount(amount: &Amount) -> String {
    match (amount.is_whole(), amount.dollars) {
        (true, dollars) => format!("{}/h", Dollars(dollars)),
        (false, 0.0) => "unknown".to_owned(),
        (false, dollars) => format!("at least {}/h", Dollars(dollars)),
    }
}

/// `idle $0.13/h, at max_nodes $0.40/h`.
pub(super) fn hourly(hourly: &Hourly) -> String {
    format!("idle {}, at max_nodes {}", amount(&hourly.idle), amount(&hourly.at_max_nodes))
}

/// What a plan does to the bill, in a line, with a second one for what is unknown; none if nothing is
/// billed by the hour, before or after.
pub(super) fn change(change: &CostChange) -> Option<String> {
    let CostChange { before, after } = change;
    if before.is_nothing() && after.is_nothing() {
        return None;
    }
    let said = if before == after {
        format!("as before, {}", hourly(after))
    } else if after.is_nothing() {
        let most = amount(&before.at_max_nodes);
        format!("{} ends (at max_nodes {most})", amount(&before.idle))
    } else {
        let arrow = |before: &Amount, after: &Amount| match before == after {
            true => amount(after),
            false => format!("{} → {}", amount(before), amount(after)),
        };
        let idle = arrow(&before.idle, &after.idle);
        format!("idle {idle}, at max_nodes {}", arrow(&before.at_max_nodes, &after.at_max_nodes))
    };
    let mut text = format!("cost: {said}; list prices of {}, {WITHOUT}", prices().date);
    if let Some(unknown) = unknown([before, after]) {
        text.push_str("\n  ");
        text.push_str(&unknown);
    }
    Some(text)
}

/// What a stack costs, with the prices' date and source.
pub(super) fn standing(cost: &Hourly) -> String {
    match left_out([cost]) {
        Some(left_out) => format!("cost: {}\n{left_out}", hourly(cost)),
        None => "cost: nothing by the hour\n".to_owned(),
    }
}

/// Where figures come from and what they lack; none where nothing is billed.
pub(super) fn left_out<'a>(all: impl IntoIterator<Item = &'a Hourly>) -> Option<String> {
    let all: Vec<&Hourly> = all.into_iter().filter(|hourly| !hourly.is_nothing()).collect();
    if all.is_empty() {
        return None;
    }
    let (date, source) = (&prices().date, &prices().source);
    let mut text = format!("  list prices of {date} ({source}), {WITHOUT}\n");
    if let Some(unknown) = unknown(all) {
        let _ = writeln!(text, "  {unknown}");
    }
    Some(text)
}

/// What the figures lack, each thing once.
fn unknown<'a>(all: impl IntoIterator<Item = &'a Hourly>) -> Option<String> {
    let lacks = |hourly: &'a Hourly| hourly.idle.without.iter().chain(&hourly.at_max_nodes.without);
    let mut named: Vec<&str> = all.into_iter().flat_map(lacks).map(String::as_str).collect();
    named.sort_unstable();
    named.dedup();
    (!named.is_empty()).then(|| format!("unknown: {}", named.join(", ")))
}

/// A plan's cost as data.
pub(super) fn change_json(change: &CostChange) -> Value {
    json!({ "before": hour_json(&change.before), "after": hour_json(&change.after), "prices": source_json() })
}

/// A stack's cost as data, with where the prices are from.
pub(crate) fn cost_as_data<S: Serializer>(cost: &Hourly, serializer: S) -> Result<S::Ok, S::Error> {
    let mut value = hour_json(cost);
    value["prices"] = source_json();
    value.serialize(serializer)
}

/// US dollars an hour; what an amount is `without` is unknown.
fn hour_json(hourly: &Hourly) -> Value {
    let amount = |amount: &Amount| {
        // As many digits as an amount of a cent's hundredth has.
        let dollars = (amount.dollars * 1e6).round() / 1e6;
        json!({ "dollars_per_hour": dollars, "unknown": amount.without })
    };
    json!({ "idle": amount(&hourly.idle), "at_max_nodes": amount(&hourly.at_max_nodes) })
}

fn source_json() -> Value {
    json!({ "date": prices().date, "source": prices().source, "left_out": ["disks", "traffic", "storage"] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(idle: f64, most: f64) -> Hourly {
        let amount = |dollars| Amount { dollars, without: Vec::new() };
        Hourly { idle: amount(idle), at_max_nodes: amount(most) }
    }

    fn told(before: Hourly, after: Hourly) -> String {
        change(&CostChange { before, after }).unwrap_or_default()
    }

    #[test]
    fn a_change_of_the_bill_is_one_line() {
        insta::assert_snapshot!(told(whole(0.0, 0.0), whole(0.1335, 0.4)), @"cost: idle $0/h → $0.13/h, at max_nodes $0/h → $0.40/h; list prices of 2025-03-06, without disks, traffic and storage");
        insta::assert_snapshot!(told(whole(0.1335, 0.4), whole(0.1335, 0.7)), @"cost: idle $0.13/h, at max_nodes $0.40/h → $0.70/h; list prices of 2025-03-06, without disks, traffic and storage");
        insta::assert_snapshot!(told(whole(0.1335, 0.4), whole(0.0, 0.0)), @"cost: $0.13/h ends (at max_nodes $0.40/h); list prices of 2025-03-06, without disks, traffic and storage");
        insta::assert_snapshot!(told(whole(0.1335, 0.4), whole(0.1335, 0.4)), @"cost: as before, idle $0.13/h, at max_nodes $0.40/h; list prices of 2025-03-06, without disks, traffic and storage");
        assert_eq!(told(whole(0.0, 0.0), whole(0.0, 0.0)), "");
    }

    #[test]
    fn what_is_unknown_is_said_and_named_once() {
        let mut odd = whole(0.1, 0.1);
        let name = "node_pool.main/odd (no price of z9-strange-2 in us-central1)".to_owned();
        odd.idle.without.push(name.clone());
        odd.at_max_nodes.without.push(name.clone());
        insta::assert_snapshot!(told(whole(0.1, 0.1), odd), @"
        cost: idle $0.10/h → at least $0.10/h, at max_nodes $0.10/h → at least $0.10/h; list prices of 2025-03-06, without disks, traffic and storage
          unknown: node_pool.main/odd (no price of z9-strange-2 in us-central1)
        ");
        let nothing = Amount { dollars: 0.0, without: vec![name] };
        assert_eq!(amount(&nothing), "unknown");
    }
}
