//! An apply as its own lines tell it: how long it walked its graph, and the longest way through it, of
//! changes that wait for each other, each as long as it took itself.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::session::{Took, round};

/// An apply, in seconds.
pub(crate) struct Figures {
    whole: f64,
    walk: f64,
    critical_path: f64,
    changes: usize,
    calls: usize,
}

impl Figures {
    pub(crate) fn of(took: &Took) -> Self {
        let lines = took.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let lines: Vec<Value> = lines.collect();
        let of_type = |name: &'static str| lines.iter().filter(move |line| line["type"] == name);
        let changes = of_type("plan").last().expect("a plan")["plan"]["changes"].as_array();
        let changes = changes.expect("changes");
        let at = |line: &Value| -> f64 {
            let time: jiff::Timestamp = line["time"].as_str().expect("a time").parse().expect("a time");
            time.as_duration().as_secs_f64()
        };
        let own: HashMap<&str, f64> = of_type("finished")
            .map(|line| (text(&line["address"]), line["seconds"].as_f64().expect("seconds")))
            .collect();
        assert_eq!(own.len(), changes.len(), "every change is made");
        let mut ends: HashMap<&str, f64> = HashMap::new();
        for change in changes {
            let waits = change["after"].as_array().into_iter().flatten();
            let begins = waits.map(|first| ends[text(first)]).fold(0.0, f64::max);
            let address = text(&change["address"]);
            ends.insert(address, begins + own[address]);
        }
        let first = of_type("started").map(at).fold(f64::INFINITY, f64::min);
        let last = of_type("finished").map(at).fold(0.0, f64::max);
        Self {
            whole: took.milliseconds / 1e3,
            walk: last - first,
            critical_path: ends.into_values().fold(0.0, f64::max),
            changes: changes.len(),
            calls: took.count(),
        }
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.walk / self.critical_path
    }

    pub(crate) fn told(&self) -> Value {
        json!({
            "whole_command_s": round(self.whole, 2),
            "walk_s": round(self.walk, 2),
            "critical_path_s": round(self.critical_path, 2),
            "ratio": round(self.ratio(), 3),
            "is_met": self.ratio() <= 1.1,
            "changes": self.changes,
            "calls": self.calls,
        })
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
