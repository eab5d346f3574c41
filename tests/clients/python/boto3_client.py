"""The steps of every client, with boto3."""
import base64
import datetime
import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError, EventStreamError

from steps import (
    ACCESS_KEY, BUCKET, ENDPOINT, KMS_KEY, REGION, SECRET_KEY, TLS_CERTIFICATE, TLS_ENDPOINT,
    WEBSITE_DOMAIN, WORK, fetch, fetch_page, post_form, read, refuses, step)


def connect(endpoint, **options):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        **options,
    )


s3 = connect(ENDPOINT)
small, large = read("small.bin"), read("large.bin")


def make_bucket():
    s3.create_bucket(Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def put_small():
    s3.put_object(Bucket=BUCKET, Key="small", Body=small, ContentType="text/plain",
                  Metadata={"color": "green"}, Tagging="a=b", ChecksumAlgorithm="SHA256")


def get_small():
    reply = s3.get_object(Bucket=BUCKET, Key="small", ChecksumMode="ENABLED")
    assert reply["Body"].read() == small
    assert reply["Metadata"] == {"color": "green"} and reply["ContentType"] == "text/plain"
    assert "ChecksumSHA256" in reply
    part = s3.get_object(Bucket=BUCKET, Key="small", Range="bytes=10-19")["Body"].read()
    assert part == small[10:20]
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="small")["TagSet"]
    assert tags == [{"Key": "a", "Value": "b"}], tags


def put_multipart():
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_file(os.path.join(WORK, "large.bin"), BUCKET, "large", Config=config)
    assert s3.head_object(Bucket=BUCKET, Key="large")["ETag"].endswith('-3"')


def get_multipart():
    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == large


def list_1000():
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: s3.put_object(Bucket=BUCKET, Key=f"many/{i:04}", Body=b"x"), range(1005)))
    keys = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="many/"):
        keys += [item["Key"] for item in page["Contents"]]
    assert keys == [f"many/{i:04}" for i in range(1005)], len(keys)
    v1 = s3.list_objects(Bucket=BUCKET, Delimiter="/")
    assert v1["CommonPrefixes"] == [{"Prefix": "many/"}]


def copy():
    s3.copy_object(Bucket=BUCKET, Key="copied ü", CopySource={"Bucket": BUCKET, "Key": "large"})
    assert s3.head_object(Bucket=BUCKET, Key="copied ü")["ContentLength"] == len(large)


def versions():
    bucket = BUCKET + "-v"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"two")
    s3.delete_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"one"
    listed = s3.list_object_versions(Bucket=bucket)
    assert len(listed["Versions"]) == 2 and len(listed["DeleteMarkers"]) == 1
    for item in listed["Versions"] + listed["DeleteMarkers"]:
        s3.delete_object(Bucket=bucket, Key="k", VersionId=item["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def presigned():
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "small"})
    assert fetch(url) == small


def select():
    def query(key, expression, **given):
        reply = s3.select_object_content(
            Bucket=BUCKET, Key=key, ExpressionType="SQL", Expression=expression,
            OutputSerialization={"JSON": {}}, **given)
        records, kinds = b"", []
        for event in reply["Payload"]:
            kinds += event.keys()
            records += event.get("Records", {}).get("Payload", b"")
        assert kinds[-2:] == ["Stats", "End"], kinds
        return records

    s3.put_object(Bucket=BUCKET, Key="people.csv.gz",
                  Body=gzip.compress(b'id,name\n1,Ann\n2,"B,ob"\n'))
    csv = {"CSV": {"FileHeaderInfo": "USE"}, "CompressionType": "GZIP"}
    found = query("people.csv.gz", "SELECT s.name FROM S3Object s WHERE s.id > 1",
                  InputSerialization=csv)
    assert found == b'{"name":"B,ob"}\n', found
    s3.put_object(Bucket=BUCKET, Key="lines.json", Body=b'{"a":{"b":[1,2]}}\n{"a":{}}\n')
    found = query("lines.json", "SELECT s.a.b[1] AS c FROM S3Object s",
                  InputSerialization={"JSON": {"Type": "LINES"}},
                  ScanRange={"Start": 0, "End": 17}, RequestProgress={"Enabled": True})
    assert found == b'{"c":2}\n', found
    try:
        query("lines.json", "SELECT", InputSerialization={"JSON": {"Type": "LINES"}})
        raise AssertionError("no error")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ParseSelectFailure"
    try:
        query("lines.json", "SELECT 1 / 0 FROM S3Object",
              InputSerialization={"JSON": {"Type": "LINES"}})
        raise AssertionError("no error")
    except EventStreamError as error:
        assert error.response["Error"]["Code"] == "InvalidQuery"


