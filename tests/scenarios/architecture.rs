//! What the code's structure promises, kept: pure files name no cloud, only `report/` prints, every
//! kind is listed.

use std::path::PathBuf;

use scenarios::repository;

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join(below)];
    while let Some(folder) = folders.pop() {
        if folder.is_file() {
            found.push((folder.clone(), std::fs::read_to_string(&folder).expect("a source")));
            continue;
        }
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            if entry.path().is_dir() || entry.path().extension().is_some_and(|ending| ending == "rs") {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Whether a file's first words promise it.
fn knows_no_cloud(text: &str) -> bool {
    let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let head = head.concat();
    head.contains("Knows nothing of clouds") || head.contains("Knows no cloud")
}

/// The lines of a source that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn diff_graph_plan_and_the_stack_file_know_no_cloud_crate() {
    let pure = [
        "fingerprint.rs",
        "full_name.rs",
        "finding.rs",
        "cause.rs",
        "cost.rs",
        "preflight/places.rs",
        "preflight/images/reference.rs",
        "change.rs",
        "compare.rs",
        "conflict.rs",
        "options.rs",
        "diff.rs",
        "graph.rs",
        "target.rs",
        "apply/walk.rs",
        "permissions.rs",
        "permissions",
        "recheck.rs",
        "resource.rs",
        "events.rs",
        "saved.rs",
        "saved",
        "stack",
        "runs/items.rs",
    ];
    let named = pure.iter().flat_map(|file| sources(&format!("provisioner/src/{file}")));
    let promised = sources("provisioner/src").into_iter().filter(|(_, text)| knows_no_cloud(text));
    for (path, text) in named.chain(promised) {
        for crate_name in ["google_cloud", "kube::", "k8s_openapi", "localcloud", "tokio", "clients::"] {
            assert!(
                !code(&text).any(|line| line.contains(crate_name)),
                "{} names {crate_name}",
                path.display()
            );
        }
    }
}

#[test]
fn only_reports_print() {
    for (path, text) in sources("provisioner/src") {
        let may = path.components().any(|part| part.as_os_str() == "report");
        for word in ["println!", "eprintln!", "::stdout(", "::stderr("] {
            assert!(may || !code(&text).any(|line| line.contains(word)), "{} has {word}", path.display());
        }
    }
}

#[test]
fn a_file_of_kinds_is_a_kind_and_is_listed() {
    let list = std::fs::read_to_string(repository().join("provisioner/src/kinds/mod.rs")).expect("the list");
    for (path, text) in sources("provisioner/src/kinds") {
        let module = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        if text.contains("impl Kind for") {
            assert!(list.contains(&format!("{module}::")), "{module} is not in the list");
        }
    }
}

#[test]
fn worker_and_local_cloud_do_not_know_each_other() {
    let manifest = |member: &str| {
        let text = std::fs::read_to_string(repository().join(member).join("Cargo.toml")).expect("a manifest");
        text.split("[dev-dependencies]").next().unwrap_or_default().to_owned()
    };
    assert!(!manifest("worker").contains("localcloud"));
    assert!(!manifest("localcloud").contains("worker"));
    assert!(!manifest("provisioner").contains("worker"));
    assert!(!manifest("contract").contains("tokio"));
}

#[test]
fn no_file_tells_two_stories() {
    let most = 400;
    for member in ["clients", "contract", "localcloud", "provisioner", "worker"] {
        let all = sources(&format!("{member}/src"));
        for (path, text) in all.iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
            let own = text.split("mod tests {\n").next().unwrap_or_default().lines().count();
            assert!(own <= most, "{}: {own} lines", path.display());
        }
    }
}
