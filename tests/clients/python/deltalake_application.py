"""What a Delta table does with S3: every commit is a conditional write that only one writer wins."""
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import s3fs
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from steps import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, step

OPTIONS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION,
    "AWS_ENDPOINT_URL": ENDPOINT, "AWS_ALLOW_HTTP": "true", "aws_conditional_put": "etag",
}
URL = f"s3://{BUCKET}/tables/delta"
files = s3fs.S3FileSystem(
    key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=ENDPOINT, use_listings_cache=False)
files.mkdir(BUCKET)


def rows(first, count):
    return pa.table({"id": pa.array(range(first, first + count), pa.int64()),
                     "day": [f"d{i % 3}" for i in range(first, first + count)]})


def table(version=None):
    return DeltaTable(URL, version=version, storage_options=OPTIONS)


def append(first, count):
    write_deltalake(URL, rows(first, count), mode="append", storage_options=OPTIONS)


def ids(at):
    return sorted(at.to_pyarrow_table(columns=["id"])["id"].to_pylist())


def create():
    write_deltalake(URL, rows(0, 100), partition_by=["day"], storage_options=OPTIONS)
    assert table().version() == 0 and ids(table()) == list(range(100))


def append_rows():
    append(100, 50)
    assert ids(table()) == list(range(150))
    assert ids(table(version=0)) == list(range(100))


def conflict():
    first, second = table(), table()
    first.delete("id < 10")
    try:
        # This one read rows that are no more, so its commit must not win the next version either.
        second.update(updates={"id": "id + 1000"}, predicate="id < 20")
        raise AssertionError("both commits were taken")
    except CommitFailedError:
        pass
    assert ids(table()) == list(range(10, 150))


def concurrent():
    before = table().version()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: append(1000 + i, 1), range(12)))
    assert ids(table())[-12:] == list(range(1000, 1012))
    assert table().version() == before + 12
    commits = files.glob(f"{BUCKET}/tables/delta/_delta_log/*.json")
    assert len(commits) == before + 13, commits


def merge():
    table().merge(rows(149, 3), "s.id = t.id", source_alias="s", target_alias="t") \
        .when_matched_delete().when_not_matched_insert_all().execute()
    assert ids(table())[-15:] == [148, 150, 151] + list(range(1000, 1012))


def compact():
    before = ids(table())
    table().optimize.compact()
    table().create_checkpoint()
    gone = table().vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert len(gone) > 12, gone
    assert ids(table()) == before
    assert len(table().file_uris()) == 3, table().file_uris()


for name, work in [
    ("create", create), ("append", append_rows), ("conflict", conflict),
    ("concurrent-commits", concurrent), ("merge", merge), ("compact-and-vacuum", compact),
]:
    step(name, work)
