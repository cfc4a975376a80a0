//! The images of jobs: looked for while a plan is made, and bound to the digest that they have then.
//! A tag that moves afterwards is a change like any other.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::Value;

use crate::change::{Action, Change};
use crate::cloud::Cloud;
use crate::compare::differences;
use crate::finding::{Finding, Level};
use crate::full_name;
use crate::kinds::POOL;
use crate::resource::{Desired, Pair};

mod elsewhere;
mod reference;
mod registry;

use reference::Reference;
use registry::{Look, Platform};

/// Where a job's pods stand in its fields.
const PODS: &str = "/manifest/spec/jobTemplate/spec/template/spec";
/// Their lists of containers.
const LISTS: [&str; 2] = ["initContainers", "containers"];
/// Stands for the program beside this one, which the local cloud runs instead of any image.
const OF_THIS_MACHINE: &str = "provision.local";
/// The series of machines that are not amd64.
const ARM: [&str; 4] = ["t2a", "c4a", "n4a", "a4x"];

/// What was found of images, by the names that jobs have for them.
#[derive(Debug, Default)]
pub(crate) struct Images(BTreeMap<String, Look>);

/// Whether a registry is asked for an image of the job.
pub(crate) fn are_checked(job: &Desired) -> bool {
    names(&job.fields).any(|name| Reference::parse(name).is_at_google())
}

/// Looks for the images of all jobs. Where everything is local nothing is pulled, and only registries
/// of this machine are asked.
pub(crate) async fn look(cloud: &Cloud, desired: &[Desired]) -> Images {
    let jobs = desired.iter().filter(|want| is_made(want));
    let mut all: Vec<&str> = jobs.flat_map(|job| names(&job.fields)).collect();
    all.sort_unstable();
    all.dedup();
    let images = all.into_iter().map(|name| (name, Reference::parse(name)));
    let is_asked = |image: &Reference| {
        image.is_at_google()
            || elsewhere::is_here(&image.host)
            || (!cloud.project.local && image.host != OF_THIS_MACHINE)
    };
    let looks = images.filter(|(_, image)| is_asked(image)).map(|(name, image)| async move {
        let look = match image.is_at_google() {
            true => registry::look(cloud, &image).await,
            false => elsewhere::look(&image).await,
        };
        (name.to_owned(), look)
    });
    Images(join_all(looks).await.into_iter().collect())
}

impl Images {
    /// What is to be said of the images that the file names. `pinned` are those of `desired` that may be
    /// seen, bound to digests.
    pub(crate) fn findings(&self, desired: &[Desired], pinned: &[Pair], local: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for Pair { want: pinned, live } in pinned.iter().filter(|pair| is_made(&pair.want)) {
            // A job that runs as it is stands in nobody's way.
            let is_changed =
                live.as_ref().is_none_or(|live| !differences(&pinned.fields, &live.fields).is_empty());
            let level = if is_changed { Level::Error } else { Level::Warning };
            let Some(job) = desired.iter().find(|job| job.address == pinned.address) else { continue };
            for name in names(&job.fields) {
                findings.extend(self.finding(job, name, machines(job, desired), level, local));
            }
        }
        findings
    }

    fn finding(
        &self,
        job: &Desired,
        name: &str,
        machines: Option<(&str, &str)>,
        level: Level,
        local: bool,
    ) -> Option<Finding> {
        let (address, image) = (&job.address, Reference::parse(name));
        let told = |level, what: String, help: &str| {
            Some(Finding { level, what: format!("{address}: {what}"), help: help.to_owned() })
        };
        // Nothing is pulled there: what its registry does not hold is nobody's mistake.
        if local
            && !elsewhere::is_here(&image.host)
            && (!image.is_at_google() || self.0.get(name) == Some(&Look::Missing { repository: false }))
        {
            return None;
        }
        match self.0.get(name) {
            None => None,
            Some(Look::Missing { repository: true }) => {
                told(level, format!("there is no image {name}"), "push it, or correct the name")
            }
            Some(Look::Missing { repository: false }) => told(
                level,
                format!("there is no image {name}, nor its repository"),
                "create the repository and push the image, or correct the name",
            ),
            Some(Look::Denied) if !image.is_at_google() => told(
                Level::Note,
                format!("image {name} cannot be looked at: {} does not show it to everybody", image.host),
                "correct the name if it is wrong; nodes need leave to pull it",
            ),
            Some(Look::Unknown(why)) if !image.is_at_google() => {
                let help = match image.digest {
                    Some(_) => "its digest binds it; that the nodes can pull it only a run shows",
                    None => "plan again, or name it by its digest, `@sha256:…`, so that it cannot move",
                };
                told(Level::Note, format!("image {name} cannot be looked at: {why}"), help)
            }
            Some(Look::Denied) => told(
                Level::Note,
                format!(
                    "image {name} is not checked: these credentials may not read its repository, or there is none"
                ),
                "roles/artifactregistry.reader on the repository lets a plan look",
            ),
            Some(Look::Unknown(why)) => told(
                Level::Warning,
                format!("whether there is an image {name} is unknown ({why})"),
                "plan again, or name it by its digest",
            ),
            Some(Look::Found { platforms, .. }) => {
                let (pool, machine_type) = machines?;
                let wanted = architecture(machine_type);
                let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == wanted;
                if platforms.is_empty() || platforms.iter().any(fits) {
                    return None;
                }
                let built: Vec<String> = platforms.iter().map(ToString::to_string).collect();
                let what = format!(
                    "image {name} is built for {}, and the machines of the pool {pool} ({machine_type}) are linux/{wanted}",
                    built.join(", ")
                );
                told(
                    level,
                    what,
                    &format!(
                        "build it for linux/{wanted} too (`docker buildx build --platform …`), or choose another machine type"
                    ),
                )
            }
        }
    }

