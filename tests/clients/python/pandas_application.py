"""What pandas does with S3 through s3fs: frames as Parquet, CSV and JSON, and the files behind them."""
import io

import pandas as pd
import s3fs

from steps import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, WORK, read, step

OPTIONS = {"key": ACCESS_KEY, "secret": SECRET_KEY,
           "client_kwargs": {"endpoint_url": ENDPOINT, "region_name": REGION}}
URL = f"s3://{BUCKET}"
files = s3fs.S3FileSystem(**OPTIONS, use_listings_cache=False)
large = read("large.bin")
frame = pd.DataFrame({"id": range(5000), "day": [f"d{i % 3}" for i in range(5000)]})


def make_bucket():
    files.mkdir(BUCKET)
    assert files.exists(BUCKET)


def parquet():
    frame.to_parquet(f"{URL}/frame.parquet", storage_options=OPTIONS)
    pd.testing.assert_frame_equal(
        pd.read_parquet(f"{URL}/frame.parquet", storage_options=OPTIONS), frame)
    some = pd.read_parquet(f"{URL}/frame.parquet", storage_options=OPTIONS, columns=["day"],
                           filters=[("id", "==", 4999)])
    assert some["day"].tolist() == ["d1"], some


def partitions():
    frame.to_parquet(f"{URL}/days", storage_options=OPTIONS, partition_cols=["day"])
    some = pd.read_parquet(f"{URL}/days", storage_options=OPTIONS, filters=[("day", "==", "d2")])
    assert len(some) == 1666, len(some)


def text():
    frame.to_csv(f"{URL}/frame.csv.gz", storage_options=OPTIONS, index=False)
    pd.testing.assert_frame_equal(
        pd.read_csv(f"{URL}/frame.csv.gz", storage_options=OPTIONS), frame)
    frame.to_json(f"{URL}/frame.json", storage_options=OPTIONS, orient="records", lines=True)
    pd.testing.assert_frame_equal(
        pd.read_json(f"{URL}/frame.json", storage_options=OPTIONS, lines=True), frame)


def parts():
    with files.open(f"{BUCKET}/large", "wb", block_size=5 << 20) as file:
        file.write(large)
    assert files.cat_file(f"{BUCKET}/large") == large
    assert files.cat_file(f"{BUCKET}/large", start=5 << 20, end=(5 << 20) + 9) == \
        large[5 << 20:(5 << 20) + 9]
    with files.open(f"{BUCKET}/large", "rb") as file:
        file.seek(-7, io.SEEK_END)
        assert file.read() == large[-7:]


def exclusive():
    with files.open(f"{BUCKET}/once", "xb") as file:
        file.write(b"one")
    for content in (b"two", large):
        try:
            with files.open(f"{BUCKET}/once", "xb", block_size=5 << 20) as file:
                file.write(content)
        except OSError as error:
            assert "pre-conditions" in str(error), error
            continue
        raise AssertionError(f"{len(content)} bytes were written over the file")
    assert files.cat_file(f"{BUCKET}/once") == b"one"


def folders():
    files.put(f"{WORK}/many/00*", f"{BUCKET}/many/")
    assert len(files.ls(f"{BUCKET}/many")) == 100
    assert len(files.glob(f"{BUCKET}/many/000?")) == 10
    files.copy(f"{BUCKET}/many/*", f"{BUCKET}/copied ü/")
    files.rm(f"{BUCKET}/many", recursive=True)
    assert not files.exists(f"{BUCKET}/many")
    assert files.cat_file(f"{BUCKET}/copied ü/0042") == b"content of 0042"


def delete():
    files.rm(BUCKET, recursive=True)
    assert not files.exists(BUCKET)


for name, work in [
    ("make-bucket", make_bucket), ("parquet", parquet), ("partitions", partitions),
    ("text", text), ("parts", parts), ("exclusive", exclusive), ("folders", folders),
    ("delete", delete),
]:
    step(name, work)
