//! `google.storage.control.v2.StorageControl`: the policies of buckets, which the official client asks
//! for here.

use tonic::Request;

use super::Grpc;
use super::service::Answer;
use crate::storage::proto::storage_control_server::StorageControl;
use crate::storage::proto::storage_server::Storage;
use crate::storage::proto::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest, TestIamPermissionsResponse,
};

#[tonic::async_trait]
impl StorageControl for Grpc {
    async fn set_iam_policy(&self, request: Request<SetIamPolicyRequest>) -> Answer<Policy> {
        Storage::set_iam_policy(self, request).await
    }

    async fn get_iam_policy(&self, request: Request<GetIamPolicyRequest>) -> Answer<Policy> {
        Storage::get_iam_policy(self, request).await
    }

    async fn test_iam_permissions(
        &self,
        request: Request<TestIamPermissionsRequest>,
    ) -> Answer<TestIamPermissionsResponse> {
        Storage::test_iam_permissions(self, request).await
    }
}
