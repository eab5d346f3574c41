"""The steps of every client, with boto3."""
import gzip
import os

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError, EventStreamError

from steps import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, WORK, fetch, read, step

s3 = boto3.client(
    "s3",
    endpoint_url=ENDPOINT,
    aws_access_key_id=ACCESS_KEY,
    aws_secret_access_key=SECRET_KEY,
    region_name=REGION,
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
)
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
    for i in range(1005):
        s3.put_object(Bucket=BUCKET, Key=f"many/{i:04}", Body=b"x")
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
    ("copy", copy), ("versions", versions), ("presigned", presigned), ("select", select), ("delete", delete),
    ("remove-bucket", remove_bucket),
]:
    step(name, work)