    /// Binds the images of jobs to their digests. One that could not be looked for stays bound as it
    /// is in the cloud: who may not look changes nothing.
    pub(crate) fn pin(&self, pairs: &mut [Pair]) {
        for Pair { want: job, live } in pairs.iter_mut().filter(|pair| is_made(&pair.want)) {
            let live = live.as_ref().map(|live| &live.fields);
            for place in places(&job.fields) {
                let Some(name) = text(&job.fields, &place) else { continue };
                let image = Reference::parse(name);
                if image.digest.is_some() {
                    continue;
                }
                let pinned = match self.0.get(name) {
                    Some(Look::Found { digest, .. }) => Some(image.pinned(digest)),
                    Some(_) => {
                        let there = live.and_then(|live| text(live, &place)).map(Reference::parse);
                        there.filter(|there| there.is_tagged_as(&image) && there.digest.is_some())
                    }
                    None => None,
                };
                if let (Some(pinned), Some(value)) = (pinned, job.fields.pointer_mut(&place)) {
                    *value = pinned.to_string().into();
                }
            }
        }
    }
}

/// Says of changes that came of tags that moved that they did.
pub(crate) fn tell_moved_tags(changes: &mut [Change]) {
    let moved = |before: &Value, after: &Value| -> Option<String> {
        let (before, after) = (Reference::parse(before.as_str()?), Reference::parse(after.as_str()?));
        let has_moved = before.is_tagged_as(&after) && before.digest.is_some() && after.digest.is_some();
        has_moved.then(|| after.tag.unwrap_or_else(|| "latest".to_owned()))
    };
    for change in changes.iter_mut().filter(|change| change.address.kind == "job") {
        if change.action != Action::Update {
            continue;
        }
        let tags: Option<Vec<String>> =
            change.fields.iter().map(|field| moved(&field.before, &field.after)).collect();
        if let Some(mut tags) = tags.filter(|tags| !tags.is_empty()) {
            tags.sort_unstable();
            tags.dedup();
            change.reason = format!("the tag {} was moved", tags.join(", "));
        }
    }
}

/// Whether it is a job that the stack makes.
fn is_made(want: &Desired) -> bool {
    want.address.kind == "job" && !want.existing
}

/// The names of a job's images.
fn names(fields: &Value) -> impl Iterator<Item = &str> {
    places(fields).into_iter().filter_map(|place| text(fields, &place))
}

fn text<'a>(fields: &'a Value, place: &str) -> Option<&'a str> {
    fields.pointer(place).and_then(Value::as_str)
}

/// Where the names of a job's images stand.
fn places(fields: &Value) -> Vec<String> {
    let of = |list: &str| {
        let list = format!("{PODS}/{list}");
        let count = fields.pointer(&list).and_then(Value::as_array).map_or(0, Vec::len);
        (0..count).map(move |at| format!("{list}/{at}/image")).collect::<Vec<_>>()
    };
    LISTS.into_iter().flat_map(of).collect()
}

/// The pool that a job's pods are placed in, and its machine type.
fn machines<'a>(job: &Desired, desired: &'a [Desired]) -> Option<(&'a str, &'a str)> {
    let pool = job.fields.pointer(&format!("{PODS}/nodeSelector"))?[POOL].as_str()?;
    let (cluster, _) = job.id.split_once("/namespaces/")?;
    let id = full_name::pool(cluster, pool);
    let pool = desired.iter().find(|want| want.address.kind == "node_pool" && want.id == id)?;
    Some((&pool.address.key, pool.fields["machine_type"].as_str()?))
}

