//! Secret Manager.

use super::{Method, delete, get, method, patch, post};

pub(super) const METHODS: &[Method] = &[
    method("secretmanager.secrets.list", &[get("/v1/projects/{project}/secrets")]),
    method(
        "secretmanager.secrets.create",
        &[post("/v1/projects/{project}/secrets")
            .about("projects/{project}/secrets/{?secretId}")
            .within("projects/{project}")],
    ),
    method("secretmanager.secrets.get", &[get("/v1/projects/{project}/secrets/{secret}")]),
    method("secretmanager.secrets.patch", &[patch("/v1/projects/{project}/secrets/{secret}")]),
    method("secretmanager.secrets.delete", &[delete("/v1/projects/{project}/secrets/{secret}")]),
    method("secretmanager.secrets.addVersion", &[post("/v1/projects/{project}/secrets/{secret}:addVersion")]),
    method(
        "secretmanager.secrets.getIamPolicy",
        &[get("/v1/projects/{project}/secrets/{secret}:getIamPolicy")],
    ),
    method(
        "secretmanager.secrets.setIamPolicy",
        &[post("/v1/projects/{project}/secrets/{secret}:setIamPolicy")],
    ),
    method(
        "secretmanager.secrets.testIamPermissions",
        &[post("/v1/projects/{project}/secrets/{secret}:testIamPermissions")],
    ),
    method("secretmanager.secrets.versions.list", &[get("/v1/projects/{project}/secrets/{secret}/versions")]),
    method(
        "secretmanager.secrets.versions.get",
        &[get("/v1/projects/{project}/secrets/{secret}/versions/{version}")],
    ),
    method(
        "secretmanager.secrets.versions.access",
        &[get("/v1/projects/{project}/secrets/{secret}/versions/{version}:access")],
    ),
    method(
        "secretmanager.secrets.versions.enable",
        &[post("/v1/projects/{project}/secrets/{secret}/versions/{version}:enable")],
    ),
    method(
        "secretmanager.secrets.versions.disable",
        &[post("/v1/projects/{project}/secrets/{secret}/versions/{version}:disable")],
    ),
    method(
        "secretmanager.secrets.versions.destroy",
        &[post("/v1/projects/{project}/secrets/{secret}/versions/{version}:destroy")],
    ),
];
