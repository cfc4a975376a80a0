//! What a stack's clusters and machines cost by the hour, at list prices. Disks, traffic and storage
//! are not in it; what has no price in the list is named, and never guessed. Knows no cloud.

use serde_json::Value;

use crate::change::{Action, Change};
use crate::full_name::region;
use crate::observe::Observed;
use crate::prices::{count, prices};
use crate::resource::{Address, Desired};

/// Something that is billed by the hour for as long as it is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Billed {
    /// What a figure that does not hold it is said to lack.
    name: String,
    /// What the cloud calls it, in full.
    id: String,
    what: What,
}

/// A pool of alike machines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machines {
    /// Compute Engine machine type.
    pub machine_type: String,
    /// Whether they are Spot machines.
    pub spot: bool,
    /// Fewest and most that there may be.
    pub between: (u32, u32),
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Cluster,
    Machines(Machines),
    /// The caller may not look at it.
    Unseen,
}

/// An amount of US dollars, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Amount {
    /// What is known of it.
    pub dollars: f64,
    /// What is not in it, with the reason.
    pub without: Vec<String>,
}

/// What an hour costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hourly {
    /// While nothing runs: every pool at its fewest nodes.
    pub idle: Amount,
    /// With every pool at its most nodes.
    pub at_max_nodes: Amount,
}

/// What an hour costs before and after the changes of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CostChange {
    /// As things are.
    pub before: Hourly,
    /// When all changes are made.
    pub after: Hourly,
}

impl Billed {
    /// A cluster, by its full name.
    pub(crate) fn cluster(name: String, id: String) -> Self {
        Self { name, id, what: What::Cluster }
    }

    /// A pool of a cluster, by its full name.
    pub(crate) fn machines(name: String, id: String, machines: Machines) -> Self {
        Self { name, id, what: What::Machines(machines) }
    }

    /// A resource, if it is billed by the hour.
    fn of(address: &Address, id: &str, fields: &Value) -> Option<Self> {
        let whole = |field: &str| {
            let count = fields[field].as_u64().unwrap_or_default();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let what = match address.kind {
            "cluster" => What::Cluster,
            "node_pool" => What::Machines(Machines {
                machine_type: fields["machine_type"].as_str().unwrap_or_default().to_owned(),
                spot: fields["spot"].as_bool().unwrap_or_default(),
                between: (whole("min_nodes"), whole("max_nodes")),
            }),
            _ => return None,
        };
        Some(Self { name: address.to_string(), id: id.to_owned(), what })
    }

    fn unseen(want: &Desired) -> Option<Self> {
        let is_billed = matches!(want.address.kind, "cluster" | "node_pool");
        is_billed.then(|| Self { name: want.address.to_string(), id: want.id.clone(), what: What::Unseen })
    }

    /// What so many nodes cost, of what has nodes; or why that is not known.
    fn hour(&self, nodes: impl Fn((u32, u32)) -> u32) -> Result<f64, String> {
        let machines = match &self.what {
            What::Cluster => return Ok(prices().cluster_hour),
            What::Unseen => return Err("these credentials may not look at it".to_owned()),
            What::Machines(machines) => machines,
        };
        let Machines { machine_type, spot, between } = machines;
        let (region, nodes) = (region(&self.id), nodes(*between));
        match prices().node_hour(region, machine_type, *spot) {
            // Nothing of it costs nothing, whatever its price.
            _ if nodes == 0 => Ok(0.0),
            Some(hour) => Ok(hour * count(nodes.into())),
            None => Err(format!("no price of {machine_type} in {region}")),
        }
    }
}

impl Amount {
    /// Whether all of it is known.
    pub(crate) fn is_whole(&self) -> bool {
        self.without.is_empty()
    }

    fn add(&mut self, name: &str, hour: Result<f64, String>) {
        match hour {
            Ok(dollars) => self.dollars += dollars,
            Err(why) => self.without.push(format!("{name} ({why})")),
        }
    }
}

impl Hourly {
    /// What all of these cost together.
    pub(crate) fn of<'a>(all: impl IntoIterator<Item = &'a Billed>) -> Self {
        let mut sum = Self::default();
        for one in all {
            sum.idle.add(&one.name, one.hour(|(least, _)| least));
            sum.at_max_nodes.add(&one.name, one.hour(|(_, most)| most));
        }
        sum
    }

