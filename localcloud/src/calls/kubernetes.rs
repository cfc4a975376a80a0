//! What a request to a cluster's Kubernetes API is: its method by verb and kind, its resource by the
//! path, and of what is made by the body.

use axum::extract::Request;
use axum::response::Response;
use http::Method as Verb;
use percent_encoding::percent_decode_str;

use super::methods::kubernetes::{DISCOVERY, on};
use super::request::{Told, description};

/// What a request to a cluster is, and the request as it came; none if no cluster serves it.
pub(super) async fn read(cluster: &str, request: Request) -> Result<(Option<Told>, Request), Response> {
    let Some(parts) = parts(request.uri().path()) else { return Ok((None, request)) };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let Some(place) = Place::of(&parts) else {
        let is_question = request.method() == Verb::GET;
        let about = || Told { method: &DISCOVERY, resource: under(cluster, &parts), parent: None };
        return Ok((is_question.then(about), request));
    };
    let watches = request.uri().query().is_some_and(|query| {
        query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch=True"))
    });
    let verb = match (request.method().as_str(), place.name, watches) {
        ("GET", None, true) => "watch",
        ("GET", None, false) => "list",
        ("GET", Some(_), _) => "get",
        ("POST", ..) => "create",
        ("PUT", ..) => "update",
        ("PATCH", ..) => "patch",
        ("DELETE", Some(_), _) => "delete",
        ("DELETE", None, _) => "deletecollection",
        _ => return Ok((None, request)),
    };
    let Some(method) = on(place.plural, place.subresource, verb) else { return Ok((None, request)) };
    let mut resource = under(cluster, place.object);
    let parent = (verb == "create").then(|| under(cluster, place.scope));
    if (verb, place.name) != ("create", None) {
        return Ok((Some(Told { method, resource, parent }), request));
    }
    let (described, request) = description(request).await?;
    if let Some(name) = described["metadata"]["name"].as_str() {
        resource = format!("{resource}/{name}");
    }
    Ok((Some(Told { method, resource, parent }), request))
}

/// Where an object of a kind stands.
struct Place<'a> {
    plural: &'a str,
    name: Option<&'a str>,
    subresource: &'a str,
    /// The path of the object, or of its collection.
    object: &'a [&'a str],
    /// The path of what holds the collection: a namespace, or nothing.
    scope: &'a [&'a str],
}

impl<'a> Place<'a> {
    fn of(parts: &'a [&'a str]) -> Option<Self> {
        let (["api", _, parts @ ..] | ["apis", _, _, parts @ ..]) = parts else { return None };
        // `namespaces/a` and `namespaces/a/status` are about the namespace itself.
        let scope = match parts {
            ["namespaces", _, kind, ..] if !matches!(*kind, "status" | "finalize") => 2,
            _ => 0,
        };
        let (scope, rest) = parts.split_at_checked(scope)?;
        let (plural, name, subresource) = match rest {
            [plural] => (plural, None, ""),
            [plural, name] => (plural, Some(*name), ""),
            [plural, name, subresource] => (plural, Some(*name), *subresource),
            _ => return None,
        };
        let object = &parts[..scope.len() + 1 + usize::from(name.is_some())];
        Some(Self { plural, name, subresource, object, scope })
    }
}

fn parts(path: &str) -> Option<Vec<String>> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(|part| percent_decode_str(part).decode_utf8().map(Into::into)).collect::<Result<_, _>>().ok()
}

fn under(cluster: &str, parts: &[&str]) -> String {
    let mut name = format!("clusters/{cluster}");
    for part in parts {
        name.push('/');
        name.push_str(part);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[tokio::test]
    async fn a_request_is_a_verb_on_a_kind() {
        let jobs = "/apis/batch/v1/namespaces/fx/jobs";
        for (verb, path, body, method, resource) in [
            ("POST", jobs, r#"{"metadata": {"name": "fx-1"}}"#, "jobs.create", "namespaces/fx/jobs/fx-1"),
            ("POST", jobs, "{}", "jobs.create", "namespaces/fx/jobs"),
            ("GET", jobs, "", "jobs.list", "namespaces/fx/jobs"),
            ("GET", "/api/v1/pods?watch=true&resourceVersion=1", "", "pods.watch", "pods"),
            (
                "PATCH",
                "/apis/batch/v1/namespaces/fx/jobs/a/status",
                "",
                "jobs.status.patch",
                "namespaces/fx/jobs/a",
            ),
            ("PUT", "/api/v1/namespaces/fx/finalize", "", "namespaces.finalize.update", "namespaces/fx"),
            ("DELETE", "/api/v1/namespaces/fx", "", "namespaces.delete", "namespaces/fx"),
            ("DELETE", jobs, "", "jobs.deletecollection", "namespaces/fx/jobs"),
            (
                "POST",
                "/api/v1/namespaces/fx/pods/p/eviction",
                "{}",
                "pods.eviction.create",
                "namespaces/fx/pods/p",
            ),
            ("GET", "/version", "", "discovery.get", "version"),
            ("GET", "/api/v1", "", "discovery.get", "api/v1"),
        ] {
            let request =
                Request::builder().method(verb).uri(path).body(Body::from(body)).expect("a request");
            let told = read("main", request).await.expect("read").0.expect(path);
            let expected = (format!("kubernetes.{method}"), format!("clusters/main/{resource}"));
            assert_eq!((told.method.name.to_owned(), told.resource), expected, "{verb} {path}");
        }
    }
}
