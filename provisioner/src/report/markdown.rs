//! A plan as Markdown, for a comment on a pull request: a summary, and details that fold. What does
//! not fit is cut from the details, creations first; the summary always stands. Pure: nothing printed.

use std::fmt::Write as _;

use super::fields::push_field;
use super::folded::{FOLDED, folder, same_folder};
use super::plan::{Summary, growths, left_out, loses, no_changes, remark};
use super::{Style, cost};
use crate::change::{Action, Change};
use crate::finding::Level;
use crate::plan::Plan;

/// Most characters of a comment on GitHub.
const LIMIT: usize = 65_535;
/// Kept free for what says that something was cut.
const FOOTER: usize = 200;
/// Most characters of one change's differences.
const LONGEST: usize = 4_000;
/// Most characters of a name.
const LONGEST_NAME: usize = 200;

/// The plan as Markdown.
pub(crate) fn plan_markdown(plan: &Plan) -> String {
    let place = if plan.local { " (local cloud)" } else { "" };
    let mut page =
        Page::new(format!("### Stack {}, project {}{place}\n\n", code(&plan.stack), code(&plan.project)));
    if plan.is_empty() {
        let left_out = left_out(plan).map(|left_out| format!(", {left_out}")).unwrap_or_default();
        let _ = writeln!(page.text, "**No changes**{}{left_out}.", no_changes(plan));
        findings(plan, &mut page);
        undeclared_grants(plan, &mut page);
        return page.text;
    }
    page.push(&format!("**{}**\n", Summary::of(plan)));
    for refused in &plan.refused {
        page.fits(&format!("\n**refused without leave**: {}\n", plain_html(refused)));
    }
    if let Some(cost) = plan.cost().as_ref().and_then(cost::change) {
        page.push(&format!("\n{}\n", plain_lines(&cost)));
    }
    for line in left_out(plan).into_iter().chain(growths(plan)) {
        page.push(&format!("\n{line}\n"));
    }
    findings(plan, &mut page);
    let changes = plan.changes();
    let mut hidden = 0;
    for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.is_destructive()) {
        hidden += usize::from(!page.fits(&block(plan, at, change, " open")));
    }
    for (at, change) in changes
        .iter()
        .enumerate()
        .filter(|(_, change)| matches!(change.action, Action::Update | Action::Release | Action::Rename))
    {
        hidden += usize::from(!page.fits(&block(plan, at, change, "")));
    }
    hidden += creations(plan, &mut page);
    undeclared_grants(plan, &mut page);
    if hidden > 0 {
        let _ = write!(
            page.text,
            "\n{hidden} changes are not shown, for want of room: `provision plan` shows all.\n"
        );
    }
    page.text
}

/// What stands in the way, as far as there is room.
fn findings(plan: &Plan, page: &mut Page) {
    for finding in &plan.findings {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        let told = plain_html(&format!("{}; {}", finding.what, finding.help));
        page.fits(&format!("\n**{level}**: {told}\n"));
    }
}

