//! What `[secret.NAME]` stands for, beside the jobs that use it.

use std::path::Path;

use serde_json::{Value, json};

use crate::resource::Desired;
use crate::stack::{Project, Stack};

/// A stack with `[job.fx]` and `[job.other]` in a cluster each, which use these secrets.
fn stack(secrets: &str, fx: &str, other: &str) -> String {
    let headers = |names: &str| {
        let header = |name: &str| format!("X-{name} = {{ secret = \"{name}\", prefix = \"Bearer \" }}\n");
        names.split_whitespace().map(header).collect::<String>()
    };
    let job = |key: &str, cluster: &str, names: &str| {
        format!(
            r#"
            [cluster.{cluster}.pool.steady]
            nodes = 1
            [job.{key}]
            subscription = "work"
            bucket = "data"
            pool = "{cluster}/steady"
            [job.{key}.etl]
            extract = "https://example.com/{{item}}.parquet"
            load = "gs://data/{key}/{{item}}.parquet"
            [job.{key}.etl.http.headers]
            {}
            "#,
            headers(names)
        )
    };
    format!(
        r#"
        [stack]
        name = "fx"
        region = "europe-west1"
        [topic.items]
        [subscription.work]
        topic = "items"
        [bucket.data]
        {secrets}
        {}{}
        "#,
        job("fx", "main", fx),
        job("other", "side", other)
    )
}

fn resources(text: &str) -> Vec<Desired> {
    let stack = Stack::parse(Path::new("folder/stack.toml"), text).expect("a valid stack");
    let project = Project { id: "my-project".into(), number: 123_456_789_012, local: true };
    stack.resources(&project).expect("resources")
}

/// The resources of a kind: address, id, what they wait for.
fn told(resources: &[Desired], kind: &str) -> String {
    let of_kind = resources.iter().filter(|resource| resource.address.kind == kind);
    let needs =
        |resource: &Desired| resource.needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let lines: Vec<String> =
        of_kind.map(|r| format!("{}: {}\n  after {}", r.address, r.id, needs(r))).collect();
    lines.join("\n")
}

fn variables(resources: &[Desired], job: &str) -> Vec<Value> {
    let job = resources.iter().find(|r| r.address.to_string() == job).expect("the job");
    let container =
        &job.fields["manifest"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let all = container["env"].as_array().cloned().unwrap_or_default();
    all.into_iter()
        .filter(|v| v["name"].as_str().is_some_and(|n| n.starts_with("PROVISION_SECRET")))
        .collect()
}

#[test]
fn a_value_of_this_machine_is_handed_over_by_the_cluster_of_the_job_that_uses_it() {
    let resources = resources(&stack(
        "[secret.api-token]\nenv = \"TOKEN\"\n[secret.unused]\nfile = \"x\"",
        "api-token",
        "",
    ));
    insta::assert_snapshot!(told(&resources, "secret"), @"
    secret.api-token: projects/my-project/locations/europe-west1/clusters/fx-main/namespaces/fx/secrets/api-token
      after cluster.main, namespace.main/fx
    ");
    let expected = json!([{
        "name": "PROVISION_SECRET_API_TOKEN",
        "valueFrom": { "secretKeyRef": { "name": "api-token", "key": "value" } },
    }]);
    assert_eq!(json!(variables(&resources, "job.fx")), expected);
    assert_eq!(variables(&resources, "job.other"), [] as [Value; 0]);
    let job = resources.iter().find(|r| r.address.to_string() == "job.fx").expect("the job");
    assert!(job.needs.iter().any(|need| need.to_string() == "secret.api-token"));
    let secret = resources.iter().find(|r| r.address.kind == "secret").expect("the secret");
    assert_eq!(secret.fields, json!({ "value": "current", "source": { "env": "TOKEN" } }));
}

#[test]
fn a_secret_of_two_clusters_lies_in_each() {
    let resources = resources(&stack("[secret.token]\nfile = \"keys/token\"", "token", "token"));
    insta::assert_snapshot!(told(&resources, "secret"), @"
    secret.main/token: projects/my-project/locations/europe-west1/clusters/fx-main/namespaces/fx/secrets/token
      after cluster.main, namespace.main/fx
    secret.side/token: projects/my-project/locations/europe-west1/clusters/fx-side/namespaces/fx/secrets/token
      after cluster.side, namespace.side/fx
    ");
    let secret = resources.iter().find(|r| r.address.kind == "secret").expect("the secret");
    assert_eq!(secret.fields["source"], json!({ "file": "folder/keys/token" }));
}

#[test]
fn what_secret_manager_keeps_is_a_grant_and_a_name() {
    let secrets = "[secret.a]\nsecret_manager = \"vendor\"\n[secret.b]\nsecret_manager = \"projects/other/secrets/s\"\nversion = \"3\"";
    let resources = resources(&stack(secrets, "a b", ""));
    assert_eq!(told(&resources, "secret"), "");
    let expected = json!([{
        "name": "PROVISION_SECRETS",
        "value": r#"{"a":"projects/my-project/secrets/vendor/versions/latest","b":"projects/other/secrets/s/versions/3"}"#,
    }]);
    assert_eq!(json!(variables(&resources, "job.fx")), expected);
    let grants: Vec<_> = resources.iter().filter(|r| r.address.key.contains("-secret-")).collect();
    let grants: Vec<String> = grants
        .iter()
        .map(|grant| format!("{} {} {}", grant.address, grant.fields["role"], grant.fields["on"]))
        .collect();
    assert_eq!(
        grants,
        [
            r#"grant.fx-secret-a "roles/secretmanager.secretAccessor" "secret projects/my-project/secrets/vendor""#,
            r#"grant.fx-secret-b "roles/secretmanager.secretAccessor" "secret projects/other/secrets/s""#,
        ]
    );
}

#[test]
fn a_secret_that_is_not_on_this_machine_is_shown_in_the_file() {
    let text = stack("[secret.token]\nenv = \"NO_SUCH_TOKEN\"", "token", "");
    let stack = Stack::parse(Path::new("stack.toml"), &text).expect("a valid stack");
    let missing = stack.secrets_are_here().expect_err("it is not there").to_string();
    insta::assert_snapshot!(missing, @r#"
    error: secret.token: the variable NO_SUCH_TOKEN is not set in this environment
      --> stack.toml:10:1
       |
    10 | env = "NO_SUCH_TOKEN"
       | ^^^
    "#);
}
