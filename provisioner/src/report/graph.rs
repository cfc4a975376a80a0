//! The graph of a stack's resources, as a Mermaid flowchart and as JSON. Pure: nothing printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::folded::{FOLDED, folder};
use crate::graph::waves;
use crate::resource::{Address, Desired};

/// The version of the JSON format.
const FORMAT_VERSION: u32 = 1;

/// A node of the drawing: a resource, or the files of one folder.
struct Drawn<'a> {
    label: String,
    wave: usize,
    implied: bool,
    existing: bool,
    members: Vec<&'a Desired>,
}

/// A flowchart: an arrow leads from what is made first to what waits for it, a dotted one from a
/// resource to what it implies and nothing else ties it to.
pub(crate) fn graph_mermaid(resources: &[Desired]) -> String {
    let drawn = drawn(resources);
    let at: BTreeMap<&Address, usize> = drawn
        .iter()
        .enumerate()
        .flat_map(|(i, node)| node.members.iter().map(move |member| (&member.address, i)))
        .collect();
    let mut text = String::from("flowchart LR\n");
    for (i, node) in drawn.iter().enumerate() {
        let class = match (node.existing, node.implied) {
            (true, _) => ":::existing",
            (false, true) => ":::implied",
            (false, false) => "",
        };
        let _ = writeln!(text, "  n{i}[\"{}\"]{class}", escaped(&node.label));
    }
    let mut arrows: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    for (to, node) in drawn.iter().enumerate() {
        for member in &node.members {
            let by = member.implied_by.iter().filter_map(|by| at.get(by));
            for &from in by {
                // What implies a resource often waits for it, too: then the other arrow says it.
                arrows.entry((from, to)).or_insert("-. implies .->");
            }
            for &from in member.needs.iter().filter_map(|need| at.get(need)) {
                arrows.insert((from, to), "-->");
            }
        }
    }
    for ((from, to), arrow) in arrows.iter().filter(|((from, to), _)| from != to) {
        let _ = writeln!(text, "  n{from} {arrow} n{to}");
    }
    text.push_str("  classDef implied stroke-dasharray: 4 3\n  classDef existing stroke-width: 3px\n");
    text
}

/// The resources in the order in which they can be made, the files of a folder together.
fn drawn(resources: &[Desired]) -> Vec<Drawn<'_>> {
    let waves = waves(resources);
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for folder in resources.iter().filter_map(|resource| folder(&resource.address)) {
        *sizes.entry(folder).or_default() += 1;
    }
    let mut nodes: Vec<Drawn<'_>> = Vec::new();
    let mut drawn_at: BTreeMap<String, usize> = BTreeMap::new();
    for (resource, wave) in resources.iter().zip(waves) {
        let folder =
            folder(&resource.address).filter(|folder| sizes.get(folder).is_some_and(|n| *n > FOLDED));
        if let Some(&at) = folder.as_ref().and_then(|folder| drawn_at.get(folder)) {
            nodes[at].members.push(resource);
            continue;
        }
        let label = match folder {
            Some(folder) => {
                let label = format!("{folder} ({} files)", sizes.get(&folder).copied().unwrap_or_default());
                drawn_at.insert(folder, nodes.len());
                label
            }
            None => resource.address.to_string(),
        };
        let (implied, existing) = (resource.implied_by.is_some(), resource.existing);
        nodes.push(Drawn { label, wave, implied, existing, members: vec![resource] });
    }
    nodes.sort_by_key(|node| node.wave);
    nodes
}

/// A label that ends where it should: everything but plain characters as Mermaid's entities.
fn escaped(label: &str) -> String {
    let mut text = String::new();
    for c in label.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '/' | '-' | '_' | '(' | ')') => {
                text.push(c);
            }
            c if c.is_control() => text.push('\u{fffd}'),
            c => {
                let _ = write!(text, "#{};", u32::from(c));
            }
        }
    }
    text
}

/// The graph as data. `order` is 0 for what waits for nothing, and otherwise one more than that of
/// the last thing waited for.
pub(crate) fn graph_json(stack: &str, resources: &[Desired]) -> Value {
    let one = |(resource, wave): (&Desired, usize)| {
        json!({
            "address": resource.address,
            "id": resource.id,
            "order": wave,
            "after": resource.needs,
            "inside": resource.inside,
            "implied_by": resource.implied_by,
            "existing": resource.existing,
        })
    };
    let resources: Vec<Value> = resources.iter().zip(waves(resources)).map(one).collect();
    json!({ "format_version": FORMAT_VERSION, "stack": stack, "resources": resources })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(
        kind: &'static str,
        key: &str,
        needs: &[(&'static str, &str)],
        by: Option<&Address>,
    ) -> Desired {
        Desired {
            needs: needs.iter().map(|(kind, key)| Address::new(kind, *key)).collect(),
            implied_by: by.cloned(),
            existing: kind == "cluster",
            ..Desired::for_test(kind, key, json!({}))
        }
    }

    fn resources() -> Vec<Desired> {
        let work = Address::new("subscription", "work");
        let mut all = vec![
            resource("subscription", "work", &[("topic", "items"), ("topic", "work-dead")], None),
            resource("topic", "work-dead", &[], Some(&work)),
            resource("grant", "dead", &[("topic", "work-dead")], Some(&work)),
            resource("topic", "items", &[], None),
            resource("cluster", "main", &[], None),
            resource("bucket", "data", &[], None),
            resource("bucket_file", "data/x\"];evil-->n0;<b>\n%%{init", &[("bucket", "data")], None),
        ];
        all.extend(
            ["a", "b", "c", "d"]
                .map(|f| resource("bucket_file", &format!("data/in/{f}"), &[("bucket", "data")], None)),
        );
        all
    }

    #[test]
    fn a_flowchart_shows_what_is_made_before_what() {
        insta::assert_snapshot!(graph_mermaid(&resources()), @r#"
        flowchart LR
          n0["topic.work-dead"]:::implied
          n1["topic.items"]
          n2["cluster.main"]:::existing
          n3["bucket.data"]
          n4["subscription.work"]
          n5["grant.dead"]:::implied
          n6["bucket_file.data/x#34;#93;#59;evil--#62;n0#59;#60;b#62;�#37;#37;#123;init"]
          n7["bucket_file.data/in/ (4 files)"]
          n0 --> n4
          n0 --> n5
          n1 --> n4
          n3 --> n6
          n3 --> n7
          n4 -. implies .-> n0
          n4 -. implies .-> n5
          classDef implied stroke-dasharray: 4 3
          classDef existing stroke-width: 3px
        "#);
    }

    #[test]
    fn no_name_breaks_out_of_its_label() {
        let text = graph_mermaid(&resources());
        let plain = |line: &str| {
            let label =
                line.split_once("[\"").and_then(|(_, rest)| rest.split_once("\"]")).map(|(label, _)| label);
            label.is_none_or(|label| !label.contains(['"', '<', '>', '[', ']', '{', '%', '`', '\n']))
        };
        assert!(text.lines().all(plain), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("[\"")).count(), 8, "{text}");
    }

    #[test]
    fn the_order_is_data_too() {
        let value = graph_json("fx", &resources());
        let order: Vec<u64> = value["resources"].as_array().expect("a list")[..4]
            .iter()
            .map(|resource| resource["order"].as_u64().expect("a number"))
            .collect();
        assert_eq!(order, [1, 0, 1, 0]);
    }
}
