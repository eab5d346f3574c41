"""The steps of every client, with minio-py."""
import io
import os
from datetime import timedelta

from minio import Minio
from minio.commonconfig import ENABLED, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

from steps import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, WORK, fetch, read, step

client = Minio(ENDPOINT.removeprefix("http://"), ACCESS_KEY, SECRET_KEY, secure=False, region=REGION)
small, large = read("small.bin"), read("large.bin")


def content(key, **options):
    reply = client.get_object(BUCKET, key, **options)
    try:
        return reply.read()
    finally:
        reply.close()
        reply.release_conn()


def make_bucket():
    client.make_bucket(BUCKET)
    assert client.bucket_exists(BUCKET)
    assert BUCKET in [bucket.name for bucket in client.list_buckets()]


def put_small():
    client.put_object(BUCKET, "small", io.BytesIO(small), len(small), "text/plain", metadata={"color": "green"})


def get_small():
    assert content("small") == small
    assert content("small", offset=10, length=10) == small[10:20]
    assert client.stat_object(BUCKET, "small").metadata["x-amz-meta-color"] == "green"


def put_multipart():
    client.fput_object(BUCKET, "large", os.path.join(WORK, "large.bin"), part_size=5 << 20)
    assert client.stat_object(BUCKET, "large").etag.endswith("-3")


def get_multipart():
    assert content("large") == large


def list_1000():
    for i in range(1005):
        client.put_object(BUCKET, f"many/{i:04}", io.BytesIO(b"x"), 1)
    keys = [item.object_name for item in client.list_objects(BUCKET, "many/", recursive=True)]
    assert keys == [f"many/{i:04}" for i in range(1005)], len(keys)


def copy():
    client.copy_object(BUCKET, "copied ü", CopySource(BUCKET, "large"))
    assert client.stat_object(BUCKET, "copied ü").size == len(large)


def versions():
    bucket = BUCKET + "-v"
    client.make_bucket(bucket)
    client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    first = client.put_object(bucket, "k", io.BytesIO(b"one"), 3).version_id
    client.put_object(bucket, "k", io.BytesIO(b"two"), 3)
    client.remove_object(bucket, "k")
    reply = client.get_object(bucket, "k", version_id=first)
    assert reply.read() == b"one"
    reply.close()
    listed = list(client.list_objects(bucket, include_version=True))
    assert sorted(item.is_delete_marker for item in listed) == [False, False, True]
    for item in listed:
        client.remove_object(bucket, "k", version_id=item.version_id)
    client.remove_bucket(bucket)


def presigned():
    assert fetch(client.presigned_get_object(BUCKET, "small", expires=timedelta(minutes=5))) == small


def delete():
    names = [DeleteObject(item.object_name) for item in client.list_objects(BUCKET, recursive=True)]
    assert list(client.remove_objects(BUCKET, names)) == []
    try:
        client.stat_object(BUCKET, "small")
        raise AssertionError("still there")
    except S3Error as error:
        assert error.code == "NoSuchKey"


def remove_bucket():
    client.remove_bucket(BUCKET)


for name, work in [
    ("make-bucket", make_bucket), ("put-small", put_small), ("get-small", get_small),
    ("put-multipart", put_multipart), ("get-multipart", get_multipart), ("list-1000", list_1000),
    ("copy", copy), ("versions", versions), ("presigned", presigned), ("delete", delete),
    ("remove-bucket", remove_bucket),
]:
    step(name, work)
