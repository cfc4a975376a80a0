//! The gRPC wire: `google.pubsub.v1.Publisher` and `Subscriber`, and `google.iam.v1.IAMPolicy` for
//! their resources.

mod convert;
mod iam;
mod publisher;
mod stream;
mod subscriber;

use std::sync::Arc;

use tonic::service::Routes;

use super::message::LARGEST_PUBLISH;
use super::proto::i_a_m_policy_server::IAMPolicyServer;
use super::proto::publisher_server::PublisherServer;
use super::proto::subscriber_server::SubscriberServer;
use super::state::Pubsub;

/// Largest request that is read at all: enough to say what is wrong with a publish that is too large.
const LARGEST_REQUEST: usize = 2 * LARGEST_PUBLISH;

/// A handle on the service, for the traits that are not ours.
#[derive(Clone)]
struct Grpc(Arc<Pubsub>);

impl Pubsub {
    /// Adds the services of this wire.
    pub(crate) fn grpc(self: &Arc<Self>, routes: Routes) -> Routes {
        let service = Grpc(self.clone());
        let publisher = PublisherServer::new(service.clone()).max_decoding_message_size(LARGEST_REQUEST);
        let subscriber = SubscriberServer::new(service.clone()).max_decoding_message_size(LARGEST_REQUEST);
        routes.add_service(publisher).add_service(subscriber).add_service(IAMPolicyServer::new(service))
    }
}
