//! `google.pubsub.v1.Subscriber`.

use tonic::{Request, Response, Status, Streaming};

use super::{Grpc, convert, stream};
use crate::error::ApiError;
use crate::pubsub::page::PageRequest;
use crate::pubsub::proto::subscriber_server::Subscriber;
use crate::pubsub::proto::{
    AcknowledgeRequest, DeleteSubscriptionRequest, Empty, GetSubscriptionRequest, ListSubscriptionsRequest,
    ListSubscriptionsResponse, ModifyAckDeadlineRequest, ModifyPushConfigRequest, PullRequest, PullResponse,
    StreamingPullRequest, Subscription, UpdateSubscriptionRequest,
};

#[tonic::async_trait]
impl Subscriber for Grpc {
    async fn create_subscription(
        &self,
        request: Request<Subscription>,
    ) -> Result<Response<Subscription>, Status> {
        let subscription = convert::subscription(request.into_inner())?;
        let created = self.0.create_subscription(subscription)?;
        Ok(Response::new(convert::subscription_out(created)))
    }

    async fn get_subscription(
        &self,
        request: Request<GetSubscriptionRequest>,
    ) -> Result<Response<Subscription>, Status> {
        let subscription = self.0.get_subscription(&request.into_inner().subscription)?;
        Ok(Response::new(convert::subscription_out(subscription)))
    }

    async fn update_subscription(
        &self,
        request: Request<UpdateSubscriptionRequest>,
    ) -> Result<Response<Subscription>, Status> {
        let request = request.into_inner();
        let subscription = convert::subscription(request.subscription.unwrap_or_default())?;
        let updated = self.0.update_subscription(&subscription, &convert::mask(request.update_mask))?;
        Ok(Response::new(convert::subscription_out(updated)))
    }

    async fn list_subscriptions(
        &self,
        request: Request<ListSubscriptionsRequest>,
    ) -> Result<Response<ListSubscriptionsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest { size: request.page_size, token: request.page_token };
        let page = self.0.list_subscriptions(&request.project, &page)?;
        let subscriptions = page.items.into_iter().map(convert::subscription_out).collect();
        Ok(Response::new(ListSubscriptionsResponse { subscriptions, next_page_token: page.next }))
    }

    async fn delete_subscription(
        &self,
        request: Request<DeleteSubscriptionRequest>,
    ) -> Result<Response<Empty>, Status> {
        self.0.delete_subscription(&request.into_inner().subscription)?;
        Ok(Response::new(()))
    }

    async fn modify_ack_deadline(
        &self,
        request: Request<ModifyAckDeadlineRequest>,
    ) -> Result<Response<Empty>, Status> {
        let request = request.into_inner();
        let seconds = request.ack_deadline_seconds;
        let invalid = self.0.modify_deadline(&request.subscription, &request.ack_ids, seconds)?;
        stream::refuse(invalid)?;
        Ok(Response::new(()))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<Empty>, Status> {
        let request = request.into_inner();
        stream::refuse(self.0.acknowledge(&request.subscription, &request.ack_ids)?)?;
        Ok(Response::new(()))
    }

    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullResponse>, Status> {
        let request = request.into_inner();
        #[expect(deprecated, reason = "clients still send it")]
        let wait = !request.return_immediately;
        let pull = self.0.pull(&request.subscription, request.max_messages, wait).await?;
        let received = pull.deliveries.iter().map(|delivery| convert::delivery(delivery, pull.counted));
        Ok(Response::new(PullResponse { received_messages: received.collect() }))
    }

    async fn streaming_pull(
        &self,
        request: Request<Streaming<StreamingPullRequest>>,
    ) -> Result<Response<stream::Answers>, Status> {
        let within = request.extensions().get().cloned();
        Ok(Response::new(stream::open(&self.0, request.into_inner(), within).await?))
    }

    async fn modify_push_config(
        &self,
        request: Request<ModifyPushConfigRequest>,
    ) -> Result<Response<Empty>, Status> {
        let request = request.into_inner();
        let push = request.push_config.unwrap_or_default();
        if !push.push_endpoint.is_empty() {
            return Err(ApiError::unsupported("`push_config`").into());
        }
        self.0.get_subscription(&request.subscription)?;
        Ok(Response::new(()))
    }
}
