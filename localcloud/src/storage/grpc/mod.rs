//! The gRPC wire: `google.storage.v2.Storage`, without the content of objects, which the official
//! clients send over the JSON API.

mod convert;
mod convert_bucket;
mod service;

use std::sync::Arc;

use tonic::service::Routes;

use super::proto::storage_server::StorageServer;
use super::state::Storage;

/// A handle on the service, for the trait that is not ours.
#[derive(Clone)]
struct Wire(Arc<Storage>);

impl Storage {
    /// Adds the service of this wire.
    pub(crate) fn grpc(self: &Arc<Self>, routes: Routes) -> Routes {
        routes.add_service(StorageServer::new(Wire(self.clone())))
    }
}
