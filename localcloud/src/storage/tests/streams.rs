//! Content over gRPC, message by message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;
use serde_json::json;

use super::json::Json;
use super::{BUCKET, PATH, clients};
use crate::storage::proto::write_object_request::{Data, FirstMessage};
use crate::storage::proto::{
    self, ReadObjectRequest, ReadObjectResponse, WriteObjectRequest, WriteObjectResponse,
    query_write_status_response, write_object_response,
};
use crate::testing::Server;

/// Calls a method with some messages; returns the answers, or the status' message.
async fn call<Q: Message, A: Message + Default>(
    server: &Server,
    method: &str,
    messages: &[Q],
) -> Result<Vec<A>, String> {
    let mut body = BytesMut::new();
    for message in messages {
        body.put_u8(0);
        body.put_u32(u32::try_from(message.encoded_len()).expect("a length"));
        message.encode(&mut body).expect("encoded");
    }
    drop(server.target());
    let http = reqwest::Client::builder().http2_prior_knowledge().build().expect("a client");
    let path = format!("{}/google.storage.v2.Storage/{method}", server.endpoint());
    let request = http.post(path).header("content-type", "application/grpc").header("te", "trailers");
    let answer = request.body(body.freeze()).send().await.expect("an answer");
    if let Some(message) = answer.headers().get("grpc-message") {
        return Err(message.to_str().expect("text").to_owned());
    }
    let mut bytes = answer.bytes().await.expect("a body");
    let mut answers = Vec::new();
    while bytes.has_remaining() {
        assert_eq!(bytes.get_u8(), 0, "not compressed");
        let length = bytes.get_u32() as usize;
        answers.push(A::decode(bytes.split_to(length)).expect("a message"));
    }
    Ok(answers)
}

fn data(content: &[u8], crc32c: Option<u32>) -> Data {
    Data::ChecksummedData(proto::ChecksummedData { content: Bytes::copy_from_slice(content), crc32c })
}

fn spec(name: &str) -> proto::WriteObjectSpec {
    let resource = proto::Object { bucket: PATH.into(), name: name.into(), ..Default::default() };
    proto::WriteObjectSpec { resource: Some(resource), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_written_and_read_in_messages() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let first = |crc32c| WriteObjectRequest {
        first_message: Some(FirstMessage::WriteObjectSpec(spec("a"))),
        data: Some(data(b"hello ", crc32c)),
        ..Default::default()
    };
    let last = WriteObjectRequest {
        write_offset: 6,
        data: Some(data(b"world", None)),
        finish_write: true,
        ..Default::default()
    };
    let unfinished = call::<_, WriteObjectResponse>(&server, "WriteObject", &[first(None)]).await;
    assert_eq!(unfinished.map(|_| ()), Err("The%20stream%20ended%20before%20finish_write.".into()));
    assert!(
        call::<_, WriteObjectResponse>(&server, "WriteObject", &[first(Some(1)), last.clone()])
            .await
            .is_err()
    );
    assert_eq!(json.object("GET", "a").await.0, 404);
    let written: Vec<WriteObjectResponse> =
        call(&server, "WriteObject", &[first(None), last]).await.expect("written");
    let Some(write_object_response::WriteStatus::Resource(object)) = written[0].write_status.clone() else {
        panic!("not finished")
    };
    assert_eq!((object.size, json.read("a").await), (11, (200, "hello world".into())));

    let read = async |read_offset, read_limit| {
        let request = ReadObjectRequest {
            bucket: PATH.into(),
            object: "a".into(),
            read_offset,
            read_limit,
            ..Default::default()
        };
        let answers = call::<_, ReadObjectResponse>(&server, "ReadObject", &[request]).await?;
        let content = |answer: ReadObjectResponse| answer.checksummed_data.unwrap_or_default().content;
        Ok::<_, String>(answers.into_iter().map(content).collect::<Vec<_>>().concat())
    };
    for (offset, limit, expected) in [(0, 0, "hello world"), (6, 3, "wor"), (-5, 0, "world"), (11, 0, "")] {
        assert_eq!(read(offset, limit).await, Ok(expected.into()), "{offset} {limit}");
    }
    assert!(read(12, 0).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumable_write_says_how_far_it_is() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let start =
        proto::StartResumableWriteRequest { write_object_spec: Some(spec("a")), ..Default::default() };
    let started: Vec<proto::StartResumableWriteResponse> =
        call(&server, "StartResumableWrite", &[start]).await.expect("started");
    let upload_id = started[0].upload_id.clone();
    let block = vec![b'x'; 256 << 10];
    let part = |write_offset, content: &[u8], finish_write| WriteObjectRequest {
        first_message: Some(FirstMessage::UploadId(upload_id.clone())),
        write_offset,
        data: Some(data(content, None)),
        finish_write,
        ..Default::default()
    };
    let partly: Vec<WriteObjectResponse> =
        call(&server, "WriteObject", &[part(0, &block, false)]).await.expect("a part");
    assert_eq!(partly[0].write_status, Some(write_object_response::WriteStatus::PersistedSize(256 << 10)));
    let query = proto::QueryWriteStatusRequest { upload_id: upload_id.clone(), ..Default::default() };
    let status: Vec<proto::QueryWriteStatusResponse> =
        call(&server, "QueryWriteStatus", &[query]).await.expect("a status");
    assert_eq!(
        status[0].write_status,
        Some(query_write_status_response::WriteStatus::PersistedSize(256 << 10))
    );
    let done: Vec<WriteObjectResponse> =
        call(&server, "WriteObject", &[part(256 << 10, b"end", true)]).await.expect("the end");
    assert!(matches!(done[0].write_status, Some(write_object_response::WriteStatus::Resource(_))));
    assert_eq!(json.read("a").await.1.len(), (256 << 10) + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_reads_many_ranges_on_one_stream() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let content: String =
        (0..400_000).map(|at| char::from(b'a' + u8::try_from(at % 26).expect("a letter"))).collect();
    json.write("large", &content).await;
    let (data, _) = clients(&server).await;
    let object = data.open_object(PATH, "large").send().await.expect("opened");
    assert_eq!(usize::try_from(object.object().size), Ok(content.len()));
    for (start, length) in [(0, 10), (1000, 300_000), (399_990, 10)] {
        let range = google_cloud_storage::model_ext::ReadRange::segment(start, length);
        let mut read = object.read_range(range).await;
        let mut found = Vec::new();
        while let Some(bytes) = read.next().await {
            found.extend(bytes.expect("bytes"));
        }
        let (start, length) =
            (usize::try_from(start).expect("a size"), usize::try_from(length).expect("a size"));
        assert_eq!(found, content.as_bytes()[start..start + length]);
    }
    let missing = data.open_object(PATH, "nothing").send().await.expect_err("an error");
    assert_eq!(
        missing.status().map(|status| status.message.clone()),
        Some(format!("No such object: {BUCKET}/nothing"))
    );
}
