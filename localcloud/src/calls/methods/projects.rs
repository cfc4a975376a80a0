//! Resource Manager, v1 and v3.

use super::{Method, get, method, post};

pub(super) const METHODS: &[Method] = &[
    method("cloudresourcemanager.projects.list", &[get("/v1/projects").about("projects")]),
    method("cloudresourcemanager.projects.search", &[get("/v3/projects:search").about("projects")]),
    method(
        "cloudresourcemanager.projects.get",
        &[get("/v1/projects/{project}"), get("/v3/projects/{project}")],
    ),
    method(
        "cloudresourcemanager.projects.getIamPolicy",
        &[post("/v1/projects/{project}:getIamPolicy"), post("/v3/projects/{project}:getIamPolicy")],
    ),
    method(
        "cloudresourcemanager.projects.setIamPolicy",
        &[post("/v1/projects/{project}:setIamPolicy"), post("/v3/projects/{project}:setIamPolicy")],
    ),
    method(
        "cloudresourcemanager.projects.testIamPermissions",
        &[
            post("/v1/projects/{project}:testIamPermissions"),
            post("/v3/projects/{project}:testIamPermissions"),
        ],
    ),
];