/// Grants to others, which stay; as many as there is room for, and how many there are.
fn undeclared_grants(plan: &Plan, page: &mut Page) {
    let title = format!(
        "{} granted outside of the file, and kept (--prune-grants takes them back)",
        plan.undeclared_grants.len()
    );
    let mut room = page.room().saturating_sub(folded(&title, "", "").chars().count() + 2 * LONGEST_NAME);
    let fits = |grant: &&String| {
        let length = one_line(grant).chars().count() + 1;
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    let lines: String =
        plan.undeclared_grants.iter().take_while(fits).map(|grant| one_line(grant) + "\n").collect();
    if !plan.undeclared_grants.is_empty() {
        page.fits(&folded(&plain_html(&title), "", &lines));
    }
}

/// A text that knows how long it is.
struct Page {
    text: String,
    length: usize,
}

impl Page {
    fn new(text: String) -> Self {
        Self { length: text.chars().count(), text }
    }

    fn push(&mut self, text: &str) {
        self.length += text.chars().count();
        self.text.push_str(text);
    }

    fn room(&self) -> usize {
        (LIMIT - FOOTER).saturating_sub(self.length)
    }

    /// Takes a text if there is room for it.
    fn fits(&mut self, text: &str) -> bool {
        let fits = text.chars().count() <= self.room();
        if fits {
            self.push(text);
        }
        fits
    }
}

/// A change that is not a creation: what it is, and what differs.
fn block(plan: &Plan, at: usize, change: &Change, open: &str) -> String {
    let mut fields = String::new();
    for field in &change.fields {
        push_field(&mut fields, field, Style::plain());
    }
    let sign = change.action.sign();
    let lost = loses(change).map(|_| " ⚠️").unwrap_or_default();
    let title =
        format!("{} {}{lost}", code(&format!("{sign} {}", change.address)), plain_html(&remark(plan, at)));
    match fields.is_empty() {
        true => format!("\n- {title}\n"),
        false => folded(&title, open, &shortened(&outdented(&fields), LONGEST)),
    }
}

/// A diff is only coloured if its signs begin their lines.
fn outdented(fields: &str) -> String {
    let outdented = |line: &str| {
        let line = line.strip_prefix("        ").or(line.strip_prefix("      ")).unwrap_or(line);
        format!("{line}\n")
    };
    fields.lines().map(outdented).collect()
}

/// All creations as one list, as long as there is room; returns how many of them are not in it.
fn creations(plan: &Plan, page: &mut Page) -> usize {
    let changes = plan.changes();
    let created = changes.iter().filter(|change| change.action == Action::Create).count();
    if created == 0 {
        return 0;
    }
    let title = format!("{created} to create");
    // The fence grows with the longest run of backticks: a name that has so many is not shown.
    let mut room = page.room().saturating_sub(folded(&title, "", "").chars().count() + 2 * LONGEST_NAME);
    let (mut lines, mut shown, mut at) = (String::new(), 0, 0);
    while at < changes.len() {
        if changes[at].action != Action::Create {
            at += 1;
            continue;
        }
        let together = folder(&changes[at].address).map_or(1, |folder| same_folder(&changes[at..], &folder));
        let (what, count) = match folder(&changes[at].address).filter(|_| together > FOLDED) {
            Some(folder) => (format!("{folder} ({together} files)"), together),
            None => (changes[at].address.to_string(), 1),
        };
        let line = format!("+ {:<44} {}", one_line(&what), one_line(&remark(plan, at)));
        let line = format!("{}\n", line.trim_end());
        let Some(left) = room.checked_sub(line.chars().count()) else { break };
        room = left;
        lines.push_str(&line);
        shown += count;
        at += count;
    }
    if shown > 0 && !page.fits(&folded(&title, "", &lines)) {
        return created;
    }
    created - shown
}

fn folded(title: &str, open: &str, lines: &str) -> String {
    let fence = fence(lines);
    format!("\n<details{open}><summary>{title}</summary>\n\n{fence}diff\n{lines}{fence}\n\n</details>\n")
}

/// More backticks than stand anywhere in a row: nothing in the text ends the block.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// A name as code, in HTML: no character of it means anything to Markdown.
fn code(name: &str) -> String {
    format!("<code>{}</code>", plain_html(name))
}

/// A few lines of our own, as they are.
fn plain_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| plain_html(line.trim())).collect();
    lines.join("<br>\n")
}

/// Everything but plain characters as entities.
fn plain_html(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        match c {
            c if c.is_alphanumeric() || " ./-+~±,:()…\u{fffd}".contains(c) => escaped.push(c),
            c => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
        }
    }
    escaped
}

fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    shortened(&text, LONGEST_NAME)
}

