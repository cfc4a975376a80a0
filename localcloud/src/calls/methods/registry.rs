//! Artifact Registry: its own API, and the one that docker speaks.

use super::{Method, delete, get, method, patch, post, put};

const IMAGE: &str = "projects/{project}/locations/-/repositories/{repository}/dockerImages/{image}";

pub(super) const METHODS: &[Method] = &[
    method(
        "artifactregistry.repositories.list",
        &[get("/v1/projects/{project}/locations/{location}/repositories")],
    ),
    method(
        "artifactregistry.repositories.create",
        &[post("/v1/projects/{project}/locations/{location}/repositories")
            .about("projects/{project}/locations/{location}/repositories/{?repositoryId}")
            .within("projects/{project}/locations/{location}")],
    ),
    method(
        "artifactregistry.repositories.get",
        &[get("/v1/projects/{project}/locations/{location}/repositories/{repository}")],
    ),
    method(
        "artifactregistry.repositories.delete",
        &[delete("/v1/projects/{project}/locations/{location}/repositories/{repository}")],
    ),
    method("artifactregistry.docker.getVersion", &[get("/v2/").about("registry")]),
    method(
        "artifactregistry.docker.listTags",
        &[get("/v2/{project}/{repository}/{image}/tags/list").about(IMAGE)],
    ),
    method(
        "artifactregistry.docker.getManifest",
        &[get("/v2/{project}/{repository}/{image}/manifests/{reference}").about(IMAGE)],
    ),
    method(
        "artifactregistry.docker.putManifest",
        &[put("/v2/{project}/{repository}/{image}/manifests/{reference}").about(IMAGE)],
    ),
    method(
        "artifactregistry.docker.getBlob",
        &[get("/v2/{project}/{repository}/{image}/blobs/{digest}").about(IMAGE)],
    ),
    method(
        "artifactregistry.docker.putBlob",
        &[
            post("/v2/{project}/{repository}/{image}/blobs/uploads/").about(IMAGE),
            patch("/v2/{project}/{repository}/{image}/blobs/uploads/{upload}").about(IMAGE),
            put("/v2/{project}/{repository}/{image}/blobs/uploads/{upload}").about(IMAGE),
        ],
    ),
];
