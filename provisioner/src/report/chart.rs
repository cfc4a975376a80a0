//! Charts over time as inline SVG: steps, ticks and axes; no script, no style of their own.

use std::fmt::Write as _;

use super::account::time;
use crate::prices::count;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 170.0;
/// Room for the labels on the left, and below.
const LEFT: f64 = 56.0;
const BELOW: f64 = 22.0;
const TOP: f64 = 10.0;

/// A line of a chart.
pub(super) struct Line<'a> {
    pub name: &'a str,
    /// The class that colours it.
    pub class: &'a str,
    /// A value for each slot.
    pub values: &'a [u64],
}

/// A chart of lines over `seconds`; `ticks` are marks at the foot of those slots that have any.
pub(super) fn chart(title: &str, lines: &[Line<'_>], ticks: Option<&Line<'_>>, seconds: f64) -> String {
    let most = lines.iter().flat_map(|line| line.values).copied().max().unwrap_or(0).max(1);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>"
    );
    let mut values = vec![0, most / 2, most];
    values.dedup();
    for value in values {
        let y = y(count(value) / count(most));
        let _ =
            write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        let _ =
            write!(svg, "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{value}</text>", LEFT - 6.0, y + 4.0);
    }
    for (share, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let (x, label) = (LEFT + share * (WIDTH - LEFT), time(seconds * share));
        let _ = write!(svg, "<text class=\"{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>", HEIGHT - 6.0);
    }
    for line in lines {
        let _ = write!(svg, "<path class=\"line {}\" d=\"{}\"/>", line.class, steps(line.values, most));
    }
    if let Some(line) = ticks {
        for (slot, count) in line.values.iter().enumerate().filter(|(_, count)| **count > 0) {
            let x = x(slot, line.values.len());
            let _ = write!(
                svg,
                "<line class=\"tick {}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"><title>{count} {}</title></line>",
                line.class,
                y(0.0),
                y(0.16),
                line.name
            );
        }
    }
    svg.push_str("</svg>");
    format!("<figure><figcaption>{title}{}</figcaption>{svg}</figure>\n", legend(lines, ticks))
}

fn legend(lines: &[Line<'_>], ticks: Option<&Line<'_>>) -> String {
    let entry = |line: &Line<'_>| format!(" <span class=\"key {}\">{}</span>", line.class, line.name);
    lines.iter().chain(ticks).map(entry).collect()
}

/// A line in steps: each slot has its own height.
fn steps(values: &[u64], most: u64) -> String {
    let mut path = String::new();
    for (slot, value) in values.iter().enumerate() {
        let y = y(count(*value) / count(most));
        let verb = if slot == 0 { 'M' } else { 'L' };
        let (from, to) = (x(slot, values.len()), x(slot + 1, values.len()));
        let _ = write!(path, "{verb}{from:.1} {y:.1}H{to:.1}");
    }
    path
}

fn x(slot: usize, slots: usize) -> f64 {
    let share = count(slot as u64) / count(slots.max(1) as u64);
    LEFT + share * (WIDTH - LEFT)
}

fn y(share: f64) -> f64 {
    TOP + (1.0 - share) * (HEIGHT - BELOW - TOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_up_in_steps_from_the_left_to_the_right() {
        assert_eq!(steps(&[0, 2], 2), "M56.0 148.0H408.0L408.0 10.0H760.0");
    }

    #[test]
    fn a_chart_of_nothing_is_a_chart() {
        let line = Line { name: "done", class: "done", values: &[] };
        let chart = chart("items", &[line], None, 0.0);
        assert!(chart.contains("</svg>") && !chart.contains("NaN"), "{chart}");
    }
}
