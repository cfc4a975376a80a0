//! Cloud Monitoring v3: reading what was measured.

use super::{Method, get, method};

pub(super) const METHODS: &[Method] = &[method(
    "monitoring.projects.timeSeries.list",
    &[get("/v3/projects/{project}/timeSeries").about("projects/{project}")],
)];
