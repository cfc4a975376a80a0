//! Policies as gRPC has them: the etag as bytes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use googleapis_tonic_google_iam_v1::google::iam::v1 as proto;

use super::policy::{Binding, Condition, Policy};

impl From<proto::Policy> for Policy {
    fn from(policy: proto::Policy) -> Self {
        Self {
            version: policy.version,
            etag: BASE64_STANDARD.encode(&policy.etag),
            bindings: policy.bindings.into_iter().map(Binding::from).collect(),
        }
    }
}

impl From<proto::Binding> for Binding {
    fn from(binding: proto::Binding) -> Self {
        let condition = binding.condition.map(|condition| Condition {
            expression: condition.expression,
            title: condition.title,
            description: condition.description,
        });
        Self { role: binding.role, members: binding.members, condition }
    }
}

impl From<Policy> for proto::Policy {
    fn from(policy: Policy) -> Self {
        Self {
            version: policy.version,
            etag: BASE64_STANDARD.decode(&policy.etag).unwrap_or_default().into(),
            bindings: policy.bindings.into_iter().map(proto::Binding::from).collect(),
            ..Self::default()
        }
    }
}

impl From<Binding> for proto::Binding {
    fn from(binding: Binding) -> Self {
        let mut to = Self { role: binding.role, members: binding.members, ..Self::default() };
        if let Some(condition) = binding.condition {
            let into = to.condition.get_or_insert_default();
            into.expression = condition.expression;
            into.title = condition.title;
            into.description = condition.description;
        }
        to
    }
}
