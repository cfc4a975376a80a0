//! What workers print and printed: lines of live pods, and the history of an item.

use std::fmt::Write as _;

use contract::{Attempt, AttemptEnd, EndReason};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::counted;
use super::plain::plain;
use super::style::Style;
use crate::runs::{Ended, Heard, ItemHistory, PodLog, Said, Tried};

/// A line of a pod's log, for people: JSON as time, severity, item and message.
pub(crate) fn log_text(heard: &Heard, style: Style) -> String {
    let pod = style.dim(plain(&heard.pod));
    match &heard.said {
        Said::Line(line) => format!("{pod} {}\n", line_text(line, style)),
        Said::Nothing(why) => format!("{pod}: {}\n", plain(why)),
    }
}

/// A line of a pod's log, for programs: an object as it was printed, anything else as the message
/// of one.
pub(crate) fn log_json(heard: &Heard) -> String {
    let object = |line: &str| serde_json::from_str::<Map<String, Value>>(line).is_ok();
    match &heard.said {
        Said::Line(line) if object(line) => format!("{line}\n"),
        Said::Line(line) => format!("{}\n", json!({ "pod": heard.pod, "message": line })),
        Said::Nothing(why) => format!("{}\n", json!({ "pod": heard.pod, "no_log": why })),
    }
}

/// One line, as it is read.
fn line_text(line: &str, style: Style) -> String {
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(line) else {
        return plain(line).into_owned();
    };
    let mut take = |key: &str| match fields.remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    let Some(message) = take("message") else { return plain(line).into_owned() };
    let (time, severity, item, attempt) = (take("time"), take("severity"), take("item"), take("attempt"));
    take("run");
    let at = time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
    let mut text = at.map(|at| at.strftime("%T%.3f ").to_string()).unwrap_or_default();
    let severity = severity.unwrap_or_default();
    let painted = match severity.as_str() {
        "ERROR" => style.red(&severity),
        "WARNING" => style.yellow(&severity),
        _ => plain(&severity).into_owned(),
    };
    let _ = write!(text, "{painted}{:width$} ", "", width = 7_usize.saturating_sub(severity.len()));
    match (item, attempt) {
        (Some(item), Some(attempt)) => _ = write!(text, "[{} {}] ", plain(&item), plain(&attempt)),
        (Some(item), None) => _ = write!(text, "[{}] ", plain(&item)),
        (None, _) => {}
    }
    text.push_str(&plain(&message));
    for (key, value) in &fields {
        let _ = write!(text, " {}={}", plain(key), plain(&value.to_string()));
    }
    text
}

/// Every attempt at an item, each with the last `lines` that it printed.
pub(crate) fn item_history(history: &ItemHistory, lines: Option<usize>, style: Style) -> String {
    let ItemHistory { run, item, attempts, receipt, failure } = history;
    let mut text = format!("{} of run {run}: ", plain(&item.0));
    match (receipt, failure) {
        (Some(receipt), _) => {
            let _ = writeln!(text, "done by attempt {}", receipt.attempt);
        }
        (None, Some(failure)) => {
            let (kind, tries) =
                (super::failed::why(failure.kind), counted(failure.attempts.into(), "attempt"));
            let _ = writeln!(text, "given up after {tries} ({kind}): {}", plain(&failure.message));
        }
        (None, None) => text.push_str("open\n"),
    }
    if attempts.is_empty() {
        text.push_str("no attempt at it like that is recorded\n");
    }
    let settled = receipt.is_some() || failure.is_some();
    for tried in attempts {
        attempt(&mut text, tried, settled, lines, style);
    }
    // Of one that vanished no attempt tells; what the failure has was found elsewhere.
    let told = attempts.iter().any(|tried| tried.end.as_ref().is_some_and(|end| !end.output_tail.is_empty()));
    if let Some(failure) = failure.as_ref().filter(|_| !told) {
        tail(&mut text, &failure.output_tail, lines);
    }
    text
}

fn attempt(text: &mut String, tried: &Tried, settled: bool, lines: Option<usize>, style: Style) {
    let Attempt { number, pod, node, started, .. } = &tried.attempt;
    let state = match (tried.state, tried.end.as_ref().map(|end| end.reason)) {
        (Ended::Done, _) => style.green("done"),
        (Ended::Failed, Some(EndReason::Permanent)) => style.red("failed for good"),
        (Ended::Failed, Some(EndReason::TimedOut)) => style.red("timed out"),
        (Ended::Failed, _) => style.red("failed"),
        (Ended::Yielded, Some(EndReason::LeaseLost)) => style.yellow("yielded, its lease was lost"),
        (Ended::Yielded, _) => style.yellow("yielded"),
        (Ended::Open, _) if settled => "open: its worker was killed, or found the item settled".to_owned(),
        (Ended::Open, _) => "open: its worker is still at it, or was killed".to_owned(),
    };
    let _ = writeln!(text, "attempt {number}: {state}");
    let took = tried.end.as_ref().map(|end| end.at.duration_since(*started).as_secs_f64());
    let took = took.map(|seconds| format!(", took {seconds:.1} s")).unwrap_or_default();
    let begun = started.strftime("%F %T UTC");
    let _ = writeln!(text, "  began {begun}{took}, on {}, {}", plain(node), plain(pod));
    if let Some(AttemptEnd { message, output_tail, .. }) = &tried.end {
        for line in message.lines() {
            let _ = writeln!(text, "  {}", plain(line));
        }
        tail(text, output_tail, lines);
    }
    match &tried.log {
        Some(PodLog::Lines(found)) if !found.is_empty() => {
            let found: Vec<String> = found.iter().map(|line| line_text(line, Style::plain())).collect();
            tail(text, &found.join("\n"), lines);
        }
        Some(PodLog::Lines(_)) => text.push_str("  it has logged nothing\n"),
        Some(PodLog::Gone(why)) => _ = writeln!(text, "  {}", plain(why)),
        None => {}
    }
}

