"""What an Iceberg table does with S3: metadata, manifests and data there, the catalogue in SQLite."""
import os

import pyarrow as pa
import s3fs
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.types import StringType

from steps import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, WORK, step

files = s3fs.S3FileSystem(
    key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=ENDPOINT, use_listings_cache=False)
files.mkdir(BUCKET)
catalog = SqlCatalog("default", **{
    "uri": f"sqlite:///{os.path.join(WORK, 'catalog.db')}", "warehouse": f"s3://{BUCKET}/warehouse",
    "s3.endpoint": ENDPOINT, "s3.access-key-id": ACCESS_KEY, "s3.secret-access-key": SECRET_KEY,
    "s3.region": REGION,
    "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
})
NAME = "space.numbers"


def rows(first, count):
    return pa.table({"id": pa.array(range(first, first + count), pa.int64())})


def ids(**options):
    return sorted(catalog.load_table(NAME).scan(**options).to_arrow()["id"].to_pylist())


def create():
    catalog.create_namespace("space")
    table = catalog.create_table(NAME, schema=rows(0, 0).schema)
    table.append(rows(0, 100))
    assert ids() == list(range(100))
    assert ids(row_filter="id >= 97") == [97, 98, 99]


def append():
    catalog.load_table(NAME).append(rows(100, 10))
    snapshots = catalog.load_table(NAME).snapshots()
    assert len(snapshots) == 2, snapshots
    assert ids() == list(range(110))
    assert ids(snapshot_id=snapshots[0].snapshot_id) == list(range(100))


def schema():
    table = catalog.load_table(NAME)
    with table.update_schema() as change:
        change.add_column("note", StringType())
    table.append(pa.table({"id": pa.array([110], pa.int64()), "note": ["new"]}))
    found = table.scan(row_filter="id >= 109").to_arrow().sort_by("id").to_pydict()
    assert found == {"id": [109, 110], "note": [None, "new"]}, found


def conflict():
    first, second = catalog.load_table(NAME), catalog.load_table(NAME)
    first.delete("id < 10")
    try:
        second.delete("id < 5")
        raise AssertionError("both commits were taken")
    except (CommitFailedException, ValidationException):
        pass
    assert ids() == list(range(10, 111))


def other_files():
    properties = {**catalog.properties, "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}
    table = SqlCatalog("default", **properties).load_table(NAME)
    table.overwrite(pa.table({"id": pa.array([1, 2], pa.int64()), "note": ["a", "b"]}))
    assert table.scan().to_arrow().sort_by("id")["note"].to_pylist() == ["a", "b"]
    assert ids() == [1, 2]


def purge():
    table = catalog.load_table(NAME)
    live = [task.file.file_path for task in table.scan().plan_files()] + [table.metadata_location]
    assert len(live) > 1 and all(files.exists(path) for path in live), live
    catalog.purge_table(NAME)
    assert not any(files.exists(path) for path in live), live


for name, work in [
    ("create", create), ("append-and-go-back", append), ("change-schema", schema),
    ("conflict", conflict), ("fsspec", other_files), ("purge", purge),
]:
    step(name, work)
