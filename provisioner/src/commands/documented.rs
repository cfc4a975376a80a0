//! Every command that the documents, the examples for continuous integration and `--help` show is one
//! that this program takes.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::Cli;

/// Where a command ends for a shell, and for people.
const ENDS: [&str; 11] = ["`", "|", ">", "&&", ";", "   ", "…", "──", " / ", "\\", ")"];

/// The commands in a text, each without the program's name. What has brackets is a synopsis.
fn commands(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ").replace("| \\", "");
    let is_start = |before: &str| before.is_empty() || before.ends_with([' ', '`', '/', '(', '\n']);
    let starts = text.match_indices("provision ").filter(|(at, _)| is_start(&text[..*at]));
    let line = |(at, found): (usize, &str)| text[at + found.len()..].lines().next().unwrap_or_default();
    let command = |line: &str| {
        let end = ENDS.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
        line[..end].trim().to_owned()
    };
    let known: Vec<String> = Cli::command().get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let is_command = |command: &String| {
        let first = command.split(' ').next().unwrap_or_default();
        known.iter().any(|known| known == first) && !command.contains(['[', '<'])
    };
    starts.map(line).map(command).filter(is_command).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The help of a command and of those in it.
fn helps(command: &mut clap::Command) -> Vec<String> {
    let own = command.clone().term_width(0).render_long_help().to_string();
    [own].into_iter().chain(command.get_subcommands_mut().flat_map(helps)).collect()
}

#[test]
fn every_command_that_is_shown_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a text");
    let documents = ["README.md", "stack.toml", "justfile"].map(|name| root.join(name));
    let mut texts: Vec<String> =
        documents.iter().chain(&files(&root.join("ci/examples"))).map(read).collect();
    texts.extend(helps(&mut Cli::command()));
    let shown: Vec<String> = texts.iter().flat_map(|text| commands(text)).collect();
    assert!(shown.len() > 60, "only {} commands were found: {shown:#?}", shown.len());
    let wrong = |command: &String| {
        let words = shlex::split(command).unwrap_or_default();
        let error = Cli::try_parse_from(["provision".to_owned()].into_iter().chain(words)).err()?;
        // Prose leaves out what does not matter there, and writes a value in capitals.
        let is_left_out = matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        let is_any =
            command.split(' ').next_back().is_some_and(|word| word.len() > 1 && word == word.to_uppercase());
        (!is_left_out && !is_any).then(|| format!("provision {command}\n{error}"))
    };
    let wrong: Vec<String> = shown.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
