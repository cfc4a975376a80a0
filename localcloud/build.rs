//! Generates the gRPC services from tables of their methods. There is no protoc here: the messages
//! come from crates, and a method that nobody wrote answers UNIMPLEMENTED.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use tonic_build::CodeGenBuilder;
use tonic_build::manual::{Method, Service};

/// How a method's request and response flow.
#[derive(Clone, Copy)]
enum Flow {
    Unary,
    Answers,
    Asks,
    Both,
}

use Flow::{Answers, Asks, Both, Unary};

/// Name in the code, name on the wire, request, response, flow.
type Row = (&'static str, &'static str, &'static str, &'static str, Flow);

const PUBLISHER: &[Row] = &[
    ("create_topic", "CreateTopic", "Topic", "Topic", Unary),
    ("update_topic", "UpdateTopic", "UpdateTopicRequest", "Topic", Unary),
    ("publish", "Publish", "PublishRequest", "PublishResponse", Unary),
    ("get_topic", "GetTopic", "GetTopicRequest", "Topic", Unary),
    ("list_topics", "ListTopics", "ListTopicsRequest", "ListTopicsResponse", Unary),
    (
        "list_topic_subscriptions",
        "ListTopicSubscriptions",
        "ListTopicSubscriptionsRequest",
        "ListTopicSubscriptionsResponse",
        Unary,
    ),
    (
        "list_topic_snapshots",
        "ListTopicSnapshots",
        "ListTopicSnapshotsRequest",
        "ListTopicSnapshotsResponse",
        Unary,
    ),
    ("delete_topic", "DeleteTopic", "DeleteTopicRequest", "Empty", Unary),
    (
        "detach_subscription",
        "DetachSubscription",
        "DetachSubscriptionRequest",
        "DetachSubscriptionResponse",
        Unary,
    ),
];

const SUBSCRIBER: &[Row] = &[
    ("create_subscription", "CreateSubscription", "Subscription", "Subscription", Unary),
    ("get_subscription", "GetSubscription", "GetSubscriptionRequest", "Subscription", Unary),
    ("update_subscription", "UpdateSubscription", "UpdateSubscriptionRequest", "Subscription", Unary),
    (
        "list_subscriptions",
        "ListSubscriptions",
        "ListSubscriptionsRequest",
        "ListSubscriptionsResponse",
        Unary,
    ),
    ("delete_subscription", "DeleteSubscription", "DeleteSubscriptionRequest", "Empty", Unary),
    ("modify_ack_deadline", "ModifyAckDeadline", "ModifyAckDeadlineRequest", "Empty", Unary),
    ("acknowledge", "Acknowledge", "AcknowledgeRequest", "Empty", Unary),
    ("pull", "Pull", "PullRequest", "PullResponse", Unary),
    ("streaming_pull", "StreamingPull", "StreamingPullRequest", "StreamingPullResponse", Both),
    ("modify_push_config", "ModifyPushConfig", "ModifyPushConfigRequest", "Empty", Unary),
    ("get_snapshot", "GetSnapshot", "GetSnapshotRequest", "Snapshot", Unary),
    ("list_snapshots", "ListSnapshots", "ListSnapshotsRequest", "ListSnapshotsResponse", Unary),
    ("create_snapshot", "CreateSnapshot", "CreateSnapshotRequest", "Snapshot", Unary),
    ("update_snapshot", "UpdateSnapshot", "UpdateSnapshotRequest", "Snapshot", Unary),
    ("delete_snapshot", "DeleteSnapshot", "DeleteSnapshotRequest", "Empty", Unary),
    ("seek", "Seek", "SeekRequest", "SeekResponse", Unary),
];

/// Of `google.iam.v1.IAMPolicy`, and all of `StorageControl` that concerns buckets.
const IAM_POLICY: &[Row] = &[
    ("set_iam_policy", "SetIamPolicy", "SetIamPolicyRequest", "Policy", Unary),
    ("get_iam_policy", "GetIamPolicy", "GetIamPolicyRequest", "Policy", Unary),
    (
        "test_iam_permissions",
        "TestIamPermissions",
        "TestIamPermissionsRequest",
        "TestIamPermissionsResponse",
        Unary,
    ),
];

