//! Calls of the local cloud, the points that they passed, and the faults that strike them, as text.

use std::fmt::Write as _;

use localcloud::calls::{Entry, Failure, Latency, Moment, Passed, SetFault, What, When};

/// A line for each call: number, time, caller, method, resource, answer, what became of it.
pub(crate) fn calls_text(calls: &[Entry]) -> String {
    let mut text = String::new();
    for call in calls {
        let Entry { number, method, resource, principal, .. } = call;
        let caller = match (&call.program, call.pid) {
            (Some(program), Some(pid)) => format!("{program}[{pid}]"),
            _ => principal.clone(),
        };
        let status = call.status.as_deref().unwrap_or("-");
        let fate = format!("{:?}", call.fate).to_lowercase();
        let time = call.time.strftime("%T%.3f");
        let _ = write!(text, "{number:>6}  {time}  {caller:<18}  {method}  {resource}  {status} {fate}");
        let faults: Vec<String> = call.faults.iter().map(u64::to_string).collect();
        if !faults.is_empty() {
            let _ = write!(text, " by fault {}", faults.join(", "));
        }
        text.push('\n');
    }
    text
}

/// A line for each point.
pub(crate) fn points_text(points: &[Passed]) -> String {
    let mut text = String::new();
    for Passed { method, resource, moment, callers } in points {
        let callers: Vec<&str> = callers.iter().map(String::as_str).collect();
        let _ = writeln!(text, "{:<6}  {method}  {resource}  {}", at(*moment), callers.join(", "));
    }
    text
}

/// A line for each fault.
pub(crate) fn faults_text(faults: &[SetFault]) -> String {
    if faults.is_empty() {
        return "no fault is set\n".to_owned();
    }
    let mut text = String::new();
    for SetFault { id, fault, reached, struck } in faults {
        let point = &fault.point;
        let _ = write!(text, "{id:>3}  {} {}", at(point.moment), or_any(&point.method));
        for (word, pattern) in [("on", &point.resource), ("by", &point.caller)] {
            if !pattern.is_empty() {
                let _ = write!(text, " {word} {pattern}");
            }
        }
        let _ = writeln!(
            text,
            ": {}, {}; {reached} came there, {struck} were struck",
            what(&fault.what),
            when(fault.when)
        );
    }
    text
}

fn at(moment: Moment) -> &'static str {
    match moment {
        Moment::Before => "before",
        Moment::After => "after",
    }
}

fn or_any(pattern: &str) -> &str {
    if pattern.is_empty() { "*" } else { pattern }
}

fn what(what: &What) -> String {
    match what {
        What::Fail(Failure { status, code, .. }) => format!("fails with {status} {code}"),
        What::Drop => "the connection is cut".to_owned(),
        What::Delay(Latency::Fixed(time)) => format!("takes {time:?} longer"),
        What::Delay(Latency::Uniform { from, to, .. }) => format!("takes {from:?} to {to:?} longer"),
        What::Delay(Latency::Exponential { mean, .. }) => format!("takes about {mean:?} longer"),
        What::Stall => "waits until it is released".to_owned(),
        What::Kill => "the caller is killed".to_owned(),
    }
}

fn when(when: When) -> String {
    match when {
        When::Always => "always".to_owned(),
        When::Next(count) => format!("the next {count}"),
        When::Every(each) => format!("every {each}th"),
        When::Probability { p, seed } => format!("with probability {p} (seed {seed})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use localcloud::calls::{Fate, Fault, Point};

    #[test]
    fn a_fault_reads_as_a_sentence() {
        let point = Point::before("pubsub.topics.publish").on("*/topics/fx-items").by("provision");
        let unavailable = What::Fail(Failure::named("unavailable").expect("a failure"));
        let set = |id, fault| SetFault { id, fault, reached: 5, struck: 3 };
        let faults = [
            set(1, Fault::next(3, point, unavailable)),
            set(2, Fault::always(Point::after("storage.*"), What::Kill)),
        ];
        insta::assert_snapshot!(faults_text(&faults), @r"
          1  before pubsub.topics.publish on */topics/fx-items by provision: fails with 503 UNAVAILABLE, the next 3; 5 came there, 3 were struck
          2  after storage.*: the caller is killed, always; 5 came there, 3 were struck
        ");
    }

    #[test]
    fn a_call_is_a_line() {
        let call = Entry {
            number: 12,
            time: "2026-11-22T09:30:00.25Z".parse().expect("a time"),
            principal: "owner".into(),
            program: Some("provision".into()),
            pid: Some(4711),
            pod: None,
            method: "pubsub.topics.create".into(),
            resource: "projects/p/topics/fx-items".into(),
            status: Some("200".into()),
            fate: Fate::Killed,
            faults: vec![2],
        };
        insta::assert_snapshot!(calls_text(&[call]), @"    12  09:30:00.250  provision[4711]     pubsub.topics.create  projects/p/topics/fx-items  200 killed by fault 2");
    }
}
