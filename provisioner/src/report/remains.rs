//! What a teardown left behind, and how it is removed. Pure: text out, nothing printed.

use std::fmt::Write as _;

use crate::remains::Remainder;

/// What remains, each thing with the command that removes it by hand.
pub(crate) fn remains_text(left: &[Remainder], words: &str, is_local: bool) -> String {
    let mut text = format!(
        "this remains, although it was deleted, or somebody made it anew; `provision teardown{words}` tries again, and by hand:\n"
    );
    for Remainder { address, id, command } in left {
        let command = command.as_deref().unwrap_or("still bears the stack's marks, and is not to be deleted");
        let _ = writeln!(text, "  - {address} ({id})\n      {command}");
    }
    if is_local {
        text.push_str("(`eval \"$(provision local env)\"` points gcloud and kubectl at the local cloud)\n");
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_is_told_with_the_command_that_removes_it() {
        let one = |address: &str, id: &str, command: &str| Remainder {
            address: address.into(),
            id: id.into(),
            command: Some(command.to_owned()).filter(|command| !command.is_empty()),
        };
        let left = [
            one(
                "topic.items",
                "projects/p/topics/fx-items",
                "gcloud pubsub topics delete projects/p/topics/fx-items",
            ),
            one("bucket.data", "p-fx-data", "gcloud storage rm --recursive gs://p-fx-data"),
            one("bucket.adopted", "p-old", ""),
        ];
        insta::assert_snapshot!(remains_text(&left, " --stack fx", false), @"
        this remains, although it was deleted, or somebody made it anew; `provision teardown --stack fx` tries again, and by hand:
          - topic.items (projects/p/topics/fx-items)
              gcloud pubsub topics delete projects/p/topics/fx-items
          - bucket.data (p-fx-data)
              gcloud storage rm --recursive gs://p-fx-data
          - bucket.adopted (p-old)
              still bears the stack's marks, and is not to be deleted
        ");
    }
}