def encryption():
    bucket = BUCKET + "-e"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="own", Body=small, ServerSideEncryption="AES256")
    assert s3.head_object(Bucket=bucket, Key="own")["ServerSideEncryption"] == "AES256"
    context = base64.b64encode(json.dumps({"project": "ü"}).encode()).decode()
    reply = s3.put_object(Bucket=bucket, Key="kms", Body=small, ServerSideEncryption="aws:kms",
                          SSEKMSKeyId=KMS_KEY, SSEKMSEncryptionContext=context)
    assert reply["SSEKMSKeyId"].endswith(KMS_KEY), reply
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    kept = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert kept[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_file(os.path.join(WORK, "large.bin"), bucket, "parts", Config=config)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "kms"})
    for key, content, algorithm in [("own", small, "AES256"), ("kms", small, "aws:kms"),
                                    ("parts", large, "AES256"), ("copy", small, "AES256")]:
        reply = s3.get_object(Bucket=bucket, Key=key)
        assert reply["Body"].read() == content and reply["ServerSideEncryption"] == algorithm, key
    s3.delete_bucket_encryption(Bucket=bucket)
    refuses("ServerSideEncryptionConfigurationNotFoundError",
            lambda: s3.get_bucket_encryption(Bucket=bucket))


def customer_key():
    tls = connect(TLS_ENDPOINT, verify=TLS_CERTIFICATE)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(range(32))}
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(32)}
    tls.create_bucket(Bucket=BUCKET)
    tls.put_object(Bucket=BUCKET, Key="k", Body=small, **key)
    reply = tls.get_object(Bucket=BUCKET, Key="k", Range="bytes=10-19", **key)
    assert reply["Body"].read() == small[10:20] and reply["SSECustomerAlgorithm"] == "AES256"
    refuses("InvalidRequest", lambda: tls.get_object(Bucket=BUCKET, Key="k"))
    refuses("AccessDenied", lambda: tls.get_object(Bucket=BUCKET, Key="k", **other))
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    tls.upload_file(os.path.join(WORK, "large.bin"), BUCKET, "parts", ExtraArgs=key, Config=config)
    tls.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "parts"},
                    **{f"CopySource{name}": value for name, value in key.items()}, **other)
    assert tls.get_object(Bucket=BUCKET, Key="copy", **other)["Body"].read() == large
    refuses("InvalidRequest", lambda: s3.put_object(Bucket=BUCKET, Key="k", Body=small, **key))


def checksums():
    s3.put_object(Bucket=BUCKET, Key="default", Body=small)
    assert "ChecksumCRC32" in s3.head_object(Bucket=BUCKET, Key="default", ChecksumMode="ENABLED")
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3",
                      "XXHASH128"]:
        key = f"sums/{algorithm}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=small, ChecksumAlgorithm=algorithm)
        reply = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert reply["Body"].read() == small and f"Checksum{algorithm}" in reply, algorithm
        about = s3.get_object_attributes(Bucket=BUCKET, Key=key, ObjectAttributes=["Checksum"])
        assert about["Checksum"][f"Checksum{algorithm}"] == reply[f"Checksum{algorithm}"]
        # Another content has another checksum.
        wrong = {f"Checksum{algorithm}": reply[f"Checksum{algorithm}"]}
        refuses("BadDigest", lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=b"other", **wrong))
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    for algorithm, kind in [("CRC32", "COMPOSITE"), ("CRC64NVME", "FULL_OBJECT"), ("SHA256", "COMPOSITE")]:
        s3.upload_file(os.path.join(WORK, "large.bin"), BUCKET, "parts", Config=config,
                       ExtraArgs={"ChecksumAlgorithm": algorithm})
        reply = s3.get_object(Bucket=BUCKET, Key="parts", ChecksumMode="ENABLED")
        assert reply["Body"].read() == large and reply["ChecksumType"] == kind, reply
        assert reply[f"Checksum{algorithm}"].endswith("-3") == (kind == "COMPOSITE")