/// As images name it.
fn architecture(machine_type: &str) -> &'static str {
    let series = machine_type.split('-').next().unwrap_or_default();
    if ARM.contains(&series) { "arm64" } else { "amd64" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Live;

    const IMAGE: &str = "gcr.io/p/worker:1";

    fn fields(image: &str) -> Value {
        let pods = json!({ "containers": [{ "image": image }], "nodeSelector": { POOL: "workers" } });
        json!({ "manifest": { "spec": { "jobTemplate": { "spec": { "template": { "spec": pods } } } } } })
    }

    fn desired(kind: &'static str, key: &str, id: &str, fields: Value) -> Desired {
        Desired { id: id.into(), ..Desired::for_test(kind, key, fields) }
    }

    /// A job with an image, in a pool of a machine type.
    fn stack(image: &str, machine_type: &str) -> Vec<Desired> {
        vec![
            desired("job", "fx", "c/namespaces/fx/cronjobs/fx", fields(image)),
            desired(
                "node_pool",
                "main/workers",
                "c/nodePools/workers",
                json!({ "machine_type": machine_type }),
            ),
        ]
    }

    fn live(image: &str) -> Live {
        Live::for_test("job", "fx", fields(image))
    }

    /// The stack, with its job in the cloud or not.
    fn pairs(stack: &[Desired], job: Option<&Live>) -> Vec<Pair> {
        let there = |want: &Desired| job.filter(|job| job.address == want.address).cloned();
        stack.iter().map(|want| Pair { live: there(want), want: want.clone() }).collect()
    }

    fn found(digest: &str, architecture: &str) -> Look {
        let platform = Platform { os: "linux".into(), architecture: architecture.into() };
        Look::Found { digest: digest.into(), platforms: vec![platform] }
    }

    fn pinned(look: Look, there: Option<&Live>) -> String {
        let mut pairs = pairs(&stack(IMAGE, "e2-standard-2"), there);
        Images([(IMAGE.to_owned(), look)].into()).pin(&mut pairs);
        names(&pairs[0].want.fields).collect()
    }

    #[test]
    fn who_may_not_look_leaves_an_image_bound_as_it_is() {
        let there = live("gcr.io/p/worker:1@sha256:old");
        assert_eq!(pinned(found("sha256:new", "amd64"), Some(&there)), "gcr.io/p/worker:1@sha256:new");
        for look in [Look::Denied, Look::Missing { repository: true }, Look::Unknown("no".into())] {
            assert_eq!(pinned(look, Some(&there)), "gcr.io/p/worker:1@sha256:old");
        }
        assert_eq!(pinned(Look::Denied, Some(&live("gcr.io/p/worker:2@sha256:old"))), IMAGE);
        assert_eq!(pinned(Look::Denied, None), IMAGE);
    }

    fn told(image: &str, machine_type: &str, look: Option<Look>, local: bool) -> String {
        let stack = stack(image, machine_type);
        let images = Images(look.map(|look| (image.to_owned(), look)).into_iter().collect());
        let found = images.findings(&stack, &pairs(&stack, None), local);
        let lines: Vec<String> =
            found.iter().map(|found| format!("{:?}: {}", found.level, found.what)).collect();
        lines.join("\n")
    }

    #[test]
    fn what_is_told_of_an_image() {
        let at_google = |look, local| told(IMAGE, "t2a-standard-4", Some(look), local);
        assert_eq!(at_google(found("sha256:ab", "arm64"), false), "");
        assert_eq!(
            at_google(found("sha256:ab", "amd64"), false),
            "Error: job.fx: image gcr.io/p/worker:1 is built for linux/amd64, and the machines of the pool main/workers (t2a-standard-4) are linux/arm64"
        );
        assert_eq!(
            at_google(Look::Denied, false),
            "Note: job.fx: image gcr.io/p/worker:1 is not checked: these credentials may not read its repository, or there is none"
        );
        let missing = Look::Missing { repository: false };
        assert_eq!(at_google(missing.clone(), true), "");
        assert_eq!(
            at_google(missing, false),
            "Error: job.fx: there is no image gcr.io/p/worker:1, nor its repository"
        );
        let elsewhere = |look, local| told("python:3.13", "e2-standard-2", look, local);
        let silent = Look::Unknown("no answer from docker.io for 15 s".into());
        assert_eq!(
            elsewhere(Some(silent), false),
            "Note: job.fx: image python:3.13 cannot be looked at: no answer from docker.io for 15 s"
        );
        assert_eq!(
            elsewhere(Some(Look::Denied), false),
            "Note: job.fx: image python:3.13 cannot be looked at: docker.io does not show it to everybody"
        );
        assert_eq!(
            elsewhere(Some(Look::Missing { repository: true }), false),
            "Error: job.fx: there is no image python:3.13"
        );
        assert_eq!(elsewhere(None, true), "");
    }
}
