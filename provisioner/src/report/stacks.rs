//! The stacks of a project, as text.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::cost::{hourly, left_out};
use crate::stacks::Standing;

/// A line for each stack.
pub(crate) fn stacks_text(stacks: &[Standing], project: &str, now: Timestamp) -> String {
    if stacks.is_empty() {
        return format!("no stack in the project {project}\n");
    }
    let mut text: String = stacks.iter().map(|standing| line(standing, now)).collect();
    if let Some(left_out) = left_out(stacks.iter().map(|standing| &standing.cost)) {
        text.push_str(&left_out);
    }
    text
}

fn line(standing: &Standing, now: Timestamp) -> String {
    let plural =
        |(kind, count): (&&str, &usize)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" });
    let resources: Vec<String> = standing.resources.iter().map(plural).collect();
    let age =
        standing.created.map_or("of unknown age".to_owned(), |created| format!("{} old", span(created, now)));
    let mut text = format!("{}  {age}", standing.stack);
    if let Some(seconds) = standing.expires_seconds {
        let _ = match standing.end() {
            Some(end) if end <= now => write!(text, ", expired {} ago", span(end, now)),
            Some(end) => write!(text, ", expires in {}", span(now, end)),
            None => write!(text, ", meant to live {}", lasting(seconds)),
        };
    }
    if !standing.cost.is_nothing() {
        let _ = write!(text, ", {}", hourly(&standing.cost));
    }
    let _ = writeln!(text, ": {}", resources.join(", "));
    for run in &standing.open_runs {
        let _ = writeln!(text, "  open run {run}");
    }
    text
}

/// The time between two instants, in the two largest units that say something.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    lasting(to.duration_since(from).as_secs().max(0).unsigned_abs())
}

fn lasting(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}
