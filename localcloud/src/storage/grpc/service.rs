//! `google.storage.v2.Storage`: every method in a few lines.

use tonic::{Request, Response, Status, Streaming};

use super::convert::{self, bucket_id, generation};
use super::requests::{
    OBJECT_SETTINGS, bucket_condition, bucket_prefix, check_paths, condition, project_id, source,
    source_condition,
};
use super::{Grpc, convert_bucket, read, write};
use crate::storage::buckets::Change;
use crate::storage::copies::Rewrite;
use crate::storage::error::{Result, StorageError};
use crate::storage::generations::Which;
use crate::storage::glob::Glob;
use crate::storage::listing::{PageOf, Query};
use crate::storage::objects::{NewObject, Source};
use crate::storage::parts::Part;
use crate::storage::precondition::Precondition;
use crate::storage::proto::query_write_status_response::WriteStatus;
use crate::storage::proto::storage_server::Storage;
use crate::storage::proto::{
    BidiReadObjectRequest, BidiReadObjectResponse, Bucket, CancelResumableWriteRequest,
    CancelResumableWriteResponse, ComposeObjectRequest, CreateBucketRequest, DeleteBucketRequest,
    DeleteObjectRequest, Empty, GetBucketRequest, GetIamPolicyRequest, GetObjectRequest, ListBucketsRequest,
    ListBucketsResponse, ListObjectsRequest, ListObjectsResponse, MoveObjectRequest, Object, Policy,
    QueryWriteStatusRequest, QueryWriteStatusResponse, ReadObjectRequest, ReadObjectResponse,
    RestoreObjectRequest, RewriteObjectRequest, RewriteResponse, SetIamPolicyRequest,
    StartResumableWriteRequest, StartResumableWriteResponse, TestIamPermissionsRequest,
    TestIamPermissionsResponse, UpdateBucketRequest, UpdateObjectRequest, WriteObjectRequest,
    WriteObjectResponse,
};
use crate::storage::uploads::Standing;

pub(super) type Answer<T> = std::result::Result<Response<T>, Status>;

#[tonic::async_trait]
impl Storage for Grpc {
    async fn create_bucket(&self, request: Request<CreateBucketRequest>) -> Answer<Bucket> {
        let request = request.into_inner();
        let bucket = request.bucket.unwrap_or_default();
        let project = if bucket.project.is_empty() { &request.parent } else { &bucket.project };
        let project = project_id(project)?.to_owned();
        let location = bucket.location.clone();
        let settings = convert_bucket::settings(bucket)?;
        let created = self.0.create_bucket(&request.bucket_id, &project, &location, settings)?;
        Ok(Response::new(convert_bucket::bucket(created)))
    }

    async fn get_bucket(&self, request: Request<GetBucketRequest>) -> Answer<Bucket> {
        let request = request.into_inner();
        let bucket = self.0.get_bucket(bucket_id(&request.name)?, &bucket_condition!(request))?;
        Ok(Response::new(convert_bucket::bucket(bucket)))
    }

    async fn list_buckets(&self, request: Request<ListBucketsRequest>) -> Answer<ListBucketsResponse> {
        let request = request.into_inner();
        let page = PageOf { size: request.page_size, token: request.page_token };
        let page =
            self.0.list_buckets(project_id(&request.parent)?, bucket_prefix(&request.prefix), &page)?;
        Ok(Response::new(ListBucketsResponse {
            buckets: page.items.into_iter().map(convert_bucket::bucket).collect(),
            next_page_token: page.next,
            unreachable: Vec::new(),
        }))
    }

    async fn update_bucket(&self, request: Request<UpdateBucketRequest>) -> Answer<Bucket> {
        let request = request.into_inner();
        let condition = bucket_condition!(request);
        let bucket = request.bucket.unwrap_or_default();
        let id = bucket_id(&bucket.name)?.to_owned();
        let settings = convert_bucket::settings(bucket)?;
        let paths = convert::paths(request.update_mask, convert_bucket::ALL)?;
        check_paths(&paths, convert_bucket::ALL)?;
        let bucket = self.0.update_bucket(&id, &Change::Masked(&settings, paths), &condition)?;
        Ok(Response::new(convert_bucket::bucket(bucket)))
    }

    async fn delete_bucket(&self, request: Request<DeleteBucketRequest>) -> Answer<Empty> {
        let request = request.into_inner();
        self.0.delete_bucket(bucket_id(&request.name)?, &bucket_condition!(request))?;
        Ok(Response::new(()))
    }

