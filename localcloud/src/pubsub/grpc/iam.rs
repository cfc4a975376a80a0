//! `google.iam.v1.IAMPolicy` for topics and subscriptions.

use tonic::{Request, Response, Status};

use super::Grpc;
use crate::pubsub::proto::i_a_m_policy_server::IAMPolicy;
use crate::pubsub::proto::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest, TestIamPermissionsResponse,
};

#[tonic::async_trait]
impl IAMPolicy for Grpc {
    async fn set_iam_policy(
        &self,
        request: Request<SetIamPolicyRequest>,
    ) -> Result<Response<Policy>, Status> {
        let request = request.into_inner();
        let policy = request.policy.unwrap_or_default().into();
        Ok(Response::new(self.0.set_policy(&request.resource, policy)?.into()))
    }

    async fn get_iam_policy(
        &self,
        request: Request<GetIamPolicyRequest>,
    ) -> Result<Response<Policy>, Status> {
        Ok(Response::new(self.0.policy(&request.into_inner().resource)?.into()))
    }

    async fn test_iam_permissions(
        &self,
        request: Request<TestIamPermissionsRequest>,
    ) -> Result<Response<TestIamPermissionsResponse>, Status> {
        let request = request.into_inner();
        let permissions = self.0.permissions(&request.resource, request.permissions)?;
        Ok(Response::new(TestIamPermissionsResponse { permissions }))
    }
}