    /// Whether it is certain that nothing is billed.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What of a stack is billed at present. What exists without the stack is not the stack's.
pub(crate) fn billed(desired: &[Desired], observed: &Observed) -> Vec<Billed> {
    let wanted = observed.pairs.iter().filter(|pair| !pair.want.existing);
    let wanted = wanted.filter_map(|pair| pair.live.as_ref());
    let live = wanted.chain(&observed.unwanted);
    let live = live.filter_map(|live| Billed::of(&live.address, &live.id, &live.fields));
    let is_unseen = |want: &&Desired| !observed.pairs.iter().any(|pair| pair.want.address == want.address);
    live.chain(desired.iter().filter(is_unseen).filter_map(Billed::unseen)).collect()
}

/// What changes make of what is billed.
pub(crate) fn change(billed: &[Billed], changes: &[Change]) -> CostChange {
    let mut after = billed.to_vec();
    for change in changes {
        let goes = matches!(change.action, Action::Delete | Action::Replace);
        if let Some(live) = change.live.as_ref().filter(|_| goes) {
            // A cluster takes its pools along.
            let inside = format!("{}/", live.id);
            after.retain(|one| one.id != live.id && !one.id.starts_with(&inside));
        }
    }
    for want in changes.iter().filter_map(|change| change.desired.as_ref()) {
        if let Some(new) = Billed::of(&want.address, &want.id, &want.fields) {
            after.retain(|one| one.id != new.id);
            after.push(new);
        }
    }
    CostChange { before: Hourly::of(billed), after: Hourly::of(&after) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Live;

    const CLUSTER: &str = "projects/p/locations/us-central1-a/clusters/fx";

    fn pool(name: &str, machine_type: &str, spot: bool, between: (u32, u32)) -> Billed {
        let machines = Machines { machine_type: machine_type.into(), spot, between };
        Billed::machines(format!("node_pool.main/{name}"), format!("{CLUSTER}/nodePools/{name}"), machines)
    }

    fn cluster() -> Billed {
        Billed::cluster("cluster.main".into(), CLUSTER.into())
    }

    fn rounded(hourly: &Hourly) -> [String; 2] {
        [&hourly.idle, &hourly.at_max_nodes].map(|amount| format!("{:.3}", amount.dollars))
    }

    fn one(action: Action, kind: &'static str, key: &str, id: &str, fields: Value) -> Change {
        let desired = Desired { id: id.into(), ..Desired::for_test(kind, key, fields.clone()) };
        let live = Live { id: id.into(), ..Live::for_test(kind, key, fields) };
        Change::for_test(action, desired, live)
    }

    #[test]
    fn a_pool_costs_its_fewest_nodes_when_idle_and_its_most_at_most() {
        let all = [
            cluster(),
            pool("steady", "e2-medium", false, (1, 1)),
            pool("w", "e2-standard-2", true, (0, 10)),
        ];
        assert_eq!(rounded(&Hourly::of(&all)), ["0.134", "0.401"].map(String::from));
    }

    #[test]
    fn what_has_no_price_is_named_and_only_where_it_counts() {
        let hourly = Hourly::of(&[cluster(), pool("odd", "z9-strange-2", true, (0, 3))]);
        assert!(hourly.idle.is_whole());
        let named = ["node_pool.main/odd (no price of z9-strange-2 in us-central1)"];
        assert_eq!(hourly.at_max_nodes.without, named);
        assert_eq!(rounded(&hourly), ["0.100", "0.100"]);
    }

    #[test]
    fn a_resize_changes_the_most_and_the_end_of_a_cluster_ends_its_pools() {
        let billed = [cluster(), pool("w", "e2-standard-2", true, (0, 10))];
        let fields = json!({"machine_type": "e2-standard-2", "spot": true, "min_nodes": 0, "max_nodes": 20});
        let id = format!("{CLUSTER}/nodePools/w");
        let resize = one(Action::Update, "node_pool", "main/w", &id, fields);
        let resized = change(&billed, &[resize]);
        assert_eq!(
            (rounded(&resized.before), rounded(&resized.after)),
            (["0.100", "0.368"].map(String::from), ["0.100", "0.636"].map(String::from))
        );
        let end = one(Action::Delete, "cluster", "main", CLUSTER, json!({}));
        assert!(change(&billed, &[end]).after.is_nothing());
    }

    #[test]
    fn what_is_replaced_is_billed_once() {
        let billed = [pool("w", "e2-standard-2", false, (1, 1))];
        let fields = json!({"machine_type": "e2-standard-2", "spot": true, "min_nodes": 1, "max_nodes": 1});
        let id = format!("{CLUSTER}/nodePools/w");
        let replaced = change(&billed, &[one(Action::Replace, "node_pool", "main/w", &id, fields)]);
        assert_eq!(
            (rounded(&replaced.before), rounded(&replaced.after)),
            (["0.067", "0.067"].map(String::from), ["0.027", "0.027"].map(String::from))
        );
    }
}