/// The last lines of what was printed, marked.
fn tail(text: &mut String, printed: &str, lines: Option<usize>) {
    let all: Vec<&str> = printed.lines().collect();
    let left_out = lines.map_or(0, |lines| all.len().saturating_sub(lines));
    for line in &all[left_out..] {
        let _ = writeln!(text, "  | {}", plain(line));
    }
}

#[cfg(test)]
mod tests {
    use contract::{Failure, FailureKind, Item, RunId};

    use super::*;

    fn line(text: &str) -> Heard {
        Heard { pod: "fx-0-abcde".into(), said: Said::Line(text.into()) }
    }

    #[test]
    fn lines_are_readable_and_harmless_for_people() {
        let style = Style::plain();
        for (printed, shown) in [
            (
                r#"{"attempt":2,"item":"a\u001b[2Jb","message":"failed: no\ninput","reason":"Failed","run":"fx","severity":"ERROR","time":"2026-01-31T12:00:00.5Z"}"#,
                r#"12:00:00.500 ERROR   [a\u{1b}[2Jb 2] failed: no\ninput reason="Failed""#,
            ),
            (r#"{"message":"working","severity":"INFO","rows":3}"#, "INFO    working rows=3"),
            ("thread panicked \u{1b}[31mred", r"thread panicked \u{1b}[31mred"),
            (r#"{"no":"message"}"#, r#"{"no":"message"}"#),
        ] {
            assert_eq!(log_text(&line(printed), style), format!("fx-0-abcde {shown}\n"));
        }
    }

    #[test]
    fn lines_are_json_for_programs_whatever_was_printed() {
        let object = r#"{"z":1,  "a":"\u001b"}"#;
        assert_eq!(log_json(&line(object)), format!("{object}\n"));
        assert_eq!(log_json(&line("a\u{1b}b")), "{\"message\":\"a\\u001bb\",\"pod\":\"fx-0-abcde\"}\n");
    }

    #[test]
    fn an_items_history_tells_each_attempt_in_order() {
        let tried = |number: u32, state, end: Option<(EndReason, &str, &str)>| Tried {
            attempt: Attempt {
                run: RunId("fx".into()),
                item: Item("U\u{7}D".into()),
                number,
                execution: String::new(),
                worker_run: RunId("fx".into()),
                index: 0,
                pod: format!("fx-0-{number}"),
                node: "n".into(),
                started: Timestamp::UNIX_EPOCH,
            },
            state,
            end: end.map(|(reason, message, tail)| AttemptEnd {
                not_before: None,
                execution: String::new(),
                reason,
                message: message.into(),
                output_tail: tail.into(),
                at: Timestamp::from_second(2).expect("a time"),
            }),
            log: (state == Ended::Open).then(|| PodLog::Gone("its pod is gone".into())),
        };
        let history = ItemHistory {
            run: RunId("fx".into()),
            item: Item("U\u{7}D".into()),
            attempts: vec![
                tried(1, Ended::Failed, Some((EndReason::Failed, "no input", "one\ntwo\n\u{1b}[1mthree\n"))),
                tried(2, Ended::Open, None),
                tried(3, Ended::Yielded, Some((EndReason::Terminated, "asked to stop", ""))),
            ],
            receipt: None,
            failure: Some(Failure {
                run: RunId("fx".into()),
                item: Item("U\u{7}D".into()),
                kind: FailureKind::AttemptsUsedUp,
                attempts: 3,
                message: "no input".into(),
                output_tail: String::new(),
                pod: String::new(),
                node: String::new(),
                at: Timestamp::UNIX_EPOCH,
            }),
        };
        insta::assert_snapshot!(item_history(&history, Some(2), Style::plain()), @r"
        U\u{7}D of run fx: given up after 3 attempts (its attempts are used up): no input
        attempt 1: failed
          began 1970-01-01 00:00:00 UTC, took 2.0 s, on n, fx-0-1
          no input
          | two
          | \u{1b}[1mthree
        attempt 2: open: its worker was killed, or found the item settled
          began 1970-01-01 00:00:00 UTC, on n, fx-0-2
          its pod is gone
        attempt 3: yielded
          began 1970-01-01 00:00:00 UTC, took 2.0 s, on n, fx-0-3
          asked to stop
        ");
    }
}
