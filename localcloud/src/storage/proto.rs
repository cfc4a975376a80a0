//! The messages and the service of the gRPC wire, under the names that `build.rs` uses.

#![allow(missing_docs, clippy::pedantic, unreachable_pub, dead_code)] // generated

pub(crate) use googleapis_tonic_google_iam_v1::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest, TestIamPermissionsResponse,
};
pub(crate) use googleapis_tonic_google_storage_v2::google::storage::v2::*;
pub(crate) use googleapis_tonic_google_storage_v2::google::r#type::Date;

/// `google.protobuf.Empty`, which prost spells `()`.
pub(crate) type Empty = ();

include!(concat!(env!("OUT_DIR"), "/google.storage.v2.Storage.rs"));
include!(concat!(env!("OUT_DIR"), "/google.storage.control.v2.StorageControl.rs"));