const STORAGE: &[Row] = &[
    ("delete_bucket", "DeleteBucket", "DeleteBucketRequest", "Empty", Unary),
    ("get_bucket", "GetBucket", "GetBucketRequest", "Bucket", Unary),
    ("create_bucket", "CreateBucket", "CreateBucketRequest", "Bucket", Unary),
    ("list_buckets", "ListBuckets", "ListBucketsRequest", "ListBucketsResponse", Unary),
    (
        "lock_bucket_retention_policy",
        "LockBucketRetentionPolicy",
        "LockBucketRetentionPolicyRequest",
        "Bucket",
        Unary,
    ),
    ("get_iam_policy", "GetIamPolicy", "GetIamPolicyRequest", "Policy", Unary),
    ("set_iam_policy", "SetIamPolicy", "SetIamPolicyRequest", "Policy", Unary),
    (
        "test_iam_permissions",
        "TestIamPermissions",
        "TestIamPermissionsRequest",
        "TestIamPermissionsResponse",
        Unary,
    ),
    ("update_bucket", "UpdateBucket", "UpdateBucketRequest", "Bucket", Unary),
    ("compose_object", "ComposeObject", "ComposeObjectRequest", "Object", Unary),
    ("delete_object", "DeleteObject", "DeleteObjectRequest", "Empty", Unary),
    ("restore_object", "RestoreObject", "RestoreObjectRequest", "Object", Unary),
    (
        "cancel_resumable_write",
        "CancelResumableWrite",
        "CancelResumableWriteRequest",
        "CancelResumableWriteResponse",
        Unary,
    ),
    ("get_object", "GetObject", "GetObjectRequest", "Object", Unary),
    ("read_object", "ReadObject", "ReadObjectRequest", "ReadObjectResponse", Answers),
    ("bidi_read_object", "BidiReadObject", "BidiReadObjectRequest", "BidiReadObjectResponse", Both),
    ("update_object", "UpdateObject", "UpdateObjectRequest", "Object", Unary),
    ("write_object", "WriteObject", "WriteObjectRequest", "WriteObjectResponse", Asks),
    ("bidi_write_object", "BidiWriteObject", "BidiWriteObjectRequest", "BidiWriteObjectResponse", Both),
    ("list_objects", "ListObjects", "ListObjectsRequest", "ListObjectsResponse", Unary),
    ("rewrite_object", "RewriteObject", "RewriteObjectRequest", "RewriteResponse", Unary),
    (
        "start_resumable_write",
        "StartResumableWrite",
        "StartResumableWriteRequest",
        "StartResumableWriteResponse",
        Unary,
    ),
    ("query_write_status", "QueryWriteStatus", "QueryWriteStatusRequest", "QueryWriteStatusResponse", Unary),
    ("move_object", "MoveObject", "MoveObjectRequest", "Object", Unary),
];

/// Package, service, methods, and the module that re-exports the messages.
const SERVICES: &[(&str, &str, &[Row], &str)] = &[
    ("google.pubsub.v1", "Publisher", PUBLISHER, "crate::pubsub::proto"),
    ("google.pubsub.v1", "Subscriber", SUBSCRIBER, "crate::pubsub::proto"),
    ("google.iam.v1", "IAMPolicy", IAM_POLICY, "crate::pubsub::proto"),
    ("google.storage.v2", "Storage", STORAGE, "crate::storage::proto"),
    ("google.storage.control.v2", "StorageControl", IAM_POLICY, "crate::storage::proto"),
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?);
    for (package, name, methods, messages) in SERVICES {
        write_service(&folder, package, name, methods, messages)?;
    }
    write_paths(&folder)
}

fn write_service(folder: &Path, package: &str, name: &str, rows: &[Row], messages: &str) -> io::Result<()> {
    let mut service = Service::builder().name(name).package(package);
    for row in rows {
        service = service.method(method(*row, messages));
    }
    let mut code =
        CodeGenBuilder::new().generate_default_stubs(true).generate_server(&service.build(), "").to_string();
    // The default bodies come in the order of the table and don't say whose they are.
    for (_, route, ..) in rows {
        let says = format!("{package}.{name}/{route}: not supported by the local cloud");
        code = code.replacen("Not yet implemented", &says, 1);
    }
    fs::write(folder.join(format!("{package}.{name}.rs")), named_unknown(&code)?)
}

/// The generated code answers a method that it does not know without a word: let it say which.
fn named_unknown(code: &str) -> io::Result<String> {
    let (begins, ends) = ("_ => Box :: pin (async move { let mut response", "Ok (response) }) ,");
    let found = code.rfind(begins).and_then(|begin| {
        let (before, arm) = code.split_at(begin);
        arm.split_once(ends).map(|(_, after)| (before, after))
    });
    let (before, after) =
        found.ok_or_else(|| io::Error::other("tonic-build no longer writes the arm for unknown methods"))?;
    let arm = r#"_ => {
        let path = req.uri().path().trim_start_matches('/');
        let status = tonic::Status::unimplemented(format!("{path}: not supported by the local cloud"));
        Box::pin(async move { Ok(status.into_http()) })
    }"#;
    Ok(format!("{before}{arm}{after}"))
}

/// The paths of all methods, as a list.
fn write_paths(folder: &Path) -> io::Result<()> {
    let paths = SERVICES.iter().flat_map(|(package, name, methods, _)| {
        methods.iter().map(move |(_, route, ..)| format!("/{package}.{name}/{route}"))
    });
    fs::write(folder.join("grpc_methods.rs"), format!("&{:?}", paths.collect::<Vec<_>>()))
}

fn method((name, route, request, response, flow): Row, messages: &str) -> Method {
    let method = Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("{messages}::{request}"))
        .output_type(format!("{messages}::{response}"))
        .codec_path("::tonic_prost::ProstCodec");
    match flow {
        Unary => method,
        Answers => method.server_streaming(),
        Asks => method.client_streaming(),
        Both => method.client_streaming().server_streaming(),
    }
    .build()
}