    async fn get_iam_policy(&self, request: Request<GetIamPolicyRequest>) -> Answer<Policy> {
        let policy = self.0.policy(bucket_id(&request.into_inner().resource)?)?;
        Ok(Response::new(policy.into()))
    }

    async fn set_iam_policy(&self, request: Request<SetIamPolicyRequest>) -> Answer<Policy> {
        let request = request.into_inner();
        let policy = request.policy.unwrap_or_default().into();
        let policy = self.0.set_policy(bucket_id(&request.resource)?, policy)?;
        Ok(Response::new(policy.into()))
    }

    async fn test_iam_permissions(
        &self,
        request: Request<TestIamPermissionsRequest>,
    ) -> Answer<TestIamPermissionsResponse> {
        let request = request.into_inner();
        let bucket = bucket_id(&request.resource)?.split('/').next().unwrap_or_default();
        let permissions = self.0.permissions(bucket, request.permissions)?;
        Ok(Response::new(TestIamPermissionsResponse { permissions }))
    }

    async fn get_object(&self, request: Request<GetObjectRequest>) -> Answer<Object> {
        let request = request.into_inner();
        let condition = condition!(request);
        let source = source(&request.bucket, request.object, request.generation, condition)?;
        let object = match request.soft_deleted.unwrap_or_default() {
            true => self.0.get_soft_deleted(&source)?,
            false => self.0.get_object(&source)?,
        };
        Ok(Response::new(convert::object(object)))
    }

    async fn list_objects(&self, request: Request<ListObjectsRequest>) -> Answer<ListObjectsResponse> {
        let request = request.into_inner();
        if !request.filter.is_empty() {
            return Err(StorageError::unsupported("`filter`").into());
        }
        let glob = Some(&request.match_glob).filter(|pattern| !pattern.is_empty());
        let query = Query {
            which: match (request.versions, request.soft_deleted) {
                (_, true) => Which::SoftDeleted,
                (true, false) => Which::Versions,
                (false, false) => Which::Live,
            },
            glob: glob.map(|pattern| Glob::parse(pattern)).transpose()?,
            prefix: request.prefix,
            delimiter: request.delimiter,
            start: request.lexicographic_start,
            end: request.lexicographic_end,
            trailing_delimiter: request.include_trailing_delimiter,
            page: PageOf { size: request.page_size, token: request.page_token },
        };
        let listing = self.0.list_objects(bucket_id(&request.parent)?, &query)?;
        Ok(Response::new(ListObjectsResponse {
            objects: listing.objects.into_iter().map(convert::object).collect(),
            prefixes: listing.prefixes,
            next_page_token: listing.next,
        }))
    }

    async fn delete_object(&self, request: Request<DeleteObjectRequest>) -> Answer<Empty> {
        let request = request.into_inner();
        let condition = condition!(request);
        self.0.delete_object(&source(&request.bucket, request.object, request.generation, condition)?)?;
        Ok(Response::new(()))
    }

    async fn update_object(&self, request: Request<UpdateObjectRequest>) -> Answer<Object> {
        let request = request.into_inner();
        let condition = condition!(request);
        let object = request.object.unwrap_or_default();
        let settings = convert::settings(&object)?;
        let paths = convert::paths(request.update_mask, OBJECT_SETTINGS)?;
        check_paths(&paths, OBJECT_SETTINGS)?;
        let source = source(&object.bucket, object.name, object.generation, condition)?;
        let object = self.0.update_object(&source, &Change::Masked(&settings, paths))?;
        Ok(Response::new(convert::object(object)))
    }

    async fn compose_object(&self, request: Request<ComposeObjectRequest>) -> Answer<Object> {
        let request = request.into_inner();
        if request.delete_source_objects.unwrap_or_default() {
            return Err(StorageError::unsupported("`delete_source_objects`").into());
        }
        let mut new = convert::new_object(&request.destination.unwrap_or_default())?;
        new.expected = convert::expected(request.object_checksums);
        new.condition.generation = request.if_generation_match;
        new.condition.metageneration = request.if_metageneration_match;
        let bucket = new.bucket.clone();
        let sources = request.source_objects.into_iter().map(|source| Source {
            bucket: bucket.clone(),
            name: source.name,
            generation: generation(source.generation),
            condition: Precondition {
                generation: source.object_preconditions.and_then(|conditions| conditions.if_generation_match),
                ..Precondition::default()
            },
        });
        let sources: Vec<Source> = sources.collect();
        Ok(Response::new(convert::object(self.0.compose(&sources, new).await?)))
    }

