//! IAM's service accounts.

use super::{Method, delete, get, method, patch, post, put};

pub(super) const METHODS: &[Method] = &[
    method("iam.serviceAccounts.list", &[get("/v1/projects/{project}/serviceAccounts")]),
    method(
        "iam.serviceAccounts.create",
        &[post("/v1/projects/{project}/serviceAccounts")
            .about("projects/{project}/serviceAccounts/{.accountId}")
            .within("projects/{project}")],
    ),
    method("iam.serviceAccounts.get", &[get("/v1/projects/{project}/serviceAccounts/{account}")]),
    method("iam.serviceAccounts.update", &[put("/v1/projects/{project}/serviceAccounts/{account}")]),
    method("iam.serviceAccounts.patch", &[patch("/v1/projects/{project}/serviceAccounts/{account}")]),
    method("iam.serviceAccounts.delete", &[delete("/v1/projects/{project}/serviceAccounts/{account}")]),
    method(
        "iam.serviceAccounts.setIamPolicy",
        &[post("/v1/projects/{project}/serviceAccounts/{account}:setIamPolicy")],
    ),
    method(
        "iam.serviceAccounts.testIamPermissions",
        &[post("/v1/projects/{project}/serviceAccounts/{account}:testIamPermissions")],
    ),
    method(
        "iamcredentials.serviceAccounts.generateAccessToken",
        &[post("/v1/projects/{project}/serviceAccounts/{account}:generateAccessToken")],
    ),
    method(
        "iam.serviceAccounts.undelete",
        &[post("/v1/projects/{project}/serviceAccounts/{account}:undelete")],
    ),
    method("iam.serviceAccounts.enable", &[post("/v1/projects/{project}/serviceAccounts/{account}:enable")]),
    method(
        "iam.serviceAccounts.disable",
        &[post("/v1/projects/{project}/serviceAccounts/{account}:disable")],
    ),
    method(
        "iam.serviceAccounts.getIamPolicy",
        &[
            post("/v1/projects/{project}/serviceAccounts/{account}:getIamPolicy"),
            get("/v1/projects/{project}/serviceAccounts/{account}:getIamPolicy"),
        ],
    ),
    method("iam.serviceAccounts.keys.list", &[get("/v1/projects/{project}/serviceAccounts/{account}/keys")]),
];
