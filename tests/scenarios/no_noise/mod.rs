//! Of any valid stack: once it is applied there is nothing to do, an edit of it is that edit and what comes
//! of it, and a teardown leaves nothing. `SEED` draws the same again; what fails is left in a file.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Instant;

use scenarios::any_stack::{AnyStack, Edit, edit, paths};
use scenarios::{Random, Said, Scenario, said, seed, seed_or};
use serde_json::{Value, json};

mod expected;

const NAME: &str = "property";

/// Fields that no stack is drawn with: in the cloud nothing is called so, or what it changes is tried where
/// stacks are imported.
const NEVER: [&str; 4] = ["grant.*.name", "job.*.name", "secret.*.name", "subscription.*.dead_letter.topic"];

/// The JSON Schema of stack.toml.
fn schema(scenario: &Scenario) -> Value {
    serde_json::from_str(&scenario.expect(0, &["schema"])).expect("JSON")
}

#[test]
fn every_field_of_the_schema_is_drawn_by_some_stack() {
    let scenario = Scenario::with("");
    let schema = schema(&scenario);
    let mut reached = BTreeSet::new();
    for seed in 0..6000 {
        reached.extend(AnyStack::draw(NAME, true, &schema, &mut Random::new(seed)).reached(&schema));
    }
    let never: BTreeSet<String> = NEVER.map(str::to_owned).into();
    let all: BTreeSet<String> = paths(&schema).difference(&never).cloned().collect();
    let missing: Vec<&String> = all.difference(&reached).collect();
    assert!(missing.is_empty(), "no stack has {missing:#?}");
    println!("{} fields", all.len());
}

#[test]
fn a_stack_that_is_applied_has_nothing_to_do_and_an_edit_is_that_edit() {
    let mut random = Random::new(seed_or(1));
    let theatre = Theatre::new();
    theatre.play(&mut random, false, 4, 1);
    theatre.play(&mut random, true, 8, 1);
    theatre.end();
}

#[test]
#[ignore = "minutes: `just no-noise`"]
fn any_stack_that_is_applied_has_nothing_to_do_and_any_edit_is_that_edit() {
    let number = |name: &str, or: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let mut random = Random::new(seed());
    let theatre = Theatre::new();
    for _ in 0..number("STACKS", 40) {
        theatre.play(&mut random, true, 25, 5);
    }
    theatre.end();
}

/// One local cloud, on which stack after stack is tried.
struct Theatre {
    scenario: Scenario,
    schema: Value,
    begun: Instant,
    counts: Cell<[usize; 4]>,
    patterns: RefCell<BTreeSet<String>>,
    wrong: RefCell<Vec<String>>,
}

impl Theatre {
    fn new() -> Self {
        let scenario = Scenario::with("");
        for (file, text) in [("a/one.txt", "a-one"), ("a/more.txt", "more"), ("b/two.txt", "b-two")] {
            scenario.write(&format!("files/{file}"), text);
        }
        scenario.expect(0, &["local", "up"]);
        for secret in ["kept-one", "kept-two"] {
            let path = format!("/v1/projects/local-cloud/secrets?secretId={secret}");
            scenario.call("POST", &path, &json!({ "replication": { "automatic": {} } }));
        }
        let schema = schema(&scenario);
        Self {
            scenario,
            schema,
            begun: Instant::now(),
            counts: [0; 4].into(),
            patterns: RefCell::default(),
            wrong: RefCell::default(),
        }
    }

    /// One stack: applied, edited so often, so many edits of them applied, and taken down.
    fn play(&self, random: &mut Random, with_cluster: bool, edits: usize, applied: usize) {
        let stack = AnyStack::draw(NAME, with_cluster, &self.schema, random);
        self.apply(&stack, "a stack");
        self.is_still(&stack, "after it was applied");
        let mut now = stack;
        for at in 0..edits {
            let Some(edit) = self.draw_edit(&now, random) else { continue };
            self.is_that_edit(&now, &edit);
            self.count(1);
            self.patterns.borrow_mut().insert(edit.pattern.clone());
            if at * applied / edits != (at + 1) * applied / edits {
                self.apply(&edit.stack, &edit.to_string());
                self.is_still(&edit.stack, &format!("after {edit}"));
                self.count(2);
                now = edit.stack;
            }
        }
        self.end_of(&now);
        self.count(0);
    }

    /// An edit after which the stack is valid.
    fn draw_edit(&self, stack: &AnyStack, random: &mut Random) -> Option<Edit> {
        for _ in 0..20 {
            let edit = edit(stack, &self.schema, random, |pattern| !NEVER.contains(&pattern))?;
            self.scenario.write("edited.toml", edit.stack.toml());
            if self.provision(&["show", "--file", "edited.toml"]).code == Some(0) {
                return Some(edit);
            }
            self.count(3);
        }
        None
    }

    fn apply(&self, stack: &AnyStack, what: &str) {
        self.scenario.write("stack.toml", stack.toml());
        let said = self.provision(&["apply", "--local", "--yes", "--delete-data"]);
        // What is protected is not replaced either.
        let is_refused = said.code == Some(5) && stack.0["stack"]["protect"].is_array();
        if is_refused {
            let mut open = stack.clone();
            open.0["stack"]["protect"] = json!([]);
            self.scenario.write("stack.toml", open.toml());
            self.expect(
                &open,
                &format!("{what}, unprotected"),
                &["apply", "--local", "--yes", "--delete-data"],
            );
            self.scenario.write("stack.toml", stack.toml());
            self.expect(stack, what, &["apply", "--local", "--yes", "--delete-data"]);
            return;
        }
        if said.code != Some(0) {
            fail(
                stack,
                &format!("{what}: apply ends with {:?}\n{}\n{}", said.code, said.stdout, said.stderr),
            );
        }
    }

