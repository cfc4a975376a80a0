//! The table of all methods that the local cloud serves: what each is called, where it stands on
//! the wires, and where a request says what it is about. What has no row is not served.

mod compute;
mod container;
mod iam;
pub(super) mod kubernetes;
mod monitoring;
mod projects;
mod pubsub;
mod registry;
mod secrets;
mod services;
mod storage;

use std::collections::HashMap;
use std::sync::LazyLock;

use http::Method as Verb;

use super::glob;
use super::template::{self, Captures};

/// A method, under one name for all its wires.
#[derive(Debug)]
pub(crate) struct Method {
    /// In the style of Google's discovery documents: `pubsub.topics.publish`.
    pub(crate) name: &'static str,
    pub(super) routes: &'static [Route],
}

/// Where a method stands on one wire.
#[derive(Debug)]
pub(super) struct Route {
    on: On,
    /// The template of the resource that the call is about.
    pub(super) resource: &'static str,
    /// The template of what something is made in; empty if nothing is made.
    pub(super) parent: &'static str,
    /// The route is only for resources in whose name this stands.
    pub(super) only: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum On {
    /// Verb and template of the path.
    Rest(&'static str, &'static str),
    /// `/package.Service/Method`.
    Grpc(&'static str),
}

const TABLES: [&[Method]; 10] = [
    pubsub::METHODS,
    storage::METHODS,
    container::METHODS,
    iam::METHODS,
    projects::METHODS,
    services::METHODS,
    secrets::METHODS,
    monitoring::METHODS,
    registry::METHODS,
    compute::METHODS,
];

const fn method(name: &'static str, routes: &'static [Route]) -> Method {
    Method { name, routes }
}

/// A route of REST; the resource is the path without version and verb, unless [`Route::about`] says
/// otherwise.
const fn rest(verb: &'static str, path: &'static str) -> Route {
    Route { on: On::Rest(verb, path), resource: "", parent: "", only: "" }
}

const fn get(path: &'static str) -> Route {
    rest("GET", path)
}

const fn post(path: &'static str) -> Route {
    rest("POST", path)
}

const fn put(path: &'static str) -> Route {
    rest("PUT", path)
}

const fn patch(path: &'static str) -> Route {
    rest("PATCH", path)
}

const fn delete(path: &'static str) -> Route {
    rest("DELETE", path)
}

/// A route of gRPC, and where the message names the resource.
const fn grpc(path: &'static str, resource: &'static str) -> Route {
    Route { on: On::Grpc(path), resource, parent: "", only: "" }
}

impl Route {
    /// Says what the call is about.
    const fn about(self, resource: &'static str) -> Self {
        Self { resource, ..self }
    }

    /// Says what something is made in.
    const fn within(self, parent: &'static str) -> Self {
        Self { parent, ..self }
    }

    /// Narrows it to resources in whose name `part` stands.
    const fn only(self, part: &'static str) -> Self {
        Self { only: part, ..self }
    }

    /// The template of the resource.
    pub(super) fn resource(&self) -> &'static str {
        match self.on {
            On::Rest(_, path) if self.resource.is_empty() => {
                let name = path.trim_start_matches('/').split_once('/').map_or("", |(_, name)| name);
                template::without_verb(name)
            }
            _ => self.resource,
        }
    }
}

/// A route and its method.
pub(super) type Row = (&'static Method, &'static Route);

/// The rows of a path of gRPC.
pub(super) fn on_grpc(path: &str) -> &'static [Row] {
    static INDEX: LazyLock<HashMap<&'static str, Vec<Row>>> = LazyLock::new(|| {
        let mut index: HashMap<&'static str, Vec<Row>> = HashMap::new();
        for row in rows() {
            if let On::Grpc(path) = row.1.on {
                index.entry(path).or_default().push(row);
            }
        }
        index
    });
    INDEX.get(path).map_or(&[], Vec::as_slice)
}

