//! Service Usage.

use super::{Method, get, method, post};

pub(super) const METHODS: &[Method] = &[
    method("serviceusage.services.list", &[get("/v1/projects/{project}/services")]),
    method("serviceusage.services.batchGet", &[get("/v1/projects/{project}/services:batchGet")]),
    method("serviceusage.services.batchEnable", &[post("/v1/projects/{project}/services:batchEnable")]),
    method("serviceusage.services.get", &[get("/v1/projects/{project}/services/{service}")]),
    method("serviceusage.services.enable", &[post("/v1/projects/{project}/services/{service}:enable")]),
    method("serviceusage.services.disable", &[post("/v1/projects/{project}/services/{service}:disable")]),
    method("serviceusage.operations.get", &[get("/v1/operations/{operation}")]),
];
