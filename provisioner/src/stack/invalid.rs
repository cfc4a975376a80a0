//! The corpus of invalid stacks: what a person gets wrong, each with the exact words they are told.
//!
//! `invalid/NAME.toml` is the stack and `invalid/NAME.txt` what is told; `invalid/NAME.env.toml` and
//! `invalid/NAME.set` (one assignment a line) are laid over it, where they are there. With
//! `UPDATE_INVALID=1` the texts are written instead of compared.

use std::path::Path;

use super::parse;
use super::texts::{Layer, Texts};

/// What is told of one stack of the corpus.
fn told(path: &Path) -> String {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut texts = Texts::default();
    texts.push(Layer::File, name(path), read(path).expect("a stack"));
    let overlay = path.with_extension("env.toml");
    let env = overlay.exists().then_some("env");
    if let Some(text) = read(&overlay) {
        texts.push(Layer::Overlay, name(&overlay), text);
    }
    for set in read(&path.with_extension("set")).unwrap_or_default().lines() {
        texts.push(Layer::Flag, "--set", set);
    }
    match parse::stack(path, env, texts) {
        Ok(_) => "valid\n".to_owned(),
        Err(invalid) => format!("{invalid}\n"),
    }
}

#[test]
fn every_invalid_stack_is_told_what_is_wrong_with_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack/invalid");
    let files = std::fs::read_dir(&folder).expect("the corpus").map(|file| file.expect("a file").path());
    let is_stack = |path: &std::path::PathBuf| {
        let name = path.to_string_lossy();
        path.extension().is_some_and(|ending| ending == "toml") && !name.ends_with(".env.toml")
    };
    let mut stacks: Vec<_> = files.filter(is_stack).collect();
    stacks.sort();
    assert!(stacks.len() >= 60, "{} stacks", stacks.len());
    let mut wrong = Vec::new();
    for stack in stacks {
        let told = told(&stack);
        // Paths in messages are relative to the corpus, wherever it lies.
        let told = told.replace(&format!("{}/", folder.display()), "");
        let expected = stack.with_extension("txt");
        if std::env::var_os("UPDATE_INVALID").is_some() {
            std::fs::write(&expected, &told).expect("the corpus can be written");
        }
        if told == "valid\n" || std::fs::read_to_string(&expected).ok().as_ref() != Some(&told) {
            wrong.push(format!("{}:\n{told}", stack.display()));
        }
    }
    assert!(wrong.is_empty(), "not as their .txt says:\n{}", wrong.join("\n"));
}
