"""The steps of every client, with minio-py."""
import io
import os
from datetime import datetime, timedelta, timezone

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, CopySource
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.select import CSVInputSerialization, JSONOutputSerialization, SelectRequest
from minio.sse import SseCustomerKey, SseKMS, SseS3
from minio.sseconfig import Rule, SSEConfig
from minio.versioningconfig import VersioningConfig

from steps import (
    ACCESS_KEY, BUCKET, ENDPOINT, KMS_KEY, REGION, SECRET_KEY, TLS_CERTIFICATE, TLS_ENDPOINT, WORK,
    fetch, post_form, read, refuses, step)

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


def select():
    content = b'id,name\n1,Ann\n2,"B,ob"\n'
    client.put_object(BUCKET, "people.csv", io.BytesIO(content), len(content))
    request = SelectRequest(
        "SELECT s.name FROM S3Object s WHERE s.id > 1",
        CSVInputSerialization(file_header_info="USE"), JSONOutputSerialization(),
        request_progress=True)
    with client.select_object_content(BUCKET, "people.csv", request) as result:
        assert b"".join(result.stream()) == b'{"name":"B,ob"}\n'
        assert result.stats().bytes_scanned == str(len(content))


def sse_of(bucket, key):
    return client.stat_object(bucket, key).metadata["x-amz-server-side-encryption"]


def encryption():
    bucket = BUCKET + "-e"
    client.make_bucket(bucket)
    client.put_object(bucket, "own", io.BytesIO(small), len(small), sse=SseS3())
    assert sse_of(bucket, "own") == "AES256"
    sse = SseKMS(KMS_KEY, {"project": "a"})
    client.put_object(bucket, "kms", io.BytesIO(small), len(small), sse=sse)
    assert sse_of(bucket, "kms") == "aws:kms"
    client.set_bucket_encryption(bucket, SSEConfig(Rule.new_sse_kms_rule(KMS_KEY)))
    assert client.get_bucket_encryption(bucket).rule.sse_algorithm == "aws:kms"
    client.fput_object(bucket, "default", os.path.join(WORK, "large.bin"), part_size=5 << 20)
    assert sse_of(bucket, "default") == "aws:kms"
    reply = client.get_object(bucket, "default")
    assert reply.read() == large
    reply.close()
    client.set_bucket_encryption(bucket, SSEConfig(Rule.new_sse_s3_rule()))
    client.copy_object(bucket, "copy", CopySource(bucket, "default"))
    assert sse_of(bucket, "copy") == "AES256"
    client.delete_bucket_encryption(bucket)
    assert client.get_bucket_encryption(bucket) is None


def customer_key():
    tls = Minio(TLS_ENDPOINT.removeprefix("https://"), ACCESS_KEY, SECRET_KEY, region=REGION,
                http_client=urllib3.PoolManager(ca_certs=TLS_CERTIFICATE))
    key, other = SseCustomerKey(bytes(range(32))), SseCustomerKey(bytes(32))
    tls.make_bucket(BUCKET)
    tls.fput_object(BUCKET, "k", os.path.join(WORK, "large.bin"), sse=key, part_size=5 << 20)
    reply = tls.get_object(BUCKET, "k", ssec=key)
    assert reply.read() == large
    reply.close()
    refuses("InvalidRequest", lambda: tls.get_object(BUCKET, "k"))
    refuses("AccessDenied", lambda: tls.get_object(BUCKET, "k", ssec=other))
    tls.copy_object(BUCKET, "copy", CopySource(BUCKET, "k", ssec=key), sse=other)
    assert tls.stat_object(BUCKET, "copy", ssec=other).size == len(large)


def object_lock():
    bucket = BUCKET + "-l"
    client.make_bucket(bucket, object_lock=True)
    now = datetime.now(timezone.utc)
    hour, minute = (Retention(GOVERNANCE, now + timedelta(seconds=s)) for s in (3600, 60))
    version = client.put_object(bucket, "k", io.BytesIO(b"x"), 1, retention=hour).version_id
    refuses("AccessDenied", lambda: client.remove_object(bucket, "k", version_id=version))
    refuses("AccessDenied", lambda: client.set_object_retention(bucket, "k", minute, version))
    assert client.get_object_retention(bucket, "k", version).mode == GOVERNANCE
    client.enable_object_legal_hold(bucket, "k", version)
    assert client.is_object_legal_hold_enabled(bucket, "k", version)

    def bypass():
        return list(client.remove_objects(
            bucket, [DeleteObject("k", version)], bypass_governance_mode=True))

    assert [error.code for error in bypass()] == ["AccessDenied"]
    client.disable_object_legal_hold(bucket, "k", version)
    assert bypass() == []
    client.set_object_lock_config(bucket, ObjectLockConfig(COMPLIANCE, 1, DAYS))
    kept = client.get_object_lock_config(bucket)
    assert (kept.mode, kept.duration, kept.duration_unit) == (COMPLIANCE, 1, DAYS)
    version = client.put_object(bucket, "k", io.BytesIO(b"x"), 1).version_id
    assert client.get_object_retention(bucket, "k", version).mode == COMPLIANCE
    assert [error.code for error in bypass()] == ["AccessDenied"]


def post_policy():
    policy = PostPolicy(BUCKET, datetime.now(timezone.utc) + timedelta(minutes=5))
    policy.add_starts_with_condition("key", "forms/")
    policy.add_content_length_range_condition(1, 2000)
    fields = client.presigned_post_policy(policy)
    url = f"{ENDPOINT}/{BUCKET}"
    assert post_form(url, {"key": "forms/${filename}", **fields}, small) == 204
    assert content("forms/f") == small
    assert post_form(url, {"key": "forms/f", **fields}, small * 3) == 400
    assert post_form(url, {"key": "elsewhere", **fields}, small) == 403


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
    ("copy", copy), ("versions", versions), ("presigned", presigned), ("select", select),
    ("encryption", KMS_KEY and encryption), ("customer-key", TLS_ENDPOINT and customer_key),
    ("object-lock", object_lock), ("post-policy", post_policy), ("delete", delete),
    ("remove-bucket", remove_bucket),
]:
    if work is not None:
        step(name, work)
