//! The messages and services of the gRPC wire, under the names that `build.rs` uses.

#![allow(missing_docs, clippy::pedantic, unreachable_pub, dead_code)] // generated

pub(crate) use googleapis_tonic_google_iam_v1::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest, TestIamPermissionsResponse,
};
pub(crate) use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::*;

/// `google.protobuf.Empty`, which prost spells `()`.
pub(crate) type Empty = ();

include!(concat!(env!("OUT_DIR"), "/google.pubsub.v1.Publisher.rs"));
include!(concat!(env!("OUT_DIR"), "/google.pubsub.v1.Subscriber.rs"));
include!(concat!(env!("OUT_DIR"), "/google.iam.v1.IAMPolicy.rs"));
