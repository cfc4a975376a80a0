//! The gRPC wire: `google.storage.v2.Storage`, without `BidiWriteObject`, and the policies of
//! `google.storage.control.v2.StorageControl`.

mod convert;
mod convert_bucket;
mod policies;
mod read;
mod requests;
mod service;
mod write;

use std::sync::Arc;

use tonic::service::Routes;

use super::proto::storage_control_server::StorageControlServer;
use super::proto::storage_server::StorageServer;
use super::state::Storage;

/// A handle on the service, for the traits that are not ours.
#[derive(Clone)]
struct Grpc(Arc<Storage>);

impl Storage {
    /// Adds the service of this wire.
    pub(crate) fn grpc(self: &Arc<Self>, routes: Routes) -> Routes {
        let service = Grpc(self.clone());
        routes
            .add_service(StorageServer::new(service.clone()))
            .add_service(StorageControlServer::new(service))
    }
}
