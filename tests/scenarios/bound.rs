//! Plans are bound to what they were decided on: what moved since is noticed before the write.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use scenarios::{Scenario, program, until};
use serde_json::{Value, json};

const STACK: &str = "[stack]
name = 'demo'
region = 'europe-west1'

[topic.a]
retention = '1d'

[subscription.s]
topic = 'a'
ack_deadline = '20s'

[subscription.t]
topic = 'a'
ack_deadline = '20s'
";
const SUBSCRIPTION: &str = "/v1/projects/local-cloud/subscriptions/demo-s";
const TOPIC: &str = "/v1/projects/local-cloud/topics/demo-a";

/// Somebody else changes the subscription.
fn patch(scenario: &Scenario, mask: &str, fields: &Value) {
    let mut subscription = fields.clone();
    subscription["name"] = "projects/local-cloud/subscriptions/demo-s".into();
    let body = json!({ "subscription": subscription, "updateMask": mask });
    scenario.call("PATCH", SUBSCRIPTION, &body);
}

fn applied() -> Scenario {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario
}

#[test]
fn a_saved_plan_is_carried_out_whatever_else_moves() {
    let scenario = applied();
    scenario.edit("ack_deadline = '20s'", "ack_deadline = '30s'");
    scenario.expect(2, &["plan", "--local", "--out", "plan.json", "--detailed-exitcode"]);
    // A field that the file says nothing of, and other resources.
    patch(&scenario, "enableExactlyOnceDelivery", &json!({ "enableExactlyOnceDelivery": true }));
    scenario.call("PUT", "/v1/projects/local-cloud/topics/theirs", &json!({}));
    scenario.expect(0, &["apply", "--local", "plan.json"]);
    let live = scenario.call("GET", SUBSCRIPTION, &json!({}));
    assert_eq!((&live["ackDeadlineSeconds"], &live["enableExactlyOnceDelivery"]), (&json!(30), &json!(true)));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    // Done is done: the same plan again has nothing to do.
    scenario.expect(0, &["apply", "--local", "plan.json"]);
}

#[test]
fn what_moved_since_the_plan_stops_its_change_and_what_waits_for_it() {
    let scenario = applied();
    scenario.edit("retention = '1d'", "retention = '2d'");
    scenario.edit("ack_deadline = '20s'", "ack_deadline = '40s'");
    scenario.write(
        "stack.toml",
        std::fs::read_to_string(scenario.path("stack.toml")).expect("the stack")
            + "\n[topic.b]\n\n[bucket.data]\n\n[service_account.worker]\n",
    );
    scenario.expect(0, &["plan", "--local", "--out", "plan.json"]);

    let body = json!({
        "topic": { "name": "projects/local-cloud/topics/demo-a", "messageRetentionDuration": "10800s" },
        "updateMask": "messageRetentionDuration",
    });
    scenario.call("PATCH", TOPIC, &body);
    let said = scenario.provision(&["apply", "--local", "plan.json"]);
    assert_eq!(said.code, Some(3), "{}\n{}", said.stdout, said.stderr);
    for words in [
        "out of date topic.a: changed since the plan",
        "retention: 3h → 2d",
        "not begun: subscription.s",
        "3 changes made, 1 out of date, 1 not begun",
        "`provision plan` shows what there is to do now",
    ] {
        assert!(said.stderr.contains(words), "no `{words}` in\n{}", said.stderr);
    }
    let live = scenario.call("GET", SUBSCRIPTION, &json!({}));
    assert_eq!(live["ackDeadlineSeconds"], 20);

    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    // The plan of old is of no use any more: all that it wants is so, and nothing is done twice.
    scenario.expect(0, &["apply", "--local", "plan.json"]);
}

