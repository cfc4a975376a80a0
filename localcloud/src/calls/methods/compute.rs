//! Compute Engine, as far as quotas go.

use super::{Method, get, method};

pub(super) const METHODS: &[Method] = &[method(
    "compute.regions.get",
    &[get("/compute/v1/projects/{project}/regions/{region}").about("projects/{project}/regions/{region}")],
)];
