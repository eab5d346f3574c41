"""What Arrow's own file system does with S3: Parquet, data sets, ranges, streams in parts, folders."""
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from steps import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, read, step

files = fs.S3FileSystem(
    access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION, scheme="http",
    endpoint_override=ENDPOINT.removeprefix("http://"),
    allow_bucket_creation=True, allow_bucket_deletion=True)
large = read("large.bin")
table = pa.table({"id": range(10000), "day": [i % 5 for i in range(10000)],
                  "text": [f"row {i}" for i in range(10000)]})


def make_bucket():
    files.create_dir(BUCKET)
    assert files.get_file_info(BUCKET).type == fs.FileType.Directory


def parquet():
    pq.write_table(table, f"{BUCKET}/table.parquet", filesystem=files, row_group_size=1000)
    assert pq.read_table(f"{BUCKET}/table.parquet", filesystem=files).equals(table)
    some = pq.read_table(f"{BUCKET}/table.parquet", filesystem=files, columns=["text"],
                         filters=[("id", ">=", 9998)])
    assert some.to_pydict() == {"text": ["row 9998", "row 9999"]}, some


def data_set():
    ds.write_dataset(table, f"{BUCKET}/set", format="parquet", filesystem=files,
                     partitioning=ds.partitioning(pa.schema([("day", pa.int64())]), flavor="hive"))
    found = ds.dataset(f"{BUCKET}/set", filesystem=files, partitioning="hive")
    assert len(found.files) == 5, found.files
    assert found.count_rows(filter=pc.field("day") == 3) == 2000


def parts():
    with files.open_output_stream(f"{BUCKET}/large", metadata={"Content-Type": "a/b"}) as out:
        for at in range(0, len(large), 1 << 20):
            out.write(large[at:at + (1 << 20)])
    with files.open_input_stream(f"{BUCKET}/large") as stream:
        assert stream.read() == large
        assert stream.metadata()["Content-Type"] == b"a/b", stream.metadata()


def ranges():
    with files.open_input_file(f"{BUCKET}/large") as file:
        assert file.size() == len(large)
        for at in (0, 4093, (5 << 20) - 3, (10 << 20) - 1, len(large) - 10):
            assert file.read_at(10, at) == large[at:at + 10], at


def listing():
    found = files.get_file_info(fs.FileSelector(f"{BUCKET}/set", recursive=True))
    assert sorted(info.type.name for info in found) == ["Directory"] * 5 + ["File"] * 5, found
    top = files.get_file_info(fs.FileSelector(BUCKET))
    assert sorted(info.base_name for info in top) == ["large", "set", "table.parquet"], top
    assert files.get_file_info(f"{BUCKET}/none").type == fs.FileType.NotFound


def move():
    files.copy_file(f"{BUCKET}/large", f"{BUCKET}/copied ü")
    files.move(f"{BUCKET}/copied ü", f"{BUCKET}/moved")
    with files.open_input_stream(f"{BUCKET}/moved") as stream:
        assert stream.read() == large
    assert files.get_file_info(f"{BUCKET}/copied ü").type == fs.FileType.NotFound


def delete():
    files.create_dir(f"{BUCKET}/empty/folder")
    assert files.get_file_info(f"{BUCKET}/empty/folder").type == fs.FileType.Directory
    files.delete_dir_contents(BUCKET)
    assert files.get_file_info(fs.FileSelector(BUCKET, recursive=True)) == []
    files.delete_dir(BUCKET)
    assert files.get_file_info(BUCKET).type == fs.FileType.NotFound


for name, work in [
    ("make-bucket", make_bucket), ("parquet", parquet), ("data-set", data_set), ("parts", parts),
    ("ranges", ranges), ("listing", listing), ("move", move), ("delete", delete),
]:
    step(name, work)
