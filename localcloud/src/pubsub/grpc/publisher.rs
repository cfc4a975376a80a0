//! `google.pubsub.v1.Publisher`.

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{Grpc, convert};
use crate::pubsub::message::check_payload;
use crate::pubsub::page::PageRequest;
use crate::pubsub::proto::publisher_server::Publisher;
use crate::pubsub::proto::{
    DeleteTopicRequest, DetachSubscriptionRequest, DetachSubscriptionResponse, Empty, GetTopicRequest,
    ListTopicSubscriptionsRequest, ListTopicSubscriptionsResponse, ListTopicsRequest, ListTopicsResponse,
    PublishRequest, PublishResponse, Topic, UpdateTopicRequest,
};

#[tonic::async_trait]
impl Publisher for Grpc {
    async fn create_topic(&self, request: Request<Topic>) -> Result<Response<Topic>, Status> {
        let topic = convert::topic(request.into_inner())?;
        Ok(Response::new(convert::topic_out(self.0.create_topic(topic)?)))
    }

    async fn update_topic(&self, request: Request<UpdateTopicRequest>) -> Result<Response<Topic>, Status> {
        let request = request.into_inner();
        let topic = convert::topic(request.topic.unwrap_or_default())?;
        let mask = convert::mask(request.update_mask);
        Ok(Response::new(convert::topic_out(self.0.update_topic(&topic, &mask)?)))
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let request = request.into_inner();
        check_payload(request.encoded_len())?;
        let contents = request.messages.into_iter().map(convert::content).collect();
        let message_ids = self.0.publish(&request.topic, contents)?;
        Ok(Response::new(PublishResponse { message_ids }))
    }

    async fn get_topic(&self, request: Request<GetTopicRequest>) -> Result<Response<Topic>, Status> {
        Ok(Response::new(convert::topic_out(self.0.get_topic(&request.into_inner().topic)?)))
    }

    async fn list_topics(
        &self,
        request: Request<ListTopicsRequest>,
    ) -> Result<Response<ListTopicsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest { size: request.page_size, token: request.page_token };
        let page = self.0.list_topics(&request.project, &page)?;
        let topics = page.items.into_iter().map(convert::topic_out).collect();
        Ok(Response::new(ListTopicsResponse { topics, next_page_token: page.next }))
    }

    async fn list_topic_subscriptions(
        &self,
        request: Request<ListTopicSubscriptionsRequest>,
    ) -> Result<Response<ListTopicSubscriptionsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest { size: request.page_size, token: request.page_token };
        let page = self.0.topic_subscriptions(&request.topic, &page)?;
        let answer = ListTopicSubscriptionsResponse { subscriptions: page.items, next_page_token: page.next };
        Ok(Response::new(answer))
    }

    async fn delete_topic(&self, request: Request<DeleteTopicRequest>) -> Result<Response<Empty>, Status> {
        self.0.delete_topic(&request.into_inner().topic)?;
        Ok(Response::new(()))
    }

    async fn detach_subscription(
        &self,
        request: Request<DetachSubscriptionRequest>,
    ) -> Result<Response<DetachSubscriptionResponse>, Status> {
        self.0.detach_subscription(&request.into_inner().subscription)?;
        Ok(Response::new(DetachSubscriptionResponse {}))
    }
}