    fn is_still(&self, stack: &AnyStack, when: &str) {
        let plan = self.plan(stack, "stack.toml");
        if plan["changes"] != json!([]) {
            fail(stack, &format!("{when} there are changes: {:#}", plan["changes"]));
        }
    }

    /// Whether a plan of the edited stack is what the edit means.
    fn is_that_edit(&self, stack: &AnyStack, edit: &Edit) {
        self.scenario.write("edited.toml", edit.stack.toml());
        let plan = self.plan(&edit.stack, "edited.toml");
        // Defaults may be written down.
        let is_said_otherwise =
            self.effective(stack, "stack.toml") == self.effective(&edit.stack, "edited.toml");
        let expected = if is_said_otherwise { expected::nothing() } else { expected::of(stack, edit) };
        let wrong = expected.wrong(plan["changes"].as_array().expect("changes"));
        if !wrong.is_empty() {
            let told = format!("{edit}: {}\n{:#}\n{}", wrong.join("\n"), plan["changes"], stack.toml());
            println!("WRONG {told}");
            self.wrong.borrow_mut().push(edit.to_string());
        }
    }

    /// The stack with every default in place.
    fn effective(&self, stack: &AnyStack, file: &str) -> Value {
        let shown = self.expect(stack, "show", &["show", "--format", "json", "--file", file]);
        serde_json::from_str::<Value>(&shown).expect("JSON")["stack"].take()
    }

    fn plan(&self, stack: &AnyStack, file: &str) -> Value {
        let args = ["plan", "--local", "--file", file, "--format", "json"];
        serde_json::from_str(&self.expect(stack, "plan", &args)).expect("JSON")
    }

    /// Takes it down, and looks by other means than its own that nothing is left.
    fn end_of(&self, stack: &AnyStack) {
        let teardown = ["teardown", "--local", "--yes", "--delete-data"];
        if stack.0["stack"]["protect"].as_array().is_some_and(|all| !all.is_empty()) {
            let refused = self.provision(&teardown);
            if refused.code != Some(5) {
                fail(stack, &format!("what is protected: {:?} {}", refused.code, refused.stderr));
            }
            let mut open = stack.clone();
            open.0["stack"]["protect"] = json!([]);
            self.apply(&open, "unprotected");
        }
        self.expect(stack, "teardown", &teardown);
        let get = |path: &str| self.scenario.call("GET", path, &json!({}));
        let project = self.scenario.call("POST", "/v1/projects/local-cloud:getIamPolicy", &json!({}));
        let left = [
            get("/v1/projects/local-cloud/topics")["topics"].clone(),
            get("/v1/projects/local-cloud/subscriptions")["subscriptions"].clone(),
            get("/storage/v1/b?project=local-cloud")["items"].clone(),
            get("/v1/projects/local-cloud/serviceAccounts")["accounts"].clone(),
            get("/v1/projects/local-cloud/locations/-/clusters")["clusters"].clone(),
        ];
        let is_left = left.iter().any(|all| all.as_array().is_some_and(|all| !all.is_empty()));
        let is_granted = project.to_string().contains(NAME) || project.to_string().contains("called-");
        let secrets = ["kept-one", "kept-two"].map(|secret| {
            get(&format!("/v1/projects/local-cloud/secrets/{secret}:getIamPolicy"))["bindings"].clone()
        });
        let is_let_in = secrets.iter().any(|all| all.as_array().is_some_and(|all| !all.is_empty()));
        if is_left || is_granted || is_let_in {
            fail(stack, &format!("a teardown leaves {left:?} {project} {secrets:?}"));
        }
    }

    fn expect(&self, stack: &AnyStack, what: &str, args: &[&str]) -> String {
        let said = self.provision(args);
        if said.code != Some(0) {
            let told =
                format!("{what}: {args:?} ends with {:?}\n{}\n{}", said.code, said.stdout, said.stderr);
            fail(stack, &told);
        }
        said.stdout
    }

    fn provision(&self, args: &[&str]) -> Said {
        let mut command = self.scenario.command(args);
        command.env("PROPERTY_ONE", "first value").env("PROPERTY_TWO", "second value");
        said(command)
    }

    fn count(&self, at: usize) {
        let mut counts = self.counts.get();
        counts[at] += 1;
        self.counts.set(counts);
    }

    fn end(self) {
        let [stacks, edits, applied, invalid] = self.counts.get();
        println!(
            "{stacks} stacks, {edits} edits of {} fields, {applied} of them applied, {invalid} drawn that made no valid stack; {} s",
            self.patterns.borrow().len(),
            self.begun.elapsed().as_secs()
        );
        let wrong = self.wrong.into_inner();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Leaves the stack where it can be looked at.
fn fail(stack: &AnyStack, what: &str) -> ! {
    let path = std::env::temp_dir().join(format!("no-noise-{}.toml", std::process::id()));
    std::fs::write(&path, stack.toml()).expect("a file");
    panic!("{what}\nthe stack is {}:\n{}", path.display(), stack.toml());
}
