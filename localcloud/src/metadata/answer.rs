//! One request to a pod's metadata server: the header that it must carry, then a token, or a file or
//! folder of what is told.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, LOCATION, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::json;

use super::{Told, tree};
use crate::iam::Impersonation;
use crate::iam::caller::Caller;

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const GOOGLE: HeaderValue = HeaderValue::from_static("Google");
const ROOT: &str = "/computeMetadata/v1";

pub(super) async fn answer(
    State(told): State<Arc<Told>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut answer = told.route(&method, &uri, &headers);
    // By this clients know where they are; refusals carry it too.
    answer.headers_mut().insert(FLAVOR, GOOGLE);
    answer.headers_mut().insert(SERVER, HeaderValue::from_static("GKE Metadata Server"));
    answer
}

impl Told {
    fn route(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        if method != Method::GET && method != Method::HEAD {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed\n"));
        }
        if uri.path() == "/" {
            return text("computeMetadata/\n".into());
        }
        // What was forwarded may have been made by a page or a proxy that does not know what it does.
        if headers.contains_key("x-forwarded-for") {
            let what = "Request contains the header X-Forwarded-For, which is not allowed\n";
            return refusal(StatusCode::FORBIDDEN, what.into());
        }
        if headers.get(FLAVOR) != Some(&GOOGLE) {
            let what = "Missing required header \"Metadata-Flavor\": \"Google\"\n";
            return refusal(StatusCode::FORBIDDEN, what.into());
        }
        let Some(path) =
            uri.path().strip_prefix(ROOT).filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            return not_found(uri);
        };
        let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match path[..] {
            ["instance", "service-accounts", account, file @ ("token" | "identity")] => {
                match account == "default" || account == self.email() {
                    true if file == "token" => self.token(),
                    true => unsigned(),
                    false => not_found(uri),
                }
            }
            _ => self.file(&path, uri),
        }
    }

    /// The pod's token: its own, or that of the account that it acts as.
    fn token(&self) -> Response {
        let caller = match self.pod.acts_as() {
            None => Caller::Workload(self.workload.clone()),
            Some(email) => match self.iam.impersonate(&email, &self.workload) {
                Ok(caller) => caller,
                Err(why) => return not_impersonated(why, &email),
            },
        };
        let token = self.iam.token(&caller, self.id);
        let left = token.until.duration_since(self.iam.now()).as_secs().max(0);
        Json(json!({"access_token": token.text, "expires_in": left, "token_type": "Bearer"})).into_response()
    }

    fn file(&self, path: &[&str], uri: &Uri) -> Response {
        let tree = self.tree();
        let Some(found) = tree::find(&tree, path) else { return not_found(uri) };
        let query = uri.query().unwrap_or_default();
        let asks = |name: &str, value: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .any(|(n, v)| n.eq_ignore_ascii_case(name) && v.eq_ignore_ascii_case(value))
        };
        if found.is_object() && !uri.path().ends_with('/') {
            let slash = format!("{}/{}{query}", uri.path(), if query.is_empty() { "" } else { "?" });
            let Ok(slash) = HeaderValue::try_from(slash) else { return not_found(uri) };
            return (StatusCode::MOVED_PERMANENTLY, [(LOCATION, slash)]).into_response();
        }
        if asks("alt", "json") || found.is_object() && asks("recursive", "true") && !asks("alt", "text") {
            return Json(tree::json(found)).into_response();
        }
        text(tree::text(found))
    }
}

/// As GKE's metadata server passes IAM's refusal on.
fn not_impersonated(why: Impersonation, email: &str) -> Response {
    const MORE: &str = "For more information, refer to the Workload Identity documentation:\n\thttps://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#authenticating_to\n\n";
    let head = "Unable to generate access token; IAM returned";
    match why {
        Impersonation::NoAccount => refusal(
            StatusCode::NOT_FOUND,
            format!("{head} 404 Not Found: Not found; Gaia id not found for email {email}\n{MORE}"),
        ),
        Impersonation::Denied => refusal(
            StatusCode::FORBIDDEN,
            format!(
                "{head} 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).\nThis error could be caused by a missing IAM policy binding on the target IAM service account.\n{MORE}"
            ),
        ),
    }
}

/// Identity tokens are signed by Google, and checked by others against Google's keys.
fn unsigned() -> Response {
    refusal(StatusCode::NOT_IMPLEMENTED, "the local cloud signs no identity tokens\n".into())
}

fn not_found(uri: &Uri) -> Response {
    refusal(StatusCode::NOT_FOUND, format!("{} not found\n", uri.path()))
}

fn refusal(status: StatusCode, what: String) -> Response {
    (status, text(what)).into_response()
}

fn text(text: String) -> Response {
    ([(CONTENT_TYPE, "application/text")], text).into_response()
}
