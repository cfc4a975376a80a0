//! A stack file under another name: two lines of its text, and nothing else.

use std::path::Path;

use toml::de::DeTable;

use super::Stack;

/// The text of a stack file after its stack is called `name`, with names in the cloud as they were;
/// none if it cannot be told where to write that.
pub(crate) fn renamed(path: &Path, text: &str, name: &str, prefix: &str) -> Option<String> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return None;
    }
    let header = root.get_ref().get("stack")?.get_ref().as_table()?;
    let (key, value) = header.iter().find(|(key, _)| key.get_ref() == "name")?;
    let mut edits = vec![(value.span(), format!("\"{name}\""))];
    match header.get("prefix") {
        Some(written) => edits.push((written.span(), format!("\"{prefix}\""))),
        None if prefix == name => {}
        None => edits.push((key.span().start..key.span().start, format!("prefix = \"{prefix}\"\n"))),
    }
    edits.sort_by_key(|(span, _)| span.start);
    let mut written = text.to_owned();
    for (span, edit) in edits.into_iter().rev() {
        if !written.is_char_boundary(span.start) || !written.is_char_boundary(span.end) {
            return None;
        }
        written.replace_range(span, &edit);
    }
    // Names may be written in ways that these edits break: then somebody else has to write it.
    let says = |stack: &Stack| stack.owner() == name && stack.header.prefix() == prefix;
    Stack::parse(path, &written).is_ok_and(|stack| says(&stack)).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(text: &str) -> Option<String> {
        renamed(Path::new("stack.toml"), text, "rates", "fx")
    }

    #[test]
    fn only_the_name_and_the_prefix_are_written() {
        let text = "# a \"name\" = x\n[stack]\nname = 'fx' # ours\nregion = \"r\"\n\n[topic.name]\n";
        let edited = "# a \"name\" = x\n[stack]\nprefix = \"fx\"\nname = \"rates\" # ours\nregion = \"r\"\n\n[topic.name]\n";
        assert_eq!(rates(text).as_deref(), Some(edited));
        assert_eq!(rates(edited).as_deref(), Some(edited));
        let again = renamed(Path::new("stack.toml"), edited, "eur", "fx").expect("a stack");
        assert!(again.contains("prefix = \"fx\"\nname = \"eur\" # ours"), "{again}");
    }

    #[test]
    fn what_is_written_in_another_way_is_left_to_people() {
        for text in [
            "stack = { name = \"fx\", region = \"r\" }",
            "stack.name = \"fx\"\nstack.region = \"r\"",
            "[stack",
            "",
        ] {
            assert_eq!(rates(text), None, "{text}");
        }
    }
}
