//! Pub/Sub, and the policies of its resources. What goes on within a streaming pull has methods too.

use super::{Method, delete, get, grpc, method, patch, post, put};

pub(super) const METHODS: &[Method] = &[
    method(
        "pubsub.topics.create",
        &[
            put("/v1/projects/{project}/topics/{topic}").within("projects/{project}"),
            grpc("/google.pubsub.v1.Publisher/CreateTopic", "{#1}").within("{#1^2}"),
        ],
    ),
    method(
        "pubsub.topics.get",
        &[get("/v1/projects/{project}/topics/{topic}"), grpc("/google.pubsub.v1.Publisher/GetTopic", "{#1}")],
    ),
    method(
        "pubsub.topics.patch",
        &[
            patch("/v1/projects/{project}/topics/{topic}"),
            grpc("/google.pubsub.v1.Publisher/UpdateTopic", "{#1.1}"),
        ],
    ),
    method(
        "pubsub.topics.delete",
        &[
            delete("/v1/projects/{project}/topics/{topic}"),
            grpc("/google.pubsub.v1.Publisher/DeleteTopic", "{#1}"),
        ],
    ),
    method(
        "pubsub.topics.list",
        &[
            get("/v1/projects/{project}/topics"),
            grpc("/google.pubsub.v1.Publisher/ListTopics", "{#1}/topics"),
        ],
    ),
    method(
        "pubsub.topics.publish",
        &[
            post("/v1/projects/{project}/topics/{topic}:publish"),
            grpc("/google.pubsub.v1.Publisher/Publish", "{#1}"),
        ],
    ),
    method(
        "pubsub.topics.subscriptions.list",
        &[
            get("/v1/projects/{project}/topics/{topic}/subscriptions"),
            grpc("/google.pubsub.v1.Publisher/ListTopicSubscriptions", "{#1}/subscriptions"),
        ],
    ),
    method(
        "pubsub.topics.snapshots.list",
        &[
            get("/v1/projects/{project}/topics/{topic}/snapshots"),
            grpc("/google.pubsub.v1.Publisher/ListTopicSnapshots", "{#1}/snapshots"),
        ],
    ),
    method(
        "pubsub.subscriptions.detach",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:detach"),
            grpc("/google.pubsub.v1.Publisher/DetachSubscription", "{#1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.create",
        &[
            put("/v1/projects/{project}/subscriptions/{subscription}").within("projects/{project}"),
            grpc("/google.pubsub.v1.Subscriber/CreateSubscription", "{#1}").within("{#1^2}"),
        ],
    ),
    method(
        "pubsub.subscriptions.get",
        &[
            get("/v1/projects/{project}/subscriptions/{subscription}"),
            grpc("/google.pubsub.v1.Subscriber/GetSubscription", "{#1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.patch",
        &[
            patch("/v1/projects/{project}/subscriptions/{subscription}"),
            grpc("/google.pubsub.v1.Subscriber/UpdateSubscription", "{#1.1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.delete",
        &[
            delete("/v1/projects/{project}/subscriptions/{subscription}"),
            grpc("/google.pubsub.v1.Subscriber/DeleteSubscription", "{#1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.list",
        &[
            get("/v1/projects/{project}/subscriptions"),
            grpc("/google.pubsub.v1.Subscriber/ListSubscriptions", "{#1}/subscriptions"),
        ],
    ),
    method(
        "pubsub.subscriptions.pull",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:pull"),
            grpc("/google.pubsub.v1.Subscriber/Pull", "{#1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.streamingPull",
        &[grpc("/google.pubsub.v1.Subscriber/StreamingPull", "{#1}")],
    ),
    // Within a streaming pull: what goes out, and what comes back unhandled.
    method("pubsub.subscriptions.deliver", &[]),
    method("pubsub.subscriptions.nack", &[]),
    method(
        "pubsub.subscriptions.acknowledge",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:acknowledge"),
            grpc("/google.pubsub.v1.Subscriber/Acknowledge", "{#1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.modifyAckDeadline",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:modifyAckDeadline"),
            grpc("/google.pubsub.v1.Subscriber/ModifyAckDeadline", "{#1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.modifyPushConfig",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:modifyPushConfig"),
            grpc("/google.pubsub.v1.Subscriber/ModifyPushConfig", "{#1}"),
        ],
    ),
    method(
        "pubsub.subscriptions.seek",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:seek"),
            grpc("/google.pubsub.v1.Subscriber/Seek", "{#1}"),
        ],
    ),
    method(
        "pubsub.topics.getIamPolicy",
        &[
            get("/v1/projects/{project}/topics/{topic}:getIamPolicy"),
            post("/v1/projects/{project}/topics/{topic}:getIamPolicy"),
            grpc("/google.iam.v1.IAMPolicy/GetIamPolicy", "{#1}").only("/topics/"),
        ],
    ),
    method(
        "pubsub.topics.setIamPolicy",
        &[
            post("/v1/projects/{project}/topics/{topic}:setIamPolicy"),
            grpc("/google.iam.v1.IAMPolicy/SetIamPolicy", "{#1}").only("/topics/"),
        ],
    ),
    method(
        "pubsub.topics.testIamPermissions",
        &[
            post("/v1/projects/{project}/topics/{topic}:testIamPermissions"),
            grpc("/google.iam.v1.IAMPolicy/TestIamPermissions", "{#1}").only("/topics/"),
        ],
    ),
    method(
        "pubsub.subscriptions.getIamPolicy",
        &[
            get("/v1/projects/{project}/subscriptions/{subscription}:getIamPolicy"),
            post("/v1/projects/{project}/subscriptions/{subscription}:getIamPolicy"),
            grpc("/google.iam.v1.IAMPolicy/GetIamPolicy", "{#1}").only("/subscriptions/"),
        ],
    ),
    method(
        "pubsub.subscriptions.setIamPolicy",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:setIamPolicy"),
            grpc("/google.iam.v1.IAMPolicy/SetIamPolicy", "{#1}").only("/subscriptions/"),
        ],
    ),
    method(
        "pubsub.subscriptions.testIamPermissions",
        &[
            post("/v1/projects/{project}/subscriptions/{subscription}:testIamPermissions"),
            grpc("/google.iam.v1.IAMPolicy/TestIamPermissions", "{#1}").only("/subscriptions/"),
        ],
    ),
    method(
        "pubsub.snapshots.list",
        &[
            get("/v1/projects/{project}/snapshots"),
            grpc("/google.pubsub.v1.Subscriber/ListSnapshots", "{#1}/snapshots"),
        ],
    ),
    method(
        "pubsub.snapshots.get",
        &[
            get("/v1/projects/{project}/snapshots/{snapshot}"),
            grpc("/google.pubsub.v1.Subscriber/GetSnapshot", "{#1}"),
        ],
    ),
    method(
        "pubsub.snapshots.create",
        &[
            put("/v1/projects/{project}/snapshots/{snapshot}").within("projects/{project}"),
            grpc("/google.pubsub.v1.Subscriber/CreateSnapshot", "{#1}").within("{#1^2}"),
        ],
    ),
    method(
        "pubsub.snapshots.patch",
        &[
            patch("/v1/projects/{project}/snapshots/{snapshot}"),
            grpc("/google.pubsub.v1.Subscriber/UpdateSnapshot", "{#1.1}"),
        ],
    ),
    method(
        "pubsub.snapshots.delete",
        &[
            delete("/v1/projects/{project}/snapshots/{snapshot}"),
            grpc("/google.pubsub.v1.Subscriber/DeleteSnapshot", "{#1}"),
        ],
    ),
    method("pubsub.schemas.list", &[get("/v1/projects/{project}/schemas")]),
    method("pubsub.schemas.get", &[get("/v1/projects/{project}/schemas/{schema}")]),
    method("pubsub.schemas.create", &[post("/v1/projects/{project}/schemas").within("projects/{project}")]),
    method("pubsub.schemas.delete", &[delete("/v1/projects/{project}/schemas/{schema}")]),
];