/// At most so many characters, and a sign where some are missing.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) if text.ends_with('\n') => format!("{}…\n", &text[..at]),
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::plan::tests::change;
    use super::*;
    use crate::compare::FieldChange;
    use crate::graph::Graph;

    fn plan(changes: Vec<Change>) -> Plan {
        Plan::for_test("fx", Graph { waits_for: vec![Vec::new(); changes.len()], changes })
    }

    fn field(path: &str, before: &str, after: &str) -> FieldChange {
        FieldChange { path: path.into(), before: json!(before), after: json!(after) }
    }

    #[test]
    fn a_comment_has_a_summary_and_details_that_fold() {
        let mut changes = vec![
            change("topic", "items", Action::Create, vec![]),
            change("node_pool", "main/workers", Action::Update, vec![field("max_nodes", "10", "12")]),
            change("bucket", "data", Action::Delete, vec![]),
            change(
                "job",
                "fx",
                Action::Update,
                vec![field("sql", "select a\nfrom input\n", "select b\nfrom input\n")],
            ),
        ];
        changes.extend(
            ["a", "b", "c", "d"].map(|f| change("bucket_file", &format!("in/x/{f}"), Action::Create, vec![])),
        );
        insta::assert_snapshot!(plan_markdown(&plan(changes)), @r#"
        ### Stack <code>fx</code>, project <code>p</code> (local cloud)

        **5 to create, 2 to update, 0 to replace, 1 to delete**

        - <code>- bucket.data</code> not in the file any more, with 32 objects ⚠️

        <details><summary><code>~ node&#95;pool.main/workers</code> in place, changed in the file</summary>

        ```diff
        max_nodes: 10 → 12
        ```

        </details>

        <details><summary><code>~ job.fx</code> in place, changed in the file</summary>

        ```diff
        sql:
        - select a
        + select b
          from input
        ```

        </details>

        <details><summary>5 to create</summary>

        ```diff
        + topic.items
        + bucket_file.in/x/ (4 files)
        ```

        </details>
        "#);
        insta::assert_snapshot!(plan_markdown(&plan(Vec::new())), @r#"
        ### Stack <code>fx</code>, project <code>p</code> (local cloud)

        **No changes**: the cloud is as the file says.
        "#);
    }

    #[test]
    fn grants_to_others_and_what_is_refused_are_in_the_comment() {
        let undeclared_grants = vec!["bucket b roles/storage.admin user:`ann`".to_owned()];
        let refused = vec!["bucket.data would be deleted with 1 object".to_owned()];
        let mut plan = plan(vec![change("bucket", "data", Action::Delete, vec![])]);
        (plan.undeclared_grants, plan.refused) = (undeclared_grants, refused);
        insta::assert_snapshot!(plan_markdown(&plan), @r"
        ### Stack <code>fx</code>, project <code>p</code> (local cloud)

        **0 to create, 0 to update, 0 to replace, 1 to delete**

        **refused without leave**: bucket.data would be deleted with 1 object

        - <code>- bucket.data</code> not in the file any more, with 32 objects ⚠️

        <details><summary>1 granted outside of the file, and kept (--prune-grants takes them back)</summary>

        ```diff
        bucket b roles/storage.admin user:`ann`
        ```

        </details>
        ");
        let many: Vec<String> =
            (0..2_000).map(|n| format!("bucket b roles/storage.admin user:{n:050}")).collect();
        plan.undeclared_grants = many;
        let text = plan_markdown(&plan);
        assert!(text.chars().count() <= LIMIT, "{}", text.chars().count());
        assert!(
            text.contains("2000 granted outside of the file") && text.contains("user:00000"),
            "they are cut"
        );
    }

    #[test]
    fn a_comment_never_outgrows_its_limit_and_never_loses_its_summary() {
        let long = "é`".repeat(5_000);
        for count in [1, 10, 15, 16, 17, 100, 1_000, 5_000] {
            let mut changes: Vec<Change> =
                (0..count).map(|n| change("topic", &format!("items-{n}"), Action::Create, vec![])).collect();
            changes
                .extend((0..count / 10).map(|n| change("bucket", &format!("b{n}"), Action::Delete, vec![])));
            changes
                .extend((0..count).map(|n| {
                    change("job", &format!("j{n}"), Action::Update, vec![field("sql", "a", &long)])
                }));
            let text = plan_markdown(&plan(changes));
            assert!(text.chars().count() <= LIMIT, "{count}: {}", text.chars().count());
            assert!(text.contains(&format!(
                "**{count} to create, {count} to update, 0 to replace, {} to delete**",
                count / 10
            )));
            assert_eq!(text.contains("are not shown"), count > 15, "{count}");
            assert_eq!(text.matches("<details").count(), text.matches("</details>").count());
        }
    }

    #[test]
    fn no_name_and_no_value_breaks_out() {
        let evil = "x</code></summary><script>\n```\n# @everyone [a](b) |`";
        let deeper = "``````\n</details>\n`````\n";
        let changes = vec![
            change("bucket_file", evil, Action::Create, vec![]),
            change("bucket_file", evil, Action::Delete, vec![]),
            change("job", evil, Action::Update, vec![field("sql", "a\n", deeper)]),
        ];
        let text = plan_markdown(&plan(changes));
        // Outside of fences nothing is left of it, and every fence is closed by its own kind.
        let (mut outside, mut open) = (String::new(), None::<String>);
        for line in text.lines() {
            let ticks: String = line.chars().take_while(|c| *c == '`').collect();
            match &open {
                None if ticks.len() >= 3 => open = Some(ticks),
                None => outside.extend([line, "\n"]),
                Some(fence) if line.len() == ticks.len() && ticks.len() >= fence.len() => open = None,
                Some(_) => {}
            }
        }
        assert!(open.is_none(), "{text}");
        for word in ["<script", "@everyone", "[a]", "`"] {
            assert!(!outside.contains(word), "{word}: {outside}");
        }
        assert_eq!(outside.matches("</details>").count(), 2, "{outside}");
    }
}
