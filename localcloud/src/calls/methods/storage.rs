//! Cloud Storage: the JSON API and `google.storage.v2`.

use super::{Method, delete, get, grpc, method, patch, post, put};

pub(super) const METHODS: &[Method] = &[
    method(
        "storage.buckets.insert",
        &[
            post("/storage/v1/b").about("projects/_/buckets/{.name}").within("projects/{?project}"),
            grpc("/google.storage.v2.Storage/CreateBucket", "projects/_/buckets/{#3}").within("{#2.3|#1}"),
        ],
    ),
    method(
        "storage.buckets.get",
        &[
            get("/storage/v1/b/{bucket}").about("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/GetBucket", "{#1}"),
        ],
    ),
    method(
        "storage.buckets.list",
        &[
            get("/storage/v1/b").about("projects/{?project}"),
            grpc("/google.storage.v2.Storage/ListBuckets", "{#1}"),
        ],
    ),
    method(
        "storage.buckets.patch",
        &[
            patch("/storage/v1/b/{bucket}").about("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/UpdateBucket", "{#1.1}"),
        ],
    ),
    method("storage.buckets.update", &[put("/storage/v1/b/{bucket}").about("projects/_/buckets/{bucket}")]),
    method(
        "storage.buckets.delete",
        &[
            delete("/storage/v1/b/{bucket}").about("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/DeleteBucket", "{#1}"),
        ],
    ),
    method(
        "storage.buckets.lockRetentionPolicy",
        &[grpc("/google.storage.v2.Storage/LockBucketRetentionPolicy", "{#1}")],
    ),
    method(
        "storage.buckets.getStorageLayout",
        &[get("/storage/v1/b/{bucket}/storageLayout").about("projects/_/buckets/{bucket}")],
    ),
    method(
        "storage.managedFolders.list",
        &[get("/storage/v1/b/{bucket}/managedFolders").about("projects/_/buckets/{bucket}")],
    ),
    method(
        "storage.buckets.getIamPolicy",
        &[
            get("/storage/v1/b/{bucket}/iam").about("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/GetIamPolicy", "{#1}"),
            grpc("/google.storage.control.v2.StorageControl/GetIamPolicy", "{#1}"),
        ],
    ),
    method(
        "storage.buckets.setIamPolicy",
        &[
            put("/storage/v1/b/{bucket}/iam").about("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/SetIamPolicy", "{#1}"),
            grpc("/google.storage.control.v2.StorageControl/SetIamPolicy", "{#1}"),
        ],
    ),
    method(
        "storage.buckets.testIamPermissions",
        &[
            get("/storage/v1/b/{bucket}/iam/testPermissions").about("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/TestIamPermissions", "{#1}"),
            grpc("/google.storage.control.v2.StorageControl/TestIamPermissions", "{#1}"),
        ],
    ),
    method(
        "storage.objects.list",
        &[
            get("/storage/v1/b/{bucket}/o").about("projects/_/buckets/{bucket}/objects"),
            grpc("/google.storage.v2.Storage/ListObjects", "{#1}/objects"),
        ],
    ),
    method(
        "storage.objects.get",
        &[
            // The XML API.
            get("/{bucket}/{*object}").about("projects/_/buckets/{bucket}/objects/{object}"),
            get("/storage/v1/b/{bucket}/o/{object}").about("projects/_/buckets/{bucket}/objects/{object}"),
            get("/download/storage/v1/b/{bucket}/o/{object}")
                .about("projects/_/buckets/{bucket}/objects/{object}"),
            grpc("/google.storage.v2.Storage/GetObject", "{#1}/objects/{#2}"),
            grpc("/google.storage.v2.Storage/ReadObject", "{#1}/objects/{#2}"),
            grpc("/google.storage.v2.Storage/BidiReadObject", "{#1.1}/objects/{#1.2}"),
        ],
    ),
    method(
        "storage.objects.patch",
        &[
            patch("/storage/v1/b/{bucket}/o/{object}").about("projects/_/buckets/{bucket}/objects/{object}"),
            grpc("/google.storage.v2.Storage/UpdateObject", "{#1.2}/objects/{#1.1}"),
        ],
    ),
    method(
        "storage.objects.update",
        &[put("/storage/v1/b/{bucket}/o/{object}").about("projects/_/buckets/{bucket}/objects/{object}")],
    ),
    method(
        "storage.objects.delete",
        &[
            delete("/storage/v1/b/{bucket}/o/{object}").about("projects/_/buckets/{bucket}/objects/{object}"),
            grpc("/google.storage.v2.Storage/DeleteObject", "{#1}/objects/{#2}"),
        ],
    ),
    method(
        "storage.objects.insert",
        &[
            post("/upload/storage/v1/b/{bucket}/o")
                .about("projects/_/buckets/{bucket}/objects/{?name}")
                .within("projects/_/buckets/{bucket}"),
            post("/resumable/upload/storage/v1/b/{bucket}/o")
                .about("projects/_/buckets/{bucket}/objects/{?name}")
                .within("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/WriteObject", "{#2.1.2}/objects/{#2.1.1}").within("{#2.1.2}"),
            grpc("/google.storage.v2.Storage/BidiWriteObject", "{#2.1.2}/objects/{#2.1.1}")
                .within("{#2.1.2}"),
            grpc("/google.storage.v2.Storage/StartResumableWrite", "{#1.1.2}/objects/{#1.1.1}")
                .within("{#1.1.2}"),
        ],
    ),
    method(
        "storage.objects.insert.resume",
        &[
            put("/upload/storage/v1/b/{bucket}/o")
                .about("projects/_/buckets/{bucket}/objects/{?name}")
                .within("projects/_/buckets/{bucket}"),
            put("/resumable/upload/storage/v1/b/{bucket}/o")
                .about("projects/_/buckets/{bucket}/objects/{?name}")
                .within("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/QueryWriteStatus", "uploads/{#1}"),
        ],
    ),
    method(
        "storage.objects.insert.cancel",
        &[
            delete("/upload/storage/v1/b/{bucket}/o")
                .about("projects/_/buckets/{bucket}/objects/{?name}")
                .within("projects/_/buckets/{bucket}"),
            delete("/resumable/upload/storage/v1/b/{bucket}/o")
                .about("projects/_/buckets/{bucket}/objects/{?name}")
                .within("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/CancelResumableWrite", "uploads/{#1}"),
        ],
    ),
    method(
        "storage.objects.compose",
        &[
            post("/storage/v1/b/{bucket}/o/{object}/compose")
                .about("projects/_/buckets/{bucket}/objects/{object}")
                .within("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/ComposeObject", "{#1.2}/objects/{#1.1}").within("{#1.2}"),
        ],
    ),
    method(
        "storage.objects.copy",
        &[post("/storage/v1/b/{bucket}/o/{object}/copyTo/b/{to}/o/{name}")
            .about("projects/_/buckets/{to}/objects/{name}")
            .within("projects/_/buckets/{to}")],
    ),
    method(
        "storage.objects.rewrite",
        &[
            post("/storage/v1/b/{bucket}/o/{object}/rewriteTo/b/{to}/o/{name}")
                .about("projects/_/buckets/{to}/objects/{name}")
                .within("projects/_/buckets/{to}"),
            grpc("/google.storage.v2.Storage/RewriteObject", "{#25}/objects/{#24}").within("{#25}"),
        ],
    ),
    method(
        "storage.objects.restore",
        &[
            post("/storage/v1/b/{bucket}/o/{object}/restore")
                .about("projects/_/buckets/{bucket}/objects/{object}")
                .within("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/RestoreObject", "{#1}/objects/{#2}").within("{#1}"),
        ],
    ),
    method(
        "storage.objects.move",
        &[
            post("/storage/v1/b/{bucket}/o/{object}/moveTo/o/{name}")
                .about("projects/_/buckets/{bucket}/objects/{name}")
                .within("projects/_/buckets/{bucket}"),
            grpc("/google.storage.v2.Storage/MoveObject", "{#1}/objects/{#3}").within("{#1}"),
        ],
    ),
];