#[test]
fn nothing_goes_that_is_not_what_was_shown() {
    let scenario =
        Scenario::with("[stack]\nname = 'demo'\nregion = 'europe-west1'\n\n[topic.a]\n\n[bucket.data]\n");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.edit("[bucket.data]\n", "");
    scenario.expect(0, &["plan", "--local", "--out", "plan.json", "--delete-data"]);
    let upload = "/upload/storage/v1/b/local-cloud-demo-data/o?uploadType=media&name=precious";
    scenario.call("POST", upload, &json!("precious"));
    let said = scenario.provision(&["apply", "--local", "plan.json"]);
    assert_eq!(said.code, Some(3), "{}\n{}", said.stdout, said.stderr);
    assert!(
        said.stderr.contains("holds 1 object, 8 bytes now, which the plan did not show"),
        "{}",
        said.stderr
    );
    assert_eq!(scenario.objects("local-cloud-demo-data", ""), ["precious"]);

    // Leave is part of a plan.
    scenario.expect(0, &["plan", "--local", "--out", "plan.json"]);
    let said = scenario.provision(&["apply", "--local", "plan.json"]);
    assert_eq!(said.code, Some(5), "{}", said.stderr);
    scenario.expect(0, &["plan", "--local", "--out", "plan.json", "--delete-data"]);
    scenario.expect(0, &["apply", "--local", "plan.json"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn a_file_that_is_no_plan_of_this_stack_is_refused_with_the_reason() {
    let scenario = applied();
    scenario.edit("ack_deadline = '20s'", "ack_deadline = '30s'");
    scenario.expect(0, &["plan", "--local", "--out", "plan.json"]);
    let whole = std::fs::read_to_string(scenario.path("plan.json")).expect("a plan");
    scenario.write("cut.json", &whole[..whole.len() / 2]);
    scenario.write("edited.json", whole.replace("30s", "31s"));
    scenario.write("newer.json", whole.replacen("\"version\": 1", "\"version\": 2", 1));
    scenario.write("other.toml", STACK.replace("demo", "other"));
    for (args, words) in [
        (vec!["cut.json"], "cut.json: it is cut off, or not a plan at all"),
        (vec!["edited.json"], "edited.json: it was changed after it was written"),
        (vec!["newer.json"], "wrote it in format 2, and this one reads up to format 1"),
        (vec!["missing.json"], "cannot read missing.json"),
        (
            vec!["plan.json", "--file", "other.toml"],
            "plan.json is a plan of the stack demo, and this is other",
        ),
        (vec!["plan.json", "--project", "elsewhere"], "plan.json is a plan for the project local-cloud"),
    ] {
        let said = scenario.provision(&[&["apply", "--local"], args.as_slice()].concat());
        assert_eq!(said.code, Some(1), "{args:?}: {}\n{}", said.stdout, said.stderr);
        assert!(said.stderr.contains(words), "{args:?}: no `{words}` in\n{}", said.stderr);
    }
    scenario.expect(2, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn a_plan_says_whether_the_file_or_the_cloud_was_changed() {
    let scenario = applied();
    patch(&scenario, "ackDeadlineSeconds", &json!({ "ackDeadlineSeconds": 55 }));
    let text = scenario.expect(0, &["plan", "--local"]);
    assert!(text.contains("changed outside: ack_deadline 55s, should be 20s"), "{text}");
    scenario.expect(2, &["plan", "--local", "--drift-only", "--detailed-exitcode"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.edit("ack_deadline = '20s'", "ack_deadline = '30s'");
    scenario.expect(0, &["plan", "--local", "--drift-only", "--detailed-exitcode"]);
    let text = scenario.expect(0, &["plan", "--local"]);
    assert!(text.contains("changed in the file"), "{text}");
    assert!(!text.contains("changed outside"), "{text}");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    // A mark that is out of date is no change.
    patch(&scenario, "labels", &{
        let live = scenario.call("GET", SUBSCRIPTION, &json!({}));
        let mut labels = live["labels"].clone();
        labels["provision-spec"] = "v1-out-of-date".into();
        labels["provision-novelty"] = "kept".into();
        json!({ "labels": labels })
    });
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    scenario.edit("ack_deadline = '30s'", "ack_deadline = '35s'");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let live = scenario.call("GET", SUBSCRIPTION, &json!({}));
    assert_eq!(live["labels"]["provision-novelty"], "kept", "{live:#}");
}

#[test]
fn what_exists_is_adopted_by_name_and_let_go_by_teardown() {
    let scenario = Scenario::with(
        "[stack]\nname = 'demo'\nregion = 'europe-west1'\n\n[topic.a]\nretention = '1d'\n\n[topic.b]\n\n[bucket.data]\n",
    );
    scenario.expect(0, &["local", "up"]);
    scenario.call("PUT", TOPIC, &json!({ "labels": { "team": "x" } }));
    let buckets = "/storage/v1/b?project=local-cloud";
    scenario.call("POST", buckets, &json!({ "name": "local-cloud-demo-data", "location": "EUROPE-WEST1" }));
    let upload = "/upload/storage/v1/b/local-cloud-demo-data/o?uploadType=media&name=precious";
    scenario.call("POST", upload, &json!("precious"));

    let refused = scenario.provision(&["plan", "--local"]);
    assert_eq!(refused.code, Some(1));
    for words in [
        "topic.a: projects/local-cloud/topics/demo-a exists and is not managed by this stack",
        "--adopt topic.a",
    ] {
        assert!(refused.stderr.contains(words), "no `{words}` in\n{}", refused.stderr);
    }
    let missing = scenario.provision(&["plan", "--local", "--adopt", "topic.b"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("there is no projects/local-cloud/topics/demo-b to adopt"),
        "{}",
        missing.stderr
    );

    let adopt = ["--adopt", "topic.a", "--adopt", "bucket.data"];
    let text = scenario.expect(0, &[&["plan", "--local"], &adopt[..]].concat());
    assert!(text.contains("adopted"), "{text}");
    scenario.expect(0, &[&["apply", "--local", "--yes"], &adopt[..]].concat());
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    let live = scenario.call("GET", TOPIC, &json!({}));
    assert_eq!(live["labels"]["provision-adopted"], "true", "{live:#}");

    scenario.edit("retention = '1d'", "retention = '2d'");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    // What was adopted is let go, data and all, without leave.
    let said = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let live = scenario.call("GET", TOPIC, &json!({}));
    assert_eq!(live["labels"], Value::Null, "{live:#}");
    assert_eq!(live["messageRetentionDuration"], "172800s");
    assert_eq!(scenario.objects("local-cloud-demo-data", ""), ["precious"]);
    let topics = scenario.call("GET", "/v1/projects/local-cloud/topics", &json!({}));
    assert_eq!(topics["topics"].as_array().map(Vec::len), Some(1), "{topics:#}");
}

#[test]
fn another_stack_of_the_same_name_is_noticed() {
    let scenario = applied();
    scenario.write("stack.toml", "[stack]\nname = 'demo'\nregion = 'europe-west1'\n\n[topic.other]\n");
    let refused = scenario.provision(&["plan", "--local"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(
        refused.stderr.contains("another stack called demo is in the project local-cloud"),
        "{}",
        refused.stderr
    );
}

#[test]
fn others_grants_are_told_and_taken_back_only_when_asked() {
    let scenario = applied();
    let policy = scenario.call("GET", &format!("{TOPIC}:getIamPolicy"), &json!({}));
    let mut with_ann = policy;
    let ann = json!({ "role": "roles/pubsub.viewer", "members": ["user:ann@example.com"] });
    match with_ann["bindings"].as_array_mut() {
        Some(bindings) => bindings.push(ann),
        None => with_ann["bindings"] = json!([ann]),
    }
    scenario.call("POST", &format!("{TOPIC}:setIamPolicy"), &json!({ "policy": with_ann }));
    let grant = "pubsub projects/local-cloud/topics/demo-a roles/pubsub.viewer user:ann@example.com";
    let plan = scenario.json(0, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(plan["undeclared_grants"], json!([grant]));
    let text = scenario.expect(0, &["apply", "--local", "--yes"]);
    assert!(text.contains(grant) && text.contains("--prune-grants"), "{text}");
    let plan = scenario.json(0, &["plan", "--local", "--prune-grants"]);
    assert_eq!(plan["changes"][0]["address"], format!("grant.{grant}"), "{plan:#}");
    assert_eq!(plan["summary"], json!({ "create": 0, "update": 0, "replace": 0, "delete": 1 }));
    scenario.expect(0, &["apply", "--local", "--yes", "--prune-grants"]);
    let plan = scenario.json(0, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(plan["undeclared_grants"], json!([]));
}

/// `provision` at a terminal of its own, and somebody who answers.
struct Terminal {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Terminal {
    /// None where there is no `script`, which makes terminals.
    fn open(scenario: &Scenario, args: &str) -> Option<Self> {
        let mut command = Command::new("script");
        command.args(["-qefc", &format!("{} {args}", program("provision").display()), "/dev/null"]);
        command.current_dir(scenario.path("")).env("NO_COLOR", "1").env("TERM", "dumb");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let said = Arc::<Mutex<String>>::default();
        let (mut out, heard) = (child.stdout.take().expect("piped"), Arc::clone(&said));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut bytes) {
                heard.lock().expect("text").push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Some(Self { child, said })
    }

    /// Waits until it has asked so often.
    fn asks(&self, times: usize) -> String {
        until("it asks", || {
            let said = self.said.lock().expect("text").clone();
            (said.matches("[y/N]").count() >= times).then_some(said)
        })
    }

    fn answer(&mut self, word: &str) {
        let answer = format!("{word}\n");
        self.child.stdin.as_mut().expect("piped").write_all(answer.as_bytes()).expect("heard");
    }
}

#[test]
fn what_moves_while_the_question_is_open_is_shown_and_asked_again() {
    let scenario = applied();
    scenario.edit("ack_deadline = '20s'", "ack_deadline = '30s'");
    let Some(mut terminal) = Terminal::open(&scenario, "apply --local") else {
        eprintln!("SKIPPED: the question of apply (no `script` to make a terminal)");
        return;
    };
    let said = terminal.asks(1);
    assert!(said.contains("ack_deadline: 20s → 30s") && !said.contains("has changed"), "{said}");
    patch(&scenario, "ackDeadlineSeconds", &json!({ "ackDeadlineSeconds": 55 }));
    terminal.answer("y");
    let said = terminal.asks(2);
    assert!(said.contains("since the plan above was made, this has changed"), "{said}");
    assert!(said.contains("ack_deadline: 55s → 30s"), "{said}");
    terminal.answer("y");
    let status = until("it ends", || terminal.child.try_wait().expect("a child"));
    let said = terminal.said.lock().expect("text").clone();
    assert!(status.success(), "{said}");
    assert_eq!(said.matches("[y/N]").count(), 2, "{said}");
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn what_the_file_says_it_only_uses_is_let_go_and_can_be_taken_back() {
    let scenario =
        Scenario::with("[stack]\nname = 'demo'\nregion = 'europe-west1'\n\n[topic.a]\n\n[topic.b]\n");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.edit("[topic.a]", "[topic.a]\nexisting = true");
    let changes = |args: &[&str]| -> Vec<String> {
        let text = scenario.provision(args).stdout;
        text.lines()
            .filter(|line| line.contains("topic."))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    let let_go = "○ topic.a only used: it stays, without the stack's marks";
    // Said, and not applied yet: a teardown heeds it all the same.
    assert_eq!(changes(&["teardown", "--local"]), ["- topic.b the stack ends", let_go]);
    assert_eq!(changes(&["plan", "--local"]), [let_go]);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    assert_eq!(scenario.call("GET", TOPIC, &json!({}))["labels"], Value::Null);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    scenario.edit("[topic.a]\nexisting = true", "[topic.a]");
    scenario.expect(1, &["plan", "--local"]);
    scenario.expect(0, &["apply", "--local", "--yes", "--adopt", "topic.a"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn nothing_is_let_go_from_under_which_the_rest_would_vanish() {
    let scenario = Scenario::with(
        "[stack]\nname = 'demo'\nregion = 'europe-west1'\nzone = 'europe-west1-b'\n\n[topic.a]\n\n[subscription.s]\ntopic = 'a'\n\n[cluster.main]\n[cluster.main.pool.w]\nmax_nodes = 2\n",
    );
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.edit("[cluster.main]", "[cluster.main]\nexisting = true");
    scenario.edit("[subscription.s]", "[subscription.s]\nexisting = true");
    for args in [&["plan", "--local"][..], &["teardown", "--local", "--yes"]] {
        let said = scenario.provision(args);
        assert_eq!(said.code, Some(1), "{}", said.stdout);
        for address in ["cluster.main", "subscription.s"] {
            let words = format!("{address}: it is this stack's, with what it stands on");
            assert!(said.stderr.contains(&words), "{words}: {}", said.stderr);
        }
    }
}

#[test]
fn a_plan_that_is_applied_again_has_nothing_left_to_do_and_says_so() {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["plan", "--local", "--out", "plan.json"]);
    let made = scenario.provision(&["apply", "--local", "--yes", "plan.json"]);
    assert!(made.stderr.contains("created topic.a") && !made.stderr.contains("already"), "{}", made.stderr);
    let again = scenario.provision(&["apply", "--local", "--yes", "plan.json", "--format", "json"]);
    let events = again.events();
    let of = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
    assert!(of("finished").all(|event| event["was_so"] == true), "{events:#?}");
    let summary = of("summary").next().expect("the last line");
    assert_eq!(
        (&summary["done"], &summary["was_so"]),
        (&json!(0), &json!(of("finished").count())),
        "{summary}"
    );
    assert!(again.stderr.contains("unchanged topic.a: it was so already"), "{}", again.stderr);
    assert!(again.stderr.contains("0 changes made, "), "{}", again.stderr);
}