/// Verb and number of segments.
type Key = (&'static str, usize);

/// The row of a path of REST, and what the path says.
pub(super) fn on_rest(verb: &Verb, path: &str) -> Option<(Row, Captures)> {
    static INDEX: LazyLock<HashMap<Key, Vec<(&'static str, Row)>>> = LazyLock::new(|| {
        let mut index: HashMap<Key, Vec<(&'static str, Row)>> = HashMap::new();
        for row in rows() {
            if let On::Rest(verb, path) = row.1.on
                && !template::is_open(path)
            {
                index.entry((verb, template::segments(path).count())).or_default().push((path, row));
            }
        }
        // Where two match, the one that says more is meant: `{topic}:publish` before `{topic}`.
        for routes in index.values_mut() {
            routes.sort_by_key(|(path, _)| std::cmp::Reverse(template::literal(path)));
        }
        index
    });
    let candidates = INDEX.get(&(plain(verb), template::segments(path).count()))?;
    candidates.iter().find_map(|(template, row)| Some((*row, template::captures(template, path)?)))
}

/// The row of a path that begins with a bucket, for what has no prefix of its own.
pub(super) fn in_bucket(verb: &Verb, path: &str) -> Option<(Row, Captures)> {
    let bucket = template::segments(path).next()?;
    let plain_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    if bucket.len() < 3 || !bucket.bytes().all(plain_byte) {
        return None;
    }
    let open = rows().filter_map(|row| match row.1.on {
        On::Rest(on, path) if on == plain(verb) && template::is_open(path) => Some((path, row)),
        _ => None,
    });
    open.into_iter().find_map(|(template, row)| Some((row, template::captures(template, path)?)))
}

/// Who asks for the head asks for the whole, and leaves the rest.
fn plain(verb: &Verb) -> &str {
    if verb == Verb::HEAD { "GET" } else { verb.as_str() }
}

/// The method of a name.
pub(super) fn named(name: &str) -> Option<&'static Method> {
    TABLES.into_iter().flatten().find(|method| method.name == name)
}

/// Whether any method, of Google's services or of a cluster, is of a pattern.
pub(super) fn any_is_of(pattern: &str) -> bool {
    names().chain(kubernetes::names()).any(|name| glob::matches(pattern, name))
}

/// The names of all methods of Google's services.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().flatten().map(|method| method.name)
}

fn rows() -> impl Iterator<Item = Row> {
    let methods = TABLES.into_iter().flatten();
    methods.flat_map(|method| method.routes.iter().map(move |route| (method, route)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `build.rs` generates services from.
    const SERVED: &[&str] = include!(concat!(env!("OUT_DIR"), "/grpc_methods.rs"));

    #[test]
    fn every_method_of_grpc_has_a_row_and_every_row_a_method() {
        let missing: Vec<_> = SERVED.iter().filter(|path| on_grpc(path).is_empty()).collect();
        assert!(missing.is_empty(), "no row in src/calls/methods for {missing:?}");
        for (method, route) in rows() {
            if let On::Grpc(path) = route.on {
                assert!(SERVED.contains(&path), "{}: nobody serves {path}", method.name);
            }
        }
    }

    #[test]
    fn a_path_leads_to_its_method_and_its_resource() {
        for (verb, path, name, resource) in [
            ("POST", "/v1/projects/p/topics/t:publish", "pubsub.topics.publish", "projects/p/topics/t"),
            ("GET", "/v1/projects/p/topics/t", "pubsub.topics.get", "projects/p/topics/t"),
            (
                "GET",
                "/v1/projects/p/topics/t:getIamPolicy",
                "pubsub.topics.getIamPolicy",
                "projects/p/topics/t",
            ),
            ("GET", "/v1/projects/p/topics", "pubsub.topics.list", "projects/p/topics"),
            (
                "GET",
                "/storage/v1/b/data/o/a%2Fb%20c",
                "storage.objects.get",
                "projects/_/buckets/data/objects/a/b c",
            ),
            (
                "POST",
                "/v1/projects/p/zones/europe-west1-b/clusters/c/nodePools/w:setSize",
                "container.nodePools.setSize",
                "projects/p/locations/europe-west1-b/clusters/c/nodePools/w",
            ),
            (
                "POST",
                "/v3/projects/p:setIamPolicy",
                "cloudresourcemanager.projects.setIamPolicy",
                "projects/p",
            ),
            (
                "POST",
                "/v1/projects/p/services/iam.googleapis.com:enable",
                "serviceusage.services.enable",
                "projects/p/services/iam.googleapis.com",
            ),
        ] {
            let verb = Verb::from_bytes(verb.as_bytes()).expect("a verb");
            let ((method, route), captures) = on_rest(&verb, path).expect(path);
            let told = template::fill(route.resource(), &|piece| captures.get(piece).map(Into::into));
            assert_eq!((method.name, told.as_str()), (name, resource), "{path}");
        }
        for (verb, path) in
            [("POST", "/v1/projects/p/topics/t:frobnicate"), ("GET", "/v1/projects/p/instances")]
        {
            let verb = Verb::from_bytes(verb.as_bytes()).expect("a verb");
            assert!(on_rest(&verb, path).is_none(), "{path}");
        }
    }

    #[test]
    fn names_are_those_of_discovery_documents() {
        for (method, _) in rows() {
            let parts: Vec<&str> = method.name.split('.').collect();
            assert!((3..=4).contains(&parts.len()), "{}", method.name);
            assert!(
                parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_alphanumeric())),
                "{}",
                method.name
            );
        }
    }
}
