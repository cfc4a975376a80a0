//! The end of a stack: buckets are emptied whatever happens, and what remains is named with the
//! command that removes it.

use localcloud::calls::{Failure, Fate, Fault, Point, What, When};
use scenarios::{Cloud, Scenario, until};
use serde_json::json;

const STACK: &str = "[stack]
name = 'demo'
region = 'europe-west1'

[topic.a]

[bucket.data]
versioning = true
";
const BUCKET: &str = "local-cloud-demo-data";
const DELETE: &str = "storage.objects.delete";
/// Objects, each in two versions.
const OBJECTS: u64 = 1_500;
/// Deletions under way at most, as the provisioner has it.
const AT_ONCE: usize = 32;
const TEARDOWN: [&str; 4] = ["teardown", "--local", "--yes", "--delete-data"];

fn applied() -> (Scenario, Cloud) {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let cloud = Cloud::of(&scenario);
    (scenario, cloud)
}

/// Versions that are left in the bucket.
fn remaining(scenario: &Scenario) -> u64 {
    let (mut found, mut next) = (0, String::new());
    loop {
        let path = format!("/storage/v1/b/{BUCKET}/o?versions=true&pageToken={next}");
        let page = scenario.call("GET", &path, &json!({}));
        found += page["items"].as_array().map_or(0, |items| items.len() as u64);
        match page["nextPageToken"].as_str() {
            Some(token) => token.clone_into(&mut next),
            None => return found,
        }
    }
}

#[test]
fn thousands_of_versions_go_many_at_a_time_and_a_kill_only_interrupts() {
    let (scenario, cloud) = applied();
    cloud.store_twice(BUCKET, (0..OBJECTS).map(|at| format!("folder {}/{at}", at % 7)));
    assert_eq!(remaining(&scenario), 2 * OBJECTS);

    // Nothing ends: so many are under way at once, and no more.
    let mark = cloud.mark();
    let stall = cloud.fault(&Fault::always(Point::before(DELETE), What::Stall));
    let mut teardown = scenario.start(&TEARDOWN);
    let held =
        || cloud.calls(mark).iter().filter(|call| call.method == DELETE && call.fate == Fate::Held).count();
    until("deletions are under way", || (held() >= AT_ONCE).then_some(()));
    let soft = scenario.call("GET", &format!("/storage/v1/b/{BUCKET}"), &json!({}));
    assert_eq!(soft["softDeletePolicy"]["retentionDurationSeconds"], "0", "off before the first deletion");
    let most = held();

    // Killed half the way.
    let kill = Fault { point: Point::before(DELETE), when: When::Every(OBJECTS), what: What::Kill };
    let kill = cloud.fault(&kill);
    cloud.clear(Some(stall));
    assert!(!teardown.wait().expect("it ends").success());
    assert_eq!(cloud.strikes(kill), 1, "it was killed there");
    cloud.clear(None);
    let left = remaining(&scenario);
    assert!((1..2 * OBJECTS).contains(&left), "{left} are left");

    // One in a hundred deletions fails for a moment, and only that one is done again.
    let unavailable = Failure::named("unavailable").expect("an error that has a name");
    let point = Point::before(DELETE);
    let _ = cloud.fault(&Fault { point, when: When::Every(100), what: What::Fail(unavailable) });
    let mark = cloud.mark();
    let said = scenario.provision(&TEARDOWN);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stderr.contains(" objects deleted"), "{}", said.stderr);
    assert!(said.stderr.contains("nothing of the stack demo remains"), "{}", said.stderr);
    let calls = cloud.calls(mark).iter().filter(|call| call.method == DELETE).count() as u64;
    assert!(calls <= left + left / 50, "{calls} calls for {left} versions");
    assert_eq!(scenario.objects(BUCKET, ""), Vec::<String>::new());
    println!(
        "{} versions, {most} deletions at once, killed with {left} left, {calls} calls for the rest",
        2 * OBJECTS
    );
    assert_eq!(most, AT_ONCE);
}

#[test]
fn what_somebody_keeps_by_a_hold_is_named_and_the_rest_goes() {
    let (scenario, cloud) = applied();
    cloud.store_twice(BUCKET, ["free".to_owned(), "precious".to_owned()]);
    let object = format!("/storage/v1/b/{BUCKET}/o/precious");
    scenario.call("PATCH", &object, &json!({ "temporaryHold": true }));
    let mark = cloud.mark();
    let said = scenario.provision(&TEARDOWN);
    assert_eq!(said.code, Some(1), "{}\n{}", said.stdout, said.stderr);
    for words in [
        "1 object is kept on purpose, 3 deleted",
        "Object 'local-cloud-demo-data/precious' is under active Temporary hold",
        "gcloud storage objects update 'gs://local-cloud-demo-data/**' --no-temporary-hold --no-event-based-hold",
        "this remains",
        "gcloud storage rm --recursive gs://local-cloud-demo-data",
    ] {
        assert!(said.stderr.contains(words), "no `{words}` in\n{}", said.stderr);
    }
    let tries = cloud.calls(mark).iter().filter(|call| call.method == DELETE).count();
    assert_eq!(tries, 4, "what is kept is not tried again");
    scenario.call("PATCH", &object, &json!({ "temporaryHold": false }));
    scenario.expect(0, &TEARDOWN);
}

#[test]
fn what_remains_is_named_with_the_command_that_removes_it() {
    let (scenario, cloud) = applied();
    // The service says that it is gone, and it is not.
    let gone = What::Fail(Failure::named("not-found").expect("an error that has a name"));
    let lie = cloud.fault(&Fault::always(Point::before("pubsub.topics.delete"), gone));
    let said = scenario.provision(&TEARDOWN);
    assert_eq!(said.code, Some(4), "{}\n{}", said.stdout, said.stderr);
    let told = said.stderr.split("this remains").nth(1).expect("what remains");
    assert_eq!(
        told.trim(),
        ", although it was deleted, or somebody made it anew; `provision teardown --local` tries again, and by hand:
  - topic.a (projects/local-cloud/topics/demo-a)
      gcloud pubsub topics delete projects/local-cloud/topics/demo-a
(`eval \"$(provision local env)\"` points gcloud and kubectl at the local cloud)"
    );
    cloud.clear(Some(lie));
    let said = scenario.provision(&TEARDOWN);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("nothing of the stack demo remains"), "{}", said.stderr);
}
