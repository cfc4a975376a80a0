//! The mutants that campaigns must find out (`just mutants`) are still ones of this tree.

use std::process::Command;

use scenarios::repository;

#[test]
fn every_mutant_can_still_be_made() {
    let patches = std::fs::read_dir(repository().join("tests/mutants")).expect("the mutants").flatten();
    let patches = patches.map(|file| file.path());
    let patches: Vec<_> = patches.filter(|path| path.extension().is_some_and(|end| end == "patch")).collect();
    assert!(patches.len() >= 3, "{patches:?}");
    for patch in patches {
        let mut git = Command::new("git");
        let checked = git.args(["apply", "--check"]).arg(&patch).current_dir(repository()).output();
        let Ok(checked) = checked else {
            eprintln!("SKIPPED: the mutants' patches (git can't be run)");
            return;
        };
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{} does not apply: {said}", patch.display());
    }
}