    async fn rewrite_object(&self, request: Request<RewriteObjectRequest>) -> Answer<RewriteResponse> {
        let request = request.into_inner();
        let condition = condition!(request);
        let source_condition = source_condition!(request);
        let source = source(
            &request.source_bucket,
            request.source_object,
            request.source_generation,
            source_condition,
        )?;
        let destination = request.destination;
        let new = NewObject {
            bucket: bucket_id(&request.destination_bucket)?.to_owned(),
            name: request.destination_name,
            storage_class: destination
                .as_ref()
                .map(|object| object.storage_class.clone())
                .unwrap_or_default(),
            condition,
            expected: convert::expected(request.object_checksums),
            ..NewObject::default()
        };
        let rewrite = Rewrite {
            source,
            new,
            settings: destination.as_ref().map(convert::settings).transpose()?,
            most_bytes: u64::try_from(request.max_bytes_rewritten_per_call).unwrap_or_default(),
            token: request.rewrite_token,
        };
        Ok(Response::new(convert::rewritten(self.0.rewrite(rewrite).await?)))
    }

    async fn restore_object(&self, request: Request<RestoreObjectRequest>) -> Answer<Object> {
        let request = request.into_inner();
        let condition = condition!(request);
        let source = source(&request.bucket, request.object, request.generation, condition)?;
        Ok(Response::new(convert::object(self.0.restore(&source).await?)))
    }

    async fn move_object(&self, request: Request<MoveObjectRequest>) -> Answer<Object> {
        let request = request.into_inner();
        let condition = condition!(request);
        let source_condition = source_condition!(request);
        let source = source(&request.bucket, request.source_object, 0, source_condition)?;
        let object = self.0.rename(&source, request.destination_object, condition).await?;
        Ok(Response::new(convert::object(object)))
    }

    async fn read_object(
        &self,
        request: Request<ReadObjectRequest>,
    ) -> Answer<read::Answers<ReadObjectResponse>> {
        let request = request.into_inner();
        let condition = condition!(request);
        let source = source(&request.bucket, request.object, request.generation, condition)?;
        Ok(Response::new(read::range(&self.0, &source, request.read_offset, request.read_limit)?))
    }

    async fn bidi_read_object(
        &self,
        request: Request<Streaming<BidiReadObjectRequest>>,
    ) -> Answer<read::Answers<BidiReadObjectResponse>> {
        Ok(Response::new(read::ranges(&self.0, request.into_inner()).await?))
    }

    async fn write_object(
        &self,
        request: Request<Streaming<WriteObjectRequest>>,
    ) -> Answer<WriteObjectResponse> {
        Ok(Response::new(write::object(&self.0, request.into_inner()).await?))
    }

    async fn start_resumable_write(
        &self,
        request: Request<StartResumableWriteRequest>,
    ) -> Answer<StartResumableWriteResponse> {
        let request = request.into_inner();
        let mut new = write::new_object(request.write_object_spec.unwrap_or_default())?;
        new.expected = convert::expected(request.object_checksums);
        let upload_id = self.0.begin_upload(new).await?;
        Ok(Response::new(StartResumableWriteResponse { upload_id }))
    }

    async fn query_write_status(
        &self,
        request: Request<QueryWriteStatusRequest>,
    ) -> Answer<QueryWriteStatusResponse> {
        let id = request.into_inner().upload_id;
        let nothing = futures::stream::empty::<Result<bytes::Bytes>>();
        let status = match self.0.continue_upload(&id, Part::default(), nothing).await? {
            Standing::Done(object) => WriteStatus::Resource(convert::object(*object)),
            Standing::Partial(size) => WriteStatus::PersistedSize(i64::try_from(size).unwrap_or(i64::MAX)),
        };
        Ok(Response::new(QueryWriteStatusResponse { write_status: Some(status) }))
    }

    async fn cancel_resumable_write(
        &self,
        request: Request<CancelResumableWriteRequest>,
    ) -> Answer<CancelResumableWriteResponse> {
        self.0.cancel_upload(&request.into_inner().upload_id).await?;
        Ok(Response::new(CancelResumableWriteResponse {}))
    }
}
