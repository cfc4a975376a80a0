//! The IAM v1 REST paths of service accounts.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Description;
use super::{Iam, Permissions, SetPolicy};
use crate::error::ApiError;
use crate::rest::{Answer, Body, PageQuery, parse, split_verb};

type Served = State<Arc<Iam>>;

impl Iam {
    /// Its routes.
    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/projects/{project}/serviceAccounts", get(list).post(create))
            .route(
                "/v1/projects/{project}/serviceAccounts/{account}",
                get(read).put(put).patch(patch).delete(delete).post(verb),
            )
            .route("/v1/projects/{project}/serviceAccounts/{account}/keys", get(keys))
            .with_state(self.clone())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    account_id: String,
    #[serde(default)]
    service_account: Description,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Patch {
    service_account: Description,
    update_mask: String,
}

/// The one method of IAM Credentials that is here: a token of an account that the caller may act as.
#[derive(Deserialize)]
struct GenerateAccessToken {
    #[serde(default)]
    lifetime: String,
}

async fn list(
    State(iam): Served,
    Path(project): Path<String>,
    Query(query): Query<PageQuery>,
) -> Json<Value> {
    let (accounts, next) =
        query.page(iam.list(&project), |account| account["email"].as_str().unwrap_or_default().into());
    let mut answer = json!({"accounts": accounts});
    if let Some(next) = next {
        answer["nextPageToken"] = json!(next);
    }
    Json(answer)
}

async fn create(State(iam): Served, Path(project): Path<String>, Body(new): Body<Create>) -> Answer<Value> {
    crate::project::check_id(&project)?;
    iam.create(&project, &new.account_id, new.service_account).map(Json)
}

async fn read(State(iam): Served, Path((project, id)): Path<(String, String)>) -> Answer<Value> {
    iam.get(&project, &id).map(Json)
}

/// The older form of an update: the whole account, of which the display name counts.
async fn put(
    State(iam): Served,
    Path((project, id)): Path<(String, String)>,
    Body(about): Body<Description>,
) -> Answer<Value> {
    iam.describe(&project, &id, &about, "displayName").map(Json)
}

async fn patch(
    State(iam): Served,
    Path((project, id)): Path<(String, String)>,
    Body(patch): Body<Patch>,
) -> Answer<Value> {
    iam.describe(&project, &id, &patch.service_account, &patch.update_mask).map(Json)
}

async fn delete(State(iam): Served, Path((project, id)): Path<(String, String)>) -> Answer<Value> {
    iam.delete(&project, &id).map(Json)
}

/// No account here has keys of its own: Workload Identity replaces them.
async fn keys(State(iam): Served, Path((project, id)): Path<(String, String)>) -> Answer<Value> {
    iam.get(&project, &id).map(|_| Json(json!({})))
}

async fn verb(
    State(iam): Served,
    Path((project, last)): Path<(String, String)>,
    Body(body): Body<Value>,
) -> Answer<Value> {
    let (id, verb) = split_verb(&last);
    let answer = match verb {
        Some("getIamPolicy") => json!(iam.policy(&project, id)?),
        Some("setIamPolicy") => json!(iam.set_policy(&project, id, parse::<SetPolicy>(body)?.policy)?),
        Some("testIamPermissions") => {
            let asked = parse::<Permissions>(body)?.permissions;
            json!(Permissions { permissions: iam.held(asked, &iam.account_resource(&project, id)?) })
        }
        Some("generateAccessToken") => {
            let asked = parse::<GenerateAccessToken>(body)?;
            let (token, until) = iam.access_token(&project, id, &asked.lifetime)?;
            json!({"accessToken": token, "expireTime": until})
        }
        Some("undelete") => json!({"restoredAccount": iam.undelete(id)?}),
        Some("enable") => iam.set_disabled(&project, id, false)?,
        Some("disable") => iam.set_disabled(&project, id, true)?,
        _ => return Err(ApiError::unsupported(format!("POST {last}"))),
    };
    Ok(Json(answer))
}