def object_lock():
    at = {"Bucket": BUCKET + "-l", "Key": "k"}
    s3.create_bucket(Bucket=at["Bucket"], ObjectLockEnabledForBucket=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    hour, minute = (now + datetime.timedelta(seconds=seconds) for seconds in (3600, 60))
    put = s3.put_object(Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=hour, **at)
    version = {"VersionId": put["VersionId"], **at}
    refuses("AccessDenied", lambda: s3.delete_object(**version))
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": minute}
    refuses("AccessDenied", lambda: s3.put_object_retention(Retention=shorter, **version))
    s3.put_object_retention(Retention=shorter, BypassGovernanceRetention=True, **version)
    assert s3.get_object_retention(**version)["Retention"]["RetainUntilDate"] <= minute
    s3.put_object_legal_hold(LegalHold={"Status": "ON"}, **version)
    refuses("AccessDenied", lambda: s3.delete_object(BypassGovernanceRetention=True, **version))
    s3.put_object_legal_hold(LegalHold={"Status": "OFF"}, **version)
    s3.delete_object(BypassGovernanceRetention=True, **version)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    config = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=at["Bucket"], ObjectLockConfiguration=config)
    kept = s3.get_object_lock_configuration(Bucket=at["Bucket"])["ObjectLockConfiguration"]
    assert kept == config, kept
    version = {"VersionId": s3.put_object(Body=b"x", **at)["VersionId"], **at}
    assert s3.head_object(**version)["ObjectLockMode"] == "COMPLIANCE"
    refuses("AccessDenied", lambda: s3.delete_object(BypassGovernanceRetention=True, **version))


def post_policy():
    form = s3.generate_presigned_post(
        BUCKET, "forms/${filename}", Fields={"x-amz-meta-color": "green"},
        Conditions=[{"x-amz-meta-color": "green"}, ["content-length-range", 1, 2000]])
    assert post_form(form["url"], form["fields"], small) == 204
    assert s3.head_object(Bucket=BUCKET, Key="forms/f")["Metadata"] == {"color": "green"}
    assert post_form(form["url"], form["fields"], small * 3) == 400
    assert post_form(form["url"], {**form["fields"], "key": "elsewhere"}, small) == 403


def website():
    bucket = BUCKET + "-w"
    s3.create_bucket(Bucket=bucket)
    config = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=config)
    kept = s3.get_bucket_website(Bucket=bucket)
    assert {name: kept[name] for name in config} == config
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                 "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    for key in ("docs/index.html", "error.html"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="text/html")
    assert fetch_page(bucket, "/docs/") == (200, b"docs/index.html")
    # Who may not list the bucket does not learn that a page is missing.
    assert fetch_page(bucket, "/none") == (403, b"error.html")
    s3.delete_bucket_website(Bucket=bucket)
    assert fetch_page(bucket, "/docs/")[0] == 404


def delete():
    keys = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        keys += [{"Key": item["Key"]} for item in page["Contents"]]
    for at in range(0, len(keys), 1000):
        reply = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys[at:at + 1000]})
        assert "Errors" not in reply, reply["Errors"]
    try:
        s3.head_object(Bucket=BUCKET, Key="small")
        raise AssertionError("still there")
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def remove_bucket():
    s3.delete_bucket(Bucket=BUCKET)


for name, work in [
    ("make-bucket", make_bucket), ("put-small", put_small), ("get-small", get_small),
    ("put-multipart", put_multipart), ("get-multipart", get_multipart), ("list-1000", list_1000),
    ("copy", copy), ("versions", versions), ("presigned", presigned), ("select", select),
    ("encryption", KMS_KEY and encryption), ("customer-key", TLS_ENDPOINT and customer_key),
    ("checksums", checksums), ("object-lock", object_lock), ("post-policy", post_policy),
    ("website", WEBSITE_DOMAIN and website), ("delete", delete),
    ("remove-bucket", remove_bucket),
]:
    if work is not None:
        step(name, work)
