//! The numbers as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::histogram::{BOUNDS, Histogram};
use super::{Count, Metrics, Part, STAGES};

/// The media type of the text.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Each count, its name without what all have in common, and what it means.
const COUNTS: [(Count, &str, &str); 6] = [
    (Count::Done, "items_done", "Items whose output is stored."),
    (Count::Failed, "items_failed", "Items given up for good."),
    (Count::Retried, "attempts_retried", "Attempts that failed and will be made again."),
    (Count::Yielded, "attempts_yielded", "Attempts cut short through no fault of the item."),
    (Count::Duplicate, "deliveries_duplicate", "Deliveries of items that were settled or in work here."),
    (Count::Preempted, "preemptions", "Times that the worker was asked to stop."),
];

impl Metrics {
    /// All numbers as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.text_at(Instant::now())
    }

    fn text_at(&self, now: Instant) -> String {
        let mut text = Text::default();
        for (count, name, help) in COUNTS {
            text.one(&format!("{name}_total"), "counter", help, self.counted(count));
        }
        let bytes = |number: &std::sync::atomic::AtomicU64| number.load(Relaxed);
        text.one(
            "input_bytes_total",
            "counter",
            "Bytes read for items that were stored.",
            bytes(&self.0.bytes_in),
        );
        text.one("output_bytes_total", "counter", "Bytes stored.", bytes(&self.0.bytes_out));
        text.one("items_in_flight", "gauge", "Items being worked on.", self.in_flight());
        text.family(
            "lease_margin_seconds",
            "gauge",
            "Time that is left of the lease that ends first; none is held without it.",
        );
        if let Some(margin) = self.lease_margin(now) {
            text.sample("lease_margin_seconds", "", margin);
        }
        text.family(
            "silence_seconds",
            "gauge",
            "Time since a part of the worker last said that it is alive.",
        );
        for part in Part::ALL {
            if let Some(silence) = self.0.health.silence(part, now) {
                text.sample("silence_seconds", &format!("part=\"{}\"", part.name()), silence.as_secs_f64());
            }
        }
        text.family("stage_seconds", "histogram", "How long the stages of items took.");
        for ((_, stage), histogram) in STAGES.iter().zip(&self.0.stages) {
            text.histogram("stage_seconds", &format!("stage=\"{stage}\""), histogram);
        }
        text.family("item_seconds", "histogram", "How long attempts took, however they ended.");
        text.histogram("item_seconds", "", &self.0.items);
        text.0
    }
}

/// Metrics, family by family.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP provision_worker_{name} {help}");
        let _ = writeln!(self.0, "# TYPE provision_worker_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "provision_worker_{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let counts = histogram.cumulative();
        let bounds = BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in bounds.zip(counts) {
            self.sample(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"{bound}\""), count);
        }
        self.sample(&format!("{name}_sum"), labels, histogram.seconds());
        self.sample(&format!("{name}_count"), labels, counts[BOUNDS.len()]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use contract::Stage;

    use super::*;

    fn some() -> (Metrics, Instant) {
        let (metrics, now) = (Metrics::default(), Instant::now());
        metrics.count(Count::Done);
        metrics.count(Count::Done);
        metrics.count(Count::Duplicate);
        metrics.moved(1000, 42);
        metrics.set_in_flight(3);
        metrics.set_lease_until(Some(now + Duration::from_millis(7500)));
        metrics.stage_took(Stage::Load, Duration::from_millis(70));
        metrics.item_took(Duration::from_secs(2));
        (metrics, now)
    }

    #[test]
    fn every_number_has_its_line() {
        let (metrics, now) = some();
        let text = metrics.text_at(now);
        for line in [
            "# HELP provision_worker_items_done_total Items whose output is stored.",
            "# TYPE provision_worker_items_done_total counter",
            "provision_worker_items_done_total 2",
            "provision_worker_items_failed_total 0",
            "provision_worker_deliveries_duplicate_total 1",
            "provision_worker_input_bytes_total 1000",
            "provision_worker_output_bytes_total 42",
            "provision_worker_items_in_flight 3",
            "provision_worker_lease_margin_seconds 7.5",
            "# TYPE provision_worker_stage_seconds histogram",
            "provision_worker_stage_seconds_bucket{stage=\"load\",le=\"0.05\"} 0",
            "provision_worker_stage_seconds_bucket{stage=\"load\",le=\"0.1\"} 1",
            "provision_worker_stage_seconds_bucket{stage=\"load\",le=\"+Inf\"} 1",
            "provision_worker_stage_seconds_sum{stage=\"load\"} 0.07",
            "provision_worker_item_seconds_bucket{le=\"2.5\"} 1",
            "provision_worker_item_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("silence_seconds{"), "no part has begun");
    }

    /// Prometheus' own Python client must read every family with the type that it has here.
    #[test]
    fn the_official_parser_reads_it() {
        const PROGRAM: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.type, family.name, len(family.samples))";
        let python = |program: &str| {
            let mut command = Command::new("python3");
            command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            command.spawn()
        };
        let there = python("import prometheus_client").and_then(|mut child| child.wait());
        if !there.is_ok_and(|status| status.success()) {
            let what = "metrics read by Prometheus' own parser (no python3 with prometheus_client)";
            let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
            return;
        }
        let (metrics, now) = some();
        metrics.tick(Part::Leases);
        let mut child = python(PROGRAM).expect("python3");
        child.stdin.take().expect("its input").write_all(metrics.text_at(now).as_bytes()).expect("written");
        let output = child.wait_with_output().expect("it ends");
        let read = String::from_utf8(output.stdout).expect("text").replace("provision_worker_", "");
        // A counter loses its `_total` there; a histogram of 14 bounds has 17 samples.
        let expected = "counter items_done 1\ncounter items_failed 1\ncounter attempts_retried 1\n\
            counter attempts_yielded 1\ncounter deliveries_duplicate 1\ncounter preemptions 1\n\
            counter input_bytes 1\ncounter output_bytes 1\ngauge items_in_flight 1\n\
            gauge lease_margin_seconds 1\ngauge silence_seconds 1\nhistogram stage_seconds 68\n\
            histogram item_seconds 17\n";
        assert_eq!(read, expected);
    }
}
