//! What a run came to, as one HTML file that asks nobody for anything: no script, no font, no image;
//! charts are inline SVG. Whatever an item or an error says stands in it as text.

use std::fmt::Write as _;

use super::account::{headline, rows, state, time};
use super::chart::{Line, chart};
use super::counted;
use crate::runs::Account;

/// Nothing may be fetched, and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f2328; --dim: #656d76; --paper: #ffffff; --rule: #d8dee4;
  --done: #1a7f37; --failed: #cf222e; --workers: #0969da; --nodes: #9a6700; --preempted: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #8d96a0; --paper: #0d1117;
  --rule: #30363d; --done: #3fb950; --failed: #f85149; --workers: #58a6ff; --nodes: #d29922; --preempted: #f85149; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin-bottom: 0; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin-top: 2rem; }
p, figcaption { color: var(--dim); } figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
  padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
th { color: var(--dim); font-weight: normal; white-space: nowrap; } pre { margin: 0; white-space: pre-wrap; }
text { fill: var(--dim); font-size: 11px; } .start { text-anchor: start; } .middle { text-anchor: middle; }
.end { text-anchor: end; } .grid { stroke: var(--rule); } .line { fill: none; stroke-width: 2; } .tick { stroke-width: 3; }
.key { margin-left: 1em; } .key::before { content: '\\25A0 '; } path.done { stroke: var(--done); } .key.done { color: var(--done); }
path.failed { stroke: var(--failed); } .key.failed { color: var(--failed); } path.workers { stroke: var(--workers); }
.key.workers { color: var(--workers); } path.nodes { stroke: var(--nodes); stroke-dasharray: 7 4; } .key.nodes { color: var(--nodes); }
.tick.preempted { stroke: var(--preempted); } .key.preempted { color: var(--preempted); }
";

/// The whole document.
pub(crate) fn account_html(account: &Account) -> String {
    let run = escaped(&account.run.0);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>run {run}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{}</h1>\n",
        escaped(&headline(account))
    );
    html.push_str(&origin(account));
    html.push_str(&charts(account));
    html.push_str("<h2>Figures</h2>\n<table>\n");
    for (name, said) in rows(account) {
        let _ = writeln!(html, "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escaped(&said));
    }
    html.push_str("</table>\n");
    html.push_str(&slowest(account));
    html.push_str(&failures(account));
    html.push_str("</body>\n</html>\n");
    html
}

fn origin(account: &Account) -> String {
    let again = account.retry_of.as_ref().map(|old| format!(", tries {old} again")).unwrap_or_default();
    let said = format!(
        "job.{}, started by {} at {}{again}; {} at {}",
        account.job,
        account.by,
        account.created.strftime("%F %T UTC"),
        state(account.outcome),
        account.until.strftime("%F %T UTC")
    );
    let mut html = format!("<p>{}</p>\n", escaped(&said));
    for line in account.reason.iter().flat_map(|reason| reason.lines()) {
        let _ = writeln!(html, "<p>{}</p>", escaped(line));
    }
    html
}

fn charts(account: &Account) -> String {
    let timeline = &account.timeline;
    let line = |name, values| Line { name, class: name, values };
    let items = [line("done", &timeline.done[..]), line("failed", &timeline.failed)];
    let crew = [line("workers", &timeline.workers[..]), line("nodes", &timeline.nodes)];
    let preempted = line("preempted", &timeline.preempted);
    chart("Items", &items, None, account.seconds)
        + &chart("Workers and nodes", &crew, Some(&preempted), account.seconds)
}

fn slowest(account: &Account) -> String {
    let mut html = String::new();
    if account.took.slowest.is_empty() {
        return html;
    }
    html.push_str("<h2>Items that took longest</h2>\n<table>\n");
    for (item, seconds) in &account.took.slowest {
        let _ = writeln!(html, "<tr><td>{}</td><td>{}</td></tr>", escaped(&item.0), time(*seconds));
    }
    html.push_str("</table>\n");
    html
}

fn failures(account: &Account) -> String {
    let mut html = String::new();
    if account.failures.is_empty() {
        return html;
    }
    let hidden = account.failed.saturating_sub(account.failures.len() as u64);
    html.push_str("<h2>Failed items</h2>\n<table>\n");
    for failure in &account.failures {
        let lines: Vec<String> = failure.message.lines().map(escaped).collect();
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td><pre>{}</pre></td></tr>",
            escaped(&failure.item.0),
            counted(failure.attempts.into(), "attempt"),
            lines.join("\n")
        );
    }
    html.push_str("</table>\n");
    if hidden > 0 {
        let _ = writeln!(
            html,
            "<p>and {hidden} more: provision failed list --run {}</p>",
            escaped(&account.run.0)
        );
    }
    html
}

/// Anybody's text as a part of the document: never markup, never a control character.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => {
                let shown = c.escape_debug();
                // A plain backslash needs no other before it.
                if c == '\\' { html.push(c) } else { html.extend(shown) }
            }
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use contract::{Failure, FailureKind, Item, RunId};

    use super::*;
    use crate::runs::tests_of_accounts::{account, record};

    #[test]
    fn nothing_that_an_item_says_becomes_markup() {
        let mut account = account(record().fleet);
        let hostile = "</td><script>alert(1)</script><img src=x onerror=\"f()\">\u{202e}\u{1b}[2J";
        account.failures = vec![Failure {
            run: RunId("r".into()),
            item: Item(hostile.into()),
            kind: FailureKind::Permanent,
            attempts: 1,
            message: format!("cannot read\n{hostile}"),
            output_tail: String::new(),
            pod: String::new(),
            node: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
        }];
        account.took.slowest = vec![(Item(hostile.into()), 1.0)];
        account.reason = Some(hostile.into());
        let html = account_html(&account);
        for markup in ["<script", "<img", "\u{202e}", "\u{1b}", "\"f()\""] {
            assert!(!html.contains(markup), "{markup}");
        }
        assert!(html.contains("&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        // Nothing of it is to be fetched.
        for fetched in ["http://", "https://", "url(", "src=", "href=", "@import"] {
            assert!(!html.replace(&escaped(hostile), "").contains(fetched), "{fetched}");
        }
        assert!(html.contains("default-src 'none'"));
    }

    #[test]
    fn text_stands_as_it_is() {
        assert_eq!(escaped("a\\b 'c' & \u{e9}"), "a\\b &#39;c&#39; &amp; \u{e9}");
    }
}
